package columns

import "encoding/binary"

// runs reads numbers of a fixed width that are written as runs of one number
// and as packed bits (Parquet's RLE hybrid).
type runs struct {
	data  []byte
	width uint
	// left numbers are still to come: equal ones of a run, or packed ones from bit on.
	left   uint64
	packed bool
	value  uint32
	bit    uint64
	bits   []byte
}

// next fills dst.
func (r *runs) next(dst []uint32) error {
	for len(dst) > 0 {
		if r.left == 0 {
			if err := r.open(); err != nil {
				return err
			}
			continue
		}
		n := int(min(uint64(len(dst)), r.left))
		if r.packed {
			r.unpack(dst[:n])
		} else {
			for i := range dst[:n] {
				dst[i] = r.value
			}
		}
		r.left -= uint64(n)
		dst = dst[n:]
	}
	return nil
}

// open begins the next run.
func (r *runs) open() error {
	head, n := binary.Uvarint(r.data)
	if n <= 0 {
		return errPageShort
	}
	r.data = r.data[n:]
	if r.packed = head&1 == 1; r.packed {
		groups := head >> 1
		// The last group may be cut where no number of it is used.
		size := groups * uint64(r.width)
		if groups > uint64(len(r.data))*8+8 || size > uint64(len(r.data))+uint64(r.width) {
			return errPageShort
		}
		size = min(size, uint64(len(r.data)))
		r.bits, r.bit, r.left = r.data[:size], 0, groups*8
		if r.width > 0 {
			r.left = min(r.left, size*8/uint64(r.width))
		}
		r.data = r.data[size:]
	} else {
		size := int(r.width+7) / 8
		if size > len(r.data) {
			return errPageShort
		}
		r.value = 0
		for i := range size {
			r.value |= uint32(r.data[i]) << (8 * i)
		}
		r.data = r.data[size:]
		r.left = head >> 1
	}
	if r.left == 0 {
		return errPageShort
	}
	return nil
}

func (r *runs) unpack(dst []uint32) {
	mask := uint64(1)<<r.width - 1
	for i := range dst {
		at := r.bit >> 3
		var word uint64
		if at+8 <= uint64(len(r.bits)) {
			word = binary.LittleEndian.Uint64(r.bits[at:])
		} else {
			for k, b := range r.bits[at:] {
				word |= uint64(b) << (8 * k)
			}
		}
		dst[i] = uint32(word >> (r.bit & 7) & mask)
		r.bit += uint64(r.width)
	}
}

// deltaInts are differences in blocks of packed bits (DELTA_BINARY_PACKED).
type deltaInts struct {
	noValues
	data      []byte
	short     bool // values of 32 bits
	left      int  // values still to come
	value     int64
	first     bool // value is yet to be given
	perMini   int
	minis     int
	least     int64
	widths    []byte
	mini      int
	miniLeft  int
	miniBits  []byte
	miniWidth uint
	bit       uint64
}

// maxDeltaBlock bounds the values of a block of differences.
const maxDeltaBlock = 1 << 20

func newDeltaInts(data []byte, short bool) (*deltaInts, error) {
	d := &deltaInts{short: short, first: true}
	var head [3]uint64
	for i := range head {
		v, n := binary.Uvarint(data)
		if n <= 0 || v > 1<<31 {
			return nil, errPageShort
		}
		head[i], data = v, data[n:]
	}
	first, n := binary.Varint(data)
	if n <= 0 {
		return nil, errPageShort
	}
	block, minis := head[0], head[1]
	if block == 0 || block > maxDeltaBlock || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 {
		return nil, errPageKind
	}
	d.data, d.left, d.value = data[n:], int(head[2]), first
	d.minis, d.perMini = int(minis), int(block/minis)
	d.mini = d.minis
	return d, nil
}

func (d *deltaInts) ints(dst []int64) error {
	if len(dst) > d.left {
		return errPageShort
	}
	for i := range dst {
		if d.first {
			d.first = false
		} else {
			if d.miniLeft == 0 {
				if err := d.openMini(); err != nil {
					return err
				}
			}
			d.value += d.least + int64(d.delta())
			d.miniLeft--
		}
		if d.short {
			d.value = int64(int32(d.value))
		}
		dst[i] = d.value
	}
	d.left -= len(dst)
	return nil
}

// openMini begins the next small block, and the next block where it must.
func (d *deltaInts) openMini() error {
	if d.mini == d.minis {
		least, n := binary.Varint(d.data)
		if n <= 0 || len(d.data)-n < d.minis {
			return errPageShort
		}
		d.least, d.widths, d.data, d.mini = least, d.data[n:n+d.minis], d.data[n+d.minis:], 0
	}
	d.miniWidth = uint(d.widths[d.mini])
	if d.miniWidth > 64 {
		return errPageKind
	}
	size := d.perMini * int(d.miniWidth) / 8
	if size > len(d.data) {
		return errPageShort
	}
	d.miniBits, d.data = d.data[:size], d.data[size:]
	d.mini++
	d.miniLeft, d.bit = d.perMini, 0
	return nil
}

func (d *deltaInts) delta() uint64 {
	var v uint64
	for got := uint(0); got < d.miniWidth; {
		at := d.bit >> 3
		if at >= uint64(len(d.miniBits)) {
			return v
		}
		shift := uint(d.bit & 7)
		n := min(8-shift, d.miniWidth-got)
		v |= uint64(d.miniBits[at]>>shift) & (1<<n - 1) << got
		got += n
		d.bit += uint64(n)
	}
	return v
}

// deltaBlobs are texts whose lengths, and where prefixes is set the lengths of
// what they share with the text before, are written as differences.
type deltaBlobs struct {
	noValues
	data     []byte
	prefixes []int64
	lengths  []int64
	at       int
	before   []byte
	arena    []byte
}

func newDeltaBlobs(data []byte, values int, withPrefixes bool) (*deltaBlobs, error) {
	d := &deltaBlobs{}
	var err error
	if withPrefixes {
		if d.prefixes, data, err = readDeltas(data, values); err != nil {
			return nil, err
		}
	}
	if d.lengths, data, err = readDeltas(data, values); err != nil {
		return nil, err
	}
	if withPrefixes && len(d.prefixes) != len(d.lengths) {
		return nil, errPageKind
	}
	d.data = data
	return d, nil
}

// maxDeltaValues bounds the texts of a page whose lengths are read ahead.
const maxDeltaValues = 1 << 22

func readDeltas(data []byte, values int) (lengths []int64, rest []byte, err error) {
	d, err := newDeltaInts(data, true)
	if err != nil {
		return nil, nil, err
	}
	if d.left > values || d.left > maxDeltaValues {
		return nil, nil, errPageKind
	}
	lengths = make([]int64, d.left)
	if err := d.ints(lengths); err != nil {
		return nil, nil, err
	}
	return lengths, d.data, nil
}

func (d *deltaBlobs) blobs(dst [][]byte) error {
	if len(dst) > len(d.lengths)-d.at {
		return errPageShort
	}
	d.arena = d.arena[:0]
	for i := range dst {
		n := d.lengths[d.at]
		if n < 0 || n > int64(len(d.data)) {
			return errPageShort
		}
		v := d.data[:n]
		d.data = d.data[n:]
		if d.prefixes != nil {
			shared := d.prefixes[d.at]
			if shared < 0 || shared > int64(len(d.before)) {
				return errPageShort
			}
			if len(d.arena)+int(shared)+int(n) > maxPageBytes {
				return errPageTooLarge
			}
			start := len(d.arena)
			d.arena = append(append(d.arena, d.before[:shared]...), v...)
			v = d.arena[start:len(d.arena):len(d.arena)]
			d.before = v
		}
		dst[i] = v
		d.at++
	}
	if d.prefixes != nil {
		d.before = append([]byte(nil), d.before...)
	}
	return nil
}
