package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/sync/errgroup"
)

// pipeline is the way of one attempt's records:
//
//	read (1) ─▶ decode and map (Decoders) ─▶ collect in order (1) ─▶ encode (Encoders) ─▶ upload (Uploads) ─▶ journal
//
// Each stage hands over through a channel without a buffer, and the blocks
// between read and collect are counted by tokens, so that what is in memory is
// bounded by the number of goroutines.
type pipeline struct {
	opt             Options
	job             *Job
	journal         *journal
	stream          *Stream
	plan            *mapping.Plan
	rules           []flows.Rule
	want            []string
	fingerprint     string
	start           cursor
	checkpointStale bool
	// losers are rows that are not pushed, since another row of the same key is.
	losers *losers

	batches sync.Pool // of *columns.Batch
	bodies  sync.Pool // of *bytes.Buffer
	tail    collector
}

// mapped is a block's rows and errors, with places that are absolute in the
// source but for the record number.
type mapped struct {
	seq    int
	next   cursor
	batch  *columns.Batch
	errors []flows.RecordError
	seen   int64
	// contradiction is the index of the first error that the schema policy has a say in, -1 when there is none.
	contradiction int
	// discarded counts values that became null, by column.
	discarded map[string]int64
	// filtered counts records that the filter took out, and good rows that are not pushed.
	filtered int64
}

// chunk is rows on their way to the destination.
type chunk struct {
	seq     int64
	batches []*columns.Batch
	rows    int64
	errors  []flows.RecordError
	// after and ledger are the state of the run once the chunk is accepted.
	after  cursor
	ledger flows.Ledger
	body   *bytes.Buffer
	bytes  int64
}

// run moves every record of the source; the rows are in the push job when it returns nil.
func (p *pipeline) run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	var (
		tokens  = make(chan struct{}, p.opt.Decoders+2)
		blocks  = make(chan columns.Block)
		rows    = make(chan *mapped)
		chunks  = make(chan *chunk)
		encoded = make(chan *chunk)
	)
	stage(g, 1, func() error { return p.read(gctx, tokens, blocks) }, func() { close(blocks) })
	stage(g, p.opt.Decoders, func() error { return p.decode(gctx, blocks, rows) }, func() { close(rows) })
	stage(g, 1, func() error { return p.collect(gctx, tokens, rows, chunks) }, func() { close(chunks) })
	stage(g, p.opt.Encoders, func() error { return p.encode(gctx, chunks, encoded) }, func() { close(encoded) })
	stage(g, p.opt.Uploads, func() error { return p.upload(gctx, encoded) }, func() {})
	err := g.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// stage runs n goroutines of work and calls done when the last has ended. A
// panic becomes a fault of the run, so that the worker lives.
func stage(g *errgroup.Group, n int, work func() error, done func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Add(1)
		g.Go(func() (err error) {
			defer wg.Done()
			defer func() {
				if r := recover(); r != nil {
					err = fault.Wrap(fmt.Errorf("%v\n%s", r, debug.Stack()), fault.RunPanic, "the run broke on an unforeseen record or answer")
				}
			}()
			return work()
		})
	}
	go func() { wg.Wait(); done() }()
}

// send hands v over unless the attempt ends first.
func send[T any](ctx context.Context, out chan<- T, v T) error {
	select {
	case out <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// read cuts the source into blocks and passes over those before the checkpoint.
func (p *pipeline) read(ctx context.Context, tokens chan<- struct{}, out chan<- columns.Block) error {
	if s, ok := p.stream.Reader.(Seeker); ok && p.start.Blocks > 0 {
		if err := s.Seek(ctx, p.start.Blocks, p.start.Offset); err != nil {
			return err
		}
	}
	for {
		b, err := p.stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.job.Progress.InputBytes.Store(p.stream.InputBytes())
		if b.Seq < p.start.Blocks {
			p.stream.Release(b)
			continue
		}
		if b.Seq > 0 && b.Seq == p.start.Blocks && b.Offset != p.start.Offset {
			return fault.New(fault.SourceChanged, "the source has changed since its checkpoint")
		}
		if err := send(ctx, tokens, struct{}{}); err != nil {
			return err
		}
		if err := send(ctx, out, b); err != nil {
			return err
		}
	}
}

// decode turns blocks into typed rows.
func (p *pipeline) decode(ctx context.Context, in <-chan columns.Block, out chan<- *mapped) error {
	w := newMapper(p.stream, p.plan).within(ctx)
	for b := range in {
		m, err := w.do(b, p)
		if err != nil {
			return err
		}
		filtered, err := p.losers.drop(b.Seq, m.batch)
		if err != nil {
			return err
		}
		m.filtered += filtered
		p.stream.Release(b)
		if err := send(ctx, out, m); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) batch() *columns.Batch {
	if b, ok := p.batches.Get().(*columns.Batch); ok {
		b.Reset()
		return b
	}
	return columns.NewBatch(p.plan.Schema())
}

// encode makes chunk files.
func (p *pipeline) encode(ctx context.Context, in <-chan *chunk, out chan<- *chunk) error {
	encoder, err := p.job.Sink.Encoder(p.plan.Schema())
	if err != nil {
		return err
	}
	for c := range in {
		for i, b := range c.batches {
			if err := encoder.Append(b); err != nil {
				return err
			}
			p.batches.Put(b)
			c.batches[i] = nil
		}
		c.batches = nil
		if c.body, _ = p.bodies.Get().(*bytes.Buffer); c.body == nil {
			c.body = new(bytes.Buffer)
		}
		c.body.Reset()
		if err := encoder.Finish(c.body); err != nil {
			return err
		}
		encoder.Reset()
		if err := send(ctx, out, c); err != nil {
			return err
		}
	}
	return nil
}

// upload hands chunks to the destination and takes note of each that it accepted.
func (p *pipeline) upload(ctx context.Context, in <-chan *chunk) error {
	jobID := ""
	for c := range in {
		if jobID == "" {
			jobID = p.journal.last().PushJobID
		}
		if err := p.job.Sink.Put(ctx, jobID, Chunk{Seq: c.seq, Rows: c.rows, Body: c.body.Bytes()}); err != nil {
			return err
		}
		c.bytes = int64(c.body.Len())
		p.bodies.Put(c.body)
		c.body = nil
		if err := p.journal.accept(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
