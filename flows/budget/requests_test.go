package budget_test

import (
	"context"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// fakeRequests grants what it is told to and notes what it was asked.
type fakeRequests struct {
	stands budget.RequestStanding
	grant  int64
	takes  []budget.RequestTake
	unused []int64
	until  time.Time
}

func (s *fakeRequests) LeaseRequests(_ context.Context, t budget.RequestTake) (budget.RequestLease, error) {
	s.takes = append(s.takes, t)
	return budget.RequestLease{RequestStanding: s.stands, Granted: s.grant, At: t.Now}, nil
}
func (s *fakeRequests) EndRequests(_ context.Context, _, _ string, _ time.Time, unused int64) error {
	s.unused = append(s.unused, unused)
	return nil
}
func (s *fakeRequests) RefuseRequests(_ context.Context, _ string, _, until time.Time) error {
	s.until = until
	return nil
}
func (s *fakeRequests) Requests(context.Context, string, string, time.Time) (budget.RequestStanding, error) {
	return s.stands, nil
}

func requests(s *fakeRequests, now string) *budget.Requests {
	return &budget.Requests{Store: s, Now: func() time.Time { return at(now) }}
}

func TestRequestsAreTakenInLeases(t *testing.T) {
	t.Parallel()
	s := &fakeRequests{grant: 2}
	ticket := requests(s, "10:20:00").Begin(domain, "run")
	require.NoError(t, ticket.End(t.Context()), "nothing was taken, nothing is given back")
	require.NoError(t, ticket.Expect(t.Context(), 40))
	for range 3 {
		require.NoError(t, ticket.Take(t.Context()))
	}
	require.Len(t, s.takes, 2)
	require.Equal(t, budget.RequestTake{Domain: domain, RunID: "run", Want: 20, Expect: 40, Limits: budget.RequestLimits{}.WithDefaults(), Now: at("10:20:00")}, s.takes[0])
	require.NoError(t, ticket.End(t.Context()))
	require.Equal(t, []int64{1}, s.unused)
	require.NoError(t, ticket.Refused(t.Context(), at("11:00:00")))
	require.Equal(t, at("11:00:00"), s.until)
}

func TestRequestsAreForecast(t *testing.T) {
	t.Parallel()
	midnight := budget.Day(at("10:20:00")).Add(24*time.Hour + budget.Edge)
	for name, c := range map[string]struct {
		needs  int64
		stands budget.RequestStanding
		code   fault.Code
		resume time.Time
	}{
		"there is room":                   {600, budget.RequestStanding{Used: 5000}, "", time.Time{}},
		"more than a day":                 {6001, budget.RequestStanding{}, fault.SourceBudget, time.Time{}},
		"more than is left":               {1001, budget.RequestStanding{Used: 5000}, fault.CelonisBudgetSpent, midnight},
		"others need it":                  {3500, budget.RequestStanding{OtherRuns: 1, OtherExpect: 4000}, fault.CelonisBudgetSpent, midnight},
		"a fair share, though others ask": {1900, budget.RequestStanding{OtherRuns: 1, OtherExpect: 6000}, "", time.Time{}},
		"celonis refuses":                 {2000, budget.RequestStanding{Used: 5999, SpentUntil: at("10:30:00")}, fault.CelonisBudgetSpent, at("10:30:00")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := requests(&fakeRequests{stands: c.stands}, "10:20:00").Begin(domain, "run").Expect(t.Context(), c.needs)
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			require.True(t, fault.Has(err, c.code), "%v", err)
			require.Equal(t, c.resume, fault.From(err).ResumeAt)
		})
	}
}

func TestARunWithoutRequestsWaits(t *testing.T) {
	t.Parallel()
	s := &fakeRequests{stands: budget.RequestStanding{Used: 100, OtherRuns: 5}}
	err := requests(s, "10:20:00").Begin(domain, "run").Take(t.Context())
	require.True(t, fault.Has(err, fault.CelonisBudgetSpent))
	require.Equal(t, fault.Wait, fault.RetryOf(err))
	require.Equal(t, at("10:20:30"), fault.From(err).ResumeAt, "until one of the runs that read at once has ended")
}

func TestTheRequestsAreReported(t *testing.T) {
	t.Parallel()
	s := &fakeRequests{stands: budget.RequestStanding{Used: 100, OtherRuns: 2, OtherExpect: 70}}
	r, err := requests(s, "10:20:00").Report(t.Context(), domain)
	require.NoError(t, err)
	require.Equal(t, &budget.RequestReport{
		Limits: budget.RequestLimits{PerDay: 6000, PerSecond: 20, AtOnce: 20}, Used: 100, Left: 5900, Expected: 70, Runs: 2,
		ResetsAt: budget.Day(at("10:20:00")).Add(24 * time.Hour),
	}, r)
	s.stands.SpentUntil = at("11:00:00")
	r, err = requests(s, "10:20:00").Report(t.Context(), domain)
	require.NoError(t, err)
	require.Zero(t, r.Left)
}
