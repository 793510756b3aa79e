package engine

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
)

// Looked is what the beginning of a job's source has become. Each part is there
// as far as the one before it went well.
type Looked struct {
	// Empty is set when the source gave no records and that is in order.
	Empty *Empty
	// ReadErr is why the source could not be opened, or not be read to the end of the look.
	ReadErr error
	// Head is the beginning of the records as they stand in the source; nil for one of typed columns.
	Head []byte
	// Separator is that of a CSV source, 0 for another.
	Separator byte
	Records   []LookedRecord
	// MapErr is why the rules could not be compiled.
	MapErr error
	Schema columns.Schema
	// Rows are those of the records in order; Of gives the record of each, counted from 0.
	Rows *columns.Batch
	Of   []int
	// Superseded says which rows lose against another of the same keys.
	Superseded []bool
	// Discarded counts the values that became null, by column.
	Discarded map[string]int64
}

// LookedRecord is a record of the source and what became of it.
type LookedRecord struct {
	Line int64
	// Data is the record as a JSON object, nil when it cannot be read.
	Data []byte
	// Seen counts the records that it was expanded to, 1 without expansion; Filtered are those that were taken out.
	Seen, Filtered int64
	// Errors say why it, or a part of it, became no row; their Record counts the parts from 0.
	Errors []flows.RecordError
}

// Look takes up to limit records through the pieces of a run: the same source,
// rules, fit, schema policy and choice among rows of equal keys. Types and
// lengths are found from the same sample as in a run that has no more records.
func (e *Engine) Look(ctx context.Context, job Job, limit int) *Looked {
	out := &Looked{}
	for {
		again, err := e.look(ctx, &job, limit, out)
		if err != nil {
			out.MapErr = err
		}
		if !again || err != nil {
			return out
		}
	}
}

// looking is one pass of Look.
type looking struct {
	job    *Job
	limit  int
	out    *Looked
	stream *Stream
	mapper *mapper
	typed  TypedReader
	blocks []columns.Block
	// widens says that a value contradicts the table, which the schema policy lets grow.
	widens bool
}

// look makes one pass; again says that the table was widened and another is needed.
func (e *Engine) look(ctx context.Context, job *Job, limit int, out *Looked) (again bool, err error) {
	*out = Looked{}
	want, wantErr := wanted(job)
	stream, err := openStream(ctx, job, want, bearsMore(job, want))
	if err != nil {
		if !errors.As(err, &out.Empty) && !errors.Is(err, ErrNoRecords) {
			out.ReadErr = err
		} else if out.Empty == nil {
			out.Empty = &Empty{}
		}
		return false, nil
	}
	defer stream.Close()
	l := &looking{job: job, limit: limit, out: out, stream: stream}
	l.typed, _ = stream.Reader.(TypedReader)
	if s, ok := stream.Reader.(interface{ Separator() byte }); ok {
		out.Separator = s.Separator()
	}
	var plan *mapping.Plan
	var rules []flows.Rule
	if _, out.ReadErr = stream.Peek(ctx, sampleBlocks); out.ReadErr == nil && wantErr == nil {
		plan, rules, wantErr = compile(ctx, stream, job)
	}
	if err := l.read(ctx); err != nil {
		return false, err
	}
	if plan == nil {
		return false, wantErr
	}
	if err := l.apply(ctx, plan); err != nil {
		return false, err
	}
	if l.widens {
		return true, e.widenLook(ctx, l, plan, rules)
	}
	return false, l.supersede()
}

// read takes the blocks that hold the records and shows these.
func (l *looking) read(ctx context.Context) error {
	for len(l.out.Records) < l.limit {
		b, err := l.stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if l.out.ReadErr == nil {
				l.out.ReadErr = err
			}
			return nil
		}
		if len(l.blocks) == 0 && l.typed == nil {
			l.out.Head = slices.Clone(b.Data[:min(len(b.Data), flows.MaxPreviewRaw+1)])
		}
		l.blocks = append(l.blocks, b)
		if err := l.each(b, l.show); err != nil {
			return err
		}
	}
	return nil
}

// part is one record of a block, as a block of its own.
type part struct {
	block columns.Block
	raw   *columns.Raw
	batch *columns.Batch // of a typed source
}

// each hands over the block's records one by one, in the order of the source.
func (l *looking) each(b columns.Block, take func(part)) error {
	if l.typed != nil {
		rows := l.typed.DecodeTyped(b)
		for r := range min(rows.Rows, l.limit) {
			take(part{block: b, batch: oneRow(rows, r)})
		}
		return nil
	}
	raw := new(columns.Raw)
	if err := l.stream.Decode(b, raw); err != nil {
		return err
	}
	bad := 0
	for n := range min(raw.Seen(), l.limit) {
		if bad < len(raw.Bad) && raw.Bad[bad].Row == n {
			take(part{block: b, raw: oneBad(raw, bad)})
			bad++
			continue
		}
		take(part{block: b, raw: oneRecord(raw, n-bad)})
	}
	return nil
}

// oneRow copies a row of a typed block.
func oneRow(from *columns.Batch, r int) *columns.Batch {
	to := columns.NewBatch(from.Schema)
	for i := range from.Columns {
		c, at := &to.Columns[i], &from.Columns[i]
		switch {
		case !at.Valid[r]:
			c.AppendNull()
		case at.Type == columns.String:
			c.AppendString(at.StringAt(r))
		case at.Type == columns.Float:
			c.AppendFloat(at.Floats[r])
		default:
			c.AppendInt(at.Ints[r])
		}
	}
	to.Rows = 1
	return to
}

// oneRecord gives a record of a block; its bytes stay where they are.
func oneRecord(from *columns.Raw, r int) *columns.Raw {
	to := &columns.Raw{Names: from.Names, Data: from.Data, Cells: make([][]columns.Cell, len(from.Cells)), Rows: 1}
	for c, cells := range from.Cells {
		if cells != nil {
			to.Cells[c] = cells[r : r+1]
		}
	}
	if r < len(from.Records) {
		to.Records = from.Records[r : r+1]
	}
	return to
}

// oneBad gives a record that could not be decoded.
func oneBad(from *columns.Raw, n int) *columns.Raw {
	bad := from.Bad[n]
	bad.Row = 0
	return &columns.Raw{Names: from.Names, Data: from.Data, Cells: make([][]columns.Cell, len(from.Cells)), Bad: []columns.RecordError{bad}, Index: []int{}}
}

// show notes a record as it stands in the source.
func (l *looking) show(p part) {
	if len(l.out.Records) == l.limit {
		return
	}
	r := LookedRecord{Seen: 1}
	switch {
	case p.batch != nil:
		r.Data = columns.RenderRecord(p.batch, 0)
	case len(p.raw.Bad) > 0:
		bad := p.raw.Bad[0]
		r.Line = int64(p.block.Line + bad.Line)
		r.Errors = []flows.RecordError{{
			Line: r.Line, Offset: p.block.Offset + int64(bad.Place.Off), Code: bad.Code, Field: bad.Field, Message: bad.Message,
		}}
	default:
		place := p.raw.Records[0]
		r.Line = int64(p.block.Line + lineEndsIn(p.raw.Data[:place.Off]))
		if k, ok := l.stream.Reader.(Keeper); ok {
			object, _ := k.Object(p.raw.Data[place.Off : place.Off+place.Len])
			r.Data = slices.Clone(object)
		}
	}
	l.out.Records = append(l.out.Records, r)
}

// lineEndsIn counts "\n", "\r\n" and a lone "\r".
func lineEndsIn(data []byte) (n int) {
	for i, b := range data {
		if b == '\n' || b == '\r' && (i+1 == len(data) || data[i+1] != '\n') {
			n++
		}
	}
	return n
}

// apply makes rows of the records.
func (l *looking) apply(ctx context.Context, plan *mapping.Plan) error {
	l.mapper = newMapper(l.stream, plan).within(ctx)
	l.out.Schema, l.out.Rows = plan.Schema(), columns.NewBatch(plan.Schema())
	n := 0
	for _, b := range l.blocks {
		err := l.each(b, func(p part) {
			if n < len(l.out.Records) {
				l.applyOne(p, n)
				n++
			}
		})
		if err != nil {
			return err
		}
	}
	l.out.Discarded = l.mapper.applier.TakeDiscarded()
	return l.mapper.applier.Stopped()
}

func (l *looking) applyOne(p part, n int) {
	w, r, before := l.mapper, &l.out.Records[n], l.out.Rows.Rows
	w.raw, w.batch = p.raw, p.batch
	if p.batch != nil {
		w.found = w.applier.ApplyTyped(p.batch, l.out.Rows, w.found[:0])
		r.Seen, r.Filtered = w.applier.CountsTyped(p.batch)
		r.Errors = placedTyped(w.found, p.batch, w.applier)
	} else {
		w.found = w.applier.Apply(p.raw, l.out.Rows, w.found[:0])
		w.found = append(w.found, w.applier.Undecoded(p.raw)...)
		r.Seen, r.Filtered = w.applier.Counts(p.raw)
		r.Errors = w.placed(p.block)
	}
	l.widens = l.widens || l.job.Policy == flows.Evolve && slices.ContainsFunc(w.found, func(e columns.RecordError) bool { return e.Widens })
	for range l.out.Rows.Rows - before {
		l.out.Of = append(l.out.Of, n)
	}
}

// widenLook widens the table by the blocks looked at.
func (e *Engine) widenLook(ctx context.Context, l *looking, plan *mapping.Plan, rules []flows.Rule) error {
	want, err := wanted(l.job)
	if err != nil {
		return err
	}
	stream, err := openStream(ctx, l.job, want, true)
	if err != nil {
		return err
	}
	defer stream.Close()
	typed, _ := stream.Reader.(TypedReader)
	survey := plan.NewSurvey(stream.inferOptions()).Within(ctx)
	for range l.blocks {
		b, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		raw := new(columns.Raw)
		if typed != nil {
			survey.AddTyped(typed.DecodeTyped(b))
			continue
		}
		if err := stream.Decode(b, raw); err != nil {
			return err
		}
		survey.Add(raw)
	}
	if err := survey.Stopped(); err != nil {
		return err
	}
	return l.job.widen(survey, rules)
}

// supersede finds the rows that lose against others of the same keys.
func (l *looking) supersede() error {
	l.out.Superseded = make([]bool, l.out.Rows.Rows)
	d, ok := l.job.Sink.(Distincter)
	if !ok {
		return nil
	}
	keys, order := d.Distinct()
	if len(keys) == 0 {
		return nil
	}
	digest, err := newDigest(l.out.Schema, keys, order)
	if err != nil {
		return err
	}
	best := map[string]int{}
	for row := range l.out.Rows.Rows {
		key := string(digest.key(nil, l.out.Rows, row))
		held, taken := best[key]
		switch {
		case !taken:
			best[key] = row
		case slices.Compare(digest.rank(nil, l.out.Rows, held)[2:], digest.rank(nil, l.out.Rows, row)[2:]) <= 0:
			best[key], l.out.Superseded[held] = row, true
		default:
			l.out.Superseded[row] = true
		}
	}
	return nil
}
