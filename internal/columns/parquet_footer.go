package columns

import (
	"encoding/binary"
	"io"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// maxFooterBytes bounds a Parquet file's metadata, and with it the memory that they can claim.
	maxFooterBytes = 16 << 20
	// maxSchemaElements bounds the leaves and groups of a schema.
	maxSchemaElements = 4 * MaxColumns
	// encryptedMagic ends a file whose footer is encrypted.
	encryptedMagic = "PARE"
	parquetTail    = 8 // the footer's length and the magic number
)

// parquetFooter is what is used of a file's metadata.
type parquetFooter struct {
	rows   int64
	leaves []*parquetLeaf // every column of values in the file's order
	groups []parquetGroup
}

// parquetGroup is a row group.
type parquetGroup struct {
	rows   int64
	chunks []parquetChunk // one for each leaf
}

// parquetChunk is where a column's pages of a row group stand.
type parquetChunk struct {
	start, end int64
	codec      int
	values     int64
	physical   int
}

// readFooter reads and checks a file's metadata: nothing in it points outside
// of the file, and its counts agree with each other.
func readFooter(r io.ReaderAt, size int64) (*parquetFooter, error) {
	if size < int64(len(parquetMagic))+parquetTail {
		return nil, fault.New(fault.SourceTruncated, "the source has %d bytes, too few for a Parquet file", size)
	}
	var head [len(parquetMagic)]byte
	var tail [parquetTail]byte
	if err := readFull(r, head[:], 0); err != nil {
		return nil, err
	}
	if err := readFull(r, tail[:], size-parquetTail); err != nil {
		return nil, err
	}
	if err := checkMagic(string(head[:]), string(tail[4:])); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n > maxFooterBytes || n > size-parquetTail-int64(len(parquetMagic)) {
		return nil, damagedParquet("its metadata would take %d bytes of %d", n, size)
	}
	data := make([]byte, n)
	if err := readFull(r, data, size-parquetTail-n); err != nil {
		return nil, err
	}
	f := &parquetFooter{}
	p := &footerParser{thriftReader: thriftReader{data: data}, footer: f, size: size - parquetTail - n}
	p.parse()
	if p.problem == nil && p.err != nil {
		p.problem = damagedParquet("%s at byte %d of its footer", p.err.Error(), p.pos)
	}
	if p.problem != nil {
		return nil, p.problem
	}
	return f, nil
}

func checkMagic(head, tail string) error {
	switch {
	case strings.HasPrefix(head, gzipMagic):
		return fault.New(fault.SourceFormat, "the source is not Parquet: it is gzip data").
			WithHint("unpack it: a Parquet file is compressed inside and is read from its end")
	case head == zstdMagic:
		return fault.New(fault.SourceFormat, "the source is not Parquet: it is zstd data").
			WithHint("unpack it: a Parquet file is compressed inside and is read from its end")
	case head == encryptedMagic || tail == encryptedMagic:
		return fault.New(fault.SourceFormat, "the Parquet file is encrypted").WithHint("write it without encryption")
	case head != parquetMagic:
		return fault.New(fault.SourceFormat, "the source is not Parquet: it begins with %q in place of %q", head, parquetMagic)
	case tail != parquetMagic:
		return fault.New(fault.SourceTruncated, "the Parquet file ends with %q in place of %q", tail, parquetMagic).
			WithHint("the file was cut in transfer or is still being written; fetch it again")
	}
	return nil
}

func damagedParquet(format string, args ...any) *fault.Error {
	e := fault.New(fault.SourceFormat, format, args...)
	e.Message = "the Parquet file is damaged: " + e.Message
	return e
}

func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	return fault.Wrap(err, fault.SourceRead, "the source broke off at byte %d", at+int64(n))
}

// footerParser reads a FileMetaData.
type footerParser struct {
	thriftReader
	footer   *parquetFooter
	size     int64 // of what stands before the footer
	elements []schemaElement
	problem  error
}

func (p *footerParser) refuse(err error) {
	if p.problem == nil {
		p.problem = err
	}
	p.fail(errThriftBad)
}

func (p *footerParser) parse() {
	groups := false
	p.fields(func(id int, kind byte) bool {
		switch {
		case id == 2 && kind == thriftList:
			p.structs(p.element)
			p.tree()
		case id == 3 && kind == thriftI64:
			p.footer.rows = p.int()
		case id == 4 && kind == thriftList:
			groups = true
			p.structs(p.group)
		case id == 8:
			p.refuse(fault.New(fault.SourceFormat, "the Parquet file is encrypted").WithHint("write it without encryption"))
		default:
			return false
		}
		return true
	})
	if p.err != nil {
		return
	}
	rows := int64(0)
	for _, g := range p.footer.groups {
		rows += g.rows
	}
	if !groups || len(p.elements) == 0 || rows != p.footer.rows {
		p.refuse(damagedParquet("its footer says %d rows and its row groups have %d", p.footer.rows, rows))
	}
}

func (p *footerParser) group() {
	g := parquetGroup{rows: -1}
	p.fields(func(id int, kind byte) bool {
		switch {
		case id == 1 && kind == thriftList:
			if len(p.elements) == 0 {
				p.refuse(damagedParquet("its row groups stand before its schema"))
				return true
			}
			g.chunks = make([]parquetChunk, 0, len(p.footer.leaves))
			p.structs(func() { p.chunk(&g) })
		case id == 3 && kind == thriftI64:
			g.rows = p.int()
		default:
			return false
		}
		return true
	})
	if p.err != nil {
		return
	}
	if len(g.chunks) != len(p.footer.leaves) || g.rows < 0 || g.rows > 1<<40 {
		p.refuse(damagedParquet("row group %d has %d columns of %d and %d rows", len(p.footer.groups), len(g.chunks), len(p.footer.leaves), g.rows))
		return
	}
	p.footer.groups = append(p.footer.groups, g)
}

func (p *footerParser) chunk(g *parquetGroup) {
	if len(g.chunks) == len(p.footer.leaves) {
		p.refuse(damagedParquet("row group %d has more columns than its schema", len(p.footer.groups)))
		return
	}
	leaf := p.footer.leaves[len(g.chunks)]
	found := false
	c := parquetChunk{}
	p.fields(func(id int, kind byte) bool {
		switch {
		case id == 1 && kind == thriftBinary:
			if len(p.bytes()) > 0 {
				p.refuse(fault.New(fault.SourceFormat, "the values of column %q stand in another file", leaf.name))
			}
		case id == 3 && kind == thriftStruct:
			found = true
			c = p.chunkMeta(leaf)
		case id == 8 || id == 9:
			p.refuse(fault.New(fault.SourceFormat, "column %q of the Parquet file is encrypted", leaf.name).WithHint("write it without encryption"))
		default:
			return false
		}
		return true
	})
	if p.err == nil && !found {
		p.refuse(damagedParquet("column %q has no metadata in row group %d", leaf.name, len(p.footer.groups)))
	}
	g.chunks = append(g.chunks, c)
}

func (p *footerParser) chunkMeta(leaf *parquetLeaf) parquetChunk {
	c := parquetChunk{codec: -1, values: -1, physical: -1}
	bytes, data, dictionary := int64(-1), int64(-1), int64(0)
	p.fields(func(id int, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			c.physical = p.i32()
		case id == 4 && kind == thriftI32:
			c.codec = p.i32()
		case id == 5 && kind == thriftI64:
			c.values = p.int()
		case id == 7 && kind == thriftI64:
			bytes = p.int()
		case id == 9 && kind == thriftI64:
			data = p.int()
		case id == 11 && kind == thriftI64:
			dictionary = p.int()
		default:
			return false
		}
		return true
	})
	if p.err != nil {
		return c
	}
	c.start = data
	if dictionary > 0 && dictionary < data {
		c.start = dictionary
	}
	c.end = c.start + bytes
	first := int64(len(parquetMagic))
	switch {
	case c.start < first, bytes < 0, bytes > p.size, c.end > p.size:
		p.refuse(damagedParquet("column %q of row group %d would stand at bytes %d to %d of %d", leaf.name, len(p.footer.groups), c.start, c.end, p.size))
	case c.values < 0, c.physical != leaf.physical:
		p.refuse(damagedParquet("column %q has another type in row group %d than in its schema", leaf.name, len(p.footer.groups)))
	}
	return c
}
