package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/celonis-connector/connector/internal/columns"
	"golang.org/x/sync/errgroup"
)

const (
	// maxCopyBytes bounds a row group that becomes a chunk as it is, in bytes of
	// the file; small ones are put together up to a quarter of that.
	maxCopyBytes = 32 << 20
	// maxCopyRows bounds the rows of row groups that are put together.
	maxCopyRows = 1_000_000
)

// Paged is a Reader whose source can become chunks page by page.
type Paged interface {
	// Copier gives a *columns.CopyRefusal where rows have to be decoded.
	Copier(schema columns.Schema, opt columns.ParquetOptions) (*columns.ParquetCopier, error)
}

// PageTaker is a Sink that takes Parquet files of any writer.
type PageTaker interface {
	// Pages says how chunks are packed; ok is false where they are no Parquet files.
	Pages() (opt columns.ParquetOptions, ok bool)
}

var _ Paged = (*columns.ParquetReader)(nil)

// copyPages makes chunks of the source's row groups for as long as nothing in
// them has to be decoded, and leaves p.start behind the last one. What is left
// goes through run.
func (p *pipeline) copyPages(ctx context.Context) error {
	paged, ok := p.stream.Reader.(Paged)
	sink, takes := p.job.Sink.(PageTaker)
	if !ok || !takes || p.losers != nil || p.job.Tracing != nil || !p.plan.Passes() {
		return nil
	}
	opt, ok := sink.Pages()
	if !ok {
		return nil
	}
	var refused *columns.CopyRefusal
	first, err := paged.Copier(p.plan.Schema(), opt)
	if errors.As(err, &refused) {
		return nil
	}
	if err != nil {
		return err
	}
	copiers := []*columns.ParquetCopier{first}
	defer func() {
		for _, c := range copiers {
			_ = c.Close() // it only frees memory
		}
	}()
	for len(copiers) < p.opt.Encoders {
		twin, err := first.Twin()
		if err != nil {
			return err
		}
		copiers = append(copiers, twin)
	}
	group, ok := groupAt(first, p.start.Offset)
	for ok && group < first.Groups() {
		if group, ok, err = p.copyGroups(ctx, copiers, group); err != nil {
			return err
		}
	}
	return nil
}

// groupAt gives the row group that begins at a row; ok is false when none does.
func groupAt(c *columns.ParquetCopier, row int64) (group int, ok bool) {
	for at := int64(0); group < c.Groups() && at <= row; group++ {
		if at == row {
			return group, true
		}
		rows, _ := c.Size(group)
		at += rows
	}
	return 0, false
}

// span is row groups that become one chunk.
type span struct {
	from, to int
	rows     int64
	body     *bytes.Buffer // nil when something in it has to be decoded
}

// nextSpan takes row groups from one on until a chunk is full; it is empty at
// the end and before a row group that is too large.
func nextSpan(c *columns.ParquetCopier, from int) span {
	s := span{from: from, to: from}
	for bytes := int64(0); s.to < c.Groups(); s.to++ {
		rows, size := c.Size(s.to)
		if bytes += size; bytes > maxCopyBytes || s.to > from && (bytes > maxCopyBytes/4 || s.rows+rows > maxCopyRows) {
			break
		}
		s.rows += rows
	}
	return s
}

// copyGroups copies row groups from group on, a span for each copier side by
// side, and pushes the spans before the first that has to be decoded. It gives
// the row group behind them, and whether to go on.
func (p *pipeline) copyGroups(ctx context.Context, copiers []*columns.ParquetCopier, group int) (next int, ok bool, err error) {
	spans := make([]span, len(copiers))
	g, gctx := errgroup.WithContext(ctx)
	for i, c := range copiers {
		s := &spans[i]
		*s = nextSpan(c, group)
		if s.from == s.to {
			break
		}
		group = s.to
		g.Go(func() error {
			var refused *columns.CopyRefusal
			body := new(bytes.Buffer)
			err := c.Copy(gctx, s.from, s.to, body)
			if errors.As(err, &refused) {
				return nil
			}
			s.body = body
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, false, err
	}
	if i := slices.IndexFunc(spans, func(s span) bool { return s.body == nil }); i >= 0 {
		spans = spans[:i]
	} else {
		ok = true
	}
	if len(spans) == 0 {
		return group, false, nil
	}
	return spans[len(spans)-1].to, ok, p.put(ctx, p.chunksOf(spans))
}

// chunksOf makes chunks of spans and moves the attempt's start behind them.
func (p *pipeline) chunksOf(spans []span) (chunks []*chunk) {
	last := p.journal.last()
	ledger := last.Ledger
	for _, s := range spans {
		ledger.Read += s.rows
		ledger.Pushed += s.rows
		p.start.Blocks++
		p.start.Offset += s.rows
		p.start.Identity, p.start.Evolved = p.stream.Identity, p.job.evolved
		if s.rows > 0 {
			chunks = append(chunks, &chunk{seq: last.Chunks + int64(len(chunks)), rows: s.rows, after: p.start, ledger: ledger, body: s.body})
		}
	}
	p.job.Progress.Read.Store(ledger.Read)
	p.job.Progress.InputBytes.Store(p.stream.InputBytes())
	return chunks
}

// put pushes chunks side by side; the first of a push makes the push job.
func (p *pipeline) put(ctx context.Context, chunks []*chunk) error {
	if len(chunks) == 0 {
		return nil
	}
	if p.journal.last().PushJobID == "" {
		jobID, err := p.job.Sink.Begin(ctx, p.plan.Schema())
		if err != nil {
			return err
		}
		if err := p.journal.begun(ctx, jobID); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	in := make(chan *chunk, len(chunks))
	for _, c := range chunks {
		in <- c
	}
	close(in)
	for range min(p.opt.Uploads, len(chunks)) {
		g.Go(func() error { return p.upload(gctx, in) })
	}
	err := g.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
