package columns

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// RenderColumn writes the first rows values of c as text, as the API writes
// them, and appends a cell for each to cells and the bytes to text.
func RenderColumn(c *Column, rows int, cells []Cell, text []byte) ([]Cell, []byte) {
	kind := Text
	switch c.Type {
	case Integer, Float:
		kind = Number
	case Boolean:
		kind = Bool
	}
	for r := range rows {
		start := len(text)
		if !c.Valid[r] {
			cells = append(cells, Cell{Off: uint32(start)})
			continue
		}
		text = RenderValue(c, r, text)
		cells = append(cells, Cell{Off: uint32(start), Len: uint32(len(text) - start), Kind: kind})
	}
	return cells, text
}

// RenderValue appends the value of row r as text; a null is no text.
func RenderValue(c *Column, r int, text []byte) []byte {
	if !c.Valid[r] {
		return text
	}
	switch c.Type {
	case String:
		return append(text, c.StringAt(r)...)
	case Integer:
		return strconv.AppendInt(text, c.Ints[r], 10)
	case Float:
		return appendFloat(text, c.Floats[r])
	case Boolean:
		return strconv.AppendBool(text, c.Ints[r] != 0)
	case Date:
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(c.Ints[r])).AppendFormat(text, time.DateOnly)
	case DateTime:
		return time.UnixMilli(c.Ints[r]).UTC().AppendFormat(text, "2006-01-02T15:04:05.000Z")
	default:
		return time.UnixMilli(c.Ints[r]).UTC().AppendFormat(text, "15:04:05.000")
	}
}

// RenderRecord writes row r of a batch as a JSON object with the nulls left
// out: the form in which a record of a typed source is kept as an error.
func RenderRecord(b *Batch, r int) []byte {
	out := []byte{'{'}
	for i := range b.Columns {
		c := &b.Columns[i]
		if !c.Valid[r] {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendJSON(out, b.Schema[i].Name), ':')
		text := string(RenderValue(c, r, nil))
		switch {
		case c.Type == Integer, c.Type == Boolean, c.Type == Float && json.Valid([]byte(text)):
			out = append(out, text...)
		default:
			out = appendJSON(out, text)
		}
	}
	return append(out, '}')
}

func appendJSON(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	quoted, _ := json.Marshal(s) // a string cannot fail
	return append(dst, quoted...)
}
