package celonissim

import (
	"iter"
	"slices"
	"sort"
	"sync"
)

// ChangeDateColumn is the column that the platform adds to every table: the
// UTC time of the load. It is left out of what is read back unless asked for.
const ChangeDateColumn = "_CELONIS_CHANGE_DATE"

// tableKey names a table: the data connection whose schema holds it ("" is
// the pool's own) and its name.
type tableKey struct{ connection, name string }

// table is what the server keeps of a table; its fields are guarded by the server's mutex.
type table struct {
	key  tableKey
	snap *snapshot
	// index belongs to snap and is taken by the job that works on the table.
	index *keyIndex
	bytes int64
	jobs  int
}

// Table is a table's content as it was when it was asked for; later loads do
// not change it. Its methods may be called from several goroutines.
type Table struct {
	name, pool, connection string
	bytes                  int64
	jobs                   int
	snap                   *snapshot

	once   sync.Once
	starts []int
	alive  [][]uint32
}

// Name is the table's name.
func (t *Table) Name() string { return t.name }

// Connection is the id of the data connection whose schema holds the table, or "".
func (t *Table) Connection() string { return t.connection }

// Rows is the number of rows.
func (t *Table) Rows() int { return int(t.snap.rows) }

// Columns describes the columns, without the change date.
func (t *Table) Columns() []ColumnInfo { return slices.Clone(t.snap.cols) }

// BytesReceived is the size of the chunk files of all jobs that loaded the table.
func (t *Table) BytesReceived() int64 { return t.bytes }

// Jobs is the number of jobs that loaded the table.
func (t *Table) Jobs() int { return t.jobs }

// CutValues is the number of strings that were silently cut to their column's
// length by the loads that made this content.
func (t *Table) CutValues() int64 { return t.snap.cut }

// NulledInstants is the number of dates and timestamps outside of the years
// 1400 to 9999 that silently became null.
func (t *Table) NulledInstants() int64 { return t.snap.outside }

// Hash is the content hash described in the package comment. With KeepCounts
// it is 0.
func (t *Table) Hash() uint64 { return t.snap.contentHash() }

// Value gives the canonical text of a value; null is true, and the text empty,
// where there is none. ChangeDateColumn may be asked for. It panics where the
// column or row does not exist, and for a server that keeps no values.
func (t *Table) Value(col string, row int) (text string, null bool) {
	n := t.column(col)
	seg, i := t.at(row)
	b, null := cellText(nil, seg, n, i)
	return string(b), null
}

// All yields the rows in the order of their arrival.
func (t *Table) All() iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		n := 0
		for s, seg := range t.snap.segs {
			for i := range seg.rows {
				if t.snap.dead[s].has(i) {
					continue
				}
				if !yield(n, Row{table: t, seg: seg, row: i}) {
					return
				}
				n++
			}
		}
	}
}

// Row is one row of a Table.
type Row struct {
	table *Table
	seg   *segment
	row   int
}

// Value is Table.Value of this row.
func (r Row) Value(col string) (text string, null bool) {
	b, null := cellText(nil, r.seg, r.table.column(col), r.row)
	return string(b), null
}

const changeDateIndex = -1

func (t *Table) column(name string) int {
	if name == ChangeDateColumn {
		return changeDateIndex
	}
	n := t.snap.columnIndex(name)
	if n < 0 {
		panic("celonissim: no column " + name + " in table " + t.name)
	}
	return n
}

func cellText(dst []byte, seg *segment, col, row int) ([]byte, bool) {
	if col == changeDateIndex {
		return appendInstant(dst, seg.changed), false
	}
	c := seg.column(col)
	return c.appendText(dst, row), c.null(row)
}

// at finds the segment and the place in it of the n-th living row.
func (t *Table) at(n int) (*segment, int) {
	t.once.Do(t.locate)
	s := sort.Search(len(t.starts), func(i int) bool { return t.starts[i] > n }) - 1
	i := n - t.starts[s]
	if t.alive[s] != nil {
		i = int(t.alive[s][i])
	}
	return t.snap.segs[s], i
}

func (t *Table) locate() {
	n := 0
	t.alive = make([][]uint32, len(t.snap.segs))
	for s, seg := range t.snap.segs {
		t.starts = append(t.starts, n)
		n += t.snap.live[s]
		if t.snap.dead[s] == nil {
			continue
		}
		t.alive[s] = make([]uint32, 0, t.snap.live[s])
		for i := range seg.rows {
			if !t.snap.dead[s].has(i) {
				t.alive[s] = append(t.alive[s], uint32(i))
			}
		}
	}
}

// Sorted gives the row numbers in the order of a column's values, null first,
// equal values in the order of arrival.
func (t *Table) Sorted(col string) []int {
	n := t.column(col)
	rows := make([]int, t.Rows())
	for i := range rows {
		rows[i] = i
	}
	if n == changeDateIndex {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b int) int {
		sa, i := t.at(a)
		sb, j := t.at(b)
		return compareCells(sa.column(n), i, sb.column(n), j)
	})
	return rows
}
