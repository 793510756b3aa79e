package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// A retry of records has its own bookkeeping beside the rows: which errors it
// has, and how each of them did. It ends exact wherever the worker dies between
// the submit of its push job and the run's settlement: each row once, each
// error resolved once, and the record that is bad again counts one attempt more.
func TestKilledWorkerOfARetry(t *testing.T) {
	t.Parallel()
	environment, _ := spread(t)
	s := newKeepingStand(t, environment...)
	for _, m := range []moment{moments[0], moments[1], moments[3], moments[4], moments[5]} {
		t.Run(m.name, func(t *testing.T) {
			sub := s.on(t)
			sub.program.t = s.program.t // the worker started here serves the next subtest
			table := s.newTable()
			flow := sub.failing(table)
			trap := s.trap(m, table)
			var started struct{ Runs []apptest.Run }
			sub.client.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/errors/retry", map[string]any{"all": true}, &started)
			require.Len(t, started.Runs, 1)
			run := started.Runs[0].ID
			apptest.Receive(t, trap.Came(), m.name)
			sub.worker.kill()
			if !m.executed {
				require.Equal(t, goodRows, s.sim.MustTable(table).Rows())
			}
			trap.Release()
			sub.worker = sub.serve("worker")
			s.worker = sub.worker
			sub.requireRetried(flow, run, table)
		})
	}
}

const (
	goodRows, badRows = 5, 40
	// worse is the row that is bad again.
	worse = goodRows + badRows
)

// failing makes a flow and runs it: five rows arrive, forty-one do not; all of these but the last are mended.
func (s *stand) failing(table string) (flow string) {
	s.t.Helper()
	var file strings.Builder
	file.WriteString("id,amount\n")
	for i := range goodRows {
		fmt.Fprintf(&file, "%d,%d\n", i, i)
	}
	for i := goodRows; i <= worse; i++ {
		fmt.Fprintf(&file, "%d,bad\n", i)
	}
	spec := apptest.FileFlow(table, s.client.Upload("orders.csv", strings.NewReader(file.String())), "csv", s.connection, table)
	spec["mapping"] = []map[string]any{{"to": "id", "type": "integer"}, {"to": "amount", "type": "integer"}}
	spec["maxErrors"] = worse
	spec["import"].(map[string]any)["mode"], spec["import"].(map[string]any)["keys"] = "replace", []string{"id"}
	flow = s.client.Flow(spec)
	r := s.client.Do(flow)
	require.Equal(s.t, "succeeded", r.State, "%+v", r.Error)
	require.EqualValues(s.t, badRows+1, r.Ledger.Errored)
	for _, e := range s.recordErrors(flow) {
		if e.Original["id"] == fmt.Sprint(worse) {
			continue
		}
		s.client.Call(http.StatusOK, "PATCH", "/v1/errors/"+e.ID, map[string]any{"record": map[string]any{"amount": 1000}}, nil)
	}
	return flow
}

// storedError is what a test reads of a record error.
type storedError struct {
	ID, State  string
	Attempts   int
	ResolvedBy *string
	RetryRunID *string
	Original   map[string]any
}

func (s *stand) recordErrors(flow string) []storedError {
	s.t.Helper()
	var answer struct{ Items []storedError }
	a := s.client.Send("GET", "/v1/flows/"+flow+"/errors?limit=200", nil)
	require.Equal(s.t, http.StatusOK, a.Status, "%s", a.Body)
	require.NoError(s.t, json.Unmarshal(a.Body, &answer))
	return answer.Items
}

func (s *stand) requireRetried(flow, run, table string) {
	s.t.Helper()
	r := s.client.AwaitEnd(run)
	require.Equal(s.t, "succeeded", r.State, "%+v", r.Error)
	require.EqualValues(s.t, []int64{badRows + 1, badRows, 1}, []int64{r.Ledger.Read, r.Ledger.Pushed, r.Ledger.Errored})
	ids := map[string]int{}
	have := s.sim.MustTable(table)
	for i, id := range apptest.Column(have, "id") {
		ids[id]++
		amount, _ := have.Value("amount", i)
		if ids[id] == 1 && amount != id {
			require.Equal(s.t, "1000", amount, id)
		}
	}
	require.Len(s.t, ids, goodRows+badRows)
	require.Equal(s.t, goodRows+badRows, have.Rows(), "a row is there twice")
	errors := s.recordErrors(flow)
	require.Len(s.t, errors, badRows+1)
	for _, e := range errors {
		require.Nil(s.t, e.RetryRunID, "the run has ended and has no record any more")
		require.Equal(s.t, 2, e.Attempts, "%+v", e)
		if e.Original["id"] == fmt.Sprint(worse) {
			require.Equal(s.t, "open", e.State)
			continue
		}
		require.Equal(s.t, "resolved", e.State, "%+v", e)
		require.NotNil(s.t, e.ResolvedBy)
		require.Equal(s.t, "retry", *e.ResolvedBy)
	}
}
