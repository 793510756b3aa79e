package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// drily is a dry run as a caller reads it.
type drily struct {
	apptest.Run
	DryRun   bool
	Warnings []struct{ Code, Message string }
	Forecast struct {
		Table struct {
			Table   string
			Columns []struct {
				Name, CelonisType string
				Length            int
			}
			Exists      *bool
			Differences []string
		}
		Errors []struct {
			Record, Line         int64
			Code, Message, Field string
		}
	}
}

// dryRun does a dry run of a flow.
func (s *service) dryRun(flow string) (r drily) {
	s.t.Helper()
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/runs", map[string]any{"dryRun": true}, &r)
	require.True(s.t, r.DryRun)
	s.AwaitEnd(r.ID)
	id := r.ID
	r = drily{}
	s.Call(http.StatusOK, "GET", "/v1/runs/"+id, nil, &r)
	return r
}

func TestADryRunSendsNothing(t *testing.T) {
	t.Parallel()
	var asked routes
	sim := apptest.NewSim(t, asked.note)
	s := begin(t, sim)
	pool := asked.connect(s, sim)
	var rows strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&rows, "%d,name %d\n", i, i)
	}
	after := s.fileFlow(pool, "AFTER", "csv", "id\n1\n")
	flow := s.fileFlow(pool, "DRY", "csv", "id,name\n"+rows.String()+"bad,x\nworse,y\n",
		mapped(rule("ID", "integer", "from", "id"), rule("NAME", "string", "from", "name")),
		set("", map[string]any{"then": []string{after}, "filter": `record["name"] != "name 7"`}),
		set("import", map[string]any{"then": []any{map[string]any{"type": "dataJob", "id": "job", "mode": "FULL"}}}))
	r := s.dryRun(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.Equal(t, [4]int64{5002, 1, 4999, 2}, [4]int64{r.Ledger.Read, r.Ledger.Filtered, r.Ledger.Pushed, r.Ledger.Errored})
	require.Positive(t, r.Bytes)
	require.Positive(t, r.Chunks)
	require.Empty(t, r.PushJobID)
	require.Equal(t, "DRY", r.Forecast.Table.Table)
	require.Equal(t, "INTEGER", r.Forecast.Table.Columns[0].CelonisType)
	require.False(t, *r.Forecast.Table.Exists)
	require.Len(t, r.Forecast.Errors, 2)
	require.EqualValues(t, []int64{5001, 5002}, []int64{r.Forecast.Errors[0].Record, r.Forecast.Errors[0].Line})
	require.Zero(t, s.errorsOf(flow), "a dry run leaves no errors to mend")
	require.Zero(t, s.runsOf(after), "nothing follows a dry run")
	asked.requireNothingPushed(t)
	sim.RequireNoTable("DRY")
	var budget struct{ Used int64 }
	s.Call(http.StatusOK, "GET", "/v1/teams/"+sim.Host+"/budget", nil, &budget)
	require.Zero(t, budget.Used)
}

func TestADryRunTellsOfDrift(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	pool := s.Connect("pool", sim)
	require.Equal(t, "succeeded", s.Do(s.fileFlow(pool, "DRIFT", "csv", "ID,N\n1,a\n", mapped(rule("ID", "integer"), rule("N", "string", "length", 10)))).State)
	flow := s.fileFlow(pool, "DRIFT", "csv", "ID,N\n1,2\n", mapped(rule("ID", "integer"), rule("N", "integer")), set("", map[string]any{"name": "drift"}),
		set("import", map[string]any{"mode": "delta", "keys": []string{"ID"}}))
	r := s.dryRun(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.Len(t, r.Warnings, 1)
	require.Equal(t, "celonis.schema_drift", r.Warnings[0].Code)
	require.Equal(t, "failed", s.Do(flow).State, "the run itself would be refused")
}

func TestADryRunLeavesTheWatermark(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), &orders{}
	s, address := outsideService(t, sim, api)
	flow := s.ordersFlow(s.Connect("pool", sim), address)
	api.add(12)
	r := s.dryRun(flow)
	require.EqualValues(t, 12, r.Ledger.Pushed)
	require.Empty(t, s.watermark(flow))
	apptest.RequireWhole(t, s.Do(flow), 12)
}
