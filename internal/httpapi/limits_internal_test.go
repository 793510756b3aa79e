package httpapi

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBudgetsFillAgain(t *testing.T) {
	t.Parallel()
	l := newLimiter(Rate{PerSecond: 10, Burst: 3})
	now := time.Unix(1_700_000_000, 0)
	for left := 2; left >= 0; left-- {
		v := l.take("a", now)
		require.True(t, v.ok)
		require.Equal(t, left, v.remaining)
	}
	v := l.take("a", now)
	require.False(t, v.ok)
	require.Equal(t, 100*time.Millisecond, v.retry)
	require.Equal(t, 300*time.Millisecond, v.reset)
	require.True(t, l.take("b", now).ok, "callers do not share")
	require.False(t, l.take("a", now.Add(99*time.Millisecond)).ok)
	require.True(t, l.take("a", now.Add(v.retry)).ok)
	require.Equal(t, 2, l.take("a", now.Add(time.Hour)).remaining)
	require.Equal(t, 300*time.Millisecond, l.take("a", now.Add(-time.Hour)).reset, "a clock that goes back locks nobody out for hours")
	require.Nil(t, newLimiter(Rate{}))
}

// A flood of keys must not take memory without end, and a caller that is over
// its budget while it lasts must not stop the others.
func TestAFloodOfKeysIsBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter(Rate{PerSecond: 1, Burst: 2})
	now := time.Unix(1_700_000_000, 0)
	for i := range 1_000_000 {
		require.True(t, l.take(fmt.Sprint(i), now).ok)
	}
	require.LessOrEqual(t, l.size(), limiterShards*shardKeys)
	for i := range 200_000 {
		l.take(fmt.Sprint("later", i), now.Add(time.Minute))
	}
	require.LessOrEqual(t, l.size(), limiterShards*shardKeys)
}

func TestBudgetsAreExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	l := newLimiter(Rate{PerSecond: 0.001, Burst: 500})
	var passed atomic.Int64
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 200 {
				if l.take("a", time.Unix(1_700_000_000, 0)).ok {
					passed.Add(1)
				}
			}
		})
	}
	done.Wait()
	require.EqualValues(t, 500, passed.Load())
}

func TestAddressKeys(t *testing.T) {
	t.Parallel()
	for address, key := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": "", "?": "?",
	} {
		require.Equal(t, key, addressKey(address), address)
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	s := newSlots(2, 3)
	first, _ := s.take("a")
	_, _ = s.take("a")
	none, own := s.take("a")
	require.Nil(t, none)
	require.True(t, own)
	_, _ = s.take("b")
	none, own = s.take("b")
	require.Nil(t, none)
	require.False(t, own)
	first()
	first()
	again, _ := s.take("b")
	require.NotNil(t, again)
	none, _ = s.take("a")
	require.Nil(t, none, "freed twice is freed once")
}

func BenchmarkLimiter(b *testing.B) {
	l := newLimiter(Rate{PerSecond: 1e6, Burst: 1e6})
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprint("client", i)
	}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			l.take(keys[i%len(keys)], time.Unix(1_700_000_000, int64(i)))
		}
	})
}
