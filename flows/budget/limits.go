// Package budget says how many push jobs of a Celonis team may be submitted,
// and when: the team's limits, the share kept for retries, when a refused run
// comes again, and what the next hours are expected to bring. Submissions are
// counted behind the port Store, for all processes together.
package budget

import "time"

const (
	// DefaultPerHour and DefaultPerSecond are what Celonis allows a team whose own numbers are not known: per UTC clock
	// hour, and per second (Celonis Data Push, limits of submit).
	DefaultPerHour, DefaultPerSecond = 250, 10
	// RetryPercent is the share of an hour that only runs which were submitted before may use.
	RetryPercent = 10
	// Edge is the time around the turn of an hour in which Celonis's clock may stand on the other side of it: nothing is
	// submitted so shortly before, and nobody wakes so shortly after.
	Edge = time.Second
	// SlotWait is the longest wait for a free moment within the limit per second that a worker sits out.
	SlotWait = time.Second
)

// Limits bound a team's submissions; 0 is no limit.
type Limits struct {
	PerHour, PerSecond int64
}

// Told is what Celonis says of a team's limits; 0 is not told.
type Told struct {
	PerHour, PerSecond int64
	// Unlimited says that the team has neither limit.
	Unlimited bool
	// At is when Celonis was asked, the zero time when it never was.
	At time.Time
}

// Choose gives the limits in force: the operator's where set (not 0), else
// those that Celonis told, else the documented ones.
func Choose(operator Limits, told Told) Limits {
	return Limits{
		PerHour:   choose(operator.PerHour, told.PerHour, told.Unlimited, DefaultPerHour),
		PerSecond: choose(operator.PerSecond, told.PerSecond, told.Unlimited, DefaultPerSecond),
	}
}

func choose(operator, told int64, unlimited bool, documented int64) int64 {
	switch {
	case operator > 0:
		return operator
	case unlimited:
		return 0
	case told > 0:
		return told
	}
	return documented
}

// FirstPerHour is how many submissions of an hour are open to runs that were
// not submitted before; at least 1, and 0 without a limit.
func (l Limits) FirstPerHour() int64 {
	if l.PerHour <= 1 {
		return l.PerHour
	}
	return l.PerHour - l.PerHour*RetryPercent/100
}

// Gap is the time between two submissions; evenly spaced ones keep the limit
// in every second, wherever it begins.
func (l Limits) Gap() time.Duration {
	if l.PerSecond <= 0 {
		return 0
	}
	return time.Second / time.Duration(l.PerSecond)
}

// Hour is the beginning of the UTC clock hour that Celonis counts t in.
func Hour(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

// Turn is when the hour after the one of t begins.
func Turn(t time.Time) time.Time { return Hour(t).Add(time.Hour) }

// Closing reports whether a submission at t could be counted in the next hour.
func (l Limits) Closing(t time.Time) bool { return l.PerHour > 0 && Turn(t).Sub(t) <= Edge }

// Wake is when a run comes again whose team has nothing left before free, with
// so many runs ahead of it: one after another in the pace of the limit per
// second, and what does not fit into an hour in those after it.
func (l Limits) Wake(free time.Time, ahead int64) time.Time {
	if free.Equal(Hour(free)) {
		free = free.Add(Edge)
	}
	if here := l.room(free); l.PerHour > 0 && ahead >= here {
		ahead -= here
		free = Turn(free).Add(Edge)
		whole := l.room(free)
		free, ahead = free.Add(time.Duration(ahead/whole)*time.Hour), ahead%whole
	}
	return free.Add(time.Duration(ahead) * l.Gap())
}

// room is how many runs that were not submitted before fit into what is left of t's hour.
func (l Limits) room(t time.Time) int64 {
	room := l.FirstPerHour()
	if gap := l.Gap(); gap > 0 {
		room = min(room, int64((Turn(t).Sub(t)+gap-1)/gap))
	}
	return room
}
