package httpapi

import (
	"hash/maphash"
	"math"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Rate is a budget that fills by PerSecond up to Burst. A PerSecond of 0 is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Pace is how slowly a body may come: PerSecond bytes on average once Grace is
// over, and never nothing for as long as Idle. A PerSecond of 0 asks for no rate.
type Pace struct {
	PerSecond   int64
	Grace, Idle time.Duration
}

// Limits bound what callers can use of this process; each process counts for
// itself. The zero Limits bound no rate and no number.
type Limits struct {
	// PerClient is for all requests of an API client but Records and Files, which have budgets of their own.
	PerClient, Records, Files Rate
	// PerAddress is for requests without a token from one address, those of one /64 for IPv6.
	PerAddress Rate
	// WrongSecrets is for refused secrets and tokens, by address and client. A right one is never counted and never refused.
	WrongSecrets Rate
	// ClientUploads and AllUploads bound how many files come at once, of a client and in all; 0 is no bound.
	ClientUploads, AllUploads int
	// Pace bounds slow bodies; DefaultPace when zero.
	Pace Pace
}

// DefaultPace lets a body take its time, but not for ever.
func DefaultPace() Pace { return Pace{PerSecond: 1 << 10, Grace: 30 * time.Second, Idle: time.Minute} }

const (
	// limiterShards let requests of different callers pass at once.
	limiterShards = 32
	// shardKeys bounds what one shard remembers: 65,536 callers in all, some 8 MB.
	shardKeys = 2048
)

// limiter counts requests by key. It remembers a key only while its budget is
// not full, so what is forgotten loses nothing; a flood of keys makes it forget
// others early, which gives those a full budget and never a fault.
type limiter struct {
	// interval is the time that one request takes of the budget, span the whole budget.
	interval, span time.Duration
	limit          string
	seed           maphash.Seed
	shards         [limiterShards]limiterShard
}

type limiterShard struct {
	mu sync.Mutex
	// fullAt is when each key's budget is full again, in Unix nanoseconds.
	fullAt map[string]int64
}

// newLimiter gives nil for no limit.
func newLimiter(r Rate) *limiter {
	if r.PerSecond <= 0 {
		return nil
	}
	burst := max(r.Burst, 1)
	l := &limiter{interval: time.Duration(float64(time.Second) / r.PerSecond), limit: strconv.Itoa(burst), seed: maphash.MakeSeed()}
	l.interval = max(l.interval, 1)
	l.span = l.interval * time.Duration(burst)
	for i := range l.shards {
		l.shards[i].fullAt = map[string]int64{}
	}
	return l
}

// verdict is what a limiter says of a request.
type verdict struct {
	ok        bool
	remaining int
	// reset is when the budget is full again, retry when the next request passes; both from now on.
	reset, retry time.Duration
}

// take takes one request from the key's budget.
func (l *limiter) take(key string, now time.Time) verdict {
	s := &l.shards[maphash.String(l.seed, key)%limiterShards]
	at := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	full, known := s.fullAt[key]
	used := time.Duration(max(full-at, 0))
	// A clock that was set back must not lock anybody out for longer than an empty budget takes.
	used = min(used, l.span)
	if used+l.interval > l.span {
		return verdict{reset: used, retry: used + l.interval - l.span}
	}
	if !known && len(s.fullAt) >= shardKeys {
		s.forget(at)
	}
	used += l.interval
	s.fullAt[key] = at + int64(used)
	return verdict{ok: true, remaining: int((l.span - used) / l.interval), reset: used}
}

// forget makes room: what is full again goes, and some of the others where that is not enough.
func (s *limiterShard) forget(at int64) {
	for key, full := range s.fullAt {
		if full <= at {
			delete(s.fullAt, key)
		}
	}
	for key := range s.fullAt {
		if len(s.fullAt) < shardKeys*3/4 {
			return
		}
		delete(s.fullAt, key)
	}
}

// size is how many keys are remembered.
func (l *limiter) size() (n int) {
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].fullAt)
		l.shards[i].mu.Unlock()
	}
	return n
}

// seconds rounds up.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// addressKey is the caller's address, or its /64 for IPv6: whoever has one address of it has all.
func addressKey(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// slots bound what is under way at once, of a client and in all.
type slots struct {
	perClient, all int
	mu             sync.Mutex
	total          int
	byClient       map[string]int
}

func newSlots(perClient, all int) *slots {
	return &slots{perClient: perClient, all: all, byClient: map[string]int{}}
}

// take gives what frees the slot, nil when there is none; ofClient tells whose bound it is.
func (s *slots) take(client string) (free func(), ofClient bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.perClient > 0 && s.byClient[client] >= s.perClient:
		return nil, true
	case s.all > 0 && s.total >= s.all:
		return nil, false
	}
	s.total++
	s.byClient[client]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total--
		if s.byClient[client]--; s.byClient[client] <= 0 {
			delete(s.byClient, client)
		}
	}), false
}
