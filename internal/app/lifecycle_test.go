package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/stretchr/testify/require"
)

// smallChunks makes several chunks of a small file.
func smallChunks(cfg config.Config) config.Config {
	cfg.ChunkBytes = 64 << 10
	return cfg
}

// events is an event log as CSV.
func events(t testing.TB, rows int) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, eventlog.Write(&b, eventlog.CSV, rows, 3))
	return b.String()
}

func TestCancelARunningRun(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, smallChunks(settings(t, sim.URL)))
	flow := s.fileFlow(s.Connect("pool", sim), "CANCELED", "csv", events(t, 20_000))
	trap := sim.Trap(apptest.Upload, "CANCELED", 3)
	run := s.Start(flow)
	apptest.Receive(t, trap.Came(), "the third chunk goes out")

	// While it runs its flow stays.
	require.Equal(t, "flow.in_use", s.Problem(http.StatusConflict, "DELETE", "/v1/flows/"+flow, nil).Code)

	s.Call(http.StatusAccepted, "POST", "/v1/runs/"+run.ID+"/cancel", nil, nil)
	r := s.AwaitEnd(run.ID)
	trap.Release()
	require.Equal(t, "canceled", r.State)
	require.Equal(t, 1, r.Attempt)
	sim.RequireNoTable("CANCELED")
	require.Zero(t, sim.Counts()[apptest.Submit].Requests)
	require.EqualValues(t, 1, sim.Counts()["push.jobs.delete"].Requests, "the unused push job stays behind")

	p := s.Problem(http.StatusConflict, "POST", "/v1/runs/"+run.ID+"/cancel", nil)
	require.Equal(t, "run.state_conflict", p.Code)
	apptest.RequireWhole(t, s.Do(flow), 20_000)
	s.Call(http.StatusNoContent, "DELETE", "/v1/flows/"+flow, nil, nil)
	require.Equal(t, "run.not_found", s.Problem(http.StatusNotFound, "GET", "/v1/runs/"+run.ID, nil).Code)
}

func TestCancelAQueuedRun(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL), app.API)
	flow := s.fileFlow(s.Connect("pool", sim), "NEVER", "csv", "id\n1\n")
	run := s.Start(flow)
	var r apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/runs/"+run.ID+"/cancel", nil, &r)
	require.Equal(t, "canceled", r.State)
	require.Zero(t, r.Attempt)
	s.restart()
	apptest.RequireWhole(t, s.Do(flow), 1)
	require.Equal(t, "canceled", s.Run(run.ID).State)
	require.Equal(t, 1, sim.MustTable("NEVER").Jobs())
}

func TestDisabledFlow(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	for _, flow := range []string{s.fileFlow(connection, "OFF", "csv", "id\n1\n"), s.recordsFlow(connection, "OFF_TOO")} {
		path := "/v1/flows/" + flow
		s.Call(http.StatusOK, "POST", path+"/disable", nil, nil)
		p := s.Problem(http.StatusConflict, "POST", path+"/runs", nil)
		require.Equal(t, "flow.disabled", p.Code)
		require.Contains(t, p.Hint, path+"/enable")
		require.Equal(t, http.StatusConflict, s.Send("POST", path+"/records", []byte(`[{"id":1}]`)).Status)
		s.Call(http.StatusOK, "POST", path+"/enable", nil, nil)
	}
	require.Empty(t, sim.Counts()[apptest.Create].Requests)
}

// A run does what its flow said when it was started.
func TestRunKeepsItsRevision(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL), app.API)
	flow := s.fileFlow(s.Connect("pool", sim), "BEFORE", "csv", "id\n1\n")
	run := s.Start(flow)
	s.Call(http.StatusOK, "PATCH", "/v1/flows/"+flow, map[string]any{"import": map[string]any{"table": "AFTER"}}, nil)
	s.restart()
	apptest.RequireWhole(t, s.AwaitEnd(run.ID), 1)
	require.Equal(t, 1, sim.MustTable("BEFORE").Rows())
	sim.RequireNoTable("AFTER")
	apptest.RequireWhole(t, s.Do(flow), 1)
	require.Equal(t, 1, sim.MustTable("AFTER").Rows())
}

// Starting a run again with the same key starts no second one.
func TestStartOnce(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	path := "/v1/flows/" + s.fileFlow(s.Connect("pool", sim), "ONCE", "csv", "id\n1\n")
	first := s.Send("POST", path+"/runs", nil, "Idempotency-Key", "k")
	again := s.Send("POST", path+"/runs", nil, "Idempotency-Key", "k")
	require.Equal(t, first.Body, again.Body)
	require.Equal(t, http.StatusAccepted, again.Status)
	var list struct{ Items []apptest.Run }
	s.Call(http.StatusOK, "GET", path+"/runs", nil, &list)
	require.Len(t, list.Items, 1)
	s.AwaitEnd(list.Items[0].ID)
}

// A stop of the service gives its runs back, and the next start finishes them.
func TestStoppedService(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, smallChunks(settings(t, sim.URL)))
	flow := s.fileFlow(s.Connect("pool", sim), "STOPPED", "csv", events(t, 20_000))
	trap := sim.Trap(apptest.Upload, "STOPPED", 3)
	run := s.Start(flow)
	apptest.Receive(t, trap.Came(), "the third chunk goes out")
	s.stop()
	sim.RequireNoTable("STOPPED")
	trap.Release()
	s.restart()
	r := s.AwaitEnd(run.ID)
	apptest.RequireWhole(t, r, 20_000)
	require.Equal(t, 1, r.Attempt)
	require.Equal(t, 20_000, sim.MustTable("STOPPED").Rows())
}
