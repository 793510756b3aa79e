package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// orders is an API with records that change, five on a page.
type orders struct {
	mu    sync.Mutex
	at    []time.Time
	asked []string
	// before may answer in the place of the API.
	before func(call int, w http.ResponseWriter, r *http.Request) bool
}

const (
	ordersKey  = "orders-key-8c1f"
	ordersPage = 5
)

var ordersBegin = time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)

// add makes n more records, an hour apart.
func (o *orders) add(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for range n {
		o.at = append(o.at, ordersBegin.Add(time.Duration(len(o.at))*time.Hour))
	}
}

func (o *orders) since() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Compact(slices.Clone(o.asked))
}

func (o *orders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+ordersKey {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	q := r.URL.Query()
	o.asked = append(o.asked, q.Get("since"))
	if o.before != nil && o.before(len(o.asked), w, r) {
		return
	}
	since, _ := time.Parse(time.RFC3339, q.Get("since"))
	type order struct {
		ID      int       `json:"id"`
		Updated time.Time `json:"updatedAt"`
	}
	var items []order
	for i, at := range o.at {
		if !at.Before(since) {
			items = append(items, order{i, at})
		}
	}
	var from int
	_, _ = fmt.Sscan(q.Get("cursor"), &from)
	page := map[string]any{"orders": items[min(from, len(items)):min(from+ordersPage, len(items))]}
	if from+ordersPage < len(items) {
		page["cursor"] = fmt.Sprint(from + ordersPage)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(page)
}

// ordersFlow connects the API and makes a flow that reads what is new of it.
func (s *service) ordersFlow(connection, api string, change ...func(map[string]any)) (flowID string) {
	s.t.Helper()
	var made struct{ ID string }
	s.Call(http.StatusCreated, "POST", "/v1/connections?test=skip", map[string]any{
		"name": "Orders API", "apiType": "http", "baseUrl": api, "authType": "bearer", "token": ordersKey,
	}, &made)
	spec := map[string]any{
		"name": "orders",
		"export": map[string]any{
			"type": "http", "connectionId": made.ID, "itemsPath": "/orders",
			"request": map[string]any{"url": "v1/orders", "query": []map[string]any{{"name": "since", "value": "{{watermark}}"}}},
			"paging":  map[string]any{"type": "token", "tokenParam": "cursor", "tokenPath": "/cursor"},
			"delta":   map[string]any{"mode": "delta", "field": "updatedAt", "lag": "PT1H"},
		},
		"mapping": []map[string]any{{"to": "ID", "from": "id", "type": "integer"}, {"to": "UPDATED", "from": "updatedAt", "type": "datetime"}},
		"import":  map[string]any{"type": "dataPush", "connectionId": connection, "table": "ORDERS", "mode": "delta", "keys": []string{"ID"}},
	}
	for _, c := range change {
		c(spec)
	}
	return s.Flow(spec)
}

// watermark reads where the flow's next run begins.
func (s *service) watermark(flowID string) string {
	s.t.Helper()
	var f struct{ Watermark struct{ Value *string } }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flowID, nil, &f)
	if f.Watermark.Value == nil {
		return ""
	}
	return *f.Watermark.Value
}

// startOver starts a run over a window.
func (s *service) startOver(flowID, from, to string) apptest.Run {
	s.t.Helper()
	var r apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flowID+"/runs", map[string]any{"window": map[string]any{"from": from, "to": to}}, &r)
	return s.AwaitEnd(r.ID)
}

// outsideService is begin with an API that it may read.
func outsideService(t *testing.T, sim *apptest.Sim, api http.Handler) (*service, string) {
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return start(t, settings(t, sim.URL, server.URL)), server.URL
}

func TestDeltaOfAnAPI(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), &orders{}
	s, url := outsideService(t, sim, api)
	flow := s.ordersFlow(s.Connect("pool", sim), url)

	api.add(12)
	apptest.RequireWhole(t, s.Do(flow), 12)
	require.Equal(t, []string{""}, api.since(), "the first run reads everything")
	require.Equal(t, "2026-03-01T11:00:00Z", s.watermark(flow))

	s.restart()
	api.add(6)
	apptest.RequireWhole(t, s.Do(flow), 8)
	require.Equal(t, []string{"", "2026-03-01T10:00:00Z"}, api.since(), "the watermark outlives the process; the lag goes an hour back")
	require.Equal(t, "2026-03-01T17:00:00Z", s.watermark(flow))
	require.Equal(t, 18, sim.MustTable("ORDERS").Rows())

	apptest.RequireWhole(t, s.startOver(flow, "2026-03-01T03:00:00Z", "2026-03-01T06:00:00Z"), 4)
	require.Equal(t, "2026-03-01T17:00:00Z", s.watermark(flow), "a backfill leaves the watermark alone")
	require.Equal(t, 18, sim.MustTable("ORDERS").Rows())

	s.Call(http.StatusOK, "PUT", "/v1/flows/"+flow+"/watermark", map[string]any{"watermark": nil}, nil)
	apptest.RequireWhole(t, s.Do(flow), 18)
	require.NotContains(t, s.log.String(), ordersKey)
}

func TestAFailedRunLeavesTheWatermark(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), &orders{}
	s, url := outsideService(t, sim, api)
	flow := s.ordersFlow(s.Connect("pool", sim), url)
	api.add(3)
	apptest.RequireWhole(t, s.Do(flow), 3)
	api.add(3)
	api.mu.Lock()
	api.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>Sign in</title>")
		return true
	}
	api.mu.Unlock()
	failed := s.Do(flow)
	require.Equal(t, "failed", failed.State)
	require.Equal(t, "source.html", failed.ErrorCode())
	require.Equal(t, "2026-03-01T02:00:00Z", s.watermark(flow))
	api.mu.Lock()
	api.before = nil
	api.mu.Unlock()
	apptest.RequireWhole(t, s.Do(flow), 5)
	require.Equal(t, "2026-03-01T05:00:00Z", s.watermark(flow))
}

func TestReadOnce(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), &orders{}
	s, url := outsideService(t, sim, api)
	flow := s.ordersFlow(s.Connect("pool", sim), url, func(spec map[string]any) {
		part(spec, "export")["delta"] = map[string]any{"mode": "once"}
	})
	api.add(3)
	apptest.RequireWhole(t, s.Do(flow), 3)
	require.Equal(t, "flow.ran_once", s.Problem(http.StatusConflict, "POST", "/v1/flows/"+flow+"/runs", nil).Code)
	s.Call(http.StatusOK, "PUT", "/v1/flows/"+flow+"/watermark", map[string]any{"watermark": nil}, nil)
	apptest.RequireWhole(t, s.Do(flow), 3)
}

// TestARefusedLoginTakesTheConnectionOffline: the run waits for the connection's new key.
func TestARefusedLoginTakesTheConnectionOffline(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), &orders{}
	s, url := outsideService(t, sim, api)
	flow := s.ordersFlow(s.Connect("pool", sim), url)
	var f struct{ Export struct{ ConnectionID string } }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow, nil, &f)
	s.Call(http.StatusOK, "PATCH", "/v1/connections/"+f.Export.ConnectionID, map[string]any{"token": "another-key-000"}, nil)
	api.add(3)
	r := s.Start(flow)
	waiting := s.Await(r.ID, func(r apptest.Run) bool { return r.State == "waiting" })
	require.Equal(t, "connection.offline", waiting.ErrorCode())
	s.Call(http.StatusOK, "PATCH", "/v1/connections/"+f.Export.ConnectionID, map[string]any{"token": ordersKey}, nil)
	var tested apptest.TestResult
	s.Call(http.StatusOK, "POST", "/v1/connections/"+f.Export.ConnectionID+"/test", nil, &tested)
	apptest.RequireWhole(t, s.AwaitEnd(r.ID), 3)
}
