package mapping

import (
	"math"
	"strconv"

	"github.com/celonis-connector/connector/internal/columns"
)

// verdict says how the conversion of a cell ended.
type verdict uint8

const (
	good        verdict = iota
	absent              // empty or blank text: no value
	wrongType           // not of the column's type
	outOfRange          // of the type, but not to be kept
	tooLong             // longer than the column's declared length
	notMidnight         // a date and a time of day, for a date
	notUTF8             // text that is none
	notNested           // not the JSON object or array that a JSON Pointer goes into
	stillMasked         // the mask of a protected value in place of the value
	unprotected         // a value that must not leave as it is
)

// formatComma is the Rule.Format of numbers with a decimal comma.
const formatComma = "comma"

// parseInteger reads a 64-bit integer: digits with an optional sign, blanks
// around it trimmed. A number that is written with a fraction or an exponent
// and is integral all the same (1.0, 1e3) is taken too.
func parseInteger(b []byte, kind columns.Kind) (int64, verdict) {
	if kind > columns.Number {
		return 0, wrongType
	}
	if b = trim(b); len(b) == 0 {
		return 0, absent
	}
	return integer(b)
}

// parseFloat reads a 64-bit IEEE 754 number in decimal, blanks around it
// trimmed. NaN, infinities and numbers beyond the type are out of range.
func parseFloat(b []byte, kind columns.Kind) (float64, verdict) {
	if kind > columns.Number {
		return 0, wrongType
	}
	if b = trim(b); len(b) == 0 {
		return 0, absent
	}
	return float(b)
}

// parseIntegerComma is parseInteger for the format "comma".
func parseIntegerComma(b []byte, kind columns.Kind) (int64, verdict) {
	if kind != columns.Text {
		return parseInteger(b, kind)
	}
	var buf [48]byte
	b, ok := pointForComma(buf[:0], trim(b))
	if !ok {
		return 0, wrongType
	}
	return parseInteger(b, kind)
}

// parseFloatComma is parseFloat for the format "comma".
func parseFloatComma(b []byte, kind columns.Kind) (float64, verdict) {
	if kind != columns.Text {
		return parseFloat(b, kind)
	}
	var buf [48]byte
	b, ok := pointForComma(buf[:0], trim(b))
	if !ok {
		return 0, wrongType
	}
	return parseFloat(b, kind)
}

// parseBoolean reads true, false, 1, 0, yes, no, t, f, y and n in any case,
// blanks around it trimmed, and the JSON values true, false, 1 and 0.
func parseBoolean(b []byte, kind columns.Kind) (int64, verdict) {
	switch {
	case kind == columns.Bool && string(b) == "true":
		return 1, good
	case kind == columns.Bool && string(b) == "false":
		return 0, good
	case kind == columns.JSON:
		return 0, wrongType
	}
	if b = trim(b); len(b) == 0 {
		return 0, absent
	}
	var lower [5]byte
	if len(b) > len(lower) {
		return 0, wrongType
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower[:len(b)]) {
	case "true", "1", "yes", "t", "y":
		return 1, good
	case "false", "0", "no", "f", "n":
		return 0, good
	}
	return 0, wrongType
}

// trim takes blanks, tabs and line ends off both sides.
func trim(b []byte) []byte {
	if len(b) == 0 || b[0] > ' ' && b[len(b)-1] > ' ' {
		return b
	}
	return trimBlanks(b)
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// integer reads the common form in one pass and leaves all else to the decimal scanner.
func integer(b []byte) (int64, verdict) {
	digits := b
	negative := b[0] == '-'
	if negative || b[0] == '+' {
		digits = b[1:]
	}
	// 18 digits cannot overflow.
	if len(digits) == 0 || len(digits) > 18 {
		return integralDecimal(b)
	}
	var v int64
	for _, c := range digits {
		d := c - '0'
		if d > 9 {
			return integralDecimal(b)
		}
		v = v*10 + int64(d)
	}
	if negative {
		v = -v
	}
	return v, good
}

// decimal is a number as written: mantissa x 10^exponent, exactly unless inexact.
type decimal struct {
	negative bool
	mantissa uint64 // the first 19 significant digits
	exponent int64
	inexact  bool // digits other than 0 follow the 19
}

// maxMantissa is the largest mantissa that takes one more digit without overflow.
const maxMantissa = 999_999_999_999_999_999

// maxExponent bounds a written exponent; no cell is long enough to undo it by zeros.
const maxExponent = 1 << 40

// scanDecimal reads [+-] digits [. digits] [e [+-] digits] with at least one
// digit in front of the exponent, and nothing after it.
func scanDecimal(b []byte) (d decimal, ok bool) {
	i := 0
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		d.negative = b[0] == '-'
		i = 1
	}
	point, digits := false, 0
	for ; i < len(b); i++ {
		c := b[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c -= '0'; c > 9 {
			break
		}
		digits++
		d.digit(c, point)
	}
	if digits == 0 {
		return d, false
	}
	if i == len(b) {
		return d, true
	}
	e, ok := scanExponent(b[i:])
	d.exponent += e
	return d, ok
}

func (d *decimal) digit(c byte, afterPoint bool) {
	if d.mantissa <= maxMantissa {
		d.mantissa = d.mantissa*10 + uint64(c)
		if afterPoint {
			d.exponent--
		}
		return
	}
	d.inexact = d.inexact || c != 0
	if !afterPoint {
		d.exponent++
	}
}

func scanExponent(b []byte) (e int64, ok bool) {
	if b[0] != 'e' && b[0] != 'E' {
		return 0, false
	}
	b = b[1:]
	negative := len(b) > 0 && b[0] == '-'
	if negative || len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		if e < maxExponent {
			e = e*10 + int64(c)
		}
	}
	if negative {
		e = -e
	}
	return e, true
}

// integralDecimal reads an integer that is long or written as a decimal.
func integralDecimal(b []byte) (int64, verdict) {
	d, ok := scanDecimal(b)
	if !ok {
		return 0, wrongType
	}
	if d.mantissa == 0 {
		return 0, good
	}
	for d.exponent < 0 && !d.inexact && d.mantissa%10 == 0 {
		d.mantissa /= 10
		d.exponent++
	}
	switch {
	case d.exponent < 0:
		return 0, wrongType
	case d.inexact || d.exponent > 18:
		return 0, outOfRange
	}
	limit := uint64(math.MaxInt64)
	if d.negative {
		limit++
	}
	for ; d.exponent > 0 && d.mantissa <= limit/10; d.exponent-- {
		d.mantissa *= 10
	}
	if d.exponent > 0 || d.mantissa > limit {
		return 0, outOfRange
	}
	if d.negative {
		return int64(-d.mantissa), good
	}
	return int64(d.mantissa), good
}

// Below 2^53 a mantissa is exact in a float64, as are the powers of ten up to
// 10^22, so that one multiplication or division rounds correctly.
const exactMantissa = 1 << 53

var powersOfTen = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// float reads a decimal; what one multiplication cannot round goes to strconv.
func float(b []byte) (float64, verdict) {
	if f, ok := plainDecimal(b); ok {
		return f, good
	}
	d, ok := scanDecimal(b)
	if !ok {
		if isNotFinite(b) {
			return 0, outOfRange
		}
		return 0, wrongType
	}
	if d.inexact || d.mantissa > exactMantissa || d.exponent < -22 || d.exponent > 22 {
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			return 0, outOfRange
		}
		return f, good
	}
	f := float64(d.mantissa)
	if d.exponent < 0 {
		f /= powersOfTen[-d.exponent]
	} else {
		f *= powersOfTen[d.exponent]
	}
	if d.negative {
		f = -f
	}
	return f, good
}

// plainDecimal reads up to 15 digits with a point between or behind them, which
// is what nearly all numbers are. What it does not read may still be a number.
func plainDecimal(b []byte) (f float64, ok bool) {
	const most = 16
	if len(b) == 0 || len(b) > most {
		return 0, false
	}
	var mantissa uint64
	point := len(b) - 1
	for i, c := range b {
		d := c - '0'
		if d > 9 {
			if c != '.' || point < len(b)-1 || i == 0 {
				return 0, false
			}
			point = i
			continue
		}
		mantissa = mantissa*10 + uint64(d)
	}
	if len(b) == most && point == len(b)-1 {
		return 0, false
	}
	return float64(mantissa) / powersOfTen[len(b)-1-point], true
}

// isNotFinite reports whether b names NaN or an infinity in any case.
func isNotFinite(b []byte) bool {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	return equalFold(b, "nan") || equalFold(b, "inf") || equalFold(b, "infinity")
}

// equalFold compares with lower-case ASCII text, whatever the case of b.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// pointForComma rewrites a number with a decimal comma, appending to dst. Points
// are taken as group marks, so the digits behind one must be three: "1.234,5"
// is read, and "1.5" is refused rather than taken for 15.
func pointForComma(dst, b []byte) (number []byte, ok bool) {
	comma, group := false, -1 // group: digits since the last point
	for i, c := range b {
		switch {
		case c == '.':
			if comma || group >= 0 && group != 3 || group < 0 && !startsGroups(b[:i]) {
				return nil, false
			}
			group = 0
			continue
		case c == ',':
			if comma || group >= 0 && group != 3 {
				return nil, false
			}
			comma, group, c = true, -1, '.'
		case '0' <= c && c <= '9':
			if group >= 0 {
				group++
			}
		case i > 0 && group >= 0:
			return nil, false
		}
		dst = append(dst, c)
	}
	return dst, group < 0 || group == 3
}

// startsGroups reports whether b is one to three digits behind an optional sign.
func startsGroups(b []byte) bool {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) >= 1 && len(b) <= 3
}
