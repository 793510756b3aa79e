package engine

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
)

// TypedReader is a Reader whose records are columns with types already, so that
// they are not decoded from text; Decode is not called.
type TypedReader interface {
	Schema() columns.Schema
	// DecodeTyped gives the records of a block; they belong to it until Release.
	DecodeTyped(b columns.Block) *columns.Batch
}

// Seeker is a Reader that can pass over blocks without reading them.
type Seeker interface {
	// Seek makes Next go on with the block of number blocks, which begins at offset. Fault SourceChanged when there is no
	// such place.
	Seek(ctx context.Context, blocks int, offset int64) error
}

// Adaptive is a Reader whose records may have fields that its sample lacked.
type Adaptive interface {
	// Adapt adds fields to Names and, with note, lists all others in Raw.Extra. It comes before Peek, Next and Decode.
	Adapt(fields []string, note bool) error
}

var (
	_ Adaptive    = (*columns.Reader)(nil)
	_ TypedReader = (*columns.ParquetReader)(nil)
	_ Seeker      = (*columns.ParquetReader)(nil)
)

// mapper turns blocks into rows; it serves one goroutine.
type mapper struct {
	stream  *Stream
	typed   TypedReader // nil for a source of text
	applier *mapping.Applier
	// What rows has left of the last block.
	raw   *columns.Raw
	batch *columns.Batch // of a typed source
	found []columns.RecordError
}

func newMapper(stream *Stream, plan *mapping.Plan) *mapper {
	typed, _ := stream.Reader.(TypedReader)
	return &mapper{stream: stream, typed: typed, raw: new(columns.Raw), applier: plan.NewApplier()}
}

// within says within what the mapper asks agents.
func (w *mapper) within(ctx context.Context) *mapper {
	w.applier.Within(ctx)
	return w
}

// rows appends the block's good rows to out; found has the errors. The block is
// released by the caller.
func (w *mapper) rows(b columns.Block, out *columns.Batch) error {
	if w.typed != nil {
		w.batch = w.typed.DecodeTyped(b)
		w.found = w.applier.ApplyTyped(w.batch, out, w.found[:0])
		return w.applier.Stopped()
	}
	if err := w.stream.Decode(b, w.raw); err != nil {
		return err
	}
	w.found = w.applier.Apply(w.raw, out, w.found[:0])
	w.found = append(w.found, w.applier.Undecoded(w.raw)...)
	return w.applier.Stopped()
}

// do maps a block for the pipeline.
func (w *mapper) do(b columns.Block, p *pipeline) (*mapped, error) {
	m, err := w.mapped(b, p)
	if err == nil && p.job.Shape.Expand == "" {
		w.trace(p.job.Tracing)
	}
	return m, err
}

// mapped makes the rows of a block and finds its errors.
func (w *mapper) mapped(b columns.Block, p *pipeline) (*mapped, error) {
	m := &mapped{seq: b.Seq, batch: p.batch(), next: cursor{Blocks: b.Seq + 1, Offset: b.End()}}
	if err := w.rows(b, m.batch); err != nil {
		return nil, err
	}
	if w.typed != nil {
		m.seen, m.filtered = w.applier.CountsTyped(w.batch)
		m.errors = placedTyped(w.found, w.batch, w.applier)
	} else {
		m.seen, m.filtered = w.applier.Counts(w.raw)
		m.errors = w.placed(b)
	}
	m.contradiction = slices.IndexFunc(w.found, p.decides)
	if p.job.Policy == flows.DiscardValue {
		m.discarded = w.discarded()
	}
	return m, nil
}

// discarded counts the values and the fields without a column that the block lost.
func (w *mapper) discarded() map[string]int64 {
	lost := w.applier.TakeDiscarded()
	for _, extra := range w.raw.Extra {
		if extra.Cell.Kind == columns.Null {
			continue
		}
		if lost == nil {
			lost = make(map[string]int64)
		}
		lost[extra.Name]++
	}
	return lost
}

// placedTyped is placed for records that have a number and no place.
func placedTyped(found []columns.RecordError, rows *columns.Batch, applier *mapping.Applier) []flows.RecordError {
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b columns.RecordError) int { return cmp.Compare(a.Row, b.Row) })
	out := make([]flows.RecordError, len(found))
	for i, e := range found {
		record := columns.RenderRecord(rows, applier.SourceRow(e.Row))
		data, whole := applier.Kept(e.Row, record)
		kept := data[:min(len(data), flows.MaxErrorData)]
		out[i] = flows.RecordError{
			Record: int64(e.Row), Code: e.Code, Field: e.Field, Message: e.Message,
			Data: slices.Clone(kept), Truncated: len(kept) < len(data), DataIsObject: whole && len(kept) == len(data) && bytes.Equal(data, record),
		}
	}
	return out
}
