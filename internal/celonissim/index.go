package celonissim

// place is a row: segment number and row in it.
type place struct{ seg, row uint32 }

// entry is what is known of a key.
type entry struct {
	hash uint64
	// at is the row that holds the key; it stays readable when dead.
	at place
	// row and order are the row's hash and order value where values are not kept.
	row   uint64
	order int64
	live  bool
}

// keyIndex finds the entry of a key: a hash table with open addressing whose
// slots hold the upper half of the hash and the entry's number plus one. With
// values kept, different keys of one hash are told apart by their cells.
type keyIndex struct {
	keys   []int
	slots  []uint64
	blocks [][]entry
	count  int
	// twins are further rows of the key of an entry, by the entry's own row;
	// they were loaded without looking at keys.
	twins map[place][]place
}

const (
	// minSlots is the size of an empty index's table, a power of two.
	minSlots = 1 << 10
	// Entries are kept in blocks of a power of two, so that growing copies none.
	blockBits = 12
	blockSize = 1 << blockBits
)

func newKeyIndex(keys []int, rows int) *keyIndex {
	size := minSlots
	for size < 2*rows {
		size *= 2
	}
	return &keyIndex{keys: keys, slots: make([]uint64, size), twins: make(map[place][]place)}
}

// find gives the entry of the key of seg's row i, or nil. Without a snapshot
// the hash alone decides.
func (x *keyIndex) find(hash uint64, snap *snapshot, seg *segment, i int) *entry {
	mask := uint64(len(x.slots) - 1)
	for at := hash & mask; x.slots[at] != 0; at = (at + 1) & mask {
		slot := x.slots[at]
		if slot>>32 != hash>>32 {
			continue
		}
		e := x.entry(int(uint32(slot)) - 1)
		if e.hash == hash && (snap == nil || x.same(snap.segs[e.at.seg], int(e.at.row), seg, i)) {
			return e
		}
	}
	return nil
}

func (x *keyIndex) same(a *segment, i int, b *segment, j int) bool {
	for _, k := range x.keys {
		if compareCells(a.column(k), i, b.column(k), j) != 0 {
			return false
		}
	}
	return true
}

func (x *keyIndex) entry(n int) *entry { return &x.blocks[n>>blockBits][n&(blockSize-1)] }

// add makes an entry for a key that has none.
func (x *keyIndex) add(e entry) {
	if 2*(x.count+1) > len(x.slots) {
		x.slots = make([]uint64, 2*len(x.slots))
		for n := range x.count {
			x.put(n)
		}
	}
	if x.count&(blockSize-1) == 0 {
		x.blocks = append(x.blocks, make([]entry, blockSize))
	}
	*x.entry(x.count) = e
	x.put(x.count)
	x.count++
}

func (x *keyIndex) put(n int) {
	hash, mask := x.entry(n).hash, uint64(len(x.slots)-1)
	at := hash & mask
	for x.slots[at] != 0 {
		at = (at + 1) & mask
	}
	x.slots[at] = hash>>32<<32 | uint64(n+1)
}
