package flows

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// MaxEventsBody bounds a delivery of events, in bytes.
	MaxEventsBody = 16 << 20
	// MaxEventDeliveries bounds the deliveries that one process takes of a subscription in a minute.
	MaxEventDeliveries = 6000
	// MaxEventSample bounds the latest events that are kept for previews, in bytes; MaxSampleEvents their number.
	MaxEventSample, MaxSampleEvents = 64 << 10, 20
	// GapGrace is how long a gap may fill by itself, as events may come in another order.
	GapGrace = 5 * time.Second
	// pausedRetry is when Celonis should come again while the flow is disabled.
	pausedRetry = time.Minute
	// authorizationPrefix stands before the secret of the header.
	authorizationPrefix = "Bearer "
)

// EventPost is the events of one delivery, or those that were read again.
type EventPost struct {
	// Subscription is where they belong: its ID, Workspace and FlowID count.
	Subscription *Subscription
	// Fence, when not 0, is the maintainer's that read them.
	Fence int64
	// RemoteID is the subscription that the events name, "" for none.
	RemoteID string
	Events   []EventRecord
	// BatchID is the id for what is stored, Run the row to insert if a run is needed.
	BatchID string
	Run     *Run
	Full    Full
	Now     time.Time
}

// EventReceipt tells what became of a delivery.
type EventReceipt struct {
	// Received are new and stored; Repeated came before.
	Received, Repeated int64
	// Run takes the new ones; nil when there were none.
	Run *Run
}

// Listening is a flow that takes events, found by the token of its address.
type Listening struct {
	Flow         *Flow
	Subscription *Subscription
}

// SubscriptionStore keeps subscriptions, which writes of flows bring in Flow.Listen.
type SubscriptionStore interface {
	// SubscriptionByToken finds the flow that a token's hash leads to; fault SubscriptionNotFound.
	SubscriptionByToken(ctx context.Context, hash string) (*Listening, error)
	// FlowSubscription reads the subscription of a flow, nil when it has none.
	FlowSubscription(ctx context.Context, workspace, flowID string) (*Subscription, error)
	// StoreEvents stores the events that are new, with a run that takes them, and notes their offsets, in one transaction:
	// of two deliveries of an event one stores it. The first subscription that delivers is taken for the one in Celonis.
	// Faults: SubscriptionNotFound when the subscription is gone, SubscriptionStray when the events are of another one than
	// Celonis has for the flow, SubscriptionGaps when there are too many gaps to keep.
	StoreEvents(ctx context.Context, p EventPost) (*EventReceipt, error)
	// AskReplay notes what a caller asks of a flow's subscription. Faults: FlowNotFound, FlowSubscriptionExport.
	AskReplay(ctx context.Context, workspace, flowID string, ask ReplayAsk, now time.Time) error
	// NoteDeliveryError keeps what was wrong with a delivery.
	NoteDeliveryError(ctx context.Context, subscriptionID string, e SubscriptionError) error
}

// SubscriptionWork keeps what a maintainer does to the subscription that it holds.
type SubscriptionWork interface {
	// TakeSubscription holds the subscription that is due for longest until a time, nil when none is due. Two callers at
	// once get different ones.
	TakeSubscription(ctx context.Context, now, until time.Time) (*Subscription, error)
	// ChangeSubscription applies a change to the row as it is now and writes it; s becomes what is written. The change may
	// be applied more than once. A notice is told in the same transaction. Fault RunLeaseLost when somebody else holds the
	// subscription (I2).
	ChangeSubscription(ctx context.Context, s *Subscription, change func(now *Subscription) *Notice) error
	// EndSubscription removes the row of a subscription that is gone from Celonis; fault RunLeaseLost.
	EndSubscription(ctx context.Context, s *Subscription) error
}

// setListen prepares what a write brings to the flow's subscription. Fault
// SubscriptionPublicURL for a flow that is enabled while Celonis has no way to this service.
func (s *Service) setListen(f *Flow) error {
	f.Listen = nil
	if f.Export.Type != ExportEventSubscription {
		return nil
	}
	if f.Enabled {
		if _, err := Callback(s.PublicURL); err != nil {
			return err
		}
	}
	fresh := FreshSubscription{ID: s.NewID()}
	token, tokenHash := newHookToken()
	authorization, authHash := newAuthorization()
	fresh.TokenHash, fresh.AuthHash = tokenHash, authHash
	text, err := json.Marshal([2]string{token.Reveal(), authorization.Reveal()})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the secrets of the subscription cannot be written")
	}
	fresh.Envelope, err = s.Sealer.Seal(crypto.NewSecret(string(text)), subscriptionPlace(f.Workspace, fresh.ID))
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the secrets of the subscription cannot be sealed")
	}
	f.Listen = &SubscriptionChange{Plan: f.subscriptionPlan(), Fresh: fresh}
	return nil
}

func newAuthorization() (crypto.Secret, string) {
	token, _ := newHookToken()
	header := crypto.NewSecret(authorizationPrefix + token.Reveal())
	return header, hashHookToken(header)
}

func (f *Flow) subscriptionPlan() SubscriptionPlan {
	e := f.Export
	start, _ := e.startOffset()
	name := e.Name
	if name == "" {
		name = f.Name
	}
	return SubscriptionPlan{
		ConnectionID: e.ConnectionID, KnowledgeModelID: e.KnowledgeModelID, TriggerID: e.TriggerID,
		Name: cutText(name, maxSubscriptionName), SkipErrors: e.SkipErrors, StartOffset: start,
	}
}

// cutText cuts a text to so many characters.
func cutText(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most])
}

func subscriptionPlace(workspace, id string) crypto.AAD {
	return crypto.AAD{Workspace: workspace, Kind: SealedSubscription, ID: id, Field: SubscriptionSecrets}
}

// OpenCallback opens the secrets of a subscription for one call (I4). Fault SecretUnsealed.
func OpenCallback(sealer Sealer, s *Subscription) (CallbackSecrets, error) {
	plain, err := sealer.Open(s.Envelope, subscriptionPlace(s.Workspace, s.ID))
	if err != nil {
		return CallbackSecrets{}, fault.Wrap(err, fault.SecretUnsealed, "the secrets of the subscription cannot be opened")
	}
	var both [2]string
	if err := json.Unmarshal([]byte(plain.Reveal()), &both); err != nil {
		return CallbackSecrets{}, fault.New(fault.SecretUnsealed, "the secrets of the subscription cannot be read")
	}
	return CallbackSecrets{Token: crypto.NewSecret(both[0]), Authorization: crypto.NewSecret(both[1])}, nil
}

// HashCallbackToken gives what is stored of the secret part of an address.
func HashCallbackToken(token string) string { return hashHookToken(crypto.NewSecret(token)) }

// Subscription reads the subscription of a flow, nil when it has none.
func (s *Service) Subscription(ctx context.Context, workspace, flowID string) (*Subscription, error) {
	return s.Subscriptions.FlowSubscription(ctx, workspace, flowID)
}

// Listening finds the flow that a token of an address belongs to. Every token is
// hashed and looked up alike, whatever it looks like. Fault SubscriptionNotFound.
func (s *Service) Listening(ctx context.Context, token crypto.Secret) (*Listening, error) {
	return s.Subscriptions.SubscriptionByToken(ctx, hashHookToken(token))
}

// VerifyEvents proves that a delivery comes from Celonis, by the header that
// only Celonis was told. Fault WebhookUnauthenticated.
func (s *Service) VerifyEvents(l *Listening, authorization []string) error {
	given := ""
	if len(authorization) == 1 {
		given = authorization[0]
	}
	got, want := hashHookToken(crypto.NewSecret(given)), l.Subscription.AuthHash
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return fault.New(fault.WebhookUnauthenticated, "the delivery does not bring the header Authorization that celonis was given")
	}
	return nil
}

// TakeEvents stores the events of a delivery before it returns, each once. A
// look at the address has none. Faults: SubscriptionDisabled while the flow is
// disabled, SubscriptionEvents, and those of SubscriptionStore.StoreEvents.
func (s *Service) TakeEvents(ctx context.Context, l *Listening, body []byte) (*EventReceipt, error) {
	events, probe, err := ReadEvents(body)
	if probe && err == nil {
		if isNew := l.Subscription.LastDeliveryAt.IsZero(); !isNew && len(body) > len("[{}]") {
			err = fault.New(fault.SubscriptionEvents, "the delivery has nothing of an event")
		} else {
			return &EventReceipt{}, nil
		}
	}
	if err == nil && !l.Flow.Enabled {
		return nil, fault.New(fault.SubscriptionDisabled, "the flow of this subscription is disabled").WithResumeAt(s.Now().Add(pausedRetry))
	}
	var receipt *EventReceipt
	if err == nil {
		receipt, err = s.storeEvents(ctx, l, events, 0)
	}
	if err == nil {
		return receipt, nil
	}
	if fault.Describe(fault.CodeOf(err)).Status < 500 {
		if noteErr := s.Subscriptions.NoteDeliveryError(ctx, l.Subscription.ID, *SubscriptionErrorOf(err, s.Now())); noteErr != nil {
			s.Log.WarnContext(ctx, "what was wrong with a delivery is not kept", "flow", l.Flow.ID, "error", noteErr)
		}
	}
	return nil, err
}

// TakeRead stores events that a maintainer read again.
func (s *Service) TakeRead(ctx context.Context, sub *Subscription, events []EventRecord) (*EventReceipt, error) {
	f, err := s.Flows.Flow(ctx, sub.Workspace, sub.FlowID)
	if err != nil {
		return nil, err
	}
	for i := range events {
		events[i].SubscriptionID = ""
	}
	return s.storeEvents(ctx, &Listening{Flow: f, Subscription: sub}, events, sub.Fence)
}

func (s *Service) storeEvents(ctx context.Context, l *Listening, events []EventRecord, fence int64) (*EventReceipt, error) {
	remote := ""
	for _, e := range events {
		if remote != "" && e.SubscriptionID != "" && e.SubscriptionID != remote {
			return nil, fault.New(fault.SubscriptionEvents, "the events of the delivery are of several subscriptions")
		}
		if e.SubscriptionID != "" {
			remote = e.SubscriptionID
		}
	}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b EventRecord) int { return int(min(max(a.Offset-b.Offset, -1), 1)) })
	run := s.newRun(l.Flow, Records)
	b := &RecordBatch{}
	l.Flow.Export.gathering().apply(run, b)
	receipt, err := s.Subscriptions.StoreEvents(ctx, EventPost{
		Subscription: l.Subscription, Fence: fence, RemoteID: remote, Events: events, BatchID: s.NewID(), Run: run, Full: b.Full, Now: run.CreatedAt,
	})
	if err != nil {
		return nil, err
	}
	if receipt.Run != nil && receipt.Run.State == Queued {
		s.announce(ctx, receipt.Run.ID)
	}
	return receipt, nil
}

// AskReplay asks for the events of a flow's subscription from an offset on, or
// to go on with the latest. Faults: FlowNotFound, FlowDisabled, FlowSubscriptionExport, RequestInvalid.
func (s *Service) AskReplay(ctx context.Context, workspace, flowID string, ask ReplayAsk) (*Flow, error) {
	f, err := s.startable(ctx, workspace, flowID)
	if err != nil {
		return nil, err
	}
	if ask.FromOffset != UnknownOffset && (ask.FromOffset < 0 || ask.FromOffset >= maxOffset) {
		return nil, fault.New(fault.RequestInvalid, "the offset is not valid").WithFields(invalid("/fromOffset", "must be a whole number from 0"))
	}
	if err := s.Subscriptions.AskReplay(ctx, workspace, flowID, ask, s.Now()); err != nil {
		return nil, err
	}
	return f, nil
}
