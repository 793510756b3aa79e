package httpapi_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// fakeStatistics knows two days of one flow.
type fakeStatistics struct{}

func (fakeStatistics) FlowStatistics(_ context.Context, _, id string, days int) (*flows.FlowStatistics, error) {
	return &flows.FlowStatistics{
		Days: []flows.DayStatistics{
			{Day: epoch().Truncate(24*time.Hour).AddDate(0, 0, 1-days)},
			{
				Day: epoch().Truncate(24 * time.Hour), Open: 1, Succeeded: 2, Failed: 3, Canceled: 4, WithErrors: 1,
				Ledger: flows.Ledger{Read: 3, Pushed: 3}, Bytes: 9, Chunks: 2, Median: 1500 * time.Millisecond, P95: time.Minute,
			},
		},
		LastSuccessAt: epoch(), Streak: flows.Streak{State: flows.Succeeded, Runs: 2, Since: epoch()},
	}, none(fault.FlowNotFound, id, flowID)
}

func TestStatisticsOfAFlow(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/flows/"+flowID+"/statistics?days=30", "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.JSONEq(t, `{"days":[
		{"day":"2026-01-31","runs":{"open":0,"succeeded":0,"failed":0,"canceled":0},"runsWithErrors":0,"ledger":{"read":0,"filtered":0,"pushed":0,"errored":0},"bytes":0,"chunks":0,"medianMs":null,"p95Ms":null},
		{"day":"2026-03-01","runs":{"open":1,"succeeded":2,"failed":3,"canceled":4},"runsWithErrors":1,"ledger":{"read":3,"filtered":0,"pushed":3,"errored":0},"bytes":9,"chunks":2,"medianMs":1500,"p95Ms":60000}],
		"lastSuccessAt":"2026-03-01T08:30:00.123456Z","lastFailureAt":null,
		"streak":{"state":"succeeded","runs":2,"since":"2026-03-01T08:30:00.123456Z"}}`, res.body)
	for _, bad := range []string{"0", "91", "x", ""} {
		s.ask("GET /v1/flows/"+flowID+"/statistics?days="+bad, "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
	}
	s.ask("GET /v1/flows/"+unknownID+"/statistics", "").requireProblem(t, http.StatusNotFound, "flow.not_found")
}

func TestRunsAreFiltered(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, path := range []string{"/v1/runs?flowId=" + flowID + "&", "/v1/flows/" + flowID + "/runs?"} {
		res := s.ask("GET "+path+"state=failed&trigger=schedule&from=2026-03-01T08:30:00Z&to=2026-03-02T09:30:00%2B01:00&hasErrors=true&limit=3", "")
		require.Equal(t, http.StatusOK, res.status, res.body)
		q := s.flows.asked
		require.Equal(t, []any{"default", flowID, flows.Failed, flows.Scheduled, true, 4},
			[]any{q.Workspace, q.FlowID, q.State, q.Trigger, *q.HasErrors, q.Page.Limit})
		require.True(t, q.From.Equal(time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)))
		require.True(t, q.To.Equal(time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC)))
		for _, bad := range []string{"state=done", "trigger=me", "from=yesterday", "to=1", "hasErrors=1"} {
			s.ask("GET "+path+bad, "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
		}
	}
	require.Equal(t, http.StatusOK, s.ask("GET /v1/runs", "").status)
	require.Empty(t, s.flows.asked.FlowID)
	s.ask("GET /v1/runs?flowId=%20", "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
}

func TestARunningRunShowsItsProgress(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.NotContains(t, s.ask("GET /v1/runs/"+runID, "").json(t), "progress")
	s.flows.progress = &flows.Progress{At: epoch(), Stage: flows.StageCommitting, Accepted: 5}
	require.Equal(t, "committing", s.ask("GET /v1/runs/"+runID, "").json(t)["progress"].(map[string]any)["stage"])
}
