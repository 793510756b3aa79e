package columns

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

const (
	// pageBytes and pageRows bound a data page before compression.
	pageBytes = 256 << 10
	pageRows  = 64 << 10
)

// parquetColumn gathers one column of a chunk: finished pages and the page
// that is being filled.
type parquetColumn struct {
	typ  Type
	pack *packer
	dict *dictionary // of a String column, nil for other types

	rows   int      // of the page, with nulls
	nulls  int      // of the page
	levels []byte   // a bit for each row of the page, 1 for a value; empty while nulls is 0
	values []byte   // the page's values in plain encoding
	bits   int      // Boolean: the values of the page
	index  []uint32 // the page's values as dictionary entries

	pages      []byte // finished pages with their headers
	plainBytes int64  // what pages takes before compression, with headers
	plainPages bool
	dictPages  bool
	dictPlain  int64 // what the dictionary page takes before compression
	dictBytes  int64 // and in the file
	pageBytes  int64 // finished pages that are not in pages
	allNulls   int64

	offset, dataOffset int64 // in the file
}

func (c *parquetColumn) reset() {
	c.emptyPage()
	c.pages, c.plainBytes, c.allNulls = c.pages[:0], 0, 0
	c.dictPlain, c.dictBytes = 0, 0
	c.plainPages, c.dictPages = false, false
	c.dict.reset()
}

func (c *parquetColumn) emptyPage() {
	c.rows, c.nulls, c.bits = 0, 0, 0
	c.levels, c.values, c.index = c.levels[:0], c.values[:0], c.index[:0]
}

// append adds rows from to to of src.
func (c *parquetColumn) append(src *Column, from, to int) {
	valid, nulls := src.Valid[from:to], c.nulls
	c.appendLevels(valid)
	if c.nulls == nulls {
		valid = nil // all are there
	}
	switch c.typ {
	case String:
		c.appendStrings(src, from, to)
	case Boolean:
		c.appendBools(src, from, to)
	case Float:
		c.appendFloats(src.Floats[from:to], valid)
	case Date, Time:
		c.appendShort(src.Ints[from:to], valid)
	default:
		c.appendLong(src.Ints[from:to], valid)
	}
	if c.rows >= pageRows || len(c.values) >= pageBytes {
		c.flush()
	}
}

// appendFloats, appendLong and appendShort add the values that are there, all of
// them when valid is nil.
func (c *parquetColumn) appendFloats(values []float64, valid []bool) {
	room := c.room(8 * len(values))
	for i, v := range values {
		if valid == nil || valid[i] {
			binary.LittleEndian.PutUint64(room, math.Float64bits(v))
			room = room[8:]
		}
	}
	c.values = c.values[:len(c.values)-len(room)]
}

func (c *parquetColumn) appendLong(values []int64, valid []bool) {
	room := c.room(8 * len(values))
	for i, v := range values {
		if valid == nil || valid[i] {
			binary.LittleEndian.PutUint64(room, uint64(v))
			room = room[8:]
		}
	}
	c.values = c.values[:len(c.values)-len(room)]
}

func (c *parquetColumn) appendShort(values []int64, valid []bool) {
	room := c.room(4 * len(values))
	for i, v := range values {
		if valid == nil || valid[i] {
			binary.LittleEndian.PutUint32(room, uint32(int32(v)))
			room = room[4:]
		}
	}
	c.values = c.values[:len(c.values)-len(room)]
}

// room adds n bytes to values and gives them to be written.
func (c *parquetColumn) room(n int) []byte {
	at := len(c.values)
	c.values = slices.Grow(c.values, n)[:at+n]
	return c.values[at:]
}

// appendLevels adds to the bits that tell values from nulls.
func (c *parquetColumn) appendLevels(valid []bool) {
	nulls := 0
	for _, v := range valid {
		if !v {
			nulls++
		}
	}
	if nulls == 0 && c.nulls == 0 {
		c.rows += len(valid)
		return
	}
	if c.nulls == 0 {
		c.levels = appendOnes(c.levels[:0], c.rows)
	}
	c.nulls += nulls
	for _, v := range valid {
		c.levels = appendBit(c.levels, c.rows, v)
		c.rows++
	}
}

func (c *parquetColumn) appendBools(src *Column, from, to int) {
	for i, v := range src.Ints[from:to] {
		if src.Valid[from+i] {
			c.values = appendBit(c.values, c.bits, v != 0)
			c.bits++
		}
	}
}

// appendStrings adds by dictionary while that pays, else plainly.
func (c *parquetColumn) appendStrings(src *Column, from, to int) {
	offsets, valid := src.Offsets[from:to+1], src.Valid[from:to]
	for i, there := range valid {
		if !there {
			continue
		}
		if c.dict.on {
			if id, ok := c.dict.id(src.Bytes, offsets[i], offsets[i+1]); ok {
				c.index = append(c.index, id)
				continue
			}
			c.leaveDictionary()
		}
		v := src.Bytes[offsets[i]:offsets[i+1]]
		c.values = binary.LittleEndian.AppendUint32(c.values, uint32(len(v)))
		c.values = append(c.values, v...)
	}
}

// leaveDictionary turns the page's entries into plain values; finished pages
// keep theirs.
func (c *parquetColumn) leaveDictionary() {
	for _, id := range c.index {
		c.values = append(c.values, c.dict.plain(id)...)
	}
	c.index = c.index[:0]
	c.dict.on = false
}

// flush finishes the page.
func (c *parquetColumn) flush() {
	if c.rows == 0 {
		return
	}
	body := c.appendDefinition(append(c.pack.body[:0], 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(body, uint32(len(body)-4))
	encoding := encodingPlain
	if len(c.index) > 0 {
		encoding, c.dictPages = encodingDictionary, true
		body = appendPacked(body, c.index, c.dict.width())
	} else {
		c.plainPages = true
		body = append(body, c.values...)
	}
	c.pack.body = body
	packed := c.pack.compress()
	head := c.pack.pageHeader(pageData, len(packed), func(t *thriftWriter) {
		t.open(5)
		t.i32(1, c.rows)
		t.i32(2, encoding)
		t.i32(3, encodingRLE)
		t.i32(4, encodingRLE)
		t.close()
	})
	c.pages = append(append(c.pages, head...), packed...)
	c.plainBytes += int64(len(head) + len(body))
	c.allNulls += int64(c.nulls)
	c.emptyPage()
}

// appendDefinition writes the definition levels: one run when all rows are
// alike, else their bits.
func (c *parquetColumn) appendDefinition(dst []byte) []byte {
	switch c.nulls {
	case 0:
		return append(binary.AppendUvarint(dst, uint64(c.rows)<<1), 1)
	case c.rows:
		return append(binary.AppendUvarint(dst, uint64(c.rows)<<1), 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.levels))<<1|1)
	return append(dst, c.levels...)
}

// dictionaryPage gives the dictionary page, nil when no page refers to it.
func (c *parquetColumn) dictionaryPage() []byte {
	if !c.dictPages {
		return nil
	}
	c.pack.body = append(c.pack.body[:0], c.dict.bytes...)
	packed := c.pack.compress()
	head := c.pack.pageHeader(pageDictionary, len(packed), func(t *thriftWriter) {
		t.open(7)
		t.i32(1, c.dict.count())
		t.i32(2, encodingPlain)
		t.close()
	})
	page := append(append(make([]byte, 0, len(head)+len(packed)), head...), packed...)
	c.dictPlain = int64(len(head) + len(c.pack.body))
	c.dictBytes = int64(len(page))
	return page
}

// pageHeader writes the header of the page in body.
func (p *packer) pageHeader(kind, packed int, body func(*thriftWriter)) []byte {
	return p.headerOf(kind, len(p.body), packed, body)
}

// headerOf writes the header of a page of plain bytes before compression.
func (p *packer) headerOf(kind, plain, packed int, body func(*thriftWriter)) []byte {
	t := &p.head
	t.reset()
	t.i32(1, kind)
	t.i32(2, plain)
	t.i32(3, packed)
	body(t)
	t.end()
	return t.buf
}

func (c *parquetColumn) packedBytes() int64 { return c.dictBytes + c.pageBytes + int64(len(c.pages)) }

// writeMeta writes the column's part of the row group.
func (c *parquetColumn) writeMeta(t *thriftWriter, name string, rows int) {
	t.element()
	t.i64(2, c.offset)
	t.open(3)
	t.i32(1, c.typ.physicalType())
	encodings := []int{encodingRLE}
	if c.plainPages || c.dictPages {
		encodings = append(encodings, encodingPlain)
	}
	if c.dictPages {
		encodings = append(encodings, encodingDictionary)
	}
	t.list(2, len(encodings), thriftI32)
	for _, e := range encodings {
		t.zigzag(int64(e))
	}
	t.list(3, 1, thriftBinary)
	t.rawText(name)
	t.i32(4, c.pack.codec)
	t.i64(5, int64(rows))
	t.i64(6, c.plainBytes+c.dictPlain)
	t.i64(7, c.packedBytes())
	t.i64(9, c.dataOffset)
	if c.dictPages {
		t.i64(11, c.offset)
	}
	t.open(12)
	t.i64(3, c.allNulls)
	t.close()
	t.close()
	t.close()
}

// appendBit sets bit n of a bitmap that holds n bits.
func appendBit(dst []byte, n int, set bool) []byte {
	if n&7 == 0 {
		dst = append(dst, 0)
	}
	if set {
		dst[n>>3] |= 1 << (n & 7)
	}
	return dst
}

// appendOnes adds n set bits to an empty bitmap.
func appendOnes(dst []byte, n int) []byte {
	for range n / 8 {
		dst = append(dst, 0xff)
	}
	if n%8 > 0 {
		dst = append(dst, 1<<(n%8)-1)
	}
	return dst
}

// appendPacked writes dictionary entries: their width in bits, then one run of
// bit-packed values, filled up with zeros to a multiple of eight.
func appendPacked(dst []byte, index []uint32, width int) []byte {
	dst = append(dst, byte(width))
	dst = binary.AppendUvarint(dst, uint64((len(index)+7)/8)<<1|1)
	want := len(dst) + (len(index)+7)/8*width
	var word uint64
	have := 0
	for _, v := range index {
		word |= uint64(v) << have
		if have += width; have >= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(word))
			word >>= 32
			have -= 32
		}
	}
	for have > 0 {
		dst = append(dst, byte(word))
		word >>= 8
		have -= 8
	}
	for len(dst) < want {
		dst = append(dst, 0)
	}
	return dst
}

// bitsFor is the width in which the entries 0 to n-1 can be written, at least 1.
func bitsFor(n int) int { return max(bits.Len(uint(max(n-1, 0))), 1) }
