package celonissim

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

var errColumnTooLarge = errors.New("a column of one row group is larger than 4 GiB")

// chunkFile is an opened chunk: what it says of its columns, and its rows in
// parts that can be read side by side.
type chunkFile interface {
	// columns are the chunk's own columns in their order.
	columns() []sourceColumn
	// parts gives the readers of its rows, in order. A reader hands segments
	// to emit and returns the first error, its own or emit's.
	parts(p *plan, targets []int) []partReader
}

type partReader func(emit func(*segment) error) error

// sourceColumn is a column as a chunk has it. A CSV column's kind is NoKind:
// its text takes the kind it is declared with.
type sourceColumn struct {
	name string
	kind Kind
	// text says that values are text to be parsed.
	text bool
}

// plan is what a job's chunks are loaded into.
type plan struct {
	cols    []ColumnInfo
	csv     *csvFormat
	changed int64
	// countOnly skips values.
	countOnly bool
	// pool holds columns whose memory can be used again.
	pool *sync.Pool
}

func (p *plan) newSegment(cols []*column, rows int) *segment {
	return &segment{rows: rows, cols: cols, changed: p.changed}
}

// blank is a segment's columns with builders for the targets of a chunk.
func (p *plan) blank(targets []int, rows int) []*column {
	cols := make([]*column, len(p.cols))
	for _, t := range targets {
		old, _ := p.pool.Get().(*column)
		cols[t] = newColumn(old, p.cols[t], rows)
	}
	return cols
}

// recycle takes a segment's columns away to be filled again.
func (p *plan) recycle(seg *segment) {
	for _, c := range seg.cols {
		if c != nil {
			p.pool.Put(c)
		}
	}
	seg.cols = nil
}

// match finds the plan's column for each column of a chunk, in the chunk's order.
func (p *plan) match(source []sourceColumn) ([]int, error) {
	targets := make([]int, len(source))
	for i, s := range source {
		targets[i] = -1
		for n, c := range p.cols {
			if c.Name == s.name {
				targets[i] = n
			}
		}
		if targets[i] < 0 {
			return nil, fmt.Errorf("column %q is not in the schema of the table", s.name)
		}
		if want := p.cols[targets[i]].Type; !s.text && !want.takes(s.kind) {
			return nil, fmt.Errorf("column %q is %s in the chunk and %s in the schema of the table", s.name, s.kind, want)
		}
	}
	return targets, nil
}

// openChunk opens a received file as the job's file type.
func openChunk(r io.ReaderAt, size int64, csv *csvFormat) (chunkFile, error) {
	if csv != nil {
		return openCSV(r, size, csv)
	}
	return openParquet(r, size)
}
