package celonissim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// truth is the value of a condition for a row; a comparison with nothing is unknown.
type truth int8

const (
	no truth = iota
	yes
	unknown
)

// test tells a condition's truth for a row.
type test func(row int32) truth

// condition is what filter expressions say together.
type condition struct {
	all  []node
	text string
}

// node is a part of a filter expression.
type node interface {
	test(x *rowIndex) test
	// span is the range of ranks of a field outside of which the node is not true.
	span(x *rowIndex) (field string, s span, ok bool)
}

type noSpan struct{}

func (noSpan) span(*rowIndex) (string, span, bool) { return "", span{}, false }

// comparison is field op value, with null as nil.
type comparison struct {
	field, op string
	value     any
}

func (c comparison) ranks(x *rowIndex) (s span, found bool) {
	values := x.column(c.field).values
	i, found := slices.BinarySearchFunc(values, c.value, compareValues)
	at, end := int32(i), int32(i)
	if found {
		end++
	}
	switch c.op {
	case "eq", "ne":
		return span{at, end}, true
	case "gt":
		return span{end, int32(len(values))}, true
	case "ge":
		return span{at, int32(len(values))}, true
	case "lt":
		return span{0, at}, true
	}
	return span{0, end}, true
}

func (c comparison) span(x *rowIndex) (string, span, bool) {
	if c.op == "ne" || c.value == nil {
		return "", span{}, false
	}
	s, ok := c.ranks(x)
	return c.field, s, ok
}

func (c comparison) test(x *rowIndex) test {
	ranks := x.column(c.field).ranks
	if c.value == nil {
		want := c.op == "eq"
		return func(row int32) truth { return truthOf((ranks[row] < 0) == want) }
	}
	s, _ := c.ranks(x)
	negated := c.op == "ne"
	return func(row int32) truth {
		r := ranks[row]
		if r < 0 {
			return unknown
		}
		return truthOf((r >= s.from && r < s.to) != negated)
	}
}

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// search is contains, startswith or endswith.
type search struct {
	noSpan
	field, what, text string
}

func (n search) test(x *rowIndex) test {
	column := x.column(n.field)
	has := map[string]func(string, string) bool{"contains": strings.Contains, "startswith": strings.HasPrefix, "endswith": strings.HasSuffix}[n.what]
	return func(row int32) truth {
		r := column.ranks[row]
		if r < 0 {
			return unknown
		}
		text, _ := column.values[r].(string)
		return truthOf(has(text, n.text))
	}
}

type not struct {
	noSpan
	of node
}

func (n not) test(x *rowIndex) test {
	of := n.of.test(x)
	return func(row int32) truth {
		switch of(row) {
		case yes:
			return no
		case no:
			return yes
		}
		return unknown
	}
}

// joined is and, or or.
type joined struct {
	noSpan
	or   bool
	a, b node
}

func (n joined) test(x *rowIndex) test {
	a, b := n.a.test(x), n.b.test(x)
	decides := truthOf(n.or)
	return func(row int32) truth {
		p, q := a(row), b(row)
		switch {
		case p == decides || q == decides:
			return decides
		case p == unknown || q == unknown:
			return unknown
		}
		return p
	}
}

// filterParser reads an expression of the documented subset of OData.
type filterParser struct {
	rest   string
	fields map[string]RecordField
	null   bool
}

// filterError says what is wrong with an expression.
type filterError struct{ text string }

func (e filterError) Error() string { return e.text }

// parseFilters reads expressions that all must hold.
func parseFilters(texts []string, fields map[string]RecordField, null bool) (c condition, err error) {
	defer func() {
		if e, ok := recover().(filterError); ok {
			err = e
		}
	}()
	for _, text := range texts {
		p := &filterParser{rest: text, fields: fields, null: null}
		n := p.or()
		if p.peek() != "" {
			p.fail("%q is not understood", p.rest)
		}
		c.all = flatten(c.all, n)
	}
	c.text = strings.Join(texts, "\x00")
	return c, nil
}

// flatten takes conjunctions apart.
func flatten(to []node, n node) []node {
	if j, ok := n.(joined); ok && !j.or {
		return flatten(flatten(to, j.a), j.b)
	}
	return append(to, n)
}

func (p *filterParser) fail(format string, args ...any) {
	panic(filterError{fmt.Sprintf(format, args...)})
}

// token gives the next token and what comes after it.
func (p *filterParser) token() (token, rest string) {
	s := strings.TrimLeft(p.rest, " ")
	switch {
	case s == "":
		return "", ""
	case strings.ContainsRune("(),", rune(s[0])):
		return s[:1], s[1:]
	case s[0] == '\'':
		for i := 1; i < len(s); i++ {
			if s[i] != '\'' {
				continue
			}
			if i+1 < len(s) && s[i+1] == '\'' {
				i++
				continue
			}
			return s[:i+1], s[i+1:]
		}
		p.fail("a quote is not closed")
	}
	end := strings.IndexAny(s, " (),'")
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

func (p *filterParser) peek() string { token, _ := p.token(); return token }

func (p *filterParser) next() string {
	token, rest := p.token()
	p.rest = rest
	return token
}

func (p *filterParser) expect(token string) {
	if got := p.next(); got != token {
		p.fail("%q stands where %q should", got, token)
	}
}

func (p *filterParser) or() node {
	n := p.and()
	for p.peek() == "or" {
		p.next()
		n = joined{or: true, a: n, b: p.and()}
	}
	return n
}

func (p *filterParser) and() node {
	n := p.term()
	for p.peek() == "and" {
		p.next()
		n = joined{a: n, b: p.term()}
	}
	return n
}

func (p *filterParser) term() node {
	switch token := p.next(); token {
	case "not":
		return not{of: p.term()}
	case "(":
		n := p.or()
		p.expect(")")
		return n
	case "contains", "startswith", "endswith":
		p.expect("(")
		field := p.field(p.next())
		p.expect(",")
		text, ok := p.value(field).(string)
		if !ok {
			p.fail("%s needs a text", token)
		}
		p.expect(")")
		return search{field: field.ID, what: token, text: text}
	default:
		return p.comparison(p.field(token))
	}
}

func (p *filterParser) comparison(field RecordField) node {
	op := p.next()
	if op == "in" {
		p.expect("(")
		var n node = comparison{field.ID, "eq", p.value(field)}
		for p.peek() == "," {
			p.next()
			n = joined{or: true, a: n, b: comparison{field.ID, "eq", p.value(field)}}
		}
		p.expect(")")
		return n
	}
	if !slices.Contains([]string{"eq", "ne", "gt", "ge", "lt", "le"}, op) {
		p.fail("%q is no operator", op)
	}
	return comparison{field.ID, op, p.value(field)}
}

func (p *filterParser) field(name string) RecordField {
	f, ok := p.fields[name]
	switch {
	case !ok:
		p.fail("the field %q is unknown", name)
	case f.NotFilterable:
		p.fail("the field %q is not filterable", name)
	}
	return f
}

func (p *filterParser) value(f RecordField) any {
	token := p.next()
	switch {
	case token == "" || strings.Contains("(),", token):
		p.fail("a value is missing")
	case token == "null" && p.null:
		return nil
	case token == "null":
		p.fail("null is no value")
	}
	if token[0] == '\'' {
		token = strings.ReplaceAll(token[1:len(token)-1], "''", "'")
		if isNumeric(f.Type) {
			p.fail("the field %q is no text", f.ID)
		}
	}
	switch {
	case isNumeric(f.Type):
		number, err := strconv.ParseFloat(token, 64)
		if err != nil {
			p.fail("%q is no number", token)
		}
		return number
	case f.Type == "boolean":
		return token == "true"
	case f.Type == "datetime" || f.Type == "timestamp":
		return strings.TrimSuffix(token, "Z")
	}
	return token
}

func isNumeric(kind string) bool { return kind == "integer" || kind == "float" || kind == "number" }
