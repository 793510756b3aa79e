// Package pace bounds how often something is done for each of many callers, and
// rests between tries.
package pace

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// kept bounds the keys that are remembered; those that say nothing any more are dropped first.
const kept = 10_000

// Keys keeps a token bucket for each key. The zero value is ready. Each process
// counts for itself.
type Keys struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// Take lets one pass for the key, of so many a minute, and gives 0; else how
// long it is until the next may. A perMinute of 0 or less bounds nothing.
func (k *Keys) Take(key string, perMinute int, now time.Time) (wait time.Duration) {
	if perMinute <= 0 {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.bucket(key, perMinute, now).ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return max(wait, 0)
}

func (k *Keys) bucket(key string, perMinute int, now time.Time) *rate.Limiter {
	limit := rate.Every(time.Minute / time.Duration(perMinute))
	b, ok := k.buckets[key]
	if !ok {
		k.forget(now)
		b = rate.NewLimiter(limit, perMinute)
		k.buckets[key] = b
	}
	if b.Burst() != perMinute {
		b.SetLimitAt(now, limit)
		b.SetBurstAt(now, perMinute)
	}
	return b
}

// forget drops buckets that are full again, when there are many.
func (k *Keys) forget(now time.Time) {
	if k.buckets == nil {
		k.buckets = map[string]*rate.Limiter{}
	}
	if len(k.buckets) < kept {
		return
	}
	for key, b := range k.buckets {
		if b.TokensAt(now) >= float64(b.Burst()) {
			delete(k.buckets, key)
		}
	}
}
