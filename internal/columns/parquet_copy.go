package columns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/celonis-connector/connector/internal/fault"
)

// CopyRefusal says why pages cannot go into a chunk as they are. The rows can
// still be read, mapped and encoded.
type CopyRefusal struct {
	// Column is the column that stands in the way.
	Column string
	// Reason is a sentence without full stop.
	Reason string
}

// Error implements error.
func (r *CopyRefusal) Error() string { return fmt.Sprintf("column %q: %s", r.Column, r.Reason) }

// ParquetCopier makes chunks of a Parquet file's row groups by copying their
// pages: values are looked at, where Celonis would cut or null them, and never
// decoded. It serves one goroutine; Twin makes another one of the same file.
type ParquetCopier struct {
	r      io.ReaderAt
	footer *parquetFooter
	schema Schema
	leaves []*parquetLeaf
	at     []int // of each column, its place in the footer's leaves
	pack   packer
	unpack unpacker
	check  pageCheck
	groups thriftWriter // the chunk's row groups, as its footer lists them
	count  int
	rows   int64
	opt    ParquetOptions
}

// NewParquetCopier makes a copier of a file of size bytes into chunks of the
// schema. It returns a *CopyRefusal when a column of the schema is stored in
// another way than a chunk would store it, and the faults of OpenParquet.
func NewParquetCopier(r io.ReaderAt, size int64, schema Schema, opt ParquetOptions) (c *ParquetCopier, err error) {
	defer recoverParquet(&err)
	footer, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	return newParquetCopier(r, footer, schema, opt)
}

// Copier makes a copier of the file that p reads, as NewParquetCopier does; what
// it takes of the file counts in InputBytes.
func (p *ParquetReader) Copier(schema Schema, opt ParquetOptions) (*ParquetCopier, error) {
	return newParquetCopier(p.r, p.footer, schema, opt)
}

func newParquetCopier(r io.ReaderAt, footer *parquetFooter, schema Schema, opt ParquetOptions) (c *ParquetCopier, err error) {
	c = &ParquetCopier{r: r, footer: footer, schema: schema, opt: opt}
	for _, f := range schema {
		i := slices.IndexFunc(footer.leaves, func(l *parquetLeaf) bool { return l.name == f.Name })
		if i < 0 {
			return nil, &CopyRefusal{f.Name, "the file does not have it"}
		}
		if !footer.leaves[i].storedAs(f.Type) {
			return nil, &CopyRefusal{f.Name, "it is stored in another way than a chunk stores " + f.Type.String()}
		}
		c.leaves, c.at = append(c.leaves, footer.leaves[i]), append(c.at, i)
	}
	if c.pack, err = newPacker(opt); err != nil {
		return nil, err
	}
	return c, nil
}

// storedAs tells whether a chunk's column of type t holds the same bytes.
func (l *parquetLeaf) storedAs(t Type) bool {
	const milli = 1_000_000
	return l.unsupported == "" && l.typ == t && l.physical == t.physicalType() &&
		(l.means == asIs || l.means == millis && l.per == milli)
}

// Twin makes a copier of the same file for another goroutine.
func (c *ParquetCopier) Twin() (*ParquetCopier, error) {
	pack, err := newPacker(c.opt)
	if err != nil {
		return nil, err
	}
	return &ParquetCopier{r: c.r, footer: c.footer, schema: c.schema, leaves: c.leaves, at: c.at, pack: pack, opt: c.opt}, nil
}

// Groups is the number of row groups.
func (c *ParquetCopier) Groups() int { return len(c.footer.groups) }

// Size gives the rows of a row group and the bytes that its columns take in the file.
func (c *ParquetCopier) Size(group int) (rows, bytes int64) {
	g := c.footer.groups[group]
	for _, at := range c.at {
		bytes += g.chunks[at].end - g.chunks[at].start
	}
	return g.rows, bytes
}

// Close frees what decompression holds; it does not close the file.
func (c *ParquetCopier) Close() error {
	c.unpack.close()
	c.unpack = unpacker{}
	return nil
}

// Copy appends to out a chunk file of the row groups from to to-1. When it
// fails, out is as it was: with a *CopyRefusal where a value or page has to be
// decoded, with a *fault.Error that names column and row group where the file
// cannot be read.
func (c *ParquetCopier) Copy(ctx context.Context, from, to int, out *bytes.Buffer) (err error) {
	start := out.Len()
	defer func() {
		if err != nil {
			out.Truncate(start)
		}
	}()
	defer recoverParquet(&err)
	c.groups.reset()
	c.count, c.rows = 0, 0
	out.WriteString(parquetMagic)
	for i := from; i < to; i++ {
		if err := c.group(ctx, i, out, start); err != nil {
			return err
		}
	}
	c.foot(out)
	return nil
}

// group copies the columns of a row group.
func (c *ParquetCopier) group(ctx context.Context, i int, out *bytes.Buffer, start int) error {
	g := c.footer.groups[i]
	if g.rows == 0 {
		return nil
	}
	t := &c.groups
	first, plain := int64(out.Len()-start), int64(0)
	t.element()
	t.list(1, len(c.schema), thriftStruct)
	for k, leaf := range c.leaves {
		if err := ctx.Err(); err != nil {
			return err
		}
		col, err := c.column(g, k, out, start)
		if err != nil {
			return c.fault(err, leaf, i)
		}
		col.writeMeta(t, c.schema[k].Name, int(g.rows))
		plain += col.plainBytes + col.dictPlain
	}
	t.i64(2, plain)
	t.i64(3, g.rows)
	t.i64(5, first)
	t.i64(6, int64(out.Len()-start)-first)
	t.close()
	c.count++
	c.rows += g.rows
	return nil
}

func (c *ParquetCopier) fault(err error, leaf *parquetLeaf, group int) error {
	var known *fault.Error
	var refused *CopyRefusal
	if errors.As(err, &known) || errors.As(err, &refused) {
		return err
	}
	return damagedParquet("column %q, row group %d: %s", leaf.name, group, err.Error())
}

// foot writes the metadata.
func (c *ParquetCopier) foot(out *bytes.Buffer) {
	t := &thriftWriter{}
	t.i32(1, 1)
	t.writeSchema(2, c.schema, func(i int) bool { return c.leaves[i].optional })
	t.i64(3, c.rows)
	t.list(4, c.count, thriftStruct)
	t.buf = append(t.buf, c.groups.buf...)
	t.text(6, parquetCreator)
	t.end()
	out.Write(t.buf)
	out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(t.buf))))
	out.WriteString(parquetMagic)
}

// column copies the pages of a column of a row group and tells what its
// metadata say.
func (c *ParquetCopier) column(g parquetGroup, k int, out *bytes.Buffer, start int) (*parquetColumn, error) {
	chunk := g.chunks[c.at[k]]
	if !slices.Contains(knownCodecs(), chunk.codec) {
		return nil, &CopyRefusal{c.schema[k].Name, "it is packed in a way that is not read"}
	}
	src := pageSource{r: c.r, pos: chunk.start, end: chunk.end, codec: chunk.codec, unpack: &c.unpack,
		head: c.check.head, packed: c.check.packed, body: c.check.body}
	defer func() { c.check.head, c.check.packed, c.check.body = src.head, src.packed, src.body }()
	col := &copiedColumn{parquetColumn: &parquetColumn{typ: c.schema[k].Type, pack: &c.pack}, field: c.schema[k], leaf: c.leaves[k], entries: -1}
	col.offset = int64(out.Len() - start)
	col.dataOffset = col.offset
	for rest := g.rows; ; {
		h, body, err := src.next()
		if err == io.EOF && rest > 0 {
			return nil, errChunkShort
		}
		if err == io.EOF {
			return col.parquetColumn, nil
		}
		if err != nil {
			return nil, err
		}
		if h.kind == pageIndex {
			continue
		}
		if h.isData {
			if rest -= int64(h.values); h.values < 0 || rest < 0 {
				return nil, errChunkLong
			}
		}
		if err := c.check.page(col, h, body); err != nil {
			return nil, err
		}
		packed := src.packed
		if chunk.codec != c.pack.codec {
			c.pack.body = append(c.pack.body[:0], body...)
			packed = c.pack.compress()
		} else if chunk.codec == codecNone {
			packed = body
		}
		col.write(h, len(body), packed, out)
		if h.kind == pageDictionary {
			col.dataOffset = int64(out.Len() - start)
		}
	}
}
