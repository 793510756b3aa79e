package mapping

import (
	"bytes"

	"github.com/celonis-connector/connector/internal/columns"
)

// exact makes a column's conversion refuse what Infer would not have given the
// column's type for.
func exact(col *column) {
	switch col.field.Type {
	case columns.Integer:
		col.ints.parse = parseIntegerExact
	case columns.Float:
		col.floats.parse = parseFloatExact
	case columns.Boolean:
		col.ints.parse = parseBooleanExact
	case columns.DateTime:
		col.ints.parse = parseDateTimeExact
	}
}

// parseIntegerExact takes digits with at most a minus sign and no leading zeros.
func parseIntegerExact(b []byte, kind columns.Kind) (int64, verdict) {
	if kind > columns.Number {
		return 0, wrongType
	}
	if b = trim(b); len(b) == 0 {
		return 0, absent
	}
	digits := b
	if b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(digits) > 1 {
		return 0, wrongType
	}
	if len(digits) > 18 {
		for _, c := range digits {
			if !isDigit(c) {
				return 0, wrongType
			}
		}
		return integralDecimal(b)
	}
	var v int64
	for _, c := range digits {
		d := c - '0'
		if d > 9 {
			return 0, wrongType
		}
		v = v*10 + int64(d)
	}
	if len(digits) != len(b) {
		v = -v
	}
	return v, good
}

// exactDigits is how many digits an integer may have to be surely exact in a float64.
const exactDigits = 15

// parseFloatExact takes numbers that isPlainNumber takes, integers only when a
// float64 holds them exactly.
func parseFloatExact(b []byte, kind columns.Kind) (float64, verdict) {
	if kind > columns.Number {
		return 0, wrongType
	}
	if b = trim(b); len(b) == 0 {
		return 0, absent
	}
	first := b[0]
	if first == '-' && len(b) > 1 {
		first = b[1]
	}
	if first == '0' || first == '+' || len(b) > exactDigits || bytes.IndexByte(b, 'e') >= 0 || bytes.IndexByte(b, 'E') >= 0 {
		if kind == columns.Text && !isPlainNumber(b) || !numberTypes(b).has(columns.Float) {
			if isNotFinite(b) {
				return 0, outOfRange
			}
			return 0, wrongType
		}
	}
	return float(b)
}

// parseBooleanExact takes true and false in any case.
func parseBooleanExact(b []byte, kind columns.Kind) (int64, verdict) {
	b = trim(b)
	switch {
	case len(b) == 0 && kind != columns.JSON:
		return 0, absent
	case kind != columns.Text && kind != columns.Bool:
		return 0, wrongType
	case equalFold(b, "true"):
		return 1, good
	case equalFold(b, "false"):
		return 0, good
	}
	return 0, wrongType
}

// parseDateTimeExact takes text only.
func parseDateTimeExact(b []byte, kind columns.Kind) (int64, verdict) {
	if kind == columns.Number {
		return 0, wrongType
	}
	return parseDateTime(b, kind)
}
