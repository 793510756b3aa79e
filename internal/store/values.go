package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// micros is the stored form of a time: Unix microseconds, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment reads a stored time into the time it was made with.
type moment struct{ to *time.Time }

// Scan takes Unix microseconds.
func (m moment) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a stored time is %T", src)
	}
	*m.to = time.Time{}
	if us != 0 {
		*m.to = time.UnixMicro(us).UTC()
	}
	return nil
}

// document reads stored JSON into what its pointer points to; NULL leaves that as it is.
type document struct{ to any }

// Scan takes JSON as text.
func (d document) Scan(src any) error {
	switch text := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(text), d.to)
	case []byte:
		return json.Unmarshal(text, d.to)
	}
	return fmt.Errorf("a stored document is %T", src)
}

// jsonText is the stored form of a document.
func jsonText(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// optionalText is jsonText, and NULL for nil.
func optionalText[T any](v *T) (any, error) {
	if v == nil {
		return nil, nil
	}
	return jsonText(v)
}

// orNull stores an empty text as NULL, for foreign keys that need not be there.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// nameKey is the form in which names are compared: the same for both dialects,
// for any alphabet, and for both ways to write an accented letter.
func nameKey(name string) string { return strings.ToLower(norm.NFC.String(name)) }

// clean makes text from a foreign source storable: PostgreSQL takes neither NUL nor broken UTF-8.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// notNil keeps an absent byte string from being stored as NULL.
func notNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

const defaultLimit = 100

// limitOf gives the rows that a page asks for.
func limitOf(limit int) int {
	if limit <= 0 {
		return defaultLimit
	}
	return limit
}
