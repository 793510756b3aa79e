package engine

import (
	"context"

	"github.com/celonis-connector/connector/flows"
)

// Restarter is a Deliverer that knows whether a push of which rows were
// delivered may be begun anew, under another id. One that is no Restarter may
// where it is Repeatable.
type Restarter interface{ Restarts() bool }

// Unsent is why a Deliverer stopped before anything of the rows that are left
// was sent: nobody needs to doubt them, although the attempt is being ended.
type Unsent struct{ Err error }

// Error gives the reason's.
func (u Unsent) Error() string { return u.Err.Error() }

// Unwrap gives the reason.
func (u Unsent) Unwrap() error { return u.Err }

// delivererOf gives the sink as one that takes rows; dry says that nothing is sent.
func delivererOf(s Sink) (d Deliverer, dry bool) {
	if inner, ok := s.(drySink); ok {
		s, dry = inner.Sink, true
	}
	d, _ = s.(Deliverer)
	return d, dry
}

// surveys reports whether the sink must know every row before the first is delivered.
func surveys(s Sink) bool {
	d, _ := delivererOf(s)
	surveyor, ok := d.(Surveyor)
	return ok && surveyor.Surveys()
}

// isImmediate reports whether what the sink accepts is there at once.
func isImmediate(s Sink) bool {
	if d, dry := delivererOf(s); d != nil {
		return !dry
	}
	_, ok := s.(Immediate)
	return ok
}

// mayRestart reports whether a push with such a checkpoint may be begun anew.
func mayRestart(s Sink, c flows.Checkpoint) bool {
	d, dry := delivererOf(s)
	if d == nil || dry {
		return true
	}
	if at, err := decodeCursor(c); err == nil && at.Delivered == 0 && at.Sent == 0 {
		return true
	}
	if r, ok := d.(Restarter); ok {
		return r.Restarts()
	}
	return d.Repeatable()
}

// act adds what the destination did beside what the rows asked for.
func act(ctx context.Context, job *Job, j *journal) error {
	d, _ := delivererOf(job.Sink)
	a, ok := d.(Actor)
	if !ok {
		return nil
	}
	done := a.Acted()
	if len(done) == 0 {
		return nil
	}
	return j.change(ctx, nil, func(c *flows.Checkpoint) { c.Count(done) })
}
