package engine

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// Declarer knows what table a push of rows would declare. It only reads.
type Declarer interface {
	// Declare compares the table with the one that stands; where that cannot be seen, err says why and the rest is told all the same.
	Declare(ctx context.Context, schema columns.Schema) (t flows.DeclaredTable, err error)
}

// DryJob is the push job of a run that sends nothing.
const DryJob = "dry-run"

// drySink takes rows as a sink does and sends nothing. Chunks are encoded, so
// that their sizes are known, and end here.
type drySink struct{ Sink }

var (
	_ Sink       = drySink{}
	_ Fitter     = drySink{}
	_ Distincter = drySink{}
)

// Dry gives a sink that takes what s would, and sends nothing. What is visible
// at once, reconciled or followed by steps in s is not so here.
func Dry(s Sink) Sink { return drySink{s} }

// Fit implements Fitter.
func (d drySink) Fit(ctx context.Context, rules []flows.Rule) ([]flows.Rule, error) {
	if f, ok := d.Sink.(Fitter); ok {
		return f.Fit(ctx, rules)
	}
	return rules, nil
}

// Distinct implements Distincter.
func (d drySink) Distinct() (keys []string, order string) {
	if s, ok := d.Sink.(Distincter); ok {
		return s.Distinct()
	}
	return nil, ""
}

// Resume implements Sink: an attempt that died goes on where it was.
func (drySink) Resume(_ context.Context, c flows.Checkpoint) (Decision, error) {
	if c.Submitted {
		return Finish, nil
	}
	return GoOn, nil
}

// Begin implements Sink.
func (drySink) Begin(context.Context, columns.Schema) (string, error) { return DryJob, nil }

// Put implements Sink.
func (drySink) Put(context.Context, string, Chunk) error { return nil }

// Commit implements Sink.
func (drySink) Commit(context.Context, string) error { return nil }

// Abort implements Sink.
func (drySink) Abort(context.Context, string) error { return nil }

// foresee notes the table that a dry run would declare, and warns where the one
// that stands is another.
func foresee(ctx context.Context, job *Job, schema columns.Schema, c *flows.Checkpoint) error {
	d, ok := job.Sink.(drySink)
	if !ok {
		return nil
	}
	c.Forecast = &flows.Forecast{}
	declarer, ok := d.Sink.(Declarer)
	if !ok {
		return nil
	}
	table, err := declarer.Declare(ctx, schema)
	if err != nil && fault.RetryOf(err) != fault.Never {
		return err
	}
	c.Forecast.Table = &table
	if table.Mode == flows.Replace {
		return nil
	}
	for _, what := range table.Differences {
		if len(c.Warnings) < flows.MaxWarnings {
			c.Warnings = append(c.Warnings, flows.Warning{Code: fault.CelonisSchemaDrift, Message: what})
		}
	}
	return nil
}
