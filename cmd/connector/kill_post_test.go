package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

// newKeepingStand is newStand with a simulator that keeps the values of its tables.
func newKeepingStand(t *testing.T, environment ...string) *stand {
	t.Helper()
	sim := apptest.NewSim(t)
	s := &stand{sim: sim, program: newProgram(t, sim.URL).with(environment...)}
	s.api = s.serve("api,scheduler")
	s.worker = s.serve("worker")
	s.client = s.program.client(s.api.url)
	s.connection = s.client.Connect("pool", sim)
	return s
}

// postedFlow makes a flow that takes records at once, by an export of the type.
func (s *stand) postedFlow(table string, export map[string]any) apptest.Answer {
	s.t.Helper()
	export["gather"] = map[string]any{"seconds": 0}
	a := s.client.Send("POST", "/v1/flows", map[string]any{
		"name": "posted to " + table, "export": export, "mapping": []map[string]any{{"to": "id", "type": "integer"}},
		"import": map[string]any{"type": "dataPush", "connectionId": s.connection, "table": table, "mode": "delta", "keys": []string{"id"}},
	})
	require.Equal(s.t, http.StatusCreated, a.Status, "%s", a.Body)
	return a
}

// The API process dies between the transaction that stores posted records and
// the answer. Who posted asks again and gets the receipt of the first, at once,
// and the records arrive once.
func TestKilledBetweenRecordsAndAnswer(t *testing.T) {
	t.Parallel()
	environment, redis := spread(t)
	s := newKeepingStand(t, environment...)
	table := s.newTable()
	var flow struct{ ID string }
	require.NoError(t, json.Unmarshal(s.postedFlow(table, map[string]any{"type": "records"}).Body, &flow))

	// After the transaction the run is announced; a Redis that does not answer holds the request right there.
	redis.Pause()
	body, path := []byte(`[{"id":1},{"id":2}]`), "/v1/flows/"+flow.ID+"/records"
	header := []string{"Content-Type", "application/json", "Idempotency-Key", "order-1"}
	failed := make(chan error, 1)
	go func() {
		_, err := s.client.Try("POST", path, body, header...)
		failed <- err
	}()
	var stored struct{ Items []apptest.Run }
	apptest.Eventually(t, func() bool {
		s.client.Call(http.StatusOK, "GET", "/v1/flows/"+flow.ID+"/runs", nil, &stored)
		return len(stored.Items) == 1
	}, func() string { return "the records are not stored" })
	s.api.kill()
	require.Error(t, <-failed, "the first post was answered before the process died")
	redis.Resume()
	s.api = s.serve("api,scheduler")
	s.client = s.client.At(s.api.url)

	for range 2 {
		a, err := s.client.Try("POST", path, body, header...)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, a.Status, "%s", a.Body)
		require.Equal(t, "true", a.Header.Get("Idempotency-Replayed"))
		var receipt struct {
			RunID   string
			Records int
		}
		require.NoError(t, json.Unmarshal(a.Body, &receipt))
		require.Equal(t, stored.Items[0].ID, receipt.RunID)
		require.Equal(t, 2, receipt.Records)
	}
	apptest.RequireWhole(t, s.client.AwaitEnd(stored.Items[0].ID), 2)
	s.client.Call(http.StatusOK, "GET", "/v1/flows/"+flow.ID+"/runs", nil, &stored)
	require.Len(t, stored.Items, 1, "the records were stored twice")
	require.Equal(t, 2, s.sim.MustTable(table).Rows())
	other, err := s.client.Try("POST", path, []byte(`[{"id":3}]`), header...)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnprocessableEntity, other.Status)
}

// A delivery that was answered is in the table later, although every process died right after the answer.
func TestKilledAfterADelivery(t *testing.T) {
	t.Parallel()
	s := newKeepingStand(t, "CONNECTOR_REDIS_URL", testservers.NewRedisServer(t).URL())
	s.worker.kill()
	table := s.newTable()
	var flow struct {
		Export struct{ Webhook struct{ URL string } }
	}
	a := s.postedFlow(table, map[string]any{"type": "webhook", "webhook": map[string]any{"auth": map[string]any{"type": "token", "secret": "a secret token"}, "deliveryHeader": "X-Id"}})
	require.NoError(t, json.Unmarshal(a.Body, &flow))
	hook := flow.Export.Webhook.URL[strings.Index(flow.Export.Webhook.URL, "/hooks/"):]
	deliver := func() (status int, runID string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.api.url+hook, bytes.NewReader([]byte(`{"id":7}`)))
		require.NoError(t, err)
		req.Header = http.Header{"Content-Type": {"application/json"}, "X-Webhook-Token": {"a secret token"}, "X-Id": {"1"}}
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		var receipt struct{ RunID string }
		require.NoError(t, json.NewDecoder(res.Body).Decode(&receipt))
		return res.StatusCode, receipt.RunID
	}
	status, run := deliver()
	s.api.kill()
	require.Equal(t, http.StatusAccepted, status)
	s.api, s.worker = s.serve("api,scheduler"), s.serve("worker")
	s.client = s.client.At(s.api.url)
	status, again := deliver()
	require.Equal(t, []any{http.StatusOK, run}, []any{status, again})
	apptest.RequireWhole(t, s.client.AwaitEnd(run), 1)
	require.Equal(t, []string{"7"}, apptest.Column(s.sim.MustTable(table), "id"))
}
