package celonissim

import (
	"strconv"
	"time"
)

// Kind is a column's type.
type Kind uint8

// The column types of the Data Push API; NoKind is a column of nulls only.
const (
	NoKind Kind = iota
	String
	Integer
	Float
	Boolean
	Date
	DateTime
	Time
)

// The range of timestamps and dates that are kept: years 1400 to 9999.
const (
	msPerDay   = 86_400_000
	minInstant = -17_987_443_200_000
	maxInstant = 253_402_300_799_999
)

var kindWords = [...]string{"NONE", "STRING", "INTEGER", "FLOAT", "BOOLEAN", "DATE", "DATETIME", "TIME"}

// String gives the type's word in a tableSchema, such as "DATETIME".
func (k Kind) String() string { return kindWords[k] }

// MarshalText writes the type's word.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

func kindOf(word string) (Kind, bool) {
	for k := String; k <= Time; k++ {
		if kindWords[k] == word {
			return k, true
		}
	}
	return NoKind, false
}

// poolWord is the type's word in the pool's column list, which knows four.
func (k Kind) poolWord() string {
	switch k {
	case Integer, Boolean:
		return "INTEGER"
	case Float:
		return "FLOAT"
	case Date, DateTime, Time:
		return "DATE"
	default:
		return "STRING"
	}
}

// takes says whether values of kind from can fill a column of kind k without
// contradicting it.
func (k Kind) takes(from Kind) bool {
	return from == k || from == NoKind || k == Float && from == Integer
}

func appendInstant(dst []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

func appendInt(dst []byte, kind Kind, v int64) []byte {
	switch kind {
	case Boolean:
		return strconv.AppendBool(dst, v != 0)
	case Date:
		return time.UnixMilli(v*msPerDay).UTC().AppendFormat(dst, time.DateOnly)
	case DateTime:
		return appendInstant(dst, v)
	case Time:
		return time.UnixMilli(v).UTC().AppendFormat(dst, "15:04:05.000")
	default:
		return strconv.AppendInt(dst, v, 10)
	}
}
