package mapping

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// reject notes why row r does not become a row; the first reason stays.
func (a *Applier) reject(r int, c *column, value []byte, is verdict) {
	if a.bad[r] {
		return
	}
	code, message := c.complaint(value, is)
	a.note(r, c, code, message)
}

// rejectLong is reject for text of n bytes that is longer than its column.
func (a *Applier) rejectLong(r int, c *column, value []byte, n int) {
	if a.bad[r] {
		return
	}
	a.note(r, c, fault.ValueTooLong, fmt.Sprintf("value %q of field %q is %d bytes long, column %q takes %d",
		shorten(value), c.source.text, n, c.field.Name, c.field.Length))
}

func (a *Applier) note(r int, c *column, code fault.Code, message string) {
	a.bad[r] = true
	a.failed++
	a.errs = append(a.errs, columns.RecordError{Row: r, Code: code, Field: c.source.text, Message: message})
}

// complaint words why a value is not taken.
func (c *column) complaint(value []byte, is verdict) (fault.Code, string) {
	field, t := c.source.text, c.field.Type
	switch is {
	case absent:
		if c.key {
			return fault.ValueRequired, fmt.Sprintf("field %q has no value, and column %q is a key", field, c.field.Name)
		}
		return fault.ValueRequired, fmt.Sprintf("field %q has no value, and column %q requires one", field, c.field.Name)
	case outOfRange:
		return fault.ValueOutOfRange, fmt.Sprintf("value %q of field %q is %s", shorten(value), field, beyond(t))
	case notMidnight:
		return fault.ValueType, fmt.Sprintf("value %q of field %q has a time of day, and column %q keeps only the day; its rule may take the type datetime or a format",
			shorten(value), field, c.field.Name)
	case notNested:
		return fault.ValueType, fmt.Sprintf("value %q on the way to field %q is neither a JSON object nor an array", shorten(value), field)
	}
	return fault.ValueType, fmt.Sprintf("value %q of field %q is not %s", shorten(value), field, article(t.String()))
}

// beyond words what a value of type t is when it is out of range.
func beyond(t columns.Type) string {
	switch t {
	case columns.Integer:
		return "an integer of more than 64 bits"
	case columns.Float:
		return "not a finite 64-bit number"
	}
	return fmt.Sprintf("outside of the years %d to %d", columns.MinYear, columns.MaxYear)
}

// place puts errors in the order of their records and says where those stand.
func (a *Applier) place(errs []columns.RecordError) {
	slices.SortFunc(errs, func(x, y columns.RecordError) int { return x.Row - y.Row })
	lines, counted := 0, 0
	for i := range errs {
		e, r := &errs[i], errs[i].Row
		if r < len(a.raw.Records) {
			e.Place = a.raw.Records[r]
			lines += lineEnds(a.raw.Data[counted:e.Place.Off])
			counted = int(e.Place.Off)
			e.Line = lines
		}
		if a.raw.Index != nil {
			e.Row = a.raw.Index[r]
		}
	}
}

// lineEnds counts "\n", "\r\n" and a lone "\r".
func lineEnds(data []byte) int {
	n := bytes.Count(data, []byte{'\n'})
	for {
		i := bytes.IndexByte(data, '\r')
		if i < 0 {
			return n
		}
		if data = data[i+1:]; len(data) == 0 || data[0] != '\n' {
			n++
		}
	}
}
