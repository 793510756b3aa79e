package httpapi_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/celonis-connector/connector/openapi"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.JSONEq(t, `{"status":"ok"}`, s.ask("GET /healthz", "", "Authorization", "").body)
	require.JSONEq(t, `{"status":"ready","parts":[{"name":"database","ok":true}]}`, s.ask("GET /readyz", "", "Authorization", "").body)

	s = setup(t, func(d *httpapi.Deps) {
		d.Health = fakeHealth{{Name: "database", OK: true}, {Name: "redis", Detail: "no answer for 12 s"}, {Name: "disk"}}
	})
	p := s.ask("GET /readyz", "", "Authorization", "").requireProblem(t, http.StatusServiceUnavailable, "unavailable", "/redis", "/disk")
	require.Equal(t, "not ready: redis, disk", p.Detail)
	require.Equal(t, "no answer for 12 s", p.Errors[0].Detail)
	require.Equal(t, http.StatusOK, s.ask("GET /healthz", "").status, "a sick part is no reason to kill the process")
}

func TestMetricsAndContract(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.Equal(t, "up 1\n", s.ask("GET /metrics", "", "Authorization", "").body)
	require.Equal(t, string(openapi.YAML), s.ask("GET /openapi.yaml", "", "Authorization", "").body)
	require.Contains(t, s.observed.seen, "GET /metrics 200")

	bare := setup(t, func(d *httpapi.Deps) { d.Metrics, d.Observer, d.Log, d.Now = nil, nil, nil, nil })
	w := httptest.NewRecorder()
	bare.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
}

// TestDocsNeedNoOtherHost follows every address that the page names.
func TestDocsNeedNoOtherHost(t *testing.T) {
	t.Parallel()
	s := setup(t)
	page := s.ask("GET /docs", "", "Authorization", "")
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "/openapi.yaml")
	require.Contains(t, page.header.Get("Content-Security-Policy"), "connect-src 'self'")
	assets := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1)
	require.NotEmpty(t, assets)
	for _, a := range assets {
		require.True(t, strings.HasPrefix(a[1], "/docs/"), a[1])
		plain := s.ask("GET "+a[1], "", "Authorization", "")
		require.Equal(t, http.StatusOK, plain.status, a[1])
		require.Greater(t, len(plain.body), 100)

		packed := s.ask("GET "+a[1], "", "Accept-Encoding", "gzip")
		if packed.header.Get("Content-Encoding") != "gzip" {
			continue
		}
		r, err := gzip.NewReader(strings.NewReader(packed.body))
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, plain.body, string(text), a[1])
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.Equal(t, "abc-1.2:3_4", s.ask("GET /v1/me", "", "X-Request-Id", "abc-1.2:3_4").header.Get("X-Request-Id"))
	for _, bad := range []string{"", strings.Repeat("a", 65), "a b", "a\"b", "ü"} {
		id := s.ask("GET /v1/me", "", "X-Request-Id", bad).header.Get("X-Request-Id")
		require.NotEqual(t, bad, id)
		require.Len(t, id, 36)
	}
}

func (s *server) logLines(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(s.log.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		lines = append(lines, m)
	}
	return lines
}

func TestEveryRequestIsLoggedOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.flows.run = func() (*flows.Run, error) { return nil, errors.New("a driver's words: password=hunter2") }
	res := s.ask("GET /v1/runs/"+runID, "", "X-Request-Id", "r1")
	p := res.requireProblem(t, http.StatusInternalServerError, "internal")
	require.Equal(t, "internal error", p.Detail)
	require.NotContains(t, res.body, "driver")

	s.ask("GET /v1/flows?cursor=c2VjcmV0", "")
	s.ask("GET /healthz", "")
	s.ask("GET /v1/me", "")
	lines := s.logLines(t)
	require.Len(t, lines, 4)
	require.Equal(t, "ERROR", lines[0]["level"])
	require.Equal(t, []any{"r1", "GET", "/v1/runs/" + runID, 500.0, "client:1", "internal"},
		[]any{lines[0]["requestId"], lines[0]["method"], lines[0]["path"], lines[0]["status"], lines[0]["client"], lines[0]["code"]})
	require.Contains(t, lines[0]["error"], "a driver's words", "the cause is for the log")
	require.NotContains(t, s.log.String(), "c2VjcmV0", "the query stays out of the log")
	require.Equal(t, []any{"INFO", "DEBUG", "INFO"}, []any{lines[1]["level"], lines[2]["level"], lines[3]["level"]})
	require.Equal(t, []string{"GET /v1/runs/{id} 500", "GET /v1/flows 200", "GET /healthz 200", "GET /v1/me 200"}, s.observed.seen)
}

func TestPanicIsAFault(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.flows.run = func() (*flows.Run, error) { panic(fmt.Sprintf("index %d", 7)) }
	p := s.ask("GET /v1/runs/"+runID, "").requireProblem(t, http.StatusInternalServerError, "internal")
	require.Equal(t, "internal error", p.Detail)
	line := s.logLines(t)[0]
	require.Contains(t, line["error"], "index 7")
	require.Contains(t, line["stack"], "TestPanicIsAFault")
	require.Equal(t, http.StatusOK, s.ask("GET /v1/me", "").status)

	// After the answer has begun, the connection must break.
	broken := setup(t, func(d *httpapi.Deps) {
		d.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic("broken")
		})
	})
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
		broken.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	})
	require.Contains(t, broken.log.String(), "broken")
	aborted := setup(t, func(d *httpapi.Deps) {
		d.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
		aborted.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	})
}

// TestEveryCodeHasAnAnswer walks the table of codes: status, title and code
// reach the caller, and a cause never does.
func TestEveryCodeHasAnAnswer(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, code := range fault.Codes() {
		d := fault.Describe(code)
		s.access.verify = func() error {
			return fmt.Errorf("wrapped: %w", fault.Wrap(errors.New("the cause"), code, "a sentence about %q", "x").WithHint("a hint"))
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/me", nil)
		r.Header.Set("Authorization", "Bearer t")
		s.handler.ServeHTTP(w, r)
		res := response{w.Code, w.Header(), w.Body.String()}
		p := res.requireProblem(t, d.Status, string(code))
		require.Equal(t, d.Title, p.Title)
		require.Equal(t, `a sentence about "x"`, p.Detail)
		require.Equal(t, "a hint", p.Hint)
		require.NotContains(t, res.body, "cause")
		require.NotContains(t, res.body, "wrapped")
		schema := contract().Components.Schemas["Problem"].Value
		var doc any
		require.NoError(t, json.Unmarshal([]byte(res.body), &doc))
		require.NoError(t, schema.VisitJSON(doc), code)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for wait, want := range map[time.Duration]string{90 * time.Second: "90", 1200 * time.Millisecond: "2", -time.Hour: "1"} {
		s.flows.startRun = func() (*flows.Run, error) {
			return nil, fault.New(fault.StoreUnavailable, "later").WithResumeAt(epoch().Add(wait))
		}
		res := s.ask("POST /v1/flows/"+flowID+"/runs", "")
		res.requireProblem(t, http.StatusServiceUnavailable, "store.unavailable")
		require.Equal(t, want, res.header.Get("Retry-After"))
	}
}

// TestSecretsDoNotComeBack sends marked secrets in every place that a body and
// a header have for them, and looks for them in all that comes out.
func TestSecretsDoNotComeBack(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-7f3a9c"
	s := setup(t)
	s.connections.create = func(d connections.Draft, _ connections.CreateOptions) (*connections.Connection, error) {
		return nil, fault.Wrap(fmt.Errorf("draft %v %+v %#v", d, d, d), fault.Internal, "cannot store %v", d.AppKey)
	}
	s.connections.testDraft = func(d connections.Draft) (connections.TestResult, error) {
		return connections.TestResult{Steps: []connections.Step{{Step: "auth", Detail: fmt.Sprint(d)}}}, fmt.Errorf("failed: %v", d)
	}
	var out strings.Builder
	body := `{"name":"a","apiType":"dataPush","domain":"a","authType":"custom","appKey":"` + canary + `","apiKey":"` + canary + `"%s}`
	for _, more := range []string{"", `,"x":1`, `,"appKey":"` + canary + `"`, `,"poolId":5`, `,`, `}`} {
		text := fmt.Sprintf(body, more)
		for _, what := range []string{"POST /v1/connections", "POST /v1/connections/test", "PATCH /v1/connections/" + connectionID} {
			res := s.ask(what, text, "Idempotency-Key", "k"+more)
			fmt.Fprintln(&out, res.header, res.body)
		}
	}
	res := s.ask("GET /v1/me", "", "Authorization", "Bearer "+canary)
	fmt.Fprintln(&out, res.header, res.body)
	res = s.ask("POST /oauth/token", "grant_type=client_credentials&client_id=a&client_secret="+canary, "Authorization", "",
		"Content-Type", "application/x-www-form-urlencoded")
	fmt.Fprintln(&out, res.header, res.body)
	require.NotContains(t, out.String(), canary)
	require.NotContains(t, s.log.String(), canary)
	for _, k := range s.idempotency.keys {
		require.NotContains(t, fmt.Sprint(k), canary)
	}
}

func TestLogLevelIsHonored(t *testing.T) {
	t.Parallel()
	var b logBuffer
	s := setup(t, func(d *httpapi.Deps) {
		d.Log = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	s.ask("GET /v1/me", "")
	require.Empty(t, b.String())
	s.access.verify = func() error { return fault.New(fault.StoreUnavailable, "down") }
	s.ask("GET /v1/me", "")
	require.Contains(t, b.String(), "level=WARN")
}
