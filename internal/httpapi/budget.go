package httpapi

import (
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/fault"
)

type budgetView struct {
	Domain      string       `json:"domain"`
	PerHour     *int64       `json:"perHour"`
	PerSecond   *int64       `json:"perSecond"`
	Used        int64        `json:"used"`
	Left        *int64       `json:"left"`
	ResetsAt    time.Time    `json:"resetsAt"`
	WaitingRuns int64        `json:"waitingRuns"`
	Forecast    forecastView `json:"forecast"`
	// Intelligence is absent where nobody counts requests.
	Intelligence *requestsView `json:"intelligence,omitempty"`
}

type requestsView struct {
	PerDay    int64     `json:"perDay"`
	PerSecond int64     `json:"perSecond"`
	AtOnce    int64     `json:"atOnce"`
	Used      int64     `json:"used"`
	Left      int64     `json:"left"`
	Expected  int64     `json:"expected"`
	Runs      int64     `json:"runs"`
	ResetsAt  time.Time `json:"resetsAt"`
}

type forecastView struct {
	NextHours []outlookView `json:"nextHours"`
}

type outlookView struct {
	Hour     time.Time `json:"hour"`
	Expected int64     `json:"expected"`
	Fits     bool      `json:"fits"`
}

func viewBudget(r *budget.Report) budgetView {
	v := budgetView{
		Domain: r.Domain, PerHour: limitOrNull(r.Limits.PerHour), PerSecond: limitOrNull(r.Limits.PerSecond), Used: r.Used,
		ResetsAt: moment(r.ResetsAt), WaitingRuns: r.WaitingRuns, Forecast: forecastView{make([]outlookView, len(r.Next))},
	}
	if v.PerHour != nil {
		v.Left = &r.Left
	}
	if q := r.Intelligence; q != nil {
		v.Intelligence = &requestsView{q.Limits.PerDay, q.Limits.PerSecond, q.Limits.AtOnce, q.Used, q.Left, q.Expected, q.Runs, moment(q.ResetsAt)}
	}
	for i, o := range r.Next {
		v.Forecast.NextHours[i] = outlookView{moment(o.Hour), o.Expected, o.Fits}
	}
	return v
}

func limitOrNull(n int64) *int64 {
	if n <= 0 {
		return nil
	}
	return &n
}

// maxDomain bounds a domain in a path: a host name and a port.
const maxDomain = 300

func (a *api) getBudget(r *call) (reply, error) {
	domain := strings.ToLower(r.Param("domain"))
	if len(domain) > maxDomain || strings.ContainsFunc(domain, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return reply{}, fault.New(fault.TeamNotFound, "no connection leads to the team %q", shorten(domain))
	}
	report, err := a.Budgets.Budget(r.ctx(), r.who.Workspace, domain)
	if err != nil {
		return reply{}, err
	}
	return ok(viewBudget(report))
}
