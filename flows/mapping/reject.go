package mapping

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// contradiction is how a value contradicts its column.
type contradiction struct {
	kind columns.Kind
	is   verdict
	long int // the bytes of text that is tooLong
}

// widens reports whether a wider column would take the value.
func (x contradiction) widens() bool {
	switch x.is {
	case wrongType, outOfRange, notMidnight:
		return true
	case tooLong:
		return x.long <= columns.MaxStringBytes
	}
	return false
}

// reject deals with a cell that its column does not take.
func (a *Applier) reject(r int, c *column, cell columns.Cell, is verdict) {
	if is == absent {
		a.rejectValue(r, c, nil, contradiction{kind: cell.Kind, is: is})
		return
	}
	a.rejectValue(r, c, a.value(cell), contradiction{kind: cell.Kind, is: is})
}

// rejectValue notes why row r does not become a row, the first reason stays;
// or lets the row be, where values are surveyed or discarded.
func (a *Applier) rejectValue(r int, c *column, value []byte, x contradiction) {
	if a.survey != nil {
		if x.widens() {
			a.survey.add(c.at, value, x)
		}
		return
	}
	if c.plan.discard && x.is > absent && !c.required && !c.key {
		a.discarded[c.at]++
		return
	}
	if a.bad[r] {
		return
	}
	code, message := c.complaint(value, x)
	a.bad[r] = true
	a.failed++
	a.errs = append(a.errs, columns.RecordError{Row: r, Code: code, Field: c.source.text, Message: message, Widens: x.widens()})
}

// TakeDiscarded gives how many values became null under Options.Discard since
// the last call, by column name; nil when none did.
func (a *Applier) TakeDiscarded() map[string]int64 {
	var out map[string]int64
	for i, n := range a.discarded {
		if n == 0 {
			continue
		}
		if out == nil {
			out = make(map[string]int64)
		}
		out[a.plan.schema[i].Name] = n
		a.discarded[i] = 0
	}
	return out
}

// complaint words why a value is not taken.
func (c *column) complaint(value []byte, x contradiction) (fault.Code, string) {
	field, t := c.source.text, c.field.Type
	if c.hidden {
		value = []byte(masked)
	}
	switch x.is {
	case stillMasked:
		return fault.ValueRequired, fmt.Sprintf("field %q has the mask %q in place of its value; put the value back", field, masked)
	case unprotected:
		return fault.Internal, fmt.Sprintf("field %q could not be protected", field)
	case notUTF8:
		return fault.ValueEncoding, fmt.Sprintf("value %q of field %q is not UTF-8", shorten(value), field)
	case tooLong:
		return fault.ValueTooLong, fmt.Sprintf("value %q of field %q is %d bytes long, column %q takes %d",
			shorten(value), field, x.long, c.field.Name, c.field.Length)
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
		a.remember(e.Row, r)
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
