package httpapi_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/stretchr/testify/require"
)

// raw sends a request as it stands.
func (s *server) raw(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func request(t *testing.T, method, target string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(""))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// TestEveryAnswerHasTheSecureHeaders: answers, faults, pages and what is not there.
func TestEveryAnswerHasTheSecureHeaders(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, what := range []string{
		"GET /v1/connections", "GET /v1/me", "GET /v1/connections/none", "GET /nowhere", "DELETE /v1/me", "GET /healthz", "GET /readyz", "GET /metrics",
		"GET /openapi.yaml", "GET /docs", "GET /.well-known/oauth-authorization-server", "POST /oauth/token", "POST /v1/flows",
	} {
		method, path, _ := strings.Cut(what, " ")
		for _, token := range []string{"Bearer all", ""} {
			h := s.raw(request(t, method, path, "Authorization", token, "Origin", "https://evil.example.com")).Header()
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
				"Server": "", "X-Powered-By": "", "Access-Control-Allow-Origin": "", "Vary": "", "Strict-Transport-Security": "",
			} {
				require.Equal(t, want, h.Get(name), "%s: %s", what, name)
			}
			policy := h.Get("Content-Security-Policy")
			require.Contains(t, policy, "default-src 'none'", what)
			require.Contains(t, policy, "frame-ancestors 'none'", what)
			if path != "/docs" {
				require.Equal(t, "no-store", h.Get("Cache-Control"), what)
				require.Equal(t, "default-src 'none'; frame-ancestors 'none'", policy, what)
			}
		}
	}
}

// TestStrictTransportSecurity is told to those who came by https, and to nobody
// who only says so.
func TestStrictTransportSecurity(t *testing.T) {
	t.Parallel()
	proxies := func(d *httpapi.Deps) { d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }
	public := func(address string) func(*httpapi.Deps) { return func(d *httpapi.Deps) { d.PublicURL = address } }
	for _, c := range []struct {
		name    string
		deps    func(*httpapi.Deps)
		from    string
		proto   string
		tls     bool
		secured bool
	}{
		{name: "plain"},
		{name: "TLS", tls: true, secured: true},
		{name: "a public address by https", deps: public("https://connector.example.org"), secured: true},
		{name: "a public address by http", deps: public("http://connector.example.org"), proto: "https"},
		{name: "whoever says so", proto: "https"},
		{name: "a stranger, though there are proxies", deps: proxies, from: "192.0.2.1:5", proto: "https"},
		{name: "a proxy", deps: proxies, from: "10.9.8.7:5", proto: "HTTPS", secured: true},
		{name: "a proxy by mapped IPv6", deps: proxies, from: "[::ffff:10.9.8.7]:5", proto: "https", secured: true},
		{name: "a proxy of a plain call", deps: proxies, from: "10.9.8.7:5", proto: "http"},
		{name: "a chain that begins plain", deps: proxies, from: "10.9.8.7:5", proto: "http, https"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, append([]func(*httpapi.Deps){}, func(d *httpapi.Deps) {
				if c.deps != nil {
					c.deps(d)
				}
			})...)
			r := request(t, http.MethodGet, "/.well-known/oauth-authorization-server")
			if c.from != "" {
				r.RemoteAddr = c.from
			}
			if c.proto != "" {
				r.Header.Set("X-Forwarded-Proto", c.proto)
			}
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			w := s.raw(r)
			require.Equal(t, c.secured, w.Header().Get("Strict-Transport-Security") != "")
			var told struct{ Issuer string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &told))
			require.Equal(t, c.secured, strings.HasPrefix(told.Issuer, "https://"), told.Issuer)
		})
	}
}

// TestCallersAddress: only a trusted proxy may say who calls.
func TestCallersAddress(t *testing.T) {
	t.Parallel()
	proxies := func(d *httpapi.Deps) {
		d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	for _, c := range []struct {
		name, from, forwarded, want string
		trusted                     bool
	}{
		{"no proxies", "192.0.2.7:1", "198.51.100.1", "192.0.2.7", false},
		{"no proxies, from loopback", "127.0.0.1:1", "198.51.100.1", "127.0.0.1", false},
		{"a stranger", "192.0.2.7:1", "198.51.100.1", "192.0.2.7", true},
		{"a proxy", "10.0.0.1:1", "198.51.100.1", "198.51.100.1", true},
		{"a proxy by IPv6", "[::1]:1", "2001:db8::9", "2001:db8::9", true},
		{"a caller who makes up a chain", "10.0.0.1:1", "1.1.1.1, 198.51.100.1", "198.51.100.1", true},
		{"a chain of proxies", "10.0.0.1:1", "198.51.100.1, 10.0.0.2", "198.51.100.1", true},
		{"nonsense", "10.0.0.1:1", "<script>", "10.0.0.1", true},
		{"nothing", "10.0.0.1:1", "", "10.0.0.1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, func(d *httpapi.Deps) {
				if c.trusted {
					proxies(d)
				}
			})
			r := request(t, http.MethodGet, "/v1/me", "Authorization", "Bearer all", "X-Real-Ip", "203.0.113.99", "Forwarded", "for=203.0.113.98")
			if c.forwarded != "" {
				r.Header.Set("X-Forwarded-For", c.forwarded)
			}
			r.RemoteAddr = c.from
			require.Equal(t, http.StatusOK, s.raw(r).Code)
			require.Contains(t, s.log.String(), `"remote":"`+c.want+`"`)
		})
	}
}

// TestRequestIDs: a caller's id is taken when it is short and plain.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, given := range []string{"a", "trace-1.2:3_4", strings.Repeat("x", 64)} {
		require.Equal(t, given, s.raw(request(t, http.MethodGet, "/healthz", "X-Request-Id", given)).Header().Get("X-Request-Id"))
	}
	for _, given := range []string{"", strings.Repeat("x", 65), "two words", "a\tb", "<b>", "a\"b", "\u00e9", "a=b;c", "${jndi:x}"} {
		made := s.raw(request(t, http.MethodGet, "/healthz", "X-Request-Id", given)).Header().Get("X-Request-Id")
		require.Len(t, made, 36)
		require.NotEqual(t, given, made)
	}
}
