package columns

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a JSON value.
const maxDepth = 512

// plain reads the value at i when it is of the common kind: a string without
// escapes, a number or a word. It gives i when value has to look at it.
func (r *jsonRow) plain(data []byte, i int) (Cell, int) {
	if len(data)-i <= wordBytes {
		return Cell{}, i
	}
	switch c := data[i]; {
	case c == '"':
		from := i + 1
		end := from
		if found := endings(word(data, from)); found != 0 {
			end += bits.TrailingZeros64(found) / 8
		} else if end = plainEnd(data, from+wordBytes); end == len(data) {
			return Cell{}, i
		}
		if data[end] == '"' {
			return Cell{Off: uint32(from), Len: uint32(end - from), Kind: Text}, end + 1
		}
	case c-'0' < 10 || c == '-':
		if end := scanNumber(data, i); end > i {
			return Cell{Off: uint32(i), Len: uint32(end - i), Kind: Number}, end
		}
	case c == 't' && string(data[i:i+4]) == "true":
		return Cell{Off: uint32(i), Len: 4, Kind: Bool}, i + 4
	case c == 'f' && string(data[i:i+5]) == "false":
		return Cell{Off: uint32(i), Len: 5, Kind: Bool}, i + 5
	case c == 'n' && string(data[i:i+4]) == "null":
		return Cell{Off: uint32(i)}, i + 4
	}
	return Cell{}, i
}

// value reads the value at i for a column and gives the position behind it.
func (r *jsonRow) value(i int, col int32) (Cell, int) {
	data := r.data
	if i == len(data) {
		r.fail(r.name(col), i, "the record ends before a value")
		return Cell{}, i
	}
	switch c := data[i]; {
	case c == '"':
		return r.text(i+1, col)
	case c == '-' || c-'0' < 10:
		if end := scanNumber(data, i); end > i {
			return Cell{Off: uint32(i), Len: uint32(end - i), Kind: Number}, end
		}
	case c == 't' && hasWord(data[i:], "true"):
		return Cell{Off: uint32(i), Len: 4, Kind: Bool}, i + 4
	case c == 'f' && hasWord(data[i:], "false"):
		return Cell{Off: uint32(i), Len: 5, Kind: Bool}, i + 5
	case c == 'n' && hasWord(data[i:], "null"):
		return Cell{Off: uint32(i)}, i + 4
	case c == '{' || c == '[':
		end, ok := scanNested(data, i)
		if !ok {
			r.fail(r.name(col), end, "the nested value is malformed or nested too deeply at "+describe(data, end))
		}
		return Cell{Off: uint32(i), Len: uint32(end - i), Kind: JSON}, end
	}
	r.fail(r.name(col), i, "a value is expected before "+describe(data, i))
	return Cell{}, i
}

// text reads the string whose first character stands at i.
func (r *jsonRow) text(i int, col int32) (Cell, int) {
	data := r.data
	end, escaped := scanString(data, i)
	if end == len(data) {
		r.fail(r.name(col), i-1, "the string is never closed")
		return Cell{}, end
	}
	if data[end] != '"' {
		r.fail(r.name(col), end, "a string holds the control character "+describe(data, end))
		return Cell{}, end
	}
	if !escaped {
		return Cell{Off: uint32(i), Len: uint32(end - i), Kind: Text}, end + 1
	}
	r.raw.own()
	from := len(r.raw.Data)
	out, ok := unescape(r.raw.Data, data[i:end])
	r.raw.Data = out
	if !ok {
		r.fail(r.name(col), i-1, "the string "+quoted(data[i:end])+" holds an invalid escape")
	}
	return Cell{Off: uint32(from), Len: uint32(len(out) - from), Kind: Text}, end + 1
}

func hasWord(data []byte, word string) bool {
	return len(data) >= len(word) && string(data[:len(word)]) == word
}

// scanString gives the position of what ends the string whose characters begin
// at i: the closing quote, a control character or the end of data.
func scanString(data []byte, i int) (end int, escaped bool) {
	for {
		i = plainEnd(data, i)
		if i >= len(data) || data[i] != '\\' {
			return min(i, len(data)), escaped
		}
		escaped = true
		i += 2
	}
}

// scanNumber gives the end of the JSON number at i, or i when it is none.
func scanNumber(data []byte, start int) int {
	i := start
	if data[i] == '-' {
		i++
	}
	first := i
	i = scanDigits(data, i)
	if i == first || data[first] == '0' && i > first+1 {
		return start
	}
	if i < len(data) && data[i] == '.' {
		from := i + 1
		if i = scanDigits(data, from); i == from {
			return start
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		from := i
		if i = scanDigits(data, from); i == from {
			return start
		}
	}
	return i
}

func scanDigits(data []byte, i int) int {
	for i < len(data) && data[i]-'0' < 10 {
		i++
	}
	return i
}

// unescape appends the string that is written in s, without its quotes. It
// refuses unknown escapes and surrogates without their partner.
func unescape(dst, s []byte) ([]byte, bool) {
	for i := 0; i < len(s); {
		k := plainEnd(s, i)
		dst = append(dst, s[i:k]...)
		if k == len(s) {
			break
		}
		if s[k] != '\\' || k+1 == len(s) {
			return dst, false
		}
		if s[k+1] != 'u' {
			c := escapes[s[k+1]]
			if c == 0 {
				return dst, false
			}
			dst = append(dst, c)
			i = k + 2
			continue
		}
		u, n := codePoint(s[k:])
		if n == 0 {
			return dst, false
		}
		dst = utf8.AppendRune(dst, u)
		i = k + n
	}
	return dst, true
}

// escapes gives what a backslash and a letter stand for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// codePoint reads one \uXXXX, or two that are a surrogate pair; n is 0 when it
// is neither.
func codePoint(s []byte) (u rune, n int) {
	u, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(u) {
		return u, 6
	}
	low, ok := hex4(s[6:])
	if pair := utf16.DecodeRune(u, low); ok && pair != utf8.RuneError {
		return pair, 12
	}
	return 0, 0
}

// hex4 reads the \uXXXX at the head of s.
func hex4(s []byte) (u rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		switch {
		case c-'0' < 10:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		u = u<<4 | rune(c)
	}
	return u, true
}
