package celonissim

// segment is a run of rows, column by column; once in a table its values do
// not change.
type segment struct {
	rows int
	// cols follow the table's columns; a missing or nil one is all null.
	cols []*column
	// changed is the load's time for _CELONIS_CHANGE_DATE, in milliseconds.
	changed int64
	// hashes and keyHashes are computed while a segment is on its way to the
	// table: of whole rows, and of the key columns.
	hashes, keyHashes []uint64
	// cut and outside count silently shortened strings and nulled instants.
	cut, outside int64
}

func (s *segment) column(i int) *column {
	if i < len(s.cols) {
		return s.cols[i]
	}
	return nil
}

// bitmap marks rows of a segment as dead; nil marks none.
type bitmap []uint64

func (b bitmap) has(i int) bool { return b != nil && b[i>>6]&(1<<(i&63)) != 0 }

// snapshot is the content of a table at one moment. A committed snapshot is
// never changed, so readers need no lock.
type snapshot struct {
	cols []ColumnInfo
	segs []*segment
	// dead[i] marks rows of segs[i] that a later row replaced or a delete removed.
	dead []bitmap
	live []int
	rows int64
	// hash is kept here by KeepHashes; with KeepValues it is computed when asked for.
	hash uint64
	// cut and outside count silently shortened strings and nulled instants.
	cut, outside int64
}

// next copies what a job may change; segments are shared.
func (s *snapshot) next() *snapshot {
	n := *s
	n.cols = append([]ColumnInfo(nil), s.cols...)
	n.segs = append([]*segment(nil), s.segs...)
	n.live = append([]int(nil), s.live...)
	n.dead = append([]bitmap(nil), s.dead...)
	return &n
}

func (s *snapshot) columnIndex(name string) int {
	for i, c := range s.cols {
		if c.Name == name {
			return i
		}
	}
	return -1
}

func (s *snapshot) add(seg *segment) {
	seg.hashes, seg.keyHashes = nil, nil
	s.segs = append(s.segs, seg)
	s.dead = append(s.dead, nil)
	s.live = append(s.live, seg.rows)
	s.rows += int64(seg.rows)
}

// count is add for a segment whose values are not kept.
func (s *snapshot) count(rows int) { s.rows += int64(rows) }

func (s *snapshot) note(seg *segment) {
	s.cut += seg.cut
	s.outside += seg.outside
}

// dropDead removes segments without a live row and says whether there was one.
func (s *snapshot) dropDead() bool {
	n := 0
	for i := range s.segs {
		if s.live[i] > 0 {
			s.segs[n], s.dead[n], s.live[n] = s.segs[i], s.dead[i], s.live[i]
			n++
		}
	}
	dropped := n < len(s.segs)
	clear(s.segs[n:])
	s.segs, s.dead, s.live = s.segs[:n], s.dead[:n], s.live[:n]
	return dropped
}

func (s *snapshot) contentHash() uint64 {
	sum := s.hash
	for i, seg := range s.segs {
		hashes := rowHashes(seg, s.cols, nil)
		for r, h := range hashes {
			if !s.dead[i].has(r) {
				sum += h
			}
		}
	}
	return sum
}
