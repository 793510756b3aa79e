package expression

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// values are the functions on values of any kind.
func values() map[string]function {
	return map[string]function{
		"coalesce": {min: 1, max: many, call: func(_ *meter, a []any) (any, error) {
			for _, v := range a {
				if v != nil && v != "" {
					return v, nil
				}
			}
			return nil, nil
		}},
		"get":    {min: 2, max: 2, call: func(_ *meter, a []any) (any, error) { return memberOf(a[0], a[1]) }},
		"string": onText(func(s string) string { return s }),
		"len": {gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
			switch v := a[0].(type) {
			case nil:
				return 0, nil
			case []any:
				return len(v), nil
			case map[string]any:
				return len(v), nil
			}
			if list := reflect.ValueOf(a[0]); list.Kind() == reflect.Slice {
				return list.Len(), nil
			}
			s, err := textOf(a[0])
			return utf8.RuneCountInString(s), err
		}},
		"keys": {gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
			out := []any{}
			object, _ := a[0].(map[string]any)
			for _, k := range slices.Sorted(maps.Keys(object)) {
				out = append(out, k)
			}
			return out, nil
		}},
		"values": {gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
			out := []any{}
			object, _ := a[0].(map[string]any)
			for _, k := range slices.Sorted(maps.Keys(object)) {
				out = append(out, object[k])
			}
			return out, nil
		}},
		"toJSON": {gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) { return toJSON(a[0]) }},
		"fromJSON": {min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
			if a[0] == nil {
				return nil, nil
			}
			s, err := textOf(a[0])
			if err != nil {
				return nil, err
			}
			return FromJSON([]byte(s))
		}},
		"sha256": onText(func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }),
		"sha512": onText(func(s string) string { sum := sha512.Sum512([]byte(s)); return hex.EncodeToString(sum[:]) }),
		"uuidv5": onText(func(s string) string { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(s)).String() }),
	}
}

// Number gives a number as JSON writes it: an int, a float64, or its text where
// an int does not hold all of its digits.
func Number(text []byte) any {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return int(n)
	}
	if bytes.ContainsAny(text, ".eE") {
		if f, err := strconv.ParseFloat(string(text), 64); err == nil {
			return f
		}
	}
	return string(text)
}

// Text gives a text; an error when it is longer than MaxText.
func Text(text []byte) (any, error) {
	if err := bounded(len(text)); err != nil {
		return nil, err
	}
	return string(text), nil
}

// FromJSON reads JSON as natural Go values.
func FromJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("the text is not JSON")
	}
	if d.More() {
		return nil, errors.New("the text is more than one JSON value")
	}
	return settle(v)
}

// settle turns the numbers of a decoded value into natural ones and bounds its lists and texts.
func settle(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		return Number([]byte(v)), nil
	case string:
		return v, bounded(len(v))
	case []any:
		if len(v) > MaxElements {
			return nil, fmt.Errorf("a list of %d elements, more than %d", len(v), MaxElements)
		}
		for i := range v {
			if v[i], err = settle(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = settle(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// natural brings a result into the kinds that Runner.Run promises.
func natural(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int, string, time.Time, []any, map[string]any:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, &Error{Line: 1, Column: 1, Message: "the result is no finite number"}
		}
		return v, nil
	}
	if n, ok := numberOf(v); ok {
		return n, nil
	}
	if list := reflect.ValueOf(v); list.Kind() == reflect.Slice {
		out := make([]any, list.Len())
		for i := range out {
			out[i] = list.Index(i).Interface()
		}
		return out, nil
	}
	return nil, &Error{Line: 1, Column: 1, Message: "the result is no value that a column can hold"}
}

// ToText gives a result as the text of a cell; ok is false for null.
func ToText(v any) (text string, ok bool, err error) {
	if v == nil {
		return "", false, nil
	}
	text, err = textOf(v)
	return text, true, err
}

// toJSON writes a value, with the members of objects in order; it fails when that is more than MaxText.
func toJSON(v any) (string, error) {
	var b strings.Builder
	if err := writeJSON(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}

func writeJSON(b *strings.Builder, v any) error {
	if err := bounded(b.Len()); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case string:
		text, _ := json.Marshal(v) // a string cannot fail
		b.Write(text)
	case time.Time:
		b.WriteString(strconv.Quote(v.Format(stamp)))
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, e); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteByte(',')
			}
			_ = writeJSON(b, k)
			b.WriteByte(':')
			if err := writeJSON(b, v[k]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		flat, err := natural(v)
		if err != nil {
			return errors.New("it holds no value that JSON can write")
		}
		if list, ok := flat.([]any); ok {
			return writeJSON(b, list)
		}
		text, err := textOf(flat)
		if err != nil {
			return err
		}
		b.WriteString(text)
	}
	return nil
}
