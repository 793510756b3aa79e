package columns

import (
	"fmt"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
)

// scratch is the memory that a Raw keeps from block to block.
type scratch struct {
	own   []byte // copy of the block when unescaped strings stand behind it
	owned bool   // Data is own
	cells []Cell // the cells of all columns, column after column
	index []int
	base  []int
	keys  keyGuess
}

// reset points the Raw at a block.
func (r *Raw) reset(names []string, data []byte) {
	r.Names, r.Data = names, data[:len(data):len(data)]
	r.Rows, r.Lines, r.Index = 0, 0, nil
	r.Records, r.Bad, r.Extra = r.Records[:0], r.Bad[:0], r.Extra[:0]
	r.scratch.owned = false
	if len(r.Cells) != len(names) {
		r.Cells = make([][]Cell, len(names))
	}
}

// room makes place for cols columns of rows cells, column c at [c*rows:(c+1)*rows],
// and for as many record spans. The cells hold what an earlier block left.
func (r *Raw) room(cols, rows int) (cells []Cell, records []Span) {
	if need := cols * rows; cap(r.scratch.cells) < need {
		r.scratch.cells = make([]Cell, need+need/8)
	}
	if cap(r.Records) < rows {
		r.Records = make([]Span, rows+rows/8)
	}
	return r.scratch.cells[:cols*rows], r.Records[:rows]
}

// bases gives where each column's cells begin, -1 for one that is not kept.
func (s *scratch) bases(slot []int, stride int) []int {
	s.base = s.base[:0]
	for _, k := range slot {
		if k >= 0 {
			k *= stride
		}
		s.base = append(s.base, k)
	}
	return s.base
}

// own makes Data a copy of the block with room behind it, so that unescaped
// strings never touch the block, which others may be reading.
func (r *Raw) own() {
	if r.scratch.owned {
		return
	}
	r.scratch.own = append(r.scratch.own[:0], r.Data...)
	r.Data = r.scratch.own
	r.scratch.owned = true
}

// finish shows the first rows cells of each column; slot gives a column's
// place in the cells, -1 when it is not kept.
func (r *Raw) finish(slot []int, stride, rows int) {
	r.Rows = rows
	r.Records = r.Records[:rows]
	for c := range r.Cells {
		if k := slot[c]; k >= 0 {
			r.Cells[c] = r.scratch.cells[k*stride : k*stride+rows : (k+1)*stride]
		} else {
			r.Cells[c] = nil
		}
	}
	if r.scratch.owned {
		r.scratch.own = r.Data
	}
	r.number()
}

// number fills Index when there are bad records between the rows.
func (r *Raw) number() {
	if len(r.Bad) == 0 {
		return
	}
	index, bad := r.scratch.index[:0], 0
	for seen := 0; len(index) < r.Rows; seen++ {
		if bad < len(r.Bad) && r.Bad[bad].Row == seen {
			bad++
			continue
		}
		index = append(index, seen)
	}
	r.Index, r.scratch.index = index, index
}

// reject records that the record at place is bad.
func (r *Raw) reject(rows int, place Span, lines *lineCursor, bad RecordError) {
	bad.Row, bad.Place = rows+len(r.Bad), place
	bad.Line = lines.at(int(place.Off))
	r.Bad = append(r.Bad, bad)
}

// lineCursor counts line ends before growing positions of a block.
type lineCursor struct {
	data       []byte
	pos, lines int
}

func (c *lineCursor) at(pos int) int {
	c.lines += countLineEnds(c.data[c.pos:pos])
	c.pos = pos
	return c.lines
}

// badUTF8 words the first byte of value that is not UTF-8; at is where the
// value stands in the source.
func badUTF8(field string, value []byte, at int64) RecordError {
	i := 0
	for i < len(value) {
		r, n := utf8.DecodeRune(value[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	var c byte
	if i < len(value) {
		c = value[i]
	}
	return RecordError{Code: fault.ValueEncoding, Field: field,
		Message: fmt.Sprintf("byte 0x%02x of the value is not UTF-8 (byte %d of the source)", c, at+int64(i))}
}

// shorten cuts a value that is quoted in a message.
func shorten(v []byte) string {
	const most = 40
	if len(v) <= most {
		return string(v)
	}
	n := most
	for n > 0 && !utf8.RuneStart(v[n]) {
		n--
	}
	return string(v[:n]) + "..."
}
