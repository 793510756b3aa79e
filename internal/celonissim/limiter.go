package celonissim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// submitLimiter counts a team's submits: so many in any second, so many in a
// UTC clock hour. It is guarded by the server's mutex.
type submitLimiter struct {
	limits Limits
	recent []time.Time
	hour   time.Time
	used   int
}

// rateState is what a submit answer says of the limit.
type rateState struct {
	ok               bool
	limit, remaining int
	// reset is when the next submit may come.
	reset time.Time
	name  string
}

func newSubmitLimiter(l Limits) *submitLimiter { return &submitLimiter{limits: l} }

// take counts a submit if both limits allow it.
func (l *submitLimiter) take(now time.Time) rateState {
	l.roll(now)
	state := rateState{ok: true, limit: l.limits.SubmitsPerHour, reset: l.hour.Add(time.Hour), name: "per hour"}
	if l.limits.SubmitsOff {
		state.remaining = state.limit
		return state
	}
	switch {
	case l.used >= l.limits.SubmitsPerHour:
		state.ok = false
	case len(l.recent) >= l.limits.SubmitsPerSecond:
		state = rateState{limit: l.limits.SubmitsPerSecond, reset: l.recent[0].Add(time.Second), name: "per second"}
	default:
		l.used++
		l.recent = append(l.recent, now)
		state.remaining = l.limits.SubmitsPerHour - l.used
	}
	return state
}

func (l *submitLimiter) roll(now time.Time) {
	if hour := now.UTC().Truncate(time.Hour); !hour.Equal(l.hour) {
		l.hour, l.used = hour, 0
	}
	n := 0
	for _, t := range l.recent {
		if now.Sub(t) < time.Second {
			l.recent[n] = t
			n++
		}
	}
	l.recent = l.recent[:n]
}

// setRateHeaders writes the headers of a rate-limited API in the given form.
func setRateHeaders(h http.Header, form RateHeaders, state rateState, now time.Time) {
	wait := max(1, int((state.reset.Sub(now)+time.Second-1)/time.Second))
	switch form {
	case RateNone:
		return
	case RateRetryAfter:
		if !state.ok {
			h.Set("Retry-After", strconv.Itoa(wait))
		}
		return
	}
	h.Set("x-ratelimit-limit", strconv.Itoa(state.limit))
	h.Set("x-ratelimit-remaining", strconv.Itoa(state.remaining))
	switch {
	case state.ok:
	case form == RateDateTime:
		h.Set("x-ratelimit-reset", state.reset.UTC().Format(time.RFC3339))
	default:
		h.Set("x-ratelimit-reset", strconv.Itoa(wait))
	}
}

func writeRateExceeded(w http.ResponseWriter, form RateHeaders, state rateState, now time.Time) {
	setRateHeaders(w.Header(), form, state, now)
	writeProblem(w, problem{
		Title: "Rate limit exceeded", Status: http.StatusTooManyRequests, ErrorCode: codeRateExceeded,
		Detail: fmt.Sprintf("The limit DATA_PUSH_JOB_SUBMISSION_RATE_LIMIT (%d %s) is exceeded. Try again after %s UTC.",
			state.limit, state.name, state.reset.UTC().Format(time.TimeOnly)),
	})
}
