package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

const (
	eventToken = "Zq9sQ0vX1mB7nKx2hC5tYpW9aLrE3uDfGzJ6iOqNcVb"
	eventAuth  = "Bearer the-second-secret"
)

// fakeSubscriptions knows one address, and the flow of the other fakes.
type fakeSubscriptions struct {
	state *flows.Subscription
	asked []flows.ReplayAsk
	taken []string
	take  error
}

func (f *fakeSubscriptions) Listening(_ context.Context, token crypto.Secret) (*flows.Listening, error) {
	if token.Reveal() != eventToken {
		return nil, fault.New(fault.SubscriptionNotFound, "there is no such subscription")
	}
	return &flows.Listening{Flow: aFlow(), Subscription: &flows.Subscription{}}, nil
}

func (f *fakeSubscriptions) VerifyEvents(_ *flows.Listening, authorization []string) error {
	if len(authorization) != 1 || authorization[0] != eventAuth {
		return fault.New(fault.WebhookUnauthenticated, "the header Authorization is not the one that celonis was given")
	}
	return nil
}

func (f *fakeSubscriptions) TakeEvents(_ context.Context, _ *flows.Listening, body []byte) (*flows.EventReceipt, error) {
	f.taken = append(f.taken, string(body))
	return &flows.EventReceipt{Received: 2, Repeated: 1}, f.take
}

func (f *fakeSubscriptions) Subscription(context.Context, string, string) (*flows.Subscription, error) {
	return f.state, nil
}

func (f *fakeSubscriptions) AskReplay(_ context.Context, _, id string, ask flows.ReplayAsk) (*flows.Flow, error) {
	f.asked = append(f.asked, ask)
	return aListener(), none(fault.FlowNotFound, id, flowID)
}

// aListener is a flow that listens to events.
func aListener() *flows.Flow {
	f := aFlow()
	f.Export = flows.Export{Type: flows.ExportEventSubscription, ConnectionID: connectionID, KnowledgeModelID: "p.km", TriggerID: "t", StartFrom: flows.StartLatest}
	return f
}

func TestEventsAreStoredBeforeTheyAreAnswered(t *testing.T) {
	t.Parallel()
	fake := &fakeSubscriptions{}
	s := setup(t, func(d *httpapi.Deps) { d.Subscriptions = fake })
	at := "/hooks/events/" + eventToken
	proof, nothing := []string{"Authorization", eventAuth}, []string{"Authorization", ""}
	for _, tt := range []struct {
		method, path, body string
		header             []string
		status             int
		answer             string
	}{
		{"POST", at, "[1]", proof, http.StatusOK, `{"received":2,"repeated":1}`},
		{"POST", at, "[1]", nothing, http.StatusUnauthorized, ""},
		{"POST", at, "[1]", []string{"Authorization", "Bearer x"}, http.StatusUnauthorized, ""},
		{"POST", at, "", nothing, http.StatusOK, `{"received":2,"repeated":1}`},
		{"POST", at + "x", "[1]", proof, http.StatusNotFound, ""},
		{"GET", at, "", nothing, http.StatusOK, `{"received":0,"repeated":0}`},
		{"GET", at + "x", "", nothing, http.StatusNotFound, ""},
		{"HEAD", at, "", nothing, http.StatusOK, ""},
		{"HEAD", at + "x", "", nothing, http.StatusNotFound, ""},
	} {
		w := s.ask(tt.method+" "+tt.path, tt.body, tt.header...)
		require.Equal(t, tt.status, w.status, "%s %s: %s", tt.method, tt.body, w.body)
		if tt.answer != "" {
			require.JSONEq(t, tt.answer, w.body)
		}
	}
	require.Equal(t, []string{"[1]", ""}, fake.taken)
	require.NotContains(t, s.log.String(), eventToken)

	fake.take = fault.New(fault.StoreUnavailable, "the database does not answer")
	w := s.ask("POST "+at, "[1]", proof...)
	require.Equal(t, http.StatusServiceUnavailable, w.status)
	require.NotEmpty(t, w.header.Get("Retry-After"))
	w = s.ask("POST "+at, "["+strings.Repeat(" ", flows.MaxEventsBody)+"]", proof...)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.status)
}

func TestTheStateOfASubscription(t *testing.T) {
	t.Parallel()
	o := flows.NewOffsets(3)
	for _, n := range []int64{3, 4, 7, 11} {
		o.Add(n)
	}
	o.GiveUp(flows.OffsetRange{From: 5, To: 6})
	state := &flows.Subscription{
		RemoteID: "s1", RemoteStatus: flows.RemoteActive, Wish: flows.WantActive, Offsets: o, Received: 4, Repeated: 2, LastDeliveryAt: epoch(), CheckedAt: epoch(),
		LastError: &flows.SubscriptionError{Code: fault.SubscriptionMissed, Message: "m", Hint: "h", At: epoch()}, Replay: &flows.ReplayAsk{FromOffset: 5},
	}
	fake := &fakeSubscriptions{state: state}
	s := setup(t, func(d *httpapi.Deps) { d.Subscriptions = fake })
	s.flows.get = func() (*flows.Flow, error) { return aListener(), nil }
	w := s.ask("GET /v1/flows/"+flowID, "")
	require.Equal(t, http.StatusOK, w.status, w.body)
	require.Equal(t, map[string]any{
		"id": "s1", "status": "repairing", "celonisStatus": "active", "desired": "active", "lastOffset": 11.0, "contiguousOffset": 7.0,
		"gaps": []any{
			map[string]any{"from": 8.0, "to": 10.0, "state": "missing"}, map[string]any{"from": 5.0, "to": 6.0, "state": "missed"},
		},
		"missingEvents": 3.0, "missedEvents": 2.0, "receivedEvents": 4.0, "repeatedEvents": 2.0, "remade": 0.0,
		"lastDeliveryAt": "2026-03-01T08:30:00.123456Z", "checkedAt": "2026-03-01T08:30:00.123456Z",
		"lastError": map[string]any{"code": "subscription.events_missed", "message": "m", "hint": "h", "at": "2026-03-01T08:30:00.123456Z"},
		"replay":    map[string]any{"fromOffset": 5.0},
	}, w.json(t)["subscription"])
}

func TestAReplayIsAskedFor(t *testing.T) {
	t.Parallel()
	fake := &fakeSubscriptions{state: &flows.Subscription{Wish: flows.WantActive, Offsets: flows.NewOffsets(flows.UnknownOffset)}}
	s := setup(t, func(d *httpapi.Deps) { d.Subscriptions = fake })
	at := "/v1/flows/" + flowID + "/subscription/"
	for _, tt := range []struct {
		path, body string
		status     int
	}{
		{"replay", `{"fromOffset":0}`, http.StatusAccepted}, {"replay", `{"fromOffset":7,"again":true}`, http.StatusAccepted},
		{"replay", `{"fromOffset":-1}`, http.StatusUnprocessableEntity}, {"replay", `{}`, http.StatusUnprocessableEntity},
		{"replay", `{"fromOffset":1,"x":1}`, http.StatusUnprocessableEntity}, {"resume-from-latest", "", http.StatusAccepted},
	} {
		w := s.ask("POST "+at+tt.path, tt.body)
		require.Equal(t, tt.status, w.status, "%s: %s", tt.body, w.body)
	}
	require.Equal(t, []flows.ReplayAsk{{FromOffset: 0}, {FromOffset: 7, Again: true}, {FromOffset: flows.UnknownOffset}}, fake.asked)
}
