package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (b *bundle) lease(t budget.RequestTake) budget.RequestLease {
	b.Helper()
	l, err := b.s.LeaseRequests(b.ctx, t)
	require.NoError(b, err)
	return l
}

var requestTests = map[string]func(*bundle){
	"RequestsComeInLeases": func(b *bundle) {
		limits := budget.RequestLimits{PerDay: 25, PerSecond: 20, AtOnce: 8}
		take := budget.RequestTake{Domain: b.workspace, RunID: "a", Want: 20, Expect: 30, Limits: limits, Now: morning}
		l := b.lease(take)
		require.EqualValues(b, 20, l.Granted)
		require.Equal(b, morning, l.At)
		l = b.lease(take)
		require.EqualValues(b, 1, l.Granted, "what is left is less than was wanted")
		require.Equal(b, morning.Add(time.Second), l.At, "evenly spaced")
		st, err := b.s.Requests(b.ctx, b.workspace, "other", morning)
		require.NoError(b, err)
		require.Equal(b, budget.RequestStanding{Used: 21, OtherRuns: 1, OtherExpect: 9}, st)

		take.RunID = "b"
		require.EqualValues(b, 1, b.lease(take).Granted)
		take.RunID = "c"
		l = b.lease(take)
		require.Zero(b, l.Granted, "as many runs read as may at once")
		require.EqualValues(b, 22, l.Used, "and nothing was counted")
		require.EqualValues(b, 2, l.OtherRuns)
		require.NoError(b, b.s.EndRequests(b.ctx, b.workspace, "a", budget.Day(morning), 15))
		require.EqualValues(b, 1, b.lease(take).Granted, "what was given back can be taken")
		take.Domain = b.other
		require.EqualValues(b, 20, b.lease(take).Granted, "another team")
		take.Domain, take.Now = b.workspace, morning.Add(24*time.Hour)
		require.EqualValues(b, 20, b.lease(take).Granted, "another day")
	},
	"RequestsRefused": func(b *bundle) {
		until := morning.Add(26 * time.Hour)
		require.NoError(b, b.s.RefuseRequests(b.ctx, b.workspace, morning, until))
		take := budget.RequestTake{Domain: b.workspace, RunID: "a", Want: 20, Limits: budget.RequestLimits{}.WithDefaults(), Now: morning.Add(25 * time.Hour)}
		l := b.lease(take)
		require.Zero(b, l.Granted)
		require.Equal(b, until, l.SpentUntil)
		take.Now = until
		require.EqualValues(b, 20, b.lease(take).Granted)
	},
	"RequestsNeverTooMany": func(b *bundle) {
		limits := budget.RequestLimits{PerDay: 50, PerSecond: 20, AtOnce: 100}
		var granted atomic.Int64
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for range 4 {
					l, err := b.s.LeaseRequests(b.ctx, budget.RequestTake{Domain: b.workspace, RunID: string(rune('a' + i)), Want: 7, Limits: limits, Now: morning})
					if assert.NoError(b, err) {
						granted.Add(l.Granted)
					}
				}
			})
		}
		all.Wait()
		require.EqualValues(b, 50, granted.Load())
	},
}
