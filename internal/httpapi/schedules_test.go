package httpapi_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

func scheduled() *flows.Flow {
	f := aFlow()
	f.Schedule = &flows.Schedule{Cron: "0 * * * *", TimeZone: "Europe/Berlin", Overlap: flows.OverlapSkip, Misfire: flows.MisfireOnce}
	f.Then = []string{unknownID}
	return f
}

func TestAFlowShowsWhatLiesAhead(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.flows.get = func() (*flows.Flow, error) { return scheduled(), nil }
	s.flows.create = func(spec flows.Spec) (*flows.Flow, error) {
		require.Equal(t, &flows.Schedule{Cron: "@daily"}, spec.Schedule)
		return scheduled(), nil
	}
	at := epoch().Truncate(time.Hour).Add(time.Hour)
	s.flows.prospect = flows.Prospect{
		NextFires: []time.Time{at, at.Add(time.Hour)},
		State:     &flows.ScheduleState{NextFireAt: at, Skipped: 2, LastSkippedAt: at.Add(-time.Hour)},
		Warnings:  []flows.FlowWarning{{Code: fault.FlowBudgetShort, Message: "too many"}},
	}
	body := `{"name":"N","export":{"type":"file","fileId":"` + fileID + `","format":"csv"},"import":{"type":"dataPush","connectionId":"` +
		connectionID + `","table":"T"},"schedule":{"cron":"@daily"},"then":["` + unknownID + `"]}`
	for _, res := range []response{s.ask("GET /v1/flows/"+flowID, "", "If-None-Match", `"7"`), s.ask("POST /v1/flows", body)} {
		got := res.json(t)
		require.Equal(t, []any{"2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z"}, got["nextFires"], "status %d", res.status)
		require.Equal(t, map[string]any{"nextFireAt": "2026-03-01T09:00:00Z", "lastFireAt": nil, "skipped": 2.0,
			"lastSkippedAt": "2026-03-01T08:00:00Z", "missed": 0.0, "lastMissedAt": nil}, got["scheduleState"])
		require.Equal(t, []any{map[string]any{"code": "flow.budget_short", "message": "too many"}}, got["warnings"])
		require.Equal(t, []any{unknownID}, got["then"])
	}
}

// A flow is given although the database does not tell what lies ahead of it.
func TestAFlowWithoutItsProspect(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.flows.prospectErr = errors.New("gone")
	res := s.ask("GET /v1/flows/"+flowID, "")
	require.Equal(t, http.StatusOK, res.status)
	require.NotContains(t, res.body, "nextFires")
	require.Contains(t, s.log.String(), "could not be told")
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.Equal(t, true, s.ask("POST /v1/flows/"+flowID+"/pause", "", "If-Match", `"7"`).json(t)["paused"])
	require.Equal(t, false, s.ask("POST /v1/flows/"+flowID+"/resume", "{}").json(t)["paused"])
	s.ask("POST /v1/flows/"+flowID+"/pause", "", "If-Match", `"6"`).requireProblem(t, http.StatusPreconditionFailed, "request.stale")
	s.ask("POST /v1/flows/"+unknownID+"/resume", "").requireProblem(t, http.StatusNotFound, "flow.not_found")
}

func TestARunShowsWhatStartedIt(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.flows.run = func() (*flows.Run, error) {
		r := aRun()
		r.Trigger, r.FireAt, r.AfterRun = flows.Scheduled, epoch(), unknownID
		return r, nil
	}
	got := s.ask("GET /v1/runs/"+runID, "").json(t)
	require.Equal(t, []any{"schedule", "2026-03-01T08:30:00.123456Z", unknownID}, []any{got["trigger"], got["fireAt"], got["afterRunId"]})
}
