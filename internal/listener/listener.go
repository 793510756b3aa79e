// Package listener looks after the subscriptions of flows that take events of
// Celonis: it makes, changes, pauses and deletes them as the flows wish, finds
// again what a crash left half done, resumes what Celonis suspended, and has
// events that are missing sent again. What is wished and what is known stand in
// the database; any number of listeners may run at once, each subscription is
// looked after by one of them.
package listener

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// Calls are the requests to the team of one connection.
type Calls interface {
	// List gives every subscription that the connection may see.
	List(ctx context.Context) ([]flows.RemoteSubscription, error)
	// Make makes a subscription and gives its id.
	Make(ctx context.Context, plan flows.SubscriptionPlan, d Draft) (id string, err error)
	Change(ctx context.Context, id string, d Draft) error
	// Delete is content when there is none.
	Delete(ctx context.Context, id string) error
	Pause(ctx context.Context, id string) error
	Resume(ctx context.Context, id string) error
	ResumeFromLatest(ctx context.Context, id string) error
	Replay(ctx context.Context, id string, fromOffset int64) error
	// Undelivered reads events again that Celonis could not deliver.
	Undelivered(ctx context.Context, id string) ([]flows.EventRecord, error)
	// Close gives back what was not used of the team's budget.
	Close(ctx context.Context) error
}

// Draft is what a subscription is made of in Celonis.
type Draft struct {
	Name               string
	URI, Authorization crypto.Secret
	SkipErrors         bool
}

// Celonis opens the way to the team of a connection. Faults: ConnectionNotFound,
// ConnectionOffline with the time to look again, and those of opening its secret.
type Celonis interface {
	Open(ctx context.Context, workspace, connectionID string) (Calls, error)
}

// Events stores events that were read again; *flows.Service is one.
type Events interface {
	TakeRead(ctx context.Context, s *flows.Subscription, events []flows.EventRecord) (*flows.EventReceipt, error)
}

var _ Events = (*flows.Service)(nil)

// Pace says how often subscriptions are looked at.
type Pace struct {
	// Look is the time between two looks at a subscription that is well: each takes one of the team's requests of the day,
	// and one more for every fifty subscriptions that the team has.
	Look time.Duration
	// First is the wait after a look that failed, which doubles up to Longest.
	First, Longest time.Duration
	// Replay is the wait for what a replay brings before the next, which doubles up to Longest; Tries is after how many a
	// gap is given up.
	Replay time.Duration
	Tries  int
	// Lease is how long a look may take.
	Lease time.Duration
}

// DefaultPace is that of a service.
func DefaultPace() Pace {
	return Pace{
		Look: 15 * time.Minute, First: 5 * time.Second, Longest: 10 * time.Minute, Replay: 15 * time.Second, Tries: 5, Lease: 2 * time.Minute,
	}
}

// Listener looks after subscriptions.
type Listener struct {
	Store   flows.SubscriptionWork
	Events  Events
	Celonis Celonis
	Sealer  flows.Sealer
	// Uses put on record that the secrets of a subscription are opened; nil records nothing.
	Uses *audit.Uses
	// PublicURL is where Celonis reaches the service; "" where that is not known.
	PublicURL string
	Pace      Pace
	// Every is the pause between two looks for subscriptions that are due.
	Every time.Duration
	Now   func() time.Time
	Log   *slog.Logger
}

// Run looks after what is due until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	ticker := time.NewTicker(l.Every)
	defer ticker.Stop()
	for {
		if err := l.Work(ctx); err != nil && ctx.Err() == nil {
			l.Log.ErrorContext(ctx, "the look for subscriptions that are due failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// atOnce is how many subscriptions one process looks after at once. Each counts
// as one of the few that ask a team's Intelligence API at the same time.
const atOnce = 2

// Work looks after every subscription that is due now.
func (l *Listener) Work(ctx context.Context) error {
	ctx = audit.For(audit.As(ctx, audit.Actor{ID: audit.System}), audit.ForSubscription)
	var all sync.WaitGroup
	errs := make([]error, atOnce)
	for i := range errs {
		all.Go(func() { errs[i] = l.workDown(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (l *Listener) workDown(ctx context.Context) error {
	for ctx.Err() == nil {
		now := l.Now()
		s, err := l.Store.TakeSubscription(ctx, now, now.Add(l.Pace.Lease))
		if err != nil || s == nil {
			return err
		}
		if err := l.attend(ctx, s); err != nil && !fault.Has(err, fault.RunLeaseLost) {
			return err
		}
	}
	return nil
}

// attend looks after one subscription and says when the next look is due. Its
// error is that the outcome could not be stored.
func (l *Listener) attend(ctx context.Context, s *flows.Subscription) error {
	bounded, cancel := context.WithTimeout(ctx, l.Pace.Lease)
	defer cancel()
	seen, began := s.Nudge, l.Now()
	v := &visit{Listener: l, s: s}
	err := v.make(bounded)
	if errors.Is(err, errEnded) {
		return l.Store.EndSubscription(ctx, s)
	}
	if fault.Has(err, fault.RunLeaseLost) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		l.Log.WarnContext(ctx, "a subscription could not be looked after; it is tried again", "flow", s.FlowID, "error", err)
	}
	return l.Store.ChangeSubscription(ctx, s, func(now *flows.Subscription) *flows.Notice {
		at := l.Now()
		now.LeaseUntil = time.Time{}
		if err != nil {
			now.LastError = flows.SubscriptionErrorOf(err, at)
			now.Failures++
			now.NextAt = l.later(at, now.Failures, err)
		} else {
			// What this look itself tells of stays.
			if now.Failures > 0 && now.LastError != nil && now.LastError.At.Before(began) {
				now.LastError = nil
			}
			now.Failures = 0
			now.NextAt = v.next(at, now)
		}
		if now.Nudge != seen && (err == nil || now.Failures == 1) {
			now.NextAt = earliest(now.NextAt, at.Add(l.Pace.First/10))
		}
		return nil
	})
}

// later is when a subscription is looked at after a look that failed.
func (l *Listener) later(at time.Time, failures int, err error) time.Time {
	next := at.Add(doubled(l.Pace.First, failures-1, l.Pace.Longest))
	if resume := fault.From(err).ResumeAt; resume.After(next) {
		return resume
	}
	return next
}

// doubled doubles a wait so many times, up to the longest.
func doubled(first time.Duration, times int, longest time.Duration) time.Duration {
	for range times {
		if first >= longest {
			break
		}
		first *= 2
	}
	return min(first, longest)
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
