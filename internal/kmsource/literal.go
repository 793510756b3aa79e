package kmsource

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// isoTime is a date, or a date and a time, as models write them.
var isoTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$`)

// Literal writes a value for a filter expression: texts in single quotes with
// quotes in them doubled, dates and times bare in ISO 8601 with a zone.
func Literal(kind, text string) string {
	switch kind {
	case "date", "datetime", "timestamp":
		if isoTime.MatchString(text) {
			return timeLiteral(text)
		}
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

func timeLiteral(text string) string {
	if len(text) == len("2006-01-02") {
		return text
	}
	text = text[:10] + "T" + text[11:]
	if clock := text[11:]; !strings.ContainsAny(clock, "Z+-") {
		text += "Z"
	}
	return text
}

// literalOf writes a value of a row; ok is false for null and for what no expression can hold.
func literalOf(kind string, value json.RawMessage) (literal string, ok bool) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || bytes.Equal(value, []byte("null")) || value[0] == '{' || value[0] == '[' {
		return "", false
	}
	if value[0] != '"' {
		return string(value), true
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return "", false
	}
	return Literal(kind, text), true
}

// valueOf gives a field of a row; nil when the row has none.
func valueOf(row json.RawMessage, field string) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(row, &fields) != nil {
		return nil
	}
	if v := fields[field]; !bytes.Equal(v, []byte("null")) {
		return v
	}
	return nil
}
