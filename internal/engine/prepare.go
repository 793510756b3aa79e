package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/sync/errgroup"
)

// sampleBlocks is how many blocks at the beginning of a source types and
// lengths are found from: about 4 MiB of text.
const sampleBlocks = 16

// prepare opens the source, finds out what the mapping leaves open from a
// sample, and compiles the mapping.
func (e *Engine) prepare(ctx context.Context, job *Job, checkpoint flows.Checkpoint) (*pipeline, error) {
	want, err := wanted(job)
	if err != nil {
		return nil, err
	}
	want = job.Tracing.fields(want)
	start, err := decodeCursor(checkpoint)
	if err == nil && job.evolved.Times == 0 {
		job.evolved = start.Evolved
	}
	stream, openErr := openStream(ctx, job, want, bearsMore(job, want))
	if openErr != nil {
		return nil, openErr
	}
	plan, rules, compileErr := compile(ctx, stream, job)
	if compileErr != nil {
		stream.Close()
		return nil, compileErr
	}
	fingerprint := fingerprintOf(plan.Schema())
	job.Progress.InputSize.Store(stream.InputSize)
	return &pipeline{
		opt: e.optionsFor(job), job: job, stream: stream, plan: plan, rules: rules, want: want, fingerprint: fingerprint, start: start,
		// A cursor of another form or of another reading, or a table declared otherwise, belongs
		// to other rows: what was pushed for it cannot be continued.
		checkpointStale: checkpoint.PushJobID != "" && (err != nil || isOther(job, checkpoint.Schema, fingerprint) || start.begun() && start.Identity != stream.Identity),
	}, nil
}

// wanted lists the source fields that the rules and the filter read, nil for
// every field: when there are no rules, or an expression computes a field's name.
func wanted(job *Job) ([]string, error) {
	if len(job.Rules) == 0 {
		return nil, nil
	}
	plan, err := mapping.Compile(job.Rules, nil, mapping.Options{Shape: job.Shape})
	if err != nil {
		return nil, err
	}
	return plan.Want(), nil
}

// bearsMore reports whether fields that have no column do not make a record
// bad: they are left out, or rules name the columns and an expression may read any field.
func bearsMore(job *Job, want []string) bool {
	return job.Policy == flows.DiscardValue || len(job.Rules) > 0 && want == nil
}

// openStream opens the source with the fields that the table was widened by.
// With note, fields that have no column do not make a record bad.
func openStream(ctx context.Context, job *Job, want []string, note bool) (*Stream, error) {
	stream, err := job.Source.Open(ctx, want)
	if err != nil {
		return nil, err
	}
	a, ok := stream.Reader.(Adaptive)
	if !ok || len(job.evolved.Fields) == 0 && !note {
		return stream, nil
	}
	if err := a.Adapt(job.evolved.Fields, note); err != nil {
		stream.Close()
		return nil, err
	}
	return stream, nil
}

// compile makes the plan and gives the rules that it was made from.
func compile(ctx context.Context, stream *Stream, job *Job) (*mapping.Plan, []flows.Rule, error) {
	rules, err := complete(ctx, stream, job)
	if err != nil {
		return nil, nil, err
	}
	if f, ok := job.Sink.(Fitter); ok {
		if rules, err = f.Fit(ctx, rules); err != nil {
			return nil, nil, err
		}
	}
	rules = job.evolved.apply(rules)
	plan, err := mapping.Compile(rules, stream.Names(), mapping.Options{
		NamesComplete: stream.NamesComplete, Keys: job.Keys,
		Exact: len(job.Rules) == 0, ExactColumns: job.evolved.columns(), Discard: job.Policy == flows.DiscardValue,
		JSON: stream.Typed, Shape: job.Shape,
	})
	return plan, rules, err
}

// complete finds what the job's rules leave open from a sample.
func complete(ctx context.Context, stream *Stream, job *Job) ([]flows.Rule, error) {
	if len(job.Rules) > 0 && !mapping.LeavesLengths(job.Rules) {
		return slices.Clone(job.Rules), nil
	}
	if typed, ok := stream.Reader.(TypedReader); ok {
		return completeTyped(ctx, stream, typed, job)
	}
	sample, err := sampleOf(ctx, stream)
	if err != nil {
		return nil, err
	}
	switch {
	case len(job.Rules) > 0 && mapping.IsShaped(job.Rules, job.Shape):
		return mapping.LengthsOf(job.Rules, mapping.Sample{Raw: sample}, mapping.Options{JSON: stream.Typed, Shape: job.Shape}), nil
	case len(job.Rules) > 0:
		return mapping.Lengths(job.Rules, sample), nil
	}
	rules, err := mapping.Infer(stream.Names(), sample, stream.inferOptions())
	rules = stream.declared(rules, sample)
	if err == nil && len(rules) == 0 && len(sample) > 0 {
		err = noFields(sample)
	}
	return rules, err
}

// noFields tells a source without records from one whose records are empty.
func noFields(sample []*columns.Raw) error {
	if !slices.ContainsFunc(sample, func(r *columns.Raw) bool { return r.Seen() > 0 }) {
		return noRecords()
	}
	return fault.New(fault.SourceFormat, "the source's records have no fields").
		WithHint("nothing was pushed and the table is as it was; look at how the source was made")
}

// declared gives inferred rules the types that the source declares. A text that looks like a number stays a text, and a
// field without a value in the sample is of its type all the same; values that are of no such type decide against it.
func (s *Stream) declared(rules []flows.Rule, sample []*columns.Raw) []flows.Rule {
	if len(s.Types) == 0 {
		return rules
	}
	for i := range rules {
		rule := &rules[i]
		t, ok := s.Types[rule.To]
		inferred, _ := columns.ParseType(rule.Type)
		wider := inferred == columns.String || inferred == columns.Integer && t == columns.Float || inferred == columns.Date && t == columns.DateTime
		if ok && t != inferred && (t == columns.String || wider) {
			rule.Type, rule.Format, rule.Length = t.String(), "", 0
		}
	}
	return mapping.Lengths(rules, sample)
}

func (s *Stream) inferOptions() mapping.InferOptions {
	return mapping.InferOptions{Typed: s.Typed, DecimalComma: s.DecimalComma}
}

func completeTyped(ctx context.Context, stream *Stream, typed TypedReader, job *Job) ([]flows.Rule, error) {
	blocks, err := stream.Peek(ctx, sampleBlocks)
	if err != nil {
		return nil, err
	}
	sample := make([]*columns.Batch, 0, len(blocks))
	for _, b := range blocks {
		sample = append(sample, typed.DecodeTyped(b))
	}
	switch {
	case len(job.Rules) > 0 && mapping.IsShaped(job.Rules, job.Shape):
		return mapping.LengthsOf(job.Rules, mapping.Sample{Typed: sample}, mapping.Options{Shape: job.Shape}), nil
	case len(job.Rules) > 0:
		return mapping.LengthsTyped(job.Rules, sample), nil
	}
	return mapping.InferTyped(typed.Schema(), sample)
}

func sampleOf(ctx context.Context, stream *Stream) ([]*columns.Raw, error) {
	blocks, err := stream.Peek(ctx, sampleBlocks)
	if err != nil {
		return nil, err
	}
	sample := make([]*columns.Raw, len(blocks))
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, b := range blocks {
		sample[i] = new(columns.Raw)
		g.Go(func() error { return stream.Decode(b, sample[i]) })
	}
	return sample, g.Wait()
}

// fingerprintOf tells tables apart by their columns' names, types and lengths.
func fingerprintOf(schema columns.Schema) string {
	h := sha256.New()
	for _, f := range schema {
		fmt.Fprintf(h, "%q %s %d\n", f.Name, f.Type, f.Length)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// isOther reports whether rows are of another table than those of the
// checkpoint. For a sink that takes rows the types of a widened table may be
// others than before, of which the checkpoint then says nothing.
func isOther(job *Job, was, is string) bool {
	d, _ := delivererOf(job.Sink)
	return was != is && (was != "" || d == nil)
}

// begun reports whether records are before the cursor.
func (c cursor) begun() bool { return c.Blocks > 0 || c.Rows > 0 || c.Sent > 0 }
