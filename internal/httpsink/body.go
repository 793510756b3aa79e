// Package httpsink sends rows to REST APIs and webhooks: it writes bodies of
// JSON, asks again where that can do no harm, waits where it is told to, and
// says of every request whether its rows were taken, refused, or whether nobody
// knows.
package httpsink

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// Form is how a body is written.
type Form struct {
	// Lines writes an object on each line; List a list of objects, else there is one object.
	Lines, List bool
	// At is a JSON Pointer to where the rows stand in the body, "" is the whole body.
	At string
	// OmitNulls leaves members without a value out.
	OmitNulls bool
}

// Body writes rows as JSON. It is safe for concurrent use.
type Body struct {
	form Form
	// members of an object in their order.
	members       []member
	before, after string
}

// member is a column's value, or an object of members.
type member struct {
	name   string // as JSON
	column int    // -1 for an object
	below  []member
}

// NewBody makes a Body for rows of a schema. Fault FlowInvalid when its columns contradict each other.
func NewBody(schema columns.Schema, form Form) (*Body, error) {
	b := &Body{form: form}
	names := schema.Names()
	for n, problem := range flows.BodyProblems(names) {
		if problem != "" {
			return nil, fault.New(fault.FlowInvalid, "the column %q cannot stand in a body: it %s", names[n], problem)
		}
		path, _ := flows.BodyPath(names[n]) // BodyProblems tells of those that are none
		b.members = put(b.members, path, n)
	}
	if form.At != "" {
		path, ok := flows.BodyPath(form.At)
		if !ok {
			return nil, fault.New(fault.FlowInvalid, "%q is no JSON Pointer", form.At)
		}
		for _, name := range path {
			b.before += "{" + quoted(name) + ":"
			b.after += "}"
		}
	}
	return b, nil
}

// put adds a column at the end of a path.
func put(members []member, path []string, column int) []member {
	name := quoted(path[0])
	if len(path) == 1 {
		return append(members, member{name: name, column: column})
	}
	for i := range members {
		if members[i].name == name {
			members[i].below = put(members[i].below, path[1:], column)
			return members
		}
	}
	return append(members, member{name: name, column: -1, below: put(nil, path[1:], column)})
}

func quoted(s string) string {
	text, _ := json.Marshal(s) // a string cannot fail
	return string(text)
}

// Append writes rows from one to another, that not among them. Fault
// DestinationRow for a value that JSON has not.
func (b *Body) Append(out []byte, rows *columns.Batch, from, to int) ([]byte, error) {
	var err error
	if b.form.Lines {
		for r := from; r < to && err == nil; r++ {
			out, err = b.object(out, b.members, rows, r)
			out = append(out, '\n')
		}
		return out, err
	}
	out = append(out, b.before...)
	if !b.form.List {
		out, err = b.object(out, b.members, rows, from)
		return append(out, b.after...), err
	}
	out = append(out, '[')
	for r := from; r < to && err == nil; r++ {
		if r > from {
			out = append(out, ',')
		}
		out, err = b.object(out, b.members, rows, r)
	}
	return append(append(out, ']'), b.after...), err
}

func (b *Body) object(out []byte, members []member, rows *columns.Batch, r int) ([]byte, error) {
	out = append(out, '{')
	first := true
	for _, m := range members {
		if b.form.OmitNulls && m.empty(rows, r) {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(out, m.name...), ':')
		var err error
		if m.column < 0 {
			out, err = b.object(out, m.below, rows, r)
		} else {
			out, err = appendValue(out, &rows.Columns[m.column], rows.Schema[m.column].Name, r)
		}
		if err != nil {
			return out, err
		}
	}
	return append(out, '}'), nil
}

// empty reports whether a row has no value there.
func (m member) empty(rows *columns.Batch, r int) bool {
	if m.column >= 0 {
		return !rows.Columns[m.column].Valid[r]
	}
	for _, below := range m.below {
		if !below.empty(rows, r) {
			return false
		}
	}
	return true
}

// appendValue writes a value with its type: numbers exact, times in RFC 3339 and UTC.
func appendValue(out []byte, c *columns.Column, name string, r int) ([]byte, error) {
	if !c.Valid[r] {
		return append(out, "null"...), nil
	}
	switch c.Type {
	case columns.Integer, columns.Boolean:
		return columns.RenderValue(c, r, out), nil
	case columns.Float:
		f := c.Floats[r]
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return out, fault.New(fault.DestinationRow, "the value of column %q is no number that JSON has", name)
		}
		return strconv.AppendFloat(out, f, floatForm(f), -1, 64), nil
	}
	text, _ := json.Marshal(string(columns.RenderValue(c, r, nil))) // a string cannot fail
	return append(out, text...), nil
}

// floatForm writes numbers out where that stays short.
func floatForm(f float64) byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return 'e'
	}
	return 'f'
}
