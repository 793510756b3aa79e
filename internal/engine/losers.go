package engine

import (
	"slices"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// losers are rows of a source that are not pushed: a bit for each row of the
// blocks that have any. A nil *losers has none.
type losers struct {
	// rows is the number of good rows of each block.
	rows map[int]int
	bits map[int][]uint64
}

// add takes note of a row; see rowID.
func (l *losers) add(id uint64) {
	block, row := int(id>>32), int(uint32(id))
	bits := l.bits[block]
	if bits == nil {
		bits = make([]uint64, (l.rows[block]+63)/64)
		l.bits[block] = bits
	}
	bits[row/64] |= 1 << (row % 64)
}

// drop takes the losers out of a block's batch and counts them; fault
// SourceChanged when the block had other rows as its keys were looked at.
func (l *losers) drop(block int, b *columns.Batch) (dropped int64, err error) {
	if l == nil {
		return 0, nil
	}
	if b.Rows != l.rows[block] {
		return 0, fault.New(fault.SourceChanged, "the source has changed since its keys were looked at")
	}
	bits := l.bits[block]
	if bits == nil {
		return 0, nil
	}
	before := b.Rows
	keepRows(b, func(row int) bool { return bits[row/64]&(1<<(row%64)) == 0 })
	return int64(before - b.Rows), nil
}

// left lists the rows of a block that are pushed, by their numbers among the good ones; nil where all of them are.
func (l *losers) left(block int) []int {
	if l == nil || l.bits[block] == nil {
		return nil
	}
	bits := l.bits[block]
	kept := make([]int, 0, l.rows[block])
	for row := range l.rows[block] {
		if bits[row/64]&(1<<(row%64)) == 0 {
			kept = append(kept, row)
		}
	}
	return kept
}

// keepRows takes rows out of a batch in place.
func keepRows(b *columns.Batch, keep func(row int) bool) {
	kept := make([]int, 0, b.Rows)
	for row := range b.Rows {
		if keep(row) {
			kept = append(kept, row)
		}
	}
	for i := range b.Columns {
		c := &b.Columns[i]
		switch c.Type {
		case columns.String:
			keepStrings(c, kept)
		case columns.Float:
			c.Floats = pick(c.Floats, kept)
		default:
			c.Ints = pick(c.Ints, kept)
		}
		c.Valid = pick(c.Valid, kept)
	}
	b.Rows = len(kept)
}

// pick moves the elements at growing positions to the front.
func pick[T any](s []T, at []int) []T {
	for to, from := range at {
		s[to] = s[from]
	}
	return s[:len(at)]
}

func keepStrings(c *columns.Column, kept []int) {
	size := uint32(0)
	for to, from := range kept {
		start, end := c.Offsets[from], c.Offsets[from+1]
		copy(c.Bytes[size:], c.Bytes[start:end])
		c.Offsets[to] = size
		size += end - start
	}
	c.Offsets[len(kept)] = size
	c.Offsets = slices.Delete(c.Offsets, len(kept)+1, len(c.Offsets))
	c.Bytes = c.Bytes[:size]
}
