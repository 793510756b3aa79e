package celonis

import (
	"net/http"
	"sync"
	"time"

	"github.com/celonis-connector/connector/connections"
)

// withSettings lays the connection's own HTTP view over the config. Where the
// config has a bound of its own, as tests and pickers have, the stricter counts.
func (cfg Config) withSettings() Config {
	h := cfg.Target.HTTP
	if h == nil {
		return cfg
	}
	if h.TimeoutSeconds != nil {
		cfg.Retry.Timeout = stricter(cfg.Retry.Timeout, time.Duration(*h.TimeoutSeconds)*time.Second)
	}
	if h.Retries != nil {
		cfg.Retry.Tries = stricter(cfg.Retry.Tries, uint(max(*h.Retries, 0))+1)
	}
	if cfg.Limits == nil {
		cfg.Limits = cfg.Shared.of(cfg.Target)
	}
	return cfg
}

// stricter gives the smaller bound; 0 is none.
func stricter[T time.Duration | uint](a, b T) T {
	if a == 0 || b < a {
		return b
	}
	return a
}

// idleBurst is how many calls of an idle connection go out without a wait, so
// that a slow one can be tested and picked from within a person's patience.
const idleBurst = 5

// maxShared bounds the connections whose limits are remembered.
const maxShared = 4096

// SharedLimits gives all clients of one connection the same limits, so that
// what a connection sets holds for all its runs in the process together. The
// zero value is ready. It is safe for concurrent use.
type SharedLimits struct {
	mu     sync.Mutex
	limits map[string]sharedLimits
}

type sharedLimits struct {
	*Limits
	concurrent int
	perSecond  float64
}

// of gives the limits that a connection sets, nil when it sets none. A
// connection that is not stored, or a nil receiver, gets its own.
func (s *SharedLimits) of(t connections.Target) *Limits {
	if t.HTTP.Concurrency == nil && t.HTTP.RequestsPerSecond == nil {
		return nil
	}
	want := sharedLimits{concurrent: DefaultConcurrency, perSecond: DefaultPerSecond}
	if t.HTTP.Concurrency != nil {
		want.concurrent = *t.HTTP.Concurrency
	}
	if t.HTTP.RequestsPerSecond != nil {
		want.perSecond = *t.HTTP.RequestsPerSecond
	}
	if s == nil || t.ID == "" {
		return newLimits(want.concurrent, want.perSecond, idleBurst)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if had, ok := s.limits[t.ID]; ok && had.concurrent == want.concurrent && had.perSecond == want.perSecond {
		return had.Limits
	}
	want.Limits = newLimits(want.concurrent, want.perSecond, idleBurst)
	if s.limits == nil || len(s.limits) >= maxShared {
		s.limits = map[string]sharedLimits{}
	}
	s.limits[t.ID] = want
	return want.Limits
}

// extending adds the headers that the connection sets, to the requests for its own host.
type extending struct {
	headers []connections.Header
	next    http.RoundTripper
}

func (t *extending) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, h := range t.headers {
		r.Header.Set(h.Name, h.Value)
	}
	return t.next.RoundTrip(r)
}
