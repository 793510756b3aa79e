package mapping

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/celonis-connector/connector/internal/columns"
)

// Applier applies a plan. It holds scratch memory and serves one goroutine at a time.
type Applier struct {
	plan *Plan
	// names are those that index was made for: index[i] is the position of
	// column i's top-level field in them, -1 when it is not there.
	names []string
	index []int

	raw    *columns.Raw
	errs   []columns.RecordError
	bad    []bool // by row: an error stands in errs
	failed int    // rows that are bad
	// survey, when set, hears of values that contradict their column, which are then no errors.
	survey *Survey
	// discarded counts, by column, the values that became null under Options.Discard.
	discarded []int64
	typed     typedScratch

	// The cells of the column at work and the bytes they point into.
	cells []columns.Cell
	data  []byte
	// dug holds what JSON Pointers have found, nulls cells of an absent field.
	dug     []columns.Cell
	dugData []byte
	nulls   []columns.Cell
	shaped  shapedScratch
	// ctx is within what agents are asked; stopped is why one could not be.
	ctx     context.Context
	stopped error
}

// NewApplier makes an Applier of the plan.
func (p *Plan) NewApplier() *Applier {
	a := &Applier{plan: p, index: make([]int, len(p.columns)), discarded: make([]int64, len(p.columns))}
	if p.shape != nil {
		a.shaped = p.newScratch()
	}
	return a
}

// Apply converts the records of raw, appends a row to out for each that is
// good and an error to errs for each that is not: rows added and errors added
// are raw.Rows together. An error names the first column, in the order of the
// rules, that the record has no good value for; errors come in the order of
// the records, with positions relative to the block. raw.Bad is left alone.
//
// out is a batch of the plan's schema made by columns.NewBatch. All bytes are
// copied, so raw may be reused; a batch holds up to 4 GiB of text a column.
// Good records allocate nothing once out has
// grown to its size.
func (a *Applier) Apply(raw *columns.Raw, out *columns.Batch, errs []columns.RecordError) []columns.RecordError {
	if a.plan.shape != nil {
		raw = a.reshape(raw)
	}
	a.resolve(raw.Names)
	a.raw, a.errs, a.failed = raw, errs, 0
	a.bad = resize(a.bad, raw.Rows)
	clear(a.bad)
	a.refuseShaped()
	for i := range a.plan.columns {
		c := &a.plan.columns[i]
		a.get(c, a.index[i])
		a.convert(c, &out.Columns[i], out.Rows)
	}
	if a.failed > 0 {
		a.compact(out)
		a.place(a.errs[len(errs):])
	}
	out.Rows += raw.Rows - a.failed
	errs = a.errs
	a.raw, a.errs, a.cells, a.data = nil, nil, nil, nil
	return errs
}

// get sets cells and data to those that column c converts.
func (a *Applier) get(c *column, index int) {
	if c.computed != nil {
		a.compute(c)
	} else {
		a.take(c, index, false)
	}
	switch {
	case c.lookup == nil:
	case c.lookup.agent != nil:
		a.askAgent(c)
	default:
		a.lookUp(c)
	}
	if c.protect != nil {
		a.hide(c)
	}
}

// resolve finds the plan's fields among a source's names.
func (a *Applier) resolve(names []string) {
	if a.names != nil && slices.Equal(a.names, names) {
		return
	}
	a.names = append(make([]string, 0, len(names)), names...)
	positions := make(map[string]int, len(names))
	for i, name := range slices.Backward(names) {
		positions[name] = i
	}
	for i := range a.plan.columns {
		position, ok := positions[a.plan.columns[i].source.name]
		if !ok {
			position = -1
		}
		a.index[i] = position
	}
}

// take sets cells and data to those that column c converts: those of the
// source at index, or of a typed column that was rendered.
func (a *Applier) take(c *column, index int, rendered bool) {
	a.cells, a.data = nil, a.raw.Data
	if rendered {
		a.cells = a.typed.cells
	} else if index >= 0 && index < len(a.raw.Cells) {
		a.cells = a.raw.Cells[index]
	}
	if a.cells == nil {
		if len(a.nulls) < a.raw.Rows {
			a.nulls = make([]columns.Cell, a.raw.Rows)
		}
		a.cells = a.nulls[:a.raw.Rows]
		return
	}
	if len(c.source.path) > 0 {
		a.dig(c)
	}
}

// dig follows the column's JSON Pointer in every cell.
func (a *Applier) dig(c *column) {
	a.dug, a.dugData = resize(a.dug, a.raw.Rows), a.dugData[:0]
	for r := range a.dug {
		cell := a.cells[r]
		a.dug[r] = columns.Cell{}
		if cell.Kind == columns.Null || a.bad[r] {
			continue
		}
		value, start := a.raw.Value(cell), len(a.dugData)
		data, kind, is := dig(a.dugData, value, c.source.path)
		if is != good {
			a.rejectValue(r, c, value, contradiction{kind: cell.Kind, is: is})
			continue
		}
		a.dugData = data
		a.dug[r] = columns.Cell{Off: uint32(start), Len: uint32(len(data) - start), Kind: kind}
	}
	a.cells, a.data = a.dug, a.dugData
}

// convert appends the cells to the column, a null for each that has no good value.
func (a *Applier) convert(c *column, out *columns.Column, base int) {
	rows := a.raw.Rows
	out.Valid = resize(out.Valid, base+rows)
	switch c.field.Type {
	case columns.String:
		a.texts(c, out, base)
	case columns.Float:
		out.Floats = resize(out.Floats, base+rows)
		fill(a, c, c.floats, out.Floats[base:], out.Valid[base:])
	default:
		out.Ints = resize(out.Ints, base+rows)
		fill(a, c, c.ints, out.Ints[base:], out.Valid[base:])
	}
}

// fill converts the cells into values.
func fill[T int64 | float64](a *Applier, c *column, conv converter[T], values []T, valid []bool) {
	cells, data := a.cells[:len(values)], a.data
	valid = valid[:len(values)]
	for r, cell := range cells {
		var v T
		is := absent
		if cell.Kind != columns.Null {
			v, is = conv.parse(data[cell.Off:cell.Off+cell.Len], cell.Kind)
		}
		if is == absent && c.hasDefault {
			v, is = conv.standard, good
		}
		values[r], valid[r] = v, is == good
		if is > absent || is == absent && (c.required || c.key) {
			a.reject(r, c, cell, is)
		}
	}
}

// texts copies the cells as text. Text of length 0 is a value, and not a null.
func (a *Applier) texts(c *column, out *columns.Column, base int) {
	cells, data, text := a.cells[:a.raw.Rows], a.data, out.Bytes
	out.Offsets = resize(out.Offsets, base+len(cells)+1)
	offsets, valid := out.Offsets[base+1:base+1+len(cells)], out.Valid[base:base+len(cells)]
	most := c.field.Length
	for r, cell := range cells {
		start, is := len(text), good
		switch cell.Kind {
		case columns.Null:
			if text = append(text, c.text...); !c.hasDefault {
				is = absent
			}
		case columns.JSON:
			text = appendCompact(text, data[cell.Off:cell.Off+cell.Len])
		default:
			text = appendText(text, data, int(cell.Off), int(cell.Len))
		}
		if n := len(text) - start; n > most {
			text, is = text[:start], tooLong
			a.rejectValue(r, c, a.value(cell), contradiction{kind: cell.Kind, is: tooLong, long: n})
		} else if is == absent && (c.required || c.key) {
			a.reject(r, c, cell, absent)
		}
		offsets[r], valid[r] = uint32(len(text)), is == good
	}
	out.Bytes = text
}

// appendText adds data[off:off+n]. Most texts are short, so where there is room
// a fixed number of bytes is copied, which takes no call.
func appendText(text, data []byte, off, n int) []byte {
	const short = 32
	at := len(text)
	if n > short || len(data)-off < short || cap(text)-at < short {
		return append(text, data[off:off+n]...)
	}
	to, from := text[at:at+short], data[off:off+short]
	binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(from))
	binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(from[8:]))
	if n > short/2 {
		binary.LittleEndian.PutUint64(to[16:], binary.LittleEndian.Uint64(from[16:]))
		binary.LittleEndian.PutUint64(to[24:], binary.LittleEndian.Uint64(from[24:]))
	}
	return text[:at+n]
}

func (a *Applier) value(cell columns.Cell) []byte { return a.data[cell.Off : cell.Off+cell.Len] }

// compact takes the bad rows out of what this call has appended.
func (a *Applier) compact(out *columns.Batch) {
	keep := out.Rows + a.raw.Rows - a.failed
	for i := range out.Columns {
		c := &out.Columns[i]
		squeeze(c.Valid[out.Rows:], a.bad)
		c.Valid = c.Valid[:keep]
		switch c.Type {
		case columns.String:
			a.squeezeText(c, out.Rows)
			c.Offsets = c.Offsets[:keep+1]
		case columns.Float:
			squeeze(c.Floats[out.Rows:], a.bad)
			c.Floats = c.Floats[:keep]
		default:
			squeeze(c.Ints[out.Rows:], a.bad)
			c.Ints = c.Ints[:keep]
		}
	}
}

// squeeze moves the values of the good rows to the front.
func squeeze[T any](values []T, bad []bool) {
	w := 0
	for r, isBad := range bad {
		if !isBad {
			values[w] = values[r]
			w++
		}
	}
}

func (a *Applier) squeezeText(c *columns.Column, base int) {
	w, start := base, c.Offsets[base]
	end := start
	for r, isBad := range a.bad {
		// The start of row r, before Offsets[w+1] may overwrite it.
		from := start
		start = c.Offsets[base+r+1]
		if isBad {
			continue
		}
		end += uint32(copy(c.Bytes[end:], c.Bytes[from:start]))
		w++
		c.Offsets[w] = end
	}
	c.Bytes = c.Bytes[:end]
}

// resize gives s the length n, keeping what it has; new elements are undefined.
func resize[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	return slices.Grow(s, n-len(s))[:n]
}
