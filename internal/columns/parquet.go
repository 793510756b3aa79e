package columns

import (
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/celonis-connector/connector/internal/fault"
)

// The compressions of ParquetOptions.
const (
	CompressionSnappy = "snappy"
	CompressionZstd   = "zstd"
	CompressionNone   = "none"
)

const (
	parquetMagic = "PAR1"
	// parquetCreator names the writer in the file, in the form readers parse
	// for workarounds.
	parquetCreator = "celonis-connector version 1.0.0 (build parquet)"
	// appendRows is how many rows go to a column at a time, between looks at the page's size.
	appendRows = 1024
)

// ParquetOptions says how a ParquetEncoder writes.
type ParquetOptions struct {
	// Compression is snappy, zstd or none; empty means snappy.
	Compression string
}

// ParquetEncoder writes chunks as Parquet files of one row group: optional
// columns in the schema's order, data pages of version 1, dictionaries for
// strings that repeat. Date is a DATE, DateTime a TIMESTAMP and Time a TIME in
// milliseconds.
type ParquetEncoder struct {
	schema  Schema
	columns []parquetColumn
	rows    int
	pack    packer
	foot    thriftWriter
}

// NewParquetEncoder makes an encoder; it refuses an unknown compression with
// internal.
func NewParquetEncoder(schema Schema, opt ParquetOptions) (*ParquetEncoder, error) {
	pack, err := newPacker(opt)
	if err != nil {
		return nil, err
	}
	e := &ParquetEncoder{schema: schema, columns: make([]parquetColumn, len(schema)), pack: pack}
	for i, f := range schema {
		c := &e.columns[i]
		c.typ, c.pack = f.Type, &e.pack
		if f.Type == String {
			c.dict = &dictionary{}
		}
	}
	e.Reset()
	return e, nil
}

// Append adds a batch. It returns internal when the batch is not of the schema.
func (e *ParquetEncoder) Append(b *Batch) error {
	if err := checkBatch(e.schema, b); err != nil {
		return err
	}
	for i := range e.columns {
		c, src := &e.columns[i], &b.Columns[i]
		for from := 0; from < b.Rows; {
			to := min(from+appendRows, b.Rows)
			for c.typ == String && to > from+1 && src.Offsets[to]-src.Offsets[from] > pageBytes {
				to = from + (to-from)/2
			}
			c.append(src, from, to)
			from = to
		}
	}
	e.rows += b.Rows
	return nil
}

// Rows is the number of rows since the last Reset.
func (e *ParquetEncoder) Rows() int { return e.rows }

// Size estimates the bytes of the file; pages that are not compressed yet
// count half.
func (e *ParquetEncoder) Size() int {
	n := 0
	for i := range e.columns {
		c := &e.columns[i]
		n += len(c.pages) + (len(c.values)+len(c.index)+c.dict.size())/2
	}
	return n
}

// Reset empties the encoder and keeps its memory.
func (e *ParquetEncoder) Reset() {
	e.rows = 0
	for i := range e.columns {
		e.columns[i].reset()
	}
}

// Finish writes the file; it may be called again to write the same file elsewhere.
func (e *ParquetEncoder) Finish(w io.Writer) error {
	out := &parquetFile{w: w}
	out.write([]byte(parquetMagic))
	for i := range e.columns {
		c := &e.columns[i]
		c.flush()
		c.offset = out.n
		out.write(c.dictionaryPage())
		c.dataOffset = out.n
		out.write(c.pages)
	}
	e.footer()
	out.write(e.foot.buf)
	tail := binary.LittleEndian.AppendUint32(nil, uint32(len(e.foot.buf)))
	out.write(append(tail, parquetMagic...))
	return out.err
}

// footer writes the file's metadata into foot.
func (e *ParquetEncoder) footer() {
	t := &e.foot
	t.reset()
	t.i32(1, 1)
	t.writeSchema(2, e.schema, func(int) bool { return true })
	t.i64(3, int64(e.rows))
	if e.rows == 0 {
		t.list(4, 0, thriftStruct)
	} else {
		t.list(4, 1, thriftStruct)
		e.rowGroup(t)
	}
	t.text(6, parquetCreator)
	t.end()
}

func (e *ParquetEncoder) rowGroup(t *thriftWriter) {
	plain, packed := int64(0), int64(0)
	t.element()
	t.list(1, len(e.columns), thriftStruct)
	for i := range e.columns {
		c := &e.columns[i]
		plain += c.plainBytes + c.dictPlain
		packed += c.packedBytes()
		c.writeMeta(t, e.schema[i].Name, e.rows)
	}
	t.i64(2, plain)
	t.i64(3, int64(e.rows))
	t.i64(5, int64(len(parquetMagic)))
	t.i64(6, packed)
	t.close()
}

// parquetFile counts what is written and keeps the first error.
type parquetFile struct {
	w   io.Writer
	n   int64
	err error
}

func (f *parquetFile) write(p []byte) {
	if f.err != nil || len(p) == 0 {
		return
	}
	_, f.err = f.w.Write(p)
	f.n += int64(len(p))
}

// packer compresses pages; its buffers serve all columns of an encoder.
type packer struct {
	codec int
	zstd  *zstd.Encoder
	body  []byte // the page before compression
	out   []byte
	head  thriftWriter
}

func newPacker(opt ParquetOptions) (packer, error) {
	switch opt.Compression {
	case "", CompressionSnappy:
		return packer{codec: codecSnappy}, nil
	case CompressionNone:
		return packer{codec: codecNone}, nil
	case CompressionZstd:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
		if err != nil {
			return packer{}, fault.Wrap(err, fault.Internal, "the zstd encoder cannot be made")
		}
		return packer{codec: codecZstd, zstd: z}, nil
	}
	return packer{}, fault.New(fault.Internal, "compression %q is not known", opt.Compression)
}

// compress packs the page in body; the result is valid until the next call.
func (p *packer) compress() []byte {
	switch p.codec {
	case codecSnappy:
		if need := s2.MaxEncodedLen(len(p.body)); cap(p.out) < need {
			p.out = make([]byte, need)
		}
		return s2.EncodeSnappy(p.out[:cap(p.out)], p.body)
	case codecZstd:
		p.out = p.zstd.EncodeAll(p.body, p.out[:0])
		return p.out
	default:
		return p.body
	}
}
