package httpsource

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// longestWait bounds what an API may say of its limits.
	longestWait = 24 * time.Hour
	// epochSeconds and epochMillis are where a number is a date and no span.
	epochSeconds, epochMillis = 1_000_000_000, 100_000_000_000
)

// resumeAt reads when an API wants to be asked again: Retry-After in seconds or
// as a date, RateLimit-Reset and the "reset" or "t" of RateLimit in seconds,
// X-RateLimit-Reset and its likes in seconds, as a Unix time or as a date.
func resumeAt(h http.Header, now time.Time) (at time.Time, known bool) {
	for _, name := range []string{"Retry-After", "RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset", "X-RateLimit-Reset-After"} {
		if at, ok := moment(h.Get(name), now); ok {
			return at, true
		}
	}
	return moment(structuredReset(h.Get("RateLimit")), now)
}

// structuredReset finds the seconds in "limit=100, remaining=0, reset=5" and in `"default";r=0;t=5`.
func structuredReset(value string) string {
	for _, part := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' }) {
		name, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name == "reset" || name == "t" {
			return text
		}
	}
	return ""
}

func moment(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, false
	}
	if at, err := http.ParseTime(text); err == nil {
		return clamp(at, now), true
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return clamp(at, now), true
	}
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || n < 0 || n != n:
		return time.Time{}, false
	case n >= epochMillis:
		return clamp(time.UnixMilli(int64(min(n, 1e15))), now), true
	case n >= epochSeconds:
		return clamp(time.Unix(int64(n), 0), now), true
	}
	return clamp(now.Add(time.Duration(min(n, longestWait.Seconds())*float64(time.Second))), now), true
}

func clamp(at, now time.Time) time.Time {
	switch {
	case at.Before(now):
		return now
	case at.Sub(now) > longestWait:
		return now.Add(longestWait)
	}
	return at
}

// isLimited reports whether an answer says that calls come too fast. Some APIs
// say so with 403 and no calls left.
func isLimited(res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return res.Header.Get("Retry-After") != ""
	case http.StatusForbidden:
		return res.Header.Get("X-RateLimit-Remaining") == "0" || res.Header.Get("RateLimit-Remaining") == "0"
	}
	return false
}
