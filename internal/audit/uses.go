package audit

import (
	"context"
	"sync"
	"time"
)

// Purpose is what a secret is opened for.
type Purpose string

// The purposes.
const (
	ForRun       Purpose = "run"
	ForTest      Purpose = "test"
	ForProbe     Purpose = "probe"
	ForPicker    Purpose = "picker"
	ForPreview   Purpose = "preview"
	ForAuthorize Purpose = "authorization"
	ForClone     Purpose = "clone"
	ForToken     Purpose = "token"
	ForWebhook   Purpose = "webhook"
	ForNotice    Purpose = "notification"
	ForChat      Purpose = "chat"
	// ForSubscription: a subscription to events of Celonis is looked after.
	ForSubscription Purpose = "subscription"
	ForProvisioning Purpose = "provisioning"
	ForOther        Purpose = "other"
)

// For says what secrets are opened for in what is done with the context.
func For(ctx context.Context, p Purpose) context.Context {
	return context.WithValue(ctx, purposeKey{}, p)
}

// purposeOf tells what a secret is opened for; who acts says it where nobody else did.
func purposeOf(ctx context.Context) Purpose {
	if p, ok := ctx.Value(purposeKey{}).(Purpose); ok {
		return p
	}
	switch By(ctx).ID {
	case Run:
		return ForRun
	case Probe:
		return ForProbe
	}
	return ForOther
}

// Sink keeps an event by itself, in a transaction of its own.
type Sink interface {
	NoteEvent(ctx context.Context, e Event) error
}

const (
	// burst is the time within which the same use of the same secret is one event.
	burst = time.Minute
	// attemptBurst is that for one attempt of a run.
	attemptBurst = time.Hour
	// maxBursts bounds what is remembered; when it is full, uses are told anew.
	maxBursts = 10_000
)

// Uses puts what happens often on record: the use of secrets first of all. The
// first of a kind is written before Used returns, so nothing is used without a
// line; those that follow within a minute, or within the same attempt of a
// run, are the same event. A nil Uses records nothing.
type Uses struct {
	sink Sink
	now  func() time.Time

	mu     sync.Mutex
	bursts map[use]time.Time
}

// use tells one kind of use from another.
type use struct {
	workspace, object, actor, from, run string
	action                              Action
	kind                                Kind
	purpose                             Purpose
	attempt                             int
}

// NewUses makes a Uses that writes to the sink.
func NewUses(sink Sink, now func() time.Time) *Uses {
	return &Uses{sink: sink, now: now, bursts: map[use]time.Time{}}
}

// Used puts on record that a stored secret of the object is opened: give
// Workspace, Kind, ObjectID and Name. An error means that it must not be: what
// cannot be recorded is not done.
func (u *Uses) Used(ctx context.Context, object Event) error {
	object.Action, object.Purpose = SecretUsed, purposeOf(ctx)
	return u.Note(ctx, object)
}

// Note puts an event on record unless the same happened a short while ago.
func (u *Uses) Note(ctx context.Context, e Event) error {
	if u == nil {
		return nil
	}
	who := By(ctx)
	key := use{e.Workspace, e.ObjectID, who.ID, who.From, who.RunID, e.Action, e.Kind, e.Purpose, who.Attempt}
	until := burst
	if who.RunID != "" {
		until = attemptBurst
	}
	if !u.begin(key, until) {
		return nil
	}
	err := u.sink.NoteEvent(ctx, e)
	if err != nil {
		u.mu.Lock()
		delete(u.bursts, key)
		u.mu.Unlock()
	}
	return err
}

// begin reports whether a use is the first of its burst.
func (u *Uses) begin(key use, d time.Duration) bool {
	now := u.now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if until, ok := u.bursts[key]; ok && now.Before(until) {
		return false
	}
	if len(u.bursts) >= maxBursts {
		for k, until := range u.bursts {
			if !now.Before(until) {
				delete(u.bursts, k)
			}
		}
		if len(u.bursts) >= maxBursts {
			clear(u.bursts)
		}
	}
	u.bursts[key] = now.Add(d)
	return true
}
