package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/listener"
)

// brisk is a pace for tests.
func brisk() listener.Pace {
	return listener.Pace{
		Look: 150 * time.Millisecond, First: 20 * time.Millisecond, Longest: 200 * time.Millisecond, Replay: 30 * time.Millisecond, Tries: 3, Lease: 30 * time.Second,
	}
}

// subscriber is a service at an address that a simulator may deliver to; it may call others too.
func subscriber(t testing.TB, pace listener.Pace, sim *apptest.Sim, others ...string) *service {
	t.Helper()
	cfg := settings(t, append(others, sim.URL)...)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg.Listen = free.Addr().String()
	cfg.PublicURL = "http://" + cfg.Listen
	require.NoError(t, free.Close())
	return startWith(t, cfg, append(quickNotices(), app.WithListeningPace(pace)))
}

// eventSim is a simulator that delivers to this machine.
func eventSim(t testing.TB, change ...func(*celonissim.Events)) *apptest.Sim {
	return apptest.NewSim(t, func(o *celonissim.Options) {
		o.Limits.KnowledgePerSecond = -1
		model := &o.Teams[0].KnowledgeModels[0]
		model.Triggers = append(model.Triggers, celonissim.Trigger{ID: "EARLY_ORDER", Name: "Order is early", Record: "PURCHASE_ORDER"})
		o.Events = celonissim.Events{InsecureCallbacks: true, RetryEvery: 20 * time.Millisecond}
		for _, c := range change {
			c(&o.Events)
		}
	})
}

const lateOrder = "LATE_ORDER"

// eventSpec is a flow that listens to late orders, whose rows are told apart by their offset and id.
func eventSpec(from, to, table string) map[string]any {
	return map[string]any{
		"name": "late orders to " + table,
		"export": map[string]any{
			"type": "eventSubscription", "connectionId": from, "knowledgeModelId": "simulated-package.simulated-model", "triggerId": lateOrder,
			"gather": map[string]any{"seconds": 0},
		},
		"import":  map[string]any{"type": "dataPush", "connectionId": to, "table": table, "mode": "delta", "keys": []string{"ROW"}},
		"mapping": []any{rule("ORDER_ID", "string"), rule("NET_VALUE", "float"), rule("OFFSET", "integer", "from", "offset"), rule("EVENT", "string", "from", "eventId"), rule("ROW", "string", "expr", `string(record.subscriptionId) + "/" + string(record.offset)`)},
	}
}

// lateOrders are events with the numbers from a first one on.
func lateOrders(from, n int) []celonissim.Event {
	out := make([]celonissim.Event, n)
	for i := range out {
		no := strconv.Itoa(from + i)
		out[i] = celonissim.Event{ID: "event-" + no, Identifier: no, Fields: []celonissim.EventField{
			{ID: "ORDER_ID", Value: "order-" + no, Type: "STRING", IsIdentifier: true}, {ID: "NET_VALUE", Value: from + i, Type: "FLOAT"},
		}}
	}
	return out
}

// subscriptionState is what a flow's answer tells of its subscription.
type subscriptionState struct {
	ID, CelonisStatus            *string
	Status, Desired              string
	LastOffset, ContiguousOffset *int64
	Gaps                         []struct {
		From, To int64
		State    string
	}
	MissingEvents, MissedEvents    int64
	ReceivedEvents, RepeatedEvents int64
	Remade                         int64
	LastError                      *struct{ Code, Message, Hint string }
	Replay                         *struct{ FromOffset *int64 }
}

func (s *service) subscription(flow string) (state subscriptionState) {
	s.t.Helper()
	var f struct{ Subscription *subscriptionState }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow, nil, &f)
	require.NotNil(s.t, f.Subscription)
	return *f.Subscription
}

// awaitSubscription waits until a flow's subscription is as wanted.
func (s *service) awaitSubscription(flow string, wanted func(subscriptionState) bool) (state subscriptionState) {
	s.t.Helper()
	apptest.Eventually(s.t, func() bool { state = s.subscription(flow); return wanted(state) }, func() string {
		text, _ := json.Marshal(state)
		return "the subscription stays at " + string(text)
	})
	return state
}

func listening(s subscriptionState) bool { return s.Status == "listening" }

// pushed counts the records that the runs of a flow have pushed.
func (s *service) pushed(flow string) (n int64) {
	s.t.Helper()
	var list struct {
		Items []struct {
			State  string
			Ledger struct{ Pushed, Errored int64 }
		}
	}
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow+"/runs?limit=200", nil, &list)
	for _, r := range list.Items {
		require.Zero(s.t, r.Ledger.Errored)
		if r.State == "succeeded" {
			n += r.Ledger.Pushed
		}
	}
	return n
}

// requireEvents waits until a flow has pushed so many events, and demands that
// these are in the table and that none was pushed twice.
func (s *service) requireEvents(flow string, table *apptest.Sim, name string, want []string) {
	s.t.Helper()
	apptest.Eventually(s.t, func() bool { return s.pushed(flow) >= int64(len(want)) },
		func() string {
			return fmt.Sprintf("%d of %d events are pushed: %+v", s.pushed(flow), len(want), s.subscription(flow))
		})
	require.EqualValues(s.t, len(want), s.pushed(flow))
	got := apptest.Column(table.MustTable(name), "EVENT")
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	require.Equal(s.t, want, got)
}

func names(from, n int) (out []string) {
	for i := range n {
		out = append(out, "event-"+strconv.Itoa(from+i))
	}
	return out
}

func TestEventsOfATriggerReachATable(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	state := s.awaitSubscription(flow, listening)
	made := sim.Subscriptions()
	require.Len(t, made, 1)
	require.Equal(t, *state.ID, made[0].ID)
	require.Contains(t, made[0].URI, s.cfg.PublicURL+"/hooks/events/")
	require.Contains(t, made[0].Name, "late orders to LATE [")
	require.Equal(t, 1, sim.Emit(lateOrder, lateOrders(0, 50)...))
	s.requireEvents(flow, sim, "LATE", names(0, 50))
	state = s.subscription(flow)
	require.Equal(t, []any{"listening", "active", int64(49), int64(49), int64(50), int64(0)},
		[]any{state.Status, *state.CelonisStatus, *state.LastOffset, *state.ContiguousOffset, state.ReceivedEvents, state.RepeatedEvents})
	value, _ := sim.MustTable("LATE").Value("NET_VALUE", 0)
	require.NotEmpty(t, value)
}

// However Celonis writes, tries and delivers, each event is a row once.
func TestEventsInEveryForm(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]func(*celonissim.Events){
		"everything twice":       func(e *celonissim.Events) { e.Duplicate = true },
		"in reverse":             func(e *celonissim.Events) { e.Reverse, e.BatchSize = true, 7 },
		"one by one":             func(e *celonissim.Events) { e.SingleEvents = true },
		"camelCase, a bare id":   func(e *celonissim.Events) { e.CamelCase, e.BareID = true, true },
		"another id":             func(e *celonissim.Events) { e.OtherID = true },
		"offsets from 5, hidden": func(e *celonissim.Events) { e.FirstOffset, e.HideCallback = 5, true },
		"an empty look":          func(e *celonissim.Events) { e.Probe = celonissim.ProbeEmpty },
		"a look with an object":  func(e *celonissim.Events) { e.Probe = celonissim.ProbeObject },
		"a look by GET":          func(e *celonissim.Events) { e.Probe = celonissim.ProbeGet },
		"a look by HEAD":         func(e *celonissim.Events) { e.Probe = celonissim.ProbeHead },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := eventSim(t, how)
			s := subscriber(t, brisk(), sim)
			flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
			s.awaitSubscription(flow, listening)
			sim.Emit(lateOrder, lateOrders(0, 12)...)
			s.requireEvents(flow, sim, "LATE", names(0, 12))
			sim.Emit(lateOrder, lateOrders(12, 8)...)
			s.requireEvents(flow, sim, "LATE", names(0, 20))
			require.Len(t, sim.Subscriptions(), 1)
		})
	}
}

// Nothing is lost through a stop and a start, whatever happens meanwhile.
func TestEventsThroughARestart(t *testing.T) {
	t.Parallel()
	sim := eventSim(t, func(e *celonissim.Events) { e.BatchSize = 5 })
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	s.awaitSubscription(flow, listening)
	for i := range 4 {
		sim.Emit(lateOrder, lateOrders(20*i, 10)...)
		s.stop()
		sim.Emit(lateOrder, lateOrders(20*i+10, 10)...)
		apptest.Eventually(t, func() bool { return sim.Subscriptions()[0].Status == "failed" }, func() string { return "celonis does not notice" })
		s.restart()
	}
	s.requireEvents(flow, sim, "LATE", names(0, 80))
	s.awaitSubscription(flow, listening)
	require.Len(t, sim.Subscriptions(), 1)
}

func TestAGapIsReplayed(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	s.awaitSubscription(flow, listening)
	sim.Emit(lateOrder, lateOrders(0, 3)...)
	s.requireEvents(flow, sim, "LATE", names(0, 3))
	sim.EmitDropping(lateOrder, []int64{4, 5, 7}, lateOrders(3, 7)...)
	s.requireEvents(flow, sim, "LATE", names(0, 10))
	state := s.awaitSubscription(flow, listening)
	require.Empty(t, state.Gaps)
	require.Zero(t, state.MissedEvents)
	// The last is what Celonis takes for delivered: nothing that comes after shows that it is missing.
	sim.EmitDropping(lateOrder, []int64{12}, lateOrders(10, 3)...)
	s.requireEvents(flow, sim, "LATE", names(0, 13))
}

func TestAGapThatDoesNotFillIsTold(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	hook := newReceiver(t, 0)
	s := subscriber(t, brisk(), sim, hook.URL)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	s.notification(webhookTo(hook.URL, "eventsMissed"))
	s.awaitSubscription(flow, listening)
	sim.EmitLosing(lateOrder, []int64{2, 3}, lateOrders(0, 6)...)
	state := s.awaitSubscription(flow, func(st subscriptionState) bool { return st.MissedEvents == 2 && listening(st) })
	require.Equal(t, "subscription.events_missed", state.LastError.Code)
	require.Equal(t, []any{int64(2), int64(3), "missed"}, []any{state.Gaps[0].From, state.Gaps[0].To, state.Gaps[0].State})
	sim.Emit(lateOrder, lateOrders(6, 2)...)
	s.requireEvents(flow, sim, "LATE", []string{"event-0", "event-1", "event-4", "event-5", "event-6", "event-7"})
	apptest.Eventually(t, func() bool { return len(hook.events()) == 1 }, func() string { return fmt.Sprint(hook.events()) })
	require.Equal(t, []string{"eventsMissed"}, hook.events())
}

func TestASuspendedSubscriptionIsResumed(t *testing.T) {
	t.Parallel()
	sim := eventSim(t, func(e *celonissim.Events) { e.SuspendAfter = 3 })
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	s.awaitSubscription(flow, listening)
	sim.Emit(lateOrder, lateOrders(0, 2)...)
	s.requireEvents(flow, sim, "LATE", names(0, 2))
	s.stop()
	sim.Emit(lateOrder, lateOrders(2, 8)...)
	apptest.Eventually(t, func() bool { return sim.Subscriptions()[0].Status == "suspended" }, func() string { return "it is not suspended" })
	s.restart()
	s.requireEvents(flow, sim, "LATE", names(0, 10))
	state := s.awaitSubscription(flow, listening)
	require.Equal(t, "subscription.suspended", state.LastError.Code)
	require.Contains(t, state.LastError.Hint, "CONNECTOR_PUBLIC_URL")
}

// A create whose answer is lost makes one subscription, found again by its mark.
func TestASubscriptionIsNeverMadeTwice(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	sim.AddFault(celonissim.Fault{Route: "subscriptions.create", Cut: celonissim.CutBeforeAnswer, Times: 1})
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	s.awaitSubscription(flow, listening)
	require.EqualValues(t, 1, sim.Counts()["subscriptions.create"].Requests)
	require.Len(t, sim.Subscriptions(), 1)
	sim.Emit(lateOrder, lateOrders(0, 4)...)
	s.requireEvents(flow, sim, "LATE", names(0, 4))
}

func TestASubscriptionThatWasDeletedInCelonis(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	first := s.awaitSubscription(flow, listening)
	sim.Emit(lateOrder, lateOrders(0, 4)...)
	s.requireEvents(flow, sim, "LATE", names(0, 4))
	require.True(t, sim.SetSubscription(*first.ID, "deleted"))
	second := s.awaitSubscription(flow, func(st subscriptionState) bool { return st.Remade == 1 && listening(st) })
	require.NotEqual(t, *first.ID, *second.ID)
	require.Equal(t, "subscription.made_anew", second.LastError.Code)
	// Its offsets begin anew, and are those of other events.
	sim.Emit(lateOrder, lateOrders(4, 4)...)
	s.requireEvents(flow, sim, "LATE", names(0, 8))
	require.Len(t, sim.Subscriptions(), 1)
}

// The subscription follows its flow.
func TestASubscriptionFollowsItsFlow(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	spec := eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE")
	flow := s.Flow(spec)
	at := "/v1/flows/" + flow
	s.awaitSubscription(flow, listening)
	only := func(wanted func(celonissim.SubscriptionState) bool) (state celonissim.SubscriptionState) {
		t.Helper()
		apptest.Eventually(t, func() bool {
			list := sim.Subscriptions()
			if len(list) != 1 {
				return false
			}
			state = list[0]
			return wanted(state)
		}, func() string { return fmt.Sprintf("celonis has %+v", sim.Subscriptions()) })
		return state
	}
	first := only(func(st celonissim.SubscriptionState) bool { return st.Status == "active" })

	s.Call(http.StatusOK, "POST", at+"/disable", nil, nil)
	only(func(st celonissim.SubscriptionState) bool { return st.Status == "paused" })
	s.awaitSubscription(flow, func(st subscriptionState) bool { return st.Status == "paused" && st.Desired == "paused" })
	sim.Emit(lateOrder, lateOrders(0, 3)...)
	require.Equal(t, "flow.disabled", s.Problem(http.StatusConflict, "POST", at+"/subscription/replay", map[string]any{"fromOffset": 0}).Code)
	s.Call(http.StatusOK, "POST", at+"/enable", nil, nil)
	s.requireEvents(flow, sim, "LATE", names(0, 3))

	s.Call(http.StatusOK, "PATCH", at, map[string]any{"export": map[string]any{"name": "renamed", "skipErrors": true}}, nil)
	second := only(func(st celonissim.SubscriptionState) bool { return len(st.Configurations) == 1 })
	require.Contains(t, second.Name, "renamed [")
	require.Equal(t, first.ID, second.ID)

	s.Call(http.StatusOK, "PATCH", at, map[string]any{"export": map[string]any{"triggerId": "EARLY_ORDER"}}, nil)
	third := only(func(st celonissim.SubscriptionState) bool { return st.Trigger == "EARLY_ORDER" })
	require.NotEqual(t, first.ID, third.ID)
	require.NotEqual(t, first.URI, third.URI)
	status, _ := s.deliverEvents(first.URI, first.Headers["Authorization"], []byte("[]"))
	require.Equal(t, http.StatusNotFound, status)

	s.Call(http.StatusNoContent, "DELETE", at, nil, nil)
	apptest.Eventually(t, func() bool { return len(sim.Subscriptions()) == 0 }, func() string { return "it stays in celonis" })
	status, _ = s.deliverEvents(third.URI, third.Headers["Authorization"], []byte("[]"))
	require.Equal(t, http.StatusNotFound, status)
}

func TestAReplayOnDemand(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	at := "/v1/flows/" + flow + "/subscription"
	s.awaitSubscription(flow, listening)
	sim.Emit(lateOrder, lateOrders(0, 6)...)
	s.requireEvents(flow, sim, "LATE", names(0, 6))
	s.Call(http.StatusAccepted, "POST", at+"/replay", map[string]any{"fromOffset": 2}, nil)
	state := s.awaitSubscription(flow, func(st subscriptionState) bool { return st.Replay == nil && st.RepeatedEvents == 4 })
	require.EqualValues(t, 6, state.ReceivedEvents)
	s.Call(http.StatusAccepted, "POST", at+"/replay", map[string]any{"fromOffset": 4, "again": true}, nil)
	s.awaitSubscription(flow, func(st subscriptionState) bool { return st.ReceivedEvents == 8 && listening(st) })
	require.Equal(t, "request.invalid", s.Problem(http.StatusUnprocessableEntity, "POST", at+"/replay", map[string]any{"fromOffset": -1}).Code)
	require.Equal(t, "request.invalid", s.Problem(http.StatusUnprocessableEntity, "POST", at+"/replay", map[string]any{}).Code)
	s.Call(http.StatusAccepted, "POST", at+"/resume-from-latest", nil, nil)
	s.awaitSubscription(flow, func(st subscriptionState) bool { return st.Replay == nil })
	require.EqualValues(t, 1, sim.Counts()["subscriptions.resumeFromLatest"].Requests)
	events := s.events("kind=flow&id=" + flow + "&action=updated")
	require.Len(t, events, 3)
	other := s.fileFlow(s.Connect("another", sim), "T", "csv", "A\n1\n")
	require.Equal(t, "flow.not_a_subscription_flow", s.Problem(http.StatusConflict, "POST", "/v1/flows/"+other+"/subscription/replay", map[string]any{"fromOffset": 0}).Code)
}

func TestAListenerNeedsAPublicAddress(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	for _, address := range []string{"", "http://connector.example.com", "https://user@connector.example.com", "ftp://127.0.0.1"} {
		cfg := settings(t, sim.URL)
		cfg.PublicURL = address
		s := start(t, cfg, app.API)
		spec := eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE")
		p := s.Problem(http.StatusConflict, "POST", "/v1/flows", spec)
		require.Equal(t, "subscription.public_url_missing", p.Code)
		require.Contains(t, p.Hint, "CONNECTOR_PUBLIC_URL")
	}
}

// deliverEvents sends a body to an address as Celonis would, and gives the status and the code of a refusal.
func (s *service) deliverEvents(url, authorization string, body []byte) (status int, code string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	var answer struct{ Code string }
	require.NoError(s.t, json.NewDecoder(res.Body).Decode(&answer))
	return res.StatusCode, answer.Code
}

// Who does not know both secrets stores nothing.
func TestStrangersDeliverNoEvents(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	state := s.awaitSubscription(flow, listening)
	made := sim.Subscriptions()[0]
	one := []byte(`[{"subscription-id":"` + *state.ID + `","offset":0,"event-id":"event-0","event":{"id":"event-0","fields":[]}}]`)
	right := made.Headers["Authorization"]
	for _, tt := range []struct {
		url, authorization string
		body               []byte
		status             int
		code               string
	}{
		{made.URI, "", one, http.StatusUnauthorized, "webhook.unauthenticated"},
		{made.URI, "Bearer x", one, http.StatusUnauthorized, "webhook.unauthenticated"},
		{made.URI + "x", right, one, http.StatusNotFound, "subscription.not_found"},
		{made.URI, right, []byte("{"), http.StatusBadRequest, "request.malformed_json"},
		{made.URI, right, []byte(`[{"offset":"x"}]`), http.StatusUnprocessableEntity, "subscription.events_unreadable"},
		{made.URI, "", nil, http.StatusOK, ""},
		{made.URI, right, []byte("[]"), http.StatusOK, ""},
		{made.URI, right, one, http.StatusOK, ""},
		{made.URI, right, []byte(`[{"subscription-id":"another","offset":1}]`), http.StatusConflict, "subscription.not_ours"},
		{made.URI, right, []byte(`[{"message":"what is this"}]`), http.StatusUnprocessableEntity, "subscription.events_unreadable"},
	} {
		status, code := s.deliverEvents(tt.url, tt.authorization, tt.body)
		require.Equal(t, []any{tt.status, tt.code}, []any{status, code}, "%s", tt.body)
	}
	s.requireEvents(flow, sim, "LATE", names(0, 1))
	require.Equal(t, "subscription.events_unreadable", s.subscription(flow).LastError.Code)
	token := made.URI[len(s.cfg.PublicURL+"/hooks/events/"):]
	require.NotContains(t, s.log.String(), token)
	require.NotContains(t, s.log.String(), right)
	require.NotContains(t, string(s.Send("GET", "/v1/flows/"+flow, nil).Body), token)
}

func auditSubscriptions(a *auditor) {
	flow := a.Flow(eventSpec(a.insight(a.sim), a.Connect("for events", a.sim), "EVENTS"))
	a.call("POST /v1/flows/{id}/subscription/replay", "updated flow", map[string]any{"fromOffset": 0}, flow)
	a.call("POST /v1/flows/{id}/subscription/resume-from-latest", "updated flow", nil, flow)
}

// A set-up is moved to a service that Celonis cannot reach yet: its flow waits to be enabled.
func TestAListenerIsMoved(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	from, to := s.insight(sim), s.Connect("pool", sim)
	spec := eventSpec(from, to, "LATE")
	part(spec, "export")["startFrom"] = "0"
	s.awaitSubscription(s.Flow(spec), listening)
	exported := s.Send("GET", "/v1/config/export", nil)
	require.Equal(t, http.StatusOK, exported.Status, "%s", exported.Body)
	require.NotContains(t, string(exported.Body), "hooks")

	other := start(t, settings(t, sim.URL))
	other.insight(sim)
	other.Connect("pool", sim)
	a := other.Send("POST", "/v1/config/import", exported.Body)
	require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
	var list struct {
		Items []struct {
			ID      string
			Enabled bool
			Export  struct{ StartFrom, TriggerID, KnowledgeModelID string }
		}
	}
	other.Call(http.StatusOK, "GET", "/v1/flows", nil, &list)
	require.Len(t, list.Items, 1)
	require.Equal(t, []any{false, "0", lateOrder}, []any{list.Items[0].Enabled, list.Items[0].Export.StartFrom, list.Items[0].Export.TriggerID})
	p := other.Problem(http.StatusConflict, "POST", "/v1/flows/"+list.Items[0].ID+"/enable", nil)
	require.Equal(t, "subscription.public_url_missing", p.Code)
	require.Equal(t, "paused", other.subscription(list.Items[0].ID).Status)
}

// A preview shows the latest events, and needs given ones before the first.
func TestAPreviewOfEvents(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	s.awaitSubscription(flow, listening)
	p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows/"+flow+"/preview", map[string]any{})
	require.Equal(t, "flow.preview_needs_records", p.Code)
	sim.Emit(lateOrder, lateOrders(0, 3)...)
	s.requireEvents(flow, sim, "LATE", names(0, 3))
	var shown struct {
		OK     bool
		Mapped struct {
			Rows []struct{ Values map[string]any }
		}
	}
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/preview", map[string]any{}, &shown)
	require.True(t, shown.OK)
	require.Len(t, shown.Mapped.Rows, 3)
}

// The events from the beginning on are taken where that is wished.
func TestEventsFromTheBeginning(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	s := subscriber(t, brisk(), sim)
	spec := eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE")
	part(spec, "export")["startFrom"] = "0"
	flow := s.Flow(spec)
	s.awaitSubscription(flow, func(st subscriptionState) bool { return st.Replay == nil && listening(st) })
	require.EqualValues(t, 1, sim.Counts()["subscriptions.replay"].Requests)
	// With a beginning that is known, the first is missed when it does not come.
	sim.EmitDropping(lateOrder, []int64{0}, lateOrders(0, 3)...)
	s.requireEvents(flow, sim, "LATE", names(0, 3))
	for _, bad := range []string{"-1", "x", "01", "1.5"} {
		part(spec, "export")["startFrom"] = bad
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", spec)
		require.Equal(t, "/export/startFrom", p.Errors[0].Pointer)
	}
}

// What the listener asks counts against the team's requests of the day, and waits when they are spent.
func TestListeningKeepsToTheBudget(t *testing.T) {
	t.Parallel()
	sim := eventSim(t)
	cfg := settings(t, sim.URL)
	cfg.PublicURL, cfg.IntelligencePerDay = "http://127.0.0.1:1", 3
	s := startWith(t, cfg, []app.Option{app.WithListeningPace(brisk())})
	flow := s.Flow(eventSpec(s.insight(sim), s.Connect("pool", sim), "LATE"))
	state := s.awaitSubscription(flow, func(st subscriptionState) bool {
		return st.LastError != nil && st.LastError.Code == "celonis.budget_spent"
	})
	require.Equal(t, "failing", state.Status)
	var report struct{ Intelligence struct{ Used, Left int64 } }
	s.Call(http.StatusOK, "GET", "/v1/teams/"+sim.Host+"/budget", nil, &report)
	require.Equal(t, []int64{3, 0}, []int64{report.Intelligence.Used, report.Intelligence.Left})
	asked := int64(0)
	for route, c := range sim.Counts() {
		if strings.HasPrefix(route, "subscriptions.") {
			asked += c.Requests
		}
	}
	require.EqualValues(t, 3, asked)
}
