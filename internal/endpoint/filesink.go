package endpoint

import (
	"bytes"
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/google/uuid"
)

// fileSink makes a file of a run's rows. Chunks become durable pieces at once;
// Commit puts them together.
type fileSink struct {
	file *RunFile
	spec flows.Import
	// fixed are the columns whose length the mapping gives.
	fixed    []string
	observer Observer
	now      func() time.Time
	// chunks is how many the file has, as Reconcile says.
	chunks atomic.Int64
	// head is what stands before all rows, nil before it is known. It goes to disk with the first chunk, or with none at
	// the end, so that nothing does before the push's id is on record.
	head atomic.Pointer[[]byte]
}

var (
	_ engine.Sink         = (*fileSink)(nil)
	_ engine.Fitter       = (*fileSink)(nil)
	_ engine.Reconciler   = (*fileSink)(nil)
	_ engine.NothingTaker = (*fileSink)(nil)
	_ engine.Sized        = (*fileSink)(nil)
)

// textChunkBytes keeps pieces of text, which take two or three times the memory of their values, from filling it.
const textChunkBytes = 4 << 20

// RunSink makes the sink of a run, as Sink does, where the sink needs to know the run.
func (b *Builder) RunSink(ctx context.Context, f *flows.Flow, r *flows.Run) (engine.Sink, error) {
	switch f.Import.Type {
	case flows.ImportFile:
		return b.fileSink(f, r), nil
	case flows.ImportHTTP:
		return b.toAPI(ctx, f, r)
	case flows.ImportWebhook:
		return b.toHook(ctx, f, r)
	}
	return b.Sink(ctx, f)
}

// files makes a sink for looking at a flow without a run.
func (b *Builder) files(_ context.Context, f *flows.Flow) (engine.Sink, error) {
	return b.fileSink(f, nil), nil
}

func (b *Builder) fileSink(f *flows.Flow, r *flows.Run) *fileSink {
	spec := RunFileSpec{Format: f.Import.Format, KeepDays: f.Import.KeepDays}
	if r != nil {
		spec.Name = flows.OutputName(f, r)
	}
	return &fileSink{file: b.NewRunFile(r, spec), spec: f.Import, fixed: fixedLengths(f.Mapping), observer: b.Observer, now: b.Now}
}

// Fit implements engine.Fitter: a file declares no lengths, so a text may be as
// long as it can be unless the mapping says else.
func (s *fileSink) Fit(_ context.Context, rules []flows.Rule) ([]flows.Rule, error) {
	rules = slices.Clone(rules)
	for i := range rules {
		if r := &rules[i]; (r.Type == "" || r.Type == columns.String.String()) && !slices.Contains(s.fixed, r.To) {
			r.Length = columns.MaxStringBytes
		}
	}
	return rules, nil
}

// TakesNothing implements engine.NothingTaker: a Parquet file has a column at least.
func (s *fileSink) TakesNothing(schema columns.Schema) bool {
	return s.spec.Format != flows.ParquetFile || len(schema) > 0
}

// ChunkBytes implements engine.Sized.
func (s *fileSink) ChunkBytes() int {
	if s.spec.Format == flows.ParquetFile {
		return math.MaxInt
	}
	return textChunkBytes
}

// Resume implements engine.Sink:
//
//	file                                  submitted   not submitted
//	stored                                finish      finish
//	every accepted piece is here          finish      go on: a piece that comes again replaces itself
//	a piece is not on this machine,
//	or there is none yet                  start over  start over
func (s *fileSink) Resume(ctx context.Context, c flows.Checkpoint) (engine.Decision, error) {
	stored, err := s.file.IsStored(ctx, c.PushJobID)
	if err != nil || stored {
		return engine.Finish, err
	}
	whole, err := s.file.IsWhole(c.PushJobID, c.Chunks)
	switch {
	case err != nil:
		return 0, err
	case !whole:
		return engine.StartOver, s.file.Abort(ctx, c.PushJobID)
	case c.Submitted:
		return engine.Finish, nil
	}
	return engine.GoOn, nil
}

// Begin implements engine.Sink. The id is that of the file to be.
func (s *fileSink) Begin(_ context.Context, schema columns.Schema) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	head, err := s.headOf(schema)
	if err != nil {
		return "", err
	}
	s.head.Store(&head)
	s.file.bytes.Store(0)
	return id.String(), nil
}

// headOf makes what stands before all rows.
func (s *fileSink) headOf(schema columns.Schema) ([]byte, error) {
	encoder, err := s.encoder(schema, true)
	if err != nil {
		return nil, err
	}
	var head bytes.Buffer
	err = encoder.Finish(&head)
	return head.Bytes(), err
}

// Encoder implements engine.Sink.
func (s *fileSink) Encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	if s.head.Load() == nil { // of a push that an attempt before began
		head, err := s.headOf(schema)
		if err != nil {
			return nil, err
		}
		s.head.CompareAndSwap(nil, &head)
	}
	return s.encoder(schema, false)
}

// encoder makes an encoder of pieces; the one of the first writes what stands before all rows.
func (s *fileSink) encoder(schema columns.Schema, first bool) (columns.ChunkEncoder, error) {
	switch s.spec.Format {
	case flows.ParquetFile:
		return columns.NewParquetEncoder(schema, columns.ParquetOptions{})
	case flows.NDJSON:
		return packed(columns.NewNDJSONEncoder(schema), s.spec.Compression)
	}
	opt := columns.CSVWriteOptions{NoHeader: !first || len(schema) == 0}
	if c := s.spec.CSV; c != nil {
		opt.Null, opt.QuoteAll = c.NullText, c.QuoteAll
		if c.Separator != "" {
			opt.Separator = c.Separator[0]
		}
		opt.NoHeader = opt.NoHeader || c.Header != nil && !*c.Header
	}
	if len(schema) == 1 && opt.Null == "" {
		opt.Null = `""` // an empty line is no row to most readers
	}
	return packed(columns.NewCSVEncoder(schema, opt), s.spec.Compression)
}

// Put implements engine.Sink.
func (s *fileSink) Put(_ context.Context, jobID string, c engine.Chunk) error {
	began := s.now()
	if head := s.head.Load(); c.Seq == 0 && head != nil {
		if err := s.file.Put(jobID, -1, 0, *head); err != nil {
			return err
		}
	}
	err := s.file.Put(jobID, c.Seq, c.Rows, c.Body)
	s.observer.ChunkUploaded(err == nil, int64(len(c.Body)), s.now().Sub(began))
	return err
}

// Reconcile implements engine.Reconciler.
func (s *fileSink) Reconcile(ctx context.Context, jobID string, chunks int64) error {
	s.chunks.Store(chunks)
	stored, err := s.file.IsStored(ctx, jobID)
	if err != nil || stored {
		return err
	}
	if head := s.head.Load(); chunks == 0 && head != nil {
		if err := s.file.Put(jobID, -1, 0, *head); err != nil {
			return err
		}
	}
	whole, err := s.file.IsWhole(jobID, chunks)
	if err != nil || whole {
		return err
	}
	return fault.New(fault.CelonisChunkCount, "not all of the file's %d pieces are on this machine", chunks).
		WithHint("the run begins anew by itself; workers that share the folder of CONNECTOR_DATA_DIR go on where others were")
}

// Commit implements engine.Sink.
func (s *fileSink) Commit(ctx context.Context, jobID string) error {
	return s.file.Commit(ctx, jobID, s.chunks.Load())
}

// Abort implements engine.Sink.
func (s *fileSink) Abort(ctx context.Context, jobID string) error { return s.file.Abort(ctx, jobID) }
