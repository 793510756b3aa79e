package connections

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// RunQueue is told which runs may go on; a lost word costs time only.
type RunQueue interface {
	Push(ctx context.Context, runID string) error
}

// leastHold is the shortest time after which a run that waits for a connection
// looks at it again by itself, should nobody have told it.
const leastHold = 15 * time.Second

// Pass lets a run use a connection and gives the revision that it uses. Faults:
// ConnectionNotFound, ConnectionOffline with the time to look again.
func (s *Service) Pass(ctx context.Context, workspace, id string) (revision int64, err error) {
	c, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return 0, err
	}
	if c.Status == Offline {
		return 0, s.OfflineFault(c)
	}
	return c.Revision, nil
}

// Refused hears how a run ended that used a connection at a revision. Where
// Celonis does not accept the login, or a permission is gone, the connection
// goes offline and the run's fault becomes ConnectionOffline; every other err
// comes back as it is, the network's and Celonis's own faults among them.
func (s *Service) Refused(ctx context.Context, workspace, id string, revision int64, err error) error {
	if err == nil || FindingOf(fault.CodeOf(err)) != Refused {
		return err
	}
	// The row is written although the run is being stopped.
	ctx = audit.AsRun(context.WithoutCancel(ctx))
	c, readErr := s.deps.Repository.Connection(ctx, workspace, id)
	if readErr != nil {
		return err
	}
	if c.Revision != revision {
		return fault.From(err).WithRetry(fault.Later).WithHint("the connection was changed while the run used it; the run tries again")
	}
	now := s.deps.Now()
	if c.Status != Offline {
		result := refusal(err, now)
		c.LastTest = &result
		c.settle(Refused, RunOf, s, now)
		if _, saveErr := s.deps.Repository.SaveConnectionTest(ctx, c); saveErr != nil {
			s.deps.Logger.WarnContext(ctx, "a connection that Celonis refuses could not be taken offline", "connection", c.ID, "error", saveErr)
			return fault.From(err).WithRetry(fault.Later)
		}
		s.deps.Logger.WarnContext(ctx, "connection is offline: Celonis refused a run", "connection", c.ID, "code", fault.CodeOf(err), "nextProbeAt", c.NextProbeAt)
	}
	return s.OfflineFault(c)
}

// refusal is the test result that a refused run stands for.
func refusal(err error, now time.Time) TestResult {
	e := fault.From(err)
	step := "auth"
	switch e.Code {
	case fault.CelonisForbidden:
		step = "permission"
	case fault.CelonisSchemeMixup:
		step = "scheme"
	case fault.CelonisOAuthScope:
		step = "scope"
	}
	return TestResult{Steps: []Step{{Step: step, Code: e.Code, Detail: e.Message, Hint: e.Hint}}, At: now}
}

// OfflineFault says why a connection is offline and when to look again.
func (s *Service) OfflineFault(c *Connection) *fault.Error {
	now := s.deps.Now()
	again := c.NextProbeAt
	if again.IsZero() {
		again = now.Add(s.deps.Pace.Longest)
	}
	if soonest := now.Add(leastHold); again.Before(soonest) {
		again = soonest
	}
	e := fault.New(fault.ConnectionOffline, "the connection %q is offline", c.Name).WithResumeAt(again)
	if c.LastTest != nil {
		for _, step := range c.LastTest.Steps {
			if !step.OK {
				e.Message += ": " + step.Detail
				return e.WithHint("%s", joinHints(step.Hint, goesOn))
			}
		}
	}
	return e.WithHint("give the connection its key; %s", goesOn)
}

const goesOn = "the run goes on by itself once a test of the connection is good"

func joinHints(first, second string) string {
	if first == "" {
		return second
	}
	return first + "; " + second
}

// settle lets a finding change the connection's standing.
func (c *Connection) settle(f Finding, by Observer, s *Service, now time.Time) {
	next := Standing{c.Status, c.Recovery}.After(f, by, now, s.deps.Pace, s.deps.Roll())
	c.Status, c.Recovery = next.Status, next.Recovery
}

// resume tells the workers of runs that may go on.
func (s *Service) resume(ctx context.Context, runIDs []string) {
	if s.deps.Runs == nil {
		return
	}
	for _, id := range runIDs {
		if err := s.deps.Runs.Push(ctx, id); err != nil {
			s.deps.Logger.WarnContext(ctx, "a run that may go on could not be announced; the sweep will find it", "run", id, "error", err)
			return
		}
	}
}

const (
	// probeBatch is how many connections one look takes, probeHold how long they stay taken should the process die.
	probeBatch = 8
	probeHold  = 2 * time.Minute
)

// Probe tests every offline connection whose time has come, and brings those
// back that work; their runs go on in order of creation. Any number of
// processes may probe at once: each connection is taken by one.
func (s *Service) Probe(ctx context.Context) error {
	for {
		now := s.deps.Now()
		taken, err := s.deps.Repository.TakeProbes(ctx, now, now.Add(probeHold), probeBatch)
		if err != nil || len(taken) == 0 {
			return err
		}
		done := make(chan error, len(taken))
		for i := range taken {
			go func() { done <- s.probe(ctx, &taken[i]) }()
		}
		for range taken {
			if e := <-done; e != nil && err == nil {
				err = e
			}
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// probe tests one connection. A test that cannot be made is a failed one.
func (s *Service) probe(ctx context.Context, c *Connection) error {
	ctx = audit.As(ctx, audit.Actor{ID: audit.Probe})
	err := s.test(ctx, c, Probe)
	if err == nil || ctx.Err() != nil {
		s.deps.Logger.InfoContext(ctx, "offline connection was tested", "connection", c.ID, "status", c.Status, "nextProbeAt", c.NextProbeAt)
		return nil
	}
	if fault.Has(err, fault.ConnectionNotFound) || fault.Has(err, fault.StoreUnavailable) {
		return nil
	}
	result := refusal(err, s.deps.Now())
	c.LastTest = &result
	c.settle(Broken, Probe, s, result.At)
	_, err = s.deps.Repository.SaveConnectionTest(ctx, c)
	return err
}
