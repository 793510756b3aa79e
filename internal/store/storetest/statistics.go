package storetest

import (
	"slices"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// past stores a run that was created at a time and has ended after it.
func (b *bundle) past(f *flows.Flow, at time.Time, state flows.State, took time.Duration, change ...func(*flows.Run)) *flows.Run {
	b.Helper()
	r := b.queued(f)
	r.State, r.CreatedAt, r.StartedAt = state, at, at.Add(time.Second)
	if state.Ended() {
		r.FinishedAt = r.StartedAt.Add(took)
	}
	for _, c := range change {
		c(r)
	}
	require.NoError(b, b.s.InsertRun(b.ctx, r))
	return r
}

func (b *bundle) history(q flows.RunQuery) []string {
	b.Helper()
	q.Workspace = b.workspace
	return pages(b, func(after string, limit int) ([]flows.Run, error) {
		q.Page = flows.Page{Limit: limit, After: after}
		return b.s.RunHistory(b.ctx, q)
	}, func(r flows.Run) string { return r.Cursor() })
}

var historyTests = map[string]func(*bundle){
	"HistoryIsFilteredAndPaged": func(b *bundle) {
		f, another := b.flow(b.workspace, "flow"), b.flow(b.workspace, "another")
		b.past(b.flow(b.other, "stranger's"), b.now, flows.Failed, 0)
		day := 24 * time.Hour
		errored := func(r *flows.Run) { r.Ledger.Errored = 2 }
		// Two at the same moment, in the opposite order of their ids' making for one.
		first := b.past(f, b.now, flows.Succeeded, time.Second)
		second := b.past(f, b.now, flows.Failed, time.Second, errored)
		older := b.past(f, b.now.Add(-day), flows.Succeeded, time.Second, func(r *flows.Run) { r.Trigger = flows.Scheduled })
		newer := b.past(another, b.now.Add(day), flows.Succeeded, time.Second, errored)
		cursors := func(list ...*flows.Run) []string {
			var out []string
			for _, r := range list {
				out = append(out, r.Cursor())
			}
			return out
		}
		yes, no := true, false
		for name, c := range map[string]struct {
			query flows.RunQuery
			want  []*flows.Run
		}{
			"all":            {flows.RunQuery{}, []*flows.Run{newer, second, first, older}},
			"of a flow":      {flows.RunQuery{FlowID: f.ID}, []*flows.Run{second, first, older}},
			"state":          {flows.RunQuery{State: flows.Succeeded}, []*flows.Run{newer, first, older}},
			"trigger":        {flows.RunQuery{Trigger: flows.Scheduled}, []*flows.Run{older}},
			"from":           {flows.RunQuery{From: b.now}, []*flows.Run{newer, second, first}},
			"to":             {flows.RunQuery{To: b.now}, []*flows.Run{older}},
			"with errors":    {flows.RunQuery{HasErrors: &yes}, []*flows.Run{newer, second}},
			"without errors": {flows.RunQuery{HasErrors: &no, FlowID: f.ID}, []*flows.Run{first, older}},
			"none":           {flows.RunQuery{State: flows.Waiting}, nil},
		} {
			require.Equal(b, cursors(c.want...), b.history(c.query), name)
		}
		_, err := b.s.RunHistory(b.ctx, flows.RunQuery{Workspace: b.workspace, Page: flows.Page{After: first.ID}})
		b.fault(fault.RequestCursor, err)
	},
	"StatisticsCountByDay": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		day := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
		span := flows.StatisticsSpan{Workspace: b.workspace, FlowID: f.ID, From: day.AddDate(0, 0, -1), To: day.AddDate(0, 0, 1)}
		st, err := b.s.FlowStatistics(b.ctx, span)
		require.NoError(b, err)
		require.Equal(b, &flows.FlowStatistics{Days: []flows.DayStatistics{}}, st)

		ledger := func(r *flows.Run) {
			r.Ledger, r.Bytes, r.Chunks = flows.Ledger{Read: 10, Filtered: 1, Pushed: 7, Errored: 2}, 1<<40, 3
		}
		b.past(f, day.AddDate(0, 0, -2), flows.Succeeded, time.Hour) // before the days
		b.past(f, day.Add(-time.Microsecond), flows.Failed, time.Second)
		took := []time.Duration{5 * time.Second, 1 * time.Second, 3 * time.Second, 2 * time.Second, 4 * time.Second}
		for i, d := range slices.Backward(took) {
			b.past(f, day.Add(time.Duration(i)*time.Hour), flows.Succeeded, d, ledger)
		}
		b.past(f, day.Add(8*time.Hour), flows.Canceled, time.Minute)
		b.past(f, day.Add(9*time.Hour), flows.Running, 0)
		b.past(b.flow(b.workspace, "another"), day, flows.Failed, time.Minute)

		st, err = b.s.FlowStatistics(b.ctx, span)
		require.NoError(b, err)
		require.Equal(b, []flows.DayStatistics{
			{Day: day.AddDate(0, 0, -1), Failed: 1, Median: time.Second, P95: time.Second},
			{
				Day: day, Open: 1, Succeeded: 5, Canceled: 1, WithErrors: 5, Ledger: flows.Ledger{Read: 50, Filtered: 5, Pushed: 35, Errored: 10},
				Bytes: 5 << 40, Chunks: 15, Median: 3 * time.Second, P95: 5 * time.Second,
			},
		}, st.Days)
		require.Equal(b, day.Add(2*time.Second-time.Microsecond), st.LastFailureAt)
		require.Equal(b, day.Add(4*time.Hour+5*time.Second), st.LastSuccessAt)
		require.Equal(b, flows.Streak{State: flows.Succeeded, Runs: 5, Since: day.Add(6 * time.Second)}, st.Streak)
		b.past(f, day.Add(10*time.Hour), flows.Failed, 0)
		st, err = b.s.FlowStatistics(b.ctx, span)
		require.NoError(b, err)
		require.Equal(b, flows.Streak{State: flows.Failed, Runs: 1, Since: day.Add(10*time.Hour + time.Second)}, st.Streak)
	},
}
