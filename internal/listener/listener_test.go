package listener_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/listener"
)

const ours, token = "sub-1", "the-token"

// world is one subscription with its store and its Celonis, and a clock that stands.
type world struct {
	t       *testing.T
	now     time.Time
	row     *flows.Subscription
	mu      sync.Mutex
	taken   bool
	ended   bool
	notices []flows.NotificationEvent
	// lose lets another listener take the row at the n-th change.
	lose int
	// opened is what happens when the way to Celonis is opened.
	opened func()

	remote  []flows.RemoteSubscription
	faults  map[string]error
	called  []string
	reread  []flows.EventRecord
	stored  []flows.EventRecord
	keyring *crypto.Keyring
}

func newWorld(t *testing.T, change ...func(*world)) *world {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	keyring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	w := &world{t: t, now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), faults: map[string]error{}, keyring: keyring}
	envelope, err := keyring.Seal(crypto.NewSecret(`["`+token+`","Bearer second"]`), crypto.AAD{Workspace: "w", Kind: flows.SealedSubscription, ID: ours, Field: flows.SubscriptionSecrets})
	require.NoError(t, err)
	w.row = &flows.Subscription{
		ID: ours, Workspace: "w", FlowID: "f", Plan: flows.SubscriptionPlan{ConnectionID: "c", KnowledgeModelID: "m", TriggerID: "t", Name: "n", StartOffset: flows.UnknownOffset},
		Wish: flows.WantActive, Generation: 1, Envelope: envelope, TokenHash: flows.HashCallbackToken(token), Fence: 7,
		Offsets: flows.NewOffsets(flows.UnknownOffset), Repair: flows.Repair{From: flows.UnknownOffset},
	}
	for _, c := range change {
		c(w)
	}
	return w
}

// work lets a listener look once.
func (w *world) work() {
	w.t.Helper()
	w.taken, w.called = false, nil
	l := &listener.Listener{
		Store: w, Events: w, Celonis: w, Sealer: w.keyring, PublicURL: "https://connector.example.com", Pace: listener.DefaultPace(), Every: time.Hour,
		Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	}
	require.NoError(w.t, l.Work(w.t.Context()))
}

func (w *world) TakeSubscription(context.Context, time.Time, time.Time) (*flows.Subscription, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taken || w.ended {
		return nil, nil
	}
	w.taken = true
	held := *w.row
	return &held, nil
}

func (w *world) ChangeSubscription(_ context.Context, s *flows.Subscription, change func(*flows.Subscription) *flows.Notice) error {
	if w.lose--; w.lose == 0 {
		w.row.Fence++
	}
	if s.Fence != w.row.Fence {
		return fault.New(fault.RunLeaseLost, "lost")
	}
	now := *w.row
	if n := change(&now); n != nil {
		w.notices = append(w.notices, n.Event)
	}
	*w.row, *s = now, now
	return nil
}

func (w *world) EndSubscription(context.Context, *flows.Subscription) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	return nil
}

func (w *world) TakeRead(_ context.Context, _ *flows.Subscription, events []flows.EventRecord) (*flows.EventReceipt, error) {
	w.stored = append(w.stored, events...)
	return &flows.EventReceipt{Received: int64(len(events))}, nil
}

func (w *world) Open(context.Context, string, string) (listener.Calls, error) {
	if w.opened != nil {
		w.opened()
	}
	return w, w.faults["open"]
}

// call notes a call and gives its fault.
func (w *world) call(format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	w.called = append(w.called, what)
	return w.faults[what]
}

func (w *world) List(context.Context) ([]flows.RemoteSubscription, error) {
	return w.remote, w.call("list")
}

func (w *world) Make(_ context.Context, _ flows.SubscriptionPlan, d listener.Draft) (string, error) {
	require.Equal(w.t, "https://connector.example.com/hooks/events/"+token, d.URI.Reveal())
	require.Equal(w.t, "Bearer second", d.Authorization.Reveal())
	require.Equal(w.t, "n ["+ours+"]", d.Name)
	err := w.call("make")
	if err != nil {
		return "", err
	}
	w.remote = append(w.remote, w.mine("r-new", flows.RemoteActive))
	return "r-new", nil
}

func (w *world) Change(_ context.Context, id string, _ listener.Draft) error {
	return w.call("change %s", id)
}
func (w *world) Delete(_ context.Context, id string) error           { return w.call("delete %s", id) }
func (w *world) Pause(_ context.Context, id string) error            { return w.call("pause %s", id) }
func (w *world) Resume(_ context.Context, id string) error           { return w.call("resume %s", id) }
func (w *world) ResumeFromLatest(_ context.Context, id string) error { return w.call("latest %s", id) }
func (w *world) Replay(_ context.Context, id string, from int64) error {
	return w.call("replay %s %d", id, from)
}
func (w *world) Close(context.Context) error { return nil }

func (w *world) Undelivered(_ context.Context, id string) ([]flows.EventRecord, error) {
	return w.reread, w.call("undelivered %s", id)
}

// mine is the subscription as Celonis lists it.
func (w *world) mine(id, status string) flows.RemoteSubscription {
	return flows.RemoteSubscription{ID: id, Status: status, CallbackURI: "https://connector.example.com/hooks/events/" + token, LastSuccess: flows.UnknownOffset}
}

// has gives the row one in Celonis that is as the plan says.
func has(id, status string, offsets ...int64) func(*world) {
	return func(w *world) {
		w.row.RemoteID, w.row.DeliveredAs, w.row.Begun, w.row.Applied = id, id, true, 1
		w.remote = []flows.RemoteSubscription{w.mine(id, status)}
		if len(offsets) > 0 {
			w.row.Offsets.Floor = offsets[0]
		}
		for _, o := range offsets {
			w.row.Offsets.Add(o)
		}
	}
}

func refusing(what string, code fault.Code) func(*world) {
	return func(w *world) { w.faults[what] = fault.New(code, "no") }
}

func TestWhatALookDoes(t *testing.T) {
	t.Parallel()
	other := flows.RemoteSubscription{ID: "of-others", Name: "n [sub-2]", CallbackURI: "https://connector.example.com/hooks/events/another"}
	for name, tt := range map[string]struct {
		given  []func(*world)
		calls  []string
		remote string
		ended  bool
	}{
		"makes it":                     {[]func(*world){func(w *world) { w.remote = []flows.RemoteSubscription{other} }}, []string{"list", "make"}, "r-new", false},
		"is content":                   {[]func(*world){has("r1", "active", 0, 1)}, []string{"list"}, "r1", false},
		"keeps nothing it never made":  {[]func(*world){func(w *world) { w.row.Wish = flows.WantPaused }}, nil, "", false},
		"adopts one that a crash left": {[]func(*world){func(w *world) { w.remote = []flows.RemoteSubscription{other, w.mine("r1", "active")} }}, []string{"list", "change r1"}, "r1", false},
		"adopts it by its mark": {[]func(*world){func(w *world) {
			w.remote = []flows.RemoteSubscription{{ID: "r1", Name: "n [" + ours + "]", Status: "active", LastSuccess: flows.UnknownOffset}}
		}}, []string{"list", "change r1"}, "r1", false},
		"deletes the second": {[]func(*world){func(w *world) { w.remote = []flows.RemoteSubscription{w.mine("r1", "active"), w.mine("r2", "active")} }},
			[]string{"list", "delete r2", "change r1"}, "r1", false},
		"keeps the one that delivers": {[]func(*world){func(w *world) {
			w.row.DeliveredAs = "r2"
			w.remote = []flows.RemoteSubscription{w.mine("r1", "active"), w.mine("r2", "active")}
		}}, []string{"list", "delete r1", "change r2"}, "r2", false},
		"tells a change": {[]func(*world){has("r1", "active"), func(w *world) { w.row.Generation = 2 }}, []string{"list", "change r1"}, "r1", false},
		"tells an address": {[]func(*world){has("r1", "active"), func(w *world) { w.remote[0].CallbackURI = "https://old.example.com/hooks/events/" + token }},
			[]string{"list", "change r1"}, "r1", false},
		"pauses":                   {[]func(*world){has("r1", "active"), func(w *world) { w.row.Wish = flows.WantPaused }}, []string{"list", "pause r1"}, "r1", false},
		"resumes":                  {[]func(*world){has("r1", "paused", 3)}, []string{"list", "resume r1"}, "r1", false},
		"leaves what was rejected": {[]func(*world){has("r1", "rejected"), func(w *world) { w.row.Wish = flows.WantPaused }}, []string{"list", "delete r1"}, "", false},
		"takes what was before, too": {[]func(*world){func(w *world) {
			w.row.Plan.StartOffset = 4
			w.remote = []flows.RemoteSubscription{w.mine("r1", "active")}
		}}, []string{"list", "change r1", "replay r1 4"}, "r1", false},
		"catches up":          {[]func(*world){has("r1", "suspended", 3, 4)}, []string{"list", "resume r1", "replay r1 5"}, "r1", false},
		"a list may be wrong": {[]func(*world){has("r1", "active"), func(w *world) { w.remote = nil }}, []string{"list", "change r1"}, "r1", false},
		"makes it anew": {[]func(*world){has("r1", "active"), func(w *world) { w.remote = nil }, refusing("change r1", fault.SubscriptionNotFound)},
			[]string{"list", "change r1", "make"}, "r-new", false},
		"deletes": {[]func(*world){has("r1", "active"), func(w *world) { w.row.Wish = flows.WantDeleted }}, []string{"list", "delete r1"}, "r1", true},
		"deletes what a crash left": {[]func(*world){func(w *world) {
			w.row.Wish, w.row.Begun = flows.WantDeleted, true
			w.remote = []flows.RemoteSubscription{w.mine("r1", "active")}
		}},
			[]string{"list", "delete r1"}, "", true},
		"leaves it to a connection that is gone": {[]func(*world){has("r1", "active"), func(w *world) { w.row.Wish = flows.WantDeleted }, refusing("open", fault.ConnectionNotFound)}, nil, "r1", true},
		"replays":                                {[]func(*world){has("r1", "active", 3), func(w *world) { w.row.Replay = &flows.ReplayAsk{FromOffset: 1} }}, []string{"list", "replay r1 1"}, "r1", false},
		"leaves out":                             {[]func(*world){has("r1", "active", 3), func(w *world) { w.row.Replay = &flows.ReplayAsk{FromOffset: flows.UnknownOffset} }}, []string{"list", "latest r1"}, "r1", false},
	} {
		w := newWorld(t, tt.given...)
		w.work()
		require.Equal(t, tt.calls, w.called, name)
		require.Equal(t, []any{tt.remote, tt.ended}, []any{w.row.RemoteID, w.ended}, name)
		require.Nil(t, w.row.Replay, name)
		if !tt.ended {
			require.True(t, w.row.NextAt.After(w.now), name)
			require.Zero(t, w.row.Failures, name)
		}
		w.work()
		if !tt.ended {
			require.NotContains(t, w.called, "make", "%s: twice", name)
		}
	}
}

func TestALookThatFailsIsRepeatedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, refusing("list", fault.CelonisServer))
	for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
		w.work()
		require.Equal(t, w.now.Add(want), w.row.NextAt)
		require.Equal(t, i+1, w.row.Failures)
		require.Equal(t, fault.CelonisServer, w.row.LastError.Code)
	}
	delete(w.faults, "list")
	w.now = w.now.Add(time.Minute)
	w.work()
	require.Nil(t, w.row.LastError)
	require.Equal(t, "r-new", w.row.RemoteID)

	later := w.now.Add(time.Hour)
	w = newWorld(t)
	w.faults["open"] = fault.New(fault.ConnectionOffline, "offline").WithResumeAt(later)
	w.work()
	require.Equal(t, later, w.row.NextAt)
}

// A create that was refused or whose answer was lost is not taken for done, and a look follows it.
func TestACreateThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, refusing("make", fault.SubscriptionCallback))
	w.work()
	require.Equal(t, []string{"list", "make"}, w.called)
	require.Equal(t, []any{true, "", fault.SubscriptionCallback}, []any{w.row.Begun, w.row.RemoteID, w.row.LastError.Code})
	w.remote = []flows.RemoteSubscription{w.mine("r1", "active")}
	delete(w.faults, "make")
	w.work()
	require.Equal(t, []string{"list", "change r1"}, w.called)
	require.Equal(t, "r1", w.row.RemoteID)
}

func TestAGapIsFilledOrTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, has("r1", "failed", 0, 1, 5))
	w.row.LastDeliveryAt, w.reread = w.now, []flows.EventRecord{{Offset: 2}}
	w.work()
	require.Equal(t, []string{"list"}, w.called, "it may fill by itself")
	require.Equal(t, w.now.Add(flows.GapGrace), w.row.NextAt)
	for i, wait := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute} {
		w.now = w.row.NextAt
		w.work()
		require.Equal(t, []string{"list", "undelivered r1", "replay r1 2"}, w.called, i)
		require.Equal(t, w.now.Add(wait), w.row.NextAt)
	}
	require.Len(t, w.stored, 5)
	require.Empty(t, w.notices)
	w.now = w.row.NextAt
	w.work()
	require.Equal(t, []string{"list"}, w.called)
	require.Equal(t, []flows.NotificationEvent{flows.EventsMissed}, w.notices)
	require.Equal(t, []any{fault.SubscriptionMissed, int64(3)}, []any{w.row.LastError.Code, w.row.Offsets.Lost()})
	require.Contains(t, w.row.LastError.Message, "3 events from offset 2 to 4")
	w.remote[0].Status = "active"
	w.work()
	require.Equal(t, []string{"list"}, w.called)
	require.Equal(t, flows.UnknownOffset, w.row.Repair.From)
}

// What Celonis takes for delivered and never came is asked for, too.
func TestWhatCelonisTakesForDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, has("r1", "active", 0, 1))
	w.remote[0].LastSuccess = 3
	w.now = w.now.Add(time.Hour)
	w.work()
	require.Equal(t, []string{"list", "replay r1 2"}, w.called)
	fresh := newWorld(t, has("r1", "active"))
	fresh.remote[0].LastSuccess = 8
	fresh.work()
	require.Equal(t, []string{"list"}, fresh.called)
	require.EqualValues(t, 9, fresh.row.Offsets.Floor, "what was before is not waited for")
}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, has("r1", "suspended", 3), refusing("replay r1 4", fault.CelonisRejected))
	w.work()
	require.Equal(t, []flows.NotificationEvent{flows.SubscriptionWasSuspended}, w.notices)
	require.Zero(t, w.row.Failures, "that there is nothing to replay is no fault")
	w = newWorld(t, has("r1", "active", 0, 1), func(w *world) { w.remote = nil }, refusing("change r1", fault.SubscriptionNotFound))
	w.work()
	require.Equal(t, []flows.NotificationEvent{flows.EventsMissed}, w.notices)
	require.Equal(t, []any{int64(1), flows.NewOffsets(flows.UnknownOffset), "", fault.SubscriptionRemade}, []any{w.row.Remade, w.row.Offsets, w.row.DeliveredAs, w.row.LastError.Code})
	w = newWorld(t, has("r1", "rejected"))
	w.work()
	require.Equal(t, []any{fault.SubscriptionRejected, 1}, []any{w.row.LastError.Code, w.row.Failures})
}

// Who lost the lease calls and writes nothing more.
func TestALostLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.lose = 1 })
	w.work()
	require.Equal(t, []string{"list"}, w.called)
	require.Equal(t, []any{"", false, 0}, []any{w.row.RemoteID, w.row.Begun, w.row.Failures})
}

// What happened while a look went on is looked at soon.
func TestANudgeDuringALook(t *testing.T) {
	t.Parallel()
	quiet := newWorld(t, has("r1", "active", 0))
	quiet.work()
	require.Equal(t, quiet.now.Add(listener.DefaultPace().Look), quiet.row.NextAt)
	w := newWorld(t, has("r1", "active", 0), func(w *world) { w.opened = func() { w.row.Nudge++ } })
	w.work()
	require.Less(t, w.row.NextAt.Sub(w.now), time.Second)
}
