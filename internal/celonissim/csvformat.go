package celonissim

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// csvOptions are a job's csvParsingOptions.
type csvOptions struct {
	EscapeSequence          *string           `json:"escapeSequence"`
	QuoteSequence           *string           `json:"quoteSequence"`
	SeparatorSequence       *string           `json:"separatorSequence"`
	LineEnding              *string           `json:"lineEnding"`
	CharSet                 *string           `json:"charSet"`
	DecimalSeparator        *string           `json:"decimalSeparator"`
	ThousandSeparator       *string           `json:"thousandSeparator"`
	DateFormat              *string           `json:"dateFormat"`
	AdditionalColumnOptions []csvColumnOption `json:"additionalColumnOptions"`
}

type csvColumnOption struct {
	ColumnName         string  `json:"columnName"`
	DateFormat         *string `json:"dateFormat"`
	ThousandsSeparator *string `json:"thousandsSeparator"`
	DecimalSeparator   *string `json:"decimalSeparator"`
}

// defaultDateFormat is used where a job names none.
const defaultDateFormat = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"

// csvFormat is csvOptions made ready: how to cut records, and how to read values.
type csvFormat struct {
	separator, quote, escape, line []byte
	charSet                        string
	values                         csvValues
	columns                        map[string]csvValues
	// stops marks the bytes that may end an unquoted field.
	stops [256]bool
}

// csvValues says how numbers and dates are written.
type csvValues struct {
	decimal, thousand string
	dates             []*javaFormat
}

func text(s *string, or string) string {
	if s == nil || *s == "" {
		return or
	}
	return *s
}

func newCSVFormat(o *csvOptions) (*csvFormat, error) {
	if o == nil {
		o = &csvOptions{}
	}
	f := &csvFormat{
		separator: []byte(text(o.SeparatorSequence, ",")),
		quote:     []byte(text(o.QuoteSequence, `"`)),
		escape:    []byte(text(o.EscapeSequence, `\`)),
		line:      []byte(text(o.LineEnding, "")),
		charSet:   strings.ToUpper(text(o.CharSet, "UTF-8")),
		columns:   make(map[string]csvValues),
	}
	for _, c := range append([]byte("\r\n"), f.separator[0]) {
		f.stops[c] = true
	}
	if len(f.line) > 0 {
		f.stops[f.line[0]] = true
	}
	date, err := newJavaFormat(text(o.DateFormat, defaultDateFormat))
	if err != nil {
		return nil, err
	}
	f.values = csvValues{text(o.DecimalSeparator, "."), text(o.ThousandSeparator, ""), []*javaFormat{date}}
	for _, c := range o.AdditionalColumnOptions {
		v := f.values
		v.decimal, v.thousand = text(c.DecimalSeparator, v.decimal), text(c.ThousandsSeparator, v.thousand)
		if c.DateFormat != nil && *c.DateFormat != "" {
			own, err := newJavaFormat(*c.DateFormat)
			if err != nil {
				return nil, err
			}
			v.dates = []*javaFormat{own}
		}
		f.columns[c.ColumnName] = v
	}
	return f, nil
}

func (f *csvFormat) valuesOf(col string) csvValues {
	if v, ok := f.columns[col]; ok {
		return v
	}
	return f.values
}

// decode turns a file's bytes into UTF-8 without a byte order mark.
func (f *csvFormat) decode(data []byte) ([]byte, error) {
	switch f.charSet {
	case "UTF-8", "UTF8", "US-ASCII", "ASCII":
		data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
		if !utf8.Valid(data) {
			return nil, errNotUTF8
		}
		return data, nil
	case "ISO-8859-1", "LATIN1", "ISO8859_1":
		out := make([]byte, 0, len(data)+len(data)/8)
		for _, b := range data {
			out = utf8.AppendRune(out, rune(b))
		}
		return out, nil
	case "UTF-16", "UTF-16LE", "UTF-16BE":
		return decodeUTF16(data, f.charSet), nil
	default:
		return nil, fmt.Errorf("character set %q is not supported", f.charSet)
	}
}

func decodeUTF16(data []byte, charSet string) []byte {
	big := charSet != "UTF-16LE"
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) {
		big, data = false, data[2:]
	} else if bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		big, data = true, data[2:]
	}
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		if big {
			units = append(units, uint16(data[0])<<8|uint16(data[1]))
		} else {
			units = append(units, uint16(data[1])<<8|uint16(data[0]))
		}
	}
	return []byte(string(utf16.Decode(units)))
}

// add parses a cell into a column; what does not parse is an error.
func (v csvValues) add(to *column, cell []byte) error {
	switch to.kind {
	case String:
		return to.addString(cell)
	case Float:
		x, err := strconv.ParseFloat(v.number(cell), 64)
		if err != nil {
			return notA(to.kind, cell)
		}
		to.addFloat(x)
	case Integer:
		x, err := strconv.ParseInt(v.number(cell), 10, 64)
		if err != nil {
			return notA(to.kind, cell)
		}
		to.addInt(x)
	case Boolean:
		x, err := strconv.ParseBool(strings.ToLower(string(cell)))
		if err != nil {
			return notA(to.kind, cell)
		}
		to.addInt(map[bool]int64{true: 1}[x])
	default:
		return v.addDate(to, cell)
	}
	return nil
}

func notA(kind Kind, cell []byte) error {
	return fmt.Errorf("%q is not a value of type %s", cell, kind)
}

// number brings a number to the form of Go's parsers.
func (v csvValues) number(cell []byte) string {
	s := strings.TrimSpace(string(cell))
	if v.thousand != "" {
		s = strings.ReplaceAll(s, v.thousand, "")
	}
	if v.decimal != "." {
		s = strings.Replace(s, v.decimal, ".", 1)
	}
	return s
}

// addDate reads an instant by the date formats; a DATE or TIME column takes
// its ISO form too.
func (v csvValues) addDate(to *column, cell []byte) error {
	for _, f := range v.dates {
		if ms, ok := f.parse(cell); ok {
			to.addInt(inUnits(to.kind, ms))
			return nil
		}
	}
	layout := map[Kind]string{Date: time.DateOnly, Time: time.TimeOnly}[to.kind]
	if t, err := time.Parse(layout, string(cell)); layout != "" && err == nil {
		to.addInt(inUnits(to.kind, t.UnixMilli()))
		return nil
	}
	return notA(to.kind, cell)
}

func inUnits(kind Kind, ms int64) int64 {
	switch kind {
	case Date:
		return floorDiv(ms, msPerDay)
	case Time:
		return ms - floorDiv(ms, msPerDay)*msPerDay
	default:
		return ms
	}
}
