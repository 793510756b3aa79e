package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

const lateOrder = "LATE_ORDER"

// heard is what a flow's answer tells of its subscription.
type heard struct {
	Subscription struct {
		Status                                        string
		ReceivedEvents, RepeatedEvents, MissingEvents int64
	}
}

// emitted are events with the numbers from a first one on.
func emitted(from, n int) []celonissim.Event {
	events := make([]celonissim.Event, n)
	for i := range events {
		events[i].ID = "event-" + strconv.Itoa(from+i)
	}
	return events
}

// A service that is killed while events come, or while it subscribes, has each event once in the end.
func TestKilledListener(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t, func(o *celonissim.Options) {
		o.Limits.KnowledgePerSecond = -1
		o.Events = celonissim.Events{InsecureCallbacks: true, Probe: celonissim.ProbeNone, RetryEvery: 20 * time.Millisecond, BatchSize: 3, Duplicate: true}
	})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	p := newProgram(t, sim.URL).with("CONNECTOR_LISTEN", address, "CONNECTOR_PUBLIC_URL", "http://"+address)
	service := p.serve("all")
	client := p.client(service.url)
	again := func() {
		service.kill()
		service = p.serve("all")
		client = client.At(service.url)
	}
	pool := client.Connect("pool", sim)
	var insight apptest.Connection
	client.Call(http.StatusCreated, "POST", "/v1/connections", map[string]any{
		"name": "insight", "apiType": "intelligence", "domain": sim.Host, "authType": "custom", "appKey": sim.AppKey,
	}, &insight)

	// It dies while it subscribes: Celonis does what the dead one asked for.
	trap := sim.Trap("subscriptions.create", "", 1)
	flow := client.Flow(map[string]any{
		"name": "late orders",
		"export": map[string]any{
			"type": "eventSubscription", "connectionId": insight.ID, "knowledgeModelId": "simulated-package.simulated-model", "triggerId": lateOrder,
			"gather": map[string]any{"seconds": 1},
		},
		"import":  map[string]any{"type": "dataPush", "connectionId": pool, "table": "LATE", "mode": "delta", "keys": []string{"offset"}},
		"mapping": []any{map[string]any{"to": "offset", "type": "integer"}, map[string]any{"to": "eventId", "type": "string"}},
	})
	apptest.Receive(t, trap.Came(), "it subscribes")
	service.kill()
	trap.Release()
	apptest.Eventually(t, func() bool { return len(sim.Subscriptions()) == 1 }, func() string { return "celonis made none" })
	service = p.serve("all")
	client = client.At(service.url)
	state := func() (h heard) {
		client.Call(http.StatusOK, "GET", "/v1/flows/"+flow, nil, &h)
		return h
	}
	apptest.Eventually(t, func() bool { return state().Subscription.Status == "listening" }, func() string { return fmt.Sprintf("%+v", state()) })
	require.Len(t, sim.Subscriptions(), 1)

	const rounds, each = 4, 60
	for i := range rounds {
		begun := sim.Subscriptions()[0].Deliveries
		sim.Emit(lateOrder, emitted(i*each, each)...)
		apptest.Eventually(t, func() bool { return sim.Subscriptions()[0].Deliveries >= begun+5 }, func() string { return "nothing is delivered" })
		again()
	}
	total := int64(rounds * each)
	apptest.Eventually(t, func() bool { h := state(); return h.Subscription.ReceivedEvents == total }, func() string { return fmt.Sprintf("%+v", state()) })
	pushed := func() (n int64) {
		var list struct {
			Items []struct {
				State  string
				Ledger struct{ Pushed int64 }
			}
		}
		client.Call(http.StatusOK, "GET", "/v1/flows/"+flow+"/runs?limit=200", nil, &list)
		for _, r := range list.Items {
			if r.State == "succeeded" {
				n += r.Ledger.Pushed
			}
		}
		return n
	}
	apptest.Eventually(t, func() bool { return pushed() >= total }, func() string { return fmt.Sprint(pushed(), " of ", total) })
	require.Equal(t, total, pushed(), "an event was pushed twice")
	got := apptest.Column(sim.MustTable("LATE"), "eventId")
	want := make([]string, 0, total)
	for _, e := range emitted(0, int(total)) {
		want = append(want, e.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(t, want, got)
	require.Zero(t, state().Subscription.MissingEvents)
	require.Positive(t, state().Subscription.RepeatedEvents)
}
