// Package scheduler makes runs of the schedules whose time has come, finds runs
// that are due and that nobody works on, and pushes them to the queue: waiting runs whose time has come, runs whose push
// to the queue was lost, and runs whose worker died. Any number of schedulers
// may sweep at once; a run pushed twice is claimed once.
package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/celonis-connector/connector/flows"
)

const (
	// sweepBatch bounds the runs of one sweep.
	sweepBatch = 1000
	// DefaultRepush is how long a queued run's push is trusted before it is repeated.
	DefaultRepush = 30 * time.Second
)

// Queue is where due runs go.
type Queue interface {
	// PushAll pushes ids in their order.
	PushAll(ctx context.Context, runIDs []string) error
	Ping(ctx context.Context) error
}

// Scheduler fires schedules and sweeps.
type Scheduler struct {
	Store     flows.SweepStore
	Schedules flows.ScheduleStore
	Queue     Queue
	Cancels   flows.Canceler
	Observer  Observer
	Now       func() time.Time
	// Every is the pause between two sweeps.
	Every time.Duration
	// Repush is how long a queued run's push is trusted before it is repeated; DefaultRepush in production.
	Repush time.Duration
	Log    *slog.Logger
	// Report hears the outcome of each sweep; the health does.
	Report func(error)
}

// Run fires and sweeps until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.Every)
	defer ticker.Stop()
	for {
		// Runs are made although the queue is gone, so that no fire is late for it.
		err := errors.Join(s.Fire(ctx), s.Sweep(ctx))
		if ctx.Err() != nil {
			return nil
		}
		s.Report(err)
		if err != nil {
			s.Log.ErrorContext(ctx, "schedules or the sweep for due runs failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Sweep pushes every due run once. It looks for none while the queue does not
// answer: a run that is listed counts as pushed for a while.
func (s *Scheduler) Sweep(ctx context.Context) error {
	if err := s.Queue.Ping(ctx); err != nil {
		return err
	}
	for {
		now := s.Now()
		ids, err := s.Store.DueRuns(ctx, now, now.Add(-s.Repush), sweepBatch)
		if err != nil {
			return err
		}
		if err := s.Queue.PushAll(ctx, ids); err != nil {
			return err
		}
		if len(ids) < sweepBatch {
			return nil
		}
	}
}
