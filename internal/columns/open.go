package columns

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/celonis-connector/connector/internal/fault"
)

// Format is how records are written in a source.
type Format string

// The formats that Open reads.
const (
	FormatCSV    Format = "csv"    // a header line, then a line for each record
	FormatNDJSON Format = "ndjson" // a JSON object on each line
	FormatJSON   Format = "json"   // one JSON array of objects
)

const (
	// DefaultBlockSize is the size of a block in bytes: small enough that a
	// block and its cells stay in a core's cache.
	DefaultBlockSize = 256 << 10
	// DefaultMaxRecord is the longest record that is read, in bytes.
	DefaultMaxRecord = 16 << 20

	// maxMaxRecord keeps every position in a block within 32 bits.
	maxMaxRecord = 1 << 30
	// sampleBytes and sampleRecords bound what Open looks at to learn field names.
	sampleBytes, sampleRecords = 1 << 20, 10_000
	// maxBlockCells bounds the cells of one block of JSON records.
	maxBlockCells = 1 << 20
)

// CSVOptions says how a CSV source is written.
type CSVOptions struct {
	// Separator is one ASCII character, or `\t` or "tab". When it is empty,
	// the one of comma, semicolon, tab and bar that the first line holds most
	// of is taken, and a leading "sep=;" line as Excel writes it is obeyed.
	Separator string
	// Quote is one ASCII character; empty means `"`, "none" no quoting.
	Quote string
	// Encoding is the character encoding's name; a byte order mark in the
	// source is believed before it. Empty means UTF-8.
	Encoding string
	// NoHeader says that the first line is a record; the fields are then
	// called column1, column2 and so on.
	NoHeader bool
}

// ReadOptions says how Open reads a source.
type ReadOptions struct {
	Format Format
	CSV    CSVOptions
	// BlockSize is the usual size of a block in bytes; 0 means DefaultBlockSize.
	BlockSize int
	// MaxRecord is the longest record in bytes; 0 means DefaultMaxRecord.
	MaxRecord int
	// Want names the fields whose cells are needed; nil means every field.
	Want []string
	// Strict makes a JSON record with a field that is not among Names a bad record.
	Strict bool
}

// withDefaults fills in sizes and clamps them to each other.
func (o ReadOptions) withDefaults() ReadOptions {
	if o.MaxRecord <= 0 {
		o.MaxRecord = DefaultMaxRecord
	}
	if o.BlockSize <= 0 {
		o.BlockSize = DefaultBlockSize
	}
	o.MaxRecord = min(o.MaxRecord, maxMaxRecord)
	o.BlockSize = min(o.BlockSize, o.MaxRecord)
	return o
}

// splitter finds record boundaries in a stream.
type splitter interface {
	// cut gives the number of bytes at the head of data that are whole records,
	// 0 when more data is needed, and where it knows it the number of records.
	// Data grows at its end from call to call until bytes are cut. With st.first
	// the cut comes after the first record, else after the last; with st.final
	// nothing follows data.
	cut(data []byte, st cutState) (n, records int, err error)
}

// cutState is what a splitter is told about the data it is given.
type cutState struct {
	first, final bool
	offset       int64 // byte position of data[0] in the stream
	line         int   // line number of data[0]
}

// decoder turns a block into cells. It is used by many goroutines at once.
type decoder interface {
	decode(b Block, raw *Raw)
}

// Reader cuts a source into blocks of whole records and decodes them. Next and
// Peek belong to one goroutine; the other methods may be called from any.
type Reader struct {
	opt     ReadOptions
	input   *countingReader
	in      *window
	closer  func()
	names   []string
	split   splitter
	dec     decoder
	peeked  []Block
	err     error
	seq     int
	decoded atomic.Int64
	free    freeList
}

// Open looks at the head of a source: it undoes gzip, zstd and the character
// encoding, and learns the field names. It returns a *fault.Error with
// source.empty, source.header_invalid, source.format_invalid, source.too_many_columns,
// source.encoding_invalid, source.truncated, source.record_too_long or source.read_failed.
// The caller closes both the Reader and, after it, r.
func Open(r io.Reader, opt ReadOptions) (_ *Reader, err error) {
	opt = opt.withDefaults()
	rd := &Reader{opt: opt, input: &countingReader{src: r}, closer: func() {}}
	defer func() {
		if err != nil {
			rd.closer()
		}
	}()
	text, head, closer, err := openText(rd.input, opt)
	if closer != nil {
		rd.closer = closer
	}
	if err != nil {
		return nil, err
	}
	rd.in = newWindow(text, head)
	if err := rd.in.fill(sniffBytes); err != nil {
		return nil, err
	}
	if err := sniffText(rd.in.bytes(), opt.Format); err != nil {
		return nil, err
	}
	if err := rd.openFormat(); err != nil {
		return nil, err
	}
	return rd, nil
}

func (r *Reader) openFormat() error {
	switch r.opt.Format {
	case FormatCSV:
		return r.openCSV()
	case FormatNDJSON:
		return r.openNDJSON()
	case FormatJSON:
		return r.openJSON()
	default:
		return fault.New(fault.SourceFormat, "format %q is not known", string(r.opt.Format)).
			WithHint("use csv, ndjson or json")
	}
}

// Names lists the source's fields in the order of Raw.Cells. For CSV it is the
// header; for JSON it is Want, or when that is nil the names that a sample of
// the source holds, in order of first appearance.
func (r *Reader) Names() []string { return slices.Clone(r.names) }

// InputBytes is the number of bytes taken from the source, before decompression.
func (r *Reader) InputBytes() int64 { return r.input.n.Load() }

// DecodedBytes is the number of bytes of UTF-8 text that Next and Peek have delivered.
func (r *Reader) DecodedBytes() int64 { return r.decoded.Load() }

// Close frees what decompression holds; it does not close the source.
func (r *Reader) Close() error {
	r.closer()
	r.closer = func() {}
	return nil
}

// Peek gives up to n of the next blocks, which Next will still deliver. Fewer
// come back when the source ends. They must not be released before Next has
// delivered them. Its errors are those of Next, without io.EOF.
func (r *Reader) Peek(ctx context.Context, n int) ([]Block, error) {
	for len(r.peeked) < n {
		b, err := r.read(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		r.peeked = append(r.peeked, b)
	}
	return slices.Clone(r.peeked[:min(n, len(r.peeked))]), nil
}

// Next gives the next block, io.EOF after the last one, the context's error
// when that has ended, or a *fault.Error whose message names line and byte.
func (r *Reader) Next(ctx context.Context) (Block, error) {
	if len(r.peeked) > 0 {
		b := r.peeked[0]
		r.peeked = append(r.peeked[:0], r.peeked[1:]...)
		return b, nil
	}
	return r.read(ctx)
}

// Release gives a block's memory back for a later one; the block and every Raw
// decoded from it must not be used any more.
func (r *Reader) Release(b Block) {
	if cap(b.Data) <= 2*r.opt.BlockSize {
		r.free.put(b.Data)
	}
}

// Decode fills raw with the cells of a block of this reader. Many goroutines
// may decode at once, each into its own Raw. Records that cannot be read are in
// raw.Bad; an error means only that b is not a block of this reader.
func (r *Reader) Decode(b Block, raw *Raw) error {
	if len(b.Data) > 2*maxMaxRecord {
		return fault.New(fault.Internal, "block of %d bytes", len(b.Data))
	}
	raw.reset(r.names, b.Data)
	r.dec.decode(b, raw)
	raw.Lines = b.lineEnds()
	return nil
}

// read cuts one block. The first fault is final.
func (r *Reader) read(ctx context.Context) (Block, error) {
	if err := ctx.Err(); err != nil {
		return Block{}, err
	}
	if r.err != nil {
		return Block{}, r.err
	}
	n, records, err := r.cutNext(r.opt.BlockSize, false)
	if err != nil {
		r.err = err
		return Block{}, err
	}
	b := Block{Seq: r.seq, Offset: r.in.offset, Line: r.in.line, records: records}
	if r.in.mostlyCut(n) && len(r.in.buf) <= r.opt.BlockSize {
		b.Data, b.lines = r.in.take(n, r.free.get(r.opt.BlockSize, r.opt.BlockSize))
	} else {
		b.Data = append(r.free.get(n, r.opt.BlockSize), r.in.bytes()[:n]...)
		b.lines = r.in.consume(n)
	}
	r.seq++
	r.decoded.Add(int64(n))
	return b, nil
}

// cutNext gives the length of the next block at the head of the window, about
// size bytes (with first: of the first record), and what the splitter knows of
// the number of its records. The window grows up to the record limit when size
// bytes hold no whole record.
func (r *Reader) cutNext(size int, first bool) (n, records int, err error) {
	limit := r.opt.MaxRecord + len("\r\n")
	for ; ; first = true {
		if err := r.in.fill(size); err != nil {
			return 0, 0, err
		}
		data := r.in.bytes()
		final := r.in.eof && len(data) <= size
		data = data[:min(len(data), size)]
		n, records, err = r.split.cut(data, cutState{first: first, final: final, offset: r.in.offset, line: r.in.line})
		switch {
		case err != nil || n > 0:
			return n, records, err
		case final:
			return 0, 0, io.EOF
		case size >= limit:
			return 0, 0, tooLong(r.opt.MaxRecord, r.in.offset, r.in.line)
		}
		size = min(2*size, limit)
	}
}

func tooLong(limit int, offset int64, line int) error {
	return fault.New(fault.SourceLineTooLong, "the record at %s is longer than %d bytes", place(line, offset), limit).
		WithHint("check quotes and line ends near that place; a quote that is never closed reads as one long record")
}

// place words a position of the source for a message.
func place(line int, offset int64) string { return fmt.Sprintf("line %d, byte %d", line, offset) }
