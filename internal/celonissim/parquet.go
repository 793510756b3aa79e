package celonissim

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquetReadBuffer is the size of reads from a chunk.
const parquetReadBuffer = 256 << 10

// leaf is a flat Parquet column.
type leaf struct {
	sourceColumn
	index    int
	physical parquet.Kind
	unsigned bool
	optional bool
	// perMs is how many of the column's units make a millisecond.
	perMs int64
	uuid  bool
}

type parquetFile struct {
	file   *parquet.File
	leaves []leaf
}

// maxExpectedRows bounds the memory that a footer can ask for before a value was read.
const maxExpectedRows = 4 << 20

// corrupt turns a panic into an error: the library panics on some broken
// files, and a bad chunk must end its job only.
func corrupt(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("not a readable Parquet file: %v", r)
	}
}

func openParquet(r io.ReaderAt, size int64) (_ chunkFile, err error) {
	defer corrupt(&err)
	f, err := parquet.OpenFile(r, size,
		parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(parquetReadBuffer))
	if err != nil {
		return nil, fmt.Errorf("not a readable Parquet file: %w", err)
	}
	p := &parquetFile{file: f}
	for _, col := range f.Root().Columns() {
		l, err := classify(col)
		if err != nil {
			return nil, err
		}
		p.leaves = append(p.leaves, l)
	}
	return p, nil
}

func (p *parquetFile) columns() []sourceColumn {
	cols := make([]sourceColumn, len(p.leaves))
	for i, l := range p.leaves {
		cols[i] = l.sourceColumn
	}
	return cols
}

// classify finds the kind of a column; nested columns and decimals are refused.
func classify(col *parquet.Column) (leaf, error) {
	if !col.Leaf() || col.Repeated() {
		return leaf{}, fmt.Errorf("column %q is nested, which is not supported", col.Name())
	}
	l := leaf{index: col.Index(), physical: col.Type().Kind(), optional: col.Optional(), perMs: 1}
	l.name = col.Name()
	var logical format.LogicalTypeValue
	if lt := col.Type().LogicalType(); lt != nil {
		logical = lt.Value
	}
	switch l.physical {
	case parquet.Boolean:
		l.kind = Boolean
	case parquet.Float, parquet.Double:
		l.kind = Float
	case parquet.Int96:
		l.kind = DateTime
	case parquet.Int32, parquet.Int64:
		l.kind = Integer
	default:
		l.kind = String
	}
	switch t := logical.(type) {
	case *format.NullType:
		l.kind = NoKind
	case *format.DecimalType:
		return leaf{}, fmt.Errorf("column %q is a decimal, which is not supported", l.name)
	case *format.DateType:
		l.kind = Date
	case *format.TimestampType:
		l.kind, l.perMs = DateTime, unitsPerMs(t.Unit)
	case *format.TimeType:
		l.kind, l.perMs = Time, unitsPerMs(t.Unit)
	case *format.IntType:
		l.unsigned = !t.IsSigned
	case *format.UUIDType:
		l.uuid = true
	}
	return l, nil
}

func unitsPerMs(u format.TimeUnit) int64 {
	switch u.Value.(type) {
	case *format.MicroSeconds:
		return 1_000
	case *format.NanoSeconds:
		return 1_000_000
	default:
		return 1
	}
}

func (p *parquetFile) parts(pl *plan, targets []int) []partReader {
	if pl.countOnly {
		return []partReader{func(emit func(*segment) error) error {
			return emit(pl.newSegment(nil, int(p.file.NumRows())))
		}}
	}
	parts := make([]partReader, 0, len(p.file.RowGroups()))
	for _, group := range p.file.RowGroups() {
		parts = append(parts, func(emit func(*segment) error) error {
			return p.readGroup(pl, targets, group, emit)
		})
	}
	return parts
}

func (p *parquetFile) readGroup(pl *plan, targets []int, group parquet.RowGroup, emit func(*segment) error) (err error) {
	defer corrupt(&err)
	rows := int(group.NumRows())
	cols := pl.blank(targets, min(rows, maxExpectedRows))
	for i, l := range p.leaves {
		if err := readColumn(cols[targets[i]], l, group.ColumnChunks()[l.index]); err != nil {
			return fmt.Errorf("column %q: %w", l.name, err)
		}
		if got := cols[targets[i]].rows; got != rows {
			return fmt.Errorf("column %q has %d values in a group of %d rows", l.name, got, rows)
		}
	}
	return emit(pl.newSegment(cols, rows))
}
