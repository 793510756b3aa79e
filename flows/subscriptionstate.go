package flows

import (
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// SealedSubscription is the kind of row that a subscription's envelope is bound to, SubscriptionSecrets its field.
	SealedSubscription  = "subscription"
	SubscriptionSecrets = "callback"
)

// SubscriptionWish is what a subscription shall be.
type SubscriptionWish string

// The wishes.
const (
	// WantActive: Celonis delivers events.
	WantActive SubscriptionWish = "active"
	// WantPaused: Celonis keeps them back.
	WantPaused SubscriptionWish = "paused"
	// WantDeleted: there is none in Celonis any more; the row goes with it.
	WantDeleted SubscriptionWish = "deleted"
)

// The statuses of a subscription in Celonis (Event Subscription API).
const (
	RemoteActive    = "active"
	RemoteFailed    = "failed"
	RemoteSuspended = "suspended"
	RemotePaused    = "paused"
	RemoteRejected  = "rejected"
)

// SubscriptionPlan is what a subscription is made of. A change of the connection,
// the model or the trigger makes another subscription; any other changes the one there is.
type SubscriptionPlan struct {
	ConnectionID     string `json:"connectionId"`
	KnowledgeModelID string `json:"knowledgeModelId"`
	TriggerID        string `json:"triggerId"`
	// Name is what people see in Celonis, beside the mark that makes it ours.
	Name       string `json:"name"`
	SkipErrors bool   `json:"skipErrors"`
	// StartOffset is that of Export.StartFrom; UnknownOffset is the latest.
	StartOffset int64 `json:"startOffset"`
}

// SamePlace reports whether two plans are served by one subscription.
func (p SubscriptionPlan) SamePlace(o SubscriptionPlan) bool {
	return p.ConnectionID == o.ConnectionID && p.KnowledgeModelID == o.KnowledgeModelID && p.TriggerID == o.TriggerID
}

// Subscription is a flow's subscription: what is wished, and what is known of
// the one in Celonis.
type Subscription struct {
	// ID is ours. RemoteID is Celonis's, "" while there is none.
	ID        string
	Workspace string
	FlowID    string
	FlowName  string
	Plan      SubscriptionPlan
	Wish      SubscriptionWish
	// Generation grows with each change of the plan; Applied is the one that Celonis has.
	Generation, Applied int64
	// Nudge grows with each reason to look at the subscription soon.
	Nudge int64
	// TokenHash and AuthHash are what is stored of the address's secret part and of the header; Envelope seals both.
	TokenHash, AuthHash, Envelope string
	// Replay is what a caller asked for; nil for nothing.
	Replay *ReplayAsk

	RemoteID     string
	RemoteStatus string
	// DeliveredAs is the subscription that deliveries name, "" before the first. It is RemoteID where Celonis names one thing
	// alike everywhere.
	DeliveredAs string
	// Begun says that Celonis may have been asked to make it.
	Begun bool
	// CheckedAt is when Celonis was last asked; zero for never.
	CheckedAt time.Time
	Offsets   Offsets
	Repair    Repair
	// Received and Repeated count events: those that became records, and those that had come before.
	Received, Repeated int64
	LastDeliveryAt     time.Time
	// Remade counts how often the subscription had gone from Celonis and was made anew.
	Remade    int64
	LastError *SubscriptionError
	// Failures counts looks at it that failed, since the last that did not.
	Failures          int
	CreatedAt, NextAt time.Time
	// Fence proves who looks after it until LeaseUntil: every write of a maintainer carries it.
	Fence      int64
	LeaseUntil time.Time
	// Sample is the latest events, NDJSON, for previews.
	Sample string
}

// Repair is how far the filling of the first gap came.
type Repair struct {
	// From is where the gap begins, UnknownOffset for none; Tries counts the replays since it began there.
	From  int64 `json:"from"`
	Tries int   `json:"tries"`
	// Next is when the next may be tried.
	Next time.Time `json:"next,omitzero"`
}

// SubscriptionError is what went wrong last.
type SubscriptionError struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	At      time.Time  `json:"at"`
}

// SubscriptionErrorOf gives the part of a fault that is kept.
func SubscriptionErrorOf(err error, at time.Time) *SubscriptionError {
	e := fault.From(err)
	return &SubscriptionError{Code: e.Code, Message: e.Message, Hint: e.Hint, At: at}
}

// ReplayAsk is what a caller asks of a subscription.
type ReplayAsk struct {
	// FromOffset is where Celonis shall begin again; UnknownOffset asks it to go on with the latest event and to leave out
	// those that it could not deliver.
	FromOffset int64 `json:"fromOffset"`
	// Again takes the events as new although they came before.
	Again bool `json:"again,omitempty"`
}

// SubscriptionChange is what a write of a flow brings to its subscription.
// Fresh is used where the write makes another one, the rest in any case.
type SubscriptionChange struct {
	Plan  SubscriptionPlan
	Fresh FreshSubscription
}

// FreshSubscription is a subscription that is not made yet.
type FreshSubscription struct{ ID, TokenHash, AuthHash, Envelope string }

// CallbackSecrets are the secret part of the address that Celonis delivers to,
// and the value of the Authorization header that it sends along.
type CallbackSecrets struct{ Token, Authorization crypto.Secret }

// Address is where Celonis delivers to, below a base that Callback gave.
func (c CallbackSecrets) Address(base string) crypto.Secret {
	return crypto.NewSecret(base + c.Token.Reveal())
}

// RemoteSubscription is a subscription as Celonis lists it.
type RemoteSubscription struct {
	ID, Name, Status            string
	KnowledgeModelID, TriggerID string
	// CallbackURI is "" where Celonis does not tell it.
	CallbackURI string
	// LastSuccess is the offset of the last event that Celonis delivered, UnknownOffset where it tells none.
	LastSuccess int64
}

// RemoteName is the subscription's name in Celonis: what people chose, and the
// mark by which it is found again when the answer to its making was lost.
func (s *Subscription) RemoteName() string {
	return s.Plan.Name + " [" + s.ID + "]"
}

// Take takes the events of a delivery that are new and notes what is known since.
// Faults: SubscriptionStray for those of another subscription, SubscriptionGaps.
func (s *Subscription) Take(p EventPost) (taken []EventRecord, err error) {
	switch {
	case p.RemoteID == "" || p.RemoteID == s.DeliveredAs:
	case s.DeliveredAs == "":
		s.DeliveredAs = p.RemoteID
	case p.RemoteID == s.RemoteID:
		// What came before was late, of one that is gone: its offsets say nothing of this one's.
		s.DeliveredAs, s.Offsets, s.Repair = p.RemoteID, NewOffsets(s.Plan.StartOffset), Repair{From: UnknownOffset}
	default:
		return nil, fault.New(fault.SubscriptionStray, "the events are of the subscription %q, and the flow has %q", p.RemoteID, s.DeliveredAs)
	}
	// Only Celonis knows the address, and only from its making.
	s.Begun = true
	gaps := len(s.Offsets.Gaps())
	if s.Offsets.Floor == UnknownOffset && len(p.Events) > 0 {
		for _, e := range p.Events {
			if e.Offset > s.Offsets.Last() {
				s.Offsets.Floor = e.Offset
				break
			}
		}
	}
	for _, e := range p.Events {
		if s.Offsets.Add(e.Offset) {
			taken = append(taken, e)
		}
	}
	if !s.Offsets.Close() {
		return nil, fault.New(fault.SubscriptionGaps, "more than %d gaps between the events are still to be filled", MaxOffsetRanges).
			WithHint("celonis is asked for what is missing; the delivery is taken after that").WithResumeAt(p.Now.Add(time.Minute))
	}
	s.Received += int64(len(taken))
	s.Repeated += int64(len(p.Events) - len(taken))
	s.LastDeliveryAt = p.Now
	if len(taken) > 0 {
		s.Sample = sampleOf(taken)
	}
	if found := len(s.Offsets.Gaps()); found > gaps {
		s.Nudge++
		if soon := p.Now.Add(GapGrace); soon.Before(s.NextAt) {
			s.NextAt = soon
		}
	}
	return taken, nil
}

// sampleOf keeps the latest events that fit.
func sampleOf(events []EventRecord) string {
	size, from := 0, len(events)
	for from > 0 && len(events)-from < MaxSampleEvents && size+len(events[from-1].Line) <= MaxEventSample {
		from--
		size += len(events[from].Line)
	}
	var b strings.Builder
	for _, e := range events[from:] {
		b.Write(e.Line)
	}
	return b.String()
}

// Expect prepares for what a caller asked: events that come again count as new
// where that was wished, and what is left out is not missing.
func (s *Subscription) Expect(ask ReplayAsk) {
	switch {
	case ask.FromOffset == UnknownOffset:
		s.Offsets.Floor = UnknownOffset
	case ask.Again:
		// Once: the call may be made several times.
		s.Offsets.Forget(ask.FromOffset)
		if s.Replay != nil && *s.Replay == ask {
			s.Replay = &ReplayAsk{FromOffset: ask.FromOffset}
		}
	}
	if ask.FromOffset != UnknownOffset && (s.Offsets.Floor == UnknownOffset || s.Offsets.Floor > ask.FromOffset) {
		s.Offsets.Floor = ask.FromOffset
	}
	s.Repair = Repair{From: UnknownOffset}
}
