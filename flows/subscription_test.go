package flows_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/fault"
)

func TestWhereCelonisDeliversTo(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"https://c.example.com":       "https://c.example.com/hooks/events/",
		"https://c.example.com/base/": "https://c.example.com/base/hooks/events/",
		"http://127.0.0.1:8080":       "http://127.0.0.1:8080/hooks/events/",
		"http://localhost":            "http://localhost/hooks/events/",
		"http://[::1]:1":              "http://[::1]:1/hooks/events/",
	} {
		base, err := flows.Callback(given)
		require.NoError(t, err, given)
		require.Equal(t, want, base)
	}
	for _, given := range []string{
		"", " ", "http://c.example.com", "http://10.0.0.1", "ftp://127.0.0.1", "c.example.com", "https://", "https://u:p@c.example.com", "https://c.example.com?x=1",
		"https://c.example.com#x", "https://" + strings.Repeat("c", 1000) + ".example.com", "http://127.0.0.1.example.com",
	} {
		_, err := flows.Callback(given)
		require.Equal(t, fault.SubscriptionPublicURL, fault.CodeOf(err), given)
		require.Contains(t, fault.From(err).Hint, "CONNECTOR_PUBLIC_URL", given)
	}
}

// taker is a subscription store that notes what it is given.
type taker struct {
	flows.SubscriptionStore
	posts []flows.EventPost
	fault error
	noted []fault.Code
}

func (s *taker) StoreEvents(_ context.Context, p flows.EventPost) (*flows.EventReceipt, error) {
	s.posts = append(s.posts, p)
	return &flows.EventReceipt{Received: int64(len(p.Events))}, s.fault
}

func (s *taker) NoteDeliveryError(_ context.Context, _ string, e flows.SubscriptionError) error {
	s.noted = append(s.noted, e.Code)
	return nil
}

// listener gives a service over a store of events, and a flow that listens.
func listener(t *testing.T) (*flows.Service, *taker, *flows.Listening) {
	t.Helper()
	store := &taker{}
	s := flows.NewService(flows.Deps{
		Subscriptions: store, Now: func() time.Time { return hookNow }, NewID: func() string { return "id" }, Log: slog.New(slog.DiscardHandler),
	})
	f := &flows.Flow{ID: "f", Workspace: "w", Enabled: true, Spec: flows.Spec{Export: flows.Export{Type: flows.ExportEventSubscription}}}
	return s, store, &flows.Listening{Flow: f, Subscription: &flows.Subscription{ID: "s", AuthHash: flows.HashCallbackToken("Bearer second")}}
}

func TestADeliveryIsStoredInOrder(t *testing.T) {
	t.Parallel()
	s, store, l := listener(t)
	receipt, err := s.TakeEvents(t.Context(), l, []byte(`[{"offset":9,"subscription-id":"r"},{"offset":2},{"offset":5,"subscription-id":"r"}]`))
	require.NoError(t, err)
	require.EqualValues(t, 3, receipt.Received)
	p := store.posts[0]
	require.Equal(t, []any{"r", "id", int64(0), flows.Waiting}, []any{p.RemoteID, p.BatchID, p.Fence, p.Run.State})
	require.Equal(t, []int64{2, 5, 9}, []int64{p.Events[0].Offset, p.Events[1].Offset, p.Events[2].Offset})
	require.Equal(t, flows.Full{Records: flows.DefaultGatherRows, Bytes: flows.DefaultGatherBytes}, p.Full)
}

func TestDeliveriesThatAreNotTaken(t *testing.T) {
	t.Parallel()
	s, store, l := listener(t)
	for body, code := range map[string]fault.Code{
		`[{"offset":1,"subscription-id":"a"},{"offset":2,"subscription-id":"b"}]`: fault.SubscriptionEvents,
		`[{"offset":-1}]`: fault.SubscriptionEvents, `{`: fault.RequestMalformed,
	} {
		_, err := s.TakeEvents(t.Context(), l, []byte(body))
		require.Equal(t, code, fault.CodeOf(err), body)
	}
	require.Empty(t, store.posts)
	require.Len(t, store.noted, 3)

	// A look at the address is one before anything came; after that its body must be known.
	_, err := s.TakeEvents(t.Context(), l, []byte(`{"message":"ping"}`))
	require.NoError(t, err)
	l.Subscription.LastDeliveryAt = hookNow
	_, err = s.TakeEvents(t.Context(), l, []byte(`{"message":"ping"}`))
	require.Equal(t, fault.SubscriptionEvents, fault.CodeOf(err))
	_, err = s.TakeEvents(t.Context(), l, []byte(`[]`))
	require.NoError(t, err)

	store.fault = fault.New(fault.StoreUnavailable, "gone")
	_, err = s.TakeEvents(t.Context(), l, []byte(`[{"offset":1}]`))
	require.Equal(t, fault.StoreUnavailable, fault.CodeOf(err))
	require.Len(t, store.noted, 4, "that the database is gone is no fault of the delivery")

	l.Flow.Enabled = false
	_, err = s.TakeEvents(t.Context(), l, []byte(`[{"offset":1}]`))
	require.Equal(t, fault.SubscriptionDisabled, fault.CodeOf(err))
	require.False(t, fault.From(err).ResumeAt.IsZero())
}

func TestOnlyCelonisKnowsTheHeader(t *testing.T) {
	t.Parallel()
	s, _, l := listener(t)
	require.NoError(t, s.VerifyEvents(l, []string{"Bearer second"}))
	for _, given := range [][]string{nil, {""}, {"Bearer other"}, {"bearer second"}, {"Bearer second", "Bearer second"}} {
		require.Equal(t, fault.WebhookUnauthenticated, fault.CodeOf(s.VerifyEvents(l, given)), "%q", given)
	}
}

func TestCallbackSecretsOpenInTheirPlaceOnly(t *testing.T) {
	t.Parallel()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	keyring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	sub := &flows.Subscription{ID: "s", Workspace: "w"}
	sub.Envelope, err = keyring.Seal(crypto.NewSecret(`["t","Bearer a"]`), crypto.AAD{Workspace: "w", Kind: flows.SealedSubscription, ID: "s", Field: flows.SubscriptionSecrets})
	require.NoError(t, err)
	secrets, err := flows.OpenCallback(keyring, sub)
	require.NoError(t, err)
	require.Equal(t, []string{"https://c/t", "Bearer a"}, []string{secrets.Address("https://c/").Reveal(), secrets.Authorization.Reveal()})
	for _, moved := range []flows.Subscription{{ID: "x", Workspace: "w", Envelope: sub.Envelope}, {ID: "s", Workspace: "x", Envelope: sub.Envelope}} {
		_, err = flows.OpenCallback(keyring, &moved)
		require.Equal(t, fault.SecretUnsealed, fault.CodeOf(err))
	}
}

// Whatever repeats, overlaps or comes late, each event of a subscription is taken once.
func TestEventsAreTakenOnce(t *testing.T) {
	t.Parallel()
	s := &flows.Subscription{Offsets: flows.NewOffsets(flows.UnknownOffset), NextAt: hookNow.Add(time.Hour)}
	take := func(remote string, offsets ...int64) []int64 {
		t.Helper()
		p := flows.EventPost{RemoteID: remote, Now: hookNow}
		for _, o := range offsets {
			p.Events = append(p.Events, flows.EventRecord{Offset: o, Line: []byte("{}\n")})
		}
		taken, err := s.Take(p)
		require.NoError(t, err)
		got := []int64{}
		for _, e := range taken {
			got = append(got, e.Offset)
		}
		return got
	}
	require.Equal(t, []int64{4, 5}, take("r", 4, 5))
	require.EqualValues(t, 4, s.Offsets.Floor, "the first that comes is where it begins")
	require.Equal(t, []int64{6}, take("r", 4, 5, 6))
	require.Equal(t, hookNow.Add(time.Hour), s.NextAt)
	require.Equal(t, []int64{9}, take("r", 9))
	require.Equal(t, hookNow.Add(flows.GapGrace), s.NextAt, "a gap is looked at soon")
	require.Equal(t, []int64{2, 7}, take("", 2, 7, 7))
	require.Empty(t, take("r", 2, 4, 5, 6, 7, 9))
	require.Equal(t, []int64{6, 9}, []int64{s.Received, s.Repeated})

	s.Expect(flows.ReplayAsk{FromOffset: flows.UnknownOffset})
	require.Empty(t, s.Offsets.Gaps(), "what is left out is not missing")
	require.Equal(t, []int64{20}, take("r", 20))
	require.Empty(t, s.Offsets.Gaps())
	s.Replay = &flows.ReplayAsk{FromOffset: 9, Again: true}
	s.Expect(*s.Replay)
	require.Equal(t, []int64{9, 20}, take("r", 9, 20))
	s.Expect(*s.Replay)
	require.Empty(t, take("r", 9, 20), "as new once")
}

// eventStore is formStore with a connection to the Intelligence API.
type eventStore struct{ formStore }

func (s eventStore) Connection(ctx context.Context, workspace, id string) (*connections.Connection, error) {
	if id == "insight" {
		return &connections.Connection{APIType: connections.Intelligence}, nil
	}
	return s.formStore.Connection(ctx, workspace, id)
}

// TestFormOfEvents: the form says of an export of events what the API says.
func TestFormOfEvents(t *testing.T) {
	t.Parallel()
	schema := compiled(t, flows.Form())
	service := flows.NewService(flows.Deps{Flows: formStore{}, Files: formStore{}, Connections: eventStore{}, CheckMapping: mapping.Check, Now: time.Now})
	base := object{"name": "N", "import": object{"type": "dataPush", "connectionId": "c", "table": "T"}}
	events := object{"type": "eventSubscription", "connectionId": "insight", "knowledgeModelId": "p.km", "triggerId": "t"}
	for _, c := range []struct {
		name   string
		export object
		good   bool
	}{
		{"events", events, true},
		{"events with everything", with(events, object{"name": "n", "skipErrors": true, "startFrom": "12", "gather": object{"seconds": 60}}), true},
		{"events from now on", with(events, object{"startFrom": "latest"}), true},
		{"events from nowhere", with(events, object{"startFrom": "x"}), false},
		{"events from below", with(events, object{"startFrom": "-1"}), false},
		{"events without a connection", with(events, object{"connectionId": nil}), false},
		{"events without a model", with(events, object{"knowledgeModelId": nil}), false},
		{"events without a trigger", with(events, object{"triggerId": nil}), false},
		{"events of a record", with(events, object{"record": "R"}), false},
		{"events since", with(events, object{"delta": object{"mode": "delta", "field": "offset"}}), false},
		{"records of a trigger", object{"type": "records", "triggerId": "t"}, false},
		{"records with a name", object{"type": "records", "name": "n"}, false},
		{"a model's trigger", object{"type": "knowledgeModel", "connectionId": "insight", "knowledgeModelId": "p.km", "record": "R", "triggerId": "t"}, false},
	} {
		text, err := json.Marshal(with(base, object{"export": c.export}))
		require.NoError(t, err)
		var spec flows.Spec
		require.NoError(t, json.Unmarshal(text, &spec))
		checked, err := service.Check(t.Context(), "ws", spec)
		require.Equal(t, c.good, err == nil, "the API on %s: %v", c.name, err)
		if c.good {
			require.NotEmpty(t, checked.Export.StartFrom, c.name)
			require.NotNil(t, checked.Export.Gather, c.name)
		}
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		require.NoError(t, err)
		err = schema.Validate(instance)
		require.Equal(t, c.good, err == nil, "the form on %s: %v", c.name, err)
	}
}
