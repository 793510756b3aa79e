package celonissim

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Odd constants of the mixing steps.
const (
	mixA = 0x9E3779B97F4A7C15
	mixB = 0xD6E8FEB86659FD93
	mixC = 0xA0761D6478BD642F
)

func mix64(x uint64) uint64 {
	x ^= x >> 32
	x *= mixB
	x ^= x >> 29
	x *= mixB
	return x ^ x>>32
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func hashBytes(b []byte, seed uint64) uint64 {
	h := seed ^ uint64(len(b))*mixA
	for len(b) >= 8 {
		h = fold(h^binary.LittleEndian.Uint64(b), mixC)
		b = b[8:]
	}
	var tail uint64
	for i, x := range b {
		tail |= uint64(x) << (8 * i)
	}
	return fold(h^tail^mixB, mixA)
}

// cellHashes adds the hash of every cell to its row's sum. Nulls add nothing,
// so that a column of nulls and no column are the same content.
func cellHashes(sums []uint64, c *column, name string) {
	seed := hashBytes([]byte(name), uint64(c.kind)+mixA)
	switch {
	case c.kind == String:
		start := uint32(0)
		for i, end := range c.ends {
			if !c.null(i) {
				sums[i] += hashBytes(c.text[start:end], seed)
			}
			start = end
		}
	case c.kind == Float:
		for i, v := range c.floats {
			if !c.null(i) {
				sums[i] += mix64(math.Float64bits(v)*mixA ^ seed)
			}
		}
	default:
		for i, v := range c.ints {
			if !c.null(i) {
				sums[i] += mix64(uint64(v)*mixA ^ seed)
			}
		}
	}
}

// rowHashes gives the hash of each row of a segment over the columns named by
// at, or over all when at is nil.
func rowHashes(seg *segment, cols []ColumnInfo, at []int) []uint64 {
	sums := make([]uint64, seg.rows)
	add := func(i int) {
		if c := seg.column(i); c != nil {
			cellHashes(sums, c, cols[i].Name)
		}
	}
	if at == nil {
		for i := range cols {
			add(i)
		}
	}
	for _, i := range at {
		add(i)
	}
	for i, s := range sums {
		sums[i] = mix64(s + mixC)
	}
	return sums
}
