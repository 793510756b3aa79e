package sqlsource

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// kind is what a bound value is.
type kind uint8

const (
	timeValue kind = iota
	numberValue
	textValue
)

// arg is a value that is bound, never written into a statement.
type arg struct {
	name string
	kind kind
	// text is the value; lowest and highest stand for one below and above all others.
	text            string
	lowest, highest bool
}

// kindOf is the documented rule for a value whose type nobody has named: an
// integer, else an RFC 3339 time, else text.
func kindOf(text string) kind {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return numberValue
	}
	if _, ok := parseTime(text); ok {
		return timeValue
	}
	return textValue
}

// parseTime reads RFC 3339 and its usual relatives; a time without a zone is in UTC.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly,
	} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// earliest is the first time that every engine's widest type holds, latest the last.
func earliest() time.Time { return time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC) }
func latest() time.Time   { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

// value gives an arg as database/sql binds it.
func (a arg) value(d query.Dialect) any {
	switch {
	case d == query.SQLite && a.kind != numberValue:
		// SQLite has no times: texts are compared as they are stored.
		if a.highest {
			return "\U0010ffff"
		}
		return a.text
	case a.kind == numberValue:
		return a.number()
	case a.kind == timeValue && a.lowest:
		return earliest()
	case a.kind == timeValue && a.highest:
		return latest()
	case a.kind == timeValue:
		if at, ok := parseTime(a.text); ok {
			return at
		}
	case a.highest:
		return "\U0010ffff"
	}
	return a.text
}

func (a arg) number() any {
	switch {
	case a.lowest:
		return int64(math.MinInt64)
	case a.highest:
		return int64(math.MaxInt64)
	}
	if n, err := strconv.ParseInt(a.text, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(a.text, 64); err == nil && strings.ContainsAny(a.text, ".eE") {
		return f
	}
	return a.text
}

// condition holds a column of the query's rows to a value.
type condition struct {
	column string
	// op is a comparison, or IS NULL, which takes no value.
	op    string
	value arg
}

const isNull, isNotNull = "IS NULL", "IS NOT NULL"

// statement is SQL as one server takes it, with its values in the order of their places.
type statement struct {
	sql  string
	args []arg
	// query and prefix tell where of the flow's query a byte of the SQL comes from.
	query  *query.Query
	prefix int
	place  func(name string) string
}

// origin gives the byte of the flow's query that a byte of the SQL comes from; ok is false for one of our own.
func (s *statement) origin(offset int) (_ int, ok bool) {
	if s.query == nil || offset < s.prefix {
		return 0, false
	}
	at := s.query.Origin(offset-s.prefix, s.place)
	return at, at <= len(s.query.Text())
}

// writer makes the statements of one read.
type writer struct {
	dialect query.Dialect
	query   *query.Query
	// bounds are the values of the query's parameters by their names.
	bounds map[string]arg
	// always are conditions that every statement has.
	always []condition
}

// statement selects what of the query's rows; nothing but the query where nothing is asked beside it.
func (w *writer) statement(what, behind string, conditions ...condition) statement {
	s := statement{query: w.query}
	s.place = func(name string) string { return w.placeholder(w.bound(), name) }
	inner := w.query.SQL(func(name string) string {
		s.bind(w.dialect, w.bounds[name])
		return s.place(name)
	})
	conditions = append(slices.Clone(w.always), conditions...)
	if what == "" && len(conditions) == 0 {
		s.sql = inner
		return s
	}
	if what == "" {
		what = "*"
	}
	head := "SELECT " + what + " FROM ("
	s.prefix = len(head)
	s.sql = head + inner + "\n) AS q" + s.where(w, conditions) + behind
	return s
}

// bind adds a value; engines with numbered or named places take one once.
func (s *statement) bind(d query.Dialect, a arg) {
	if d == query.PostgreSQL || d == query.SQLServer {
		if slices.ContainsFunc(s.args, func(b arg) bool { return b.name == a.name }) {
			return
		}
	}
	s.args = append(s.args, a)
}

func (s *statement) where(w *writer, conditions []condition) string {
	var out strings.Builder
	names := w.bound()
	for i, c := range conditions {
		out.WriteString([]string{" AND ", " WHERE "}[b2i(i == 0)])
		out.WriteString("q." + w.name(c.column) + " " + c.op)
		if c.op == isNull || c.op == isNotNull {
			continue
		}
		c.value.name = "bound" + strconv.Itoa(i)
		names = append(names, c.value.name)
		s.args = append(s.args, c.value)
		out.WriteString(" " + w.placeholder(names, c.value.name))
	}
	return out.String()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// bound lists the parameters of the query, each once, in the order in which they are bound.
func (w *writer) bound() (names []string) {
	w.query.SQL(func(name string) string {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		return ""
	})
	return names
}

func (w *writer) placeholder(names []string, name string) string {
	switch w.dialect {
	case query.PostgreSQL:
		return "$" + strconv.Itoa(slices.Index(names, name)+1)
	case query.SQLServer:
		return "@" + name
	}
	return "?"
}

// name puts a column's name in quotes.
func (w *writer) name(column string) string { return quoteName(w.dialect, column) }

func quoteName(d query.Dialect, name string) string {
	switch d {
	case query.MySQL:
		return "`" + strings.ReplaceAll(name, "`", "``") + "`"
	case query.SQLServer:
		return "[" + strings.ReplaceAll(name, "]", "]]") + "]"
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
