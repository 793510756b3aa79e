// Package columns holds records by column: raw blocks as a decoder leaves them,
// typed batches as a mapping shapes them, and the decoders and encoders that
// turn bytes into blocks and batches into the chunk files of a push.
package columns

import "fmt"

// Type is a column type of Celonis.
type Type uint8

// The column types, in the spelling of the API.
const (
	String   Type = iota + 1 // UTF-8 text
	Integer                  // 64-bit signed
	Float                    // 64-bit IEEE 754
	Boolean                  // true or false
	Date                     // a calendar day
	DateTime                 // an instant, kept to the millisecond in UTC
	Time                     // a time of day, kept to the millisecond
)

var typeNames = [...]string{"", "string", "integer", "float", "boolean", "date", "datetime", "time"}

// String gives the API's spelling.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// ParseType reads the API's spelling; ok is false for any other text.
func ParseType(s string) (t Type, ok bool) {
	for i, name := range typeNames[1:] {
		if s == name {
			return Type(i + 1), true
		}
	}
	return 0, false
}

const (
	// MaxStringBytes is the longest string column that Celonis takes, in bytes.
	MaxStringBytes = 65_000
	// MaxColumns bounds the columns of one source or table.
	MaxColumns = 4_000
	// MinYear and MaxYear bound the years that Celonis stores; a timestamp
	// outside becomes null there without a word.
	MinYear, MaxYear = 1400, 9999
)

// Field declares one column of a table.
type Field struct {
	Name string
	Type Type
	// Length is the declared size in bytes of a String column, 1 to MaxStringBytes.
	Length int
}

// Schema is the columns of a table in order.
type Schema []Field

// Names lists the column names in order.
func (s Schema) Names() []string {
	names := make([]string, len(s))
	for i, f := range s {
		names[i] = f.Name
	}
	return names
}

// Index gives the position of the column called name, -1 when there is none.
func (s Schema) Index(name string) int {
	for i, f := range s {
		if f.Name == name {
			return i
		}
	}
	return -1
}
