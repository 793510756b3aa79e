package endpoint

import (
	"context"

	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"golang.org/x/sync/errgroup"
)

// groupRow is a row of a group; number counts the rows of the push.
type groupRow struct {
	scimRow
	number int64
	dry    bool
}

// scimSettled is what became of a group in this attempt.
type scimSettled struct{ outcome engine.Outcome }

// deliverGroup starts the work of a row's group, with the first of its rows that
// comes in the attempt, and gives what settles the row once the work is over.
func (s *scimSink) deliverGroup(ctx context.Context, row groupRow, out *engine.Outcome, g *errgroup.Group) func() {
	told := s.survey.Group(row.Entry)
	switch {
	case row.wrong != nil:
		return settle(out, refused(&provision.Finding{Attribute: provision.Members, Error: row.wrong}))
	case row.Key(s.kind) == "":
		return settle(out, refused(&provision.Finding{Attribute: s.kind.Naming(), Error: fault.New(fault.ValueRequired, "the row names no group")}))
	case told == nil:
		return settle(out, refused(&provision.Finding{Attribute: s.kind.Naming(), Error: fault.New(fault.SourceChanged, "the source did not have the row when it was looked through")}))
	}
	state, begun := s.settled[told]
	if !begun {
		state = &scimSettled{}
		s.settled[told] = state
		s.startGroup(ctx, told, row.dry, state, g)
	}
	return func() { *out = s.rowOf(row, told, state.outcome) }
}

func settle(out *engine.Outcome, as engine.Outcome) func() { return func() { *out = as } }

func (s *scimSink) startGroup(ctx context.Context, told *provision.Gathered, dry bool, state *scimSettled, g *errgroup.Group) {
	step, f := s.planner.Group(told, s.users)
	if f != nil {
		state.outcome = refused(f)
		return
	}
	g.Go(func() error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		plan := s.groupAgain(told)
		if step.Now != nil && told.Told && len(step.Now.Members) == 0 {
			// A list may leave the members of groups out.
			now, err := s.team.group(ctx, step.ID())
			if err != nil && !fault.Has(err, fault.CelonisNotFound) {
				return err
			}
			if err == nil {
				if step, f = plan(&now); f != nil {
					state.outcome = refused(f)
					return nil
				}
			}
		}
		if s.settlesAtOnce(step, dry, &state.outcome) {
			return nil
		}
		return s.work(ctx, step, plan, &state.outcome)
	})
}

func (s *scimSink) groupAgain(told *provision.Gathered) again {
	return func(now *provision.Resource) (provision.Step, *provision.Finding) {
		return s.planner.GroupTowards(told, s.users, now)
	}
}

// rowOf gives a row's outcome from that of its group: what was done counts with
// the group's first row, and a member that Celonis does not have is the row's own error.
func (s *scimSink) rowOf(row groupRow, told *provision.Gathered, of engine.Outcome) engine.Outcome {
	if !of.Done {
		return of
	}
	if row.number != told.First {
		of.Action = ""
	}
	if f := s.planner.Row(row.members, s.users); f != nil && (of.Fault == nil || of.Fault.Code == fault.ScimUnknownMember) {
		alone := refused(f)
		alone.Action = of.Action
		return alone
	}
	return of
}
