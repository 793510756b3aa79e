package connections

import (
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Recovery is how an offline connection comes back.
type Recovery struct {
	// Refusals counts how often in a row the connection went or stayed offline;
	// a connection that was online for long starts anew.
	Refusals int
	// NextProbeAt is when an offline connection is tested again; zero when it is not: it is online, or lacks its key.
	NextProbeAt time.Time
	// OnlineAt is when the connection last came online.
	OnlineAt time.Time
}

// Standing is whether a connection can be used, and what is done about it when not.
type Standing struct {
	Status Status
	Recovery
}

// Finding is what was seen of a connection, by the weight it has for its standing.
type Finding uint8

const (
	// Works: a test went well.
	Works Finding = iota
	// Refused: Celonis does not accept the login, or a permission is gone.
	Refused
	// Broken: something else that does not mend by itself, such as an unknown pool.
	Broken
	// Unclear: a passing fault of the network or of Celonis; it says nothing of the connection.
	Unclear
)

// FindingOf weighs a fault's code.
func FindingOf(code fault.Code) Finding {
	switch code {
	case fault.CelonisUnauthorized, fault.CelonisSchemeMixup, fault.CelonisForbidden, fault.CelonisOAuthClient,
		fault.CelonisOAuthMethod, fault.CelonisOAuthScope, fault.CelonisOAuthGrant, fault.CelonisOAuthRefresh, fault.ConnectionUnauthorized,
		fault.SourceUnauthorized, fault.DestinationUnauthorized:
		return Refused
	}
	if fault.Describe(code).Retry == fault.Never {
		return Broken
	}
	return Unclear
}

// finding weighs the outcome of a test: the step that failed decides.
func (r TestResult) finding() Finding {
	if r.OK {
		return Works
	}
	for _, step := range r.Steps {
		if !step.OK {
			return FindingOf(step.Code)
		}
	}
	return Unclear
}

// Observer says who made a finding.
type Observer uint8

const (
	// Caller: somebody asked for a test, or wrote the connection.
	Caller Observer = iota
	// Probe: the test that an offline connection gets from time to time.
	Probe
	// RunOf: a run that used the connection.
	RunOf
)

// Pace bounds the growing pauses between the probes of an offline connection.
type Pace struct {
	First, Longest time.Duration
}

// DefaultPace is how often an offline connection is probed unless configured otherwise.
func DefaultPace() Pace { return Pace{First: time.Minute, Longest: time.Hour} }

// After gives the standing that follows a finding. roll is random, from 0 to 1.
//
//	            Works    Refused  Broken   Unclear
//	untested    online   offline  offline  offline: it never worked
//	online      online   offline  offline  online: it passes
//	offline     online   offline, probed again
//
// A run tells of Refused only. What a caller's test or a run in flight finds
// wrong with an offline connection leaves the time of its next probe.
func (s Standing) After(f Finding, by Observer, now time.Time, pace Pace, roll float64) Standing {
	switch {
	case f == Works:
		if s.Status != Online {
			s.OnlineAt = now
		}
		s.Status, s.NextProbeAt = Online, time.Time{}
	case s.Status == Online && f == Unclear:
	case s.Status == Offline && by != Probe && !s.NextProbeAt.IsZero():
	default:
		// A probe may pass while runs are refused: coming back does not start the pauses anew before it has lasted.
		if s.Status == Online && now.Sub(s.OnlineAt) >= pace.Longest {
			s.Refusals = 0
		}
		s.Status = Offline
		s.Refusals++
		s.NextProbeAt = now.Add(pace.pause(s.Refusals, roll))
	}
	return s
}

// pause doubles with the refusals in a row, from First to Longest; the jitter
// keeps connections that failed together from being probed together.
func (p Pace) pause(refusals int, roll float64) time.Duration {
	const most = 20
	d := min(p.First<<min(refusals-1, most), p.Longest)
	low, high := max(p.First, d-d/5), min(p.Longest, d+d/4)
	return low + time.Duration(roll*float64(high-low))
}
