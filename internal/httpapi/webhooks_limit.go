package httpapi

import (
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/time/rate"
)

// hookBuckets bounds the buckets that are remembered; full ones are dropped first.
const hookBuckets = 10_000

// hookLimiter keeps a token bucket for each webhook. Each process counts for itself.
type hookLimiter struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// take lets one delivery pass; fault WebhookLimited says when the next may.
func (l *hookLimiter) take(flowID string, perMinute int, now time.Time) error {
	if perMinute <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := rate.Every(time.Minute / time.Duration(perMinute))
	b, ok := l.buckets[flowID]
	if !ok {
		l.forget(now)
		b = rate.NewLimiter(limit, perMinute)
		l.buckets[flowID] = b
	}
	if b.Burst() != perMinute {
		b.SetLimitAt(now, limit)
		b.SetBurstAt(now, perMinute)
	}
	r := b.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	r.CancelAt(now)
	return fault.New(fault.WebhookLimited, "more than %d deliveries in a minute", perMinute).
		WithHint("send several records in one delivery, or raise export.webhook.requestsPerMinute").WithResumeAt(now.Add(wait))
}

// forget drops buckets that say nothing any more, when there are many.
func (l *hookLimiter) forget(now time.Time) {
	if l.buckets == nil {
		l.buckets = map[string]*rate.Limiter{}
	}
	if len(l.buckets) < hookBuckets {
		return
	}
	for key, b := range l.buckets {
		if b.TokensAt(now) >= float64(b.Burst()) {
			delete(l.buckets, key)
		}
	}
}
