package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/scheduler"
	"github.com/stretchr/testify/require"
)

type store struct {
	due     []string
	err     error
	now     time.Time
	before  time.Time
	listed  int
	perCall int

	fires     []flows.Fired
	schedules []flows.DueSchedule
	planned   []flows.Firing
	observed  flows.Fired
}

func (s *store) DueRuns(_ context.Context, now, before time.Time, limit int) ([]string, error) {
	s.listed++
	s.now, s.before, s.perCall = now, before, limit
	n := min(limit, len(s.due))
	ids := s.due[:n]
	s.due = s.due[n:]
	return ids, s.err
}

// fires answers FireDue in turn; then nothing is due.
func (s *store) FireDue(_ context.Context, now time.Time, limit int, plan func(flows.DueSchedule) flows.Firing) (flows.Fired, error) {
	if s.err != nil || len(s.fires) == 0 {
		return flows.Fired{}, s.err
	}
	fired := s.fires[0]
	s.fires = s.fires[1:]
	for _, d := range s.schedules {
		s.planned = append(s.planned, plan(d))
	}
	if fired.Schedules == all {
		fired.Schedules = limit
	}
	return fired, nil
}
func (s *store) ScheduleState(context.Context, string, string) (flows.ScheduleState, error) {
	return flows.ScheduleState{}, nil
}
func (s *store) TeamSchedules(context.Context, string, string) ([]flows.TeamSchedule, error) {
	return nil, nil
}
func (s *store) SchedulesFired(f flows.Fired) { s.observed.Runs += f.Runs }

// all stands for as many schedules as were asked for.
const all = -1

type queue struct {
	pushed, canceled []string
	pingErr          error
}

func (q *queue) PushAll(_ context.Context, ids []string) error {
	q.pushed = append(q.pushed, ids...)
	return nil
}
func (q *queue) Ping(context.Context) error { return q.pingErr }
func (q *queue) PublishCancel(_ context.Context, id string) error {
	q.canceled = append(q.canceled, id)
	return nil
}

func setup() (*store, *queue, *scheduler.Scheduler) {
	s, q := &store{}, &queue{}
	return s, q, &scheduler.Scheduler{
		Store: s, Schedules: s, Queue: q, Cancels: q, Observer: s, Repush: scheduler.DefaultRepush,
		Now: func() time.Time { return time.Unix(1000, 0) }, Every: time.Millisecond,
		Log: slog.New(slog.DiscardHandler), Report: func(error) {},
	}
}

func TestASweepPushesEveryDueRunOnce(t *testing.T) {
	t.Parallel()
	s, q, sweeper := setup()
	for i := range 450 {
		s.due = append(s.due, fmt.Sprint(i))
	}
	want := append([]string(nil), s.due...)
	require.NoError(t, sweeper.Sweep(t.Context()))
	require.Equal(t, want, q.pushed)
	require.Equal(t, time.Unix(1000, 0), s.now)
	require.True(t, s.before.Before(s.now), "a push is trusted for a while")
}

func TestWithoutAQueueNoRunIsMarkedAsPushed(t *testing.T) {
	t.Parallel()
	s, q, sweeper := setup()
	q.pingErr = errors.New("refused")
	require.ErrorIs(t, sweeper.Sweep(t.Context()), q.pingErr)
	require.Zero(t, s.listed)
}

func TestRunSweepsUntilItIsStoppedAndReports(t *testing.T) {
	t.Parallel()
	s, q, sweeper := setup()
	s.due = []string{"a"}
	s.err = nil
	ctx, cancel := context.WithCancel(t.Context())
	reports := make(chan error, 100)
	sweeper.Report = func(err error) {
		reports <- err
		if len(reports) == 3 {
			cancel()
		}
	}
	require.NoError(t, sweeper.Run(ctx))
	require.Equal(t, []string{"a"}, q.pushed)
	require.NoError(t, <-reports)
}

func TestFireGoesOnUntilNothingIsDue(t *testing.T) {
	t.Parallel()
	s, q, sweeper := setup()
	q.pingErr = errors.New("refused")
	s.fires = []flows.Fired{{Schedules: all, Runs: 500}, {Schedules: all, Runs: 499, Canceling: []string{"r"}}, {Schedules: 3, Runs: 3}, {Schedules: 9}}
	require.NoError(t, sweeper.Fire(t.Context()))
	require.Len(t, s.fires, 1)
	require.EqualValues(t, 1002, s.observed.Runs)
	require.Equal(t, []string{"r"}, q.canceled)
}

func TestAScheduleThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s, _, sweeper := setup()
	now := sweeper.Now()
	s.fires = []flows.Fired{{Schedules: 2}}
	s.schedules = []flows.DueSchedule{
		{FlowID: "broken", FireAt: now, Schedule: flows.Schedule{Cron: "0 * * * *", TimeZone: "Mars/Olympus"}},
		{FlowID: "good", FireAt: now.Truncate(time.Minute), Schedule: flows.Schedule{Cron: "* * * * *"}},
	}
	require.NoError(t, sweeper.Fire(t.Context()))
	require.Equal(t, []flows.Firing{{Next: now.Add(time.Hour)}, {Fires: []time.Time{now.Truncate(time.Minute).UTC()}, Next: now.Truncate(time.Minute).Add(time.Minute).UTC()}},
		[]flows.Firing{s.planned[0], utc(s.planned[1])})
}

func utc(f flows.Firing) flows.Firing {
	for i := range f.Fires {
		f.Fires[i] = f.Fires[i].UTC()
	}
	return f
}
