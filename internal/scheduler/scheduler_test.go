package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

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
}

func (s *store) DueRuns(_ context.Context, now, before time.Time, limit int) ([]string, error) {
	s.listed++
	s.now, s.before, s.perCall = now, before, limit
	n := min(limit, len(s.due))
	ids := s.due[:n]
	s.due = s.due[n:]
	return ids, s.err
}

type queue struct {
	pushed  []string
	pingErr error
}

func (q *queue) Push(_ context.Context, id string) error { q.pushed = append(q.pushed, id); return nil }
func (q *queue) Ping(context.Context) error              { return q.pingErr }

func setup() (*store, *queue, *scheduler.Scheduler) {
	s, q := &store{}, &queue{}
	return s, q, &scheduler.Scheduler{
		Store: s, Queue: q, Now: func() time.Time { return time.Unix(1000, 0) }, Every: time.Millisecond,
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
