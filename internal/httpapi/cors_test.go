package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/stretchr/testify/require"
)

const frontEnd = "https://app.example.com"

func withOrigins(d *httpapi.Deps) { d.CORSOrigins = []string{frontEnd, "http://localhost:3000"} }

// words splits a header with a list.
func words(list string) []string {
	var out []string
	for word := range strings.SplitSeq(list, ",") {
		out = append(out, strings.ToLower(strings.TrimSpace(word)))
	}
	return out
}

// TestPreflightOfEveryRoute: a browser of a configured origin learns of every
// route that it may call it, with the headers that the API takes.
func TestPreflightOfEveryRoute(t *testing.T) {
	t.Parallel()
	s := setup(t, withOrigins)
	for _, route := range httpapi.Routes() {
		path := strings.NewReplacer("{kind}", "connection", "{", "", "}", "").Replace(route.Path)
		w := s.raw(request(t, http.MethodOptions, path, "Origin", frontEnd, "Access-Control-Request-Method", route.Method,
			"Access-Control-Request-Headers", "authorization,content-type"))
		h := w.Header()
		require.Equal(t, http.StatusNoContent, w.Code, "%s %s: %s", route.Method, path, w.Body)
		require.Empty(t, w.Body.String())
		require.Equal(t, frontEnd, h.Get("Access-Control-Allow-Origin"))
		require.Contains(t, words(h.Get("Access-Control-Allow-Methods")), strings.ToLower(route.Method), path)
		for _, header := range []string{"authorization", "content-type", "if-match", "idempotency-key", "last-event-id"} {
			require.Contains(t, words(h.Get("Access-Control-Allow-Headers")), header)
		}
		require.Equal(t, "600", h.Get("Access-Control-Max-Age"))
		require.Empty(t, h.Get("Access-Control-Allow-Credentials"))
		require.Contains(t, h.Values("Vary"), "Origin")
	}
}

// TestCallsOfPages: what a page of a configured origin gets to read, also of faults.
func TestCallsOfPages(t *testing.T) {
	t.Parallel()
	s := setup(t, withOrigins)
	for _, what := range []string{"GET /v1/connections", "GET /v1/connections/none", "GET /nowhere", "DELETE /v1/me", "POST /oauth/token"} {
		method, path, _ := strings.Cut(what, " ")
		for _, token := range []string{"Bearer all", "Bearer bad"} {
			h := s.raw(request(t, method, path, "Origin", "http://localhost:3000", "Authorization", token)).Header()
			require.Equal(t, "http://localhost:3000", h.Get("Access-Control-Allow-Origin"), what)
			require.Equal(t, "cross-origin", h.Get("Cross-Origin-Resource-Policy"))
			require.Empty(t, h.Get("Access-Control-Allow-Credentials"))
			for _, header := range []string{"etag", "location", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after", "x-request-id"} {
				require.True(t, slices.Contains(words(h.Get("Access-Control-Expose-Headers")), header), header)
			}
		}
	}
}

// TestOriginsThatMayNot: no other origin is let in, however alike it looks, and
// no answer may be taken from a cache for another origin.
func TestOriginsThatMayNot(t *testing.T) {
	t.Parallel()
	s := setup(t, withOrigins)
	for _, origin := range []string{
		"", "null", "*", "https://evil.example.com", "http://app.example.com", "https://app.example.com:443", "https://app.example.com.evil.com",
		"https://APP.example.com", "https://app.example.com/", "http://localhost:3001", "https://sub.app.example.com", frontEnd + ", https://evil.example.com",
	} {
		get := request(t, http.MethodGet, "/v1/connections", "Authorization", "Bearer all")
		ask := request(t, http.MethodOptions, "/v1/connections", "Access-Control-Request-Method", "POST")
		if origin != "" {
			get.Header.Set("Origin", origin)
			ask.Header.Set("Origin", origin)
		}
		answer, refusal := s.raw(get), s.raw(ask)
		require.Equal(t, http.StatusOK, answer.Code)
		require.Equal(t, http.StatusMethodNotAllowed, refusal.Code)
		for _, h := range []http.Header{answer.Header(), refusal.Header()} {
			for name := range h {
				require.False(t, strings.HasPrefix(name, "Access-Control-"), "%q: %s", origin, name)
			}
			require.Contains(t, h.Values("Vary"), "Origin")
			require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"))
		}
	}
	plain := s.raw(request(t, http.MethodOptions, "/v1/connections", "Origin", frontEnd))
	require.Equal(t, http.StatusMethodNotAllowed, plain.Code, "OPTIONS that is no preflight")
}
