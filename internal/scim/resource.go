package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// MaxDepth bounds how deep a body may nest.
const MaxDepth = 16

// Resource is a resource as it was read: attributes by name, values as
// encoding/json gives them with UseNumber (string, bool, json.Number, nil,
// []any, map[string]any). Names are compared without case.
type Resource map[string]any

// ParseResource reads a JSON object. Names that differ only by case, or stand
// twice, and deeper nesting than MaxDepth are refused: fault ScimSyntax.
func ParseResource(data []byte) (Resource, error) {
	value, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fault.New(fault.ScimSyntax, "the body must be a JSON object")
	}
	return object, nil
}

// UnmarshalJSON reads a resource as ParseResource does.
func (r *Resource) UnmarshalJSON(data []byte) error {
	parsed, err := ParseResource(data)
	*r = parsed
	return err
}

// key finds the name under which an attribute stands, "" when it does not.
func (r Resource) key(name string) string {
	if _, ok := r[name]; ok {
		return name
	}
	for key := range r {
		if strings.EqualFold(key, name) {
			return key
		}
	}
	return ""
}

// Get gives an attribute's value, nil when it has none.
func (r Resource) Get(name string) any {
	if key := r.key(name); key != "" {
		return r[key]
	}
	return nil
}

// Set gives an attribute a value under the name it has, or under name when it is new.
func (r Resource) Set(name string, value any) {
	if key := r.key(name); key != "" {
		name = key
	}
	r[name] = value
}

// Delete takes an attribute away.
func (r Resource) Delete(name string) {
	if key := r.key(name); key != "" {
		delete(r, key)
	}
}

// Text gives an attribute's value where that is a string, else "".
func (r Resource) Text(name string) string {
	text, _ := r.Get(name).(string)
	return text
}

// Object gives an attribute's value where that is an object, else nil.
func (r Resource) Object(name string) Resource {
	object, _ := r.Get(name).(map[string]any)
	return object
}

// Clone gives a copy that shares nothing with r.
func (r Resource) Clone() Resource {
	if r == nil {
		return nil
	}
	copied, _ := cloneValue(map[string]any(r)).(map[string]any)
	return copied
}

// cloneValue copies a value of JSON deeply.
func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key, value := range v {
			copied[key] = cloneValue(value)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, value := range v {
			copied[i] = cloneValue(value)
		}
		return copied
	default:
		return v
	}
}

// names gives the names of an object in order.
func names(object map[string]any) []string { return slices.Sorted(maps.Keys(object)) }

// parseJSON reads one value of JSON and nothing after it.
func parseJSON(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := parseValue(decoder, 0)
	if err == nil {
		if _, after := decoder.Token(); !errors.Is(after, io.EOF) {
			err = fault.New(fault.ScimSyntax, "the body goes on after its end")
		}
	}
	var known *fault.Error
	if err != nil && !errors.As(err, &known) {
		return nil, fault.New(fault.ScimSyntax, "the body is not JSON (at byte %d)", decoder.InputOffset())
	}
	return value, err
}

func parseValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == MaxDepth {
		return nil, fault.New(fault.ScimSyntax, "the body nests deeper than %d levels", MaxDepth)
	}
	if delim == '{' {
		return parseObject(decoder, depth+1)
	}
	list := []any{}
	for decoder.More() {
		value, err := parseValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err = decoder.Token()
	return list, err
}

func parseObject(decoder *json.Decoder, depth int) (any, error) {
	object, folded := map[string]any{}, map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		fold := strings.ToLower(name)
		if folded[fold] {
			return nil, fault.New(fault.ScimSyntax, "the attribute %q stands twice", name)
		}
		folded[fold] = true
		if object[name], err = parseValue(decoder, depth); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return object, err
}
