package app_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// closedPort gives an address of loopback at which nothing listens.
func closedPort(t testing.TB) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// draft is a connection of type dataPush with the App key; change replaces members, nil takes one away.
func draft(sim *apptest.Sim, name string, change map[string]any) map[string]any {
	return changed(map[string]any{
		"name": name, "apiType": "dataPush", "domain": sim.Host, "authType": "custom", "appKey": sim.AppKey, "poolId": sim.Pool,
	}, change)
}

func changed(d, change map[string]any) map[string]any {
	for k, v := range change {
		d[k] = v
		if v == nil {
			delete(d, k)
		}
	}
	return d
}

func TestConnectionTests(t *testing.T) {
	t.Parallel()
	const unknownPool = "00000000-0000-4000-8000-000000000000"
	sim := apptest.NewSim(t)
	noPush := sim.AddCredential(celonissim.Credential{Name: "no push", Kind: celonissim.AppKey})
	noModels := sim.AddCredential(celonissim.Credential{Name: "no models", Kind: celonissim.APIKey, PushPools: []string{"*"}})
	poor := apptest.NewSim(t, func(o *celonissim.Options) { o.Teams[0].Disabled = []celonissim.API{celonissim.APIIntelligence} })
	closed := closedPort(t)
	s := start(t, settings(t, sim.URL, poor.URL, "http://"+closed))

	asToken := map[string]any{"authType": "token", "appKey": nil, "apiKey": sim.APIKey}
	intelligence := map[string]any{"apiType": "intelligence", "poolId": nil}
	for _, c := range []struct {
		name   string
		sim    *apptest.Sim
		change []map[string]any
		// step is the one that must fail, "" for a good connection; steps are all that must come.
		step, code, hint string
		steps            []string
	}{
		{name: "dataPush, App key", steps: []string{"dns", "tls", "auth", "scheme", "pool", "permission"}},
		{name: "dataPush, API key", change: []map[string]any{asToken}, steps: []string{"dns", "tls", "auth", "scheme", "pool", "permission"}},
		{name: "intelligence, App key", change: []map[string]any{intelligence}, steps: []string{"dns", "tls", "auth", "scheme", "permission"}},
		{name: "intelligence, API key", change: []map[string]any{intelligence, asToken}, steps: []string{"dns", "tls", "auth", "scheme", "permission"}},
		{name: "wrong App key", change: []map[string]any{{"appKey": "nobody-has-this-key"}}, step: "auth", code: "celonis.unauthorized", hint: "Admin & Settings"},
		{name: "wrong API key", change: []map[string]any{asToken, {"apiKey": "nobody-has-this-key"}}, step: "auth", code: "celonis.unauthorized", hint: "Edit profile"},
		{name: "API key as App key", change: []map[string]any{{"appKey": sim.APIKey}}, step: "scheme", code: "celonis.wrong_key_kind", hint: `"token"`},
		{name: "App key as API key", change: []map[string]any{asToken, {"apiKey": sim.AppKey}}, step: "scheme", code: "celonis.wrong_key_kind", hint: `"custom"`},
		{name: "intelligence, keys mixed up", change: []map[string]any{intelligence, asToken, {"apiKey": sim.AppKey}}, step: "scheme", code: "celonis.wrong_key_kind", hint: `"custom"`},
		{name: "unknown pool", change: []map[string]any{{"poolId": unknownPool}}, step: "pool", code: "celonis.pool_not_found", hint: "pool"},
		{name: "key that may not push", change: []map[string]any{{"appKey": noPush}}, step: "permission", code: "celonis.forbidden", hint: "Data Push API"},
		{name: "key that may not read models", change: []map[string]any{intelligence, asToken, {"apiKey": noModels}}, step: "permission", code: "celonis.forbidden", hint: "Permissions"},
		{name: "team without the Intelligence API", sim: poor, change: []map[string]any{intelligence, {"domain": poor.Host, "appKey": poor.AppKey}},
			step: "permission", code: "celonis.api_disabled", hint: "Intelligence API"},
		{name: "nobody listens", change: []map[string]any{{"domain": closed}}, step: "auth", code: "egress.unreachable", hint: "connections to the host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := s.on(t)
			d := draft(sim, c.name, nil)
			for _, change := range c.change {
				d = changed(d, change)
			}
			// The unsaved body, the create and the test of what is stored say the same.
			var unsaved, again apptest.TestResult
			s.Call(http.StatusOK, "POST", "/v1/connections/test", d, &unsaved)
			var made apptest.Connection
			s.Call(http.StatusCreated, "POST", "/v1/connections", d, &made)
			s.Call(http.StatusOK, "POST", "/v1/connections/"+made.ID+"/test", nil, &again)
			require.NotNil(t, made.LastTest)
			for _, result := range []apptest.TestResult{unsaved, *made.LastTest, again} {
				last := result.Last()
				if c.step == "" {
					require.True(t, result.OK, "%+v", result)
					require.Equal(t, "online", made.Status)
					names := make([]string, len(result.Steps))
					for i, step := range result.Steps {
						names[i] = step.Step
						require.True(t, step.OK)
						require.NotEmpty(t, step.Detail)
					}
					require.Equal(t, c.steps, names)
					continue
				}
				require.False(t, result.OK)
				require.Equal(t, "offline", made.Status)
				require.Equal(t, []string{c.step, c.code}, []string{last.Step, last.Code}, "%+v", result)
				require.False(t, last.OK)
				require.Contains(t, last.Hint, c.hint)
				require.NotEmpty(t, last.Detail)
			}
		})
	}
}

// What is refused before any call goes out: each fault with its place.
func TestConnectionsThatAreRefused(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	for _, c := range []struct {
		name     string
		change   map[string]any
		pointers map[string]string
	}{
		{"unknown field", map[string]any{"appkey": "x"}, map[string]string{"/appkey": "request.unknown_field"}},
		{"everything missing", map[string]any{"name": nil, "apiType": nil, "domain": nil, "authType": nil}, map[string]string{
			"/name": "request.field_missing", "/apiType": "request.field_missing", "/domain": "request.field_missing", "/authType": "request.field_missing",
		}},
		{"no key", map[string]any{"appKey": nil}, map[string]string{"/appKey": "request.field_missing"}},
		{"key of the other kind", map[string]any{"apiKey": "x-y-z-1-2-3"}, map[string]string{"/apiKey": "request.field_invalid"}},
		{"no pool", map[string]any{"poolId": nil}, map[string]string{"/poolId": "request.field_missing"}},
		{"pool that is no id", map[string]any{"poolId": "Prod pool"}, map[string]string{"/poolId": "connection.pool_id_invalid"}},
		{"pool of an intelligence connection", map[string]any{"apiType": "intelligence"}, map[string]string{"/poolId": "request.field_invalid"}},
		{"mask of asterisks", map[string]any{"appKey": "********"}, map[string]string{"/appKey": "secret.mask"}},
		{"mask of bullets", map[string]any{"appKey": "••••••••"}, map[string]string{"/appKey": "secret.mask"}},
		{"wrong type", map[string]any{"name": 5}, map[string]string{"/name": "request.wrong_type"}},
		{"unknown choice", map[string]any{"authType": "magic"}, map[string]string{"/authType": "request.field_invalid"}},
		{"look-alike", map[string]any{"domain": "evilcelonis.cloud"}, map[string]string{"/domain": "connection.domain_invalid"}},
		{"look-alike in front", map[string]any{"domain": "acme.celonis.cloud.evil.example"}, map[string]string{"/domain": "connection.domain_invalid"}},
		{"user-info", map[string]any{"domain": "https://acme.celonis.cloud@evil.example"}, map[string]string{"/domain": "connection.domain_invalid"}},
		{"address", map[string]any{"domain": "169.254.169.254"}, map[string]string{"/domain": "connection.domain_invalid"}},
		{"loopback that is not allowed", map[string]any{"domain": "127.0.0.1:1"}, map[string]string{"/domain": "connection.domain_invalid"}},
		{"several at once", map[string]any{"name": "", "domain": "x", "appKey": "***"}, map[string]string{
			"/name": "request.field_missing", "/domain": "connection.domain_invalid", "/appKey": "secret.mask",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := s.on(t)
			for _, path := range []string{"/v1/connections", "/v1/connections/test"} {
				p := s.Problem(http.StatusUnprocessableEntity, "POST", path, draft(sim, "refused", c.change))
				got := map[string]string{}
				for _, e := range p.Errors {
					got[e.Pointer] = e.Code
					require.NotEmpty(t, e.Detail)
				}
				require.Equal(t, c.pointers, got, "%+v", p)
			}
		})
	}
	require.Empty(t, sim.Journal(), "a refused connection was tried")
	require.Equal(t, http.StatusBadRequest, s.Send("POST", "/v1/connections", []byte(`{"name":`)).Status)
}

func TestConnectionLife(t *testing.T) {
	t.Parallel()
	sim, other := apptest.NewSim(t), apptest.NewSim(t)
	s := begin(t, sim, other)
	id := s.Connect("pool", sim)
	path := "/v1/connections/" + id

	p := s.Problem(http.StatusConflict, "POST", "/v1/connections", draft(sim, "POOL", nil))
	require.Equal(t, "connection.name_taken", p.Code)

	var c apptest.Connection
	answer := s.Send("GET", path, nil)
	require.NotContains(t, string(answer.Body), sim.AppKey)
	s.Call(http.StatusOK, "GET", path, nil, &c)
	require.True(t, c.Secrets["appKey"].Set)

	// A change that sends the key nowhere else keeps it.
	s.Call(http.StatusOK, "PATCH", path, map[string]any{"name": "pool of orders"}, &c)
	require.Equal(t, "pool of orders", c.Name)
	require.Equal(t, "online", c.Status)
	stale := s.Send("PATCH", path, map[string]any{"name": "late"}, "If-Match", answer.Header.Get("ETag"))
	require.Equal(t, http.StatusPreconditionFailed, stale.Status)
	require.Equal(t, "request.stale", stale.Problem(t).Code)

	// One that would send it to a new host, or under another scheme, demands it again.
	for pointer, change := range map[string]map[string]any{
		"/appKey": {"domain": other.Host, "poolId": other.Pool},
		"/apiKey": {"authType": "token"},
	} {
		p := s.Problem(http.StatusUnprocessableEntity, "PATCH", path, change)
		require.Len(t, p.Errors, 1)
		require.Equal(t, pointer, p.Errors[0].Pointer)
		require.Equal(t, "connection.secret_required", p.Errors[0].Code)
	}
	require.Empty(t, other.Journal(), "a key was sent to a host that it was not given for")
	s.Call(http.StatusOK, "PATCH", path, map[string]any{"domain": other.Host, "poolId": other.Pool, "appKey": other.AppKey}, &c)
	require.Equal(t, "online", c.Status)
	require.Equal(t, other.Host, c.Domain)
	c = apptest.Connection{}
	s.Call(http.StatusOK, "PATCH", path, map[string]any{"authType": "token", "apiKey": other.APIKey}, &c)
	require.Equal(t, "online", c.Status)
	require.False(t, c.Secrets["appKey"].Set, "the key of the old scheme is kept")
	require.True(t, c.Secrets["apiKey"].Set)

	// While a flow uses it, it stays.
	flow := s.fileFlow(id, "T", "csv", "a\n1\n")
	used := s.Problem(http.StatusConflict, "DELETE", path, nil)
	require.Equal(t, "connection.in_use", used.Code)
	require.Len(t, used.UsedBy, 1)
	require.Equal(t, flow, used.UsedBy[0].FlowID)
	s.Call(http.StatusNoContent, "DELETE", "/v1/flows/"+flow, nil, nil)
	s.Call(http.StatusNoContent, "DELETE", path, nil, nil)
	require.Equal(t, "connection.not_found", s.Problem(http.StatusNotFound, "GET", path, nil).Code)
}

func TestCreateWithoutATest(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	var c apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections?test=skip", draft(sim, "quiet", nil), &c)
	require.Equal(t, "untested", c.Status)
	require.Nil(t, c.LastTest)
	require.Empty(t, sim.Journal())
}
