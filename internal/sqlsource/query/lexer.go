package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a token is.
type kind uint8

const (
	// word is a keyword or a bare name.
	word kind = iota
	// quoted is a name in quotes.
	quoted
	// literal is a string in quotes.
	literal
	// number is digits with at most one point, and no exponent: "1e5" is a number and a word.
	number
	// punct is any other character.
	punct
	// parameter is {{name}}; its text is the name.
	parameter
)

// token is a part of the statement; comments are none.
type token struct {
	kind       kind
	start, end int
	text       string
}

// rules are what dialects write differently.
type rules struct {
	// backslash escapes in every string; escapeString only after the letter E.
	backslash, escapeString bool
	// nested comments, # for a comment, -- only before white space, comments that are executed: /*! and /*M!.
	nested, hash, dashSpace, executed bool
	// dollar quotes strings: $tag$ ... $tag$.
	dollar bool
	// doubleText: "..." is a string, not a name.
	doubleText bool
	// backtick and bracket quote names; a bracket is doubled inside where bracketDoubled.
	backtick, bracket, bracketDoubled bool
}

func rulesOf(d Dialect) rules {
	switch d {
	case PostgreSQL:
		return rules{escapeString: true, nested: true, dollar: true}
	case MySQL:
		return rules{backslash: true, hash: true, dashSpace: true, executed: true, doubleText: true, backtick: true}
	case SQLServer:
		return rules{nested: true, bracket: true, bracketDoubled: true}
	}
	return rules{backtick: true, bracket: true}
}

// lexer splits a query.
type lexer struct {
	rules
	text string
	at   int
	out  []token
}

func (l *lexer) fail(offset int, detail, hint string) *Error {
	line, column := PlaceOf(l.text, offset)
	return &Error{Offset: offset, Line: line, Column: column, Detail: detail, Hint: hint}
}

func (l *lexer) tokens() ([]token, error) {
	if i := strings.IndexByte(l.text, 0); i >= 0 {
		return nil, l.fail(i, "a zero byte", "")
	}
	for i, r := range l.text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(l.text[i:]); size == 1 {
				return nil, l.fail(i, "a byte that is no UTF-8", "")
			}
		}
	}
	for l.at < len(l.text) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	return l.out, nil
}

// has reports whether the rest begins with s.
func (l *lexer) has(s string) bool { return strings.HasPrefix(l.text[l.at:], s) }

func (l *lexer) next() *Error {
	c := l.text[l.at]
	switch {
	case c == ' ' || c >= '\t' && c <= '\r':
		l.at++
		return nil
	case l.isLineComment():
		return l.lineComment()
	case l.has("/*"):
		return l.comment()
	case l.has("{{"):
		return l.parameter()
	case c == '\'':
		return l.quotes(literal, '\'', l.backslash || l.escapeString && l.follows('e'))
	case c == '"' && l.doubleText:
		return l.quotes(literal, '"', l.backslash)
	case c == '"' || c == '`' && l.backtick:
		return l.quotes(quoted, c, false)
	case c == '[' && l.bracket:
		return l.brackets()
	case c == '$' && l.dollar:
		return l.dollars()
	case isDigit(c) || c == '.' && l.at+1 < len(l.text) && isDigit(l.text[l.at+1]):
		l.number()
	default:
		l.bare()
	}
	return nil
}

// bare reads a word, or one character that is none. A character that some
// server takes for white space ends a word with every server.
func (l *lexer) bare() {
	start := l.at
	for l.at < len(l.text) {
		r, size := utf8.DecodeRuneInString(l.text[l.at:])
		if !startsWord(r) && (l.at == start || !unicode.In(r, unicode.Digit, unicode.Mark) && r != '$') {
			break
		}
		l.at += size
	}
	if l.at > start {
		l.put(word, start)
		return
	}
	_, size := utf8.DecodeRuneInString(l.text[l.at:])
	l.at += size
	l.put(punct, start)
}

// lineComment reads up to the end of the line. What ends lines for some
// servers only is refused: it could show one server what another does not see.
func (l *lexer) lineComment() *Error {
	end := strings.IndexByte(l.text[l.at:], '\n')
	if end < 0 {
		end = len(l.text) - l.at
	}
	line := strings.TrimSuffix(l.text[l.at:l.at+end], "\r")
	if i := strings.IndexAny(line, "\r\v\f\u0085\u2028\u2029"); i >= 0 {
		return l.fail(l.at+i, "a character in a comment that ends lines for some servers", "end the line with a line feed")
	}
	l.at += end
	return nil
}

func (l *lexer) put(k kind, start int) {
	l.out = append(l.out, token{k, start, l.at, l.text[start:l.at]})
}

// follows reports whether the letter stands right before, as a word of its own.
func (l *lexer) follows(letter byte) bool {
	if len(l.out) == 0 {
		return false
	}
	last := l.out[len(l.out)-1]
	return last.kind == word && last.end == l.at && len(last.text) == 1 && last.text[0]|0x20 == letter
}

func (l *lexer) isLineComment() bool {
	if l.hash && l.text[l.at] == '#' {
		return true
	}
	if !l.has("--") {
		return false
	}
	// MySQL takes "--1" for two signs.
	return !l.dashSpace || l.at+2 == len(l.text) || l.text[l.at+2] <= ' '
}

func (l *lexer) comment() *Error {
	start := l.at
	if l.executed && (l.has("/*!") || l.has("/*M!")) {
		return l.fail(start, "a comment that the server executes", "write it without the comment")
	}
	depth := 0
	for l.at < len(l.text) {
		switch {
		case l.has("/*") && (l.nested || depth == 0):
			depth++
			l.at += 2
		case l.has("*/"):
			l.at += 2
			if depth--; depth == 0 {
				return nil
			}
		default:
			l.at++
		}
	}
	return l.fail(start, "a comment that does not end", "")
}

func (l *lexer) parameter() *Error {
	start := l.at
	end := strings.Index(l.text[start:], "}}")
	if end < 0 {
		return l.fail(start, "a parameter that does not end", "a parameter is {{watermark}} or {{until}}")
	}
	name := strings.TrimSpace(l.text[start+2 : start+end])
	if name != Watermark && name != Until {
		return l.fail(start, "an unknown parameter", "a parameter is {{watermark}} or {{until}}")
	}
	l.at = start + end + 2
	l.out = append(l.out, token{parameter, start, l.at, name})
	return nil
}

// quotes reads up to the closing quote; a doubled one stands for itself.
func (l *lexer) quotes(k kind, quote byte, escapes bool) *Error {
	start := l.at
	for l.at++; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; {
		case c == '\\' && escapes:
			l.at++
		case c != quote:
		case l.at+1 < len(l.text) && l.text[l.at+1] == quote:
			l.at++
		default:
			l.at++
			return l.close(k, start)
		}
	}
	return l.fail(start, "a quote that is not closed", "")
}

// close ends something quoted; a parameter in it would be taken for text.
func (l *lexer) close(k kind, start int) *Error {
	inside := l.text[start:l.at]
	for _, name := range []string{Watermark, Until} {
		if i := strings.Index(inside, "{{"+name+"}}"); i >= 0 {
			return l.fail(start+i, "a parameter inside of quotes", "take the quotes away: the parameter is bound as a value of its own")
		}
	}
	l.put(k, start)
	return nil
}

func (l *lexer) brackets() *Error {
	start := l.at
	for l.at++; l.at < len(l.text); l.at++ {
		if l.text[l.at] != ']' {
			continue
		}
		if l.bracketDoubled && l.at+1 < len(l.text) && l.text[l.at+1] == ']' {
			l.at++
			continue
		}
		l.at++
		return l.close(quoted, start)
	}
	return l.fail(start, "a bracket that is not closed", "")
}

// dollars reads $tag$ ... $tag$; any other dollar stands for itself.
func (l *lexer) dollars() *Error {
	start := l.at
	end := start + 1
	for end < len(l.text) && (l.text[end] >= utf8.RuneSelf || startsWord(rune(l.text[end])) || end > start+1 && isDigit(l.text[end])) {
		end++
	}
	if end == len(l.text) || l.text[end] != '$' {
		l.at++
		l.put(punct, start)
		return nil
	}
	tag := l.text[start : end+1]
	length := strings.Index(l.text[end+1:], tag)
	if length < 0 {
		return l.fail(start, "a quote that is not closed", "")
	}
	l.at = end + 1 + length + len(tag)
	return l.close(literal, start)
}

func (l *lexer) number() {
	start, point := l.at, false
	for l.at < len(l.text) && (isDigit(l.text[l.at]) || l.text[l.at] == '.' && !point) {
		point = point || l.text[l.at] == '.'
		l.at++
	}
	l.put(number, start)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func startsWord(r rune) bool { return r == '_' || unicode.IsLetter(r) }
