package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// recordErrors reads the errors of a flow with a filter.
func (s *service) recordErrors(flowID, filter string) (list []map[string]any) {
	s.t.Helper()
	var answer struct{ Items []map[string]any }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flowID+"/errors?limit=200&"+filter, nil, &answer)
	return answer.Items
}

// retry starts a retry and waits for its end.
func (s *service) retry(flowID string, body map[string]any) apptest.Run {
	s.t.Helper()
	var answer struct {
		Runs    []apptest.Run
		Retried int64
	}
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flowID+"/errors/retry", body, &answer)
	require.Len(s.t, answer.Runs, 1)
	return s.AwaitEnd(answer.Runs[0].ID)
}

func TestAnEditedErrorIsRetriedIntoTheTable(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	flowID := s.fileFlow(connection, "ORDERS", "csv", "ID;Amount;Day\n1;10;2026-01-01\n2;\"many \"\"x\"\"\";2026-01-02\n3;30;2026-01-03\n4;also many;2026-01-04\n5\n",
		mapped(rule("ID", "string", "required", true), rule("AMOUNT", "float", "from", "Amount"), rule("DAY", "date", "from", "Day")),
		set("import", map[string]any{"keys": []string{"ID"}}))
	run := s.Do(flowID)
	require.Equal(t, "succeeded", run.State, "%+v", run.Error)
	require.EqualValues(t, 3, run.Ledger.Errored)
	require.Equal(t, 2, sim.MustTable("ORDERS").Rows())

	var groups struct{ Items []map[string]any }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flowID+"/errors/groups", nil, &groups)
	require.Len(t, groups.Items, 2)
	require.Equal(t, []any{"parse", "record.wrong_cell_count", 1.0}, []any{groups.Items[0]["class"], groups.Items[0]["code"], groups.Items[0]["open"]})
	require.Equal(t, []any{"value", "value.wrong_type", "Amount", 2.0}, []any{groups.Items[1]["class"], groups.Items[1]["code"], groups.Items[1]["field"], groups.Items[1]["open"]})

	bad := s.recordErrors(flowID, "class=value")
	require.Len(t, bad, 2)
	first := bad[1]
	require.Equal(t, map[string]any{"ID": "2", "Amount": `many "x"`, "Day": "2026-01-02"}, first["original"])
	require.Equal(t, "2", first["traceKey"])
	path := "/v1/errors/" + first["id"].(string)
	s.Call(http.StatusOK, "PATCH", path, map[string]any{"record": map[string]any{"Amount": "20.5"}}, nil)

	// A cell too few cannot be read, so its record must be given whole.
	torn := s.recordErrors(flowID, "class=parse")[0]
	require.Nil(t, torn["original"])
	tornPath := "/v1/errors/" + torn["id"].(string)
	require.Equal(t, "error.needs_edit", s.Problem(http.StatusConflict, "POST", tornPath+"/retry", nil).Code)
	s.Call(http.StatusOK, "PATCH", tornPath, map[string]any{"record": map[string]any{"ID": "5", "Amount": 50, "Day": "2026-01-05"}}, nil)

	retried := s.retry(flowID, map[string]any{"all": true})
	require.Equal(t, "succeeded", retried.State, "%+v", retried.Error)
	require.EqualValues(t, 3, retried.Ledger.Read)
	require.EqualValues(t, 2, retried.Ledger.Pushed)
	table := sim.MustTable("ORDERS")
	require.ElementsMatch(t, []string{"1", "2", "3", "5"}, apptest.Column(table, "ID"))
	require.Contains(t, apptest.Column(table, "AMOUNT"), "20.5")

	var e map[string]any
	s.Call(http.StatusOK, "GET", path, nil, &e)
	require.Equal(t, []any{"resolved", "retry", 2.0, nil}, []any{e["state"], e["resolvedBy"], e["attempts"], e["retryRunId"]})
	require.Equal(t, map[string]any{"ID": "2", "Amount": `many "x"`, "Day": "2026-01-02"}, e["original"])
	open := s.recordErrors(flowID, "state=open")
	require.Len(t, open, 1, "one record failed again, and made no second error")
	require.Equal(t, []any{2.0, retried.ID}, []any{open[0]["attempts"], open[0]["lastRunId"]})
	require.Equal(t, "error.resolved", s.Problem(http.StatusConflict, "POST", path+"/retry", nil).Code)
}

func TestManyErrorsAreRetriedAtOnceAndExportedRecordsPosted(t *testing.T) {
	t.Parallel()
	const many = 5000
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	var file strings.Builder
	file.WriteString("{\"id\":0,\"at\":\"2026-01-01\"}\n")
	for i := range many {
		fmt.Fprintf(&file, "{\"id\":%d,\"at\":\"01.02.2026\"}\n", i+1)
	}
	rules := func(format string) func(map[string]any) {
		return mapped(rule("ID", "integer", "from", "id"), rule("AT", "date", "from", "at", "format", format))
	}
	flowID := s.fileFlow(connection, "EVENTS", "ndjson", file.String(), rules("yyyy-MM-dd"), maxErrors(many), set("import", map[string]any{"keys": []string{"ID"}}))
	require.EqualValues(t, many, s.Do(flowID).Ledger.Errored)

	answer := s.Send("GET", "/v1/flows/"+flowID+"/errors/export?content=records&state=open", nil)
	require.Equal(t, http.StatusOK, answer.Status)
	require.Equal(t, many, strings.Count(string(answer.Body), "\n"))
	posted := s.Client.Flow(map[string]any{
		"name": "posted", "export": map[string]any{"type": "records"},
		"mapping": []any{rule("ID", "integer", "from", "id")},
		"import":  map[string]any{"type": "dataPush", "connectionId": connection, "table": "POSTED", "mode": "delta", "keys": []string{"ID"}},
	})
	post := s.Send("POST", "/v1/flows/"+posted+"/records", answer.Body, "Content-Type", "application/x-ndjson")
	require.Equal(t, http.StatusAccepted, post.Status, "%s", post.Body)

	answer = s.Send("GET", "/v1/flows/"+flowID+"/errors/export", nil)
	var line struct {
		Record map[string]any
		Error  map[string]any
	}
	require.NoError(t, json.NewDecoder(strings.NewReader(string(answer.Body))).Decode(&line))
	require.Equal(t, "01.02.2026", line.Record["at"])
	require.Equal(t, "value.wrong_type", line.Error["code"])

	// With the flow as it was they fail again, with the flow as it is now they go through.
	var patched any
	s.Call(http.StatusOK, "PATCH", "/v1/flows/"+flowID, map[string]any{"mapping": []any{
		rule("ID", "integer", "from", "id"), rule("AT", "date", "from", "at", "format", "dd.MM.yyyy"),
	}}, &patched)
	again := s.retry(flowID, map[string]any{"ids": []any{line.Error["id"]}, "flow": "original"})
	require.EqualValues(t, 1, again.Ledger.Errored, "%+v", again)
	run := s.retry(flowID, map[string]any{"class": "value"})
	apptest.RequireWhole(t, run, many)
	require.Equal(t, many+1, sim.MustTable("EVENTS").Rows())
	require.Empty(t, s.recordErrors(flowID, "state=open"))
	require.Equal(t, "error.none_selected", s.Problem(http.StatusConflict, "POST", "/v1/flows/"+flowID+"/errors/retry", map[string]any{"all": true}).Code)
}

func TestACanceledRetryGivesItsErrorsBack(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flowID := s.fileFlow(s.Connect("pool", sim), "T", "csv", "ID,N\n1,1\n2,x\n",
		mapped(rule("ID", "string"), rule("N", "string", "from", "N", "length", 1)), set("import", map[string]any{"keys": []string{"ID"}}))
	require.EqualValues(t, 2, s.Do(flowID).Ledger.Pushed)
	// A length that one record does not fit makes the error.
	flowID = s.fileFlow(s.Connect("second", sim), "U", "csv", "ID,N\n1,1\n2,xx\n",
		mapped(rule("ID", "string"), rule("N", "integer", "from", "N")), set("import", map[string]any{"keys": []string{"ID"}}))
	require.EqualValues(t, 1, s.Do(flowID).Ledger.Errored)
	id := s.recordErrors(flowID, "")[0]["id"].(string)
	s.Call(http.StatusOK, "PATCH", "/v1/errors/"+id, map[string]any{"record": map[string]any{"N": "2"}}, nil)

	trap := sim.Trap(apptest.Submit, "U", 1)
	var run apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/errors/"+id+"/retry", nil, &run)
	apptest.Receive(t, trap.Came(), "the retry is submitted")
	require.Equal(t, "error.retrying", s.Problem(http.StatusConflict, "POST", "/v1/errors/"+id+"/retry", nil).Code)
	require.Equal(t, "error.retrying", s.Problem(http.StatusConflict, "PATCH", "/v1/errors/"+id, map[string]any{"record": map[string]any{"N": "3"}}).Code)
	s.Call(http.StatusAccepted, "POST", "/v1/runs/"+run.ID+"/cancel", nil, nil)
	trap.Release()
	require.Contains(t, []string{"canceled", "succeeded"}, s.AwaitEnd(run.ID).State)
	var e map[string]any
	s.Call(http.StatusOK, "GET", "/v1/errors/"+id, nil, &e)
	require.Nil(t, e["retryRunId"])
	if s.Run(run.ID).State == "canceled" {
		require.Equal(t, "open", e["state"])
		require.Equal(t, "succeeded", s.retry(flowID, map[string]any{"all": true}).State)
	}
	require.ElementsMatch(t, []string{"1", "2"}, apptest.Column(sim.MustTable("U"), "ID"))
}

func TestAnErrorIsResolvedWhenItsRecordSucceedsInALaterRun(t *testing.T) {
	t.Parallel()
	for _, trace := range []struct {
		name string
		keys any
	}{{"by the keys", nil}, {"by fields", []string{"id", "day"}}, {"by a pointer", []string{"/id"}}} {
		t.Run(trace.name, func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t)
			s := begin(t, sim)
			spec := map[string]any{
				"name": "orders", "export": map[string]any{"type": "records", "gather": map[string]any{"seconds": 0}},
				"mapping": []any{rule("ID", "integer", "from", "id"), rule("N", "integer", "from", "n")},
				"import":  map[string]any{"type": "dataPush", "connectionId": s.Connect("pool", sim), "table": "ORDERS", "mode": "delta", "keys": []string{"ID"}},
			}
			if trace.keys != nil {
				spec["traceKey"] = trace.keys
			}
			flowID := s.Client.Flow(spec)
			post := func(records ...map[string]any) {
				var receipt struct{ RunID string }
				s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flowID+"/records", records, &receipt)
				require.Equal(t, "succeeded", s.AwaitEnd(receipt.RunID).State)
			}
			record := func(id int, n any) map[string]any { return map[string]any{"id": id, "n": n, "day": "mon"} }
			post(record(1, "x"), record(2, "y"), record(3, 3))
			require.Len(t, s.recordErrors(flowID, "state=open"), 2)
			post(record(1, 1), record(2, "still"))
			resolved := s.recordErrors(flowID, "state=resolved")
			require.Len(t, resolved, 1)
			require.Equal(t, "auto", resolved[0]["resolvedBy"])
			require.Equal(t, map[string]any{"id": 1.0, "n": "x", "day": "mon"}, resolved[0]["original"])
			require.Len(t, s.recordErrors(flowID, "state=open"), 2)
		})
	}
}

func TestAReplaceWithoutKeysIsNotRetried(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flowID := s.fileFlow(s.Connect("pool", sim), "T", "csv", "ID,N\n1,1\n2,x\n", mapped(rule("ID", "string"), rule("N", "integer")))
	require.EqualValues(t, 1, s.Do(flowID).Ledger.Errored)
	p := s.Problem(http.StatusConflict, "POST", "/v1/flows/"+flowID+"/errors/retry", map[string]any{"all": true})
	require.Equal(t, "flow.retry_needs_keys", p.Code)
	require.Equal(t, 1, sim.MustTable("T").Rows())
	var done struct{ Resolved int }
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flowID+"/errors/resolve", map[string]any{"all": true}, &done)
	require.Equal(t, 1, done.Resolved)
	require.Equal(t, "client", s.recordErrors(flowID, "")[0]["resolvedBy"])
}

func TestARetryWithoutAMappingTakesTheTablesColumns(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flowID := s.fileFlow(s.Connect("pool", sim), "T", "csv", "ID;A;B;C\n1;1.5;x;2026-01-01T00:00:00Z\n2;1\n",
		set("import", map[string]any{"keys": []string{"ID"}}))
	require.EqualValues(t, 1, s.Do(flowID).Ledger.Errored)
	id := s.recordErrors(flowID, "")[0]["id"].(string)
	s.Call(http.StatusOK, "PATCH", "/v1/errors/"+id, map[string]any{"record": map[string]any{"ID": "2", "A": "7"}}, nil)
	run := s.retry(flowID, map[string]any{"all": true})
	require.Equal(t, "succeeded", run.State, "%+v", run.Error)
	table := sim.MustTable("T")
	require.ElementsMatch(t, []string{"1", "2"}, apptest.Column(table, "ID"))
	require.Contains(t, apptest.Column(table, "B"), "<null>")
}

func TestARetryStoppedBetweenPushAndSettleEndsExact(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flowID := s.fileFlow(s.Connect("pool", sim), "T", "csv", "ID,N\n1,1\n2,x\n3,y\n",
		mapped(rule("ID", "string"), rule("N", "integer")), set("import", map[string]any{"keys": []string{"ID"}}))
	require.EqualValues(t, 2, s.Do(flowID).Ledger.Errored)
	id := s.recordErrors(flowID, "")[1]["id"].(string)
	s.Call(http.StatusOK, "PATCH", "/v1/errors/"+id, map[string]any{"record": map[string]any{"N": "2"}}, nil)
	trap := sim.Trap(apptest.Get, "T", 2)
	var answer struct{ Runs []apptest.Run }
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flowID+"/errors/retry", map[string]any{"all": true}, &answer)
	apptest.Receive(t, trap.Came(), "the worker looks at the push job")
	go trap.Release()
	s.restart()
	run := s.AwaitEnd(answer.Runs[0].ID)
	require.Equal(t, "succeeded", run.State, "%+v", run.Error)
	require.ElementsMatch(t, []string{"1", "2"}, apptest.Column(sim.MustTable("T"), "ID"))
	require.Len(t, s.recordErrors(flowID, "state=resolved"), 1)
	open := s.recordErrors(flowID, "state=open")
	require.Len(t, open, 1)
	require.Equal(t, 2.0, open[0]["attempts"])
}

func TestAMendedFileResolvesItsErrors(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	const head = "ID,Region,N\n"
	flowID := s.fileFlow(s.Connect("pool", sim), "T", "csv", head+"1,\"a,b\",x\n2,c,y\n3,d,3\n",
		mapped(rule("N", "integer")), set("", map[string]any{"traceKey": []string{"ID", "Region"}}))
	require.EqualValues(t, 2, s.Do(flowID).Ledger.Errored)
	mended := s.Upload("mended.csv", strings.NewReader(head+"1,\"a,b\",1\n2,other,2\n"))
	s.Call(http.StatusOK, "PATCH", "/v1/flows/"+flowID, map[string]any{"export": map[string]any{"fileId": mended}}, nil)
	require.Equal(t, "succeeded", s.Do(flowID).State)
	open := s.recordErrors(flowID, "state=open")
	require.Len(t, open, 1, "another region is another record")
	require.Equal(t, "2", open[0]["original"].(map[string]any)["ID"])
	require.Equal(t, "auto", s.recordErrors(flowID, "state=resolved")[0]["resolvedBy"])
}
