package engine

import (
	"context"

	"github.com/celonis-connector/connector/flows"
)

// The powers below are what some sinks can do beyond Sink; the engine asks for
// each by its interface.

// Reconciler compares what was sent with what the destination has.
type Reconciler interface {
	// Reconcile is called before a push is committed; fault CelonisChunkCount when chunks are missing or too many, after
	// which the push job is dropped and made anew.
	Reconcile(ctx context.Context, jobID string, chunks int64) error
}

// Follower has more to do once the rows are in the table.
type Follower interface {
	// Steps is how many steps there are; none takes no further checkpoint.
	Steps() int
	// Follow goes on with the steps from where c stands, and saves each advance of c.Then and c.Warnings before it acts on
	// it. A fault of class Wait says when to look again.
	Follow(ctx context.Context, c flows.Checkpoint, save func(flows.Checkpoint) error) error
}

// Distincter takes one row a key.
type Distincter interface {
	// Distinct gives the columns that tell rows apart and the one whose highest value wins, "" for the last row; no keys
	// let every row through.
	Distinct() (keys []string, order string)
}

// Fitter knows what the table is like that the rows go into.
type Fitter interface {
	// Fit gives the rules as they suit a table that stands already.
	Fit(ctx context.Context, rules []flows.Rule) ([]flows.Rule, error)
}

// Immediate shows accepted chunks at once: no push job holds them back, and
// invariant I3 does not hold.
type Immediate interface{ Immediate() }

// reconcile makes sure that the destination has what was sent before it is
// told to execute it.
func reconcile(ctx context.Context, job *Job, j *journal) error {
	r, ok := job.Sink.(Reconciler)
	if !ok {
		return nil
	}
	c := j.last()
	return r.Reconcile(ctx, c.PushJobID, c.Chunks)
}

// follow does what comes after the push. That the rows are in the table is on
// record first, so that no later attempt pushes them again.
func follow(ctx context.Context, job *Job, j *journal) error {
	f, ok := job.Sink.(Follower)
	if !ok || f.Steps() == 0 {
		return nil
	}
	if !j.last().Committed {
		if err := j.change(ctx, nil, func(c *flows.Checkpoint) { c.Committed, c.Visible = true, true }); err != nil {
			return err
		}
	}
	return f.Follow(ctx, j.last(), func(next flows.Checkpoint) error {
		return j.change(ctx, nil, func(c *flows.Checkpoint) { c.Then, c.Warnings = next.Then, next.Warnings })
	})
}
