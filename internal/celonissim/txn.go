package celonissim

import (
	"math"
)

// txn is one job's change of a table. Nothing of it is seen before its
// snapshot is put in the table's place; dropping it undoes everything.
type txn struct {
	keep Keep
	snap *snapshot
	// own marks the dead bitmaps that this txn has copied and may write.
	own   map[uint32]bool
	index *keyIndex
	// order is the column whose highest value wins among equal keys, or -1.
	order int
	// fill says that a chunk's missing columns keep the values they have.
	fill bool
}

// append adds rows without looking at keys.
func (t *txn) append(seg *segment) {
	t.snap.note(seg)
	switch t.keep {
	case KeepValues:
		t.snap.add(seg)
	case KeepHashes:
		for _, h := range seg.hashes {
			t.snap.hash += h
		}
		t.snap.count(seg.rows)
	default:
		t.snap.count(seg.rows)
	}
}

// upsert adds rows and kills those of the same key: the last one wins, or the
// one with the highest order value.
func (t *txn) upsert(seg *segment) error {
	switch t.keep {
	case KeepValues:
		return t.upsertValues(seg)
	case KeepHashes:
		t.upsertHashes(seg)
	default:
		t.append(seg)
	}
	return nil
}

func (t *txn) upsertValues(seg *segment) error {
	hashes := seg.keyHashes
	if t.fill {
		if err := t.fillMissing(seg, hashes); err != nil {
			return err
		}
	}
	t.snap.note(seg)
	t.snap.add(seg)
	number := uint32(len(t.snap.segs) - 1)
	for i, h := range hashes {
		here := place{number, uint32(i)}
		e := t.index.find(h, t.snap, seg, i)
		switch {
		case e == nil:
			t.index.add(entry{hash: h, at: here, live: true})
		case !e.live:
			e.at, e.live = here, true
		case t.beats(e.at, here):
			t.kill(here)
		default:
			t.killAll(e)
			e.at = here
		}
	}
	return nil
}

// beats says whether the row held wins over the new one by the order column.
func (t *txn) beats(held, fresh place) bool {
	if t.order < 0 {
		return false
	}
	a, b := t.snap.segs[held.seg].column(t.order), t.snap.segs[fresh.seg].column(t.order)
	return compareCells(a, int(held.row), b, int(fresh.row)) > 0
}

// fillMissing gives the columns that a chunk lacks the values of the rows it replaces.
func (t *txn) fillMissing(seg *segment, hashes []uint64) error {
	for n, info := range t.snap.cols {
		if seg.column(n) != nil {
			continue
		}
		c := newColumn(nil, info, seg.rows)
		for i, h := range hashes {
			e := t.index.find(h, t.snap, seg, i)
			if e == nil || !e.live {
				c.addNull()
				continue
			}
			if err := c.addFrom(t.snap.segs[e.at.seg].column(n), int(e.at.row)); err != nil {
				return err
			}
		}
		for len(seg.cols) <= n {
			seg.cols = append(seg.cols, nil)
		}
		seg.cols[n] = c
	}
	return nil
}

func (t *txn) upsertHashes(seg *segment) {
	keys, rows := seg.keyHashes, seg.hashes
	t.snap.note(seg)
	for i, h := range keys {
		order := t.orderValue(seg, i)
		e := t.index.find(h, nil, nil, 0)
		switch {
		case e == nil:
			t.index.add(entry{hash: h, row: rows[i], order: order, live: true})
			t.snap.rows++
			t.snap.hash += rows[i]
		case !e.live:
			e.row, e.order, e.live = rows[i], order, true
			t.snap.rows++
			t.snap.hash += rows[i]
		case t.order >= 0 && e.order > order:
		default:
			t.snap.hash += rows[i] - e.row
			e.row, e.order = rows[i], order
		}
	}
}

// orderValue maps a cell of the order column to an integer of the same order.
func (t *txn) orderValue(seg *segment, i int) int64 {
	if t.order < 0 {
		return 0
	}
	c := seg.column(t.order)
	switch {
	case c.null(i):
		return math.MinInt64
	case c.kind == Float:
		bits := int64(math.Float64bits(c.floats[i]))
		return bits ^ int64(uint64(bits>>63)>>1)
	default:
		return c.ints[i]
	}
}

// remove deletes the rows whose keys are in seg; keys not in the table are passed over.
func (t *txn) remove(seg *segment) {
	if t.keep == KeepCounts {
		return
	}
	snap := t.snap
	if t.keep == KeepHashes {
		snap = nil
	}
	for i, h := range seg.keyHashes {
		e := t.index.find(h, snap, seg, i)
		if e == nil || !e.live {
			continue
		}
		e.live = false
		if t.keep == KeepValues {
			t.killAll(e)
			continue
		}
		t.snap.rows--
		t.snap.hash -= e.row
	}
}

// killAll removes every row of a key.
func (t *txn) killAll(e *entry) {
	t.kill(e.at)
	for _, at := range t.index.twins[e.at] {
		t.kill(at)
	}
	delete(t.index.twins, e.at)
}

func (t *txn) kill(at place) {
	s := t.snap
	if !t.own[at.seg] {
		fresh := make(bitmap, (s.segs[at.seg].rows+63)/64)
		copy(fresh, s.dead[at.seg])
		s.dead[at.seg] = fresh
		t.own[at.seg] = true
	}
	s.dead[at.seg][at.row>>6] |= 1 << (at.row & 63)
	s.live[at.seg]--
	s.rows--
}

// indexSnapshot builds the index of what a table holds before the job.
func (t *txn) indexSnapshot(keys []int) {
	t.index = newKeyIndex(keys, int(t.snap.rows))
	for n, seg := range t.snap.segs {
		for i, h := range rowHashes(seg, t.snap.cols, keys) {
			if t.snap.dead[n].has(i) {
				continue
			}
			here := place{uint32(n), uint32(i)}
			e := t.index.find(h, t.snap, seg, i)
			if e == nil {
				t.index.add(entry{hash: h, at: here, live: true})
				continue
			}
			t.index.twins[here] = append(t.index.twins[e.at], e.at)
			delete(t.index.twins, e.at)
			e.at = here
		}
	}
}
