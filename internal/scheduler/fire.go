package scheduler

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/schedule"
)

// fireBatch bounds the schedules of one transaction: it holds their rows, and on SQLite every other writer.
const fireBatch = 500

// Observer hears what schedules came to; the metrics do. It must not block.
type Observer interface {
	SchedulesFired(flows.Fired)
}

// Fire lets every due schedule do what it is due for. Any number of schedulers
// may fire at once: each fire time of a flow becomes one run. The runs are left
// to the sweep, which finds them even when this process dies now (I5).
func (s *Scheduler) Fire(ctx context.Context) error {
	now := s.Now()
	known := map[[2]string]schedule.Times{}
	for {
		fired, err := s.Schedules.FireDue(ctx, now, fireBatch, func(d flows.DueSchedule) flows.Firing { return s.plan(ctx, d, known, now) })
		if err != nil {
			return err
		}
		s.Observer.SchedulesFired(fired)
		for _, id := range fired.Canceling {
			if err := s.Cancels.PublishCancel(ctx, id); err != nil {
				s.Log.WarnContext(ctx, "a cancel could not be announced; the lease's next extension carries it", "run", id, "error", err)
			}
		}
		if fired.Schedules < fireBatch {
			return nil
		}
	}
}

// plan decides for a schedule; one that cannot be read any more, for its zone
// is gone from the machine, looks again in an hour.
func (s *Scheduler) plan(ctx context.Context, d flows.DueSchedule, known map[[2]string]schedule.Times, now time.Time) flows.Firing {
	key := [2]string{d.Schedule.Cron, d.Schedule.TimeZone}
	times, ok := known[key]
	if !ok {
		var err error
		if times, err = d.Schedule.Times(); err != nil {
			s.Log.ErrorContext(ctx, "a schedule cannot be read", "flow", d.FlowID, "error", err)
			return flows.Firing{Next: now.Add(time.Hour)}
		}
		known[key] = times
	}
	return d.Fire(times, now)
}
