package app_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
)

// insight connects the Intelligence API of a simulator.
func (s *service) insight(sim *apptest.Sim) (connectionID string) {
	s.t.Helper()
	var made apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections", map[string]any{
		"name": "insight", "apiType": "intelligence", "domain": sim.Host, "authType": "custom", "appKey": sim.AppKey,
	}, &made)
	require.Equal(s.t, "online", made.Status)
	return made.ID
}

func knowledgeFlow(table, from, to string, export map[string]any) map[string]any {
	spec := map[string]any{
		"name":   "flow to " + table,
		"export": map[string]any{"type": "knowledgeModel", "connectionId": from, "knowledgeModelId": "pkg.km", "record": "ORDER"},
		"import": map[string]any{"type": "dataPush", "connectionId": to, "table": table, "mode": "replace"},
	}
	for k, v := range export {
		part(spec, "export")[k] = v
	}
	return spec
}

// orderModel is a knowledge model of so many orders, which may grow.
func orderModel(rows *celonissim.Rows, wide int) func(*celonissim.Options) {
	rows.Cell = func(i int, field string) any {
		switch field {
		case "ID":
			return i
		case "CODE":
			return fmt.Sprintf("%06d", i)
		case "STATUS":
			return []string{"open", "it's closed", "late"}[i%3]
		case "CHANGED":
			return fmt.Sprintf("2026-01-%02dT%02d:%02d:00", 1+i/1440%28, i/60%24, i%60)
		case "VALUE":
			return float64(i) / 4
		}
		return field + strconv.Itoa(i)
	}
	f := func(id, kind string) celonissim.RecordField {
		return celonissim.RecordField{Described: celonissim.Described{ID: id, Name: id}, Type: kind}
	}
	fields := []celonissim.RecordField{f("ID", "integer"), f("CODE", "string"), f("STATUS", "string"), f("CHANGED", "datetime"), f("VALUE", "float")}
	for i := range wide {
		fields = append(fields, f(fmt.Sprintf("ATTRIBUTE_%03d", i), "string"))
	}
	return func(o *celonissim.Options) {
		o.Limits.PageSize, o.Limits.KnowledgePerSecond = 5000, -1
		o.Teams[0].KnowledgeModels = []celonissim.KnowledgeModel{{
			ID: "pkg.km", Name: "Orders", Records: []celonissim.Record{{Described: celonissim.Described{ID: "ORDER", Name: "Order"}, Fields: fields, Rows: rows}},
			Filters: []celonissim.Described{{ID: "OPEN"}}, FilterExprs: map[string]string{"OPEN": "STATUS eq 'open'"},
			KPIs: []celonissim.KPI{{Described: celonissim.Described{ID: "ORDERS"}}, {Described: celonissim.Described{ID: "TOTAL"}, Sum: "VALUE"}},
		}}
	}
}

func TestAKnowledgeModelBehindTheWall(t *testing.T) {
	t.Parallel()
	const n = 60_000
	rows := &celonissim.Rows{Count: n}
	sim := apptest.NewSim(t, orderModel(rows, 0), func(o *celonissim.Options) {
		o.Answers.Knowledge = celonissim.KnowledgeAnswers{TextFlags: true, DeepData: true, CutEvery: 7, Totals: celonissim.TotalWrong}
	})
	s := begin(t, sim)
	from, to := s.insight(sim), s.Connect("pool", sim)
	apptest.RequireWhole(t, s.Do(s.Flow(knowledgeFlow("ORDERS", from, to, map[string]any{"sliceBy": "STATUS"}))), n)
	table := sim.MustTable("ORDERS")
	require.Equal(t, n, table.Rows())
	apptest.RequireWhole(t, s.Do(s.Flow(knowledgeFlow("FEED", from, to, map[string]any{"type": "odata", "select": []string{"CODE", "ID"}, "orderBy": []string{"ID desc"}}))), n)
	require.Equal(t, n, sim.MustTable("FEED").Rows())

	var left struct {
		Intelligence struct{ PerDay, Used, Left, Runs int }
	}
	s.Call(http.StatusOK, "GET", "/v1/teams/"+sim.Host+"/budget", nil, &left)
	require.GreaterOrEqual(t, left.Intelligence.Used, sim.KnowledgeRequests())
	require.Less(t, left.Intelligence.Used, sim.KnowledgeRequests()+10, "fields are asked too, tests of connections are not counted")
	require.Zero(t, left.Intelligence.Runs)
	require.Equal(t, 6000, left.Intelligence.PerDay)
}

func TestKnowledgeModelExports(t *testing.T) {
	t.Parallel()
	rows := &celonissim.Rows{Count: 100}
	var asked atomic.Int64
	sim := apptest.NewSim(t, orderModel(rows, 300), func(o *celonissim.Options) {
		pass := o.OnRequest
		o.OnRequest = func(r celonissim.Request) { asked.Add(1); pass(r) }
	})
	s := begin(t, sim)
	from, to := s.insight(sim), s.Connect("pool", sim)

	t.Run("types are those of the headers", func(t *testing.T) {
		s := s.on(t)
		apptest.RequireWhole(t, s.Do(s.Flow(knowledgeFlow("TYPES", from, to, map[string]any{"fields": []string{"ID", "CODE", "VALUE", "CHANGED"}, "filters": []string{"OPEN"}, "filterExpr": []string{"VALUE ge 3"}}))), 30)
		kinds := map[string]string{}
		for _, c := range sim.MustTable("TYPES").Columns() {
			kinds[c.Name] = fmt.Sprint(c.Type)
		}
		require.Equal(t, map[string]string{"ID": "INTEGER", "CODE": "STRING", "VALUE": "FLOAT", "CHANGED": "DATETIME"}, kinds)
	})
	t.Run("KPIs", func(t *testing.T) {
		s := s.on(t)
		apptest.RequireWhole(t, s.Do(s.Flow(knowledgeFlow("KPIS", from, to, map[string]any{"record": nil, "fields": []string{"ORDER.STATUS"}, "kpis": []string{"ORDERS", "TOTAL"}, "sort": []string{"-ORDERS"}}))), 3)
	})
	t.Run("wide", func(t *testing.T) {
		s := s.on(t)
		apptest.RequireWhole(t, s.Do(s.Flow(knowledgeFlow("WIDE", from, to, map[string]any{"keyFields": []string{"ID"}}))), 100)
		require.Len(t, sim.MustTable("WIDE").Columns(), 305)
		run := s.Do(s.Flow(knowledgeFlow("NOKEY", from, to, nil)))
		require.Equal(t, "source.key_not_unique", run.ErrorCode())
		require.Contains(t, run.Error.Hint, "keyFields")
	})
	t.Run("delta", func(t *testing.T) {
		s := s.on(t)
		spec := knowledgeFlow("DELTA", from, to, map[string]any{"fields": []string{"ID", "CHANGED"}, "delta": map[string]any{"mode": "delta", "field": "CHANGED"}})
		set("import", map[string]any{"mode": "delta", "keys": []string{"ID"}})(spec)
		flow := s.Flow(spec)
		apptest.RequireWhole(t, s.Do(flow), 100)
		run := s.Do(flow)
		require.Equal(t, "succeeded", run.State)
		require.Zero(t, run.Ledger.Read)
	})
	t.Run("preview", func(t *testing.T) {
		s := s.on(t)
		flow := s.Flow(knowledgeFlow("PREVIEW", from, to, map[string]any{"fields": []string{"ID"}}))
		var seen shownPreview
		s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/preview", map[string]any{"limit": 5}, &seen)
		require.Len(t, seen.Mapped.Rows, 5)
		require.Equal(t, "knowledgeModel", seen.Request.Exchanges[0].Kind)
	})
	t.Run("refused", func(t *testing.T) {
		s := s.on(t)
		run := s.Do(s.Flow(knowledgeFlow("UNKNOWN", from, to, map[string]any{"fields": []string{"ID", "COLOUR"}})))
		require.Equal(t, "source.field_unknown", run.ErrorCode())
		require.Contains(t, run.Error.Message, "COLOUR")
		run = s.Do(s.Flow(knowledgeFlow("GONE", from, to, map[string]any{"knowledgeModelId": "pkg.none"})))
		require.Equal(t, "celonis.not_found", run.ErrorCode())
		many := make([]string, 201)
		for i := range many {
			many[i] = fmt.Sprintf("F%d", i)
		}
		for pointer, export := range map[string]map[string]any{
			"/export/keyFields":        {"fields": many},
			"/export/fields":           {"record": nil, "fields": many, "kpis": []string{"K"}},
			"/export/sort":             {"fields": []string{"A"}, "sort": []string{"-B"}},
			"/export/record":           {"record": nil},
			"/export/kpis":             {"kpis": []string{"K"}},
			"/export/knowledgeModelId": {"knowledgeModelId": nil},
			"/export/select":           {"select": []string{"A"}},
		} {
			p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", knowledgeFlow("R", from, to, export))
			var pointers []string
			for _, e := range p.Errors {
				pointers = append(pointers, e.Pointer)
			}
			require.Contains(t, pointers, pointer)
		}
	})
	require.Positive(t, asked.Load())
}

// A model that disappears between pages, rows that nothing can slice, and a day whose requests are spent.
func TestAKnowledgeModelThatCannotBeReadWhole(t *testing.T) {
	t.Parallel()
	gone := apptest.NewSim(t, orderModel(&celonissim.Rows{Count: 20_000}, 0), func(o *celonissim.Options) { o.Answers.Knowledge.GoneAfter = 5 })
	spent := apptest.NewSim(t, orderModel(&celonissim.Rows{Count: 20_000}, 0), func(o *celonissim.Options) {
		o.Limits.KnowledgePerDay, o.Answers.RateHeaders = 12, celonissim.RateDateTime
	})
	s := begin(t, gone, spent)
	run := s.Do(s.Flow(knowledgeFlow("GONE", s.insight(gone), s.Connect("gone", gone), nil)))
	require.Equal(t, "failed", run.State)
	require.Equal(t, "celonis.not_found", run.ErrorCode())
	require.True(t, strings.Contains(run.Error.Message, "pkg.km"))
	_, there := gone.Table(gone.Pool, "GONE")
	require.False(t, there, "nothing was pushed")

	var made apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections", map[string]any{
		"name": "spent", "apiType": "intelligence", "domain": spent.Host, "authType": "custom", "appKey": spent.AppKey,
	}, &made)
	to := s.Connect("spent pool", spent)
	run = s.Do(s.Flow(knowledgeFlow("STUCK", made.ID, to, map[string]any{"fields": []string{"STATUS"}})))
	require.Equal(t, "source.row_limit", run.ErrorCode(), "%+v", run.Error)
	waiting := s.Await(s.Start(s.Flow(knowledgeFlow("SPENT", made.ID, to, nil))).ID, func(r apptest.Run) bool { return r.State == "waiting" || r.Ended() })
	require.Equal(t, "waiting", waiting.State)
	require.Contains(t, []string{"celonis.rate_limited", "celonis.budget_spent"}, waiting.ErrorCode())
	var left struct{ Intelligence struct{ Left int } }
	s.Call(http.StatusOK, "GET", "/v1/teams/"+spent.Host+"/budget", nil, &left)
	require.Zero(t, left.Intelligence.Left, "celonis says that the day is spent")
}
