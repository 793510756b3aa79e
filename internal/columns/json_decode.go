package columns

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
)

// jsonDecoder turns blocks of JSON objects into cells.
type jsonDecoder struct {
	names    []string
	cols     map[string]int32
	slot     []int
	strict   bool
	array    bool // objects with commas between them, else one a line
	sampling bool // keys of bad records are forgotten
	note     bool // fields that are not among names go to Raw.Extra
}

var _ decoder = (*jsonDecoder)(nil)

func newJSONDecoder(names []string, strict, array bool) *jsonDecoder {
	d := &jsonDecoder{names: names, cols: make(map[string]int32, len(names)), slot: make([]int, len(names)),
		strict: strict, array: array}
	for i, name := range names {
		d.cols[name] = int32(i)
		d.slot[i] = i
	}
	return d
}

// jsonRow is the state of decoding one block.
type jsonRow struct {
	*jsonDecoder
	raw     *Raw
	data    []byte // the block, up to the end of the current line once narrow was called
	line    bool   // data ends with the line
	offset  int64
	cells   []Cell
	stride  int
	row     int // good records so far
	cleared int // rows whose cells are null until they are read
	keys    *keyGuess
	bad     RecordError
	isBad   bool
	extra   string // the name of the field at work when it is to be noted
	unclean bool   // the block holds bytes that are not UTF-8
	lines   lineCursor
}

func (d *jsonDecoder) decode(b Block, raw *Raw) {
	stride := b.records
	if !d.array {
		stride = bytes.Count(b.Data, []byte{'\n'}) + 1
	}
	cells, records := raw.room(len(d.names), stride)
	raw.scratch.keys.attach(d)
	r := jsonRow{jsonDecoder: d, raw: raw, data: b.Data, offset: b.Offset, cells: cells, stride: stride,
		keys: &raw.scratch.keys, unclean: !utf8.Valid(b.Data), lines: lineCursor{data: b.Data}}
	for i := r.skipBetween(b.Data, 0); i < len(b.Data); {
		if r.row == r.cleared {
			r.clearAhead()
		}
		known, extra := len(r.keys.keys), len(raw.Extra)
		end := r.record(b.Data, i)
		place := Span{Off: uint32(i), Len: uint32(end - i)}
		if r.isBad {
			raw.reject(r.row, place, &r.lines, r.bad)
			raw.Extra = raw.Extra[:extra]
			r.undo(known)
		} else {
			records[r.row] = place
			r.row++
		}
		i = r.skipBetween(b.Data, end)
	}
	raw.finish(d.slot, stride, r.row)
}

// clearAhead makes the cells of the next rows null, few enough that they are
// still in the nearest cache when they are read.
func (r *jsonRow) clearAhead() {
	const rows = 64
	from := r.cleared
	r.cleared = min(from+rows, r.stride)
	for c := range r.names {
		clear(r.cells[c*r.stride+from : c*r.stride+r.cleared])
	}
}

// skipBetween moves over what stands between records.
func (r *jsonRow) skipBetween(block []byte, i int) int {
	i = skipSpace(block, i)
	for r.array && i < len(block) && (block[i] == ',' || block[i] == ']') {
		i = skipSpace(block, i+1)
	}
	return i
}

// narrow makes data end with the line that i stands in. Most records are read
// without it: what they consist of, and what their keys are compared with,
// holds no line end.
func (r *jsonRow) narrow(i int) {
	if r.line || r.array {
		return
	}
	r.line = true
	if k := bytes.IndexByte(r.data[i:], '\n'); k >= 0 {
		r.data = bytes.TrimSuffix(r.data[:i+k], []byte{'\r'})
	}
}

// record decodes the record at block[i] and gives its end.
func (r *jsonRow) record(block []byte, i int) (end int) {
	r.data, r.line = block, false
	end = r.object(i)
	if !r.array && !r.isBad && end < len(block) && block[end] != '\n' {
		r.narrow(end)
		if rest := skipSpace(r.data, end); rest < len(r.data) {
			r.fail("", rest, "the line goes on behind its object")
		}
	}
	if !r.isBad && r.unclean && !utf8.Valid(r.data[i:end]) {
		r.markUTF8(i)
	}
	switch {
	case !r.isBad:
		return end
	case r.array:
		end, _ = skipElement(block, i)
		return end
	default:
		r.narrow(end)
		return i + len(bytes.TrimRight(r.data[i:], " \t\r"))
	}
}

// object decodes the object at i into the current row.
func (r *jsonRow) object(i int) (end int) {
	if r.data[i] != '{' {
		r.narrow(i)
		r.fail("", i, "the record is not a JSON object: it begins with "+describe(r.data, i))
		return i
	}
	i++
	if r.data[min(i, len(r.data)-1)] != '"' {
		r.narrow(i)
		if end := skipSpace(r.data, i); end < len(r.data) && r.data[end] == '}' {
			return end + 1
		}
	}
	for id := int32(0); ; {
		if id, i = r.member(i, id); r.isBad {
			return i
		}
		if i < len(r.data) && r.data[i] == ',' {
			i++
			continue
		}
		if i < len(r.data) && r.data[i] == '}' {
			return i + 1
		}
		r.narrow(i)
		i = skipSpace(r.data, i)
		if i < len(r.data) && r.data[i] == ',' {
			i++
			continue
		}
		if i < len(r.data) && r.data[i] == '}' {
			return i + 1
		}
		r.fail("", i, `a comma or "}" is expected before `+describe(r.data, i))
		return i
	}
}

// member decodes the key and value at i; before is the key before it. It gives
// the key's id and the position behind the value.
func (r *jsonRow) member(i int, before int32) (id int32, end int) {
	id = r.keys.keys[before].next
	key := &r.keys.keys[id]
	col := key.col
	if key.lead.at(r.data, i) {
		i += len(key.lead.text)
	} else if id, col, i = r.key(i, before); r.isBad {
		return 0, i
	}
	cell, end := r.plain(r.data, i)
	if end == i {
		r.narrow(i)
		if cell, end = r.value(i, col); r.isBad {
			return id, end
		}
	}
	if col >= 0 {
		r.cells[int(col)*r.stride+r.row] = cell
	} else if col == noted {
		r.raw.Extra = append(r.raw.Extra, ExtraField{r.extra, cell})
	}
	return id, end
}

// noted is the column of a field that goes to Raw.Extra.
const noted = -2

// key reads the key at i, which is not the one foreseen, and moves to its value.
func (r *jsonRow) key(i int, before int32) (id, col int32, end int) {
	r.narrow(i)
	data, start := r.data, i
	i = skipSpace(data, i)
	if i == len(data) || data[i] != '"' {
		r.fail("", i, "a field name in quotes is expected before "+describe(data, i))
		return 0, -1, i
	}
	from := i + 1
	end, escaped := scanString(data, from)
	if end == len(data) || data[end] != '"' {
		r.fail("", end, "a field name is not closed, or holds a control character")
		return 0, -1, end
	}
	written := data[from:end]
	id, known := r.keys.ids[string(written)]
	if known {
		col = r.keys.keys[id].col
	} else if id, col = r.newKey(from, written, escaped); r.isBad {
		return 0, -1, end
	}
	if col != noted {
		r.keys.keys[before].next = id
	}
	i = skipSpace(data, end+1)
	if i == len(data) || data[i] != ':' {
		r.fail("", i, "a colon is expected before "+describe(data, i))
		return 0, col, i
	}
	i = skipSpace(data, i+1)
	if text := data[start:i]; id > 0 && len(text) <= len(written)+maxLeadSpace && (r.array || bytes.IndexByte(text, '\r') < 0) {
		r.keys.keys[id].lead.set(text)
	}
	return id, col, i
}

// newKey finds the column of a key that is written at from and was not seen before.
func (r *jsonRow) newKey(from int, written []byte, escaped bool) (id, col int32) {
	name := written
	if escaped {
		var ok bool
		if name, ok = unescape(nil, written); !ok {
			r.fail("", from, "the field name "+quoted(written)+" holds an invalid escape")
			return 0, -1
		}
	}
	col, has := r.cols[string(name)]
	if !has {
		col = -1
		switch {
		case r.note:
			r.extra = string(name)
			return 0, noted
		case r.strict:
			r.mark(RecordError{Code: fault.RecordUnexpected, Field: string(name), Widens: len(r.names) < MaxColumns,
				Message: "the field " + quoted(name) + " is not among the declared ones"})
			return 0, -1
		}
	}
	return r.keys.learn(written, col), col
}

// undo takes back what a bad record left.
func (r *jsonRow) undo(known int) {
	r.isBad = false
	for c := range r.names {
		r.cells[c*r.stride+r.row] = Cell{}
	}
	if r.sampling {
		r.keys.forget(known)
	}
}

// mark keeps the first reason why the record is bad.
func (r *jsonRow) mark(why RecordError) {
	if !r.isBad {
		r.bad, r.isBad = why, true
	}
}

// fail marks the record malformed at position i of the block.
func (r *jsonRow) fail(field string, i int, message string) {
	r.mark(RecordError{Code: fault.RecordMalformed, Field: field,
		Message: fmt.Sprintf("%s (byte %d of the source)", message, r.offset+int64(i))})
}

// name gives the name of a column, "" for -1.
func (r *jsonRow) name(col int32) string {
	if col < 0 {
		return ""
	}
	return r.names[col]
}

// markUTF8 finds the value of the record at i that is not UTF-8.
func (r *jsonRow) markUTF8(i int) {
	for c, name := range r.names {
		cell := r.cells[c*r.stride+r.row]
		if v := r.raw.Value(cell); !utf8.Valid(v) {
			at := r.offset + int64(cell.Off)
			if int(cell.Off) >= len(r.lines.data) { // unescaped, its place is lost
				at = r.offset + int64(i)
			}
			r.mark(badUTF8(name, v, at))
			return
		}
	}
	r.mark(RecordError{Code: fault.ValueEncoding,
		Message: fmt.Sprintf("a name or value of the record at byte %d of the source is not UTF-8", r.offset+int64(i))})
}

// describe names the byte at i for a message.
func describe(data []byte, i int) string {
	if i >= len(data) {
		return "the end of the record"
	}
	c, _ := utf8.DecodeRune(data[i:])
	return fmt.Sprintf("%q", c)
}
