package httpapi_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// clients keeps API clients in memory.
type clients struct {
	mu      sync.Mutex
	byID    map[string]access.Client
	revoked map[string]bool
}

var _ access.Repository = (*clients)(nil)

func newClients() *clients {
	return &clients{byID: map[string]access.Client{}, revoked: map[string]bool{}}
}

// testClients is the real service over clients in memory.
func testClients(t *testing.T) *access.Service {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	keys, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	s, err := access.New(access.Deps{Repository: newClients(), Keys: keys, Now: epoch})
	require.NoError(t, err)
	return s
}

func (m *clients) CreateClient(_ context.Context, c *access.Client) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.byID {
		if strings.EqualFold(other.Name, c.Name) {
			return fault.New(fault.AccessClientExists, "the workspace has an API client named %q", c.Name)
		}
	}
	m.byID[c.ID] = *c
	return nil
}

func (m *clients) Client(_ context.Context, id string) (*access.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.byID[id]
	if !ok {
		return nil, fault.New(fault.AccessClientNotFound, "there is no API client %q", id)
	}
	c.Secrets = slices.Clone(c.Secrets)
	return &c, nil
}

func (m *clients) Clients(_ context.Context, workspace string, page access.Page) ([]access.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []access.Client
	for _, c := range m.byID {
		if c.Workspace == workspace && c.ID > page.After {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b access.Client) int { return strings.Compare(a.ID, b.ID) })
	return list[:min(len(list), page.Limit)], nil
}

func (m *clients) UpdateClient(_ context.Context, c *access.Client) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byID[c.ID] = *c
	return nil
}

func (m *clients) DeleteClient(_ context.Context, _, id string, _ int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.byID[id]; !ok {
		return fault.New(fault.AccessClientNotFound, "there is no API client %q", id)
	}
	delete(m.byID, id)
	return nil
}

func (m *clients) AddClientSecret(_ context.Context, _, id string, secret access.ClientSecret) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.byID[id]
	if len(c.Secrets) >= access.MaxSecrets {
		return fault.New(fault.AccessSecretsFull, "the API client has %d secrets already", access.MaxSecrets)
	}
	c.Secrets = append(slices.Clone(c.Secrets), secret)
	m.byID[id] = c
	return nil
}

func (m *clients) DeleteClientSecret(_ context.Context, _, id, secretID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.byID[id]
	if !ok {
		return fault.New(fault.AccessClientNotFound, "there is no API client %q", id)
	}
	i := slices.IndexFunc(c.Secrets, func(s access.ClientSecret) bool { return s.ID == secretID })
	if i < 0 {
		return fault.New(fault.AccessSecretNotFound, "the API client has no secret %q", secretID)
	}
	c.Secrets = slices.Delete(slices.Clone(c.Secrets), i, i+1)
	m.byID[id] = c
	return nil
}

func (m *clients) TouchClient(context.Context, access.Use) error { return nil }

func (m *clients) RevokeToken(_ context.Context, t access.RevokedToken, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revoked[t.ID] = true
	return nil
}

func (m *clients) TokenRevoked(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revoked[id], nil
}

// made creates a client over the API and gives its id, its secret and that secret's id.
func (s *server) made(t *testing.T, body string) (id, secret, secretID string) {
	t.Helper()
	res := s.ask("POST /v1/clients", body)
	require.Equal(t, http.StatusCreated, res.status, res.body)
	m := res.json(t)
	require.Equal(t, "/v1/clients/"+m["id"].(string), res.header.Get("Location"))
	return m["id"].(string), m["clientSecret"].(string), m["secrets"].([]any)[0].(map[string]any)["id"].(string)
}

func TestClientsLive(t *testing.T) {
	t.Parallel()
	s := setup(t)
	id, secret, secretID := s.made(t, `{"name":" loader ","preset":"operator","expiresAt":"2030-01-01T00:00:00+01:00"}`)
	res := s.ask("GET /v1/clients/"+id, "")
	require.Equal(t, `"1"`, res.header.Get("ETag"))
	require.NotContains(t, res.body, secret)
	m := res.json(t)
	require.Equal(t, []any{"loader", true, []any{"connections:read", "connections:test", "flows:read", "flows:run", "records:read"}},
		[]any{m["name"], m["enabled"], m["scopes"]})
	require.Equal(t, "2029-12-31T23:00:00Z", m["secrets"].([]any)[0].(map[string]any)["expiresAt"])

	res = s.ask("PATCH /v1/clients/"+id, `{"scopes":["flows:read"],"enabled":false}`, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, `"2"`, res.header.Get("ETag"))
	s.ask("PATCH /v1/clients/"+id, `{"name":"x"}`, "If-Match", `"1"`).requireProblem(t, http.StatusPreconditionFailed, "request.stale")

	res = s.ask("POST /v1/clients/"+id+"/secrets", "")
	require.Equal(t, http.StatusCreated, res.status, res.body)
	require.NotEqual(t, secret, res.json(t)["clientSecret"])
	s.ask("POST /v1/clients/"+id+"/secrets", `{"expiresAt":"2031-01-01T00:00:00Z"}`).requireProblem(t, http.StatusConflict, "access.too_many_secrets")
	require.Equal(t, http.StatusNoContent, s.ask("DELETE /v1/clients/"+id+"/secrets/"+secretID, "").status)
	s.ask("DELETE /v1/clients/"+id+"/secrets/"+secretID, "").requireProblem(t, http.StatusNotFound, "access.secret_not_found")
	s.ask("DELETE /v1/clients/"+id+"/secrets/%00", "").requireProblem(t, http.StatusNotFound, "access.secret_not_found")

	require.Contains(t, s.ask("GET /v1/clients", "").body, id)
	s.ask("DELETE /v1/clients/"+id, "", "If-Match", `"1"`).requireProblem(t, http.StatusPreconditionFailed, "request.stale")
	require.Equal(t, http.StatusNoContent, s.ask("DELETE /v1/clients/"+id, "", "If-Match", `"2"`).status)
	s.ask("GET /v1/clients/"+id, "").requireProblem(t, http.StatusNotFound, "access.client_not_found")
	require.NotContains(t, s.log.String(), secret)
}

func TestClientBodies(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.made(t, `{"name":"taken","scopes":["flows:read"]}`)
	for _, tt := range []struct {
		body     string
		status   int
		code     string
		pointers []string
	}{
		{`{}`, 422, "request.invalid", []string{"/name", "/scopes"}},
		{`{"name":"a"}`, 422, "request.invalid", []string{"/scopes"}},
		{`{"name":"a","scopes":["flows:fly"]}`, 422, "request.invalid", []string{"/scopes"}},
		{`{"name":"a","preset":"god"}`, 422, "request.invalid", []string{"/preset"}},
		{`{"name":"a","preset":"operator","scopes":["flows:read"]}`, 422, "request.invalid", []string{"/preset"}},
		{`{"name":"a","scopes":["all"],"expiresAt":"tomorrow"}`, 422, "request.invalid", []string{"/expiresAt"}},
		{`{"name":"a","scopes":["all"],"expiresAt":"2020-01-01T00:00:00Z"}`, 422, "request.invalid", []string{"/expiresAt"}},
		{`{"name":"a","scopes":["all"],"clientSecret":"mine"}`, 422, "request.invalid", []string{"/clientSecret"}},
		{`{"name":"TAKEN","scopes":["all"]}`, 409, "access.client_exists", nil},
	} {
		s.ask("POST /v1/clients", tt.body).requireProblem(t, tt.status, tt.code, tt.pointers...)
	}
}

// TestNobodyGivesWhatTheyDoNotHave takes every way from a few scopes to more.
func TestNobodyGivesWhatTheyDoNotHave(t *testing.T) {
	t.Parallel()
	s := setup(t)
	strong, _, _ := s.made(t, `{"name":"strong","scopes":["all"]}`)
	off, _, _ := s.made(t, `{"name":"off","scopes":["all"],"enabled":false}`)
	weak, _, _ := s.made(t, `{"name":"weak","scopes":["flows:read"]}`)
	as := []string{"Authorization", "Bearer flows:read,clients:read,clients:write"}
	for _, tt := range []struct{ what, body string }{
		{"POST /v1/clients", `{"name":"new","scopes":["flows:read","flows:write"]}`},
		{"POST /v1/clients", `{"name":"new","scopes":["all"]}`},
		{"PATCH /v1/clients/" + weak, `{"scopes":["flows:read","audit:read"]}`},
		{"PATCH /v1/clients/" + off, `{"enabled":true}`},
		{"POST /v1/clients/" + strong + "/secrets", ""},
	} {
		res := s.ask(tt.what, tt.body, as...)
		res.requireProblem(t, http.StatusForbidden, "access.scope_not_held")
		require.Contains(t, res.header.Get("WWW-Authenticate"), "insufficient_scope")
	}
	for _, tt := range []struct{ what, body string }{
		{"POST /v1/clients", `{"name":"new","scopes":["flows:read"]}`},
		{"PATCH /v1/clients/" + weak, `{"scopes":["clients:read"]}`},
		{"PATCH /v1/clients/" + strong, `{"name":"renamed"}`},
		{"PATCH /v1/clients/" + strong, `{"scopes":["audit:read"],"enabled":false}`},
		{"POST /v1/clients/" + weak + "/secrets", `{}`},
	} {
		require.Less(t, s.ask(tt.what, tt.body, as...).status, 300, "%s %s", tt.what, tt.body)
	}
}

func TestScopesAreListed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/scopes", "", "Authorization", "Bearer flows:read")
	require.Equal(t, http.StatusOK, res.status)
	m := res.json(t)
	require.Len(t, m["items"], len(access.AllScopes()))
	for _, p := range m["presets"].([]any) {
		name := p.(map[string]any)["name"].(string)
		id, _, _ := s.made(t, `{"name":"`+name+`","preset":"`+name+`"}`)
		require.Equal(t, p.(map[string]any)["scopes"], s.ask("GET /v1/clients/"+id, "").json(t)["scopes"])
	}
}

// tokenOf is a server whose tokens are real, with a client and its token.
type tokenOf struct {
	*server
	id, secret, token string
}

const formMedia = "application/x-www-form-urlencoded"

func realTokens(t *testing.T, scopes ...string) *tokenOf {
	s := setup(t)
	s = setup(t, func(d *httpapi.Deps) {
		d.Access, d.TokenServer, d.Clients, d.ClientSecrets = s.clients, s.clients, s.clients, s.clients
	}).with(s.clients)
	return s.newcomer(t, "first", scopes...)
}

func (s *server) with(c *access.Service) *server { s.clients = c; return s }

func (s *server) newcomer(t *testing.T, name string, scopes ...string) *tokenOf {
	c, secret, err := s.clients.CreateClient(t.Context(), "default", name, scopes)
	require.NoError(t, err)
	o := &tokenOf{server: s, id: c.ID, secret: secret.Reveal()}
	res := o.form("/oauth/token", url.Values{"grant_type": {"client_credentials"}})
	require.Equal(t, http.StatusOK, res.status, res.body)
	o.token = res.json(t)["access_token"].(string)
	return o
}

func (o *tokenOf) form(path string, form url.Values) response {
	return o.ask("POST "+path, form.Encode(), "Content-Type", formMedia, "Authorization", basic(o.id, o.secret))
}

func (o *tokenOf) introspect(token string) response {
	return o.form("/oauth/introspect", url.Values{"token": {token}, "token_type_hint": {"access_token"}})
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	first := realTokens(t, "flows:read", "flows:run")
	second := first.newcomer(t, "second", "flows:read")
	reader := first.newcomer(t, "reader", "clients:read")

	res := first.introspect(first.token)
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, []string{"no-store", "no-cache"}, []string{res.header.Get("Cache-Control"), res.header.Get("Pragma")})
	m := res.json(t)
	require.Equal(t, []any{true, first.id, "flows:read flows:run", "Bearer", "default"},
		[]any{m["active"], m["client_id"], m["scope"], m["token_type"], m["workspace"]})
	require.EqualValues(t, 900, m["exp"].(float64)-m["iat"].(float64))

	require.JSONEq(t, `{"active":false}`, second.introspect(first.token).body, "another's token")
	require.Equal(t, first.id, reader.introspect(first.token).json(t)["client_id"])
	for _, bad := range []string{"nonsense", first.token[:len(first.token)-2], "a.b.c"} {
		require.JSONEq(t, `{"active":false}`, first.introspect(bad).body)
	}
	byToken := first.ask("POST /oauth/introspect", "token="+first.token, "Content-Type", formMedia, "Authorization", "Bearer "+reader.token)
	require.Equal(t, first.id, byToken.json(t)["client_id"])

	for name, tt := range map[string]struct {
		auth, body, code string
		status           int
	}{
		"no caller":      {"", "token=x", "invalid_client", 401},
		"wrong secret":   {basic(first.id, "wrong"), "token=x", "invalid_client", 401},
		"a wrong token":  {"Bearer wrong", "token=x", "invalid_token", 401},
		"no token":       {basic(first.id, first.secret), "a=b", "invalid_request", 400},
		"token twice":    {basic(first.id, first.secret), "token=a&token=b", "invalid_request", 400},
		"no form":        {basic(first.id, first.secret), "", "invalid_request", 400},
		"not even ASCII": {basic(first.id, first.secret), "token=%ff&token=%fe", "invalid_request", 400},
	} {
		for _, path := range []string{"/oauth/introspect", "/oauth/revoke"} {
			if path == "/oauth/revoke" && tt.code == "invalid_token" {
				continue
			}
			res := first.ask("POST "+path, tt.body, "Content-Type", formMedia, "Authorization", tt.auth)
			require.Equal(t, tt.status, res.status, "%s: %s", name, res.body)
			require.Equal(t, tt.code, res.json(t)["error"], name)
			require.Equal(t, tt.status == 401, res.header.Get("WWW-Authenticate") != "", name)
		}
	}
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	first := realTokens(t, "flows:read")
	second := first.newcomer(t, "second", "flows:read")
	again := first.form("/oauth/token", url.Values{"grant_type": {"client_credentials"}}).json(t)["access_token"].(string)
	res := second.form("/oauth/revoke", url.Values{"token": {first.token}})
	require.Equal(t, http.StatusBadRequest, res.status)
	require.Equal(t, "unauthorized_client", res.json(t)["error"])
	require.Equal(t, http.StatusOK, first.ask("GET /v1/flows", "", "Authorization", "Bearer "+first.token).status)

	for range 2 {
		res = first.form("/oauth/revoke", url.Values{"token": {first.token}, "token_type_hint": {"refresh_token"}})
		require.Equal(t, http.StatusOK, res.status, res.body)
		require.Empty(t, res.body)
	}
	p := first.ask("GET /v1/flows", "", "Authorization", "Bearer "+first.token).requireProblem(t, http.StatusUnauthorized, "access.unauthenticated")
	require.Equal(t, "the token was revoked", p.Detail)
	require.JSONEq(t, `{"active":false}`, first.introspect(first.token).body)
	require.Equal(t, http.StatusOK, first.ask("GET /v1/flows", "", "Authorization", "Bearer "+again).status, "only the one token has ended")
	require.Equal(t, http.StatusOK, first.form("/oauth/revoke", url.Values{"token": {"no token of ours"}}).status)
}

func TestServerMetadata(t *testing.T) {
	t.Parallel()
	s := setup(t)
	m := s.ask("GET /.well-known/oauth-authorization-server", "", "Authorization", "").json(t)
	require.Equal(t, "http://example.com", m["issuer"])
	require.Equal(t, "http://example.com/oauth/introspect", m["introspection_endpoint"])
	public := setup(t, func(d *httpapi.Deps) { d.PublicURL = "https://connector.example.org" })
	m = public.ask("GET /.well-known/oauth-authorization-server", "", "Authorization", "").json(t)
	for name, path := range map[string]string{"issuer": "", "token_endpoint": "/oauth/token", "revocation_endpoint": "/oauth/revoke", "jwks_uri": "/.well-known/jwks.json"} {
		require.Equal(t, "https://connector.example.org"+path, m[name])
	}
	require.Len(t, m["scopes_supported"], len(access.AllScopes()))
	keys := s.ask("GET /.well-known/jwks.json", "", "Authorization", "").json(t)["keys"].([]any)
	require.Len(t, keys, 1)
}
