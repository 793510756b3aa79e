package engine

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// maxPendingErrors bounds the record errors that wait in memory for their chunk.
const maxPendingErrors = 500

const (
	// leastChunkBytes is the size of the first and the last chunks of a long source.
	leastChunkBytes = 2 << 20
	// maxDoublings is how often that size doubles at most.
	maxDoublings = 16
)

// collector brings blocks back in order and counts records.
type collector struct {
	next    int
	waiting map[int]*mapped
	open    *chunk
	// size is the memory of the open chunk's values, values that of all.
	size   int
	values int64
	// first is the sequence number of the attempt's first chunk.
	first  int64
	ledger flows.Ledger
	after  cursor
	seq    int64
	// discarded counts values that became null, by column.
	discarded map[string]int64
}

// collect puts mapped blocks into chunks, in the order of the source.
func (p *pipeline) collect(ctx context.Context, tokens <-chan struct{}, in <-chan *mapped, out chan<- *chunk) error {
	last := p.journal.last()
	p.tail = collector{
		next: p.start.Blocks, waiting: map[int]*mapped{}, ledger: last.Ledger,
		after: p.start, seq: last.Chunks, first: last.Chunks, open: new(chunk), discarded: maps.Clone(p.start.Discarded),
	}
	p.tail.after.Evolved, p.tail.after.Identity = p.job.evolved, p.stream.Identity
	t := &p.tail
	for m := range in {
		t.waiting[m.seq] = m
		for m, ok := t.waiting[t.next]; ok; m, ok = t.waiting[t.next] {
			delete(t.waiting, t.next)
			t.next++
			if err := p.add(ctx, m, out); err != nil {
				return err
			}
			<-tokens
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if t.open.rows > 0 {
		return p.dispatch(ctx, out)
	}
	return nil
}

// add takes the next block in order.
func (p *pipeline) add(ctx context.Context, m *mapped, out chan<- *chunk) error {
	t := &p.tail
	for i := range m.errors {
		m.errors[i].Record += t.ledger.Read + 1
	}
	rows := int64(m.batch.Rows)
	if m.contradiction >= 0 {
		return p.contradict(ctx, m)
	}
	t.ledger.Read += m.seen
	t.ledger.Errored += int64(len(m.errors))
	t.ledger.Pushed += rows
	t.ledger.Filtered += m.filtered
	t.after.Blocks, t.after.Offset = m.next.Blocks, m.next.Offset
	t.discard(m.discarded)
	t.open.errors = append(t.open.errors, m.errors...)
	p.job.Progress.Read.Store(t.ledger.Read)
	p.job.Progress.Errored.Store(t.ledger.Errored)
	p.job.Progress.Filtered.Store(t.ledger.Filtered)
	if rows > 0 {
		t.open.rows += rows
		t.open.batches = append(t.open.batches, m.batch)
		t.size += m.batch.Size()
		t.values += int64(m.batch.Size())
	} else {
		p.batches.Put(m.batch)
	}
	if p.job.MaxErrors.Exceeded(t.ledger.Errored, t.ledger.Read, false) {
		return p.tooManyErrors(ctx)
	}
	if t.size >= p.chunkBytes() {
		return p.dispatch(ctx, out)
	}
	if len(t.open.errors) > maxPendingErrors {
		return p.flushErrors(ctx)
	}
	return nil
}

// chunkBytes is how big the open chunk becomes. The first chunks are small, so
// that encoders and uploads have work early, and so are the last where the
// source's size is known, so that they end together.
func (p *pipeline) chunkBytes() int {
	t := &p.tail
	size := p.opt.ChunkBytes
	least := min(size, leastChunkBytes)
	if sent := t.seq - t.first; sent < maxDoublings {
		size = min(size, least<<sent)
	}
	if read := p.job.Progress.InputBytes.Load(); p.stream.InputSize > 0 && read > 0 {
		left := float64(p.stream.InputSize-read) * float64(t.values) / float64(read)
		size = min(size, max(least, int(left)/(2*p.opt.Encoders)))
	}
	return size
}

// dispatch closes the open chunk and sends it on. The first chunk of a push
// makes the push job, whose id is on record before the chunk goes out.
func (p *pipeline) dispatch(ctx context.Context, out chan<- *chunk) error {
	if p.journal.last().PushJobID == "" {
		jobID, err := p.job.Sink.Begin(ctx, p.plan.Schema())
		if err != nil {
			return err
		}
		if err := p.journal.begun(ctx, jobID); err != nil {
			return err
		}
	}
	t := &p.tail
	c := t.open
	c.seq, c.after, c.ledger = t.seq, t.after, t.ledger
	c.after.Discarded = maps.Clone(t.discarded)
	t.seq++
	t.open, t.size = new(chunk), 0
	return send(ctx, out, c)
}

func (p *pipeline) flushErrors(ctx context.Context) error {
	errors := p.tail.open.errors
	p.tail.open.errors = nil
	return p.journal.found(ctx, errors)
}

// tooManyErrors keeps the errors found, so that they can be looked at, and ends the attempt.
func (p *pipeline) tooManyErrors(ctx context.Context) error {
	if err := p.flushErrors(ctx); err != nil {
		return err
	}
	l := p.tail.ledger
	return fault.New(fault.RunTooManyErrors, "%d of %d records are bad, more than the flow's limit of %s", l.Errored, l.Read, p.job.MaxErrors).
		WithHint("look at the flow's errors, mend the source or the mapping, or raise maxErrors")
}

// finish settles what only the source's end can tell.
func (p *pipeline) finish(ctx context.Context) error {
	t := &p.tail
	if p.job.MaxErrors.Exceeded(t.ledger.Errored, t.ledger.Read, true) {
		return p.tooManyErrors(ctx)
	}
	if accepted := p.journal.last().Ledger.Pushed; accepted != t.ledger.Pushed || !t.ledger.Balanced() {
		return fault.New(fault.Internal, "the ledger does not balance: %+v with %d rows accepted", t.ledger, accepted)
	}
	t.after.Discarded = maps.Clone(t.discarded)
	end := ending{after: t.after, ledger: t.ledger, errors: t.open.errors, discarded: p.discardWarnings()}
	if err := p.journal.ended(ctx, end); err != nil {
		return err
	}
	if t.ledger.Pushed > 0 || !p.stream.MustHaveRows || t.ledger.Errored == 0 && takesNothing(p.job, p.plan.Schema()) {
		return nil
	}
	if t.ledger.Read == 0 {
		return noRecords()
	}
	if t.ledger.Errored == 0 {
		return fault.New(fault.SourceEmpty, "the filter let none of the %d records through", t.ledger.Read).
			WithHint("nothing was pushed and the table is as it was; look at the flow's filter")
	}
	return fault.New(fault.RunTooManyErrors, "none of the %d records could become a row", t.ledger.Read).
		WithHint("look at the flow's errors; nothing was pushed and the table is as it was")
}

func noRecords() error {
	return fault.New(fault.SourceEmpty, "the source has no records").
		WithHint("nothing was pushed and the table is as it was; an emptied table needs a source with at least one record")
}

// placed gives errors of a block their place in the source; Record is still
// counted from the block's beginning. They are in the order of records.
func (w *mapper) placed(b columns.Block) []flows.RecordError {
	found, raw := w.found, w.raw
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b columns.RecordError) int { return cmp.Compare(a.Row, b.Row) })
	keeper, keeps := w.stream.Reader.(Keeper)
	out := make([]flows.RecordError, len(found))
	for i, e := range found {
		record := raw.Data[e.Place.Off : e.Place.Off+e.Place.Len]
		data, whole := w.applier.Kept(e.Row, record)
		// A record with masked values is not the record: a retry would push the masks.
		whole = whole && bytes.Equal(data, record)
		kept := data[:min(len(data), flows.MaxErrorData)]
		out[i] = flows.RecordError{
			Record: int64(e.Row), Line: int64(b.Line + e.Line), Offset: b.Offset + int64(e.Place.Off),
			Code: e.Code, Field: e.Field, Message: e.Message,
			Data: slices.Clone(kept), Truncated: len(kept) < len(data),
		}
		if keeps && whole && !out[i].Truncated {
			object, same := keeper.Object(data)
			if out[i].DataIsObject = same; !same {
				out[i].Object = object
			}
		}
	}
	return out
}
