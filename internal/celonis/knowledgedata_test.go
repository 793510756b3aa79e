package celonis_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const onePage = `{"page":0,"pageSize":50,"total":1,"sort":["-amount"],"content":{"headers":[{"id":"amount","name":"Amount","type":"float",
	"format":"","unit":"EUR","aggregation":%s,"filterable":%s,"sortable":%s}],"data":%s}}`

// answering gives a client whose requests are all answered by f.
func answering(t *testing.T, f func(r *http.Request, n int) (status int, contentType, body string)) *celonis.Client {
	t.Helper()
	n := 0
	return newClient(t, celonis.Config{Target: target("https://team.try.celonis.cloud"), Transport: trip(func(r *http.Request) (*http.Response, error) {
		n++
		status, contentType, body := f(r, n)
		return answer(r, status, contentType, body), nil
	})})
}

func TestKnowledgeDataIsReadInAnyForm(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"as documented":      fmt.Sprintf(onePage, "false", "true", "true", `[{"amount":12.5}]`),
		"booleans as texts":  fmt.Sprintf(onePage, `"false"`, `"true"`, `"true"`, `[{"amount":12.5}]`),
		"data too deep":      fmt.Sprintf(onePage, "false", "true", "true", `[[{"amount":12.5}]]`),
		"data in an object":  fmt.Sprintf(onePage, "false", "true", "true", `{"data":[{"amount":12.5}]}`),
		"numbers in quotes":  strings.Replace(fmt.Sprintf(onePage, "false", "true", "true", `[{"amount":12.5}]`), `"total":1`, `"total":"1"`, 1),
		"cut, then complete": "",
	} {
		c := answering(t, func(r *http.Request, n int) (int, string, string) {
			require.Equal(t, "/intelligence/api/knowledge-models/pkg.km/records/ORDER/data", r.URL.Path)
			if body == "" {
				whole := fmt.Sprintf(onePage, "false", "true", "true", `[{"amount":12.5}]`)
				if n < 3 {
					whole = whole[:len(whole)/2]
				}
				return 200, "application/json", whole
			}
			return 200, "application/json", body
		})
		p, err := c.KnowledgeData(t.Context(), celonis.DataQuery{Model: "pkg.km", Record: "ORDER", Fields: []string{"amount"}, Sort: []string{"-amount"}, Size: 50})
		require.NoError(t, err, name)
		require.Equal(t, 50, p.Size, name)
		require.Equal(t, 1, p.Total, name)
		require.Len(t, p.Rows, 1, name)
		require.JSONEq(t, `{"amount":12.5}`, string(p.Rows[0]), name)
		h := p.Headers[0]
		require.EqualValues(t, "float", h.Type, name)
		require.False(t, bool(h.Aggregation), name)
		require.True(t, bool(h.Filterable) && bool(h.Sortable), name)
	}
}

func TestKnowledgeDataRequests(t *testing.T) {
	t.Parallel()
	page := func(body *string) func(*http.Request, int) (int, string, string) {
		return func(r *http.Request, _ int) (int, string, string) {
			*body = r.Method + " " + r.URL.RawQuery
			if r.Body != nil {
				sent, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				*body += string(sent)
			}
			return 200, "application/json", `{"page":2,"pageSize":50,"total":0,"sort":[],"content":{"headers":[],"data":[]}}`
		}
	}
	var sent string
	q := celonis.DataQuery{
		Model: "pkg.km", Fields: []string{"R.A", "R.B"}, KPIs: []string{"K"}, Filters: []string{"F"}, Exprs: []string{"A gt 1", "B eq 'x+y'"},
		Sort: []string{"-R.A"}, Distinct: true, Page: 2, Size: 50,
	}
	_, err := answering(t, page(&sent)).KnowledgeData(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, "GET fields=R.A%2CR.B&filterExpr=A+gt+1&filterExpr=B+eq+%27x%2By%27&filters=F&kpis=K&options=distinct&page=2&pageSize=50&sort=-R.A", sent)

	q.Fields = []string{strings.Repeat("A", 1800)}
	_, err = answering(t, page(&sent)).KnowledgeData(t.Context(), q)
	require.NoError(t, err)
	method, body, _ := strings.Cut(sent, " ")
	require.Equal(t, "POST", method)
	require.JSONEq(t, `{"projection":{"fields":"`+q.Fields[0]+`","filters":{"kmFilterNames":["F"],"filterExpr":["A gt 1","B eq 'x+y'"]},
		"pagination":{"pageNumber":2,"pageSize":50},"sort":"-R.A","options":["distinct"],"kpis":["K"]}}`, body)
}

func TestKnowledgeDataFaults(t *testing.T) {
	t.Parallel()
	problem := func(status int, code, detail string) string {
		return fmt.Sprintf(`{"title":"No","status":%d,"detail":%q,"errorCode":%q}`, status, detail, code)
	}
	for _, c := range []struct {
		status     int
		body, says string
		want       fault.Code
	}{
		{400, problem(400, "GENERAL_PARAMETER_ILLEGAL", "The field COLOUR is unknown."), "COLOUR", fault.SourceField},
		{400, problem(400, "SORT_UNKNOWN_FIELD", "The field X cannot be sorted by."), "X cannot", fault.SourceField},
		{404, problem(404, "KM_MODEL_NOTFOUND", "gone"), `no knowledge model "pkg.km"`, fault.CelonisNotFound},
		{404, problem(404, "KM_RECORD_NOTFOUND", "gone"), `no record "ORDER"`, fault.CelonisNotFound},
		{415, problem(415, "GENERAL_X", "format"), "format", fault.SourceField},
		{200, `{"page":1,"content":{"data":[]}}`, "page 1", fault.SourceCursorLoop},
		{200, `{"page":0,"content":{"data":[1]}}`, "no list of objects", fault.CelonisAnswer},
		{200, `{"page":0,"content":{"data":[`, "", fault.CelonisAnswer},
		{200, `<html><title>Sorry</title></html>`, "", fault.CelonisAnswer},
	} {
		client := answering(t, func(*http.Request, int) (int, string, string) { return c.status, "application/json", c.body })
		_, err := client.KnowledgeData(t.Context(), celonis.DataQuery{Model: "pkg.km", Record: "ORDER", Fields: []string{"A"}, Size: 50})
		require.True(t, fault.Has(err, c.want), "%s: %v", c.body, err)
		require.ErrorContains(t, err, c.says)
	}
}

func TestAnAnswerThatIsTooLong(t *testing.T) {
	t.Parallel()
	client := answering(t, func(*http.Request, int) (int, string, string) {
		return 200, "application/json", strings.Repeat(" ", 9<<20)
	})
	_, err := client.KnowledgeData(t.Context(), celonis.DataQuery{Model: "pkg.km", Record: "ORDER", Fields: []string{"A"}, Size: 50})
	require.True(t, celonis.AnswerTooLong(err), "%v", err)
}

func TestOData(t *testing.T) {
	t.Parallel()
	client := answering(t, func(r *http.Request, _ int) (int, string, string) {
		require.Equal(t, "/intelligence/api/odata/pkg.km.svc/ORDER_entries", r.URL.Path)
		require.Equal(t, "%24count=true&%24filter=A+gt+1&%24format=json&%24orderby=A+desc&%24select=A&%24skip=10&%24top=5&filterid=F", r.URL.RawQuery)
		return 200, "application/json", `{"@odata.context":"$metadata#ORDER_entries","@odata.count":11,"value":[{"A":2}]}`
	})
	p, err := client.OData(t.Context(), celonis.ODataQuery{
		Model: "pkg.km", Record: "ORDER", Select: []string{"A"}, Filter: "A gt 1", FilterID: "F", OrderBy: []string{"A desc"}, Top: 5, Skip: 10,
	})
	require.NoError(t, err)
	require.Equal(t, 11, p.Total)
	require.Len(t, p.Rows, 1)
}
