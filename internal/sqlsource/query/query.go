// Package query checks the SQL that a flow reads a database with: one
// statement that only reads. It is the first of two locks; the second is the
// transaction, which the server itself holds to reading.
package query

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Dialect is the kind of SQL that a server understands.
type Dialect string

// The dialects.
const (
	PostgreSQL Dialect = "postgres"
	MySQL      Dialect = "mysql"
	SQLServer  Dialect = "sqlserver"
	SQLite     Dialect = "sqlite"
)

// Dialects lists every dialect.
func Dialects() []Dialect { return []Dialect{PostgreSQL, MySQL, SQLServer, SQLite} }

const (
	// Watermark stands for where a run begins, exclusive: {{watermark}}.
	Watermark = "watermark"
	// Until stands for where a run ends, inclusive: {{until}}.
	Until = "until"
)

// Error says where a query is not what it must be.
type Error struct {
	// Offset is the place in bytes, Line and Column count from 1; Column counts characters.
	Offset, Line, Column int
	Detail, Hint         string
}

// Error gives the sentence with its place.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// PlaceOf gives the line and the column, both from 1, of a byte of text.
func PlaceOf(text string, offset int) (line, column int) {
	offset = min(max(offset, 0), len(text))
	before := text[:offset]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// Query is a statement that was found to be one and to read only.
type Query struct {
	text string
	// marks are the places of {{watermark}} and {{until}}, in order.
	marks []mark
	// first is the word that the statement begins with, in upper case.
	first string
}

// mark is a parameter's place in the text.
type mark struct {
	start, end int
	name       string
}

// Parse checks a query of a dialect; the error is an *Error.
func Parse(d Dialect, text string) (*Query, error) {
	l := lexer{rules: rulesOf(d), text: text}
	tokens, err := l.tokens()
	if err != nil {
		return nil, err
	}
	c := checker{lexer: &l, dialect: d, tokens: tokens}
	if err := c.check(); err != nil {
		return nil, err
	}
	q := &Query{text: text[:c.tokens[len(c.tokens)-1].end], first: strings.ToUpper(c.tokens[0].text)}
	for _, t := range c.tokens {
		if t.kind == parameter {
			q.marks = append(q.marks, mark{t.start, t.end, t.text})
		}
	}
	return q, nil
}

// ParseAny checks a query whose dialect is not known: one that any dialect
// takes is taken. The error is the first dialect's.
func ParseAny(text string) (q *Query, err error) {
	for _, d := range Dialects() {
		found, bad := Parse(d, text)
		if bad == nil {
			return found, nil
		}
		if err == nil {
			err = bad
		}
	}
	return nil, err
}

// Uses reports whether the query has the parameter.
func (q *Query) Uses(name string) bool {
	return slices.ContainsFunc(q.marks, func(m mark) bool { return m.name == name })
}

// IsWith reports whether the query begins with common table expressions.
func (q *Query) IsWith() bool { return q.first == "WITH" }

// Text is the query as written, without what follows the statement.
func (q *Query) Text() string { return q.text }

// SQL gives the statement with place(name) in the stead of each parameter.
func (q *Query) SQL(place func(name string) string) string {
	var out strings.Builder
	at := 0
	for _, m := range q.marks {
		out.WriteString(q.text[at:m.start])
		out.WriteString(place(m.name))
		at = m.end
	}
	out.WriteString(q.text[at:])
	return out.String()
}

// Origin gives the byte of the text that a byte of SQL(place) comes from.
func (q *Query) Origin(offset int, place func(name string) string) int {
	shift := 0
	for _, m := range q.marks {
		put := len(place(m.name))
		switch {
		case offset < m.start-shift:
			return offset + shift
		case offset < m.start-shift+put:
			return m.start
		}
		shift += m.end - m.start - put
	}
	return offset + shift
}
