package flows

import (
	"cmp"
	"context"
	"time"

	"github.com/celonis-connector/connector/flows/schedule"
	"github.com/celonis-connector/connector/internal/fault"
)

// Scheduled: the flow's schedule started the run, which has its fire time.
const Scheduled Trigger = "schedule"

// Overlap says what a fire does while a run of the flow has not ended.
type Overlap string

const (
	// OverlapSkip lets the fire pass; the default.
	OverlapSkip Overlap = "skip"
	// OverlapQueue starts a run that waits for those before it.
	OverlapQueue Overlap = "queue"
	// OverlapCancel cancels the runs before it and starts one.
	OverlapCancel Overlap = "cancelPrevious"
)

// Misfire says what becomes of fire times that passed while no scheduler was at work.
type Misfire string

const (
	// MisfireOnce starts one run, for the last of them; the default.
	MisfireOnce Misfire = "runOnce"
	// MisfireSkip starts none.
	MisfireSkip Misfire = "skip"
	// MisfireAll starts a run for each, at most MaxMisfires, which go one after another whatever the overlap.
	MisfireAll Misfire = "runAll"
)

const (
	// MaxMisfires bounds the runs that MisfireAll makes up for; the last ones are made.
	MaxMisfires = 100
	// MisfireAfter is how late a fire may be and still be on time.
	MisfireAfter = time.Minute
	// ShownFires is how many of the next fire times a read shows.
	ShownFires = 5
)

// Schedule starts runs of a flow by itself.
type Schedule struct {
	// Cron has five fields: minute, hour, day of month, month, day of week.
	Cron string `json:"cron" validate:"required,max=200"`
	// TimeZone is the IANA name of the zone that Cron is meant in; absent is UTC.
	TimeZone string  `json:"timeZone,omitempty" validate:"max=64"`
	Overlap  Overlap `json:"overlap,omitempty" validate:"omitempty,oneof=skip queue cancelPrevious"`
	Misfire  Misfire `json:"misfire,omitempty" validate:"omitempty,oneof=runOnce skip runAll"`
}

func scheduleDefaults(s *Schedule) *Schedule {
	if s == nil {
		return nil
	}
	return &Schedule{
		Cron: s.Cron, TimeZone: cmp.Or(s.TimeZone, "UTC"),
		Overlap: cmp.Or(s.Overlap, OverlapSkip), Misfire: cmp.Or(s.Misfire, MisfireOnce),
	}
}

// Times gives the schedule's fire times; fault RequestFieldInvalid when it cannot be read.
func (s *Schedule) Times() (schedule.Times, error) { return schedule.Parse(s.Cron, s.TimeZone) }

// SameTimes reports whether two schedules, either of which may be nil, fire at the same times.
func (s *Schedule) SameTimes(other *Schedule) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.Cron == other.Cron && s.TimeZone == other.TimeZone
}

func checkSchedule(s *Schedule) (fields []fault.Field) {
	if s == nil {
		return nil
	}
	if _, err := schedule.ParseCron(s.Cron); err != nil {
		fields = append(fields, invalid("/schedule/cron", fault.From(err).Message))
	}
	if _, err := schedule.LoadZone(s.TimeZone); err != nil {
		fields = append(fields, invalid("/schedule/timeZone", fault.From(err).Message))
	}
	return fields
}

// NextFires gives the next fire times of an enabled flow, at most n; none without a schedule.
func (f *Flow) NextFires(now time.Time, n int) []time.Time {
	if f.Schedule == nil || !f.Enabled {
		return nil
	}
	times, err := f.Schedule.Times()
	if err != nil {
		return nil
	}
	return times.After(now, n)
}

// QueuedRun makes a run of the flow as it is now, not stored yet.
func (f *Flow) QueuedRun(id string, trigger Trigger, now time.Time) *Run {
	return &Run{
		ID: id, Workspace: f.Workspace, FlowID: f.ID, FlowRevision: f.Revision,
		Trigger: trigger, State: Queued, CreatedAt: now, UpdatedAt: now, Options: RunOptions{Delta: f.Export.deltaRun(trigger)},
	}
}

// ScheduleState is how a flow's schedule has done.
type ScheduleState struct {
	// NextFireAt is when the schedule fires next; zero while the flow is disabled.
	NextFireAt time.Time
	// LastFireAt is the last fire time that started a run; zero before the first.
	LastFireAt time.Time
	// Skipped counts the fires that OverlapSkip let pass, LastSkippedAt is the last of them.
	Skipped       int64
	LastSkippedAt time.Time
	// Missed counts the fire times that passed without a run of their own while no scheduler was at work.
	Missed       int64
	LastMissedAt time.Time
}

// DueSchedule is a schedule whose fire time has come.
type DueSchedule struct {
	Workspace string
	FlowID    string
	Schedule  Schedule
	// FireAt is the fire time that has come.
	FireAt time.Time
	// Busy says that a run of the flow has not ended.
	Busy bool
}

// Firing is what a due schedule does.
type Firing struct {
	// Fires get a run each, in this order.
	Fires []time.Time
	// CancelPrevious ends the runs before.
	CancelPrevious bool
	// Next is the next fire time; the zero time when there is none.
	Next time.Time
	// Skipped and Missed are added to the schedule's state.
	Skipped, Missed     int64
	SkippedAt, MissedAt time.Time
}

// Fire decides what the schedule does at now, with its fire times at hand.
func (d DueSchedule) Fire(times schedule.Times, now time.Time) Firing {
	last, count := times.Due(d.FireAt, now, MaxMisfires+1)
	f := Firing{Next: times.Next(now)}
	if len(last) == 0 {
		return f
	}
	onTime := last[len(last)-1]
	switch {
	case count == 1 && now.Sub(onTime) <= MisfireAfter, d.Schedule.Misfire == MisfireOnce, d.Schedule.Misfire == "":
		f.Fires = []time.Time{onTime}
	case d.Schedule.Misfire == MisfireAll:
		f.Fires = last[max(0, len(last)-MaxMisfires):]
	case now.Sub(onTime) <= MisfireAfter:
		f.Fires = []time.Time{onTime}
	}
	if f.Missed = int64(count - len(f.Fires)); f.Missed > 0 {
		f.MissedAt = d.lastMissed(last, f.Fires)
	}
	if !d.Busy || len(f.Fires) > 1 {
		return f
	}
	switch d.Schedule.Overlap {
	case OverlapCancel:
		f.CancelPrevious = len(f.Fires) > 0
	case OverlapQueue:
	default:
		if len(f.Fires) > 0 {
			f.Skipped, f.SkippedAt, f.Fires = 1, onTime, nil
		}
	}
	return f
}

// lastMissed is the last of the due times that gets no run.
func (d DueSchedule) lastMissed(due, fires []time.Time) time.Time {
	if i := len(due) - len(fires) - 1; i >= 0 {
		return due[i]
	}
	return d.FireAt
}

// Fired is what a batch of due schedules came to.
type Fired struct {
	// Schedules is how many were due; fewer than asked for means that no more are.
	Schedules int
	// Runs, Skipped and Missed add up what the schedules did.
	Runs, Skipped, Missed int64
	// Canceling are the runs whose workers have to be told.
	Canceling []string
}

// ScheduleStore keeps the fire times of schedules; the rows follow the flows when those are written.
type ScheduleStore interface {
	// FireDue takes at most limit schedules whose fire time has come at now, lets plan decide for each, and in the same
	// transaction inserts a run for every fire, unique on flow and fire time, and moves the schedule on. Two callers at
	// once get different schedules. plan may be called more than once for a schedule.
	FireDue(ctx context.Context, now time.Time, limit int, plan func(DueSchedule) Firing) (Fired, error)
	// ScheduleState reads the state of a flow's schedule, the zero value for a flow without one.
	ScheduleState(ctx context.Context, workspace, flowID string) (ScheduleState, error)
	// TeamSchedules counts the enabled schedules, but for one flow's, whose runs push into the team of a domain, by cron
	// and zone, whichever workspace they are in.
	TeamSchedules(ctx context.Context, domain, exceptFlow string) ([]TeamSchedule, error)
}

// TeamSchedule is how many flows of a team have the same fire times.
type TeamSchedule struct {
	Cron, TimeZone string
	Flows          int64
}
