package columns

import (
	"encoding/binary"
	"math"
)

// The encodings that only the reader knows.
const (
	encodingPlainDictionary = 2
	encodingDeltaInts       = 5
	encodingDeltaLengths    = 6
	encodingDeltaStrings    = 7
	encodingSplit           = 9
)

// pageValues gives the values of a page in order, of the kind that the column's
// physical type has: integers (booleans as 0 and 1), floats or bytes. Bytes are
// valid until the next call.
type pageValues interface {
	ints(dst []int64) error
	floats(dst []float64) error
	blobs(dst [][]byte) error
}

// noValues is embedded for the kinds that an encoding cannot give.
type noValues struct{}

func (noValues) ints([]int64) error     { return errPageKind }
func (noValues) floats([]float64) error { return errPageKind }
func (noValues) blobs([][]byte) error   { return errPageKind }

// plainValues are values one after another.
type plainValues struct {
	data     []byte
	physical int
	length   int
	bit      int // of booleans
}

var _ pageValues = (*plainValues)(nil)

func (p *plainValues) take(n, width int) ([]byte, error) {
	if n > len(p.data)/width {
		return nil, errPageShort
	}
	out := p.data[:n*width]
	p.data = p.data[n*width:]
	return out, nil
}

func (p *plainValues) ints(dst []int64) error {
	switch p.physical {
	case parquetInt32:
		b, err := p.take(len(dst), 4)
		if err != nil {
			return err
		}
		for i := range dst {
			dst[i] = int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		}
	case parquetInt64:
		b, err := p.take(len(dst), 8)
		if err != nil {
			return err
		}
		for i := range dst {
			dst[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
	case parquetBoolean:
		if len(dst) > 8*len(p.data)-p.bit {
			return errPageShort
		}
		for i := range dst {
			dst[i] = int64(p.data[p.bit>>3] >> (p.bit & 7) & 1)
			p.bit++
		}
	default:
		return errPageKind
	}
	return nil
}

func (p *plainValues) floats(dst []float64) error {
	switch p.physical {
	case parquetFloat:
		b, err := p.take(len(dst), 4)
		if err != nil {
			return err
		}
		for i := range dst {
			dst[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		}
	case parquetDouble:
		b, err := p.take(len(dst), 8)
		if err != nil {
			return err
		}
		for i := range dst {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		}
	default:
		return errPageKind
	}
	return nil
}

func (p *plainValues) blobs(dst [][]byte) error {
	width := p.length
	switch p.physical {
	case parquetByteArray:
		for i := range dst {
			if len(p.data) < 4 {
				return errPageShort
			}
			n := binary.LittleEndian.Uint32(p.data)
			if uint64(n) > uint64(len(p.data)-4) {
				return errPageShort
			}
			dst[i] = p.data[4 : 4+n]
			p.data = p.data[4+n:]
		}
		return nil
	case parquetInt96:
		width = 12
	case parquetFixed:
	default:
		return errPageKind
	}
	b, err := p.take(len(dst), width)
	if err != nil {
		return err
	}
	for i := range dst {
		dst[i] = b[i*width : (i+1)*width]
	}
	return nil
}

// parquetDictionary is the distinct values of a column.
type parquetDictionary struct {
	ints   []int64
	floats []float64
	blobs  [][]byte
}

// maxDictionary bounds the values of a dictionary.
const maxDictionary = 1 << 22

// readDictionary reads n values; data is kept.
func readDictionary(leaf *parquetLeaf, data []byte, n int) (*parquetDictionary, error) {
	least := 1
	switch leaf.physical {
	case parquetInt32, parquetFloat, parquetByteArray:
		least = 4
	case parquetInt64, parquetDouble:
		least = 8
	case parquetInt96:
		least = 12
	case parquetFixed:
		least = leaf.length
	}
	if n > maxDictionary {
		return nil, errPageTooLarge
	}
	if n < 0 || n > len(data)/least {
		return nil, errPageShort
	}
	d := &parquetDictionary{}
	p := &plainValues{data: data, physical: leaf.physical, length: leaf.length}
	switch leaf.physical {
	case parquetInt32, parquetInt64:
		d.ints = make([]int64, n)
		return d, p.ints(d.ints)
	case parquetFloat, parquetDouble:
		d.floats = make([]float64, n)
		return d, p.floats(d.floats)
	case parquetBoolean:
		return nil, errPageKind
	}
	d.blobs = make([][]byte, n)
	return d, p.blobs(d.blobs)
}

// dictionaryValues are places in a dictionary.
type dictionaryValues struct {
	dict  *parquetDictionary
	runs  runs
	index []uint32
}

var _ pageValues = (*dictionaryValues)(nil)

func newDictionaryValues(dict *parquetDictionary, data []byte) (*dictionaryValues, error) {
	if dict == nil {
		return nil, errPageKind
	}
	if len(data) == 0 { // a page of nulls
		return &dictionaryValues{dict: dict}, nil
	}
	if data[0] > 32 {
		return nil, errPageKind
	}
	return &dictionaryValues{dict: dict, runs: runs{data: data[1:], width: uint(data[0])}}, nil
}

func (d *dictionaryValues) places(n, size int) ([]uint32, error) {
	if cap(d.index) < n {
		d.index = make([]uint32, n)
	}
	index := d.index[:n]
	if err := d.runs.next(index); err != nil {
		return nil, err
	}
	for _, i := range index {
		if uint64(i) >= uint64(size) {
			return nil, errPageKind
		}
	}
	return index, nil
}

func (d *dictionaryValues) ints(dst []int64) error { return lookUp(d, dst, d.dict.ints) }

func (d *dictionaryValues) floats(dst []float64) error { return lookUp(d, dst, d.dict.floats) }

func (d *dictionaryValues) blobs(dst [][]byte) error { return lookUp(d, dst, d.dict.blobs) }

func lookUp[T any](d *dictionaryValues, dst, values []T) error {
	index, err := d.places(len(dst), len(values))
	if err != nil {
		return err
	}
	for i, at := range index {
		dst[i] = values[at]
	}
	return nil
}

// bitValues are booleans in runs.
type bitValues struct {
	noValues
	runs  runs
	index []uint32
}

func (b *bitValues) ints(dst []int64) error {
	if cap(b.index) < len(dst) {
		b.index = make([]uint32, len(dst))
	}
	index := b.index[:len(dst)]
	if err := b.runs.next(index); err != nil {
		return err
	}
	for i, v := range index {
		dst[i] = int64(v)
	}
	return nil
}

// splitValues are values whose first bytes stand together, then the second
// ones, and so on.
type splitValues struct {
	data     []byte
	physical int
	width    int
	at, n    int
	buf      []byte
}

func newSplitValues(leaf *parquetLeaf, data []byte) (*splitValues, error) {
	s := &splitValues{data: data, physical: leaf.physical}
	switch leaf.physical {
	case parquetInt32, parquetFloat:
		s.width = 4
	case parquetInt64, parquetDouble:
		s.width = 8
	case parquetFixed:
		s.width = leaf.length
	default:
		return nil, errPageKind
	}
	s.n = len(data) / s.width
	return s, nil
}

// plain joins the bytes of the next n values.
func (s *splitValues) plain(n int) (*plainValues, error) {
	if n > s.n-s.at {
		return nil, errPageShort
	}
	s.buf = make([]byte, n*s.width)
	for i := range n {
		for k := range s.width {
			s.buf[i*s.width+k] = s.data[k*s.n+s.at+i]
		}
	}
	s.at += n
	return &plainValues{data: s.buf, physical: s.physical, length: s.width}, nil
}

func (s *splitValues) ints(dst []int64) error {
	p, err := s.plain(len(dst))
	if err != nil {
		return err
	}
	return p.ints(dst)
}

func (s *splitValues) floats(dst []float64) error {
	p, err := s.plain(len(dst))
	if err != nil {
		return err
	}
	return p.floats(dst)
}

func (s *splitValues) blobs(dst [][]byte) error {
	p, err := s.plain(len(dst))
	if err != nil {
		return err
	}
	return p.blobs(dst)
}
