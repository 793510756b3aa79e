package columns

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The functions here find the end of a JSON object or array by quotes and
// brackets alone. They run in the one goroutine that reads a source, so they
// have neither a branch nor a call for each value.

// flatBytes bounds how far skipFlat looks, so that a look that fails stays cheap.
const flatBytes = 4 << 10

// skipFlat gives the end of the object that begins at data[i] when nothing in it
// needs a second look: no escape, and no other bracket, in a string or out of
// it. The brace that comes next then ends the object if the quotes before it are
// pairs.
func skipFlat(data []byte, i int) (end int, ok bool) {
	k := bytes.IndexByte(data[i:min(i+flatBytes, len(data))], '}')
	if k < 0 {
		return i, false
	}
	body := data[i+1 : i+k]
	ok = bytes.Count(body, []byte{'"'})%2 == 0 && bytes.IndexByte(body, '\\') < 0 &&
		bytes.IndexByte(body, '{') < 0 && bytes.IndexByte(body, '[') < 0 && bytes.IndexByte(body, ']') < 0
	return i + k + 1, ok
}

// skipNested gives the end of the object or array that begins at data[i]; ok is
// false when it goes on behind data.
func skipNested(data []byte, i int) (end int, ok bool) {
	depth, text := 0, uint64(0) // text is highBits inside of a string, else 0
	for len(data)-i >= wordBytes {
		w := binary.LittleEndian.Uint64(data[i:])
		if s := w ^ slashes; (s-lowBits)&^s&highBits != 0 {
			i, depth, text = skipBytes(data, i, i+wordBytes, depth, text)
			if depth == 0 {
				return i, true
			}
			continue
		}
		// The high bit of a byte of odd says that the quotes up to it are odd in number.
		odd := zeroBytes(w ^ quotes)
		odd ^= odd << 8
		odd ^= odd << 16
		odd ^= odd << 32
		odd ^= text
		text = uint64(int64(odd)>>63) & highBits
		folded := w | braceBit
		o, c := folded^opening, folded^closing
		if ((o-lowBits)&^o|(c-lowBits)&^c)&highBits&^odd == 0 {
			i += wordBytes
			continue
		}
		opened := zeroBytes(o) &^ odd
		for found := opened | zeroBytes(c)&^odd; found != 0; found &= found - 1 {
			if opened&found&-found != 0 {
				depth++
			} else if depth--; depth == 0 {
				return i + bits.TrailingZeros64(found)/8 + 1, true
			}
		}
		i += wordBytes
	}
	i, depth, _ = skipBytes(data, i, len(data), depth, text)
	return i, depth == 0
}

// skipBytes goes on from data[i] to limit, or one byte more where that one is
// escaped, or behind the bracket that makes depth 0.
func skipBytes(data []byte, i, limit, depth int, text uint64) (end, deep int, inText uint64) {
	for ; i < limit; i++ {
		c := data[i]
		switch {
		case c == '"':
			text ^= highBits
		case text != 0:
			if c == '\\' {
				i++
			}
		case c|0x20 == '{':
			depth++
		case c|0x20 == '}':
			if depth--; depth == 0 {
				return i + 1, 0, 0
			}
		}
	}
	return min(i, len(data)), depth, text
}

// zeroBytes sets the high bit of each zero byte of x, and nothing else.
func zeroBytes(x uint64) uint64 {
	const rest = ^uint64(highBits)
	return ^((x&rest + rest) | x | rest)
}
