package columns

import (
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// The numbers of the Parquet format that only the reader uses.
const (
	parquetInt96 = 3
	parquetFloat = 4
	parquetFixed = 7

	repetitionRepeated = 2

	convertedDecimal    = 5
	convertedTimeMicros = 8
	convertedStampMicro = 10
	convertedUint8      = 11
	convertedUint64     = 14
	convertedBSON       = 20

	logicalEnum    = 4
	logicalDecimal = 5
	logicalNull    = 11
	logicalJSON    = 12
	logicalUUID    = 14
	logicalFloat16 = 15
)

// meaning is how a stored value becomes one of a column type.
type meaning uint8

const (
	asIs     meaning = iota // the stored number or text
	unsigned                // 32 bits without a sign
	bigUnsigned
	millis // of a unit given by per
	int96  // days and nanoseconds, as Impala writes them
	decimal
	uuid
	float16
	always0 // a column of nulls
)

// schemaElement is a node of a file's schema.
type schemaElement struct {
	physical, length, repetition, children int
	converted, scale, precision            int
	logical, bits                          int
	isSigned                               bool
	unit                                   int64 // nanoseconds of a TIME's or TIMESTAMP's unit
	name                                   string
}

// parquetLeaf is a column of values.
type parquetLeaf struct {
	name     string // of the top-level field
	physical int
	length   int // of a fixed-length byte array
	optional bool
	// unsupported says why the column cannot be read, "" when it can.
	unsupported string

	typ     Type
	means   meaning
	per     int64 // nanoseconds of the unit of millis
	scale   int
	isExact bool // a decimal goes by its text or its integer
}

func (p *footerParser) element() {
	if len(p.elements) == maxSchemaElements {
		p.refuse(fault.New(fault.SourceTooManyCols, "the Parquet file's schema has more than %d elements", maxSchemaElements))
		return
	}
	e := schemaElement{physical: -1, converted: -1, isSigned: true}
	p.fields(func(id int, kind byte) bool {
		switch {
		case id == 4 && kind == thriftBinary:
			e.name = strings.ToValidUTF8(string(p.bytes()), "\ufffd")
		case id == 10 && kind == thriftStruct:
			p.logical(&e)
		case kind == thriftI32 && p.number(&e, id):
		default:
			return false
		}
		return true
	})
	p.elements = append(p.elements, e)
}

// number reads the field id of an element when it is one of the numbers that matter.
func (p *footerParser) number(e *schemaElement, id int) bool {
	into := map[int]*int{1: &e.physical, 2: &e.length, 3: &e.repetition, 5: &e.children, 6: &e.converted, 7: &e.scale, 8: &e.precision}[id]
	if into == nil {
		return false
	}
	*into = p.i32()
	return true
}

// logical reads a LogicalType, a union whose field says which it is.
func (p *footerParser) logical(e *schemaElement) {
	p.fields(func(id int, kind byte) bool {
		if kind != thriftStruct {
			return false
		}
		e.logical = id
		p.fields(func(member int, kind byte) bool { return p.logicalMember(e, member, kind) })
		return true
	})
}

func (p *footerParser) logicalMember(e *schemaElement, member int, kind byte) bool {
	switch {
	case e.logical == logicalDecimal && member == 1 && kind == thriftI32:
		e.scale = p.i32()
	case e.logical == logicalDecimal && member == 2 && kind == thriftI32:
		e.precision = p.i32()
	case e.logical == logicalInteger && member == 1 && kind == thriftByte:
		e.bits = int(p.byte())
	case e.logical == logicalInteger && member == 2:
		e.isSigned = kind == thriftTrue
	case member == 2 && kind == thriftStruct:
		p.fields(func(unit int, _ byte) bool {
			if unit >= 1 && unit <= 3 {
				e.unit = [...]int64{0, 1_000_000, 1000, 1}[unit]
			}
			return false
		})
	default:
		return false
	}
	return true
}

// tree finds the leaves of the schema.
func (p *footerParser) tree() {
	if p.err != nil {
		return
	}
	if len(p.elements) == 0 || p.elements[0].children < 0 {
		p.refuse(damagedParquet("its schema is empty"))
		return
	}
	next := 1
	for range p.elements[0].children {
		if next >= len(p.elements) {
			p.refuse(damagedParquet("its schema names more columns than it has"))
			return
		}
		next = p.field(next)
	}
	if next != len(p.elements) {
		p.refuse(damagedParquet("its schema has elements that belong to no column"))
	}
}

// field adds the leaves of the top-level field at i and gives the place behind it.
func (p *footerParser) field(i int) (next int) {
	top := p.elements[i]
	if top.children == 0 {
		p.footer.leaves = append(p.footer.leaves, newLeaf(top))
		return i + 1
	}
	what := "a group of columns"
	switch {
	case top.logical == 3 || top.converted == 3:
		what = "a list"
	case top.logical == 2 || top.converted == 1 || top.converted == 2:
		what = "a map"
	}
	for open := 1; open > 0; i++ {
		if i >= len(p.elements) {
			p.refuse(damagedParquet("its schema names more columns than it has"))
			return i
		}
		e := p.elements[i]
		open--
		if e.children < 0 || e.children > len(p.elements) {
			p.refuse(damagedParquet("its schema has a column with %d children", e.children))
			return i
		}
		open += e.children
		if e.children == 0 {
			p.footer.leaves = append(p.footer.leaves, &parquetLeaf{name: top.name, physical: e.physical, unsupported: what})
		}
	}
	return i
}

// newLeaf decides which column type holds a leaf, and how. Decimals become
// Integer without a fraction and up to 18 digits, Float up to 15 digits, and
// else text, so that no digit is lost; so do unsigned integers of 64 bits.
func newLeaf(e schemaElement) *parquetLeaf {
	l := &parquetLeaf{name: e.name, physical: e.physical, length: e.length, optional: e.repetition == repetitionOptional, per: e.unit}
	if e.repetition == repetitionRepeated {
		l.unsupported = "a repeated column"
		return l
	}
	isDecimal := e.logical == logicalDecimal || e.converted == convertedDecimal
	switch {
	case e.logical == logicalNull:
		l.typ, l.means = String, always0
	case isDecimal:
		l.decimal(e)
	case e.physical == parquetBoolean:
		l.typ = Boolean
	case e.physical == parquetInt32 || e.physical == parquetInt64:
		l.integer(e)
	case e.physical == parquetInt96:
		l.typ, l.means = DateTime, int96
	case e.physical == parquetFloat || e.physical == parquetDouble:
		l.typ = Float
	case e.physical == parquetByteArray:
		l.text(e)
	case e.physical == parquetFixed && e.logical == logicalUUID && e.length == 16:
		l.typ, l.means = String, uuid
	case e.physical == parquetFixed && e.logical == logicalFloat16 && e.length == 2:
		l.typ, l.means = Float, float16
	default:
		l.unsupported = "binary data"
	}
	if e.physical == parquetFixed && (e.length < 1 || e.length > maxFixedBytes) {
		l.unsupported = "binary data"
	}
	return l
}

// maxFixedBytes is more than any fixed-length value that can be read.
const maxFixedBytes = 1 << 10

func (l *parquetLeaf) decimal(e schemaElement) {
	const exactInteger, exactFloat, most = 18, 15, 76
	l.means, l.scale, l.isExact = decimal, e.scale, true
	switch {
	case e.precision < 1 || e.precision > most || e.scale < 0 || e.scale > e.precision,
		e.physical != parquetInt32 && e.physical != parquetInt64 && e.physical != parquetByteArray && e.physical != parquetFixed:
		l.unsupported = "a decimal of unusual precision"
	case e.scale == 0 && e.precision <= exactInteger:
		l.typ = Integer
	case e.precision <= exactFloat:
		l.typ, l.isExact = Float, false
	default:
		l.typ = String
	}
}

func (l *parquetLeaf) integer(e schemaElement) {
	l.typ = Integer
	switch {
	case e.logical == logicalDate || e.converted == convertedDate:
		l.typ = Date
	case e.logical == logicalTime || e.converted == convertedTime || e.converted == convertedTimeMicros:
		l.typ, l.means = Time, millis
		l.per = unitOf(e, convertedTimeMicros)
	case e.logical == logicalTimestamp || e.converted == convertedTimestamp || e.converted == convertedStampMicro:
		l.typ, l.means = DateTime, millis
		l.per = unitOf(e, convertedStampMicro)
	case e.converted == convertedUint64, e.logical == logicalInteger && !e.isSigned && e.bits == 64:
		l.typ, l.means = String, bigUnsigned
	case e.converted >= convertedUint8 && e.converted < convertedUint64, e.logical == logicalInteger && !e.isSigned:
		l.means = unsigned
	}
}

func unitOf(e schemaElement, micros int) int64 {
	switch {
	case e.unit > 0:
		return e.unit
	case e.converted == micros:
		return 1000
	}
	return 1_000_000
}

func (l *parquetLeaf) text(e schemaElement) {
	l.typ = String
	known := []int{0, logicalString, logicalEnum, logicalJSON}
	if e.converted == convertedBSON || !slices.Contains(known, e.logical) {
		l.unsupported = "binary data"
	}
}
