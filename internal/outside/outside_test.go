package outside_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/stretchr/testify/require"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func logins(t *testing.T) *outside.Logins {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return outside.NewLogins(outside.Config{Transport: transport})
}

// cut answers with a part of a body and breaks the connection.
func cut(w http.ResponseWriter, body []byte, whole int) {
	w.Header().Set("Content-Length", fmt.Sprint(whole))
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// fetch brings a URL into a file behind some bytes that are there already.
func fetch(t *testing.T, address string, most int64) ([]byte, error) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "f")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	_, err = f.WriteString("before")
	require.NoError(t, err)
	d := outside.Download{
		Open: outside.URLOpener(logins(t).Anonymous(), address, "the file", time.Now), What: "the file", Most: most, Records: true, Now: time.Now,
	}
	n, err := d.To(t.Context(), f, 6)
	if err != nil {
		return nil, err
	}
	all, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "before", string(all[:6]))
	require.Len(t, all[6:], int(n))
	return all[6:], nil
}

// TestDownload: a download survives cuts and passing faults, byte for byte.
func TestDownload(t *testing.T) {
	t.Parallel()
	content := []byte(strings.Repeat("id;name\n1;one\n", 5000))
	for name, c := range map[string]struct {
		handle func(call int64, w http.ResponseWriter, r *http.Request)
		calls  int64
	}{
		"whole": {func(_ int64, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }, 1},
		"cut, resumed": {func(call int64, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			if call == 1 {
				cut(w, content[:30_000], len(content))
			}
			if r.Header.Get("If-Range") != `"v1"` || r.Header.Get("Range") == "" {
				http.Error(w, "no range was asked for", http.StatusTeapot)
				return
			}
			http.ServeContent(w, r, "f.csv", time.Time{}, bytes.NewReader(content))
		}, 2},
		"cut without a tag": {func(call int64, w http.ResponseWriter, _ *http.Request) {
			if call < 3 {
				cut(w, content[:20_000*int(call)], len(content))
			}
			_, _ = w.Write(content)
		}, 3},
		"changed between": {func(call int64, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, call))
			if call == 1 {
				cut(w, bytes.Repeat([]byte("x"), 40_000), 90_000)
			}
			http.ServeContent(w, r, "f.csv", time.Time{}, bytes.NewReader(content))
		}, 2},
		"weak tag": {func(call int64, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `W/"v1"`)
			if call == 1 {
				cut(w, content[:100], len(content))
			}
			require.Empty(t, r.Header.Get("Range"))
			_, _ = w.Write(content)
		}, 2},
		"503 twice": {func(call int64, w http.ResponseWriter, _ *http.Request) {
			if call < 3 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write(content)
		}, 3},
		"429": {func(call int64, w http.ResponseWriter, _ *http.Request) {
			if call == 1 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			_, _ = w.Write(content)
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			address := serve(t, func(w http.ResponseWriter, r *http.Request) { c.handle(calls.Add(1), w, r) })
			got, err := fetch(t, address, 1<<20)
			require.NoError(t, err)
			require.Equal(t, c.calls, calls.Load())
			require.True(t, bytes.Equal(content, got))
		})
	}
}

// TestDownloadRefused: what cannot get better is told at once.
func TestDownloadRefused(t *testing.T) {
	t.Parallel()
	status := func(n int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if len(header) == 2 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(n)
		}
	}
	page := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		code   fault.Code
	}{
		"not there":         {status(404), fault.SourceNotFound},
		"login":             {status(401), fault.SourceUnauthorized},
		"no right":          {status(403), fault.SourceForbidden},
		"other":             {status(400), fault.SourceRefused},
		"long wait":         {status(429, "Retry-After", "1800"), fault.SourceRateLimited},
		"page":              {page("text/html; charset=utf-8", "<p>Sign in</p>"), fault.SourceHTML},
		"page without word": {page("text/csv", "\xef\xbb\xbf\n <!DOCTYPE html><html>"), fault.SourceHTML},
		"too large":         {page("text/csv", strings.Repeat("x", 101)), fault.SourceTooLarge},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/x", http.StatusFound)
		}, fault.EgressRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := fetch(t, serve(t, c.handle)+"/x?sig=secret", 100)
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			require.NotContains(t, err.Error(), "sig=secret")
		})
	}
	got, err := fetch(t, serve(t, page("text/html", "id,name\n1,x\n")), 100)
	require.NoError(t, err, "a file that is only called a page")
	require.Equal(t, "id,name\n1,x\n", string(got))
}

// TestLogins: each auth type logs in, and to its own origin only.
func TestLogins(t *testing.T) {
	t.Parallel()
	var tokens atomic.Int64
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			id, secret, _ := r.BasicAuth()
			if id != "cid" || secret != "s3cret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer","expires_in":3600}`, tokens.Add(1))
			return
		}
		if r.Header.Get("Authorization") == "Bearer t1" && r.URL.Path == "/stale" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "%s|%s|%s", r.Header.Get("Authorization"), r.Header.Get("X-Key"), r.Header.Get("X-Route"))
	})
	l := logins(t)
	target := func(auth connections.AuthType) connections.OutsideTarget {
		return connections.OutsideTarget{APIType: connections.HTTP, AuthType: auth, Secret: crypto.NewSecret("pw"),
			Outside: connections.Outside{BaseURL: base + "/v1", Username: "u", HeaderName: "X-Key", TokenURL: base + "/token"},
			HTTP:    &connections.HTTPSettings{Headers: []connections.Header{{Name: "X-Route", Value: "eu"}}}}
	}
	oauth := target(connections.OAuth2)
	oauth.OAuth = &connections.OutsideOAuth{Client: "c", ClientID: "cid", ClientSecret: crypto.NewSecret("s3cret"), Scopes: []string{"read"}, TokenURL: base + "/token",
		ValidDomains: []string{strings.TrimPrefix(base, "http://")}}
	get := func(t2 connections.OutsideTarget, path string) (string, error) {
		client, err := l.Client(t2)
		require.NoError(t, err)
		res, err := client.Get(base + path)
		if err != nil {
			return "", outside.NetworkFault(err, "host")
		}
		defer func() { require.NoError(t, res.Body.Close()) }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return string(body), nil
	}
	for want, t2 := range map[string]connections.OutsideTarget{
		"||eu": target(connections.NoAuth), "Basic dTpwdw==||eu": target(connections.Basic), "Bearer pw||eu": target(connections.Bearer),
		"|pw|eu": target(connections.HeaderAuth), "Bearer t1||eu": oauth,
	} {
		got, err := get(t2, "/v1/x")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := get(oauth, "/stale")
	require.NoError(t, err)
	require.Equal(t, "Bearer t2||eu", got, "a token that is no longer taken is replaced")
	require.Equal(t, int64(2), tokens.Load())

	elsewhere := oauth
	moved := *oauth.OAuth
	moved.ValidDomains, moved.Revision = []string{"login.example.com"}, 2
	elsewhere.OAuth = &moved
	_, err = get(elsewhere, "/v1/x")
	require.Equal(t, fault.OAuthClientDomain, fault.CodeOf(err))
	wrong := oauth
	refused := *oauth.OAuth
	refused.ClientSecret, refused.Revision = crypto.NewSecret("other"), 3
	wrong.OAuth = &refused
	_, err = get(wrong, "/v1/x")
	require.Equal(t, fault.SourceUnauthorized, fault.CodeOf(err), "%v", err)
	client, err := l.Client(target(connections.Bearer))
	require.NoError(t, err)
	_, err = client.Get("http://127.0.0.1:1/")
	require.Equal(t, fault.EgressRefused, fault.CodeOf(outside.NetworkFault(err, "host")))
}

// TestTestCalls: each kind of failure is told at its own step.
func TestTestCalls(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
	})
	tester := &outside.Tester{Logins: logins(t), Now: time.Now}
	try := func(path, testPath string) connections.TestResult {
		return tester.TestOutside(t.Context(), connections.OutsideTarget{APIType: connections.HTTP, AuthType: connections.Bearer, Secret: crypto.NewSecret("k"),
			Outside: connections.Outside{BaseURL: base + path, TestPath: testPath}})
	}
	for path, want := range map[string]string{
		"/200": "dns tls auth answer ok", "/401": "dns tls auth source.unauthorized", "/403": "dns tls auth permission source.forbidden",
		"/404": "dns tls auth ok", "/500": "dns tls answer source.unavailable", "/429": "dns tls answer source.rate_limited",
	} {
		require.Equal(t, want, told(try(path, "")), path)
	}
	require.Equal(t, "dns tls answer source.not_found", told(try("", "/404")))
	database := connections.OutsideTarget{APIType: connections.SQL, Outside: connections.Outside{Dialect: connections.PostgreSQL, TLS: connections.TLSVerify}}
	require.Equal(t, "answer unavailable", told(tester.TestOutside(t.Context(), database)), "without a way to databases")
}

// told puts the steps of a test in a line, and how it ended.
func told(r connections.TestResult) string {
	line := ""
	for _, s := range r.Steps {
		line += s.Step + " "
		if !s.OK {
			line += string(s.Code)
		}
	}
	if r.OK {
		line += "ok"
	}
	return line
}
