package columns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/celonis-connector/connector/internal/fault"
)

// FormatParquet is a Parquet file of flat columns; OpenParquet reads it.
const FormatParquet Format = "parquet"

const (
	// parquetBlockRows and parquetBlockBytes are what a block holds, about.
	parquetBlockRows  = 8192
	parquetBlockBytes = 4 << 20
	// maxParquetMemory bounds the pages and dictionaries that are open at once.
	maxParquetMemory = 256 << 20
)

// ParquetReader reads the columns of a Parquet file into typed blocks. Next,
// Peek, Seek and Close belong to one goroutine; the other methods may be called
// from any.
//
// Text, enum, JSON and UUID columns are String; integers up to 63 bits Integer;
// unsigned 64-bit integers String; FLOAT, DOUBLE and FLOAT16 Float; DATE Date;
// TIME Time; TIMESTAMP and INT96 DateTime, cut to the millisecond, one that is
// not adjusted to UTC taken as written; decimals Integer without a fraction and
// up to 18 digits, Float up to 15 digits and else String, so that no digit is
// lost. Groups, lists, maps and binary data are refused.
type ParquetReader struct {
	r      io.ReaderAt
	size   int64
	bytes  atomic.Int64
	footer *parquetFooter
	schema Schema
	names  []string
	leaves []int // of each column, its place in the footer's leaves
	unpack unpacker
	free   batchList

	group  int   // the next row group
	row    int64 // rows before the next block
	inRow  int64 // rows of the open row group still to come
	open   []*chunkReader
	seq    int
	peeked []Block
	err    error
}

// OpenParquet reads the metadata of a Parquet file of size bytes. want names the
// columns that are needed; nil means every column. A file that is damaged,
// cut or encrypted is refused with SourceFormat or SourceTruncated before
// anything is allocated that its metadata claim; faults SourceUnsupported, which
// names the column, SourceTooManyCols, SourceEmpty and SourceRead too.
func OpenParquet(r io.ReaderAt, size int64, want []string) (p *ParquetReader, err error) {
	defer recoverParquet(&err)
	if size == 0 {
		return nil, fault.New(fault.SourceEmpty, "the source is empty")
	}
	p = &ParquetReader{size: size}
	p.r = countingReaderAt{r, &p.bytes}
	if p.footer, err = readFooter(p.r, size); err != nil {
		return nil, err
	}
	if err := p.choose(want); err != nil {
		return nil, err
	}
	return p, nil
}

// recoverParquet turns a slip of the reader on damaged bytes into a fault.
func recoverParquet(err *error) {
	if r := recover(); r != nil {
		*err = fault.Wrap(fmt.Errorf("%v", r), fault.SourceFormat, "the Parquet file is damaged")
	}
}

type countingReaderAt struct {
	io.ReaderAt
	n *atomic.Int64
}

// ReadAt implements io.ReaderAt.
func (c countingReaderAt) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.n.Add(int64(n))
	return n, err
}

// choose settles the columns.
func (p *ParquetReader) choose(want []string) error {
	var refused []string
	for i, leaf := range p.footer.leaves {
		switch {
		case want != nil && !slices.Contains(want, leaf.name), slices.Contains(p.names, leaf.name):
			continue
		case leaf.unsupported != "":
			if what := fmt.Sprintf("%q (%s)", leaf.name, leaf.unsupported); !slices.Contains(refused, what) {
				refused = append(refused, what)
			}
			continue
		}
		p.names = append(p.names, leaf.name)
		p.leaves = append(p.leaves, i)
		p.schema = append(p.schema, Field{Name: leaf.name, Type: leaf.typ, Length: MaxStringBytes})
	}
	if len(refused) > 0 {
		const most = 10
		hint := "give the flow a mapping of the other columns, or write flat columns of text, numbers, dates and times"
		return fault.New(fault.SourceUnsupported, "a table cannot hold the Parquet columns %s", strings.Join(refused[:min(most, len(refused))], ", ")).WithHint("%s", hint)
	}
	if len(p.names) > MaxColumns {
		return tooManyFields(len(p.names))
	}
	if want == nil && len(p.names) == 0 {
		return fault.New(fault.SourceFormat, "the Parquet file has no columns")
	}
	return nil
}

// Names lists the columns.
func (p *ParquetReader) Names() []string { return slices.Clone(p.names) }

// Schema tells the columns' types; the length of a String is not known and the longest there is.
func (p *ParquetReader) Schema() Schema { return slices.Clone(p.schema) }

// InputBytes is the number of bytes read of the file, at most its size though
// page headers are read more than once.
func (p *ParquetReader) InputBytes() int64 { return min(p.bytes.Load(), p.size) }

// Close frees what decompression holds; it does not close the file.
func (p *ParquetReader) Close() error {
	p.unpack.close()
	p.unpack = unpacker{}
	return nil
}

// Decode is for sources of text.
func (p *ParquetReader) Decode(Block, *Raw) error {
	return fault.New(fault.Internal, "a Parquet block holds no text")
}

// DecodeTyped gives the records of a block, which belong to it.
func (p *ParquetReader) DecodeTyped(b Block) *Batch { return b.typed }

// Release gives a block's memory back for a later one.
func (p *ParquetReader) Release(b Block) { p.free.put(b.typed) }

// Peek gives up to n of the next blocks, which Next will still deliver.
func (p *ParquetReader) Peek(ctx context.Context, n int) ([]Block, error) {
	for len(p.peeked) < n {
		b, err := p.read(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		p.peeked = append(p.peeked, b)
	}
	return slices.Clone(p.peeked[:min(n, len(p.peeked))]), nil
}

// Next gives the next block, io.EOF after the last one, the context's error
// when that has ended, or a *fault.Error that names column and row group.
func (p *ParquetReader) Next(ctx context.Context) (Block, error) {
	if len(p.peeked) > 0 {
		b := p.peeked[0]
		p.peeked = append(p.peeked[:0], p.peeked[1:]...)
		return b, nil
	}
	return p.read(ctx)
}

// Seek makes Next go on with the block of number blocks, which begins at row
// offset; whole row groups before it are not read. Fault SourceChanged when the
// file has fewer rows.
func (p *ParquetReader) Seek(ctx context.Context, blocks int, offset int64) (err error) {
	defer recoverParquet(&err)
	for _, b := range p.peeked {
		p.Release(b)
	}
	p.peeked, p.open, p.inRow, p.group, p.row, p.err = nil, nil, 0, 0, 0, nil
	if offset > p.footer.rows || offset < 0 {
		return fault.New(fault.SourceChanged, "the source has changed since its checkpoint")
	}
	for p.group < len(p.footer.groups) && p.row+p.footer.groups[p.group].rows <= offset {
		p.row += p.footer.groups[p.group].rows
		p.group++
	}
	for p.row < offset {
		b, err := p.block(ctx, offset-p.row)
		if err != nil {
			return err
		}
		p.Release(b)
	}
	p.seq = blocks
	return nil
}

// read gives the next block. The first fault is final.
func (p *ParquetReader) read(ctx context.Context) (b Block, err error) {
	if p.err != nil {
		return Block{}, p.err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			p.err = err
		}
	}()
	defer recoverParquet(&err)
	return p.block(ctx, parquetBlockRows)
}

// block reads up to most rows. The number of rows depends on nothing but the
// rows themselves, so that blocks are the same whenever the file is read.
func (p *ParquetReader) block(ctx context.Context, most int64) (Block, error) {
	for p.inRow == 0 {
		if p.group == len(p.footer.groups) {
			return Block{}, io.EOF
		}
		p.openGroup()
	}
	batch := p.free.get(p.schema)
	most = min(most, p.inRow, parquetBlockRows)
	for step := int64(1); int64(batch.Rows) < most && batch.Size() < parquetBlockBytes; step = min(4*step, 1024) {
		if err := ctx.Err(); err != nil {
			return Block{}, err
		}
		n := int(min(step, most-int64(batch.Rows)))
		if err := p.rows(batch, n); err != nil {
			return Block{}, err
		}
	}
	b := Block{Seq: p.seq, Offset: p.row, typed: batch}
	p.seq++
	p.row += int64(batch.Rows)
	p.inRow -= int64(batch.Rows)
	return b, nil
}

// rows reads n rows of every column.
func (p *ParquetReader) rows(batch *Batch, n int) error {
	memory := 0
	for i, c := range p.open {
		if err := c.read(n, &batch.Columns[i]); err != nil {
			return p.fault(c, err)
		}
		memory += c.memory()
		if memory > maxParquetMemory {
			return fault.New(fault.SourceFormat, "the pages of row group %d need more than %d bytes at once", p.group-1, maxParquetMemory).
				WithHint("write the file with smaller pages or row groups")
		}
	}
	batch.Rows += n
	return nil
}

func (p *ParquetReader) fault(c *chunkReader, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	e := damagedParquet("column %q, row group %d, before byte %d: %s", c.leaf.name, p.group-1, c.pages.pos, err.Error())
	if slices.Contains(knownCodecs(), c.pages.codec) {
		return e
	}
	return fault.New(fault.SourceUnsupported, "column %q is packed in a way that is not read (Parquet codec %d)", c.leaf.name, c.pages.codec).
		WithHint("write the file with snappy, gzip, zstd, brotli, lz4_raw or without compression")
}

func knownCodecs() []int {
	return []int{codecNone, codecSnappy, codecGzip, codecBrotli, codecZstd, codecLZ4Raw}
}

// openGroup begins the next row group.
func (p *ParquetReader) openGroup() {
	g := p.footer.groups[p.group]
	p.group++
	p.inRow = g.rows
	before := p.open
	p.open = make([]*chunkReader, len(p.leaves))
	for i, at := range p.leaves {
		chunk := g.chunks[at]
		c := &chunkReader{leaf: p.footer.leaves[at], rest: g.rows}
		c.pages = pageSource{r: p.r, pos: chunk.start, end: chunk.end, codec: chunk.codec, unpack: &p.unpack}
		if before != nil { // its buffers
			old := before[i]
			c.pages.head, c.pages.packed, c.pages.body = old.pages.head, old.pages.packed, old.pages.body
			c.valid, c.ints, c.floats = old.valid, old.ints, old.floats
		}
		p.open[i] = c
	}
}
