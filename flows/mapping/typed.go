package mapping

import (
	"math"
	"unicode/utf8"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
)

// typedScratch is what ApplyTyped keeps from batch to batch.
type typedScratch struct {
	raw   columns.Raw
	cells []columns.Cell
	text  []byte
}

// InferTyped makes a rule for every column of a typed source: its own type, and
// for text the length that Lengths would give. The fault is that of Infer.
func InferTyped(schema columns.Schema, sample []*columns.Batch) ([]flows.Rule, error) {
	rules := make([]flows.Rule, len(schema))
	for i, f := range schema {
		rules[i] = flows.Rule{To: f.Name, From: f.Name, Type: f.Type.String()}
		if f.Name == "" || f.Name[0] == '/' {
			rules[i].From = pointerTo(f.Name)
		}
		if f.Type == columns.String {
			rules[i].Length = lengthFor(longestOf(i, sample))
		}
	}
	return rules, inferable(rules)
}

func longestOf(column int, sample []*columns.Batch) int {
	longest := 0
	for _, b := range sample {
		c := &b.Columns[column]
		for r := range b.Rows {
			longest = max(longest, int(c.Offsets[r+1]-c.Offsets[r]))
		}
	}
	return longest
}

// LengthsTyped is Lengths for a typed sample.
func LengthsTyped(rules []flows.Rule, sample []*columns.Batch) []flows.Rule {
	raws := make([]*columns.Raw, len(sample))
	for i, b := range sample {
		raw := &columns.Raw{Names: b.Schema.Names(), Rows: b.Rows}
		for c := range b.Columns {
			cells, text := columns.RenderColumn(&b.Columns[c], b.Rows, nil, raw.Data)
			raw.Cells, raw.Data = append(raw.Cells, cells), text
		}
		raws[i] = raw
	}
	return Lengths(rules, raws)
}

// ApplyTyped is Apply for records that are columns with types already. Where a
// rule's type is the source's the values are copied; else each is converted as
// its text would be. Errors have a row and no place.
func (a *Applier) ApplyTyped(src *columns.Batch, out *columns.Batch, errs []columns.RecordError) []columns.RecordError {
	if a.plan.shape != nil {
		return a.Apply(a.rendered(src), out, errs)
	}
	names := src.Schema.Names()
	a.resolve(names)
	a.typed.raw = columns.Raw{Names: names, Rows: src.Rows}
	a.raw, a.errs, a.failed = &a.typed.raw, errs, 0
	a.bad = resize(a.bad, src.Rows)
	clear(a.bad)
	for i := range a.plan.columns {
		c, dst := &a.plan.columns[i], &out.Columns[i]
		at := a.index[i]
		if at >= 0 && len(c.source.path) == 0 && src.Columns[at].Type == c.field.Type && !c.hasDefault {
			a.copyColumn(c, &src.Columns[at], dst, out.Rows)
			continue
		}
		if at >= 0 {
			a.render(&src.Columns[at], src.Rows)
			a.checkRendered(c, &src.Columns[at])
		} else {
			a.typed.raw.Data = nil
		}
		a.take(c, at, at >= 0)
		a.convert(c, dst, out.Rows)
	}
	if a.failed > 0 {
		a.compact(out)
		a.place(a.errs[len(errs):])
	}
	out.Rows += src.Rows - a.failed
	errs = a.errs
	a.raw, a.errs, a.cells, a.data = nil, nil, nil, nil
	return errs
}

// render writes a column as cells of text.
func (a *Applier) render(c *columns.Column, rows int) {
	a.typed.cells, a.typed.text = columns.RenderColumn(c, rows, a.typed.cells[:0], a.typed.text[:0])
	a.typed.raw.Data = a.typed.text
}

// copyColumn passes a column through and checks what Celonis would cut or null.
func (a *Applier) copyColumn(c *column, src, dst *columns.Column, base int) {
	rows := a.raw.Rows
	dst.Valid = append(dst.Valid[:base], src.Valid[:rows]...)
	switch c.field.Type {
	case columns.String:
		a.copyTexts(c, src, dst, base)
	case columns.Float:
		dst.Floats = append(dst.Floats[:base], src.Floats[:rows]...)
		for r, v := range dst.Floats[base:] {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				dst.Floats[base+r] = 0
				a.refuse(r, c, src, dst, base)
			}
		}
	default:
		dst.Ints = append(dst.Ints[:base], src.Ints[:rows]...)
		low, end, bounded := rangeOf(c.field.Type)
		for r, v := range dst.Ints[base:] {
			if bounded && (v < low || v >= end) {
				dst.Ints[base+r] = 0
				a.refuse(r, c, src, dst, base)
			}
		}
	}
	if c.required || c.key {
		for r, valid := range src.Valid[:rows] {
			if !valid {
				a.rejectValue(r, c, nil, contradiction{is: absent})
			}
		}
	}
}

// rangeOf gives the values of a type that Celonis keeps: low <= v < end.
func rangeOf(t columns.Type) (low, end int64, bounded bool) {
	switch t {
	case columns.Date:
		return minDay, endDay, true
	case columns.DateTime:
		return minDay * day, endDay * day, true
	case columns.Time:
		return 0, day, true
	}
	return 0, 0, false
}

// refuse takes the value of row r back as out of range.
func (a *Applier) refuse(r int, c *column, src, dst *columns.Column, base int) {
	if !dst.Valid[base+r] {
		return
	}
	dst.Valid[base+r] = false
	kind := columns.Text
	if c.field.Type == columns.Float {
		kind = columns.Number
	}
	a.rejectValue(r, c, columns.RenderValue(src, r, nil), contradiction{kind: kind, is: outOfRange})
}

func (a *Applier) copyTexts(c *column, src, dst *columns.Column, base int) {
	rows := a.raw.Rows
	start := uint32(len(dst.Bytes))
	from := src.Offsets[0]
	dst.Bytes = append(dst.Bytes, src.Bytes[from:src.Offsets[rows]]...)
	dst.Offsets = resize(dst.Offsets, base+rows+1)
	tooMuch := false
	for r, end := range src.Offsets[1 : rows+1] {
		dst.Offsets[base+r+1] = start + end - from
		tooMuch = tooMuch || int(end-src.Offsets[r]) > c.field.Length
	}
	if tooMuch || !validTexts(src, rows) {
		a.cutTexts(c, src, dst, base)
	}
}

// cutTexts does copyTexts again and leaves out the values that are too long or
// not UTF-8.
func (a *Applier) cutTexts(c *column, src, dst *columns.Column, base int) {
	dst.Bytes = dst.Bytes[:dst.Offsets[base]]
	for r := range a.raw.Rows {
		v := src.StringAt(r)
		switch {
		case len(v) > c.field.Length:
			dst.Valid[base+r] = false
			a.rejectValue(r, c, v, contradiction{kind: columns.Text, is: tooLong, long: len(v)})
		case !utf8.Valid(v):
			dst.Valid[base+r] = false
			a.rejectValue(r, c, v, contradiction{kind: columns.Text, is: notUTF8})
		default:
			dst.Bytes = append(dst.Bytes, v...)
		}
		dst.Offsets[base+r+1] = uint32(len(dst.Bytes))
	}
}

// checkRendered makes a rendered text that is not UTF-8 a null with a reason.
func (a *Applier) checkRendered(c *column, src *columns.Column) {
	if src.Type != columns.String || validTexts(src, a.raw.Rows) {
		return
	}
	for r := range a.raw.Rows {
		if v := src.StringAt(r); !utf8.Valid(v) {
			a.typed.cells[r] = columns.Cell{}
			a.rejectValue(r, c, v, contradiction{kind: columns.Text, is: notUTF8})
		}
	}
}

// validTexts looks at all texts at once: they are UTF-8 when all of them
// together are and none begins within a character.
func validTexts(c *columns.Column, rows int) bool {
	for _, at := range c.Offsets[:rows] {
		if int(at) < len(c.Bytes) && !utf8.RuneStart(c.Bytes[at]) {
			return false
		}
	}
	return utf8.Valid(c.Bytes[c.Offsets[0]:c.Offsets[rows]])
}
