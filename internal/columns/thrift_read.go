package columns

import (
	"encoding/binary"
	"errors"
)

// maxThriftDepth bounds the nesting of what is skipped.
const maxThriftDepth = 16

var (
	errThriftShort = errors.New("the metadata ends too early")
	errThriftBad   = errors.New("the metadata is malformed")
)

// thriftReader reads the compact protocol of Apache Thrift from memory. The
// first error stays; after it every read gives zero and every list is empty, so
// that nothing is allocated by what damaged bytes claim.
type thriftReader struct {
	data []byte
	pos  int
	err  error
}

// The compact protocol's type numbers that the writer does not use.
const (
	thriftFalse  = 2
	thriftI16    = 4
	thriftDouble = 7
	thriftSet    = 10
	thriftMap    = 11
	thriftUUID   = 13
)

func (t *thriftReader) fail(err error) {
	if t.err == nil {
		t.err = err
	}
	t.pos = len(t.data)
}

func (t *thriftReader) byte() byte {
	if t.pos >= len(t.data) {
		t.fail(errThriftShort)
		return 0
	}
	b := t.data[t.pos]
	t.pos++
	return b
}

func (t *thriftReader) varint() uint64 {
	v, n := binary.Uvarint(t.data[t.pos:])
	switch {
	case n == 0:
		t.fail(errThriftShort)
		return 0
	case n < 0:
		t.fail(errThriftBad)
		return 0
	}
	t.pos += n
	return v
}

func (t *thriftReader) int() int64 {
	v := t.varint()
	return int64(v>>1) ^ -int64(v&1)
}

// i32 reads a number that must fit 32 bits.
func (t *thriftReader) i32() int {
	v := t.int()
	if v != int64(int32(v)) {
		t.fail(errThriftBad)
		return 0
	}
	return int(v)
}

// bytes gives a view of a string.
func (t *thriftReader) bytes() []byte {
	n := t.varint()
	if n > uint64(len(t.data)-t.pos) {
		t.fail(errThriftShort)
		return nil
	}
	t.pos += int(n)
	return t.data[t.pos-int(n) : t.pos]
}

// list reads a list's header. Every element takes a byte at least.
func (t *thriftReader) list() (n int, kind byte) {
	head := t.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = t.varint()
	}
	if size > uint64(len(t.data)-t.pos) {
		t.fail(errThriftShort)
		return 0, 0
	}
	return int(size), head & 15
}

// structs calls read for each element of a list of structs.
func (t *thriftReader) structs(read func()) {
	n, kind := t.list()
	if n > 0 && kind != thriftStruct {
		t.fail(errThriftBad)
	}
	for i := 0; i < n && t.err == nil; i++ {
		read()
	}
}

// fields calls read for each field of a struct; read takes the field's value or
// gives false to have it skipped. A boolean's value is its kind.
func (t *thriftReader) fields(read func(id int, kind byte) bool) {
	id := 0
	for t.err == nil {
		head := t.byte()
		kind := head & 15
		if kind == 0 {
			return
		}
		if delta := int(head >> 4); delta > 0 {
			id += delta
		} else {
			id = t.i32()
		}
		if t.err == nil && !read(id, kind) {
			t.skip(kind, 0)
		}
	}
}

func (t *thriftReader) skip(kind byte, depth int) {
	if depth > maxThriftDepth {
		t.fail(errThriftBad)
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.varint()
	case thriftDouble:
		t.skipBytes(8)
	case thriftUUID:
		t.skipBytes(16)
	case thriftBinary:
		t.bytes()
	case thriftList, thriftSet:
		n, kind := t.list()
		for i := 0; i < n && t.err == nil; i++ {
			t.skipElement(kind, depth)
		}
	case thriftMap:
		t.skipMap(depth)
	case thriftStruct:
		t.fields(func(_ int, kind byte) bool {
			t.skip(kind, depth+1)
			return true
		})
	default:
		t.fail(errThriftBad)
	}
}

// skipElement is skip for what is in a list, where a boolean takes a byte.
func (t *thriftReader) skipElement(kind byte, depth int) {
	if kind == thriftTrue || kind == thriftFalse {
		t.byte()
		return
	}
	t.skip(kind, depth+1)
}

func (t *thriftReader) skipMap(depth int) {
	n := t.varint()
	if n == 0 {
		return
	}
	if n > uint64(len(t.data)-t.pos) {
		t.fail(errThriftShort)
		return
	}
	kinds := t.byte()
	for i := uint64(0); i < n && t.err == nil; i++ {
		t.skipElement(kinds>>4, depth)
		t.skipElement(kinds&15, depth)
	}
}

func (t *thriftReader) skipBytes(n int) {
	if n > len(t.data)-t.pos {
		t.fail(errThriftShort)
		return
	}
	t.pos += n
}
