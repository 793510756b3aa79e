package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

// arrivals are the times at which the simulator got requests for rows.
type arrivals struct {
	mu sync.Mutex
	at []time.Time
}

func (a *arrivals) note(r celonissim.Request, now time.Time) {
	if strings.HasPrefix(r.Route, "intelligence.data") || strings.HasPrefix(r.Route, "intelligence.modelData") {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.at = append(a.at, now)
	}
}

// perDay counts the requests of each UTC day, in order.
func (a *arrivals) perDay() (counts []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var day time.Time
	for _, at := range a.at {
		if !budget.Day(at).Equal(day) {
			day = budget.Day(at)
			counts = append(counts, 0)
		}
		counts[len(counts)-1]++
	}
	return counts
}

// most is the largest number of requests within a time.
func (a *arrivals) most(within time.Duration) (most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := 0
	for i, at := range a.at {
		for at.Sub(a.at[first]) >= within {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// Two processes read knowledge models of one team: its day and its second hold for both together, counted where the requests arrive.
func TestTwoProcessesShareTheRequestsOfATeam(t *testing.T) {
	t.Parallel()
	const perDay, perSecond, flows, rows = 30, 20, 4, 900
	clock, seen := newClock(), &arrivals{}
	sim := apptest.NewSim(t, orderModel(&celonissim.Rows{Count: rows}, 0), func(o *celonissim.Options) {
		o.Now, o.Limits.PageSize = clock.now, 100
		pass := o.OnRequest
		o.OnRequest = func(r celonissim.Request) { seen.note(r, clock.now()); pass(r) }
	})
	cfg := settings(t, sim.URL)
	cfg.DatabaseURL, cfg.RedisURL = crypto.NewSecret(testservers.PostgreSQL(t)), crypto.NewSecret(testservers.Redis(t))
	cfg.Workers, cfg.IntelligencePerDay = 2, perDay
	made := []app.Option{app.WithClock(clock.now)}
	one := startWith(t, cfg, made)
	two := &service{t: t, cfg: cfg, log: &logBuffer{}, made: made}
	two.open()
	t.Cleanup(two.stop)

	from, to := one.insight(sim), one.Connect("pool", sim)
	var runs []string
	for i := range flows {
		runs = append(runs, one.Start(one.Flow(knowledgeFlow(fmt.Sprint("SHARED_", i), from, to, nil))).ID)
	}
	waiting := 0
	for _, id := range runs {
		r := one.Await(id, func(r apptest.Run) bool { return r.Ended() || r.ErrorCode() == "celonis.budget_spent" })
		if !r.Ended() {
			waiting++
			continue
		}
		apptest.RequireWhole(t, r, rows)
	}
	require.NotZero(t, waiting, "the day had enough for all")
	require.LessOrEqual(t, seen.perDay()[0], perDay)
	require.Greater(t, seen.perDay()[0], perDay/2)

	// The days that follow are for the rest.
	for range flows {
		clock.forward(budget.Day(clock.now()).Add(24*time.Hour + 10*time.Second).Sub(clock.now()))
		one.Client = callerOf(t, one.app)
		for _, id := range runs {
			one.Await(id, func(r apptest.Run) bool {
				return r.Ended() || r.ErrorCode() == "celonis.budget_spent" && r.ResumeAt != nil && r.ResumeAt.After(clock.now())
			})
		}
	}
	workers := map[string]bool{}
	for _, id := range runs {
		apptest.RequireWhole(t, one.AwaitEnd(id), rows)
	}
	for _, e := range one.events("action=secret.used&kind=connection&id=" + from) {
		if e.Worker != "" {
			workers[e.Worker] = true
		}
	}
	require.Len(t, workers, 2, "both processes read")
	for day, count := range seen.perDay() {
		require.LessOrEqual(t, count, perDay, "day %d of %v", day, seen.perDay())
	}
	// A request is begun at its moment; it may arrive a little later than that.
	require.LessOrEqual(t, seen.most(time.Second), perSecond+perSecond/10)
	t.Logf("requests by day: %v, most within a second: %d", seen.perDay(), seen.most(time.Second))
}
