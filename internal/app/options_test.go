package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// optionPage is the answer of a picker.
type optionPage struct {
	Items []struct {
		Value, Label, Type, Schema string
	} `json:"items"`
	Next  *string `json:"next"`
	Error *struct {
		Code, Message, Hint string
	} `json:"error"`
}

func (s *service) options(connection, list string) (p optionPage) {
	s.t.Helper()
	s.Call(http.StatusOK, "GET", "/v1/connections/"+connection+"/options/"+list, nil, &p)
	return p
}

func (p optionPage) values() (out []string) {
	for _, o := range p.Items {
		out = append(out, o.Value)
	}
	return out
}

func TestPickersListWhatCelonisHas(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	id := s.Connect("pool", sim)
	for _, table := range []string{"beta", "ALPHA", "Gamma"} {
		apptest.RequireWhole(t, s.Do(s.fileFlow(id, table, "csv", "ID,TEXT\n1,x\n")), 1)
	}
	const model = "simulated-package.simulated-model"
	for list, want := range map[string][]string{
		"pools":                           {sim.Pool},
		"tables":                          {"ALPHA", "beta", "Gamma"},
		"tables?q=A":                      {"ALPHA", "beta", "Gamma"},
		"tables?q=gam":                    {"Gamma"},
		"columns?table=beta":              {"_CELONIS_CHANGE_DATE", "ID", "TEXT"},
		"columns?table=beta&q=text":       {"TEXT"},
		"knowledgeModels":                 {model},
		"records?knowledgeModel=" + model: {"PURCHASE_ORDER"},
		"fields?knowledgeModel=" + model + "&record=PURCHASE_ORDER": {"CREATED", "NET_VALUE", "ORDER_ID"},
		"filters?knowledgeModel=" + model:                           {"OPEN_ORDERS"},
		"kpis?knowledgeModel=" + model:                              {"ORDER_COUNT"},
		"triggers?knowledgeModel=" + model:                          {"LATE_ORDER"},
	} {
		p := s.options(id, list)
		require.Nil(t, p.Error, list)
		require.Equal(t, want, p.values(), list)
	}
	for _, list := range []string{"dataConnections", "dataModels", "dataJobs?pool=" + sim.Pool} {
		require.Len(t, s.options(id, list).Items, 1, list)
	}
	first := s.options(id, "tables?limit=2")
	require.Equal(t, []string{"ALPHA", "beta"}, first.values())
	rest := s.options(id, "tables?limit=2&cursor="+*first.Next)
	require.Equal(t, []string{"Gamma"}, rest.values())
	require.Nil(t, rest.Next)
}

func TestPickersRemember(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	id := s.Connect("pool", sim)
	require.Len(t, s.options(id, "pools").Items, 1)
	added := sim.AddPool(celonissim.Pool{Name: "Another"})
	require.Len(t, s.options(id, "pools").Items, 1, "from memory")
	require.Contains(t, s.options(id, "pools?fresh=true").values(), added)
	require.Len(t, s.options(id, "pools").Items, 2)
	s.Call(http.StatusOK, "PATCH", "/v1/connections/"+id, map[string]any{"name": "renamed"}, nil)
	sim.AddPool(celonissim.Pool{Name: "A third"})
	require.Len(t, s.options(id, "pools").Items, 3, "a changed connection reads anew")
}

func TestPickersTellOfFailuresInline(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	key := sim.AddCredential(celonissim.Credential{Name: "push only", Kind: celonissim.AppKey, PushPools: []string{"*"}})
	s := begin(t, sim)
	var poor apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections", draft(sim, "push only", map[string]any{"appKey": key}), &poor)
	p := s.options(poor.ID, "tables")
	require.Equal(t, "celonis.forbidden", p.Error.Code)
	require.Contains(t, p.Error.Hint, "Data Integration")
	require.NotNil(t, p.Items, "an empty list, not null")
	require.Empty(t, p.Items)
	require.NotContains(t, s.log.String(), key)

	id := s.Connect("pool", sim)
	require.Equal(t, "celonis.pool_not_found", s.options(id, "tables?pool=00000000-0000-4000-8000-000000000000").Error.Code)
	require.Equal(t, "celonis.not_found", s.options(id, "kpis?knowledgeModel=no.km").Error.Code)
	require.Equal(t, "celonis.not_found", s.options(id, "fields?knowledgeModel=simulated-package.simulated-model&record=NO").Error.Code)

	problem := s.Problem(http.StatusUnprocessableEntity, "GET", "/v1/connections/"+id+"/options/fields", nil)
	require.Len(t, problem.Errors, 2)
	require.Equal(t, "/knowledgeModel", problem.Errors[0].Pointer)
	s.Problem(http.StatusNotFound, "GET", "/v1/connections/"+id+"/options/everything", nil)
	s.Problem(http.StatusBadRequest, "GET", "/v1/connections/"+id+"/options/pools?cursor=x", nil)

	other := callerIn(t, s.app, "elsewhere", "all")
	require.Equal(t, "connection.not_found", other.Problem(http.StatusNotFound, "GET", "/v1/connections/"+id+"/options/pools", nil).Code)

	require.NoError(t, sim.Close())
	require.Equal(t, "egress.unreachable", s.options(id, "dataJobs").Error.Code)
}

// TestHTTPViewOfAConnection: the two views are one object, and its headers go
// along with tests, pickers and runs.
func TestHTTPViewOfAConnection(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	var mu sync.Mutex
	routes := map[string]string{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		routes[strings.Split(r.URL.Path, "/")[1]+" "+r.Method] = r.Header.Get("X-Route")
		mu.Unlock()
		sim.Server.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	s := start(t, settings(t, proxy.URL))
	view := map[string]any{
		"headers": []any{map[string]any{"name": "X-Route", "value": "eu"}}, "timeoutSeconds": 20.0, "concurrency": 2.0,
		"requestsPerSecond": 20.0, "retries": 0.0,
	}
	var made struct {
		ID     string         `json:"id"`
		Name   string         `json:"name"`
		PoolID string         `json:"poolId"`
		Status string         `json:"status"`
		HTTP   map[string]any `json:"http"`
	}
	s.Call(http.StatusCreated, "POST", "/v1/connections",
		draft(sim, "routed", map[string]any{"domain": strings.TrimPrefix(proxy.URL, "http://"), "http": view}), &made)
	require.Equal(t, "online", made.Status)
	require.Equal(t, view, made.HTTP)
	s.options(made.ID, "pools")
	apptest.RequireWhole(t, s.Do(s.fileFlow(made.ID, "T", "csv", "A\n1\n")), 1)
	mu.Lock()
	require.Greater(t, len(routes), 3)
	for call, route := range routes {
		require.Equal(t, "eu", route, call)
	}
	mu.Unlock()

	path := "/v1/connections/" + made.ID
	s.Call(http.StatusOK, "PATCH", path, map[string]any{"name": "renamed"}, &made)
	require.Equal(t, view, made.HTTP, "the simple view keeps the HTTP view")
	s.Call(http.StatusOK, "PATCH", path, map[string]any{"http": map[string]any{"concurrency": 5, "retries": nil}}, nil)
	s.Call(http.StatusOK, "GET", path, nil, &made)
	require.Equal(t, "renamed", made.Name)
	require.Equal(t, sim.Pool, made.PoolID)
	s.restart()
	made.HTTP = nil
	s.Call(http.StatusOK, "GET", path, nil, &made)
	require.Equal(t, map[string]any{"headers": view["headers"], "timeoutSeconds": 20.0, "concurrency": 5.0, "requestsPerSecond": 20.0}, made.HTTP)
	made.HTTP = nil
	s.Call(http.StatusOK, "PATCH", path, map[string]any{"http": nil}, &made)
	require.Nil(t, made.HTTP)
	refused := s.Problem(http.StatusUnprocessableEntity, "PATCH", path, map[string]any{"http": map[string]any{"headers": []any{
		map[string]any{"name": "Authorization", "value": "v"}}}})
	require.Equal(t, "/http/headers/0/name", refused.Errors[0].Pointer)
}
