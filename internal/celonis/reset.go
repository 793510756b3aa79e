package celonis

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// longestReset bounds what a reset header can ask for: the widest window of
	// Celonis is a day.
	longestReset = 24 * time.Hour
	// Numbers from epochSeconds on are points in time, from epochMillis on in
	// milliseconds; smaller ones are seconds to wait.
	epochSeconds = 1e9
	epochMillis  = 1e12
)

// resetHeaders are looked at together; the latest time that one names counts.
var resetHeaders = [...]string{"Retry-After", "X-Ratelimit-Reset", "Ratelimit-Reset"}

// resumeAt reads when to come again. Celonis's documents disagree on the form
// of x-ratelimit-reset (seconds to wait, or a UTC date-time), so every form is
// read: seconds, epoch, RFC 3339 with or without a zone, HTTP date.
func resumeAt(h http.Header, now time.Time) (at time.Time, known bool) {
	for _, name := range resetHeaders {
		for _, value := range h.Values(name) {
			if t, ok := parseReset(strings.TrimSpace(value), now); ok && (!known || t.After(at)) {
				at, known = t, true
			}
		}
	}
	return at, known
}

func parseReset(value string, now time.Time) (time.Time, bool) {
	if n, err := strconv.ParseFloat(value, 64); err == nil {
		return parseResetNumber(n, now)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, value); err == nil {
			return bound(t, now), true
		}
	}
	if t, err := http.ParseTime(value); err == nil {
		return bound(t, now), true
	}
	return time.Time{}, false
}

func parseResetNumber(n float64, now time.Time) (time.Time, bool) {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return time.Time{}, false
	case n >= epochMillis*1000:
		return now.Add(longestReset), true
	case n >= epochMillis:
		return bound(time.UnixMilli(int64(n)), now), true
	case n >= epochSeconds:
		return bound(time.UnixMilli(int64(n*1000)), now), true
	}
	seconds := min(max(n, 0), longestReset.Seconds())
	return now.Add(time.Duration(seconds * float64(time.Second))), true
}

func bound(t, now time.Time) time.Time {
	switch latest := now.Add(longestReset); {
	case t.Before(now):
		return now
	case t.After(latest):
		return latest
	}
	return t
}

var clockTime = regexp.MustCompile(`\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\b`)

// resumeAtClock finds the UTC clock time that Celonis writes into the detail of
// a 429, as its next occurrence after now.
func resumeAtClock(detail string, now time.Time) (at time.Time, known bool) {
	m := clockTime.FindStringSubmatch(detail)
	if m == nil {
		return time.Time{}, false
	}
	hour, _ := strconv.Atoi(m[1])
	minute, _ := strconv.Atoi(m[2])
	second, _ := strconv.Atoi(m[3])
	utc := now.UTC()
	at = time.Date(utc.Year(), utc.Month(), utc.Day(), hour, minute, second, 0, time.UTC)
	if at.Before(utc) {
		at = at.AddDate(0, 0, 1)
	}
	return at, true
}
