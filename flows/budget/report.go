package budget

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// ForecastHours is how far a Report looks ahead.
const ForecastHours = 6

// Report is what is left of a team's budget.
type Report struct {
	Domain string
	Limits Limits
	// Used counts the submissions of this hour by all processes of the service.
	Used int64
	// Left is what this hour still has for runs of any kind; meaningless without a limit per hour.
	Left int64
	// ResetsAt is when the budget is whole again.
	ResetsAt time.Time
	// WaitingRuns counts the asking workspace's runs that wait for the budget.
	WaitingRuns int64
	// Next is what the hours after this one are expected to bring.
	Next []Outlook
	// Intelligence is what is left of the team's requests to the Intelligence API; nil where nobody counts them.
	Intelligence *RequestReport
}

// History is what is on record of a team.
type History struct {
	// Hours are those that had submissions since the time asked for, this one among them.
	Hours []Fire
	// SpentUntil is until when Celonis refuses, zero when it does not.
	SpentUntil time.Time
	// WaitingRuns counts the workspace's runs that wait for the budget.
	WaitingRuns int64
	// Told is what Celonis last told of the limits.
	Told Told
}

// HistoryStore tells what is on record.
type HistoryStore interface {
	// BudgetHistory gives the record of a team that the workspace has a connection to, from the hour of since on; known is
	// false when it has none.
	BudgetHistory(ctx context.Context, workspace, domain string, since, now time.Time) (h History, known bool, err error)
}

// Reporter tells what is left of teams' budgets.
type Reporter struct {
	Store    HistoryStore
	Operator Limits
	Now      func() time.Time
	// Requests tells of those to the Intelligence API; it may be nil.
	Requests *Requests
}

// Budget reports on the team of a domain. Fault TeamNotFound when none of the
// workspace's connections leads to it.
func (r *Reporter) Budget(ctx context.Context, workspace, domain string) (*Report, error) {
	now := r.Now()
	h, known, err := r.Store.BudgetHistory(ctx, workspace, domain, Hour(now).Add(-day), now)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, fault.New(fault.TeamNotFound, "no connection leads to the team %q", domain)
	}
	out := &Report{Domain: domain, Limits: Choose(r.Operator, h.Told), ResetsAt: Turn(now), WaitingRuns: h.WaitingRuns}
	for _, f := range h.Hours {
		if f.At.Equal(Hour(now)) {
			out.Used += f.Pushes
		}
	}
	out.Left = max(out.Limits.PerHour-out.Used, 0)
	if h.SpentUntil.After(now) {
		out.Left = 0
		if h.SpentUntil.After(out.ResetsAt) {
			out.ResetsAt = h.SpentUntil
		}
	}
	expected := append(Repeat(h.Hours, now, ForecastHours), Fire{At: Turn(now), Pushes: h.WaitingRuns})
	out.Next = Forecast(out.Limits, Turn(now), ForecastHours, expected)
	if r.Requests != nil {
		out.Intelligence, err = r.Requests.Report(ctx, domain)
	}
	return out, err
}
