package columns

import (
	"bytes"
	"io"
	"math"
	"strconv"

	"github.com/celonis-connector/connector/internal/fault"
)

// How a CSV chunk is written; CSVParsing declares the same to Celonis.
const (
	csvSeparator  = ','
	csvQuote      = '"'
	csvLineEnd    = "\r\n"
	csvDateLayout = "2006-01-02"
	csvTimeLayout = "15:04:05.000"
	// The patterns are Java's, as Celonis's csvParsingOptions take them.
	csvDatePattern     = "yyyy-MM-dd"
	csvTimePattern     = "HH:mm:ss.SSS"
	csvDateTimePattern = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"
)

// CSVWriteOptions says how a CSVEncoder writes.
type CSVWriteOptions struct {
	// NoHeader leaves out the line of column names. A chunk of a push needs it.
	NoHeader bool
	// Separator stands between cells; 0 is the comma.
	Separator byte
	// Null is what a null is written as, without quotes; a text that reads the same gets quotes.
	Null string
	// QuoteAll puts quotes around every value.
	QuoteAll bool
}

// CSVEncoder writes chunks as CSV: a header line in each, null as an empty
// cell, the empty string as "", quotes doubled, instants in UTC to the
// millisecond.
type CSVEncoder struct {
	schema Schema
	opt    CSVWriteOptions
	quote  [256]bool // calls for quotes
	rows   int
	buf    []byte
}

// NewCSVEncoder makes an encoder.
func NewCSVEncoder(schema Schema, opt CSVWriteOptions) *CSVEncoder {
	if opt.Separator == 0 {
		opt.Separator = csvSeparator
	}
	e := &CSVEncoder{schema: schema, opt: opt}
	for _, c := range []byte{opt.Separator, csvQuote, '\r', '\n', '\\', '\t'} {
		e.quote[c] = true
	}
	e.Reset()
	return e
}

// Append adds a batch. It returns internal when the batch is not of the
// schema, and value.out_of_range for a Float that CSV cannot hold.
func (e *CSVEncoder) Append(b *Batch) error {
	if err := checkBatch(e.schema, b); err != nil {
		return err
	}
	for i := range b.Columns {
		if err := checkFloats(e.schema[i].Name, &b.Columns[i], "CSV"); err != nil {
			return err
		}
	}
	for row := range b.Rows {
		for i := range b.Columns {
			if i > 0 {
				e.buf = append(e.buf, e.opt.Separator)
			}
			switch c := &b.Columns[i]; {
			case !c.Valid[row]:
				e.buf = append(e.buf, e.opt.Null...)
			case e.opt.QuoteAll && c.Type != String:
				e.buf = append(e.buf, csvQuote)
				e.appendValue(c, row)
				e.buf = append(e.buf, csvQuote)
			default:
				e.appendValue(c, row)
			}
		}
		e.buf = append(e.buf, csvLineEnd...)
	}
	e.rows += b.Rows
	return nil
}

func checkFloats(name string, c *Column, format string) error {
	for i, v := range c.Floats {
		if c.Valid[i] && (math.IsNaN(v) || math.IsInf(v, 0)) {
			return fault.New(fault.ValueOutOfRange, "%v in column %q cannot be written to %s", v, name, format)
		}
	}
	return nil
}

func (e *CSVEncoder) appendValue(c *Column, row int) {
	switch c.Type {
	case String:
		e.appendText(c.StringAt(row))
	case Integer:
		e.buf = strconv.AppendInt(e.buf, c.Ints[row], 10)
	case Float:
		e.buf = appendFloat(e.buf, c.Floats[row])
	case Boolean:
		e.buf = strconv.AppendBool(e.buf, c.Ints[row] != 0)
	default:
		e.buf = appendMoment(e.buf, c.Type, c.Ints[row])
	}
}

// appendFloat writes the shortest form that reads back the same, without an
// exponent for everyday magnitudes.
func appendFloat(dst []byte, v float64) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, 64)
}

// appendText quotes what an unquoted cell would change: separators, quotes,
// line ends, backslashes, outer spaces and the empty string.
func (e *CSVEncoder) appendText(v []byte) {
	if !e.needsQuotes(v) {
		e.buf = append(e.buf, v...)
		return
	}
	e.buf = append(e.buf, csvQuote)
	for {
		k := bytes.IndexByte(v, csvQuote)
		if k < 0 {
			break
		}
		e.buf = append(append(e.buf, v[:k+1]...), csvQuote)
		v = v[k+1:]
	}
	e.buf = append(append(e.buf, v...), csvQuote)
}

func (e *CSVEncoder) needsQuotes(v []byte) bool {
	if len(v) == 0 || v[0] == ' ' || v[len(v)-1] == ' ' || e.opt.QuoteAll || string(v) == e.opt.Null {
		return true
	}
	for _, c := range v {
		if e.quote[c] {
			return true
		}
	}
	return false
}

// Rows is the number of rows since the last Reset.
func (e *CSVEncoder) Rows() int { return e.rows }

// Size is the number of bytes of the file.
func (e *CSVEncoder) Size() int { return len(e.buf) }

// Finish writes the file.
func (e *CSVEncoder) Finish(w io.Writer) error {
	_, err := w.Write(e.buf)
	return err
}

// Reset empties the encoder down to the header line and keeps its memory.
func (e *CSVEncoder) Reset() {
	e.rows, e.buf = 0, e.buf[:0]
	if e.opt.NoHeader {
		return
	}
	for i, f := range e.schema {
		if i > 0 {
			e.buf = append(e.buf, e.opt.Separator)
		}
		e.appendText([]byte(f.Name))
	}
	e.buf = append(e.buf, csvLineEnd...)
}
