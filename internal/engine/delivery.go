package engine

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// afterDelivery bounds the time in which the outcomes of rows are kept that
// were delivered while the attempt was being ended.
const afterDelivery = 10 * time.Second

// delivery is the way of one attempt's rows to a Deliverer, in the order of the
// source:
//
//	read ─▶ decode and map ─▶ groups ─▶ deliver ─▶ journal
//
// It is one goroutine: what bounds it is the far side.
type delivery struct {
	*pipeline
	sink   Deliverer
	dry    bool
	mapper *mapper
	// block is the one at work.
	block placedBlock
}

// placedBlock is a block whose rows are being delivered.
type placedBlock struct {
	columns.Block
	*mapped
	// rows are the numbers of the batch's rows among the block's good ones; nil where all of them are in the batch.
	rows []int
	// good are what the mapping says of the block's good rows, nil before a row is refused.
	good []int
	// skip is how many rows earlier attempts have delivered.
	skip int
	// before counts the records of the source before the block, records those of the block that are counted in the ledger,
	// counted the mapping's errors among them.
	before, records int64
	counted         int
	// found are the mapping's errors.
	found []columns.RecordError
	// refused are the rows that the destination did not take, by their number in the source's block.
	refused []columns.RecordError
}

// deliver moves every row of the source to the destination.
func (p *pipeline) deliver(ctx context.Context) (err error) {
	sink, dry := delivererOf(p.job.Sink)
	d := &delivery{pipeline: p, sink: sink, dry: dry, mapper: newMapper(p.stream, p.plan).within(ctx)}
	d.begin()
	if s, ok := p.stream.Reader.(Seeker); ok && p.start.Blocks > 0 {
		if err := s.Seek(ctx, p.start.Blocks, p.start.Offset); err != nil {
			return err
		}
	}
	for {
		b, err := p.stream.Next(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.job.Progress.InputBytes.Store(p.stream.InputBytes())
		if b.Seq >= p.start.Blocks {
			err = d.take(ctx, b)
		}
		p.stream.Release(b)
		if err != nil {
			return err
		}
	}
}

// begin takes up the state of the checkpoint.
func (p *pipeline) begin() {
	p.tail = collector{ledger: p.journal.last().Ledger, after: p.start, open: new(chunk), discarded: maps.Clone(p.start.Discarded)}
	p.tail.after.Evolved, p.tail.after.Identity = p.job.evolved, p.stream.Identity
}

// take maps a block and delivers its rows.
func (d *delivery) take(ctx context.Context, b columns.Block) error {
	if b.Seq > 0 && b.Seq == d.start.Blocks && b.Offset != d.start.Offset {
		return fault.New(fault.SourceChanged, "the source has changed since its checkpoint")
	}
	if err := d.mapBlock(ctx, b); err != nil {
		return err
	}
	for from := d.block.skip; from < d.block.batch.Rows; {
		n, err := d.group(ctx, from)
		from += n
		if err != nil {
			return err
		}
	}
	return d.pass(ctx)
}

// mapBlock makes the rows of a block, and finds out what of it was delivered before.
func (d *delivery) mapBlock(ctx context.Context, b columns.Block) error {
	m, err := d.mapper.mapped(b, d.pipeline)
	if err != nil {
		return err
	}
	d.block = placedBlock{Block: b, mapped: m, rows: d.losers.left(b.Seq), found: slices.Clone(d.mapper.found)}
	filtered, err := d.losers.drop(b.Seq, m.batch)
	if err != nil {
		return err
	}
	m.filtered += filtered
	t, at := &d.tail, &d.block
	if b.Seq == d.start.Blocks {
		at.skip = int(d.start.Rows)
	}
	if at.skip > m.batch.Rows || b.Seq == d.start.Blocks && at.skip+d.start.Sent > m.batch.Rows {
		return fault.New(fault.SourceChanged, "the source has changed since its checkpoint")
	}
	if at.skip > 0 {
		at.records = d.start.Records
	}
	at.before = t.ledger.Read - at.records
	for i := range m.errors {
		if m.errors[i].Record < at.records {
			at.counted++
		}
		m.errors[i].Record += at.before + 1
	}
	if m.contradiction >= 0 {
		return d.contradict(ctx, m)
	}
	if n := t.ledger.Errored + int64(len(m.errors)-at.counted); d.job.MaxErrors.Exceeded(n, at.before+m.seen, false) {
		t.open.errors = append(t.open.errors, m.errors[at.counted:]...)
		t.ledger.Read, t.ledger.Errored = at.before+m.seen, n
		return d.tooManyErrors(ctx)
	}
	return nil
}

// group delivers rows of the block from one on and keeps what became of them; n is how many are decided.
func (d *delivery) group(ctx context.Context, from int) (n int, err error) {
	if cause := context.Cause(ctx); cause != nil {
		return 0, cause
	}
	if err := d.opened(ctx); err != nil {
		return 0, err
	}
	out := Delivery{Rows: d.block.batch, From: from, To: min(from+max(d.sink.Group(), 1), d.block.batch.Rows), First: d.tail.after.Delivered, Dry: d.dry}
	if sent := d.start.Sent; sent > 0 && from == d.block.skip && d.block.Seq == d.start.Blocks {
		out.Doubtful, out.To = true, from+sent
	}
	repeatable := d.dry || d.sink.Repeatable()
	if !repeatable && !out.Doubtful {
		d.tail.after.Sent = out.To - from
		if err := d.journal.passed(ctx, d.state(nil)); err != nil {
			return 0, err
		}
		d.tail.open.errors = nil
	}
	outcomes, err := d.sink.Deliver(ctx, d.journal.last().PushJobID, out)
	n = decided(outcomes, out.To-from)
	if n < out.To-from && err == nil {
		err = fault.New(fault.Internal, "the destination left rows undecided")
	}
	d.tail.after.Sent = 0
	if !repeatable && (out.Doubtful || context.Cause(ctx) != nil && !errors.As(err, new(Unsent))) {
		// Nobody knows of the rest whether it arrived.
		d.tail.after.Sent = out.To - from - n
	}
	outcomes = outcomes[:n]
	if left := d.tail.after.Sent; left > 0 && fault.Has(context.Cause(ctx), fault.RunCanceled) {
		// No later attempt of this run will say so.
		d.tail.after.Sent, n = 0, n+left
		for range left {
			outcomes = append(outcomes, Outcome{Done: true, Fault: fault.New(fault.DestinationInDoubt, "it is not known whether the destination has the row: the run was canceled while it was sent")})
		}
	}
	if saveErr := d.settle(ctx, from, outcomes); saveErr != nil {
		return n, cmpError(err, saveErr)
	}
	if cause := context.Cause(ctx); cause != nil {
		return n, cause
	}
	return n, err
}

// cmpError gives the fault that ends the attempt: a lost lease goes before everything.
func cmpError(err, saveErr error) error {
	if err == nil || fault.Has(saveErr, fault.RunLeaseLost) {
		return saveErr
	}
	return err
}

// decided counts the outcomes of the unbroken beginning.
func decided(outcomes []Outcome, rows int) int {
	outcomes = outcomes[:min(len(outcomes), rows)]
	if n := slices.IndexFunc(outcomes, func(o Outcome) bool { return !o.Done }); n >= 0 {
		return n
	}
	return len(outcomes)
}

// opened makes the push before its first row goes out.
func (d *delivery) opened(ctx context.Context) error {
	if d.journal.last().PushJobID != "" {
		return nil
	}
	jobID, err := d.job.Sink.Begin(ctx, d.plan.Schema())
	if err != nil {
		return err
	}
	return d.journal.begun(ctx, jobID)
}

// settle counts the outcomes of rows and saves the cursor behind them (I1); the attempt may be ending meanwhile.
func (d *delivery) settle(ctx context.Context, from int, outcomes []Outcome) error {
	t := &d.tail
	actions := map[string]int64{}
	for i, o := range outcomes {
		if o.Action != "" {
			actions[o.Action]++
		}
		if o.Fault == nil {
			t.ledger.Pushed++
			continue
		}
		t.ledger.Errored++
		t.open.errors = append(t.open.errors, d.refuse(from+i, o.Fault))
	}
	n := int64(len(outcomes))
	t.after.Rows, t.after.Delivered = int64(from)+n, t.after.Delivered+n
	if n > 0 {
		d.count(int64(d.number(from+int(n)-1))+1, n)
	}
	s := d.state(actions)
	if n > 0 {
		s.groups = 1
	}
	if ctx.Err() != nil {
		saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterDelivery)
		defer cancel()
		ctx = saving
	}
	if err := d.journal.passed(ctx, s); err != nil {
		return err
	}
	t.open.errors = nil
	d.job.Progress.Read.Store(t.ledger.Read)
	d.job.Progress.Errored.Store(t.ledger.Errored)
	if ctx.Err() == nil && d.job.MaxErrors.Exceeded(t.ledger.Errored, t.ledger.Read, false) {
		return d.tooManyErrors(ctx)
	}
	return nil
}

// number counts the records of the block before a row of its batch.
func (d *delivery) number(row int) int {
	raw, r := d.source(row)
	return d.mapper.applier.Number(raw, r)
}

// source gives what the mapping needs to find the record of a row of the block's batch.
func (d *delivery) source(row int) (raw *columns.Raw, r int) {
	at, w := &d.block, d.mapper
	if at.good == nil {
		at.good = w.applier.Good()
	}
	if at.rows != nil {
		row = at.rows[row]
	}
	if w.typed == nil {
		raw = w.raw
	}
	return raw, at.good[row]
}

// count takes the block's records up to a number into the ledger, of which so many more are rows that are decided: what
// is neither a row nor an error was filtered.
func (d *delivery) count(records, rows int64) {
	t, at := &d.tail, &d.block
	more := records - at.records - rows
	for at.counted < len(at.errors) && at.errors[at.counted].Record <= at.before+records {
		t.open.errors = append(t.open.errors, at.errors[at.counted])
		t.ledger.Errored++
		at.counted++
		more--
	}
	t.ledger.Read += records - at.records
	t.ledger.Filtered += more
	at.records, t.after.Records = records, records
}

// refuse makes the error of a row of the block's batch.
func (d *delivery) refuse(row int, f *fault.Error) flows.RecordError {
	at, w := &d.block, d.mapper
	e := w.applier.Refused(d.source(row))
	e.Code, e.Message = f.Code, f.Message
	if len(f.Fields) > 0 {
		e.Field = f.Fields[0].Pointer
	}
	at.refused = append(at.refused, e)
	w.found = append(w.found[:0], e)
	var placed []flows.RecordError
	if w.typed != nil {
		placed = placedTyped(w.found, w.batch, w.applier)
	} else {
		placed = w.placed(at.Block)
	}
	placed[0].Record += at.before + 1
	return placed[0]
}

// pass leaves the block behind: what of it became no row is counted, and what it held is looked for.
func (d *delivery) pass(ctx context.Context) error {
	t, m := &d.tail, d.block.mapped
	d.count(m.seen, 0)
	t.after.Blocks, t.after.Offset, t.after.Rows, t.after.Records, t.after.Sent = m.next.Blocks, m.next.Offset, 0, 0, 0
	t.after.Sources += d.sources()
	t.discard(m.discarded)
	t.after.Discarded = maps.Clone(t.discarded)
	p := d.job.Progress
	p.Read.Store(t.ledger.Read)
	p.Errored.Store(t.ledger.Errored)
	p.Filtered.Store(t.ledger.Filtered)
	d.trace()
	d.batches.Put(m.batch)
	if len(t.open.errors) > maxPendingErrors {
		return d.flushErrors(ctx)
	}
	return nil
}

// trace looks out for records that earlier runs could not deliver among those of the block that were.
func (d *delivery) trace() {
	if d.job.Tracing == nil || d.job.Shape.Expand != "" {
		return
	}
	w, at := d.mapper, &d.block
	w.found = append(append(w.found[:0], at.found...), at.refused...)
	if at.skip > 0 {
		// What became of rows that an earlier attempt delivered is not known here.
		for row := range at.skip {
			w.found = append(w.found, w.applier.Refused(d.source(row)))
		}
	}
	w.trace(d.job.Tracing)
}

// sources counts the records of the block as they stand in the source.
func (d *delivery) sources() int64 {
	if d.mapper.typed != nil {
		return int64(d.mapper.batch.Rows)
	}
	return int64(d.mapper.raw.Seen())
}

// passed is a state of the attempt that is to be saved.
type passed struct {
	after   cursor
	ledger  flows.Ledger
	errors  []flows.RecordError
	actions map[string]int64
	groups  int64
	// consumed is Checkpoint.Consumed.
	consumed int64
}

// state is where the attempt stands.
func (d *delivery) state(actions map[string]int64) passed {
	s := passed{after: d.tail.after, ledger: d.tail.ledger, errors: d.tail.open.errors, actions: actions}
	switch {
	case d.dry:
	case d.job.Shape.Expand != "":
		// What a record was expanded to is in parts; only whole blocks are known to be settled.
		s.consumed = d.tail.after.Sources
	default:
		s.consumed = d.tail.ledger.Read
	}
	return s
}

// passed saves how far the rows are delivered.
func (j *journal) passed(ctx context.Context, s passed) error {
	return j.change(ctx, s.errors, func(c *flows.Checkpoint) {
		c.Source, c.Ledger, c.Consumed = s.after.encode(), s.ledger, s.consumed
		c.Chunks += s.groups
		c.Count(s.actions)
	})
}

// finishDelivery settles what only the source's end can tell.
func (p *pipeline) finishDelivery(ctx context.Context) error {
	t := &p.tail
	if p.job.MaxErrors.Exceeded(t.ledger.Errored, t.ledger.Read, true) {
		return p.tooManyErrors(ctx)
	}
	if accepted := p.journal.last().Ledger.Pushed; accepted != t.ledger.Pushed || !t.ledger.Balanced() {
		return fault.New(fault.Internal, "the ledger does not balance: %+v with %d rows delivered", t.ledger, accepted)
	}
	end := ending{after: t.after, ledger: t.ledger, errors: t.open.errors, discarded: p.discardWarnings()}
	if err := p.journal.ended(ctx, end); err != nil {
		return err
	}
	switch {
	case !p.stream.MustHaveRows || t.after.Delivered > 0:
		return nil
	case t.ledger.Read == 0:
		return fault.New(fault.SourceEmpty, "the source has no records").WithHint("nothing was sent")
	case t.ledger.Errored > 0:
		return fault.New(fault.RunTooManyErrors, "none of the %d records could become a row", t.ledger.Read).
			WithHint("look at the flow's errors; nothing was sent")
	}
	return nil
}
