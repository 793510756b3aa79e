package mapping

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// maxExpanded bounds what one record may grow to, in bytes: what stands beside
// its list, once for each element.
const maxExpanded = 64 << 20

// Counts tells what became of the records of the block that was applied last:
// seen are those of the block, a record that was expanded for each of its
// elements; filtered are those that the filter or the expansion took out.
func (a *Applier) Counts(raw *columns.Raw) (seen, filtered int64) {
	if a.plan.shape == nil {
		return int64(raw.Seen()), 0
	}
	return a.shaped.seen, a.shaped.filtered
}

// CountsTyped is Counts for a typed block.
func (a *Applier) CountsTyped(b *columns.Batch) (seen, filtered int64) {
	if a.plan.shape == nil {
		return int64(b.Rows), 0
	}
	return a.shaped.seen, a.shaped.filtered
}

// Undecoded gives the records of the block applied last that could not be
// decoded, numbered as its other errors are. Where the plan protects fields
// they say nothing of the record.
func (a *Applier) Undecoded(raw *columns.Raw) []columns.RecordError {
	if a.plan.shape == nil || len(raw.Bad) == 0 {
		return raw.Bad
	}
	out := slices.Clone(raw.Bad)
	for i := range out {
		if a.plan.shape.expand != nil {
			out[i].Row = a.shaped.starts[min(out[i].Row-i, len(a.shaped.starts)-1)] + i
		}
		if a.plan.shape.hides() {
			out[i].Message = lowerTitle(out[i].Code) + ", and its text is protected"
		}
	}
	return out
}

// SourceRow gives the row of the typed block applied last that an error's number belongs to.
func (a *Applier) SourceRow(number int) int {
	if a.plan.shape == nil || a.plan.shape.expand == nil {
		return number
	}
	at, exact := slices.BinarySearch(a.shaped.starts, number)
	if !exact {
		return at - 1
	}
	return at
}

// reshape expands and filters a block.
func (a *Applier) reshape(raw *columns.Raw) *columns.Raw {
	s := &a.shaped
	s.seen, s.filtered = int64(raw.Seen()), 0
	if raw != &s.typed {
		s.bad = s.bad[:0]
	}
	if a.plan.shape.expand != nil {
		raw = a.expand(raw)
	}
	a.locate(raw)
	if s.filter != nil {
		raw = a.sift(raw)
	}
	s.last = raw
	clear(s.failed)
	return raw
}

// refuseShaped makes the rows bad that reshape found to be.
func (a *Applier) refuseShaped() {
	for _, e := range a.shaped.bad {
		a.fail(e)
	}
}

// sift takes the records out that the filter does not let through.
func (a *Applier) sift(raw *columns.Raw) *columns.Raw {
	s := &a.shaped
	s.kept = s.kept[:0]
	known, bad := s.bad, []rowError(nil)
	for r := range raw.Rows {
		if len(known) > 0 && known[0].row == r {
			e := known[0]
			e.row, known = len(s.kept), known[1:]
			bad = append(bad, e)
			s.kept = append(s.kept, r)
			continue
		}
		values, err := a.arguments(a.plan.shape.filter, raw, r)
		through := false
		if err == nil {
			s.record = row{a, raw, r}
			through, err = s.filter.True(values, &s.record)
		}
		if err != nil {
			bad = append(bad, rowError{len(s.kept), fault.RecordExpression, "",
				fmt.Sprintf("the filter %q has no value: %s", shorten([]byte(a.plan.shape.filter.program.Source())), err)})
		}
		if through || err != nil {
			s.kept = append(s.kept, r)
		}
	}
	s.bad = bad
	if len(s.kept) == raw.Rows {
		return raw
	}
	s.filtered += int64(raw.Rows - len(s.kept))
	return pickRows(raw, &s.made, s.kept)
}

// pickRows makes a block of some of the rows of another; their bytes stay where they are.
func pickRows(raw, out *columns.Raw, rows []int) *columns.Raw {
	out.Names, out.Data, out.Rows = raw.Names, raw.Data, len(rows)
	out.Cells = resize(out.Cells, len(raw.Cells))
	for c, cells := range raw.Cells {
		if cells == nil {
			out.Cells[c] = nil
			continue
		}
		to := resize(out.Cells[c], len(rows))
		if to == nil {
			to = []columns.Cell{}
		}
		for i, r := range rows {
			to[i] = cells[r]
		}
		out.Cells[c] = to
	}
	out.Records, out.Index = out.Records[:0], resize(out.Index, len(rows))
	if out.Index == nil {
		out.Index = []int{}
	}
	for i, r := range rows {
		if r < len(raw.Records) {
			out.Records = append(out.Records, raw.Records[r])
		}
		out.Index[i] = r
		if raw.Index != nil {
			out.Index[i] = raw.Index[r]
		}
	}
	return out
}

// expand makes a record of each element of the list in a record.
func (a *Applier) expand(raw *columns.Raw) *columns.Raw {
	s, shape := &a.shaped, a.plan.shape
	lists := cellsOf(raw, shape.expand.name)
	known := s.bad
	s.bad = nil
	e := expansion{raw: raw, data: append(s.expanded[:0], raw.Data...), starts: append(s.starts[:0], 0)}
	for r := range raw.Rows {
		cell := columns.Cell{}
		if lists != nil {
			cell = lists[r]
		}
		before := len(e.rows)
		problem := ""
		if len(known) > 0 && known[0].row == r {
			s.bad = append(s.bad, rowError{before, known[0].code, known[0].field, known[0].message})
			known = known[1:]
			e.add(r, columns.Cell{})
		} else if problem = e.list(r, cell, shape.expand.path); problem != "" {
			e.rows, e.elements = e.rows[:before], e.elements[:before]
			s.bad = append(s.bad, rowError{before, fault.RecordExpand, shape.expand.text, fmt.Sprintf("the list %q cannot be expanded: %s", shape.expand.text, problem)})
			e.add(r, columns.Cell{})
		}
		made := len(e.rows) - before
		if made == 0 && !shape.dropEmpty {
			e.add(r, columns.Cell{})
			made = 1
		}
		if made == 0 {
			made = 1
			s.filtered++
		}
		e.starts = append(e.starts, e.starts[r]+made)
	}
	s.starts, s.expanded = e.starts, e.data
	s.seen = int64(e.starts[raw.Rows] + len(raw.Bad))
	return a.expanded(raw, &e)
}

// expanded makes the block of what an expansion found.
func (a *Applier) expanded(raw *columns.Raw, e *expansion) *columns.Raw {
	out := pickRows(raw, &a.shaped.whole, e.rows)
	out.Data = e.data
	if !slices.Equal(a.shaped.names, raw.Names) || len(a.shaped.names) == 0 {
		a.shaped.names = slices.Clone(raw.Names)
	}
	out.Names = append(slices.Clip(a.shaped.names), elementField)
	for len(out.Cells) < len(raw.Names) {
		out.Cells = append(out.Cells, nil)
	}
	out.Cells = append(out.Cells[:len(raw.Names)], e.elements)
	// The number of a record in the block counts those before it as expanded.
	last, within := -1, 0
	for i, r := range e.rows {
		if within++; r != last {
			last, within = r, 0
		}
		undecoded := 0
		if raw.Index != nil {
			undecoded = raw.Index[r] - r
		}
		out.Index[i] = e.starts[r] + within + undecoded
	}
	return out
}

// expansion gathers the elements of a block's lists.
type expansion struct {
	raw *columns.Raw
	// data is the block's bytes and behind them the elements that are not in them as they read.
	data     []byte
	rows     []int
	elements []columns.Cell
	starts   []int
	dug      []byte
}

func (e *expansion) add(r int, element columns.Cell) {
	e.rows, e.elements = append(e.rows, r), append(e.elements, element)
}

// list adds the elements of a record's list; a problem says why there is none.
func (e *expansion) list(r int, cell columns.Cell, path []token) (problem string) {
	if cell.Kind == columns.Null {
		return ""
	}
	text := trim(e.raw.Value(cell))
	if len(path) > 0 {
		found, kind, is := dig(e.dug[:0], text, path)
		e.dug = found
		if is != good {
			return "the way to it leads through what is neither a JSON object nor an array"
		}
		if kind == columns.Null {
			return ""
		}
		text = trim(found)
	}
	switch {
	case len(text) == 0 || string(text) == "null":
		return ""
	case text[0] != '[':
		return "it is not a JSON array"
	}
	beside := int(cell.Len) - len(text)
	if r < len(e.raw.Records) {
		beside = int(e.raw.Records[r].Len) - len(text)
	}
	return e.elementsOf(r, text, max(beside, 0))
}

// elementsOf adds the elements of an array.
func (e *expansion) elementsOf(r int, text []byte, beside int) (problem string) {
	i := skipBlanks(text, 1)
	for n := 1; i < len(text) && text[i] != ']'; n++ {
		end := skipValue(text, i)
		if end < 0 {
			return "it is not a JSON array"
		}
		if n*beside > maxExpanded {
			return fmt.Sprintf("its records would take more than %d MiB together", maxExpanded>>20)
		}
		if !e.element(r, text[i:end]) {
			return "an element is not JSON"
		}
		if i = skipBlanks(text, end); i < len(text) && text[i] == ',' {
			i = skipBlanks(text, i+1)
		}
	}
	return ""
}

func (e *expansion) element(r int, value []byte) bool {
	start := len(e.data)
	data, kind, is := appendValue(e.data, value)
	if is != good {
		return false
	}
	e.data = data
	e.add(r, columns.Cell{Off: uint32(start), Len: uint32(len(e.data) - start), Kind: kind})
	if kind == columns.Null {
		e.elements[len(e.elements)-1] = columns.Cell{}
	}
	return true
}

// rendered writes a typed block as cells of text.
func (a *Applier) rendered(src *columns.Batch) *columns.Raw {
	s := &a.shaped
	raw := &s.typed
	raw.Names, raw.Rows, raw.Data = src.Schema.Names(), src.Rows, raw.Data[:0]
	raw.Cells = resize(raw.Cells, len(raw.Names))
	s.bad = s.bad[:0]
	for c := range src.Columns {
		if !a.plan.takes(raw.Names[c]) {
			raw.Cells[c] = nil
			continue
		}
		cells, text := columns.RenderColumn(&src.Columns[c], src.Rows, raw.Cells[c][:0], raw.Data)
		raw.Cells[c], raw.Data = cells, text
		if src.Columns[c].Type != columns.String || validTexts(&src.Columns[c], src.Rows) {
			continue
		}
		for r := range src.Rows {
			if !utf8.Valid(src.Columns[c].StringAt(r)) {
				cells[r] = columns.Cell{}
				s.bad = append(s.bad, rowError{r, fault.ValueEncoding, raw.Names[c], fmt.Sprintf("the value of field %q is not UTF-8", raw.Names[c])})
			}
		}
	}
	slices.SortStableFunc(s.bad, func(x, y rowError) int { return x.row - y.row })
	s.bad = slices.CompactFunc(s.bad, func(x, y rowError) bool { return x.row == y.row })
	return raw
}

// takes reports whether the plan may read a field.
func (p *Plan) takes(name string) bool { return p.shape.dynamic || slices.Contains(p.want, name) }
