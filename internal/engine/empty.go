package engine

import (
	"context"
	"errors"

	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
)

// NothingTaker is a Sink that makes something of no rows, too: an empty file.
type NothingTaker interface {
	// TakesNothing reports whether a push of the schema is made although it has no rows.
	TakesNothing(schema columns.Schema) bool
}

// takesNothing reports whether the job's sink wants a push without rows.
func takesNothing(job *Job, schema columns.Schema) bool {
	sink := job.Sink
	if d, ok := sink.(drySink); ok {
		sink = d.Sink
	}
	t, ok := sink.(NothingTaker)
	return ok && t.TakesNothing(schema)
}

// pushNothing makes a push without rows where the sink wants one.
func pushNothing(ctx context.Context, job *Job, j *journal, schema columns.Schema) error {
	if !takesNothing(job, schema) {
		return nil
	}
	jobID, err := job.Sink.Begin(ctx, schema)
	if err != nil {
		return err
	}
	if err := j.begun(ctx, jobID); err != nil {
		return err
	}
	return commit(ctx, job, j)
}

// pushNone is pushNothing for a source without records, of whose columns only
// the rules tell. What an attempt pushed when the source had some is dropped.
func pushNone(ctx context.Context, job *Job, j *journal, cause error) error {
	var schema columns.Schema
	if len(job.Rules) > 0 {
		plan, err := mapping.Compile(job.Rules, nil, mapping.Options{Keys: job.Keys, Shape: job.Shape})
		if err != nil {
			return err
		}
		schema = plan.Schema()
	}
	if !takesNothing(job, schema) {
		return ended(ctx, j, cause)
	}
	checkpoint := j.last()
	if err := dropJob(ctx, job, &checkpoint); err != nil {
		return err
	}
	j.restart(checkpoint)
	if err := ended(ctx, j, withoutSurprise(cause)); err != nil {
		return err
	}
	return pushNothing(ctx, job, j, schema)
}

// withoutSurprise tells of a source without records and leaves out the warning
// that nothing was pushed: a file is made.
func withoutSurprise(cause error) error {
	var empty *Empty
	if !errors.As(cause, &empty) {
		return cause
	}
	return &Empty{Watermark: empty.Watermark}
}
