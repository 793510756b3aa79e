package schedule

import "time"

// maxWalk bounds the fire times that are walked through one by one; beyond it
// only the last ones are looked for.
const maxWalk = 10_000

// Due gives the last fire times from first, which is one, up to and with now,
// the oldest first and at most keep of them, and how many there were; after a
// very long time it counts only the first ten thousand.
func (t Times) Due(first, now time.Time, keep int) (last []time.Time, count int) {
	at := first
	for ; !at.IsZero() && !at.After(now) && count < maxWalk; at = t.Next(at) {
		last = append(last, at)
		if len(last) > keep {
			last = last[1:]
		}
		count++
	}
	if at.IsZero() || at.After(now) {
		return last, count
	}
	return t.lastBefore(first, now, keep), count
}

// lastBefore looks back from now in growing steps for the last fire times.
func (t Times) lastBefore(first, now time.Time, keep int) []time.Time {
	for back := time.Hour; ; back *= 2 {
		from := now.Add(-back)
		if from.Before(first) {
			from = first.Add(-time.Second)
		}
		var found []time.Time
		for at := t.Next(from); !at.IsZero() && !at.After(now); at = t.Next(at) {
			found = append(found, at)
		}
		if len(found) >= keep || from.Before(first) {
			return found[max(0, len(found)-keep):]
		}
	}
}
