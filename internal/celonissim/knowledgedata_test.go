package celonissim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

func withRows(n int) func(*celonissim.Options) {
	return func(o *celonissim.Options) {
		withKnowledge(o)
		m := &o.Teams[0].KnowledgeModels[0]
		m.FilterExprs = map[string]string{"OPEN": "VALUE lt 2"}
		m.KPIs[0].Sum = "VALUE"
		m.Records[0].Rows = &celonissim.Rows{Count: n, Cell: func(i int, field string) any {
			if field == "VALUE" && i%10 == 9 {
				return nil
			}
			if field == "VALUE" {
				return float64(i) / 2
			}
			return fmt.Sprintf("it's %d", i)
		}}
	}
}

const orderData = "/intelligence/api/knowledge-models/pkg.km/records/ORDER/data?fields=ID,VALUE"

func TestKnowledgeData(t *testing.T) {
	t.Parallel()
	s := start(t, withRows(10))
	require.JSONEq(t, `{"page":0,"pageSize":2,"total":2,"sort":["-VALUE"],"content":{"headers":[
		{"id":"ID","name":"Order id","type":"string","format":"","unit":"","aggregation":false,"filterable":true,"sortable":true},
		{"id":"VALUE","name":"Value","type":"float","format":",.2f","unit":"EUR","aggregation":false,"filterable":true,"sortable":true}],
		"data":[{"ID":"it's 8","VALUE":4},{"ID":"it's 7","VALUE":3.5}]}}`, s.get(orderData+"&sort=-VALUE&pageSize=2").body)
	for expr, rows := range map[string]int{
		"VALUE ge 2":                                     5,
		"VALUE gt 1 and VALUE le 3":                      4,
		"VALUE eq 1 or ID eq 'it''s 9'":                  2,
		"not (VALUE lt 4)":                               1,
		"VALUE in (1,2,77)":                              2,
		"contains(ID,'''s 3') or endswith(ID,'4')":       2,
		"startswith(ID,'it')":                            10,
		"VALUE ne 0":                                     8,
		"(VALUE lt 1 or VALUE gt 3) and ID ne 'it''s 0'": 3,
	} {
		var page struct{ Content struct{ Data []any } }
		require.NoError(t, json.Unmarshal([]byte(s.get(orderData+"&filterExpr="+url.QueryEscape(expr)).body), &page), expr)
		require.Len(t, page.Content.Data, rows, expr)
	}
	require.Len(t, content(t, s.get(orderData+"&filters=OPEN"))["data"], 4)
	kpis := content(t, s.get("/intelligence/api/knowledge-models/pkg.km/data?kpis=COUNT"))
	require.Equal(t, []any{map[string]any{"COUNT": 18.0}}, kpis["data"])
}

func content(t *testing.T, a answer) map[string]any {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	return a.json(t)["content"].(map[string]any)
}

func TestKnowledgeDataRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, withRows(10))
	for query, code := range map[string]string{
		"fields=":                            "GENERAL_PARAMETER_MISSING",
		"fields=ID,COLOUR":                   "GENERAL_PARAMETER_ILLEGAL",
		"fields=ID&filters=NONE":             "GENERAL_PARAMETER_ILLEGAL",
		"fields=ID&filterExpr=VALUE+like":    "GENERAL_PARAMETER_ILLEGAL",
		"fields=ID&filterExpr=VALUE+eq+null": "GENERAL_PARAMETER_ILLEGAL",
		"fields=ID&sort=VALUE":               "SORT_UNKNOWN_FIELD",
		"fields=ID&sort=ID,-ID":              "SORT_HAS_OPPOSITE",
		"fields=ID&sort=ID,,":                "SORT_IS_EMPTY",
		"fields=ID&page=x":                   "GENERAL_PARAMETER_MISSMATCH",
	} {
		a := s.get("/intelligence/api/knowledge-models/pkg.km/records/ORDER/data?" + query)
		require.Equal(t, 400, a.status, query)
		require.Equal(t, code, a.json(t)["errorCode"], query)
	}
}

func TestTheWallOfKnowledgeData(t *testing.T) {
	t.Parallel()
	wall := func(o *celonissim.Options) { o.Limits.KnowledgeRows, o.Limits.PageSize = 20, 50 }
	s := start(t, withRows(100), wall)
	require.Len(t, content(t, s.get(orderData))["data"], 20)
	require.Empty(t, content(t, s.get(orderData+"&page=2&pageSize=10"))["data"])
	s = start(t, withRows(100), wall, func(o *celonissim.Options) { o.Answers.Knowledge.WallRefused = true })
	require.Equal(t, "GENERAL_CONSTRAINT_VIOLATION", s.get(orderData + "&page=2&pageSize=10").json(t)["errorCode"])
}

func TestTheLimitsOfKnowledgeData(t *testing.T) {
	t.Parallel()
	s := start(t, withRows(1), func(o *celonissim.Options) { o.Limits.KnowledgePerDay = 1 })
	require.Equal(t, "0", s.get(orderData).header.Get("x-ratelimit-remaining"))
	a := s.get(orderData)
	require.Equal(t, 429, a.status)
	require.Equal(t, "LIMIT_RATE_EXCEEDED", a.json(t)["errorCode"])
	require.NotEmpty(t, a.header.Get("x-ratelimit-reset"))
	require.Equal(t, 1, s.KnowledgeRequests())
}

func TestODataFeed(t *testing.T) {
	t.Parallel()
	s := start(t, withRows(10))
	const feed = "/intelligence/api/odata/pkg.km.svc"
	require.JSONEq(t, `{"@odata.context":"$metadata","value":[{"name":"ORDER_entries","url":"ORDER_entries"}]}`, s.get(feed).body)
	require.Equal(t, "4.01", s.get(feed + "/$metadata").json(t)["$Version"])
	require.JSONEq(t, `{"@odata.context":"$metadata#ORDER_entries","@odata.count":9,"value":[{"VALUE":3.5},{"VALUE":3}]}`,
		s.get(feed+"/ORDER_entries?$select=VALUE&$filter=VALUE%20ge%200&$orderby=VALUE%20desc&$top=2&$skip=1&$count=true").body)
	require.Equal(t, 415, s.get(feed+"/ORDER_entries?$format=atom").status)
	require.Equal(t, 404, s.get(feed+"/NONE_entries").status)
	require.Equal(t, 404, s.get("/intelligence/api/odata/pkg.km").status)
}
