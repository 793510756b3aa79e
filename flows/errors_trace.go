package flows

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxTraceKey bounds a trace key that is kept as it is, in bytes; a longer one is kept as its digest.
	MaxTraceKey = 256
	// MaxTraceKeys bounds the open errors that a run looks out for.
	MaxTraceKeys = 10_000
)

// Trace says what identifies a record across the runs of a flow: fields by
// name, or JSON Pointers. None takes the record as a whole.
type Trace []string

// Trace gives what identifies a record of the flow: what the flow says, else
// the fields that its import's keys are made from.
func (s Spec) Trace() Trace {
	if len(s.TraceKey) > 0 {
		return Trace(s.TraceKey)
	}
	var fields Trace
	for _, key := range append(slices.Clone(s.Import.Keys), s.personKeys()...) {
		field := key
		if i := slices.IndexFunc(s.Mapping, func(r Rule) bool { return r.To == key }); i >= 0 {
			field = cmp.Or(s.Mapping[i].From, key)
		}
		fields = append(fields, field)
	}
	return fields
}

// Plain reports whether the key is made of top-level fields alone.
func (t Trace) Plain() bool {
	return len(t) > 0 && !slices.ContainsFunc(t, func(f string) bool { return strings.HasPrefix(f, "/") })
}

// KeyOf gives the trace key of a record that is a JSON object, "" for none. A
// record without a value in any of the fields is known by its digest.
func (t Trace) KeyOf(object []byte) string {
	if len(object) == 0 {
		return ""
	}
	values := make([][]byte, len(t))
	for i, field := range t {
		values[i] = valueAt(object, field)
	}
	if key := t.Join(values); key != "" {
		return key
	}
	return digest([]byte("record"), object)
}

// Join makes a key of the fields' values, nil for a null; "" when all of them
// are. A single short value is its own key.
func (t Trace) Join(values [][]byte) string {
	if !slices.ContainsFunc(values, func(v []byte) bool { return v != nil }) {
		return ""
	}
	if len(values) == 1 && len(values[0]) <= MaxTraceKey {
		return string(values[0])
	}
	return digest(values...)
}

func digest(values ...[]byte) string {
	h := sha256.New()
	for _, v := range values {
		// The length before each value keeps "a","bc" and "ab","c" apart; a null is told from an empty text.
		length := "-"
		if v != nil {
			length = strconv.Itoa(len(v))
		}
		h.Write([]byte(length + ":"))
		h.Write(v)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)[:16])
}

// valueAt gives the text of a field of a JSON object, nil for a null and for none.
func valueAt(object []byte, field string) []byte {
	if !strings.HasPrefix(field, "/") {
		return textOf(memberOf(object, field))
	}
	at := json.RawMessage(object)
	for token := range strings.SplitSeq(field[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		at = bytes.TrimSpace(at)
		switch {
		case len(at) == 0:
			return nil
		case at[0] == '[':
			at = elementOf(at, token)
		default:
			at = memberOf(at, token)
		}
	}
	return textOf(at)
}

func memberOf(object json.RawMessage, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil
	}
	return members[name]
}

func elementOf(array json.RawMessage, index string) json.RawMessage {
	var elements []json.RawMessage
	i, err := strconv.Atoi(index)
	if err != nil || json.Unmarshal(array, &elements) != nil || i < 0 || i >= len(elements) {
		return nil
	}
	return elements[i]
}

// textOf is a string's text, anything else as it is written.
func textOf(value json.RawMessage) []byte {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || string(value) == "null" {
		return nil
	}
	if value[0] != '"' {
		return value
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return nil
	}
	return []byte(text)
}
