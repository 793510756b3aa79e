package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// Statistics tells what runs came to; *flows.Service is one.
type Statistics interface {
	FlowStatistics(ctx context.Context, workspace, flowID string, days int) (*flows.FlowStatistics, error)
}

var _ Statistics = (*flows.Service)(nil)

type statisticsView struct {
	Days          []dayView   `json:"days"`
	LastSuccessAt *time.Time  `json:"lastSuccessAt"`
	LastFailureAt *time.Time  `json:"lastFailureAt"`
	Streak        *streakView `json:"streak"`
}

type dayView struct {
	// Day is a date in UTC.
	Day            string       `json:"day"`
	Runs           runCounts    `json:"runs"`
	RunsWithErrors int64        `json:"runsWithErrors"`
	Ledger         flows.Ledger `json:"ledger"`
	Bytes          int64        `json:"bytes"`
	Chunks         int64        `json:"chunks"`
	// The durations are null where no run succeeded or failed.
	MedianMs *int64 `json:"medianMs"`
	P95Ms    *int64 `json:"p95Ms"`
}

type runCounts struct {
	Open      int64 `json:"open"`
	Succeeded int64 `json:"succeeded"`
	Failed    int64 `json:"failed"`
	Canceled  int64 `json:"canceled"`
}

type streakView struct {
	State flows.State `json:"state"`
	Runs  int64       `json:"runs"`
	Since time.Time   `json:"since"`
}

func viewStatistics(s *flows.FlowStatistics) statisticsView {
	v := statisticsView{Days: make([]dayView, len(s.Days)), LastSuccessAt: timeOrNull(s.LastSuccessAt), LastFailureAt: timeOrNull(s.LastFailureAt)}
	for i, d := range s.Days {
		v.Days[i] = dayView{
			Day: d.Day.Format(time.DateOnly), Runs: runCounts{d.Open, d.Succeeded, d.Failed, d.Canceled},
			RunsWithErrors: d.WithErrors, Ledger: d.Ledger, Bytes: d.Bytes, Chunks: d.Chunks,
		}
		if d.Succeeded+d.Failed > 0 {
			median, p95 := d.Median.Milliseconds(), d.P95.Milliseconds()
			v.Days[i].MedianMs, v.Days[i].P95Ms = &median, &p95
		}
	}
	if s.Streak.State != "" {
		v.Streak = &streakView{s.Streak.State, s.Streak.Runs, moment(s.Streak.Since)}
	}
	return v
}

func (a *api) getFlowStatistics(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	days := flows.DefaultStatisticsDays
	if r.query.Has("days") {
		days, err = strconv.Atoi(r.query.Get("days"))
		if err != nil || days < 1 || days > flows.MaxStatisticsDays {
			return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter \"days\" must be a number from 1 to %d", flows.MaxStatisticsDays)
		}
	}
	s, err := a.Statistics.FlowStatistics(r.ctx(), r.who.Workspace, id, days)
	if err != nil {
		return reply{}, err
	}
	return ok(viewStatistics(s))
}
