package preview

import (
	"bytes"
	"encoding/json"
	"iter"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/time/rate"
)

// bucketsKept bounds the callers that are remembered; those that say nothing any more are dropped first.
const bucketsKept = 10_000

// limiter keeps a token bucket for each caller. Each process counts for itself.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// take lets one preview pass; fault FlowPreviewLimited says when the next may.
func (l *limiter) take(key string, perMinute int, now time.Time) error {
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
	return fault.New(fault.FlowPreviewLimited, "more than %d previews in a minute", perMinute).
		WithHint("wait a few seconds; each preview asks the source").WithResumeAt(now.Add(wait))
}

func (l *limiter) forget(now time.Time) {
	if l.buckets == nil {
		l.buckets = map[string]*rate.Limiter{}
	}
	if len(l.buckets) < bucketsKept {
		return
	}
	for key, b := range l.buckets {
		if b.TokensAt(now) >= float64(b.Burst()) {
			delete(l.buckets, key)
		}
	}
}

// ndjson writes records one a line.
func ndjson(records []json.RawMessage) []byte {
	var out bytes.Buffer
	for _, r := range records {
		// The records are JSON objects, as their reader has made sure.
		if json.Compact(&out, r) == nil {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// lines goes through the lines of NDJSON.
func lines(data []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		for line := range bytes.SplitSeq(data, []byte{'\n'}) {
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(json.RawMessage(line)) {
				return
			}
		}
	}
}
