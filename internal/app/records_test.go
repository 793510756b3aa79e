package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// recordsFlow makes a flow that takes posted records, which their id tells apart.
func (s *service) recordsFlow(connection, table string) (flowID string) {
	s.t.Helper()
	return s.Flow(map[string]any{
		"name": "records to " + table, "export": map[string]any{"type": "records"},
		"import":  map[string]any{"type": "dataPush", "connectionId": connection, "table": table, "mode": "delta", "keys": []string{"id"}},
		"mapping": []any{rule("id", "integer"), rule("text", "string")},
	})
}

type receipt struct {
	BatchID, RunID string
	Records        int64
}

// post posts records and gives the receipt; header holds names and values in turn.
func (s *service) post(flow string, body []byte, header ...string) (receipt, apptest.Answer) {
	s.t.Helper()
	a := s.Send("POST", "/v1/flows/"+flow+"/records", body, header...)
	require.Equal(s.t, http.StatusAccepted, a.Status, "%s", a.Body)
	var r receipt
	require.NoError(s.t, json.Unmarshal(a.Body, &r))
	return r, a
}

const ndjsonType = "application/x-ndjson"

func TestPostedRecords(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.recordsFlow(s.Connect("pool", sim), "POSTED")

	lines, _ := s.post(flow, []byte("{\"id\":1,\"text\":\"a\"}\n{\"id\":2,\"text\":\"b\"}\n"), "Content-Type", ndjsonType)
	require.EqualValues(t, 2, lines.Records)
	apptest.RequireWhole(t, s.AwaitEnd(lines.RunID), 2)
	array, _ := s.post(flow, []byte(`[{"id":2,"text":"B"},{"id":3,"text":"c"}]`))
	apptest.RequireWhole(t, s.AwaitEnd(array.RunID), 2)
	have := sim.MustTable("POSTED")
	text := map[string]string{}
	for i, id := range apptest.Column(have, "id") {
		text[id], _ = have.Value("text", i)
	}
	require.Equal(t, map[string]string{"1": "a", "2": "B", "3": "c"}, text)

	// The same request again gets the same answer and does nothing.
	key := []string{"Idempotency-Key", "order-4711"}
	body := []byte(`[{"id":4,"text":"d"}]`)
	first, _ := s.post(flow, body, key...)
	again, answer := s.post(flow, body, key...)
	require.Equal(t, first, again)
	require.Equal(t, "true", answer.Header.Get("Idempotency-Replayed"))
	apptest.RequireWhole(t, s.AwaitEnd(first.RunID), 1)
	require.Equal(t, 4, sim.MustTable("POSTED").Rows())
	reused := s.Send("POST", "/v1/flows/"+flow+"/records", []byte(`[{"id":5,"text":"e"}]`), key...)
	require.Equal(t, http.StatusUnprocessableEntity, reused.Status)
	require.Equal(t, "request.idempotency_key_reused", reused.Problem(t).Code)
}

func TestPostedRecordsThatAreRefused(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	flow := s.recordsFlow(connection, "REFUSED")
	for _, c := range []struct {
		name, body, media string
		status            int
		code, says        string
	}{
		{"nothing", "", "application/json", 400, "request.malformed_json", "empty"},
		{"no records", "[]", "application/json", 422, "request.invalid", "no record"},
		{"one object", `{"id":1}`, "application/json", 422, "request.invalid", "array"},
		{"number among objects", `[{"id":1},5]`, "application/json", 422, "request.invalid", "/1"},
		{"broken array", `[{"id":1},{"id":`, "application/json", 400, "request.malformed_json", "line 1"},
		{"broken line", "{\"id\":1}\n{\"id\":\n", ndjsonType, 422, "request.invalid", "line 2"},
		{"text", "id;1", "text/plain", 415, "request.unsupported_media_type", "application/json"},
		{"too much", "[" + strings.Repeat(" ", 17<<20) + "]", "application/json", 413, "request.too_large", "bytes"},
	} {
		a := s.Send("POST", "/v1/flows/"+flow+"/records", []byte(c.body), "Content-Type", c.media)
		require.Equal(t, c.status, a.Status, "%s: %s", c.name, a.Body)
		require.Equal(t, c.code, a.Problem(t).Code, c.name)
		require.Contains(t, string(a.Body), c.says, c.name)
	}
	notRecords := s.fileFlow(connection, "OTHER", "csv", "id\n1\n")
	p := s.Problem(http.StatusConflict, "POST", "/v1/flows/"+notRecords+"/records", []byte(`[{"id":1}]`))
	require.Equal(t, "flow.not_a_records_flow", p.Code)
	sim.RequireNoTable("REFUSED")
}

// Bad records among posted ones go to the error store, and the others through.
func TestBadPostedRecords(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.recordsFlow(s.Connect("pool", sim), "PARTLY")
	r, _ := s.post(flow, []byte(`[{"id":1},{"id":"one"},{"id":null},{"id":2}]`))
	run := s.AwaitEnd(r.RunID)
	require.Equal(t, "succeeded", run.State, "%+v", run.Error)
	require.EqualValues(t, 2, run.Ledger.Pushed)
	requireErrors(t, s.Errors(flow), []string{"2:2 value.wrong_type id", "3:3 value.required id"})
	require.Equal(t, []string{"1", "2"}, apptest.Column(sim.MustTable("PARTLY"), "id"))
}

// Records that were answered with 202 arrive exactly once although the service
// is stopped before it pushed any, and its embedded Redis forgets everything.
func TestPostedRecordsOutliveTheService(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL), app.API)
	flow := s.recordsFlow(s.Connect("pool", sim), "DURABLE")
	var runs []string
	for i := range 10 {
		r, _ := s.post(flow, fmt.Appendf(nil, `[{"id":%d,"text":"x"},{"id":%d,"text":"y"}]`, 2*i, 2*i+1), "Idempotency-Key", fmt.Sprint("post-", i))
		runs = append(runs, r.RunID)
	}
	require.Equal(t, "waiting", s.Run(runs[0]).State, "it gathers, and no worker is there")
	s.restart()
	for i := range 10 { // a caller that does not know whether its posts went through posts again
		r, _ := s.post(flow, fmt.Appendf(nil, `[{"id":%d,"text":"x"},{"id":%d,"text":"y"}]`, 2*i, 2*i+1), "Idempotency-Key", fmt.Sprint("post-", i))
		require.Equal(t, runs[i], r.RunID)
	}
	var pushed int64
	for _, id := range slices.Compact(runs) {
		r := s.AwaitEnd(id)
		require.Equal(t, "succeeded", r.State, "%+v", r.Error)
		pushed += r.Ledger.Pushed
	}
	require.EqualValues(t, 20, pushed)
	require.Equal(t, 20, sim.MustTable("DURABLE").Rows())
}

// Posts from many callers at once: each record arrives, and is counted, once.
func TestManyPosts(t *testing.T) {
	t.Parallel()
	const callers, posts, each = 4, 10, 5
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.recordsFlow(s.Connect("pool", sim), "MANY")
	runs := make([][]string, callers)
	var wg sync.WaitGroup
	for c := range callers {
		client := s.For(t)
		wg.Go(func() {
			for p := range posts {
				var body bytes.Buffer
				for r := range each {
					fmt.Fprintf(&body, "{\"id\":%d,\"text\":\"t\"}\n", (c*posts+p)*each+r)
				}
				a, err := client.Try("POST", "/v1/flows/"+flow+"/records", body.Bytes(), "Content-Type", ndjsonType)
				var got receipt
				if err == nil && a.Status == http.StatusAccepted && json.Unmarshal(a.Body, &got) == nil {
					runs[c] = append(runs[c], got.RunID)
				}
			}
		})
	}
	wg.Wait()
	all := slices.Concat(runs...)
	require.Len(t, all, callers*posts, "a post was refused")
	slices.Sort(all)
	var pushed int64
	for _, id := range slices.Compact(all) {
		r := s.AwaitEnd(id)
		require.Equal(t, "succeeded", r.State, "%+v", r.Error)
		pushed += r.Ledger.Pushed
	}
	require.EqualValues(t, callers*posts*each, pushed)
	require.Equal(t, callers*posts*each, sim.MustTable("MANY").Rows())
}
