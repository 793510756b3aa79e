package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/httpapi"
)

// These are the decoders that anybody reaches who reaches the port.

// fuzzed is the API for fuzz targets: one for all inputs.
func fuzzed(f *testing.F) http.Handler {
	f.Helper()
	fakes := &fakeConnections{}
	return httpapi.New(httpapi.Deps{
		Connections: fakes, ConnectionTests: fakes, Access: &fakeAccess{}, Audit: &fakeAudit{}, Flows: &fakeFlows{}, Health: fakeHealth{{Name: "database", OK: true}},
		Limits: httpapi.Limits{WrongSecrets: httpapi.Rate{PerSecond: 1e6, Burst: 1e6}},
	})
}

// answered demands an answer in one of the two forms of a fault, or a good one.
func answered(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Less(t, w.Code, http.StatusInternalServerError, w.Body.String())
	if w.Code < http.StatusBadRequest {
		return
	}
	var fault struct {
		Code        string `json:"code"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &fault), w.Body.String())
	require.NotEmpty(t, fault.Code+fault.Error)
	for _, values := range w.Header() {
		for _, v := range values {
			require.NotContains(t, v, "\n")
		}
	}
}

func FuzzTokenForm(f *testing.F) {
	api := fuzzed(f)
	for _, seed := range []string{
		"grant_type=client_credentials&client_id=client:1&client_secret=s3cret+%25%2B", "grant_type=password", "", "&&&=", "grant_type=a&grant_type=b",
		"grant_type=client_credentials&scope=flows:read%20flows:run%20x", "%zz=1", strings.Repeat("a=b&", 5000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, form string) {
		r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		answered(t, w)
		if w.Code == http.StatusOK {
			values, err := url.ParseQuery(form)
			require.NoError(t, err)
			require.Equal(t, []string{"client_credentials"}, values["grant_type"])
			require.Equal(t, []string{"s3cret %+"}, values["client_secret"])
		}
	})
}

func FuzzAuthorizationHeader(f *testing.F) {
	api := fuzzed(f)
	for _, seed := range []string{"Bearer all", "bearer  all", "Bearer", "Basic Y2xpZW50OjE6czNjcmV0", "Basic !!", "Basic " + base64.StdEncoding.EncodeToString([]byte("client%3A1:s3cret+%25%2B")),
		"Bearer a.b.c", "Bearer \x00", "Digest x", " ", "Basic Og=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for _, call := range []struct{ method, path, body string }{{"GET", "/v1/me", ""}, {"POST", "/oauth/token", "grant_type=client_credentials"}} {
			r := httptest.NewRequest(call.method, call.path, strings.NewReader(call.body))
			r.Header["Authorization"] = []string{header}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			answered(t, w)
			scheme, _, _ := strings.Cut(header, " ")
			if w.Code == http.StatusOK && call.method == "GET" {
				require.True(t, strings.EqualFold(scheme, "Bearer"))
			}
			if w.Code == http.StatusOK && call.method == "POST" {
				require.True(t, strings.EqualFold(scheme, "Basic"))
			}
		}
	})
}

func FuzzCursorAndQuery(f *testing.F) {
	api := fuzzed(f)
	for _, seed := range []string{"cursor=YWJj", "cursor=!!", "limit=0", "limit=99999999999999999999", "from=2026-01-01T00:00:00Z", "to=x", "cursor=" + strings.Repeat("A", 5000),
		"a=1;b=2", "%zz", "limit=1&limit=2", "kind=flow&action=secret.used", "cursor=AA=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/v1/audit", "/v1/connections"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.URL.RawQuery = query
			r.Header.Set("Authorization", "Bearer all")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			answered(t, w)
		}
	})
}

// FuzzAddressHeaders: what a caller says of itself ends in no header of an
// answer and in no address that the service calls its own beyond the host asked for.
func FuzzAddressHeaders(f *testing.F) {
	api := fuzzed(f)
	f.Add("example.com", "192.0.2.1, 10.0.0.1", "https", "r-1", "/v1/flows/x")
	f.Add("[::1]:80", "::1", "HTTP,https", "a\r\nb", "/hooks/abc")
	f.Add("a\"b<c>", "%%", "javascript", strings.Repeat("x", 100), "/docs/../etc")
	f.Add("", "", "", "", "//")
	f.Fuzz(func(t *testing.T, host, forwarded, proto, id, path string) {
		for _, target := range []string{"/.well-known/oauth-authorization-server", "/healthz", path} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.URL.Path, r.URL.RawPath, r.Host = target, "", host
			r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"], r.Header["X-Request-Id"] = []string{forwarded}, []string{proto}, []string{id}
			r.Header["X-Forwarded-Host"] = []string{"evil.example"}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			answered(t, w)
			require.NotContains(t, w.Body.String(), "evil.example")
			require.Empty(t, w.Header().Get("Strict-Transport-Security"), "nobody is trusted to say https")
		}
	})
}
