package app_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// shifted is a clock that goes on and can be turned forward.
type shifted struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *shifted) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Add(c.ahead).Truncate(time.Microsecond)
}

func (c *shifted) to(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = time.Until(at)
}

// plannedFlow is a flow with a schedule as the API shows it.
type plannedFlow struct {
	ID        string
	Paused    bool
	NextFires []time.Time
	State     struct {
		NextFireAt, LastFireAt *time.Time
		Skipped, Missed        int64
	} `json:"scheduleState"`
	Warnings []struct{ Code, Message string }
}

// firedRun is a run as a list shows it, with what started it.
type firedRun struct {
	ID, State, Trigger string
	FireAt             *time.Time
	AfterRunID         *string
}

func (s *service) planned(flow string) (f plannedFlow) {
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow, nil, &f)
	return f
}

func (s *service) firedRuns(flow string) []firedRun {
	var list struct{ Items []firedRun }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow+"/runs", nil, &list)
	return list.Items
}

func hourly(misfire string) func(map[string]any) {
	return set("", map[string]any{"schedule": map[string]any{"cron": "0 * * * *", "misfire": misfire}})
}

// A schedule fires when its time comes; the run is made although no worker is
// there and the service stops before it was pushed, and a flow follows it.
func TestScheduledRuns(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	clock := &shifted{}
	s := startWith(t, settings(t, sim.URL), []app.Option{app.WithClock(clock.now), app.WithRepush(100 * time.Millisecond)}, app.API, app.Schedule)
	pool := s.Connect("pool", sim)
	then := s.fileFlow(pool, "AFTERWARDS", "csv", "id\n1\n")
	flow := s.fileFlow(pool, "HOURLY", "csv", "id\n1\n2\n", hourly("runOnce"), set("", map[string]any{"then": []string{then}}))
	f := s.planned(flow)
	require.Len(t, f.NextFires, 5)
	require.Empty(t, f.Warnings)
	due := f.NextFires[0]
	require.Equal(t, due.Add(time.Hour), f.NextFires[1])

	login := func() { s.Client = apptest.NewClient(t, s.app.URL(), s.id, s.secret) } // tokens end with the time
	clock.to(due)
	login()
	apptest.Eventually(t, func() bool { return len(s.firedRuns(flow)) == 1 }, func() string { return "no run was made" })
	s.restart()
	run := s.firedRuns(flow)[0]
	require.Equal(t, []any{"schedule", due}, []any{run.Trigger, run.FireAt.UTC()})
	apptest.RequireWhole(t, s.AwaitEnd(run.ID), 2)
	apptest.Eventually(t, func() bool { return len(s.firedRuns(then)) == 1 }, func() string { return "the flow after it did not run" })
	next := s.firedRuns(then)[0]
	require.Equal(t, []any{"flow", run.ID}, []any{next.Trigger, *next.AfterRunID})
	apptest.RequireWhole(t, s.AwaitEnd(next.ID), 1)
	require.Equal(t, "flow.in_use", s.Problem(http.StatusConflict, "DELETE", "/v1/flows/"+then, nil).Code)

	// While it is disabled its times pass unheeded; after an hour's outage one run makes up for three.
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/disable", nil, nil)
	require.Empty(t, s.planned(flow).NextFires)
	clock.to(due.Add(10*time.Hour + time.Minute))
	login()
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/enable", nil, nil)
	require.Equal(t, due.Add(11*time.Hour), s.planned(flow).NextFires[0])
	s.stop()
	clock.to(due.Add(13*time.Hour + time.Minute))
	s.restart()
	login()
	apptest.Eventually(t, func() bool { return len(s.firedRuns(flow)) == 2 }, func() string { return "the outage is not made up for" })
	require.EqualValues(t, 2, s.planned(flow).State.Missed)
	require.Equal(t, due.Add(13*time.Hour), s.firedRuns(flow)[0].FireAt.UTC())
	s.AwaitEnd(s.firedRuns(flow)[0].ID)
}

func TestPausedFlow(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	pool := s.Connect("pool", sim)
	flow := s.fileFlow(pool, "PAUSED", "csv", "id\n1\n")
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/pause", nil, nil)
	require.True(t, s.planned(flow).Paused)
	run := s.Start(flow)
	apptest.RequireWhole(t, s.Do(s.fileFlow(pool, "OTHER", "csv", "id\n1\n")), 1)
	require.Equal(t, "queued", s.Run(run.ID).State)
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/resume", nil, nil)
	apptest.RequireWhole(t, s.AwaitEnd(run.ID), 1)
}

func TestRefusedSchedules(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL), app.API)
	pool := s.Connect("pool", sim)
	first := s.fileFlow(pool, "A", "csv", "id\n1\n")
	second := s.fileFlow(pool, "B", "csv", "id\n1\n", set("", map[string]any{"then": []string{first}}))
	for pointer, body := range map[string]map[string]any{
		"/schedule/cron":     {"schedule": map[string]any{"cron": "0 0 30 2 *"}},
		"/schedule/timeZone": {"schedule": map[string]any{"cron": "@daily", "timeZone": "Mars/Olympus"}},
		"/schedule/overlap":  {"schedule": map[string]any{"cron": "@daily", "overlap": "often"}},
		"/then/0":            {"then": []string{second}},
	} {
		p := s.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/flows/"+first, body)
		require.Len(t, p.Errors, 1)
		require.Equal(t, pointer, p.Errors[0].Pointer)
		if pointer == "/then/0" {
			require.Equal(t, "flow.cycle", p.Errors[0].Code)
			require.Equal(t, `makes a cycle: "flow to A" then "flow to B" then "flow to A"`, p.Errors[0].Detail)
		}
	}
	require.Equal(t, "flow.cycle", s.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/flows/"+first, map[string]any{"then": []string{first}}).Errors[0].Code)
}

// Schedules that come to more pushes than the team has are saved with a warning.
func TestScheduleOverTheBudget(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.PushesPerHour = 100
	s := start(t, cfg, app.API)
	pool := s.Connect("pool", sim)
	everyMinute := set("", map[string]any{"schedule": map[string]any{"cron": "* * * * *"}})
	require.Empty(t, s.planned(s.fileFlow(pool, "FIRST", "csv", "id\n1\n", everyMinute)).Warnings)
	warnings := s.planned(s.fileFlow(pool, "SECOND", "csv", "id\n1\n", everyMinute)).Warnings
	require.Len(t, warnings, 1)
	require.Equal(t, "flow.budget_short", warnings[0].Code)
	require.Contains(t, warnings[0].Message, "come to 120 pushes")
}

// A cancel reaches the worker of a run of ten million rows within a second.
func TestCancelALongRun(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	const rows = 10_000_000
	reader, writer := io.Pipe()
	go func() {
		_, err := io.WriteString(writer, "id\n")
		block := strings.Repeat("1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n", 1000)
		for i := 0; i < rows/10_000 && err == nil; i++ {
			_, err = io.WriteString(writer, block)
		}
		writer.CloseWithError(err)
	}()
	fileID := s.Upload("long.csv", reader)
	flow := s.Flow(apptest.FileFlow("long", fileID, "csv", s.Connect("pool", sim), "LONG"))
	run := s.Start(flow)
	s.Await(run.ID, func(r apptest.Run) bool { return r.Chunks > 0 || r.Ended() })
	began := time.Now()
	s.Call(http.StatusAccepted, "POST", "/v1/runs/"+run.ID+"/cancel", nil, nil)
	r := s.AwaitEnd(run.ID)
	t.Logf("canceled after %v at %d of %d rows", time.Since(began).Round(time.Millisecond), r.Ledger.Read, rows)
	require.Equal(t, "canceled", r.State)
	sim.RequireNoTable("LONG")
}
