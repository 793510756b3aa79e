package sqlsource

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// The functions append one value as JSON; they are called for every cell.

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. What is no UTF-8 becomes U+FFFD.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
		} else {
			dst = append(dst, s[start:i]...)
			dst = appendEscaped(dst, c)
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

func appendNull(dst []byte) []byte { return append(dst, "null"...) }

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendFloat appends the shortest digits that read back as f; what is no
// number in JSON (NaN and the infinities) is null.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return appendNull(dst)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// appendNumber appends the text of a number as it is, so that no digit is lost; text that JSON takes for none is a string.
func appendNumber[T string | []byte](dst []byte, s T) []byte {
	if !isNumber(s) {
		return appendString(dst, s)
	}
	return append(dst, s...)
}

// isNumber reports whether text is a number of JSON.
func isNumber[T string | []byte](s T) bool {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	first := i
	if !digits() || s[first] == '0' && i > first+1 {
		return false
	}
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s)
}

// appendTime appends a point in time in UTC, RFC 3339 with all its digits.
func appendTime(dst []byte, at time.Time) []byte {
	dst = append(dst, '"')
	dst = at.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendStamp appends the text "2006-01-02 15:04:05[.999]" of a time without a
// zone, which is taken for UTC; any other text is a string as it is.
func appendStamp(dst, s []byte) []byte {
	if len(s) < len("2006-01-02 15:04:05") || s[4] != '-' || s[10] != ' ' || s[13] != ':' {
		return appendString(dst, s)
	}
	for _, c := range s[11:] {
		if c != ':' && c != '.' && (c < '0' || c > '9') {
			return appendString(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s[:10]...)
	dst = append(dst, 'T')
	clock := s[11:]
	if len(clock) > len("15:04:05") {
		// RFC 3339 as Go and everybody else prints it has no zeros at the end of the fraction.
		for clock[len(clock)-1] == '0' {
			clock = clock[:len(clock)-1]
		}
		if clock[len(clock)-1] == '.' {
			clock = clock[:len(clock)-1]
		}
	}
	dst = append(dst, clock...)
	return append(dst, 'Z', '"')
}
