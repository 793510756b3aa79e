package celonissim

import (
	"fmt"
	"strings"
	"time"
)

// javaFormat is a date pattern in Java's letters, compiled: y M d H m s S, the
// zones X x Z z, quoted text, and other signs as they are.
type javaFormat struct{ steps []javaStep }

// javaStep is a run of one letter, or literal text when letter is 0.
type javaStep struct {
	letter  byte
	width   int
	literal string
}

const javaLetters = "yuMdHmsSXxZzn"

func newJavaFormat(pattern string) (*javaFormat, error) {
	f := &javaFormat{}
	for i := 0; i < len(pattern); {
		switch c := pattern[i]; {
		case c == '\'':
			lit, n, err := quoted(pattern[i:])
			if err != nil {
				return nil, err
			}
			f.steps = append(f.steps, javaStep{literal: lit})
			i += n
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			if !strings.ContainsRune(javaLetters, rune(c)) {
				return nil, fmt.Errorf("date format %q: letter %q is not supported", pattern, string(c))
			}
			n := 1
			for i+n < len(pattern) && pattern[i+n] == c {
				n++
			}
			f.steps = append(f.steps, javaStep{letter: c, width: n})
			i += n
		default:
			f.steps = append(f.steps, javaStep{literal: string(c)})
			i++
		}
	}
	return f, nil
}

// quoted reads a quoted literal and says how long it was; two quotes are one.
func quoted(s string) (string, int, error) {
	end := strings.IndexByte(s[1:], '\'')
	switch {
	case end < 0:
		return "", 0, fmt.Errorf("date format: quote is not closed in %q", s)
	case end == 0:
		return "'", 2, nil
	default:
		return s[1 : 1+end], end + 2, nil
	}
}

// parse gives the milliseconds since 1970 UTC of a text; without a zone the
// text is UTC.
func (f *javaFormat) parse(b []byte) (int64, bool) {
	v := javaValue{year: 1970, month: 1, day: 1}
	for i, s := range f.steps {
		n := v.take(s, b, i+1 < len(f.steps) && f.steps[i+1].letter != 0)
		if n < 0 {
			return 0, false
		}
		b = b[n:]
	}
	if len(b) > 0 || !v.valid() {
		return 0, false
	}
	t := time.Date(v.year, time.Month(v.month), v.day, v.hour, v.minute, v.second, v.nanos, time.UTC)
	return t.UnixMilli() - int64(v.offset)*1000, true
}

type javaValue struct {
	year, month, day, hour, minute, second, nanos, offset int
}

func (v *javaValue) valid() bool {
	return v.month >= 1 && v.month <= 12 && v.day >= 1 && v.day <= daysIn(v.year, v.month) &&
		v.hour <= 23 && v.minute <= 59 && v.second <= 59
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// take reads one step from the front of b and gives the bytes used, or -1.
func (v *javaValue) take(s javaStep, b []byte, adjacent bool) int {
	switch s.letter {
	case 0:
		if len(b) < len(s.literal) || string(b[:len(s.literal)]) != s.literal {
			return -1
		}
		return len(s.literal)
	case 'X', 'x', 'Z', 'z':
		return v.takeZone(s, b)
	case 'S', 'n':
		return v.takeFraction(s, b)
	}
	least, most := s.width, s.width
	if !adjacent {
		most = max(s.width, 2)
		if s.letter == 'y' || s.letter == 'u' {
			most = max(s.width, 4)
		}
	}
	x, n := digits(b, most)
	if n < least {
		return -1
	}
	v.set(s, x)
	return n
}

func (v *javaValue) set(s javaStep, x int) {
	switch s.letter {
	case 'y', 'u':
		v.year = x
		if s.width == 2 {
			v.year = 2000 + x
		}
	case 'M':
		v.month = x
	case 'd':
		v.day = x
	case 'H':
		v.hour = x
	case 'm':
		v.minute = x
	case 's':
		v.second = x
	}
}

func digits(b []byte, most int) (x, n int) {
	for n < len(b) && n < most && b[n] >= '0' && b[n] <= '9' {
		x = x*10 + int(b[n]-'0')
		n++
	}
	return x, n
}

func (v *javaValue) takeFraction(s javaStep, b []byte) int {
	x, n := digits(b, s.width)
	if n != s.width || n > 9 {
		return -1
	}
	for range 9 - n {
		x *= 10
	}
	v.nanos = x
	return n
}

// takeZone reads an offset: X +01, XX +0100, XXX +01:00, with Z for zero when
// the letter is X; Z and z read +0100, GMT and UTC.
func (v *javaValue) takeZone(s javaStep, b []byte) int {
	if s.letter == 'X' && len(b) > 0 && b[0] == 'Z' {
		return 1
	}
	if (s.letter == 'z') && (strings.HasPrefix(string(b), "UTC") || strings.HasPrefix(string(b), "GMT")) {
		return 3
	}
	if len(b) < 3 || b[0] != '+' && b[0] != '-' {
		return -1
	}
	hours, n := digits(b[1:], 2)
	if n != 2 {
		return -1
	}
	used, minutes := 3, 0
	if s.width != 1 || s.letter == 'Z' || s.letter == 'z' {
		colon := s.width == 3 && (s.letter == 'X' || s.letter == 'x')
		if colon && (len(b) <= used || b[used] != ':') {
			return -1
		}
		if colon {
			used++
		}
		minutes, n = digits(b[used:], 2)
		if n != 2 {
			return -1
		}
		used += 2
	}
	v.offset = hours*3600 + minutes*60
	if b[0] == '-' {
		v.offset = -v.offset
	}
	return used
}
