package columns

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The functions here look at eight bytes at a time. (x-lowBits)&^x&highBits has
// the high bit of each zero byte of x set; a borrow can set bits above a zero
// byte, so only the lowest set bit is exact, and only that one is used.
const (
	wordBytes = 8
	lowBits   = 0x0101010101010101
	highBits  = 0x8080808080808080
	quotes    = '"' * lowBits
	slashes   = '\\' * lowBits
	spaces    = ' ' * lowBits
	// A bracket and the brace of its side differ in this bit alone.
	braceBit = 0x20 * lowBits
	opening  = '{' * lowBits
	closing  = '}' * lowBits
)

// plainEnd gives the position of the first quote, backslash or control
// character from i on, or the length of data.
func plainEnd(data []byte, i int) int {
	for ; len(data)-i >= wordBytes; i += wordBytes {
		w := binary.LittleEndian.Uint64(data[i:])
		if found := endings(w); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(data) && data[i] != '"' && data[i] != '\\' && data[i] >= ' ' {
		i++
	}
	return i
}

// endings has the lowest of its bits in the first byte of w that is a quote, a
// backslash or a control character.
func endings(w uint64) uint64 {
	q, s := w^quotes, w^slashes
	return ((q-lowBits)&^q | (s-lowBits)&^s | (w-spaces)&^w) & highBits
}

// indexNear gives the position of the first c from i on, -1 when there is
// none. It spares the call of bytes.IndexByte where c is expected soon.
func indexNear(data []byte, i int, c byte) int {
	for end := i + 4*wordBytes; i < end && len(data)-i >= wordBytes; i += wordBytes {
		x := binary.LittleEndian.Uint64(data[i:]) ^ uint64(c)*lowBits
		if found := (x - lowBits) &^ x & highBits; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	k := bytes.IndexByte(data[i:], c)
	if k < 0 {
		return -1
	}
	return i + k
}
