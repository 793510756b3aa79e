package engine

import (
	"context"
	"errors"
	"io"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
)

// surveyRows shows every row to a sink that must know them before the first is
// delivered. The source is read once more for it.
func (e *Engine) surveyRows(ctx context.Context, p *pipeline) error {
	sink, dry := delivererOf(p.job.Sink)
	s, ok := sink.(Surveyor)
	if !ok || !s.Surveys() {
		return nil
	}
	stream, err := openStream(ctx, p.job, p.want, bearsMore(p.job, p.want))
	if err != nil {
		return err
	}
	defer stream.Close()
	looked := &pipeline{opt: p.opt, job: p.job, journal: p.journal, stream: stream, plan: p.plan, rules: p.rules, want: p.want, losers: p.losers}
	looked.begin()
	d := &delivery{pipeline: looked, sink: sink, dry: dry, mapper: newMapper(stream, p.plan).within(ctx)}
	d.tail.ledger = flows.Ledger{}
	for {
		b, err := stream.Next(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if errors.Is(err, io.EOF) {
			return s.Surveyed(ctx)
		}
		if err != nil {
			return err
		}
		if err := d.show(ctx, s, b); err != nil {
			return err
		}
		stream.Release(b)
	}
}

// show gives a block's rows to a survey.
func (d *delivery) show(ctx context.Context, s Surveyor, b columns.Block) error {
	if err := d.mapBlock(ctx, b); err != nil {
		return err
	}
	t, m := &d.tail, d.block.mapped
	t.ledger.Read += m.seen
	t.ledger.Errored += int64(len(m.errors))
	t.after.Blocks, t.after.Offset = m.next.Blocks, m.next.Offset
	if err := regret(ctx, s, m.errors); err != nil {
		return err
	}
	if m.batch.Rows > 0 {
		if err := s.Survey(ctx, m.batch); err != nil {
			return err
		}
	}
	d.batches.Put(m.batch)
	return nil
}
