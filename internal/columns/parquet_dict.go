package columns

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

const (
	// dictEntries and dictBytes bound a dictionary.
	dictEntries = 16 << 10
	dictBytes   = 512 << 10
	// dictTrial is how many values are looked at before a dictionary must pay:
	// fewer than half of them may be new.
	dictTrial = 4 << 10
	lenBytes  = 4
)

// dictionary numbers the distinct strings of a column.
type dictionary struct {
	on      bool
	never   bool // a trial showed that the column's values do not repeat
	seeds   [3]uint64
	table   []uint64 // open addressing: hash in the upper, entry+1 in the lower half
	entries []dictEntry
	bytes   []byte // the entries in plain encoding: length, characters
	seen    int
	last    dictEntry
	lastID  uint32
}

// dictEntry is a string by its length, its first and its last eight bytes, which
// are all of it when there are no more than 16. A shorter one is followed by zeros.
type dictEntry struct {
	head, tail uint64
	n, start   uint32 // start is where it stands in bytes
}

func (d *dictionary) reset() {
	if d == nil {
		return
	}
	if d.table == nil {
		// Who does not know the seeds cannot make strings that collide.
		d.seeds = [3]uint64{rand.Uint64(), rand.Uint64(), rand.Uint64()}
		d.table = make([]uint64, 256)
	}
	clear(d.table)
	d.entries, d.bytes = d.entries[:0], d.bytes[:0]
	d.on, d.seen, d.last, d.lastID = !d.never, 0, dictEntry{n: ^uint32(0)}, 0
}

// id gives the entry of text[from:to]; ok is false when the dictionary does not
// pay or is full.
func (d *dictionary) id(text []byte, from, to uint32) (id uint32, ok bool) {
	d.seen++
	e := entryOf(text, from, to)
	v := text[from:to]
	if e.n == d.last.n && e.head == d.last.head && e.tail == d.last.tail && (e.n <= 2*wordBytes || bytes.Equal(v, d.text(d.last))) {
		return d.lastID, true
	}
	hash := d.hash(e, v)
	mask := uint64(len(d.table) - 1)
	slot := hash >> 32 & mask
	for ; d.table[slot] != 0; slot = (slot + 1) & mask {
		found := d.table[slot]
		if found>>32 != hash>>32 {
			continue
		}
		have := d.entries[uint32(found)-1]
		if have.head == e.head && have.tail == e.tail && have.n == e.n && (e.n <= 2*wordBytes || bytes.Equal(v, d.text(have))) {
			d.last, d.lastID = have, uint32(found)-1
			return d.lastID, true
		}
	}
	return d.add(v, e, hash&^0xffffffff, slot)
}

// entryOf gives text[from:to] as an entry that is not in the dictionary yet.
func entryOf(text []byte, from, to uint32) dictEntry {
	n := to - from
	if n >= wordBytes {
		return dictEntry{head: word(text, int(from)), tail: word(text, int(to-wordBytes)), n: n}
	}
	if len(text)-int(from) >= wordBytes {
		return dictEntry{head: word(text, int(from)) & (1<<(8*n) - 1), n: n}
	}
	var buf [wordBytes]byte
	copy(buf[:], text[from:to])
	return dictEntry{head: binary.LittleEndian.Uint64(buf[:]), n: n}
}

// hash mixes the bytes of v, which e is the entry of.
func (d *dictionary) hash(e dictEntry, v []byte) uint64 {
	h := d.seeds[2] ^ uint64(e.n)
	for len(v) > 2*wordBytes {
		h = fold(word(v, 0)^d.seeds[0], word(v, wordBytes)^h)
		v = v[2*wordBytes:]
	}
	return fold(e.head^d.seeds[0], e.tail^d.seeds[1]^h)
}

// fold multiplies and gives the upper and the lower half of the product as one.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// add makes a new entry at a free slot.
func (d *dictionary) add(v []byte, e dictEntry, hash, slot uint64) (uint32, bool) {
	n := len(d.entries)
	if d.seen >= dictTrial && n >= d.seen/2 {
		d.never = true
		return 0, false
	}
	if n >= dictEntries || len(d.bytes)+lenBytes+len(v) > dictBytes {
		d.never = d.seen < 4*n
		return 0, false
	}
	e.start = uint32(len(d.bytes))
	d.last, d.lastID = e, uint32(n)
	d.table[slot] = hash | uint64(n+1)
	d.entries = append(d.entries, e)
	d.bytes = binary.LittleEndian.AppendUint32(d.bytes, uint32(len(v)))
	d.bytes = append(d.bytes, v...)
	if 2*len(d.entries) > len(d.table) {
		d.grow()
	}
	return d.lastID, true
}

func (d *dictionary) grow() {
	old := d.table
	d.table = make([]uint64, 2*len(old))
	mask := uint64(len(d.table) - 1)
	for _, e := range old {
		if e == 0 {
			continue
		}
		slot := e >> 32 & mask
		for d.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		d.table[slot] = e
	}
}

// plain gives an entry in plain encoding.
func (d *dictionary) plain(id uint32) []byte {
	e := d.entries[id]
	return d.bytes[e.start : e.start+lenBytes+e.n]
}

// text gives an entry's characters.
func (d *dictionary) text(e dictEntry) []byte {
	return d.bytes[e.start+lenBytes : e.start+lenBytes+e.n]
}

func (d *dictionary) count() int { return len(d.entries) }
func (d *dictionary) width() int { return bitsFor(len(d.entries)) }

// size is the dictionary's part of a file, before compression.
func (d *dictionary) size() int {
	if d == nil {
		return 0
	}
	return len(d.bytes)
}
