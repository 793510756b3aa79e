package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/stretchr/testify/require"
)

// standing is what a connection shows of its standing.
type standing struct {
	apptest.Connection
	NextProbeAt *time.Time `json:"nextProbeAt"`
}

func (s *service) standing(id string) (c standing) {
	s.t.Helper()
	s.Call(http.StatusOK, "GET", "/v1/connections/"+id, nil, &c)
	return c
}

func (s *service) awaitStatus(id, status string) (c standing) {
	s.t.Helper()
	apptest.Eventually(s.t, func() bool { c = s.standing(id); return c.Status == status },
		func() string { return "the connection stays " + c.Status })
	return c
}

// awaitOffline waits until a run waits for its connection.
func (s *service) awaitOffline(id string) apptest.Run {
	s.t.Helper()
	r := s.Await(id, func(r apptest.Run) bool { return r.Ended() || r.State == "waiting" })
	require.Equal(s.t, "waiting", r.State, "%+v", r.Error)
	require.Equal(s.t, "connection.offline", r.ErrorCode(), "%+v", r.Error)
	require.Zero(s.t, r.Attempt, "the wait counts no attempt")
	require.NotNil(s.t, r.ResumeAt)
	return r
}

// probing gives settings with fast or rare probes.
func probing(t *testing.T, sim *apptest.Sim, pause time.Duration) config.Config {
	cfg := settings(t, sim.URL)
	cfg.ProbeFirst, cfg.ProbeLongest = pause, pause
	return cfg
}

func TestARefusedKeyTakesTheConnectionOfflineAndAProbeBringsItBack(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		s := start(t, on(probing(t, sim, 200*time.Millisecond)))
		connection := s.Connect("pool", sim)
		first := s.fileFlow(connection, "FIRST", "csv", "ID\n1\n2\n")
		second := s.fileFlow(connection, "SECOND", "csv", "ID\n1\n")
		other := s.Connect("other", sim)

		refused := sim.AddFault(celonissim.Fault{Status: http.StatusUnauthorized})
		runs := []string{s.Start(first).ID}
		s.awaitOffline(runs[0])
		c := s.standing(connection)
		require.Equal(t, "offline", c.Status)
		require.NotNil(t, c.NextProbeAt)
		require.False(t, c.LastTest.OK)
		require.Equal(t, "celonis.unauthorized", c.LastTest.Last().Code)
		require.Contains(t, c.LastTest.Last().Hint, "Admin & Settings")
		require.Equal(t, "online", s.standing(other).Status, "another connection is not touched")

		// Runs of every flow on the connection wait from their beginning.
		for range 3 {
			r := s.Start(second)
			require.Equal(t, "waiting", r.State)
			runs = append(runs, r.ID)
			s.awaitOffline(r.ID)
		}
		before := sim.Counts()[apptest.Create].Requests
		probed := c.LastTest
		apptest.Eventually(t, func() bool { return len(s.standing(connection).LastTest.Steps) != len(probed.Steps) }, func() string { return "no probe came" })
		require.Equal(t, before, sim.Counts()[apptest.Create].Requests, "runs that wait send nothing")

		require.True(t, sim.RemoveFault(refused))
		require.Nil(t, s.awaitStatus(connection, "online").NextProbeAt)
		apptest.RequireWhole(t, s.AwaitEnd(runs[0]), 2)
		for _, id := range runs[1:] {
			r := s.AwaitEnd(id)
			apptest.RequireWhole(t, r, 1)
			require.Equal(t, 1, r.Attempt)
		}
	})
}

func TestARevokedPermissionTakesTheConnectionOffline(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, probing(t, sim, time.Hour))
	connection := s.Connect("pool", sim)
	flow := s.fileFlow(connection, "T", "csv", "ID\n1\n")
	denied := sim.AddFault(celonissim.Fault{Status: http.StatusForbidden, Route: "push.*"})
	run := s.Start(flow)
	s.awaitOffline(run.ID)
	c := s.standing(connection)
	require.Equal(t, "permission", c.LastTest.Last().Step)
	require.Equal(t, "celonis.forbidden", c.LastTest.Last().Code)

	// A test by hand that fails leaves it offline, one that is good lets the run go on at once.
	var result apptest.TestResult
	s.Call(http.StatusOK, "POST", "/v1/connections/"+connection+"/test", nil, &result)
	require.False(t, result.OK)
	require.Equal(t, c.NextProbeAt, s.standing(connection).NextProbeAt)
	require.True(t, sim.RemoveFault(denied))
	s.Call(http.StatusOK, "POST", "/v1/connections/"+connection+"/test", nil, &result)
	require.True(t, result.OK)
	apptest.RequireWhole(t, s.AwaitEnd(run.ID), 1)
	require.Equal(t, "online", s.standing(connection).Status)
}

func TestANewKeyBringsTheConnectionBackAtOnce(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		s := start(t, on(probing(t, sim, time.Hour)))
		var made apptest.Connection
		s.Call(http.StatusCreated, "POST", "/v1/connections?test=skip", draft(sim, "pool", map[string]any{"appKey": "nobody-has-this-key"}), &made)
		require.Equal(t, "untested", made.Status)
		run := s.Start(s.fileFlow(made.ID, "T", "csv", "ID\n1\n"))
		s.awaitOffline(run.ID)
		require.Equal(t, "offline", s.standing(made.ID).Status)

		s.Call(http.StatusOK, "PATCH", "/v1/connections/"+made.ID, map[string]any{"appKey": "another-wrong-key"}, nil)
		require.Equal(t, "offline", s.standing(made.ID).Status)
		s.Call(http.StatusOK, "PATCH", "/v1/connections/"+made.ID, map[string]any{"appKey": sim.AppKey}, nil)
		apptest.RequireWhole(t, s.AwaitEnd(run.ID), 1)

		canceled := sim.AddFault(celonissim.Fault{Status: http.StatusUnauthorized})
		run = s.Start(s.fileFlow(made.ID, "U", "csv", "ID\n1\n"))
		s.awaitOffline(run.ID)
		s.Call(http.StatusAccepted, "POST", "/v1/runs/"+run.ID+"/cancel", nil, &run)
		require.Equal(t, "canceled", run.State)
		require.True(t, sim.RemoveFault(canceled))
	})
}

func TestPassingFaultsLeaveTheConnectionOnline(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, probing(t, sim, time.Hour))
	connection := s.Connect("pool", sim)
	for name, fault := range map[string]celonissim.Fault{
		"server": {Status: http.StatusInternalServerError}, "gateway": {Status: http.StatusBadGateway},
		"rate": {Status: http.StatusTooManyRequests}, "cut": {Cut: celonissim.CutBeforeBody},
	} {
		flow := s.fileFlow(connection, "T_"+name, "csv", "ID\n1\n")
		id := sim.AddFault(fault)
		run := s.Start(flow)
		r := s.Await(run.ID, func(r apptest.Run) bool { return r.State == "waiting" || r.Ended() })
		require.Equal(t, "waiting", r.State, name)
		require.NotEqual(t, "connection.offline", r.ErrorCode(), name)
		var result apptest.TestResult
		s.Call(http.StatusOK, "POST", "/v1/connections/"+connection+"/test", nil, &result)
		require.False(t, result.OK, name)
		require.Equal(t, "online", s.standing(connection).Status, name)
		require.True(t, sim.RemoveFault(id))
		if name != "rate" { // its wait is a minute
			apptest.RequireWhole(t, s.AwaitEnd(run.ID), 1)
		}
	}
}
