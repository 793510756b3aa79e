package columns

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"
)

// copiedColumn is a column of a row group whose pages are copied.
type copiedColumn struct {
	*parquetColumn
	field   Field
	leaf    *parquetLeaf
	entries int // of the dictionary, -1 when there is none
}

func (c *copiedColumn) refuse(reason string) error { return &CopyRefusal{c.field.Name, reason} }

// write puts a page behind out and counts it.
func (c *copiedColumn) write(h pageHead, plain int, packed []byte, out *bytes.Buffer) {
	head := c.pack.headerOf(h.kind, plain, len(packed), func(t *thriftWriter) {
		if h.kind == pageDictionary {
			t.open(7)
			t.i32(1, h.values)
			t.i32(2, encodingPlain)
			t.close()
			return
		}
		encoding := encodingPlain
		if h.encoding != encodingPlain {
			encoding = encodingDictionary
		}
		t.open(5)
		t.i32(1, h.values)
		t.i32(2, encoding)
		t.i32(3, encodingRLE)
		t.i32(4, encodingRLE)
		t.close()
	})
	out.Write(head)
	out.Write(packed)
	size := int64(len(head) + len(packed))
	switch {
	case h.kind == pageDictionary:
		c.dictPages, c.dictPlain, c.dictBytes = true, int64(len(head)+plain), size
		return
	case h.encoding == encodingPlain:
		c.plainPages = true
	default:
		c.dictPages = true
	}
	c.plainBytes += int64(len(head) + plain)
	c.pageBytes += size
}

// pageCheck looks through pages; its buffers serve all columns of a copier.
type pageCheck struct {
	head, packed, body []byte
	ids                []uint32
}

// page makes sure that a page holds what its header says and what Celonis
// takes as it is.
func (k *pageCheck) page(c *copiedColumn, h pageHead, body []byte) error {
	switch {
	case h.kind == pageDictionary:
		if c.entries >= 0 || c.plainPages || c.dictPages {
			return errDictionary
		}
		if c.leaf.physical == parquetBoolean || h.values < 0 || h.encoding != encodingPlain && h.encoding != encodingPlainDictionary {
			return errPageKind
		}
		c.entries = h.values
		return k.plain(c, body, h.values)
	case h.kind != pageData:
		return c.refuse("it has data pages of version 2")
	}
	there, body, err := k.levels(c, h, body)
	if err != nil {
		return err
	}
	c.allNulls += int64(h.values - there)
	switch h.encoding {
	case encodingPlain:
		return k.plain(c, body, there)
	case encodingPlainDictionary, encodingDictionary:
		return k.places(c, body, there)
	}
	return c.refuse("it has pages in an encoding that chunks do not use")
}

// levels counts the values that are there and gives what stands behind the levels.
func (k *pageCheck) levels(c *copiedColumn, h pageHead, body []byte) (there int, rest []byte, err error) {
	if !c.leaf.optional {
		return h.values, body, nil
	}
	if h.levels != encodingRLE {
		return 0, nil, c.refuse("its levels are written in an old way")
	}
	if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
		return 0, nil, errPageShort
	}
	n := binary.LittleEndian.Uint32(body)
	r := runs{data: body[4 : 4+n], width: 1}
	err = k.each(&r, h.values, func(ids []uint32) error {
		for _, v := range ids {
			if v > 1 {
				return errPageKind
			}
			there += int(v)
		}
		return nil
	})
	return there, body[4+n:], err
}

// each reads n numbers and shows them, some at a time.
func (k *pageCheck) each(r *runs, n int, see func([]uint32) error) error {
	for n > 0 {
		k.ids = resized(k.ids, min(n, appendRows))
		if err := r.next(k.ids); err != nil {
			return err
		}
		if err := see(k.ids); err != nil {
			return err
		}
		n -= len(k.ids)
	}
	return nil
}

// places makes sure that a page refers to entries of the dictionary alone.
func (k *pageCheck) places(c *copiedColumn, body []byte, n int) error {
	switch {
	case c.entries < 0:
		return errPageKind
	case n == 0:
		return nil
	case len(body) == 0:
		return errPageShort
	case body[0] > 32:
		return errPageKind
	}
	most := uint32(0)
	err := k.each(&runs{data: body[1:], width: uint(body[0])}, n, func(ids []uint32) error {
		for _, v := range ids {
			most = max(most, v)
		}
		return nil
	})
	if err == nil && int64(most) >= int64(c.entries) {
		err = errPageKind
	}
	return err
}

// plain looks through n values one after another.
func (k *pageCheck) plain(c *copiedColumn, data []byte, n int) error {
	switch c.leaf.physical {
	case parquetByteArray:
		return c.texts(data, n)
	case parquetBoolean:
		return exactly(data, (n+7)/8)
	case parquetInt32:
		if err := exactly(data, 4*n); err != nil {
			return err
		}
		low, end := rangeOf(c.field.Type)
		for ; len(data) > 0; data = data[4:] {
			if v := int64(int32(binary.LittleEndian.Uint32(data))); v < low || v >= end {
				return c.refuse("it has a value that Celonis would not keep")
			}
		}
		return nil
	}
	if err := exactly(data, 8*n); err != nil {
		return err
	}
	switch c.field.Type {
	case Float:
		const infinite = 0x7ff << 52 // the exponent of no number
		for ; len(data) > 0; data = data[8:] {
			if binary.LittleEndian.Uint64(data)&infinite == infinite {
				return c.refuse("it has a value that is no number")
			}
		}
	case DateTime:
		low, end := rangeOf(DateTime)
		for ; len(data) > 0; data = data[8:] {
			if v := int64(binary.LittleEndian.Uint64(data)); v < low || v >= end {
				return c.refuse("it has a value that Celonis would not keep")
			}
		}
	}
	return nil
}

func exactly(data []byte, n int) error {
	if len(data) != n {
		return errPageSize
	}
	return nil
}

// texts makes sure that n texts are UTF-8 and fit the column.
func (c *copiedColumn) texts(data []byte, n int) error {
	for range n {
		if len(data) < lenBytes {
			return errPageShort
		}
		size := binary.LittleEndian.Uint32(data)
		data = data[lenBytes:]
		if uint64(size) > uint64(len(data)) {
			return errPageShort
		}
		if uint64(size) > uint64(c.field.Length) {
			return c.refuse("it has a text that is longer than the column")
		}
		if !utf8.Valid(data[:size]) {
			return c.refuse("it has a text that is not UTF-8")
		}
		data = data[size:]
	}
	return exactly(data, 0)
}

// rangeOf gives the values of a type that Celonis keeps: low <= v < end.
func rangeOf(t Type) (low, end int64) {
	switch t {
	case Time:
		return 0, dayMillis
	case Date, DateTime:
		low = time.Date(MinYear, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		end = time.Date(MaxYear+1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		if t == Date {
			return low / dayMillis, end / dayMillis
		}
		return low, end
	}
	return math.MinInt64, math.MaxInt64
}
