package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/sync/errgroup"
)

const (
	// maxEvolutions bounds how often one run widens its table; the last time makes contradicted columns text.
	maxEvolutions = 5
	// maxDiscardWarnings bounds the columns that have a warning of their own.
	maxDiscardWarnings = 20
)

// evolution is how far a table was widened beyond its rules.
type evolution struct {
	// Rules take the place of those for the same column or come behind them; Fields are source fields that the sample lacks.
	Rules  []flows.Rule `json:"rules,omitempty"`
	Fields []string     `json:"fields,omitempty"`
	Times  int          `json:"times,omitempty"`
}

// IsZero reports whether nothing was widened.
func (v evolution) IsZero() bool { return v.Times == 0 }

// apply widens the rules.
func (v evolution) apply(rules []flows.Rule) []flows.Rule {
	if len(v.Rules) == 0 {
		return rules
	}
	out := slices.Clone(rules)
	for _, wider := range v.Rules {
		i := slices.IndexFunc(out, func(r flows.Rule) bool { return r.To == wider.To })
		if i < 0 {
			out = append(out, wider)
		} else {
			out[i] = wider
		}
	}
	return out
}

// columns lists the widened columns.
func (v evolution) columns() []string {
	names := make([]string, len(v.Rules))
	for i, r := range v.Rules {
		names[i] = r.To
	}
	return names
}

// cursor is the beginning of a source for the widened table; nil when it was not widened.
func (v evolution) cursor() json.RawMessage {
	if v.IsZero() {
		return nil
	}
	return cursor{Evolved: v}.encode()
}

// contradicted ends an attempt whose table is too narrow.
type contradicted struct {
	p *pipeline
	// from is the block that holds the contradiction; those before it hold none.
	from cursor
	what flows.RecordError
}

// Error gives the contradiction.
func (c *contradicted) Error() string {
	return fmt.Sprintf("record %d contradicts the table: %s", c.what.Record, c.what.Message)
}

// decides reports whether the schema policy has a say in an error.
func (p *pipeline) decides(e columns.RecordError) bool {
	switch p.job.Policy {
	case flows.Evolve:
		return e.Widens
	case flows.Freeze:
		switch e.Code {
		case fault.ValueType, fault.ValueTooLong, fault.ValueOutOfRange, fault.RecordUnexpected:
			return true
		}
	}
	return false
}

// contradict ends the attempt at the first contradiction in the order of records.
func (p *pipeline) contradict(ctx context.Context, m *mapped) error {
	what := m.errors[m.contradiction]
	if p.job.Policy == flows.Evolve {
		return &contradicted{p: p, from: cursor{Blocks: p.tail.after.Blocks, Offset: p.tail.after.Offset}, what: what}
	}
	p.tail.open.errors = append(p.tail.open.errors, what)
	if err := p.flushErrors(ctx); err != nil {
		return err
	}
	at := fmt.Sprintf("record %d", what.Record)
	if what.Line > 0 {
		at = fmt.Sprintf("record %d on line %d", what.Record, what.Line)
	}
	sent := "nothing was pushed"
	if n := p.tail.after.Delivered; n > 0 {
		sent = fmt.Sprintf("the %d rows before it were delivered", n)
	}
	return fault.New(fault.MappingSchema, "%s does not fit the frozen schema: %s", at, what.Message).
		WithHint("mend the source, give column %q a wider type in the mapping, or choose another schemaPolicy; %s", what.Field, sent)
}

// evolve widens the job's table by all that the rest of the source contradicts,
// so that the push starts over seldom.
func (e *Engine) evolve(ctx context.Context, job *Job, c *contradicted) error {
	found, err := e.survey(ctx, job, c)
	if err != nil {
		return err
	}
	if err := job.widen(found, c.p.rules); err != nil {
		return fault.Wrap(c, fault.Internal, "the table cannot be widened")
	}
	return nil
}

// widen adds to the job's table what a survey has found beyond the rules.
func (job *Job) widen(found *mapping.Survey, rules []flows.Rule) error {
	wider := found.Widen(rules, job.evolved.Times >= maxEvolutions-1)
	if len(wider) == 0 || job.evolved.Times >= maxEvolutions {
		return fault.New(fault.Internal, "the table cannot be widened")
	}
	next := evolution{Rules: job.evolved.apply(nil), Fields: slices.Clone(job.evolved.Fields), Times: job.evolved.Times + 1}
	next.Fields = append(next.Fields, found.Fields()...)
	next.Rules = evolution{Rules: wider}.apply(next.Rules)
	job.evolved = next
	return nil
}

// survey reads the source from the contradiction to its end.
func (e *Engine) survey(ctx context.Context, job *Job, c *contradicted) (*mapping.Survey, error) {
	stream, err := openStream(ctx, job, c.p.want, true)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	p := &pipeline{opt: e.opt, job: job, stream: stream, plan: c.p.plan, start: c.from}
	surveys := make([]*mapping.Survey, e.opt.Decoders)
	blocks, tokens := make(chan columns.Block), make(chan struct{}, e.opt.Decoders+2)
	g, gctx := errgroup.WithContext(ctx)
	stage(g, 1, func() error { return p.read(gctx, tokens, blocks) }, func() { close(blocks) })
	for i := range surveys {
		surveys[i] = c.p.plan.NewSurvey(stream.inferOptions()).Within(gctx)
		stage(g, 1, func() error { return p.look(surveys[i], tokens, blocks) }, func() {})
	}
	err = g.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, err
	}
	for _, s := range surveys[1:] {
		surveys[0].Merge(s)
	}
	return surveys[0], nil
}

// look adds blocks to a survey.
func (p *pipeline) look(s *mapping.Survey, tokens <-chan struct{}, in <-chan columns.Block) error {
	typed, _ := p.stream.Reader.(TypedReader)
	raw := new(columns.Raw)
	for b := range in {
		if typed != nil {
			s.AddTyped(typed.DecodeTyped(b))
		} else {
			if err := p.stream.Decode(b, raw); err != nil {
				return err
			}
			s.Add(raw)
		}
		p.stream.Release(b)
		<-tokens
		if err := s.Stopped(); err != nil {
			return err
		}
	}
	return nil
}

// discard adds to the values that became null.
func (t *collector) discard(lost map[string]int64) {
	if len(lost) > 0 && t.discarded == nil {
		t.discarded = make(map[string]int64, len(lost))
	}
	for column, n := range lost {
		t.discarded[column] += n
	}
}

// discardWarnings tells of the values that became null.
func (p *pipeline) discardWarnings() (warnings []flows.Warning) {
	lost := p.tail.discarded
	rest := int64(0)
	for i, column := range slices.Sorted(maps.Keys(lost)) {
		n := lost[column]
		if i >= maxDiscardWarnings {
			rest += n
			continue
		}
		message := fmt.Sprintf("%d values of field %q did not fit their column and were set to null", n, column)
		if p.plan.Schema().Index(column) < 0 {
			message = fmt.Sprintf("%d values of field %q, which has no column, were left out", n, column)
		}
		warnings = append(warnings, flows.Warning{Code: fault.ValueDiscarded, Message: message})
	}
	if rest > 0 {
		warnings = append(warnings, flows.Warning{Code: fault.ValueDiscarded, Message: fmt.Sprintf("%d values of other fields were discarded", rest)})
	}
	return warnings
}
