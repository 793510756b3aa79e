package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// team is a flow into a team of its own.
func (b *bundle) team(workspace, domain string) *flows.Flow {
	b.Helper()
	c := b.draft(workspace, "team "+b.id())
	c.Domain = domain
	require.NoError(b, b.s.CreateConnection(b.ctx, c))
	f := b.sketch(c, "flow "+c.ID)
	require.NoError(b, b.s.CreateFlow(b.ctx, f))
	return f
}

// pushing is a claimed run of the flow with a push job on record.
func (b *bundle) pushing(f *flows.Flow) (r *flows.Run, jobID string) {
	b.Helper()
	r, jobID = b.claimed(b.sibling(f)), b.id()
	require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{PushJobID: jobID}, nil))
	return r, jobID
}

// morning is in the middle of an hour.
var morning = time.Date(2026, time.March, 29, 10, 20, 0, 123456000, time.UTC)

// wish asks for a permit that may go out within a second.
func wish(domain, jobID string, now time.Time, l budget.Limits) budget.Take {
	return budget.Take{Domain: domain, JobID: jobID, Limits: l, Now: now, Latest: now.Add(budget.SlotWait)}
}

func (b *bundle) take(t budget.Take) budget.Permit {
	b.Helper()
	p, err := b.s.TakePermit(b.ctx, t)
	require.NoError(b, err)
	return p
}

var budgetTests = map[string]func(*bundle){
	"PermitsComeEvenlySpaced": func(b *bundle) {
		l := budget.Limits{PerHour: 100, PerSecond: 4}
		for i := range 5 {
			p := b.take(wish(b.workspace, b.id(), morning, l))
			require.True(b, p.Granted)
			require.Equal(b, morning.Add(time.Duration(i)*250*time.Millisecond), p.At)
			require.EqualValues(b, i+1, p.Used)
		}
		p := b.take(wish(b.workspace, b.id(), morning, l))
		require.False(b, p.Granted, "it would not go out within a second")
		require.Equal(b, budget.Standing{Used: 5, Next: morning.Add(1250 * time.Millisecond)}, p.Standing)
		p = b.take(wish(b.workspace, b.id(), morning.Add(5*time.Second), l))
		require.True(b, p.Granted)
		require.Equal(b, morning.Add(5*time.Second), p.At, "what was not used is not saved up")
	},
	"AnHourIsSpentAndTurns": func(b *bundle) {
		l := budget.Limits{PerHour: 2}
		require.True(b, b.take(wish(b.workspace, b.id(), morning, l)).Granted)
		require.True(b, b.take(wish(b.workspace, b.id(), morning, l)).Granted)
		p := b.take(wish(b.workspace, b.id(), morning, l))
		require.False(b, p.Granted)
		require.EqualValues(b, 2, p.Used)
		require.True(b, b.take(wish(b.workspace, b.id(), morning.Add(time.Hour), l)).Granted)
		require.True(b, b.take(wish(b.other, b.id(), morning, l)).Granted, "another team")
	},
	"NothingIsGrantedForTooLate": func(b *bundle) {
		t := wish(b.workspace, b.id(), morning, budget.Limits{PerHour: 2})
		t.Latest = morning.Add(-time.Microsecond)
		require.False(b, b.take(t).Granted)
		t.Latest = morning
		require.True(b, b.take(t).Granted)
	},
	"WithoutLimitsAllAreCounted": func(b *bundle) {
		for i := range 30 {
			p := b.take(wish(b.workspace, b.id(), morning, budget.Limits{}))
			require.True(b, p.Granted)
			require.Equal(b, morning, p.At)
			require.EqualValues(b, i+1, p.Used)
		}
	},
	"ARunThatWasSubmittedMayUseTheShareForRetries": func(b *bundle) {
		f := b.team(b.workspace, b.workspace)
		l := budget.Limits{PerHour: 10}
		_, again := b.pushing(f)
		require.True(b, b.take(wish(b.workspace, again, morning, l)).Granted)
		for range 8 {
			require.True(b, b.take(wish(b.workspace, b.id(), morning, l)).Granted)
		}
		_, first := b.pushing(f)
		require.False(b, b.take(wish(b.workspace, first, morning, l)).Granted)
		require.True(b, b.take(wish(b.workspace, again, morning, l)).Granted)
		p := b.take(wish(b.workspace, again, morning, l))
		require.False(b, p.Granted, "no more than all of it")
		require.Equal(b, budget.Standing{Used: 10, Again: true, Next: morning}, p.Standing)
	},
	"RefusedRunsStandInLine": func(b *bundle) {
		f, mine, elsewhere := b.team(b.workspace, b.workspace), b.team(b.other, b.workspace), b.team(b.workspace, b.other)
		l := budget.Limits{PerHour: 1}
		_, submitted := b.pushing(f)
		require.True(b, b.take(wish(b.workspace, submitted, morning, l)).Granted)
		_, first := b.pushing(f)
		ended := b.claimed(f)
		b.settle(ended, flows.Settlement{State: flows.Failed, Now: b.now})
		b.run(elsewhere)
		b.run(mine)
		last, job := b.pushing(mine)
		require.EqualValues(b, 0, b.take(wish(b.workspace, first, morning, l)).Ahead)
		require.EqualValues(b, 2, b.take(wish(b.workspace, job, morning, l)).Ahead, "of all workspaces, those that have not been submitted")
		s, err := b.s.Standing(b.ctx, b.workspace, last.ID, morning)
		require.NoError(b, err)
		require.Equal(b, budget.Standing{Used: 1, Ahead: 2, Next: morning}, s)
		s, err = b.s.Standing(b.ctx, b.workspace, last.ID, morning.Add(time.Hour))
		require.NoError(b, err)
		require.Equal(b, budget.Standing{Ahead: 2}, s)
	},
	"CelonisRefuses": func(b *bundle) {
		l, until := budget.Limits{PerHour: 10}, morning.Add(90*time.Minute)
		require.True(b, b.take(wish(b.workspace, b.id(), morning, l)).Granted)
		require.NoError(b, b.s.MarkSpent(b.ctx, b.workspace, morning, until))
		require.NoError(b, b.s.MarkSpent(b.ctx, b.workspace, morning, morning.Add(time.Minute)))
		for _, now := range []time.Time{morning, until.Add(-time.Microsecond)} {
			p := b.take(wish(b.workspace, b.id(), now, l))
			require.False(b, p.Granted)
			require.Equal(b, until, p.SpentUntil)
		}
		p := b.take(wish(b.workspace, b.id(), until, l))
		require.True(b, p.Granted)
		require.EqualValues(b, 1, p.Used)
		require.NoError(b, b.s.MarkSpent(b.ctx, b.other, morning, morning), "a time that has come")
		require.True(b, b.take(wish(b.other, b.id(), morning, l)).Granted)
	},
	"WhatCelonisTold": func(b *bundle) {
		got, err := b.s.ToldLimits(b.ctx, b.workspace)
		require.NoError(b, err)
		require.Zero(b, got)
		for _, told := range []budget.Told{{PerHour: 500, PerSecond: 20, At: b.now}, {Unlimited: true, At: b.now.Add(time.Hour)}} {
			require.NoError(b, b.s.KeepTold(b.ctx, b.workspace, told))
			got, err = b.s.ToldLimits(b.ctx, b.workspace)
			require.NoError(b, err)
			require.Equal(b, told, got)
		}
	},
	"History":                         budgetHistory,
	"OldHoursAreForgotten":            forgetHours,
	"ManyRaceForPermits":              raceForPermits,
	"RetriesAndNewRunsRaceForPermits": raceForShares,
}

func budgetHistory(b *bundle) {
	domain := b.workspace
	f, foreign := b.team(b.workspace, domain), b.team(b.other, domain)
	l := budget.Limits{PerHour: 100}
	for i, n := range []int{2, 0, 1} {
		for range n {
			b.take(wish(domain, b.id(), morning.Add(time.Duration(i)*time.Hour), l))
		}
	}
	require.NoError(b, b.s.MarkSpent(b.ctx, domain, morning.Add(3*time.Hour), morning.Add(200*time.Minute)))
	require.NoError(b, b.s.KeepTold(b.ctx, domain, budget.Told{PerHour: 9, At: b.now}))
	wait := func(f *flows.Flow, code fault.Code) {
		b.settle(b.claimed(b.sibling(f)), flows.Settlement{State: flows.Waiting, ResumeAt: b.now, Now: b.now, Error: &flows.RunError{Code: code, Message: "no"}})
	}
	wait(f, fault.CelonisBudgetSpent)
	wait(f, fault.CelonisBudgetSpent)
	wait(f, fault.CelonisServer)
	wait(foreign, fault.CelonisBudgetSpent)

	now := morning.Add(3*time.Hour + 10*time.Minute)
	h, known, err := b.s.BudgetHistory(b.ctx, b.workspace, domain, morning, now)
	require.NoError(b, err)
	require.True(b, known)
	hour := budget.Hour(morning)
	require.Equal(b, budget.History{
		Hours:      []budget.Fire{{At: hour, Pushes: 2}, {At: hour.Add(2 * time.Hour), Pushes: 1}},
		SpentUntil: morning.Add(200 * time.Minute), WaitingRuns: 2, Told: budget.Told{PerHour: 9, At: b.now},
	}, h)
	h, _, err = b.s.BudgetHistory(b.ctx, b.other, domain, morning.Add(time.Hour), now)
	require.NoError(b, err)
	require.Len(b, h.Hours, 1)
	require.EqualValues(b, 1, h.WaitingRuns, "each workspace sees its own runs")
	_, known, err = b.s.BudgetHistory(b.ctx, b.id(), domain, morning, now)
	require.NoError(b, err)
	require.False(b, known, "a workspace without a connection to the team")
}

func forgetHours(b *bundle) {
	f := b.team(b.workspace, b.workspace)
	for _, now := range []time.Time{morning, morning.Add(100 * time.Hour)} {
		b.take(wish(f.Workspace, b.id(), now, budget.Limits{PerHour: 5}))
	}
	h, _, err := b.s.BudgetHistory(b.ctx, b.workspace, b.workspace, morning, morning)
	require.NoError(b, err)
	require.Len(b, h.Hours, 1)
}

// raceForPermits has many more ask than may have, in two hours: exactly the limit is granted, each moment once.
func raceForPermits(b *bundle) {
	const askers, asks = 16, 10
	l := budget.Limits{PerHour: 40, PerSecond: 100}
	var mu sync.Mutex
	granted := map[time.Time][]time.Time{}
	together(askers, func(int) {
		for i := range asks {
			now := morning.Add(time.Duration(i%2) * time.Hour)
			p, err := b.s.TakePermit(b.ctx, wish(b.workspace, newID(b), now, l))
			if !assert.NoError(b, err) || !p.Granted {
				continue
			}
			mu.Lock()
			granted[now] = append(granted[now], p.At)
			mu.Unlock()
		}
	})
	require.Len(b, granted, 2)
	for now, at := range granted {
		slices.SortFunc(at, time.Time.Compare)
		var want []time.Time
		for i := range l.FirstPerHour() {
			want = append(want, now.Add(time.Duration(i)*l.Gap()))
		}
		require.Equal(b, want, at)
	}
}

// raceForShares has new runs and runs that were submitted before ask at once: the new ones never get into the share of the others.
func raceForShares(b *bundle) {
	const askers, asks = 12, 8
	l := budget.Limits{PerHour: 40}
	f := b.team(b.workspace, b.workspace)
	_, again := b.pushing(f)
	b.take(wish(b.workspace, again, morning.Add(-time.Hour), l))
	var mu sync.Mutex
	granted := map[bool]int{}
	together(askers, func(i int) {
		for range asks {
			retry, job := i%3 == 0, newID(b)
			if retry {
				job = again
			}
			p, err := b.s.TakePermit(b.ctx, wish(b.workspace, job, morning, l))
			if assert.NoError(b, err) && p.Granted {
				mu.Lock()
				granted[retry]++
				mu.Unlock()
			}
		}
	})
	for range l.PerHour {
		if b.take(wish(b.workspace, again, morning, l)).Granted {
			granted[true]++
		}
	}
	require.EqualValues(b, l.PerHour, granted[true]+granted[false])
	require.GreaterOrEqual(b, int64(granted[true]), l.PerHour-l.FirstPerHour())
	require.LessOrEqual(b, int64(granted[false]), l.FirstPerHour())
}
