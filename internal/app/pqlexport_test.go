package app_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

const ordersModel = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

func withModel(o *celonissim.Options) {
	o.Teams[0].Pools[0].DataModels = append(o.Teams[0].Pools[0].DataModels, celonissim.Named{ID: ordersModel, Name: "Orders"})
}

// ordersResult is what the query of these tests gives.
func ordersResult(rows int) celonissim.PQLResult {
	r := celonissim.PQLResult{Model: ordersModel, ChunkRows: 400, Columns: []celonissim.PQLColumn{
		{Name: "Order", Type: "STRING"}, {Name: "amount", Type: "FLOAT"}, {Name: "Items", Type: "INTEGER"}, {Name: "changed at", Type: "DATE"},
	}}
	for n := range rows {
		row := []any{fmt.Sprintf("order ü %d", n), float64(n) / 4, int64(n) * 1e10, time.Date(2026, 1, 1, 0, 0, n, 5e6, time.UTC)}
		if n%11 == 0 {
			row[n/11%4] = nil
		}
		if row[0] == nil {
			row[0] = ""
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

func pqlFlow(connection, table string, export ...map[string]any) map[string]any {
	e := map[string]any{"type": "pql", "connectionId": connection, "dataModelId": ordersModel, "query": `TABLE("ORDERS"."ID" AS "Order") NOLIMIT;`}
	for _, members := range export {
		for k, v := range members {
			e[k] = v
		}
	}
	return map[string]any{"name": "query to " + table, "export": e, "import": map[string]any{"type": "dataPush", "connectionId": connection, "table": table}}
}

func TestPQLExportValueByValue(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]celonissim.PQLAnswers{"older": {NoV2: true, Polls: 2}, "newer": {NoV1: true, Polls: 2, Expire: 1, Vanish: 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t, withModel)
			want := ordersResult(1500)
			sim.AddPQL(want)
			sim.SetPQL(answers)
			s := begin(t, sim)
			route := map[string]string{"older": "pql.v1.chunk", "newer": "pql.v2.chunk"}[name]
			sim.AddFault(celonissim.Fault{Route: route, Skip: 1, Times: 1, Cut: celonissim.CutMidAnswer})
			sim.AddFault(celonissim.Fault{Route: route, Skip: 2, Times: 1, Status: http.StatusBadGateway, Body: celonissim.BodyHTML})
			apptest.RequireWhole(t, s.Do(s.Flow(pqlFlow(s.Connect("pool", sim), "ORDERS"))), 1500)

			table := sim.MustTable("ORDERS")
			for c, column := range want.Columns {
				for i, got := range apptest.Column(table, column.Name) {
					switch v := want.Rows[i][c].(type) {
					case nil:
						require.Equal(t, "<null>", got, "%s of row %d", column.Name, i)
					case time.Time:
						require.Contains(t, got, v.Format("2006-01-02"), "%s of row %d", column.Name, i)
						require.Contains(t, got, v.Format("15:04:05.000"), "%s of row %d", column.Name, i)
					default:
						require.Equal(t, fmt.Sprint(v), got, "%s of row %d", column.Name, i)
					}
				}
			}
		})
	}
}

func TestPQLExportsThatFail(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t, withModel)
	sim.AddPQL(ordersResult(0))
	s := begin(t, sim)
	pool := s.Connect("pool", sim)

	run := s.Do(s.Flow(pqlFlow(pool, "NOTHING")))
	require.Equal(t, "succeeded", run.State)
	require.Zero(t, run.Ledger.Read)

	run = s.Do(s.Flow(pqlFlow(pool, "UNKNOWN", map[string]any{"dataModelId": "other"})))
	require.Equal(t, "celonis.not_found", run.ErrorCode())
	require.Contains(t, run.Error.Message, `"other"`)

	sim.SetPQL(celonissim.PQLAnswers{Fail: "Column ORDERS.COLOUR not found", Polls: 1})
	run = s.Do(s.Flow(pqlFlow(pool, "FAILED")))
	require.Equal(t, "source.query", run.ErrorCode())
	require.Contains(t, run.Error.Message, "Column ORDERS.COLOUR not found")

	sim.SetPQL(celonissim.PQLAnswers{Polls: 1 << 30})
	r := s.Start(s.Flow(pqlFlow(pool, "CANCELED")))
	s.Await(r.ID, func(r apptest.Run) bool { return r.State == "running" })
	s.Call(http.StatusAccepted, "POST", "/v1/runs/"+r.ID+"/cancel", nil, nil)
	require.Equal(t, "canceled", s.AwaitEnd(r.ID).State)
}
