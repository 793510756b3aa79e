package budget

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

const (
	// DefaultRequestsPerDay is what Celonis allows a team of the smallest license, DefaultRequestsPerSecond and
	// DefaultRequestsAtOnce every team (Intelligence API, rate limits).
	DefaultRequestsPerDay, DefaultRequestsPerSecond, DefaultRequestsAtOnce = 6000, 20, 20
	// RunRequestsAtOnce is how many requests one run has under way at once.
	RunRequestsAtOnce = 4
	// requestLease is how many requests a run takes from the store at once: a second of them.
	requestLease = 20
	// RunForgotten is how long after its last lease a run no longer counts.
	RunForgotten = 5 * time.Minute
	// slotWait is when a run looks again whose team reads with as many runs as it may.
	slotWait = 30 * time.Second
)

// RequestLimits bound a team's requests to the Intelligence API.
type RequestLimits struct{ PerDay, PerSecond, AtOnce int64 }

// WithDefaults fills what is 0 with the documented numbers.
func (l RequestLimits) WithDefaults() RequestLimits {
	set := func(n *int64, d int64) {
		if *n <= 0 {
			*n = d
		}
	}
	set(&l.PerDay, DefaultRequestsPerDay)
	set(&l.PerSecond, DefaultRequestsPerSecond)
	set(&l.AtOnce, DefaultRequestsAtOnce)
	return l
}

// Runs is how many runs may read at once.
func (l RequestLimits) Runs() int64 { return max(l.AtOnce/RunRequestsAtOnce, 1) }

// Gap is the time between two requests.
func (l RequestLimits) Gap() time.Duration { return time.Second / time.Duration(l.PerSecond) }

// Day is the beginning of the UTC day that t is counted in.
func Day(t time.Time) time.Time { return t.UTC().Truncate(day) }

// RequestTake is a run's wish for requests.
type RequestTake struct {
	Domain, RunID string
	// Want is how many at once, Expect how many the run needs in all.
	Want, Expect int64
	Limits       RequestLimits
	Now          time.Time
}

// RequestStanding is where a team stands; the other runs are those that read now beside the one that asks.
type RequestStanding struct {
	Used int64
	// OtherRuns still need OtherExpect requests.
	OtherRuns, OtherExpect int64
	// SpentUntil is until when Celonis refuses, as it told.
	SpentUntil time.Time
}

// RequestLease is what a run may use: so many requests, the first at At and each a gap after the one before.
type RequestLease struct {
	RequestStanding
	Granted int64
	At      time.Time
}

// RequestStore counts requests, for all processes together.
type RequestStore interface {
	// LeaseRequests grants up to Want requests of the day, none when it is spent, Celonis refuses, or a run that has had none
	// finds as many others as may read at once. Never more than the limits are granted, whoever asks at the same time.
	LeaseRequests(ctx context.Context, t RequestTake) (RequestLease, error)
	// EndRequests forgets a run and gives back what it was granted on the day and did not use.
	EndRequests(ctx context.Context, domain, runID string, day time.Time, unused int64) error
	// RefuseRequests keeps the team from being granted anything before until.
	RefuseRequests(ctx context.Context, domain string, now, until time.Time) error
	// Requests tells how a team stands; runID is left out of the other runs.
	Requests(ctx context.Context, domain, runID string, now time.Time) (RequestStanding, error)
}

// Requests keeps the teams' requests within their limits.
type Requests struct {
	Store  RequestStore
	Limits RequestLimits
	Now    func() time.Time
}

// Ticket is a run's way to requests. It is safe for concurrent use.
type Ticket struct {
	*Requests
	domain, runID string
	// atMost bounds what is taken of the store at once; 0 is requestLease.
	atMost int64

	mu     sync.Mutex
	left   int64
	next   time.Time
	day    time.Time
	taken  int64
	expect int64
}

// Begin makes the ticket of a run; End gives back what it leaves.
func (r *Requests) Begin(domain, runID string) *Ticket {
	return &Ticket{Requests: r, domain: domain, runID: runID}
}

// Expect hears how many requests the run will need in all. Fault SourceBudget
// when a whole day has not so many; CelonisBudgetSpent of class Wait when what
// the day still has is not enough beside what other runs need, unless the run
// keeps to its fair share.
func (t *Ticket) Expect(ctx context.Context, n int64) error {
	l := t.Limits.WithDefaults()
	if n > l.PerDay {
		return fault.New(fault.SourceBudget, "the export needs about %d requests, and the team %q has %d in a day", n, t.domain, l.PerDay).
			WithHint("filter the export, read it by a delta, or let CONNECTOR_INTELLIGENCE_PER_DAY say what the team's license allows")
	}
	now := t.Now()
	s, err := t.Store.Requests(ctx, t.domain, t.runID, now)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.expect = n
	need := n - t.taken
	t.mu.Unlock()
	free := l.PerDay - s.Used
	if need <= free-s.OtherExpect || need <= free && n <= l.PerDay/(s.OtherRuns+1) {
		return nil
	}
	return t.spent(s, now)
}

// Take waits for the moment of one request. Fault CelonisBudgetSpent of class
// Wait when there is none; those of the store.
func (t *Ticket) Take(ctx context.Context) error {
	at, err := t.slot(ctx)
	if err != nil {
		return err
	}
	wait := at.Sub(t.Now())
	if wait <= 0 {
		return nil
	}
	return pace.Rest(ctx, wait)
}

func (t *Ticket) slot(ctx context.Context) (time.Time, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, now := t.Limits.WithDefaults(), t.Now()
	if t.left == 0 || !Day(now).Equal(t.day) {
		lease, err := t.Store.LeaseRequests(ctx, RequestTake{
			Domain: t.domain, RunID: t.runID, Want: min(cmp.Or(t.atMost, requestLease), l.PerSecond), Expect: t.expect, Limits: l, Now: now,
		})
		switch {
		case err != nil:
			return time.Time{}, err
		case lease.Granted == 0:
			return time.Time{}, t.spent(lease.RequestStanding, now)
		}
		t.left, t.next, t.day = lease.Granted, lease.At, Day(now)
	}
	at := t.next
	t.left--
	t.taken++
	t.next = t.next.Add(l.Gap())
	return at, nil
}

// Refused hears that Celonis refused a request for the rate, until a time.
func (t *Ticket) Refused(ctx context.Context, until time.Time) error {
	return t.Store.RefuseRequests(ctx, t.domain, t.Now(), until)
}

// End gives back what the run did not use.
func (t *Ticket) End(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.day.IsZero() {
		return nil
	}
	left := t.left
	t.left = 0
	return t.Store.EndRequests(ctx, t.domain, t.runID, t.day, left)
}

func (t *Ticket) spent(s RequestStanding, now time.Time) error {
	l := t.Limits.WithDefaults()
	switch {
	case s.SpentUntil.After(now):
		return fault.New(fault.CelonisBudgetSpent, "celonis takes no more requests to the Intelligence API of the team %q for now", t.domain).
			WithHint("something else reads knowledge models of this team; the run goes on by itself").WithResumeAt(s.SpentUntil)
	case s.Used < l.PerDay && s.OtherRuns >= l.Runs():
		return fault.New(fault.CelonisBudgetSpent, "%d runs read knowledge models of the team %q, as many as may at once", s.OtherRuns, t.domain).
			WithHint("the run goes on by itself").WithResumeAt(now.Add(slotWait))
	}
	return fault.New(fault.CelonisBudgetSpent, "the team %q has used %d of its %d requests to the Intelligence API of this day, and other runs need %d", t.domain, s.Used, l.PerDay, s.OtherExpect).
		WithHint("the run goes on by itself; GET /v1/teams/%s/budget tells what is left", t.domain).WithResumeAt(Day(now).Add(day).Add(Edge))
}

// RequestReport is what is left of a team's requests.
type RequestReport struct {
	Limits RequestLimits
	// Used counts the requests of this UTC day by all processes of the service; Expected are those that the runs which read
	// now still need.
	Used, Left, Expected, Runs int64
	ResetsAt                   time.Time
}

// Report tells what is left of a team's requests.
func (r *Requests) Report(ctx context.Context, domain string) (*RequestReport, error) {
	now := r.Now()
	s, err := r.Store.Requests(ctx, domain, "", now)
	if err != nil {
		return nil, err
	}
	out := &RequestReport{Limits: r.Limits.WithDefaults(), Used: s.Used, Expected: s.OtherExpect, Runs: s.OtherRuns, ResetsAt: Day(now).Add(day)}
	out.Left = max(out.Limits.PerDay-s.Used, 0)
	if s.SpentUntil.After(now) {
		out.Left = 0
		if s.SpentUntil.After(out.ResetsAt) {
			out.ResetsAt = s.SpentUntil
		}
	}
	return out, nil
}
