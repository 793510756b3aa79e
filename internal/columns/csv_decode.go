package columns

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
)

// csvDecoder turns blocks of CSV records into cells.
type csvDecoder struct {
	csvDialect
	names []string
	slot  []int     // place of a column among the kept ones, -1 when not wanted
	kept  int       // number of kept columns
	stop  [256]bool // ends an unquoted cell
}

var _ decoder = (*csvDecoder)(nil)

func newCSVDecoder(d csvDialect, names, want []string) *csvDecoder {
	dec := &csvDecoder{csvDialect: d, names: names, slot: make([]int, len(names))}
	wanted := make(map[string]bool, len(want))
	for _, name := range want {
		wanted[name] = true
	}
	for i, name := range names {
		dec.slot[i] = -1
		if want == nil || wanted[name] {
			dec.slot[i] = dec.kept
			dec.kept++
		}
	}
	dec.stop[d.sep], dec.stop['\n'], dec.stop['\r'] = true, true, true
	return dec
}

// csvRow is the state of decoding one block.
type csvRow struct {
	*csvDecoder
	raw     *Raw
	data    []byte
	offset  int64 // of data in the source
	base    []int // of each column in cells, -1 when not kept
	cells   []Cell
	row     int // good records so far
	bad     RecordError
	isBad   bool
	unclean bool // the block holds bytes that are not UTF-8
	nul     bool // the block holds NUL bytes, which no text does
	lines   lineCursor
}

func (d *csvDecoder) decode(b Block, raw *Raw) {
	// A record of n columns takes n bytes at least, so this bounds the cells of
	// a block of empty lines as well.
	stride := min(b.lineEnds(), len(b.Data)/max(len(d.names), 1)) + 1
	cells, records := raw.room(d.kept, stride)
	r := csvRow{csvDecoder: d, raw: raw, data: b.Data, offset: b.Offset, cells: cells,
		unclean: !utf8.Valid(b.Data), nul: bytes.IndexByte(b.Data, 0) >= 0, lines: lineCursor{data: b.Data}}
	r.base = raw.scratch.bases(d.slot, stride)
	for i := 0; i < len(b.Data); {
		if c := b.Data[i]; (c == '\n' || c == '\r') && len(d.names) > 1 {
			i++
			continue
		}
		end, next := r.record(i)
		place := Span{Off: uint32(i), Len: uint32(end - i)}
		if r.unclean && !r.isBad && !utf8.Valid(b.Data[i:end]) {
			r.markUTF8(i, end)
		}
		if b.Data[i] == utf8Mark[0] && bytes.HasPrefix(b.Data[i:], []byte(utf8Mark)) {
			r.mark(RecordError{Code: fault.RecordMalformed, Message: fmt.Sprintf(
				"the record begins with a byte order mark (byte %d of the source), as where files were joined", r.offset+int64(i))})
		}
		if r.nul && !r.isBad {
			r.markNUL(i, end)
		}
		if r.isBad {
			raw.reject(r.row, place, &r.lines, r.bad)
			r.isBad = false
		} else {
			records[r.row] = place
			r.row++
		}
		i = next
	}
	raw.finish(d.slot, stride, r.row)
}

// record decodes the record at i into the current row. It gives the record's
// end and the start of what follows its line end.
func (r *csvRow) record(i int) (end, next int) {
	data, cells, base, sep := r.data, r.cells, r.base, r.sep
	for col := 0; ; col++ {
		var cell Cell
		cell, i = r.cell(i, col)
		if col < len(base) {
			if at := base[col]; at >= 0 && !r.isBad {
				cells[at+r.row] = cell
			}
		}
		if i < len(data) && data[i] == sep {
			i++
			continue
		}
		if col+1 != len(base) {
			r.markCells(col + 1)
		}
		return i, skipLineEnd(data, i)
	}
}

// cell reads the cell at i and gives the position behind it.
func (r *csvRow) cell(i, col int) (Cell, int) {
	data := r.data
	if i < len(data) && data[i] == r.quote && r.quoting {
		return r.quotedCell(i, col)
	}
	from := i
	for i < len(data) && !r.stop[data[i]] {
		i++
	}
	if i == from {
		return Cell{Off: uint32(from)}, i
	}
	return Cell{Off: uint32(from), Len: uint32(i - from), Kind: Text}, i
}

// quotedCell reads the cell whose opening quote stands at i and gives the
// position behind it.
func (r *csvRow) quotedCell(i, col int) (Cell, int) {
	data, from := r.data, i+1
	doubled := 0
	for i = from; ; i += 2 {
		if i = indexNear(data, i, r.quote); i < 0 {
			r.mark(RecordError{Code: fault.RecordMalformed, Field: r.name(col), Message: "the quote is never closed"})
			return Cell{}, len(data)
		}
		if i+1 == len(data) || data[i+1] != r.quote {
			break
		}
		doubled++
	}
	cell := Cell{Off: uint32(from), Len: uint32(i - from), Kind: Text}
	if doubled > 0 {
		cell = r.undouble(data[from:i], doubled)
	}
	i++
	if i < len(data) && !r.stop[data[i]] {
		after, _ := utf8.DecodeRune(data[i:])
		r.mark(RecordError{Code: fault.RecordMalformed, Field: r.name(col),
			Message: fmt.Sprintf("%q follows the closing quote", after)})
		for i < len(data) && !r.stop[data[i]] {
			i++
		}
	}
	return cell, i
}

// undouble writes a cell with its doubled quotes made single behind the block.
func (r *csvRow) undouble(v []byte, doubled int) Cell {
	r.raw.own()
	out := r.raw.Data
	cell := Cell{Off: uint32(len(out)), Len: uint32(len(v) - doubled), Kind: Text}
	for {
		k := bytes.IndexByte(v, r.quote)
		if k < 0 {
			break
		}
		out = append(out, v[:k+1]...)
		v = v[k+2:]
	}
	r.raw.Data = append(out, v...)
	return cell
}

// mark keeps the first reason why the record is bad.
func (r *csvRow) mark(why RecordError) {
	if !r.isBad {
		r.bad, r.isBad = why, true
	}
}

func (r *csvRow) markCells(got int) {
	r.mark(RecordError{Code: fault.RecordCells,
		Message: fmt.Sprintf("the record has %s, the header has %d", cellCount(got), len(r.names))})
}

// markUTF8 finds the cell of data[i:end] that is not UTF-8.
func (r *csvRow) markUTF8(i, end int) {
	for col := 0; i <= end; col++ {
		from := i
		if i < end && r.data[i] == r.quote && r.quoting {
			_, i = r.quotedCell(i, col)
		}
		for i < end && r.data[i] != r.sep {
			i++
		}
		if !utf8.Valid(r.data[from:i]) {
			r.mark(badUTF8(r.name(col), r.data[from:i], r.offset+int64(from)))
			return
		}
		i++
	}
}

// utf8Mark is a byte order mark in UTF-8.
const utf8Mark = "\xef\xbb\xbf"

// markNUL finds a NUL byte in data[i:end].
func (r *csvRow) markNUL(i, end int) {
	if at := bytes.IndexByte(r.data[i:end], 0); at >= 0 {
		r.mark(RecordError{Code: fault.RecordMalformed,
			Message: fmt.Sprintf("the record holds a NUL byte (byte %d of the source)", r.offset+int64(i+at))})
	}
}

func (r *csvRow) name(col int) string {
	if col < len(r.names) {
		return r.names[col]
	}
	return ""
}

func cellCount(n int) string {
	if n == 1 {
		return "1 cell"
	}
	return fmt.Sprintf("%d cells", n)
}

// skipLineEnd gives the position behind the line end at i.
func skipLineEnd(data []byte, i int) int {
	if i < len(data) && data[i] == '\r' {
		i++
		if i < len(data) && data[i] == '\n' {
			i++
		}
		return i
	}
	return min(i+1, len(data))
}
