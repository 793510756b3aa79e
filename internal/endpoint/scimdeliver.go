package endpoint

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"golang.org/x/sync/errgroup"
)

// Deliver implements engine.Deliverer. Rows of different users or groups go out
// side by side; those of one group are one request, with the first of them.
func (s *scimSink) Deliver(ctx context.Context, jobID string, d engine.Delivery) ([]engine.Outcome, error) {
	if s.planner == nil {
		return nil, fault.New(fault.Internal, "rows are delivered before the source was looked through")
	}
	s.since = parseSCIMJob(jobID).newest
	out := make([]engine.Outcome, d.To-d.From)
	g, ctx := errgroup.WithContext(ctx)
	if g.SetLimit(scimAtOnce); d.Dry {
		g.SetLimit(1) // so that changes are told in the order of the source
	}
	waiting := s.deliverRows(ctx, d, out, g)
	err := g.Wait()
	for _, settle := range waiting {
		settle()
	}
	return out, err
}

// deliverRows starts the work of each row that has some. What it gives is to be
// called once the work is over.
func (s *scimSink) deliverRows(ctx context.Context, d engine.Delivery, out []engine.Outcome, g *errgroup.Group) (waiting []func()) {
	for i := range out {
		row := s.rows.row(d.Rows, d.From+i)
		if s.kind == provision.Groups {
			waiting = append(waiting, s.deliverGroup(ctx, groupRow{row, d.First + int64(i), d.Dry}, &out[i], g))
			continue
		}
		step, f := s.planner.User(row.Entry)
		if f != nil {
			out[i] = refused(f)
			continue
		}
		if s.settlesAtOnce(step, d.Dry, &out[i]) {
			continue
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return s.work(ctx, step, s.userAgain(row.Entry), &out[i])
		})
	}
	return waiting
}

// settlesAtOnce gives the outcome of a step that needs no request.
func (s *scimSink) settlesAtOnce(step provision.Step, dry bool, out *engine.Outcome) bool {
	if done := s.mayLeaveOut(&step); done != "" {
		*out = engine.Outcome{Done: true, Action: string(done)}
		return true
	}
	if step.Writes() && !dry {
		return false
	}
	if dry && step.Writes() {
		s.foretell(step)
	}
	*out = engine.Outcome{Done: true, Action: s.actionOf(step)}
	return true
}

// mayLeaveOut takes the attributes out of a step that Celonis does not keep. It
// gives what was done of the step ahead of its turn, "" for nothing.
func (s *scimSink) mayLeaveOut(step *provision.Step) (done provision.Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unkept) > 0 {
		*step = step.Without(func(a provision.Attribute) bool { return s.unkept[a] })
	}
	if step.Writes() {
		done = s.early[step.ID()]
	}
	return done
}

// actionOf gives what was done: what an earlier attempt did before it died,
// where nothing is left to do, by the times that Celonis gives.
func (s *scimSink) actionOf(step provision.Step) string {
	if step.Action != provision.Unchanged || step.Now == nil || s.since.IsZero() {
		return string(step.Action)
	}
	switch {
	case step.Now.Created.After(s.since):
		return string(provision.Created)
	case step.Now.Modified.After(s.since):
		return string(provision.Updated)
	}
	return string(step.Action)
}

func (s *scimSink) foretell(step provision.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.foretold) < flows.MaxForecastChanges {
		s.foretold = append(s.foretold, flows.ForecastChange{
			Action: string(step.Action), Key: step.Key, Fields: step.Fields(s.kind), Joining: len(step.Joining), Leaving: len(step.Leaving),
		})
	}
}

// Foretold implements engine.Foreteller.
func (s *scimSink) Foretold() []flows.ForecastChange {
	if !s.gone {
		for _, step := range s.leavers.Steps {
			s.foretell(step)
		}
	}
	return s.foretold
}

// again plans anew for a resource that is otherwise than the directory has it.
type again func(now *provision.Resource) (provision.Step, *provision.Finding)

func (s *scimSink) userAgain(e provision.Entry) again {
	return func(now *provision.Resource) (provision.Step, *provision.Finding) { return s.planner.Towards(e, now) }
}

// refused gives the outcome of a row that is not taken. A record error has no
// hint of its own, so the sentence says it.
func refused(f *provision.Finding) engine.Outcome {
	return engine.Outcome{Done: true, Fault: hinted(f.Error).WithFields(fault.Field{Pointer: string(f.Attribute), Code: f.Code, Detail: f.Message})}
}

func hinted(f *fault.Error) *fault.Error {
	told := *f
	if told.Hint != "" {
		told.Message += "; " + told.Hint
	}
	return &told
}
