package httpsource

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// fieldText gives the text of a record's field, "" when it has none: a name
// taken literally, or a JSON Pointer when it begins with a slash.
func fieldText(record []byte, field string) (string, error) {
	if !strings.HasPrefix(field, "/") {
		field = "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(field)
	}
	raw, err := lookup(record, field)
	if err != nil {
		return "", err
	}
	return scalarText(raw), nil
}

// lookup finds the value at a JSON Pointer, nil when there is none.
func lookup(doc []byte, pointer string) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	steps := strings.Split(pointer, "/")[1:]
	for _, step := range steps {
		found, err := enter(dec, strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		if err != nil {
			return nil, fault.Wrap(err, fault.SourceFormat, "a record of the source cannot be read")
		}
		if !found {
			return nil, nil
		}
	}
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil && err != io.EOF {
		return nil, fault.Wrap(err, fault.SourceFormat, "a record of the source cannot be read")
	}
	return raw, nil
}

// enter goes to a member of the value that comes next; false when it has no such member.
func enter(dec *json.Decoder, name string) (bool, error) {
	token, err := dec.Token()
	if err != nil {
		return false, err
	}
	index := 0
	switch token {
	case json.Delim('{'), json.Delim('['):
	default:
		return false, nil
	}
	for dec.More() {
		here := strconv.Itoa(index)
		if token == json.Delim('{') {
			key, err := dec.Token()
			if err != nil {
				return false, err
			}
			here, _ = key.(string)
		}
		if here == name {
			return true, nil
		}
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return false, err
		}
		index++
	}
	return false, nil
}

// scalarText gives a string's text and the digits of a number; null, objects and arrays have none.
func scalarText(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	case '{', '[', 'n':
		return ""
	}
	return string(raw)
}
