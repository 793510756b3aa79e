package columns

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
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
	on     bool
	never  bool // a trial showed that the column's values do not repeat
	seed   maphash.Seed
	table  []uint64 // open addressing: hash in the upper, entry+1 in the lower half
	starts []uint32 // of the entries in bytes
	bytes  []byte   // the entries in plain encoding: length, characters
	seen   int
	last   uint32
}

func (d *dictionary) reset() {
	if d == nil {
		return
	}
	if d.table == nil {
		d.seed = maphash.MakeSeed()
		d.table = make([]uint64, 256)
	}
	clear(d.table)
	d.starts, d.bytes = d.starts[:0], d.bytes[:0]
	d.on, d.seen = !d.never, 0
}

// id gives the entry of v; ok is false when the dictionary does not pay or is full.
func (d *dictionary) id(v []byte) (id uint32, ok bool) {
	d.seen++
	if len(d.starts) > 0 && bytes.Equal(v, d.entry(d.last)) {
		return d.last, true
	}
	hash := maphash.Bytes(d.seed, v) &^ 0xffffffff
	mask := uint64(len(d.table) - 1)
	slot := hash >> 32 & mask
	for ; d.table[slot] != 0; slot = (slot + 1) & mask {
		if e := d.table[slot]; e&^0xffffffff == hash && bytes.Equal(v, d.entry(uint32(e)-1)) {
			d.last = uint32(e) - 1
			return d.last, true
		}
	}
	return d.add(v, hash, slot)
}

// add makes a new entry at a free slot.
func (d *dictionary) add(v []byte, hash, slot uint64) (uint32, bool) {
	n := len(d.starts)
	if d.seen >= dictTrial && n >= d.seen/2 {
		d.never = true
		return 0, false
	}
	if n >= dictEntries || len(d.bytes)+lenBytes+len(v) > dictBytes {
		d.never = d.seen < 4*n
		return 0, false
	}
	d.last = uint32(n)
	d.table[slot] = hash | uint64(n+1)
	d.starts = append(d.starts, uint32(len(d.bytes)))
	d.bytes = binary.LittleEndian.AppendUint32(d.bytes, uint32(len(v)))
	d.bytes = append(d.bytes, v...)
	if 2*len(d.starts) > len(d.table) {
		d.grow()
	}
	return d.last, true
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
	from := d.starts[id]
	n := binary.LittleEndian.Uint32(d.bytes[from:])
	return d.bytes[from : from+lenBytes+n]
}

// entry gives an entry's characters.
func (d *dictionary) entry(id uint32) []byte { return d.plain(id)[lenBytes:] }

func (d *dictionary) count() int { return len(d.starts) }
func (d *dictionary) width() int { return bitsFor(len(d.starts)) }

// size is the dictionary's part of a file, before compression.
func (d *dictionary) size() int {
	if d == nil {
		return 0
	}
	return len(d.bytes)
}
