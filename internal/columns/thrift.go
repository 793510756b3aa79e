package columns

// thriftWriter writes the compact protocol of Apache Thrift, in which Parquet
// keeps its page headers and its footer.
type thriftWriter struct {
	buf   []byte
	last  int16
	outer []int16
}

// The compact protocol's type numbers.
const (
	thriftTrue   = 1
	thriftByte   = 3
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

func (t *thriftWriter) reset() { t.buf, t.last, t.outer = t.buf[:0], 0, t.outer[:0] }

func (t *thriftWriter) varint(v uint64) {
	for v >= 0x80 {
		t.buf = append(t.buf, byte(v)|0x80)
		v >>= 7
	}
	t.buf = append(t.buf, byte(v))
}

func (t *thriftWriter) zigzag(v int64) { t.varint(uint64(v<<1) ^ uint64(v>>63)) }

// field writes a field's header in its short form: the fields of a struct come
// in growing order, at most 15 apart.
func (t *thriftWriter) field(id int16, kind byte) {
	t.buf = append(t.buf, byte(id-t.last)<<4|kind)
	t.last = id
}

func (t *thriftWriter) i32(id int16, v int)   { t.field(id, thriftI32); t.zigzag(int64(v)) }
func (t *thriftWriter) i64(id int16, v int64) { t.field(id, thriftI64); t.zigzag(v) }
func (t *thriftWriter) flag(id int16)         { t.field(id, thriftTrue) }

func (t *thriftWriter) i8(id int16, v byte) {
	t.field(id, thriftByte)
	t.buf = append(t.buf, v)
}

func (t *thriftWriter) text(id int16, s string) {
	t.field(id, thriftBinary)
	t.rawText(s)
}

func (t *thriftWriter) rawText(s string) {
	t.varint(uint64(len(s)))
	t.buf = append(t.buf, s...)
}

// list writes a list's header; its n elements follow.
func (t *thriftWriter) list(id int16, n int, kind byte) {
	t.field(id, thriftList)
	if n < 15 {
		t.buf = append(t.buf, byte(n)<<4|kind)
		return
	}
	t.buf = append(t.buf, 0xf0|kind)
	t.varint(uint64(n))
}

// open begins a struct that is a field, element one that is in a list; both
// end with close.
func (t *thriftWriter) open(id int16) {
	t.field(id, thriftStruct)
	t.element()
}

func (t *thriftWriter) element() {
	t.outer = append(t.outer, t.last)
	t.last = 0
}

func (t *thriftWriter) close() {
	t.buf = append(t.buf, 0)
	t.last = t.outer[len(t.outer)-1]
	t.outer = t.outer[:len(t.outer)-1]
}

// end closes the outermost struct.
func (t *thriftWriter) end() { t.buf = append(t.buf, 0) }
