package columns

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
)

const (
	// maxTextBytes is the longest value that is read; Celonis takes MaxStringBytes.
	maxTextBytes = DefaultMaxRecord
	// maxBlockText bounds the text of one column of a block.
	maxBlockText = 128 << 20
	// unixJulian is the Julian day number of 1970-01-01.
	unixJulian = 2_440_588
	dayMillis  = 86_400_000
)

var (
	errTextTooLong  = errors.New("a value is longer than " + strconv.Itoa(maxTextBytes) + " bytes")
	errTextTooMuch  = errors.New("a block of values holds more than " + strconv.Itoa(maxBlockText) + " bytes")
	errChunkShort   = errors.New("it has fewer values than its row group has rows")
	errChunkLong    = errors.New("it has more values than its row group has rows")
	errDictionary   = errors.New("a dictionary stands behind its values")
	errDecimalWidth = errors.New("a decimal has no bytes, or more than its precision takes")
)

// chunkReader reads a column of a row group, value by value in order.
type chunkReader struct {
	leaf  *parquetLeaf
	pages pageSource
	dict  *parquetDictionary
	// dictBytes is the memory that dict points into.
	dictBytes int

	values pageValues
	levels *runs // nil when the page's values are all there
	left   int   // values of the page still to come, nulls among them
	rest   int64 // rows of the row group in later pages

	valid  []uint32
	ints   []int64
	floats []float64
	blobs  [][]byte
	text   []byte
}

// read appends the next n rows to dst.
func (c *chunkReader) read(n int, dst *Column) error {
	for n > 0 {
		if c.left == 0 {
			if err := c.nextPage(); err != nil {
				return err
			}
			continue
		}
		k := min(n, c.left)
		if err := c.append(k, dst); err != nil {
			return err
		}
		c.left -= k
		n -= k
	}
	return nil
}

// memory is what the open page and the dictionary take, in bytes.
func (c *chunkReader) memory() int {
	const header = 24 // of a slice
	n := cap(c.pages.body) + cap(c.pages.packed)
	if c.dict != nil {
		n += c.dictBytes + 8*len(c.dict.ints) + 8*len(c.dict.floats) + header*len(c.dict.blobs)
	}
	return n
}

// nextPage opens the next page of values.
func (c *chunkReader) nextPage() error {
	h, body, err := c.pages.next()
	if err == io.EOF {
		return errChunkShort
	}
	if err != nil {
		return err
	}
	switch {
	case h.kind == pageIndex:
		return nil
	case h.kind == pageDictionary:
		if c.dict != nil || c.values != nil {
			return errDictionary
		}
		// The dictionary keeps the page's memory.
		c.dictBytes = cap(c.pages.body)
		c.pages.body = nil
		c.dict, err = readDictionary(c.leaf, body, h.values)
		return err
	case !h.isData || h.values < 0:
		return errPageKind
	case int64(h.values) > c.rest:
		return errChunkLong
	}
	c.rest -= int64(h.values)
	body, err = c.openLevels(h, body)
	if err != nil {
		return err
	}
	c.left = h.values
	c.values, err = c.openValues(h, body)
	return err
}

// openLevels finds out where a page says which of its values are null.
func (c *chunkReader) openLevels(h pageHead, body []byte) ([]byte, error) {
	c.levels = nil
	var levels []byte
	if h.kind == pageDataV2 {
		levels, body = body[h.repBytes:h.repBytes+h.defBytes], body[h.repBytes+h.defBytes:]
	} else if c.leaf.optional {
		if h.levels != encodingRLE {
			return nil, errPageKind
		}
		if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
			return nil, errPageShort
		}
		n := binary.LittleEndian.Uint32(body)
		levels, body = body[4:4+n], body[4+n:]
	}
	if c.leaf.optional {
		c.levels = &runs{data: levels, width: 1}
	}
	return body, nil
}

func (c *chunkReader) openValues(h pageHead, body []byte) (pageValues, error) {
	leaf := c.leaf
	switch h.encoding {
	case encodingPlain:
		return &plainValues{data: body, physical: leaf.physical, length: leaf.length}, nil
	case encodingPlainDictionary, encodingDictionary:
		return newDictionaryValues(c.dict, body)
	case encodingRLE:
		if leaf.physical != parquetBoolean {
			return nil, errPageKind
		}
		if len(body) >= 4 {
			body = body[4:]
		}
		return &bitValues{runs: runs{data: body, width: 1}}, nil
	case encodingDeltaInts:
		if len(body) == 0 {
			return &plainValues{physical: leaf.physical}, nil
		}
		return newDeltaInts(body, leaf.physical == parquetInt32)
	case encodingDeltaLengths, encodingDeltaStrings:
		if len(body) == 0 {
			return &plainValues{physical: leaf.physical, length: leaf.length}, nil
		}
		return newDeltaBlobs(body, h.values, h.encoding == encodingDeltaStrings)
	case encodingSplit:
		return newSplitValues(leaf, body)
	}
	return nil, errPageKind
}

// append decodes n rows of the open page.
func (c *chunkReader) append(n int, dst *Column) error {
	there := n
	start := len(dst.Valid)
	if c.levels == nil {
		for range n {
			dst.Valid = append(dst.Valid, true)
		}
	} else {
		c.valid = resized(c.valid, n)
		if err := c.levels.next(c.valid); err != nil {
			return err
		}
		there = 0
		for _, v := range c.valid {
			if v > 1 {
				return errPageKind
			}
			there += int(v)
			dst.Valid = append(dst.Valid, v == 1)
		}
	}
	return c.appendValues(dst, dst.Valid[start:], there)
}

// appendValues reads the values that are there and puts one, or a zero, for
// each row.
func (c *chunkReader) appendValues(dst *Column, valid []bool, there int) error {
	switch c.leaf.physical {
	case parquetBoolean, parquetInt32, parquetInt64:
		c.ints = resized(c.ints, there)
		if err := c.values.ints(c.ints); err != nil {
			return err
		}
		return c.putInts(dst, valid)
	case parquetFloat, parquetDouble:
		c.floats = resized(c.floats, there)
		if err := c.values.floats(c.floats); err != nil {
			return err
		}
		if there == len(valid) {
			dst.Floats = append(dst.Floats, c.floats...)
			return nil
		}
		at := 0
		dst.Floats = spread(dst.Floats, valid, func() float64 { at++; return c.floats[at-1] })
		return nil
	}
	c.blobs = resized(c.blobs, there)
	if err := c.values.blobs(c.blobs); err != nil {
		return err
	}
	return c.putBlobs(dst, valid)
}

// spread appends next() for each row that is there and a zero for the others.
func spread[T int64 | float64](dst []T, valid []bool, next func() T) []T {
	for _, there := range valid {
		var v T
		if there {
			v = next()
		}
		dst = append(dst, v)
	}
	return dst
}

func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func (c *chunkReader) putInts(dst *Column, valid []bool) error {
	leaf, at := c.leaf, 0
	if leaf.means == millis {
		for i, v := range c.ints {
			c.ints[i] = inMillis(v, leaf.per)
		}
	}
	if leaf.means == unsigned {
		for i, v := range c.ints {
			c.ints[i] = int64(uint32(v))
		}
	}
	switch leaf.typ {
	case String:
		return c.putTexts(dst, valid, func() ([]byte, error) {
			at++
			return leaf.intText(c.text[:0], c.ints[at-1]), nil
		})
	case Float:
		dst.Floats = spread(dst.Floats, valid, func() float64 {
			at++
			return float64(c.ints[at-1]) / math.Pow10(leaf.scale)
		})
	default:
		if len(c.ints) == len(valid) {
			dst.Ints = append(dst.Ints, c.ints...)
			return nil
		}
		dst.Ints = spread(dst.Ints, valid, func() int64 { at++; return c.ints[at-1] })
	}
	return nil
}

func inMillis(v, per int64) int64 {
	const milli = 1_000_000
	if per >= milli {
		return v
	}
	units := milli / per
	q := v / units
	if v%units < 0 {
		q--
	}
	return q
}

// intText writes a number that is kept as text.
func (l *parquetLeaf) intText(text []byte, v int64) []byte {
	switch l.means {
	case bigUnsigned:
		return strconv.AppendUint(text, uint64(v), 10)
	case decimal:
		return appendDecimal(text, big.NewInt(v), l.scale)
	}
	return strconv.AppendInt(text, v, 10)
}

func (c *chunkReader) putBlobs(dst *Column, valid []bool) (err error) {
	leaf, at := c.leaf, 0
	next := func() []byte { at++; return c.blobs[at-1] }
	switch {
	case leaf.typ == String && leaf.means == asIs:
		return c.putPlainTexts(dst, valid)
	case leaf.typ == String:
		return c.putTexts(dst, valid, func() ([]byte, error) { return leaf.blobText(c.text[:0], next()) })
	case leaf.typ == Float:
		dst.Floats = spread(dst.Floats, valid, func() float64 {
			v, e := leaf.blobFloat(next())
			err = errors.Join(err, e)
			return v
		})
	default:
		dst.Ints = spread(dst.Ints, valid, func() int64 {
			v, e := leaf.blobInt(next())
			err = errors.Join(err, e)
			return v
		})
	}
	return err
}

// putTexts appends next() for each row that is there.
func (c *chunkReader) putTexts(dst *Column, valid []bool, next func() ([]byte, error)) error {
	for _, there := range valid {
		if there {
			text, err := next()
			switch {
			case err != nil:
				return err
			case len(text) > maxTextBytes:
				return errTextTooLong
			case len(dst.Bytes)+len(text) > maxBlockText:
				return errTextTooMuch
			}
			dst.Bytes = append(dst.Bytes, text...)
		}
		dst.Offsets = append(dst.Offsets, uint32(len(dst.Bytes)))
	}
	return nil
}

// putPlainTexts is putTexts for blobs that are texts as they stand.
func (c *chunkReader) putPlainTexts(dst *Column, valid []bool) error {
	size := 0
	for _, b := range c.blobs {
		if len(b) > maxTextBytes {
			return errTextTooLong
		}
		size += len(b)
	}
	if len(dst.Bytes)+size > maxBlockText {
		return errTextTooMuch
	}
	text, offsets, at := slices.Grow(dst.Bytes, size), slices.Grow(dst.Offsets, len(valid)), 0
	for _, there := range valid {
		if there {
			text = append(text, c.blobs[at]...)
			at++
		}
		offsets = append(offsets, uint32(len(text)))
	}
	dst.Bytes, dst.Offsets = text, offsets
	return nil
}
