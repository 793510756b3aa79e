package mapping

import (
	"errors"
	"fmt"
	"time"

	"github.com/celonis-connector/connector/flows/expression"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// shapedScratch is what an Applier of a shaped plan keeps from block to block.
type shapedScratch struct {
	runners []*expression.Runner
	filter  *expression.Runner
	// values are those of the references that an expression takes; index is the position of each reference's field among names.
	values []any
	index  []int
	names  []string
	digged []byte
	// cells and data are what an expression gave for a column.
	cells []columns.Cell
	data  []byte
	// found are what a table gave in place of them, hidden what a protection did.
	found, hidden         []columns.Cell
	foundData, hiddenData []byte
	mac                   keyed
	// whole is the block after expansion, made the block without the records that the filter took.
	whole, made columns.Raw
	typed       columns.Raw
	expanded    []byte
	// starts[r] is the number of records that the first r records of the block became, kept the rows that the filter let through.
	starts []int
	kept   []int
	bad    []rowError
	// seen and filtered count the records of the block.
	seen, filtered int64
	last           *columns.Raw
	// failed are the rows of last by the numbers that their errors have.
	failed map[int]int
	record row
}

// rowError is a record that cannot become a row whatever its columns.
type rowError struct {
	row     int
	code    fault.Code
	field   string
	message string
}

func (p *Plan) newScratch() shapedScratch {
	s := shapedScratch{runners: make([]*expression.Runner, len(p.columns)), index: make([]int, len(p.shape.references))}
	for i, c := range p.columns {
		if c.computed != nil {
			s.runners[i] = c.computed.program.NewRunner()
		}
	}
	if p.shape.filter != nil {
		s.filter = p.shape.filter.program.NewRunner()
	}
	if p.shape.protector != nil {
		s.mac = keyed{hash: p.shape.protector.MAC()}
	}
	return s
}

// locate finds the references among the block's names.
func (a *Applier) locate(raw *columns.Raw) {
	s := &a.shaped
	for i, ref := range a.plan.shape.references {
		s.index[i] = -1
		for n, name := range raw.Names {
			if name == ref.name && n < len(raw.Cells) && raw.Cells[n] != nil {
				s.index[i] = n
				break
			}
		}
	}
}

// arguments reads the fields of a computation in row r.
func (a *Applier) arguments(c *computation, raw *columns.Raw, r int) ([]any, error) {
	s := &a.shaped
	s.values = s.values[:0]
	for _, f := range c.fields {
		at := s.index[f]
		if at < 0 {
			s.values = append(s.values, nil)
			continue
		}
		v, err := a.reference(&a.plan.shape.references[f], raw, raw.Cells[at][r])
		if err != nil {
			return nil, err
		}
		s.values = append(s.values, v)
	}
	return s.values, nil
}

// reference gives the value of a field as a natural Go value.
func (a *Applier) reference(ref *source, raw *columns.Raw, cell columns.Cell) (any, error) {
	if cell.Kind == columns.Null {
		return nil, nil
	}
	text, kind := raw.Value(cell), cell.Kind
	if len(ref.path) > 0 {
		var is verdict
		a.shaped.digged, kind, is = dig(a.shaped.digged[:0], text, ref.path)
		if is != good {
			return nil, fmt.Errorf("field %q leads through what is neither a JSON object nor an array", ref.text)
		}
		text = a.shaped.digged
	}
	v, err := natural(text, kind)
	if err != nil {
		return nil, fmt.Errorf("field %q: %w", ref.text, err)
	}
	return v, nil
}

// natural gives a cell as a Go value.
func natural(text []byte, kind columns.Kind) (any, error) {
	switch kind {
	case columns.Null:
		return nil, nil
	case columns.Number:
		return expression.Number(text), nil
	case columns.Bool:
		return string(text) == "true", nil
	case columns.JSON:
		return expression.FromJSON(text)
	}
	return expression.Text(text)
}

// row gives the fields of a record whose names an expression computes.
type row struct {
	a   *Applier
	raw *columns.Raw
	r   int
}

var _ expression.Row = (*row)(nil)

// Field implements expression.Row.
func (w *row) Field(name string) (any, error) {
	field, err := fieldOf(name)
	if err != nil {
		return nil, errors.New("the field's name is not valid")
	}
	if shape := w.a.plan.shape; shape.expand != nil && field.name == shape.expand.name && isPrefix(shape.expand.path, field.path) {
		field.name, field.path = elementField, field.path[len(shape.expand.path):]
	}
	for n, have := range w.raw.Names {
		if have == field.name && n < len(w.raw.Cells) && w.raw.Cells[n] != nil {
			return w.a.reference(&field, w.raw, w.raw.Cells[n][w.r])
		}
	}
	if text := w.text(); text != nil {
		value, ok := member(text, field.name)
		if ok && len(value) > 0 {
			data, kind, is := dig(nil, value, field.path)
			if is == good {
				return natural(data, kind)
			}
		}
	}
	return nil, nil
}

// text is the record as it stands in a source of JSON, nil for others.
func (w *row) text() []byte {
	if !w.a.plan.shape.json || w.r >= len(w.raw.Records) {
		return nil
	}
	place := w.raw.Records[w.r]
	text := trim(w.raw.Data[place.Off : place.Off+place.Len])
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	return text
}

// Fields implements expression.Row.
func (w *row) Fields() (map[string]any, error) {
	if text := w.text(); text != nil && w.a.plan.shape.expand == nil {
		v, err := expression.FromJSON(text)
		if all, ok := v.(map[string]any); ok && err == nil {
			return all, nil
		}
		return nil, err
	}
	all := make(map[string]any, len(w.raw.Names))
	for n, name := range w.raw.Names {
		if name == elementField || n >= len(w.raw.Cells) || w.raw.Cells[n] == nil {
			continue
		}
		cell := w.raw.Cells[n][w.r]
		v, err := natural(w.raw.Value(cell), cell.Kind)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", name, err)
		}
		if v != nil {
			all[name] = v
		}
	}
	return all, nil
}

// evaluate runs a computation for row r.
func (a *Applier) evaluate(c *computation, runner *expression.Runner, raw *columns.Raw, r int) (any, error) {
	values, err := a.arguments(c, raw, r)
	if err != nil {
		return nil, err
	}
	a.shaped.record = row{a, raw, r}
	return runner.Run(values, &a.shaped.record)
}

// compute sets the cells of a column to what its expression gives.
func (a *Applier) compute(c *column) {
	s, rows := &a.shaped, a.raw.Rows
	s.cells, s.data = resize(s.cells, rows), s.data[:0]
	for r := range rows {
		s.cells[r] = columns.Cell{}
		if a.bad[r] {
			continue
		}
		out, err := a.evaluate(c.computed, s.runners[c.at], a.raw, r)
		if err == nil {
			s.cells[r], err = a.cell(c, out)
		}
		if err != nil {
			a.fail(rowError{r, fault.RecordExpression, c.field.Name,
				fmt.Sprintf("the expression %q of column %q has no value: %s", shorten([]byte(c.computed.program.Source())), c.field.Name, err)})
		}
	}
	a.cells, a.data = s.cells[:rows], s.data
}

// cell writes a result as a cell of the column.
func (a *Applier) cell(c *column, out any) (columns.Cell, error) {
	s := &a.shaped
	start, kind := len(s.data), columns.Text
	switch v := out.(type) {
	case nil:
		return columns.Cell{}, nil
	case string:
		s.data = append(s.data, v...)
	case time.Time:
		s.data = v.AppendFormat(s.data, layoutFor(c.field.Type))
	default:
		text, _, err := expression.ToText(out)
		if err != nil {
			return columns.Cell{}, err
		}
		s.data = append(s.data, text...)
		kind = kindOf(out)
	}
	return columns.Cell{Off: uint32(start), Len: uint32(len(s.data) - start), Kind: kind}, nil
}

func kindOf(v any) columns.Kind {
	switch v.(type) {
	case bool:
		return columns.Bool
	case int, float64:
		return columns.Number
	case []any, map[string]any:
		return columns.JSON
	}
	return columns.Text
}

// layoutFor is how an instant becomes a cell: of a date the day where the
// expression has put it, of a time the clock there.
func layoutFor(t columns.Type) string {
	switch t {
	case columns.Date:
		return time.DateOnly
	case columns.Time:
		return "15:04:05.000"
	}
	return "2006-01-02T15:04:05.000Z07:00"
}

// fail makes row r bad whatever the schema policy; the first reason stays.
func (a *Applier) fail(e rowError) {
	if a.bad[e.row] {
		return
	}
	a.bad[e.row] = true
	a.failed++
	a.errs = append(a.errs, columns.RecordError{Row: e.row, Code: e.code, Field: e.field, Message: e.message})
}

// lookUp replaces the column's values by those of its table.
func (a *Applier) lookUp(c *column) {
	s := &a.shaped
	out, data := resize(s.found, a.raw.Rows), s.foundData[:0]
	for r := range out {
		cell := a.cells[r]
		out[r] = columns.Cell{}
		if cell.Kind == columns.Null || a.bad[r] {
			continue
		}
		v, ok := c.lookup.table[string(a.value(cell))]
		if !ok {
			if !c.lookup.hasDefault {
				continue
			}
			v = c.lookup.standard
		}
		out[r] = columns.Cell{Off: uint32(len(data)), Len: uint32(len(v)), Kind: columns.Text}
		data = append(data, v...)
	}
	s.found, s.foundData = out, data
	a.cells, a.data = out, data
}
