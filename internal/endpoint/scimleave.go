package endpoint

import (
	"context"
	"fmt"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"golang.org/x/sync/errgroup"
)

// Commit implements engine.Sink: those whom the source does not have are taken
// away once every row was delivered.
func (s *scimSink) Commit(ctx context.Context, jobID string) error {
	if s.planner == nil {
		return fault.New(fault.Internal, "the run ends before the source was looked through")
	}
	if err := s.takeAway(ctx); err != nil {
		return err
	}
	if action, ok := s.leaving(); ok {
		// Those whom an earlier attempt took away are missing no longer.
		if before := parseSCIMJob(jobID).leavers - int64(len(s.leavers.Steps)); before > 0 {
			s.acted[action] += before
		}
	}
	if n := s.leavers.Spared; n > 0 {
		s.warn(fault.New(fault.ScimProtected, "%d %s are missing from the source and were left, as they have the role %s or are named in import.keep", n, s.kind.Many(), provision.Admin))
	}
	return nil
}

// leaving is what the policy does; false for none.
func (s *scimSink) leaving() (action string, ok bool) {
	switch s.scope.Policy {
	case provision.DeactivateMissing:
		return string(provision.Deactivated), true
	case provision.EmptyMissing:
		return string(provision.Emptied), true
	case provision.DeleteMissing:
		return string(provision.Deleted), true
	}
	return "", false
}

// makeRoom takes those away before every row was delivered whom the source does
// not have or says not to be active, so that their licenses are free for new
// users; else joiners would wait for leavers and leavers for joiners.
func (s *scimSink) makeRoom(ctx context.Context) error {
	s.room.Lock()
	defer s.room.Unlock()
	if s.roomMade {
		return nil
	}
	if err := s.takeAway(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(scimAtOnce)
	for _, e := range s.survey.Inactive() {
		if step, f := s.planner.User(e); f == nil && step.Writes() {
			g.Go(func() error { return s.leaveEarly(ctx, step) })
		}
	}
	err := g.Wait()
	s.roomMade = err == nil
	return err
}

// leaveEarly does the step of a row ahead of its turn. What Celonis refuses is told when its turn comes.
func (s *scimSink) leaveEarly(ctx context.Context, step provision.Step) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	done, err := s.try(ctx, step)
	if err != nil {
		return verdictOf(err, new(engine.Outcome))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.early[step.ID()] = done
	return nil
}

// canMakeRoom reports whether users leave in this run.
func (s *scimSink) canMakeRoom() bool {
	return s.kind == provision.Users && len(s.leavers.Steps)+len(s.survey.Inactive()) > 0
}

// takeAway does what the policy says of the leavers, once.
func (s *scimSink) takeAway(ctx context.Context) error {
	if s.gone {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(scimAtOnce)
	for _, step := range s.leavers.Steps {
		g.Go(func() error { return s.takeAwayOne(ctx, step) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.gone = true
	return nil
}

// takeAwayOne does a leaver's step. One that Celonis refuses is told, and keeps nobody else.
func (s *scimSink) takeAwayOne(ctx context.Context, step provision.Step) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_, err := s.try(ctx, step)
	switch code := fault.CodeOf(err); code {
	case "", fault.CelonisNotFound:
	case fault.CelonisRejected, fault.CelonisConflict, fault.CelonisMailFixed, fault.CelonisNotUnique:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.warn(fault.New(code, "the %s with the id %s is missing from the source, and could not be %s: %s", s.kind.One(), step.ID(), step.Action, fault.From(err).Message))
		return nil
	default:
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acted[string(step.Action)]++
	return nil
}

// Acted implements engine.Actor; without a Commit before, as in a dry run, it tells what would be done.
func (s *scimSink) Acted() map[string]int64 {
	if action, ok := s.leaving(); ok && !s.gone && len(s.leavers.Steps) > 0 {
		return map[string]int64{action: int64(len(s.leavers.Steps))}
	}
	return s.acted
}

// Steps implements engine.Follower: warnings are saved behind the rows.
func (s *scimSink) Steps() int { return min(len(s.warnings), 1) }

// Follow implements engine.Follower.
func (s *scimSink) Follow(_ context.Context, c flows.Checkpoint, save func(flows.Checkpoint) error) error {
	told := map[string]bool{}
	for _, w := range c.Warnings {
		told[fmt.Sprint(w)] = true
	}
	for _, w := range s.warnings {
		if !told[fmt.Sprint(w)] && len(c.Warnings) < flows.MaxWarnings {
			c.Warnings = append(c.Warnings, w)
		}
	}
	return save(c)
}
