// Package schedule turns a cron expression and a time zone into fire times. It
// is pure: it reads no clock.
//
// Where clocks are turned, two kinds of expressions differ. One whose hour is
// "*" is an interval: it fires at every minute that matches and exists, so that
// "*/15 * * * *" goes on each quarter of an hour through both transitions. Any
// other names times of the day: one that occurs twice fires the first time
// only, one that does not exist fires at the next minute that does.
package schedule

import (
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"

	"github.com/celonis-connector/connector/internal/fault"
)

// MaxCron bounds the text of an expression, in bytes.
const MaxCron = 200

// searchYears is how far ahead a fire time is looked for: February 29 comes
// again after at most eight years.
const searchYears = 9

// fields is how many parts an expression has.
const fields = 5

// Cron is an expression. The zero value is none; ParseCron makes one.
type Cron struct {
	spec *cron.SpecSchedule
	// interval is true when every hour fires.
	interval bool
}

// ParseCron reads five fields (minute, hour, day of month, month, day of week)
// or one of @yearly, @monthly, @weekly, @daily and @hourly. As in crontab, a
// day matches either of day of month and day of week when both are restricted.
// Fault RequestFieldInvalid, also for an expression that never fires.
func ParseCron(text string) (Cron, error) {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > MaxCron:
		return Cron{}, fault.New(fault.RequestFieldInvalid, "must have at most %d characters", MaxCron)
	case strings.HasPrefix(text, "TZ="), strings.HasPrefix(text, "CRON_TZ="):
		return Cron{}, fault.New(fault.RequestFieldInvalid, "cannot hold a zone: it has a member of its own, timeZone")
	case strings.HasPrefix(text, "@every"):
		return Cron{}, fault.New(fault.RequestFieldInvalid, "cannot be %q: write it as in \"*/15 * * * *\"", text)
	case !strings.HasPrefix(text, "@") && len(strings.Fields(text)) != fields:
		return Cron{}, fault.New(fault.RequestFieldInvalid, "must have %d fields (minute, hour, day of month, month, day of week), not %d",
			fields, len(strings.Fields(text)))
	}
	parsed, err := cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom).Parse(text)
	if err != nil {
		return Cron{}, fault.Wrap(err, fault.RequestFieldInvalid, "cannot be read: %s", err.Error())
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Cron{}, fault.New(fault.RequestFieldInvalid, "cannot be %q: it has no fields", text)
	}
	const everyHour = 1<<24 - 1
	spec.Location, spec.MaxSearchYears = time.UTC, searchYears
	c := Cron{spec: spec, interval: spec.Hour&everyHour == everyHour}
	if spec.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Cron{}, fault.New(fault.RequestFieldInvalid, "never fires: no date matches it")
	}
	return c, nil
}

// LoadZone finds a zone by its IANA name; "" is UTC. Fault RequestFieldInvalid.
func LoadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fault.New(fault.RequestFieldInvalid, "must be the IANA name of a zone, as in \"Europe/Berlin\"")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fault.Wrap(err, fault.RequestFieldInvalid, "is no zone that is known: must be an IANA name, as in \"Europe/Berlin\"")
	}
	return zone, nil
}

// Times are the fire times of an expression in a zone.
type Times struct {
	cron Cron
	zone *time.Location
}

// In gives the fire times of the expression in a zone.
func (c Cron) In(zone *time.Location) Times { return Times{c, zone} }

// Parse reads an expression and a zone. Fault RequestFieldInvalid.
func Parse(expression, zone string) (Times, error) {
	c, err := ParseCron(expression)
	if err != nil {
		return Times{}, err
	}
	z, err := LoadZone(zone)
	return c.In(z), err
}

// Next gives the first fire time after a moment, in UTC; the zero time when
// there is none within the years that are searched.
func (t Times) Next(after time.Time) time.Time {
	if t.cron.interval {
		return t.nextExisting(after)
	}
	wall := wallOf(after.In(t.zone))
	for {
		wall = t.cron.spec.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if at := t.instant(wall); at.After(after) {
			return at.UTC()
		}
	}
}

// After gives the next fire times after a moment, at most n of them.
func (t Times) After(after time.Time, n int) []time.Time {
	list := make([]time.Time, 0, n)
	for range n {
		if after = t.Next(after); after.IsZero() {
			break
		}
		list = append(list, after)
	}
	return list
}

// nextExisting finds the next minute on the zone's clock that matches, one
// stretch between two transitions after the other.
func (t Times) nextExisting(after time.Time) time.Time {
	limit := after.AddDate(searchYears, 0, 0)
	for after.Before(limit) {
		local := after.In(t.zone)
		wall := wallOf(local)
		next := t.cron.spec.Next(wall)
		if next.IsZero() {
			return time.Time{}
		}
		at := after.Add(next.Sub(wall))
		end := stretchEnd(local)
		if end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		// The stretch that begins at end may fire in its first minute.
		if first := wallOf(end.In(t.zone)); t.cron.spec.Next(first.Add(-time.Second)).Equal(first) {
			return end.UTC()
		}
		after = end
	}
	return time.Time{}
}

// stretchEnd gives a moment after local up to which the zone's offset stays as
// it is; the zero time when it does for good. ZoneBounds puts the end of a leap
// year that only a rule describes a day too early, before the year's last day.
func stretchEnd(local time.Time) time.Time {
	_, end := local.ZoneBounds()
	if !end.IsZero() && !end.After(local) {
		return local.Add(24 * time.Hour)
	}
	return end
}

// wallOf gives what a clock shows, written in UTC so that it can be counted with.
func wallOf(local time.Time) time.Time {
	_, offset := local.Zone()
	return local.UTC().Add(time.Duration(offset) * time.Second)
}

// instant gives the moment at which the zone's clock shows wall: the first of
// two, and the end of the gap for one that it never shows.
func (t Times) instant(wall time.Time) time.Time {
	// A day earlier is before any transition that wall could be in.
	local := wall.AddDate(0, 0, -1).In(t.zone)
	for {
		_, offset := local.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		end := stretchEnd(local)
		if end.IsZero() || at.Before(end) {
			if start, _ := local.ZoneBounds(); at.Before(start) {
				return start
			}
			return at
		}
		local = end.In(t.zone)
	}
}
