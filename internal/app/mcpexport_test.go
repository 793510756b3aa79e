package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

func TestToolsAsASource(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	data := celonissim.Tool{Asset: "pkg.server", Name: "load_data", Columns: []celonissim.PQLColumn{{Name: "ID", Type: "INTEGER"}, {Name: "NAME", Type: "STRING"}}}
	for n := range 250 {
		data.Rows = append(data.Rows, []any{n, fmt.Sprint("name ", n)})
	}
	arrays := data
	arrays.Name, arrays.Arrays, arrays.FirstPage = "load_arrays", true, 1
	for _, tool := range []celonissim.Tool{data, arrays,
		{Asset: "pkg.server", Name: "one", Answer: map[string]any{"answer": 42}},
		{Asset: "pkg.server", Name: "words", Answer: "plain words"},
		{Asset: "pkg.server", Name: "listed", Answer: `[{"a":1},{"a":2}]`},
	} {
		sim.AddTool(tool)
	}
	s := begin(t, sim)
	pool := s.Connect("pool", sim)

	var list struct{ Items []struct{ Value string } }
	s.Call(http.StatusOK, "GET", "/v1/connections/"+pool+"/options/mcpTools?asset=pkg.server", nil, &list)
	require.Len(t, list.Items, 5)

	flow := func(tool, table string, export map[string]any) map[string]any {
		e := map[string]any{"type": "mcpTool", "connectionId": pool, "asset": "pkg.server", "tool": tool}
		for k, v := range export {
			e[k] = v
		}
		return map[string]any{"name": "tool " + tool, "export": e, "import": map[string]any{"type": "dataPush", "connectionId": pool, "table": table}}
	}
	paged := func(first int) map[string]any {
		return map[string]any{
			"arguments": `{"page": {{page}}, "page_size": {{pageSize}}}`,
			"paging":    map[string]any{"type": "body", "firstPage": first, "pageSize": 100, "totalPath": "/total"},
		}
	}
	for i, c := range []struct {
		tool   string
		export map[string]any
		rows   int
	}{{"load_data", paged(0), 250}, {"load_arrays", paged(1), 250}, {"one", nil, 1}, {"words", nil, 1}, {"listed", nil, 2}} {
		table := fmt.Sprint("TOOL_", i)
		apptest.RequireWhole(t, s.Do(s.Flow(flow(c.tool, table, c.export))), int64(c.rows))
		require.Equal(t, c.rows, sim.MustTable(table).Rows(), c.tool)
	}
	require.Equal(t, "name 249", apptest.Column(sim.MustTable("TOOL_1"), "NAME")[249])
	require.Equal(t, []string{"plain words"}, apptest.Column(sim.MustTable("TOOL_3"), "text"))

	run := s.Do(s.Flow(flow("missing", "MISSING", nil)))
	require.Equal(t, "source.not_found", run.ErrorCode())
	require.NotContains(t, s.log.String(), sim.AppKey)
}
