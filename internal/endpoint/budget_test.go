package endpoint_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// counting grants what it is told to and notes what it was asked.
type counting struct {
	mu      sync.Mutex
	refuse  error
	at      time.Time
	teams   []budget.Team
	jobs    []string
	refused []time.Time
	ready   []string
}

func (c *counting) Permit(_ context.Context, t budget.Team, jobID string) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.teams, c.jobs = append(c.teams, t), append(c.jobs, jobID)
	return c.at, c.refuse
}

func (c *counting) Ready(_ context.Context, domain, runID string) error {
	c.ready = append(c.ready, domain+" "+runID)
	return c.refuse
}

func (c *counting) Refused(_ context.Context, _ string, until time.Time) error {
	c.refused = append(c.refused, until)
	return nil
}

const submitRoute = "push.jobs.submit"

// submits counts the requests to submit.
type submits struct {
	mu sync.Mutex
	at []time.Time
}

func (s *submits) watch(o *celonissim.Options) {
	o.OnRequest = func(r celonissim.Request) {
		if r.Route == submitRoute {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.at = append(s.at, time.Now())
		}
	}
}

func (s *submits) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func spent() error {
	return fault.New(fault.CelonisBudgetSpent, "spent").WithResumeAt(time.Now().Add(time.Hour))
}

func TestASubmissionWaitsForItsMoment(t *testing.T) {
	t.Parallel()
	var s submits
	k := newKit(t, s.watch)
	g := &counting{at: time.Now().Add(300 * time.Millisecond)}
	k.deps.Governor = g
	k.mustPush(flowOf(flows.Import{Type: flows.ImportDataPush, Mode: flows.Replace}), many(3)...)
	require.Len(t, s.times(), 1)
	require.False(t, s.times()[0].Before(g.at))
	base, err := url.Parse(k.target.BaseURL)
	require.NoError(t, err)
	require.Equal(t, base.Host, g.teams[0].Domain)
	require.NotEmpty(t, g.jobs[0])
	told, err := g.teams[0].Ask(t.Context())
	require.NoError(t, err)
	require.Equal(t, budget.Told{PerHour: 250, PerSecond: 10, Unlimited: true}, told)
}

func TestNothingIsSubmittedWithoutAPermit(t *testing.T) {
	t.Parallel()
	var s submits
	k := newKit(t, s.watch)
	g := &counting{refuse: spent()}
	k.deps.Governor = g
	f, path, j := flowOf(flows.Import{Type: flows.ImportDataPush, Mode: flows.Replace}), k.csv(many(3)...), &journal{}
	_, err := k.push(t.Context(), f, path, j)
	require.True(t, fault.Has(err, fault.CelonisBudgetSpent), "%v", err)
	require.Empty(t, s.times())
	require.True(t, j.checkpoint().Submitted)

	g.refuse = nil
	_, err = k.push(t.Context(), f, path, j)
	require.NoError(t, err)
	require.Equal(t, g.jobs[0], g.jobs[1], "the push job that was filled is submitted")
	require.Equal(t, expected(many(3)), k.rows(f.Import))
}

// A permit goes with each request to submit that leaves, and with nothing else.
func TestPermitsOfSubmissionsThatGoWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    celonissim.Fault
		attempts int
		permits  int
		refused  bool
	}{
		"the answer is lost":           {celonissim.Fault{Cut: celonissim.CutBeforeAnswer}, 1, 1, false},
		"somebody sends it twice":      {celonissim.Fault{Duplicate: true}, 1, 1, false},
		"it does not arrive":           {celonissim.Fault{Status: http.StatusServiceUnavailable}, 2, 2, false},
		"celonis's own budget is gone": {celonissim.Fault{Status: http.StatusTooManyRequests, Wait: 10 * time.Minute}, 2, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s submits
			k := newKit(t, s.watch)
			g := &counting{}
			k.deps.Governor = g
			c.fault.Route, c.fault.Times = submitRoute, 1
			k.AddFault(c.fault)
			f, path, j := flowOf(flows.Import{Type: flows.ImportDataPush, Mode: flows.Replace}), k.csv(many(3)...), &journal{}
			for attempt := 1; ; attempt++ {
				_, err := k.push(t.Context(), f, path, j)
				if err == nil {
					require.Equal(t, c.attempts, attempt)
					break
				}
				require.Less(t, attempt, c.attempts, "%v", err)
			}
			require.Len(t, g.jobs, c.permits)
			require.Len(t, s.times(), c.permits)
			require.Equal(t, expected(many(3)), k.rows(f.Import))
			if !c.refused {
				require.Empty(t, g.refused)
				return
			}
			require.Len(t, g.refused, 1)
			require.WithinDuration(t, time.Now().Add(10*time.Minute), g.refused[0], time.Minute)
		})
	}
}

// team is a store of one connection whose records may not be chosen.
type team struct{ flows.RecordStore }

func (team) Connection(context.Context, string, string) (*connections.Connection, error) {
	return &connections.Connection{Domain: "acme.eu-1.celonis.cloud"}, nil
}

func TestARunOfRecordsBeginsWhenItCanPush(t *testing.T) {
	t.Parallel()
	g := &counting{refuse: spent()}
	b := endpoint.NewBuilder(endpoint.Deps{Connections: team{}, Records: team{}, Governor: g})
	f := flowOf(flows.Import{Type: flows.ImportDataPush})
	f.Export = flows.Export{Type: flows.ExportRecords}
	source, err := b.Source(f, &flows.Run{ID: "run"})
	require.NoError(t, err)
	_, err = source.Open(t.Context(), nil)
	require.True(t, fault.Has(err, fault.CelonisBudgetSpent))
	require.Equal(t, []string{"acme.eu-1.celonis.cloud run"}, g.ready)
}
