package celonissim

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// julianEpoch is the Julian day of 1970-01-01, from which INT96 counts.
const julianEpoch = 2_440_588

var errNotUTF8 = errors.New("text is not UTF-8")

// pageReader turns the pages of one column chunk into a column.
type pageReader struct {
	leaf leaf
	to   *column
	ints []int64
	nums []float64
	text textValues
	dict dictionary
}

// textValues are strings side by side; value i is data[ends[i]:ends[i+1]].
type textValues struct {
	data []byte
	ends []uint32
}

func (t textValues) at(i int) []byte { return t.data[t.ends[i]:t.ends[i+1]] }

// dictionary holds a dictionary's values converted once.
type dictionary struct {
	of   parquet.Dictionary
	ints []int64
	nums []float64
	text textValues
}

func readColumn(to *column, l leaf, chunk parquet.ColumnChunk) error {
	pages := chunk.Pages()
	defer pages.Close()
	r := pageReader{leaf: l, to: to}
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unreadable Parquet page: %w", err)
		}
		err = r.read(page)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func (r *pageReader) read(page parquet.Page) error {
	levels := page.DefinitionLevels()
	if r.leaf.kind == NoKind {
		return r.nulls(page)
	}
	present := int(page.NumValues() - page.NumNulls())
	if d := page.Dictionary(); d != nil {
		return r.indexed(d, page.Data(), levels)
	}
	switch {
	case r.to.kind == String:
		text, err := r.strings(page.Data())
		if err != nil {
			return err
		}
		return r.addText(text, nil, levels)
	case r.to.kind == Float:
		r.nums = r.floats(r.nums[:0], page.Data(), present)
		addDense(r.to, levels, r.nums, (*column).addFloats)
	default:
		r.ints = r.integers(r.ints[:0], page.Data(), present)
		addDense(r.to, levels, r.ints, (*column).addInts)
	}
	return nil
}

func (r *pageReader) nulls(page parquet.Page) error {
	if page.NumNulls() < page.NumValues() {
		return errors.New("a column of type null holds values")
	}
	for range page.NumValues() {
		r.to.addNull()
	}
	return nil
}

// addDense spreads the values of a page over its rows, by the definition
// levels: runs of values and single nulls.
func addDense[T any](to *column, levels []byte, values []T, add func(*column, []T)) {
	start, next := 0, 0
	if len(values) < len(levels) {
		for _, level := range levels {
			if level > 0 {
				next++
				continue
			}
			add(to, values[start:next])
			start = next
			to.addNull()
		}
	}
	add(to, values[start:])
}

// addText is addDense for strings, through indexes when there are any.
func (r *pageReader) addText(text textValues, indexes []int32, levels []byte) error {
	n := len(text.ends) - 1
	if indexes != nil {
		n = len(indexes)
	}
	if indexes == nil && len(levels) <= n {
		return r.to.addStrings(text)
	}
	if err := r.reserve(text, indexes); err != nil {
		return err
	}
	next := 0
	for i := range max(n, len(levels)) {
		if n < len(levels) && levels[i] == 0 {
			r.to.addNull()
			continue
		}
		at := next
		if indexes != nil {
			at = int(indexes[next])
		}
		if err := r.to.addString(text.at(at)); err != nil {
			return err
		}
		next++
	}
	return nil
}

// reserve makes room for the texts that a page's indexes stand for.
func (r *pageReader) reserve(text textValues, indexes []int32) error {
	if indexes == nil {
		return r.to.reserve(len(text.data), len(text.ends)-1)
	}
	size := 0
	for _, i := range indexes {
		size += int(text.ends[i+1] - text.ends[i])
	}
	return r.to.reserve(size, len(indexes))
}

func (r *pageReader) indexed(d parquet.Dictionary, data encoding.Values, levels []byte) error {
	if r.dict.of != d {
		if err := r.load(d); err != nil {
			return err
		}
	}
	indexes := data.Int32()
	switch {
	case r.to.kind == String:
		return r.addText(r.dict.text, indexes, levels)
	case r.to.kind == Float:
		r.nums = lookUp(r.nums[:0], r.dict.nums, indexes)
		addDense(r.to, levels, r.nums, (*column).addFloats)
	default:
		r.ints = lookUp(r.ints[:0], r.dict.ints, indexes)
		addDense(r.to, levels, r.ints, (*column).addInts)
	}
	return nil
}

func lookUp[T any](dst, values []T, indexes []int32) []T {
	for _, i := range indexes {
		dst = append(dst, values[i])
	}
	return dst
}

func (r *pageReader) load(d parquet.Dictionary) (err error) {
	r.dict = dictionary{of: d}
	data := d.Page().Data()
	switch {
	case r.to.kind == String:
		r.dict.text, err = r.strings(data)
	case r.to.kind == Float:
		r.dict.nums = r.floats(nil, data, d.Len())
	default:
		r.dict.ints = r.integers(nil, data, d.Len())
	}
	return err
}

// strings gives the texts of byte arrays; fixed-length ones are copied.
func (r *pageReader) strings(data encoding.Values) (textValues, error) {
	if r.leaf.physical == parquet.ByteArray {
		text, offsets := data.ByteArray()
		if !utf8.Valid(text) {
			return textValues{}, errNotUTF8
		}
		if len(offsets) == 0 {
			offsets = []uint32{0}
		}
		return textValues{text, offsets}, nil
	}
	fixed, size := data.FixedLenByteArray()
	t := &r.text
	t.data, t.ends = t.data[:0], append(t.ends[:0], 0)
	for ; size > 0 && len(fixed) >= size; fixed = fixed[size:] {
		if r.leaf.uuid {
			t.data = append(t.data, uuid.UUID(fixed[:size]).String()...)
		} else {
			t.data = append(t.data, fixed[:size]...)
		}
		t.ends = append(t.ends, uint32(len(t.data)))
	}
	if !utf8.Valid(t.data) {
		return textValues{}, errNotUTF8
	}
	return *t, nil
}

func (r *pageReader) floats(dst []float64, data encoding.Values, n int) []float64 {
	switch r.leaf.physical {
	case parquet.Double:
		return append(dst, data.Double()[:n]...)
	case parquet.Float:
		for _, v := range data.Float()[:n] {
			dst = append(dst, float64(v))
		}
	default:
		r.ints = r.integers(r.ints[:0], data, n)
		for _, v := range r.ints {
			dst = append(dst, float64(v))
		}
	}
	return dst
}

// integers gives the values in the units of the column's kind.
func (r *pageReader) integers(dst []int64, data encoding.Values, n int) []int64 {
	switch r.leaf.physical {
	case parquet.Boolean:
		bits := data.Boolean()
		for i := range n {
			dst = append(dst, int64(bits[i>>3]>>(i&7)&1))
		}
		return dst
	case parquet.Int96:
		for _, v := range data.Int96()[:n] {
			nanos := int64(v[1])<<32 | int64(v[0])
			dst = append(dst, (int64(v[2])-julianEpoch)*msPerDay+nanos/1_000_000)
		}
		return dst
	case parquet.Int32:
		for _, v := range data.Int32()[:n] {
			if r.leaf.unsigned {
				dst = append(dst, int64(uint32(v)))
			} else {
				dst = append(dst, int64(v))
			}
		}
	default:
		dst = append(dst, data.Int64()[:n]...)
	}
	if per := r.leaf.perMs; per > 1 {
		for i, v := range dst {
			dst[i] = floorDiv(v, per)
		}
	}
	return dst
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
