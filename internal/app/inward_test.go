package app_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// probes are the connections by which a builder could look at a host and port inside.
func probes(host, port string) map[string]map[string]any {
	at := net.JoinHostPort(host, port)
	return map[string]map[string]any{
		"Celonis": {"name": "probe", "apiType": "dataPush", "domain": at, "authType": "custom", "appKey": "a-key-0123456789abcdef", "poolId": "3f4e1d0a-0000-4000-8000-000000000000"},
		"https":   {"name": "probe", "apiType": "http", "baseUrl": "https://" + at, "authType": "none"},
		"http":    {"name": "probe", "apiType": "http", "baseUrl": "http://" + at, "authType": "none"},
		"token":   {"name": "probe", "apiType": "http", "baseUrl": "https://api.example.com", "authType": "oauth2", "tokenUrl": "https://" + at + "/token", "oauthClientId": "x"},
		"sql":     {"name": "probe", "apiType": "sql", "dialect": "postgres", "host": at, "database": "d", "username": "u", "password": "pass-0123456789"},
		"s3":      {"name": "probe", "apiType": "s3", "endpoint": "https://" + at, "bucket": "bucket", "accessKeyId": "AK0123456789", "secretAccessKey": "sk-0123456789abcdef"},
	}
}

var (
	took    = regexp.MustCompile(`"(requestId|id|at|latencyMs|createdAt|updatedAt|nextProbeAt|since)":("[^"]*"|[0-9]+)`)
	numbers = regexp.MustCompile(`[0-9]+ ?ms`)
)

// TestBuildersDoNotLearnWhatListens: by no kind of connection does the API tell
// a port of the inside that answers from one that is closed, and none of them
// is called, also where every public host may be.
func TestBuildersDoNotLearnWhatListens(t *testing.T) {
	t.Parallel()
	var called atomic.Int64
	inside := httptest.NewUnstartedServer(http.NotFoundHandler())
	inside.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			called.Add(1)
		}
	}
	inside.Start()
	defer inside.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	_, open, err := net.SplitHostPort(inside.Listener.Addr().String())
	require.NoError(t, err)
	_, closed, err := net.SplitHostPort(gone.Addr().String())
	require.NoError(t, err)
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.PublicSources = true
	s := start(t, cfg)
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST.", "::1", "::ffff:127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0.0.0.0", "169.254.169.254",
		"metadata.google.internal", "router.lan"} {
		for kind := range probes(host, open) {
			for _, path := range []string{"/v1/connections/test", "/v1/connections"} {
				told := map[string]bool{}
				for _, port := range []string{open, closed} {
					a := s.Send("POST", path, probes(host, port)[kind])
					require.Less(t, a.Status, 500, "%s %s", kind, a.Body)
					text := strings.ReplaceAll(string(a.Body), port, "PORT")
					told[numbers.ReplaceAllString(took.ReplaceAllString(text, ""), "")] = true
					require.NotContains(t, text, "online", "%s by %s", host, kind)
					var made apptest.Connection
					if a.Status == http.StatusCreated && json.Unmarshal(a.Body, &made) == nil {
						s.Call(http.StatusNoContent, "DELETE", "/v1/connections/"+made.ID, nil, nil)
					}
				}
				require.Len(t, told, 1, "%s by %s: %v", host, kind, told)
			}
		}
	}
	require.Zero(t, called.Load(), "something inside was called")
}

// TestOnlyTheOperatorAllowsHosts: no request of a client with every scope, and
// no document that it imports, makes a host one that may be called.
func TestOnlyTheOperatorAllowsHosts(t *testing.T) {
	t.Parallel()
	var called atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer inside.Close()
	host := strings.TrimPrefix(inside.URL, "http://")
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	good := s.Connect("good", sim)
	lists := []map[string]any{
		{"allowedHosts": []string{inside.URL}}, {"CONNECTOR_ALLOWED_HOSTS": inside.URL}, {"egress": map[string]any{"allowed": []string{inside.URL}}},
		{"publicSources": true}, {"settings": map[string]any{"allowedHosts": inside.URL}},
	}
	for _, list := range lists {
		for what, body := range map[string]map[string]any{
			"POST /v1/connections": draft(sim, "draft", nil), "PATCH /v1/connections/" + good: {}, "POST /v1/connections/test": draft(sim, "draft", nil),
			"POST /v1/clients": {"name": "c", "scopes": []string{"flows:read"}}, "POST /v1/config/import": {"version": 1, "oauthClients": []any{}, "connections": []any{}, "flows": []any{}},
		} {
			method, path, _ := strings.Cut(what, " ")
			require.Equal(t, http.StatusUnprocessableEntity, s.Send(method, path, changed(body, list)).Status, "%s with %v", what, list)
		}
	}
	s.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/connections/"+good, map[string]any{"domain": host, "appKey": "a-key-0123456789abcdef"})
	s.Send("POST", "/v1/config/import", map[string]any{"version": 1, "flows": []any{}, "oauthClients": []any{
		map[string]any{"name": "c", "clientId": "c", "validDomains": []string{host, "*"}, "allowedScopes": []string{pushScope}},
	}, "connections": []any{
		map[string]any{"name": "imported", "apiType": "dataPush", "domain": host, "authType": "custom", "poolId": sim.Pool},
		map[string]any{"name": "imported too", "apiType": "http", "baseUrl": inside.URL, "authType": "none"},
	}})
	for _, path := range []string{"/v1/connections", "/v1/oauth-clients", "/v1/config/export"} {
		require.NotContains(t, string(s.Send("GET", path, nil).Body), host, path)
	}
	for _, header := range []string{"X-Allowed-Hosts", "X-Forwarded-Host", "Forwarded", "Host"} {
		body, err := json.Marshal(draft(sim, "by header", map[string]any{"domain": host}))
		require.NoError(t, err)
		require.Equal(t, http.StatusUnprocessableEntity, s.Send("POST", "/v1/connections", body, header, host).Status)
	}
	_, err := s.app.Egress.Origin(host)
	require.Error(t, err)
	_, err = s.app.Egress.Client(0).Get(inside.URL)
	require.Error(t, err)
	require.Zero(t, called.Load())
}
