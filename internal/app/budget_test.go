package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clock runs like the real one, from twenty past of an hour, and can be put forward.
type clock struct{ ahead atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	real := time.Now()
	c.ahead.Store(int64(budget.Hour(real).Add(20 * time.Minute).Sub(real)))
	return c
}

func (c *clock) now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load())).UTC().Truncate(time.Microsecond)
}

func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// governed is a service and a simulator on one clock.
type governed struct {
	*testing.T
	clock    *clock
	sim      *apptest.Sim
	app      *app.App
	c        *apptest.Client
	refusals atomic.Int64
	submits  atomic.Int64
}

// govern starts both; the team has so many submissions an hour and ten a second.
func govern(t *testing.T, perHour int, on func(config.Config) config.Config) *governed {
	t.Helper()
	g := &governed{T: t, clock: newClock()}
	g.sim = apptest.NewSim(t, func(o *celonissim.Options) {
		o.Limits.SubmitsOff, o.Limits.SubmitsPerHour, o.Now = false, perHour, g.clock.now
		o.OnAnswer = func(a celonissim.Answer) {
			if a.Route == apptest.Submit {
				g.submits.Add(1)
			}
			if a.Status == http.StatusTooManyRequests {
				g.refusals.Add(1)
			}
		}
	})
	cfg := on(settings(t, g.sim.URL))
	log, redactor, err := app.NewLog(cfg, io.Discard)
	require.NoError(t, err)
	g.app, err = app.New(t.Context(), cfg, log, redactor, app.WithClock(g.clock.now))
	require.NoError(t, err)
	t.Cleanup(func() { stopApp(t, g.app) })
	require.NoError(t, g.app.Start(t.Context(), app.AllRoles()))
	g.c = callerOf(t, g.app)
	return g
}

// forward puts the clock forward; tokens of before have expired then.
func (g *governed) forward(d time.Duration) {
	g.clock.forward(d)
	g.c = callerOf(g, g.app)
}

// budgetOf is a team's budget as the API shows it.
type budgetOf struct {
	Domain      string
	PerHour     *int64
	PerSecond   *int64
	Used        int64
	Left        *int64
	ResetsAt    time.Time
	WaitingRuns int64
	Forecast    struct {
		NextHours []struct {
			Hour     time.Time
			Expected int64
			Fits     bool
		}
	}
}

func (g *governed) budget() (b budgetOf) {
	g.Helper()
	g.c.Call(http.StatusOK, "GET", "/v1/teams/"+g.sim.Host+"/budget", nil, &b)
	return b
}

// await waits until a run waits for the reason, and gives it.
func (g *governed) await(runID, code string) apptest.Run {
	g.Helper()
	return g.c.Await(runID, func(r apptest.Run) bool { return r.State == "waiting" && r.ErrorCode() == code })
}

func TestRunsWaitForTheirTeamsBudget(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		g := govern(t, 5, func(c config.Config) config.Config { c.Workers = 4; return on(c) })
		file := g.c.Upload("a.csv", strings.NewReader("ID\n1\n2\n"))
		connection := g.c.Connect("pool", g.sim)
		turn := budget.Turn(g.clock.now())

		var ids []string
		for i := range 8 {
			ids = append(ids, g.c.Start(g.c.Flow(apptest.FileFlow(fmt.Sprint("flow ", i), file, "csv", connection, fmt.Sprint("T", i)))).ID)
		}
		done, waiting := 0, map[string]time.Time{}
		for _, id := range ids {
			r := g.c.Await(id, func(r apptest.Run) bool { return r.Ended() || r.ErrorCode() == "celonis.budget_spent" })
			if r.Ended() {
				apptest.RequireWhole(t, r, 2)
				done++
				continue
			}
			require.Equal(t, "waiting", r.State)
			require.Zero(t, r.Attempt, "a wait counts no attempt")
			require.NotEmpty(t, r.PushJobID)
			require.Contains(t, r.Error.Message, "5 of its 5")
			waiting[id] = *r.ResumeAt
			require.WithinRange(t, *r.ResumeAt, turn.Add(budget.Edge), turn.Add(budget.Edge+8*100*time.Millisecond))
		}
		require.Equal(t, 5, done)
		require.Len(t, waiting, 3)

		b := g.budget()
		require.Equal(t, g.sim.Host, b.Domain)
		require.EqualValues(t, []int64{5, 10, 5, 0, 3}, []int64{*b.PerHour, *b.PerSecond, b.Used, *b.Left, b.WaitingRuns}, "Celonis told the limits")
		require.True(t, turn.Equal(b.ResetsAt))
		require.Len(t, b.Forecast.NextHours, budget.ForecastHours)
		require.EqualValues(t, 3, b.Forecast.NextHours[0].Expected)
		require.True(t, b.Forecast.NextHours[0].Fits)
		g.c.Problem(http.StatusNotFound, "GET", "/v1/teams/other.eu-1.celonis.cloud/budget", nil)

		g.forward(turn.Sub(g.clock.now()) + 3*time.Second)
		for id := range waiting {
			apptest.RequireWhole(t, g.c.AwaitEnd(id), 2)
		}
		require.EqualValues(t, 3, g.budget().Used)
		require.EqualValues(t, 8, g.submits.Load())
		require.Zero(t, g.refusals.Load(), "Celonis never had to refuse")
	})
}

// Somebody else has used the team's submissions: one refusal is enough for all runs.
func TestWhatCelonisRefusesIsSpentForAll(t *testing.T) {
	t.Parallel()
	g := govern(t, 100, func(c config.Config) config.Config { return c })
	file := g.c.Upload("a.csv", strings.NewReader("ID\n1\n2\n"))
	connection := g.c.Connect("pool", g.sim)
	g.sim.AddFault(celonissim.Fault{Route: apptest.Submit, Status: http.StatusTooManyRequests, Wait: 30 * time.Minute, Times: 1})
	start := func(name string) string {
		return g.c.Start(g.c.Flow(apptest.FileFlow(name, file, "csv", connection, name))).ID
	}
	before := g.clock.now()
	first := start("A")
	refused := g.await(first, "celonis.rate_limited")
	until := *refused.ResumeAt
	require.WithinRange(t, until, before.Add(29*time.Minute), g.clock.now().Add(30*time.Minute))
	second := start("B")
	require.False(t, g.await(second, "celonis.budget_spent").ResumeAt.Before(until))
	b := g.budget()
	require.EqualValues(t, []int64{1, 0}, []int64{b.Used, *b.Left}, "the refused submission counts")

	g.forward(until.Sub(g.clock.now()) + 2*time.Second)
	apptest.RequireWhole(t, g.c.AwaitEnd(first), 2)
	apptest.RequireWhole(t, g.c.AwaitEnd(second), 2)
	require.EqualValues(t, 3, g.submits.Load())
	require.EqualValues(t, 1, g.refusals.Load())
}

// records is a flow that gathers what is posted to it.
func (g *governed) records(table string, gather map[string]any) (flowID string) {
	connection := g.c.Connect("for "+table, g.sim)
	return g.c.Flow(map[string]any{
		"name": table, "export": map[string]any{"type": "records", "gather": gather},
		"import": map[string]any{"type": "dataPush", "connectionId": connection, "table": table, "mode": "delta", "keys": []string{"ID"}},
	})
}

func (g *governed) post(flowID string, ids ...int) (runID string) {
	records := make([]map[string]any, len(ids))
	for i, id := range ids {
		records[i] = map[string]any{"ID": id}
	}
	var receipt struct{ RunID string }
	g.c.Call(http.StatusAccepted, "POST", "/v1/flows/"+flowID+"/records", records, &receipt)
	return receipt.RunID
}

// requireIDs demands each of the ids from 0 once in the table, and so many pushes.
func (g *governed) requireIDs(table string, n, pushes int) {
	g.Helper()
	var want []string
	for id := range n {
		want = append(want, fmt.Sprint(id))
	}
	require.ElementsMatch(g, want, apptest.Column(g.sim.MustTable(table), "ID"))
	require.EqualValues(g, pushes, g.submits.Load())
}

func TestManyPostsBecomeOnePush(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		const posts = 100
		g := govern(t, 250, on)
		flow := g.records("GATHERED", map[string]any{"rows": posts, "seconds": 60})
		var mu sync.Mutex
		runs := map[string]int{}
		var wait sync.WaitGroup
		for worker := range 4 {
			wait.Go(func() {
				for i := worker; i < posts; i += 4 {
					id := g.post(flow, i)
					mu.Lock()
					runs[id]++
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		require.Len(t, runs, 1)
		for id, n := range runs {
			assert.Equal(t, posts, n)
			apptest.RequireWhole(t, g.c.AwaitEnd(id), posts)
		}
		g.requireIDs("GATHERED", posts, 1)
	})
}

func TestPostsAreGatheredForATime(t *testing.T) {
	t.Parallel()
	g := govern(t, 250, func(c config.Config) config.Config { return c })
	flow := g.records("TIMED", map[string]any{"seconds": 600})
	before := g.clock.now()
	run := g.post(flow, 0)
	r := g.c.Run(run)
	require.Equal(t, "waiting", r.State)
	require.Nil(t, r.Error)
	require.WithinRange(t, *r.ResumeAt, before.Add(10*time.Minute), g.clock.now().Add(10*time.Minute))
	require.Equal(t, run, g.post(flow, 1, 2))
	g.forward(10 * time.Minute)
	apptest.RequireWhole(t, g.c.AwaitEnd(run), 3)
	g.requireIDs("TIMED", 3, 1)
}

// While the budget is spent, a run takes what is posted; it chooses its records when it can push them.
func TestPostsJoinARunThatWaitsForTheBudget(t *testing.T) {
	t.Parallel()
	g := govern(t, 1, func(c config.Config) config.Config { return c })
	flow := g.records("MERGED", map[string]any{"seconds": 0})
	first := g.post(flow, 0)
	apptest.RequireWhole(t, g.c.AwaitEnd(first), 1)
	waiting := g.post(flow, 1)
	require.NotEqual(t, first, waiting)
	require.Empty(t, g.await(waiting, "celonis.budget_spent").PushJobID, "nothing has begun")
	require.Equal(t, waiting, g.post(flow, 2, 3))
	require.Equal(t, waiting, g.post(flow, 4))
	g.forward(budget.Turn(g.clock.now()).Sub(g.clock.now()) + 3*time.Second)
	apptest.RequireWhole(t, g.c.AwaitEnd(waiting), 4)
	g.requireIDs("MERGED", 5, 2)
	require.Zero(t, g.refusals.Load())
}
