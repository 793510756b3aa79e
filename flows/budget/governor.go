package budget

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Take is a wish for one submission of a team.
type Take struct {
	// Domain is the team's host.
	Domain string
	// JobID is the push job to submit; its run is on record with it.
	JobID  string
	Limits Limits
	Now    time.Time
	// Latest is the last moment at which the submission may go out.
	Latest time.Time
}

// Standing is where a team and one of its runs stand.
type Standing struct {
	// Used submissions of this hour.
	Used int64
	// SpentUntil is until when Celonis refuses, as it told; zero when it has not.
	SpentUntil time.Time
	// Next is the next moment that the limit per second leaves free.
	Next time.Time
	// Again says that the run was given a permit before, and may use the share for retries.
	Again bool
	// Ahead counts the runs of the team that were made before it and have had no permit yet; 0 when Again.
	Ahead int64
}

// Permit is the answer to a Take.
type Permit struct {
	Standing
	Granted bool
	// At is when a granted submission may go out.
	At time.Time
}

// Store counts submissions, for all processes together.
type Store interface {
	// TakePermit grants and counts a submission, or tells why not. Never more than Limits are granted, whoever asks at the
	// same time. A permit is not given back: one that a dying process did not use counts, which errs on the safe side.
	TakePermit(ctx context.Context, t Take) (Permit, error)
	// Standing tells the same of a run without taking anything.
	Standing(ctx context.Context, domain, runID string, now time.Time) (Standing, error)
	// MarkSpent keeps the team from being granted anything before until.
	MarkSpent(ctx context.Context, domain string, now, until time.Time) error
	// ToldLimits gives what Celonis last told of a team's limits; KeepTold stores it.
	ToldLimits(ctx context.Context, domain string) (Told, error)
	KeepTold(ctx context.Context, domain string, t Told) error
}

// Team is a team of Celonis and who can be asked for its limits.
type Team struct {
	// Domain is the team's host.
	Domain string
	// Ask asks Celonis for the team's limits.
	Ask func(ctx context.Context) (Told, error)
}

// Deps are what a Governor stands on.
type Deps struct {
	Store Store
	// Operator limits come before those that Celonis tells; 0 leaves them to it.
	Operator Limits
	Now      func() time.Time
}

// Governor keeps the teams' submissions within their limits.
type Governor struct{ Deps }

// NewGovernor makes a Governor; every member of d but Operator is needed.
func NewGovernor(d Deps) *Governor { return &Governor{d} }

// Permit takes a submission of the push job and gives the moment, at most
// SlotWait away, at which it may go out. Fault CelonisBudgetSpent of class Wait
// when there is none, with the time to ask again; those of Store.
func (g *Governor) Permit(ctx context.Context, t Team, jobID string) (at time.Time, err error) {
	limits, err := g.limits(ctx, t)
	if err != nil {
		return time.Time{}, err
	}
	now := g.Now()
	take := Take{Domain: t.Domain, JobID: jobID, Limits: limits, Now: now, Latest: now.Add(SlotWait)}
	if edge := Turn(now).Add(-Edge); limits.PerHour > 0 && take.Latest.After(edge) {
		take.Latest = edge
	}
	p, err := g.Store.TakePermit(ctx, take)
	if err != nil {
		return time.Time{}, err
	}
	if p.Granted {
		return p.At, nil
	}
	return time.Time{}, limits.refusal(t.Domain, p.Standing, now)
}

// Ready tells, by what is on record and without taking anything, whether the
// team's hour has a submission left for the run: a run that would have to wait
// for one need not begin. Faults as those of Permit.
func (g *Governor) Ready(ctx context.Context, domain, runID string) error {
	told, err := g.Store.ToldLimits(ctx, domain)
	if err != nil {
		return err
	}
	now, limits := g.Now(), Choose(g.Operator, told)
	s, err := g.Store.Standing(ctx, domain, runID, now)
	if err != nil {
		return err
	}
	if s.SpentUntil.After(now) || limits.spent(s) {
		return limits.refusal(domain, s, now)
	}
	return nil
}

// Refused hears that Celonis refused a submission for the rate, until a time:
// somebody else has used the team's budget.
func (g *Governor) Refused(ctx context.Context, domain string, until time.Time) error {
	return g.Store.MarkSpent(ctx, domain, g.Now(), until)
}

// TellAfter is how long what Celonis told of a team's limits is trusted.
const TellAfter = 12 * time.Hour

// limits gives the limits in force for a team; Celonis is asked where neither
// the operator nor the store knows them. What it does not tell is as before.
func (g *Governor) limits(ctx context.Context, t Team) (Limits, error) {
	if g.Operator.PerHour > 0 && g.Operator.PerSecond > 0 {
		return g.Operator, nil
	}
	told, err := g.Store.ToldLimits(ctx, t.Domain)
	if err != nil {
		return Limits{}, err
	}
	if now := g.Now(); now.Sub(told.At) >= TellAfter {
		answer, err := t.Ask(ctx)
		if ctx.Err() != nil {
			return Limits{}, context.Cause(ctx)
		}
		if err == nil {
			told = answer
		}
		told.At = now
		if err := g.Store.KeepTold(ctx, t.Domain, told); err != nil {
			return Limits{}, err
		}
	}
	return Choose(g.Operator, told), nil
}

// spent reports whether the hour has no submission left for a run that stands so.
func (l Limits) spent(s Standing) bool {
	allowed := l.PerHour
	if !s.Again {
		allowed = l.FirstPerHour()
	}
	return allowed > 0 && s.Used >= allowed
}

// refusal says that a run waits, why, and until when. A jitter of one gap
// keeps runs apart that were told the same.
func (l Limits) refusal(domain string, s Standing, now time.Time) error {
	var f *fault.Error
	var free time.Time
	switch {
	case l.spent(s):
		free = Turn(now)
		if s.SpentUntil.After(free) {
			free = s.SpentUntil
		}
		f = fault.New(fault.CelonisBudgetSpent, "the team %q has used %d of its %d push submissions of this hour", domain, s.Used, l.PerHour).
			WithHint("the run goes on by itself; GET /v1/teams/%s/budget tells what is left, %d %% of it are kept for retries, and fewer, larger pushes need less of it", domain, RetryPercent)
	case s.SpentUntil.After(now):
		free = s.SpentUntil
		f = fault.New(fault.CelonisBudgetSpent, "celonis takes no more push submissions of the team %q for now", domain).
			WithHint("something else submits push jobs for this team; the run goes on by itself")
	case l.Closing(now):
		free = Turn(now)
		f = fault.New(fault.CelonisBudgetSpent, "the hour that the team %q's push submissions are counted in is about to turn", domain).
			WithHint("the run goes on by itself")
	default:
		free = s.Next
		f = fault.New(fault.CelonisBudgetSpent, "the team %q submits %d push jobs a second, which is its limit", domain, l.PerSecond).
			WithHint("the run goes on by itself")
	}
	jitter := time.Duration(0)
	if gap := l.Gap(); gap > 0 {
		jitter = rand.N(gap)
	}
	return f.WithResumeAt(l.Wake(free, s.Ahead).Add(jitter))
}
