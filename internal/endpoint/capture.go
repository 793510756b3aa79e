package endpoint

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// Fetcher brings the records of a source that may answer otherwise each time
// it is asked: an API, a database.
type Fetcher interface {
	// Fetch hands every record over once. It begins at the beginning whenever it is called. ErrEnough, which Append returns
	// when no more records are wanted, ends it without being a fault.
	Fetch(ctx context.Context, out *Capture) error
}

// ErrEnough is what Part.Append returns when no more records are wanted.
var ErrEnough = errors.New("no more records are wanted")

// Capture is what a Fetcher has brought, in files that nobody else sees and
// that are gone with the process. A run reads its source several times (to
// find types, to find rows of equal keys, to go on after a table was widened),
// and each time the same records must come: so they are fetched whole first.
type Capture struct {
	dir string
	// limit is how many records are wanted at most, 0 for all.
	limit   int64
	records atomic.Int64
	bytes   atomic.Int64

	mu        sync.Mutex
	parts     []*Part
	watermark string
	types     map[string]columns.Type
}

// SetTypes says of which types the source declares its fields.
func (c *Capture) SetTypes(types map[string]columns.Type) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.types = types
}

// Types are what SetTypes said.
func (c *Capture) Types() map[string]columns.Type {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.types
}

// Part is a file of a capture, for one goroutine. The records of a capture are
// in the order of its parts.
type Part struct {
	capture *Capture
	file    *os.File
	out     *bufio.Writer
	size    int64
	compact bytes.Buffer
	// sum is over all that was flushed.
	sum hash.Hash
}

// partBuffer is the memory of a part while it is written, in bytes.
const partBuffer = 256 << 10

// NewCapture makes an empty capture whose files are in dir, "" for the
// system's. limit is how many records are wanted at most, 0 for all.
func NewCapture(dir string, limit int64) *Capture { return &Capture{dir: dir, limit: limit} }

// Part begins a new file, behind those that there are. Fault SpoolFull.
func (c *Capture) Part() (*Part, error) {
	f, err := os.CreateTemp(c.dir, "capture-*.part")
	if err != nil {
		return nil, spoolFault(err)
	}
	// The name goes at once where the system allows it, so that nothing stays behind a killed process.
	_ = os.Remove(f.Name())
	sum := sha256.New()
	p := &Part{capture: c, file: f, out: bufio.NewWriterSize(io.MultiWriter(f, sum), partBuffer), sum: sum}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parts = append(c.parts, p)
	return p, nil
}

// Append takes one record, a JSON object. Faults: SourceFormat when it is
// none, SpoolFull; ErrEnough when it was the last one wanted or comes after it.
func (p *Part) Append(record []byte) error {
	record = bytes.TrimSpace(record)
	if len(record) == 0 || record[0] != '{' {
		return fault.New(fault.SourceFormat, "a record of the source is no JSON object")
	}
	n := p.capture.records.Add(1)
	if p.capture.limit > 0 && n > p.capture.limit {
		p.capture.records.Add(-1)
		return ErrEnough
	}
	if bytes.IndexByte(record, '\n') >= 0 || bytes.IndexByte(record, '\r') >= 0 {
		p.compact.Reset()
		if err := json.Compact(&p.compact, record); err != nil {
			return fault.Wrap(err, fault.SourceFormat, "a record of the source is no JSON object")
		}
		record = p.compact.Bytes()
	}
	if _, err := p.out.Write(record); err != nil {
		return spoolFault(err)
	}
	if err := p.out.WriteByte('\n'); err != nil {
		return spoolFault(err)
	}
	p.size += int64(len(record)) + 1
	p.capture.bytes.Add(int64(len(record)) + 1)
	if n == p.capture.limit {
		return ErrEnough
	}
	return nil
}

// Records is how many records have come.
func (c *Capture) Records() int64 { return c.records.Load() }

// SetWatermark says how far the source has come.
func (c *Capture) SetWatermark(w string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watermark = w
}

// Watermark is what SetWatermark said last, "" before.
func (c *Capture) Watermark() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watermark
}

// Close removes the capture's files.
func (c *Capture) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, p := range c.parts {
		errs = append(errs, p.file.Close())
		if err := os.Remove(p.file.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	c.parts = nil
	return errors.Join(errs...)
}

// NDJSON reads the records, one JSON object a line; several readers do not disturb each other.
func (c *Capture) NDJSON() (io.Reader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	readers := make([]io.Reader, len(c.parts))
	for i, p := range c.parts {
		if err := p.out.Flush(); err != nil {
			return nil, spoolFault(err)
		}
		readers[i] = io.NewSectionReader(p.file, 0, p.size)
	}
	return io.MultiReader(readers...), nil
}

// digest is the same for captures of the same records in the same order and parts.
func (c *Capture) digest() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := sha256.New()
	for _, p := range c.parts {
		if err := p.out.Flush(); err != nil {
			return "", spoolFault(err)
		}
		_, _ = whole.Write(p.sum.Sum(nil)) // a hash takes everything and gives no error
	}
	return hex.EncodeToString(whole.Sum(nil)[:16]), nil
}

func spoolFault(err error) error {
	return fault.Wrap(err, fault.SpoolFull, "what the source sends cannot be kept on disk").
		WithHint("free space on the disk of CONNECTOR_DATA_DIR")
}

// captured is a source that is fetched whole before its first record is mapped.
type captured struct {
	fetcher Fetcher
	dir     string
	// window is what the run reads; nil reads everything.
	window *flows.Window
	// limit is how many records are wanted, 0 for all.
	limit int64

	capture  *Capture
	identity string
}

var (
	_ engine.Source = (*captured)(nil)
	_ io.Closer     = (*captured)(nil)
)

// newCaptured makes a source of a fetcher.
func (b *Builder) newCaptured(f Fetcher, r *flows.Run) *captured {
	return &captured{fetcher: f, dir: b.TempDir, window: r.Options.Window}
}

// Open implements engine.Source. Only the first call of an attempt fetches.
func (s *captured) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	if s.capture == nil {
		if err := s.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if s.capture.Records() == 0 {
		return nil, s.empty()
	}
	in, err := s.capture.NDJSON()
	if err != nil {
		return nil, err
	}
	r, err := columns.Open(in, columns.ReadOptions{Format: columns.FormatNDJSON, Want: want, Strict: want == nil})
	if err != nil {
		return nil, err
	}
	return &engine.Stream{
		Reader: r, Typed: true, InputSize: s.capture.bytes.Load(), Identity: s.identity, Watermark: s.watermark(), Types: s.capture.Types(),
	}, nil
}

func (s *captured) fetch(ctx context.Context) error {
	c := NewCapture(s.dir, s.limit)
	if err := s.fetcher.Fetch(ctx, c); err != nil && !errors.Is(err, ErrEnough) {
		return errors.Join(err, c.Close())
	}
	// The same records again are the same source: a run goes on where its last attempt was.
	digest, err := c.digest()
	if err != nil {
		return errors.Join(err, c.Close())
	}
	s.capture, s.identity = c, digest
	return nil
}

// watermark is where the next run begins: what the fetcher says, else the end
// of the window, else where this run began.
func (s *captured) watermark() string {
	if s.window == nil {
		return s.capture.Watermark()
	}
	return cmp.Or(s.capture.Watermark(), s.window.To, s.window.From)
}

// empty warns where no record at all is a surprise: a run over a window may well find none.
func (s *captured) empty() *engine.Empty {
	e := &engine.Empty{Watermark: s.watermark()}
	if s.window == nil || s.window.From == "" {
		e.Warning = &flows.Warning{Code: fault.SourceEmpty, Message: "the source gave no records: nothing was pushed and the table is as it was; either there are none, or a path or a filter of the export is wrong"}
	}
	return e
}

// Close implements io.Closer.
func (s *captured) Close() error {
	if s.capture == nil {
		return nil
	}
	return s.capture.Close()
}
