package columns

import (
	"io"
	"strconv"
	"unicode/utf8"
)

// NDJSONEncoder writes files as NDJSON: an object with every column on each
// line, null as null, numbers so that they read back the same, days and instants
// as ISO 8601, in UTC to the millisecond.
type NDJSONEncoder struct {
	schema Schema
	// keys are the columns' names as they stand before their values, with what comes before them.
	keys [][]byte
	rows int
	buf  []byte
}

var _ ChunkEncoder = (*NDJSONEncoder)(nil)

// NewNDJSONEncoder makes an encoder.
func NewNDJSONEncoder(schema Schema) *NDJSONEncoder {
	e := &NDJSONEncoder{schema: schema, keys: make([][]byte, len(schema))}
	for i, f := range schema {
		before := byte(',')
		if i == 0 {
			before = '{'
		}
		e.keys[i] = append(appendJSONText([]byte{before}, []byte(f.Name)), ':')
	}
	return e
}

// Append adds a batch. It returns internal when the batch is not of the
// schema, and value.out_of_range for a Float that JSON cannot hold.
func (e *NDJSONEncoder) Append(b *Batch) error {
	if err := checkBatch(e.schema, b); err != nil {
		return err
	}
	for i := range b.Columns {
		if err := checkFloats(e.schema[i].Name, &b.Columns[i], "JSON"); err != nil {
			return err
		}
	}
	for row := range b.Rows {
		if len(e.keys) == 0 {
			e.buf = append(e.buf, '{')
		}
		for i := range b.Columns {
			e.buf = append(e.buf, e.keys[i]...)
			e.appendValue(&b.Columns[i], row)
		}
		e.buf = append(e.buf, '}', '\n')
	}
	e.rows += b.Rows
	return nil
}

func (e *NDJSONEncoder) appendValue(c *Column, row int) {
	if !c.Valid[row] {
		e.buf = append(e.buf, "null"...)
		return
	}
	switch c.Type {
	case String:
		e.buf = appendJSONText(e.buf, c.StringAt(row))
	case Integer:
		e.buf = strconv.AppendInt(e.buf, c.Ints[row], 10)
	case Float:
		e.buf = appendFloat(e.buf, c.Floats[row])
	case Boolean:
		e.buf = strconv.AppendBool(e.buf, c.Ints[row] != 0)
	default:
		e.buf = append(e.buf, '"')
		e.buf = append(appendMoment(e.buf, c.Type, c.Ints[row]), '"')
	}
}

// appendJSONText writes a JSON string; bytes that are no UTF-8 become U+FFFD.
func appendJSONText(dst, v []byte) []byte {
	if !utf8.Valid(v) {
		v = []byte(string([]rune(string(v))))
	}
	dst = append(dst, '"')
	for {
		k := plainEnd(v, 0)
		dst = append(dst, v[:k]...)
		if k == len(v) {
			return append(dst, '"')
		}
		dst = appendEscaped(dst, v[k])
		v = v[k+1:]
	}
}

// appendEscaped writes a quote, a backslash or a control character.
func appendEscaped(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// Rows is the number of rows since the last Reset.
func (e *NDJSONEncoder) Rows() int { return e.rows }

// Size is the number of bytes of the file.
func (e *NDJSONEncoder) Size() int { return len(e.buf) }

// Finish writes the file.
func (e *NDJSONEncoder) Finish(w io.Writer) error {
	_, err := w.Write(e.buf)
	return err
}

// Reset empties the encoder and keeps its memory.
func (e *NDJSONEncoder) Reset() { e.rows, e.buf = 0, e.buf[:0] }
