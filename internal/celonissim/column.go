package celonissim

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
)

// ColumnInfo describes a column of a table.
type ColumnInfo struct {
	Name string `json:"name"`
	Type Kind   `json:"type"`
	// Length is the VARCHAR length of a STRING column in bytes, else 0.
	Length int `json:"length"`
	// Key says that the column is a key of the job that made the table.
	Key bool `json:"key"`
}

// column holds the values of one column of a segment: one slice by its kind,
// with a zero value at a null. It is not changed once its segment is in a table.
type column struct {
	kind Kind
	// nulls is nil while there is none.
	nulls  []bool
	ints   []int64
	floats []float64
	// Row i of a String is text[ends[i-1]:ends[i]].
	text []byte
	ends []uint32
	rows int
	// limit is the length in bytes at which strings are cut.
	limit int
	// expected is how many rows are to come; spare is memory for nulls.
	expected int
	spare    []bool
	// cut and outside count values shortened and instants made null.
	cut, outside int64
}

// newColumn makes an empty column for about so many rows, of the memory of an
// old one when there is one.
func newColumn(old *column, info ColumnInfo, rows int) *column {
	c := &column{}
	if old != nil {
		c.spare, c.ints, c.floats, c.text, c.ends = old.nulls, old.ints[:0], old.floats[:0], old.text[:0], old.ends[:0]
	}
	c.kind, c.limit, c.expected = info.Type, info.Length, rows
	switch info.Type {
	case String:
		c.ends = slices.Grow(c.ends, rows)
	case Float:
		c.floats = slices.Grow(c.floats, rows)
	default:
		c.ints = slices.Grow(c.ints, rows)
	}
	return c
}

func (c *column) null(i int) bool { return c == nil || c.nulls != nil && c.nulls[i] }

func (c *column) str(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = c.ends[i-1]
	}
	return c.text[start:c.ends[i]]
}

// appendText adds the canonical text of row i, nothing for a null.
func (c *column) appendText(dst []byte, i int) []byte {
	if c.null(i) {
		return dst
	}
	switch c.kind {
	case String:
		return append(dst, c.str(i)...)
	case Float:
		return strconv.AppendFloat(dst, c.floats[i], 'g', -1, 64)
	default:
		return appendInt(dst, c.kind, c.ints[i])
	}
}

func (c *column) addNull() {
	if c.nulls == nil {
		c.nulls = slices.Grow(c.spare[:0], max(c.rows+1, c.expected))[:c.rows]
		clear(c.nulls)
	}
	c.nulls = append(c.nulls, true)
	c.addZero()
}

func (c *column) addZero() {
	switch c.kind {
	case String:
		c.ends = append(c.ends, uint32(len(c.text)))
	case Float:
		c.floats = append(c.floats, 0)
	default:
		c.ints = append(c.ints, 0)
	}
	c.rows++
}

func (c *column) valid() {
	if c.nulls != nil {
		c.nulls = append(c.nulls, false)
	}
	c.rows++
}

func (c *column) addFloat(v float64) {
	c.floats = append(c.floats, v)
	c.valid()
}

// addInt adds a value kept as an integer. Instants outside of the platform's
// range become null without a word, as they do there.
func (c *column) addInt(v int64) {
	if c.outOfRange(v) {
		c.outside++
		c.addNull()
		return
	}
	c.ints = append(c.ints, v)
	c.valid()
}

func (c *column) outOfRange(v int64) bool {
	switch c.kind {
	case DateTime:
		return v < minInstant || v > maxInstant
	case Date:
		return v < minInstant/msPerDay || v > maxInstant/msPerDay
	default:
		return false
	}
}

// addString adds a string, cut to the column's length in bytes without
// splitting a character.
func (c *column) addString(v []byte) error {
	if len(v) > c.limit {
		v = cutText(v, c.limit)
		c.cut++
	}
	if len(c.text)+len(v) > math.MaxUint32 {
		return errColumnTooLarge
	}
	c.text = append(c.text, v...)
	c.ends = append(c.ends, uint32(len(c.text)))
	c.valid()
	return nil
}

// addStrings adds texts that follow each other, without nulls among them.
func (c *column) addStrings(t textValues) error {
	n := len(t.ends) - 1
	if err := c.reserve(int(t.ends[n]-t.ends[0]), n); err != nil {
		return err
	}
	for i := range n {
		if int(t.ends[i+1]-t.ends[i]) > c.limit {
			return c.addEach(t)
		}
	}
	shift := uint32(len(c.text)) - t.ends[0]
	c.text = append(c.text, t.data[t.ends[0]:t.ends[n]]...)
	for _, end := range t.ends[1:] {
		c.ends = append(c.ends, end+shift)
	}
	c.validRun(n)
	return nil
}

func (c *column) addEach(t textValues) error {
	for i := range len(t.ends) - 1 {
		if err := c.addString(t.at(i)); err != nil {
			return err
		}
	}
	return nil
}

// reserve makes room for so many bytes in so many rows, and for the rows still
// expected if they are alike.
func (c *column) reserve(size, rows int) error {
	need := len(c.text) + size
	if need > math.MaxUint32 {
		return errColumnTooLarge
	}
	if need > cap(c.text) {
		whole := float64(need) / float64(max(1, c.rows+rows)) * float64(c.expected)
		c.text = slices.Grow(c.text, max(need, int(whole*reserveSlack))-len(c.text))
	}
	return nil
}

// reserveSlack is the room above the expectation.
const reserveSlack = 1.02

// validRun counts rows that all have values.
func (c *column) validRun(n int) {
	if c.nulls != nil {
		c.nulls = append(c.nulls, make([]bool, n)...)
	}
	c.rows += n
}

// addInts is addInt of many.
func (c *column) addInts(values []int64) {
	if len(values) > 0 && (c.outOfRange(slices.Min(values)) || c.outOfRange(slices.Max(values))) {
		for _, v := range values {
			c.addInt(v)
		}
		return
	}
	c.ints = append(c.ints, values...)
	c.validRun(len(values))
}

func (c *column) addFloats(values []float64) {
	c.floats = append(c.floats, values...)
	c.validRun(len(values))
}

func cutText(v []byte, limit int) []byte {
	for limit > 0 && v[limit]&0xC0 == 0x80 {
		limit--
	}
	return v[:limit]
}

// addFrom adds row i of another column of the same kind.
func (c *column) addFrom(from *column, i int) error {
	switch {
	case from.null(i):
		c.addNull()
	case c.kind == String:
		return c.addString(from.str(i))
	case c.kind == Float:
		c.addFloat(from.floats[i])
	default:
		c.addInt(from.ints[i])
	}
	return nil
}

// compareCells orders two cells of one kind; null comes first.
func compareCells(a *column, i int, b *column, j int) int {
	an, bn := a.null(i), b.null(j)
	switch {
	case an && bn:
		return 0
	case an:
		return -1
	case bn:
		return 1
	case a.kind == String:
		return bytes.Compare(a.str(i), b.str(j))
	case a.kind == Float:
		return cmp.Compare(a.floats[i], b.floats[j])
	default:
		return cmp.Compare(a.ints[i], b.ints[j])
	}
}
