package mapping

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
)

// source is where a rule finds its value: a top-level field, and the way from
// there into JSON when a JSON Pointer says so.
type source struct {
	// text is the field as the rule writes it.
	text string
	name string
	path []token
}

// token is a step of a JSON Pointer below the top-level field.
type token struct {
	name string
	// index is the name as an array index, -1 when it is none.
	index int
}

// sourceOf reads a rule's source. An absent from is the column's own name,
// taken literally.
func sourceOf(rule flows.Rule) (source, error) {
	if rule.From == "" {
		return source{text: rule.To, name: rule.To}, nil
	}
	return fieldOf(rule.From)
}

// fieldOf reads a field name, or a JSON Pointer where it starts with "/".
func fieldOf(text string) (source, error) {
	s := source{text: text}
	if text == "" || text[0] != '/' {
		s.name = text
		return s, nil
	}
	for i, raw := range strings.Split(text[1:], "/") {
		name, err := unescapeToken(raw)
		if err != nil {
			return s, err
		}
		if i == 0 {
			s.name = name
		} else {
			s.path = append(s.path, token{name: name, index: arrayIndex(name)})
		}
	}
	return s, nil
}

// unescapeToken reads ~0 and ~1 of a JSON Pointer (RFC 6901).
func unescapeToken(s string) (string, error) {
	for i := strings.IndexByte(s, '~'); i >= 0 && i < len(s); i++ {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return "", errors.New("a \"~\" in a JSON Pointer must be written ~0, a \"/\" inside a name ~1")
		}
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(s), nil
}

// pointerTo writes the JSON Pointer of a top-level field.
func pointerTo(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func arrayIndex(s string) int {
	if s == "" || len(s) > 9 || s[0] == '0' && len(s) > 1 {
		return -1
	}
	n := 0
	for _, c := range []byte(s) {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// dig follows the path into JSON text and appends the value found to dst:
// strings unescaped, all else as written. An absent value is Null. Where a
// member's name occurs twice the last one counts. The verdict is notNested
// when the path leads through something that is neither an object nor an array.
func dig(dst, text []byte, path []token) ([]byte, columns.Kind, verdict) {
	text = trim(text)
	for _, step := range path {
		var ok bool
		switch {
		case len(text) == 0 || string(text) == "null":
			return dst, columns.Null, good
		case text[0] == '{':
			text, ok = member(text, step.name)
		case text[0] == '[':
			text, ok = element(text, step.index)
		}
		if !ok {
			return dst, columns.Null, notNested
		}
	}
	return appendValue(dst, text)
}

// appendValue appends a JSON value and tells its kind.
func appendValue(dst, text []byte) ([]byte, columns.Kind, verdict) {
	if len(text) == 0 || string(text) == "null" {
		return dst, columns.Null, good
	}
	switch c := text[0]; {
	case c == '"':
		return appendUnescaped(dst, text[1:len(text)-1]), columns.Text, good
	case c == '{' || c == '[':
		return append(dst, text...), columns.JSON, good
	case string(text) == "true" || string(text) == "false":
		return append(dst, text...), columns.Bool, good
	}
	if _, ok := scanDecimal(text); !ok {
		return dst, columns.Null, notNested
	}
	return append(dst, text...), columns.Number, good
}

// member gives the value of an object's member, empty when there is none; ok
// is false when the text is not an object.
func member(text []byte, name string) (value []byte, ok bool) {
	i := skipBlanks(text, 1)
	if i < len(text) && text[i] == '}' {
		return nil, true
	}
	for i < len(text) && text[i] == '"' {
		end := skipString(text, i)
		if end < 0 {
			return nil, false
		}
		key := text[i+1 : end-1]
		if i = skipBlanks(text, end); i >= len(text) || text[i] != ':' {
			return nil, false
		}
		start := skipBlanks(text, i+1)
		if end = skipValue(text, start); end < 0 {
			return nil, false
		}
		if sameName(key, name) {
			value = text[start:end]
		}
		if i = skipBlanks(text, end); i >= len(text) || text[i] == '}' {
			return value, i < len(text)
		}
		if text[i] != ',' {
			return nil, false
		}
		i = skipBlanks(text, i+1)
	}
	return nil, false
}

// element gives an array's element, empty when there is none; ok is false when
// the text is not an array.
func element(text []byte, index int) (value []byte, ok bool) {
	i := skipBlanks(text, 1)
	if i < len(text) && text[i] == ']' {
		return nil, true
	}
	for n := 0; i < len(text); n++ {
		end := skipValue(text, i)
		if end < 0 {
			return nil, false
		}
		if n == index {
			return text[i:end], true
		}
		if i = skipBlanks(text, end); i >= len(text) || text[i] == ']' {
			return nil, i < len(text)
		}
		if text[i] != ',' {
			return nil, false
		}
		i = skipBlanks(text, i+1)
	}
	return nil, false
}

// sameName compares a member's name as written with the wanted one.
func sameName(key []byte, name string) bool {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(key) == name
	}
	var buf [64]byte
	return string(appendUnescaped(buf[:0], key)) == name
}

func skipBlanks(text []byte, i int) int {
	for i < len(text) && isBlank(text[i]) {
		i++
	}
	return i
}

// skipString gives the position behind the string that starts at i, -1 when it
// does not end.
func skipString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// skipValue gives the position behind the value that starts at i, -1 when
// there is none or it does not end. It counts brackets and checks no more.
func skipValue(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '{', '[':
		return skipNested(text, i)
	}
	start := i
	for i < len(text) && !isBlank(text[i]) && text[i] != ',' && text[i] != '}' && text[i] != ']' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

func skipNested(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			if i = skipString(text, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// appendUnescaped appends the inside of a JSON string with its escapes read. A
// half of a surrogate pair becomes U+FFFD.
func appendUnescaped(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		if s[i+1] == 'u' {
			r, n := unicodeEscape(s[i:])
			dst = utf8.AppendRune(dst, r)
			s = s[i+n:]
			continue
		}
		dst = append(dst, unescaped(s[i+1]))
		s = s[i+2:]
	}
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// unicodeEscape reads \uXXXX or a surrogate pair of two, and tells its length.
func unicodeEscape(s []byte) (r rune, n int) {
	high := hex4(s)
	if high < 0 {
		return utf8.RuneError, min(len(s), 6)
	}
	if !utf16.IsSurrogate(high) {
		return high, 6
	}
	if low := hex4(s[6:]); low >= 0 {
		if pair := utf16.DecodeRune(high, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads \uXXXX at the start of s; anything else is -1.
func hex4(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range s[2:6] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
