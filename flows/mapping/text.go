package mapping

import (
	"strings"
	"unicode/utf8"
)

// quotedRunes is how much of a value a message quotes.
const quotedRunes = 40

// appendCompact appends JSON text without the white space between its tokens;
// the order of members and the spelling of numbers and strings stay as written.
func appendCompact(dst, text []byte) []byte {
	start := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			if i = skipString(text, i) - 1; i < 0 {
				return append(dst, text[start:]...)
			}
		case isBlank(c):
			dst = append(dst, text[start:i]...)
			start = i + 1
		}
	}
	return append(dst, text[start:]...)
}

// shorten cuts a value for a message at quotedRunes.
func shorten(value []byte) string {
	end := 0
	for n := 0; end < len(value); n++ {
		if n == quotedRunes {
			return string(value[:end]) + "..."
		}
		_, size := utf8.DecodeRune(value[end:])
		end += size
	}
	return string(value)
}

// article puts "a" or "an" in front of a type's name.
func article(name string) string {
	if strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}
