package budget_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// fakeStore answers what it is told to and notes what it was asked.
type fakeStore struct {
	permit  budget.Permit
	stands  budget.Standing
	told    budget.Told
	history budget.History
	unknown bool
	fails   error

	takes  []budget.Take
	kept   []budget.Told
	marked []time.Time
	since  time.Time
}

func (s *fakeStore) TakePermit(_ context.Context, t budget.Take) (budget.Permit, error) {
	s.takes = append(s.takes, t)
	return s.permit, s.fails
}
func (s *fakeStore) Standing(context.Context, string, string, time.Time) (budget.Standing, error) {
	return s.stands, s.fails
}
func (s *fakeStore) MarkSpent(_ context.Context, _ string, _, until time.Time) error {
	s.marked = append(s.marked, until)
	return s.fails
}
func (s *fakeStore) ToldLimits(context.Context, string) (budget.Told, error) { return s.told, nil }
func (s *fakeStore) KeepTold(_ context.Context, _ string, t budget.Told) error {
	s.kept = append(s.kept, t)
	s.told = t
	return nil
}
func (s *fakeStore) BudgetHistory(_ context.Context, _, _ string, since, _ time.Time) (budget.History, bool, error) {
	s.since = since
	return s.history, !s.unknown, s.fails
}

const domain = "acme.eu-1.celonis.cloud"

func governor(s *fakeStore, now string, operator budget.Limits) *budget.Governor {
	return budget.NewGovernor(budget.Deps{Store: s, Operator: operator, Now: func() time.Time { return at(now) }})
}

func silent(context.Context) (budget.Told, error) { return budget.Told{}, errors.New("not asked") }

var documented = budget.Limits{PerHour: budget.DefaultPerHour, PerSecond: budget.DefaultPerSecond}

// requireWait demands a fault that lets a run wait until a time, or up to a tenth of a second later.
func requireWait(t *testing.T, err error, until string) {
	t.Helper()
	require.True(t, fault.Has(err, fault.CelonisBudgetSpent), "%v", err)
	require.Equal(t, fault.Wait, fault.RetryOf(err))
	resumeAt := fault.From(err).ResumeAt
	require.False(t, resumeAt.Before(at(until)), resumeAt)
	require.True(t, resumeAt.Before(at(until).Add(documented.Gap())), resumeAt)
}

func TestAPermit(t *testing.T) {
	t.Parallel()
	s := &fakeStore{permit: budget.Permit{Granted: true, At: at("10:20:00.3")}}
	when, err := governor(s, "10:20:00", documented).Permit(t.Context(), budget.Team{Domain: domain, Ask: silent}, "job")
	require.NoError(t, err)
	require.Equal(t, at("10:20:00.3"), when)
	require.Equal(t, []budget.Take{{Domain: domain, JobID: "job", Limits: documented, Now: at("10:20:00"), Latest: at("10:20:01")}}, s.takes)

	_, err = governor(s, "10:59:58.5", documented).Permit(t.Context(), budget.Team{Domain: domain, Ask: silent}, "job")
	require.NoError(t, err)
	require.Equal(t, at("10:59:59"), s.takes[1].Latest, "not across the turn of the hour")

	s.fails = fault.New(fault.StoreUnavailable, "no database")
	_, err = governor(s, "10:20:00", documented).Permit(t.Context(), budget.Team{Domain: domain, Ask: silent}, "job")
	require.True(t, fault.Has(err, fault.StoreUnavailable))
}

func TestARefusalSaysWhen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now   string
		state budget.Standing
		until string
	}{
		"the hour is spent":                    {"10:20:00", budget.Standing{Used: 250}, "11:00:01"},
		"the share of new runs is":             {"10:20:00", budget.Standing{Used: 225, Ahead: 3}, "11:00:01.3"},
		"more ahead than an hour bears":        {"10:20:00", budget.Standing{Used: 240, Ahead: 226}, "12:00:01.1"},
		"a retry":                              {"10:20:00", budget.Standing{Used: 250, Again: true}, "11:00:01"},
		"celonis refuses":                      {"10:20:00", budget.Standing{Used: 3, SpentUntil: at("10:40:00"), Ahead: 2}, "10:40:00.2"},
		"celonis refuses, and the hour is":     {"10:20:00", budget.Standing{Used: 250, SpentUntil: at("10:40:00")}, "11:00:01"},
		"celonis refuses for longer than that": {"10:20:00", budget.Standing{Used: 250, SpentUntil: at("11:40:00")}, "11:40:00"},
		"the second is spent":                  {"10:20:00", budget.Standing{Used: 30, Next: at("10:20:01.5")}, "10:20:01.5"},
		"the second is spent for a retry":      {"10:20:00", budget.Standing{Used: 230, Again: true, Next: at("10:20:01.5")}, "10:20:01.5"},
		"the hour is about to turn":            {"10:59:59.5", budget.Standing{Used: 30, Next: at("10:20:00"), Ahead: 1}, "11:00:01.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &fakeStore{permit: budget.Permit{Standing: c.state}}
			_, err := governor(s, c.now, documented).Permit(t.Context(), budget.Team{Domain: domain, Ask: silent}, "job")
			requireWait(t, err, c.until)
		})
	}
}

func TestReadyTakesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state budget.Standing
		until string
	}{
		"something is left":    {budget.Standing{Used: 224}, ""},
		"the second is spent":  {budget.Standing{Used: 3, Next: at("10:20:09")}, ""},
		"left for a retry":     {budget.Standing{Used: 249, Again: true}, ""},
		"celonis refused once": {budget.Standing{SpentUntil: at("10:20:00")}, ""},
		"nothing is left":      {budget.Standing{Used: 225}, "11:00:01"},
		"celonis refuses":      {budget.Standing{SpentUntil: at("10:40:00")}, "10:40:00"},
	} {
		s := &fakeStore{stands: c.state}
		err := governor(s, "10:20:00", budget.Limits{}).Ready(t.Context(), domain, "run")
		if c.until == "" {
			require.NoError(t, err, name)
		} else {
			requireWait(t, err, c.until)
		}
		require.Empty(t, s.takes)
	}
}

func TestCelonisIsAskedForTheLimitsNowAndThen(t *testing.T) {
	t.Parallel()
	s := &fakeStore{permit: budget.Permit{Granted: true}}
	asked := 0
	answer, fails := budget.Told{PerHour: 1000}, error(nil)
	team := budget.Team{Domain: domain, Ask: func(context.Context) (budget.Told, error) { asked++; return answer, fails }}
	take := func(now time.Time, operator budget.Limits) budget.Limits {
		t.Helper()
		g := budget.NewGovernor(budget.Deps{Store: s, Operator: operator, Now: func() time.Time { return now }})
		_, err := g.Permit(t.Context(), team, "job")
		require.NoError(t, err)
		return s.takes[len(s.takes)-1].Limits
	}
	now := at("10:20:00")
	require.Equal(t, budget.Limits{PerHour: 7, PerSecond: 2}, take(now, budget.Limits{PerHour: 7, PerSecond: 2}))
	require.Zero(t, asked, "the operator has said all")
	require.Equal(t, budget.Limits{PerHour: 1000, PerSecond: 10}, take(now, budget.Limits{}))
	require.Equal(t, budget.Limits{PerHour: 1000, PerSecond: 2}, take(now.Add(budget.TellAfter-time.Second), budget.Limits{PerSecond: 2}))
	require.Equal(t, 1, asked)

	now = now.Add(budget.TellAfter)
	answer, fails = budget.Told{}, fault.New(fault.CelonisForbidden, "no")
	require.Equal(t, budget.Limits{PerHour: 1000, PerSecond: 10}, take(now, budget.Limits{}), "what was told before stays")
	take(now, budget.Limits{})
	require.Equal(t, 2, asked, "a key that may not ask does not ask each time")
	require.Equal(t, []budget.Told{{PerHour: 1000, At: at("10:20:00")}, {PerHour: 1000, At: now}}, s.kept)
}

func TestCelonisRefusalsAreMarked(t *testing.T) {
	t.Parallel()
	s := &fakeStore{}
	require.NoError(t, governor(s, "10:20:00", documented).Refused(t.Context(), domain, at("10:40:00")))
	require.Equal(t, []time.Time{at("10:40:00")}, s.marked)
}

func TestReport(t *testing.T) {
	t.Parallel()
	s := &fakeStore{history: budget.History{
		Hours:       []budget.Fire{{At: at("08:00:00"), Pushes: 90}, {At: at("09:00:00"), Pushes: 110}, {At: at("10:00:00"), Pushes: 30}},
		WaitingRuns: 160, Told: budget.Told{PerHour: 240},
	}}
	r := &budget.Reporter{Store: s, Now: func() time.Time { return at("10:20:00") }}
	got, err := r.Budget(t.Context(), "w", domain)
	require.NoError(t, err)
	require.Equal(t, at("10:00:00").Add(-24*time.Hour), s.since)
	require.Len(t, got.Next, budget.ForecastHours)
	require.Equal(t, []budget.Outlook{{at("11:00:00"), 260, false}, {at("12:00:00"), 120, true}}, got.Next[:2], "the mean, those that wait, and what is left over")
	got.Next = nil
	require.Equal(t, &budget.Report{Domain: domain, Limits: budget.Limits{PerHour: 240, PerSecond: 10}, Used: 30, Left: 210,
		ResetsAt: at("11:00:00"), WaitingRuns: 160}, got)

	s.history.SpentUntil = at("10:30:00")
	got, err = r.Budget(t.Context(), "w", domain)
	require.NoError(t, err)
	require.Zero(t, got.Left)
	require.Equal(t, at("11:00:00"), got.ResetsAt)
	s.history.SpentUntil = at("11:30:00")
	got, err = r.Budget(t.Context(), "w", domain)
	require.NoError(t, err)
	require.Equal(t, at("11:30:00"), got.ResetsAt)

	s.unknown = true
	_, err = r.Budget(t.Context(), "w", domain)
	require.True(t, fault.Has(err, fault.TeamNotFound))
}
