package notify

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/celonis-connector/connector/flows"
)

const (
	// atOnce is how many notices one process delivers at the same time.
	atOnce = 8
	// lease is how long a notice stays with a process that does not answer any more; an attempt takes exchangeTime at most.
	lease = 2 * time.Minute
)

// Pace is how often a notice is sent again that was not taken.
type Pace struct {
	// First and Longest bound the growing pauses.
	First, Longest time.Duration
	// GiveUp is the age at which a notice is dropped.
	GiveUp time.Duration
}

// DefaultPace tries for a day.
func DefaultPace() Pace {
	return Pace{First: 10 * time.Second, Longest: time.Hour, GiveUp: 24 * time.Hour}
}

// after gives the pause that follows an attempt; the jitter keeps notices apart that failed together.
func (p Pace) after(attempts int, roll float64) time.Duration {
	const most = 20
	d := min(p.First<<min(attempts-1, most), p.Longest)
	return d/2 + time.Duration(roll*float64(d))
}

// Dispatcher delivers notices, each at least once. Any number may work at the
// same time: a notice is with one of them.
type Dispatcher struct {
	Store  flows.DeliveryStore
	Sender flows.NoticeSender
	Pace   Pace
	// Every is the pause between two looks for notices that are due.
	Every time.Duration
	Now   func() time.Time
	Log   *slog.Logger
}

// Run delivers until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) error {
	ticker := time.NewTicker(d.Every)
	defer ticker.Stop()
	for {
		if _, err := d.Deliver(ctx); err != nil && ctx.Err() == nil {
			d.Log.ErrorContext(ctx, "the look for notices that are due failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Deliver makes an attempt of every notice that is due, and tells how many these were.
func (d *Dispatcher) Deliver(ctx context.Context) (attempts int, err error) {
	for ctx.Err() == nil {
		now := d.Now()
		due, err := d.Store.TakeDeliveries(ctx, now, now.Add(lease), atOnce)
		if err != nil || len(due) == 0 {
			return attempts, err
		}
		attempts += len(due)
		var sending sync.WaitGroup
		for i := range due {
			sending.Go(func() { d.attempt(ctx, &due[i]) })
		}
		sending.Wait()
	}
	return attempts, nil
}

// attempt sends one notice and writes how that went. When the process stops
// meanwhile nothing is written, and the notice goes out again once its lease is over.
func (d *Dispatcher) attempt(ctx context.Context, v *flows.NoticeDelivery) {
	n := &v.Notification
	log := d.Log.With("notification", n.ID, "notice", v.Notice.ID, "event", v.Notice.Event, "attempt", v.Attempts)
	var end flows.DeliveryEnd
	if n.Enabled {
		err := d.Sender.SendNotice(ctx, n, v.Notice)
		if err != nil && ctx.Err() != nil {
			return
		}
		end = d.after(v, err)
		if err != nil {
			log.WarnContext(ctx, "a notice was not taken", "error", err, "next", end.Next, "givenUp", end.Outcome.GivenUp)
		} else {
			log.InfoContext(ctx, "a notice was delivered")
		}
	}
	if err := d.Store.EndDelivery(ctx, v, end); err != nil && ctx.Err() == nil {
		log.WarnContext(ctx, "the end of a delivery could not be written; the notice may go out again", "error", err)
	}
}

// after decides what follows an attempt.
func (d *Dispatcher) after(v *flows.NoticeDelivery, err error) flows.DeliveryEnd {
	now := d.Now()
	outcome := flows.OutcomeOf(v.Notice.Event, err, now)
	if err == nil {
		return flows.DeliveryEnd{Outcome: &outcome}
	}
	next := now.Add(d.Pace.after(v.Attempts, rand.Float64()))
	if next.Sub(v.CreatedAt) >= d.Pace.GiveUp {
		outcome.GivenUp = true
		return flows.DeliveryEnd{Outcome: &outcome}
	}
	return flows.DeliveryEnd{Outcome: &outcome, Next: next}
}
