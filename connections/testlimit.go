package connections

import (
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/time/rate"
)

// TestLimits bound the test calls that callers may ask for, so that nobody
// tries keys or hosts by the service. Each process counts for itself; the test
// that follows a write, and probes, are not counted.
type TestLimits struct {
	// Saved is how often a minute one stored connection may be tested.
	Saved int
	// Unsaved is how often a minute a workspace may test connections that are not stored.
	Unsaved int
}

// DefaultTestLimits are generous for people and tight for programs.
func DefaultTestLimits() TestLimits { return TestLimits{Saved: 10, Unsaved: 20} }

// bucketsKept bounds the buckets that are remembered; full ones are dropped first.
const bucketsKept = 10_000

// testLimiter keeps a token bucket for each connection and each workspace.
type testLimiter struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// take lets one test pass; fault ConnectionTestLimited says when the next may.
func (l *testLimiter) take(key string, perMinute int, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[key]
	if !ok {
		l.forget(now)
		b = rate.NewLimiter(rate.Every(time.Minute/time.Duration(perMinute)), perMinute)
		l.buckets[key] = b
	}
	r := b.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	r.CancelAt(now)
	return fault.New(fault.ConnectionTestLimited, "more than %d test calls in a minute", perMinute).
		WithHint("wait a few seconds; an offline connection is tested by itself").WithResumeAt(now.Add(wait))
}

// forget drops buckets that say nothing any more, when there are many.
func (l *testLimiter) forget(now time.Time) {
	if len(l.buckets) < bucketsKept {
		return
	}
	for key, b := range l.buckets {
		if b.TokensAt(now) >= float64(b.Burst()) {
			delete(l.buckets, key)
		}
	}
}
