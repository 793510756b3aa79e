package budget

import "time"

// Fire is a moment at which pushes are expected: a fire time of a schedule
// with the pushes that a run of its flow makes, or an hour of the past that is
// expected to come again.
type Fire struct {
	At     time.Time
	Pushes int64
}

// Outlook is what a clock hour is expected to bring.
type Outlook struct {
	Hour time.Time
	// Expected counts the hour's own pushes and those that did not fit into the hours before.
	Expected int64
	// Fits says that none of them has to wait for the next hour.
	Fits bool
}

// Forecast adds up what is expected in each of so many clock hours, beginning
// with the one of from; fires outside of them do not count. A schedule fits
// when the forecast of its fire times with those of all others does.
func Forecast(l Limits, from time.Time, hours int, fires []Fire) []Outlook {
	first := Hour(from)
	out := make([]Outlook, hours)
	for i := range out {
		out[i].Hour = first.Add(time.Duration(i) * time.Hour)
	}
	for _, f := range fires {
		if i := Hour(f.At).Sub(first) / time.Hour; !f.At.Before(first) && i < time.Duration(hours) {
			out[i].Expected += f.Pushes
		}
	}
	late := int64(0)
	for i := range out {
		out[i].Expected += late
		out[i].Fits = l.PerHour <= 0 || out[i].Expected <= l.PerHour
		late = 0
		if !out[i].Fits {
			late = out[i].Expected - l.PerHour
		}
	}
	return out
}

// day is how far back an hour's like is looked for.
const day = 24 * time.Hour

// Repeat expects of each of so many hours after the one of now what the same
// hour of the day before brought; where that lies before the first hour known,
// the mean of those known, rounded up. An hour of the past without a push need
// not be listed; the hour of now, which is not over, does not count.
func Repeat(past []Fire, now time.Time, hours int) []Fire {
	this := Hour(now)
	known := map[time.Time]int64{}
	oldest, sum := this, int64(0)
	for _, f := range past {
		hour := Hour(f.At)
		if !hour.Before(this) || hour.Before(this.Add(-day)) {
			continue
		}
		known[hour] += f.Pushes
		sum += f.Pushes
		if hour.Before(oldest) {
			oldest = hour
		}
	}
	span := int64(this.Sub(oldest) / time.Hour)
	if span == 0 {
		return nil
	}
	out := make([]Fire, hours)
	for i := range out {
		hour := Turn(now).Add(time.Duration(i) * time.Hour)
		like := hour.Add(-day * (hour.Sub(this)/day + 1))
		out[i] = Fire{At: hour, Pushes: (sum + span - 1) / span}
		if !like.Before(oldest) {
			out[i].Pushes = known[like]
		}
	}
	return out
}
