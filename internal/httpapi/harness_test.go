package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/openapi"
)

// contract is the document that every answer is held against.
var contract = sync.OnceValue(func() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.YAML)
	if err != nil {
		panic(err)
	}
	return doc
})

var contractRouter = sync.OnceValue(func() routers.Router {
	router, err := gorillamux.NewRouter(contract())
	if err != nil {
		panic(err)
	}
	return router
})

// succeeded notes the operations that were answered without a fault, so that
// the suite can tell which ones it never saw at work.
var succeeded sync.Map

func TestMain(m *testing.M) {
	for _, media := range []string{"text/event-stream", "application/x-ndjson", "application/ndjson", "text/html", "*/*"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.PlainBodyDecoder)
	}
	openapi3filter.RegisterBodyDecoder(scim.MediaType, openapi3filter.JSONBodyDecoder)
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		for _, route := range httpapi.Routes() {
			if _, ok := succeeded.Load(route.Method + " " + route.Path); !ok {
				fmt.Printf("FAIL: no test saw %s %s succeed\n", route.Method, route.Path)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// server is the API over fakes, and what it logged.
type server struct {
	t              *testing.T
	handler        http.Handler
	connections    *fakeConnections
	oauthClients   *fakeOAuthClients
	authorizations *fakeAuthorizations
	options        *fakeOptions
	flows          *fakeFlows
	access         *fakeAccess
	watches        *flows.Watches
	notifications  *fakeNotifications
	clients        *access.Service
	audit          *fakeAudit
	config         *fakeConfig
	idempotency    *fakeIdempotency
	observed       *observer
	log            *logBuffer
}

func setup(t *testing.T, change ...func(*httpapi.Deps)) *server {
	t.Helper()
	s := &server{
		t: t, connections: &fakeConnections{}, oauthClients: &fakeOAuthClients{}, authorizations: &fakeAuthorizations{}, options: &fakeOptions{}, flows: &fakeFlows{}, access: &fakeAccess{}, audit: &fakeAudit{}, config: &fakeConfig{},
		idempotency: newIdempotency(), clients: testClients(t), observed: &observer{}, log: &logBuffer{},
	}
	s.watches, s.notifications = newWatches(t, s.flows), &fakeNotifications{}
	deps := httpapi.Deps{
		Connections: s.connections, ConnectionTests: s.connections, OAuthClients: s.oauthClients, Authorizations: s.authorizations, Options: s.options, Forms: testForms(t), ScopeAdvisor: s.connections,
		Flows: s.flows, Runs: s.flows, Watches: s.watches, Statistics: fakeStatistics{}, Notifications: s.notifications, Watermarks: s.flows, Previews: fakePreviews{}, Chats: &fakeChats{}, SCIM: newSCIM(), SCIMOperations: &fakeSCIMOperations{}, Records: s.flows, Webhooks: &fakeHooks{}, Subscriptions: &fakeSubscriptions{}, Errors: s.flows, Files: s.flows, Budgets: fakeBudgets{},
		Access: s.access, TokenServer: s.clients, Clients: s.clients, ClientSecrets: s.clients, Audit: s.audit, Config: s.config, Idempotency: s.idempotency, Health: fakeHealth{{Name: "database", OK: true}},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			_, _ = io.WriteString(w, "up 1\n")
		}),
		Observer: s.observed, Now: epoch, MaxFileBytes: 1 << 20,
		Log: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&deps)
	}
	s.handler = httpapi.New(deps)
	return s
}

type observer struct {
	mu   sync.Mutex
	seen []string
}

func (o *observer) ObserveRequest(method, route string, status int, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, fmt.Sprint(method, " ", route, " ", status))
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// response is an answer that fits the contract.
type response struct {
	status int
	header http.Header
	body   string
}

// problem is what a test reads of a problem document.
type problem struct {
	Type, Title, Detail, Code, Hint, RequestID string
	Status                                     int
	Errors                                     []struct{ Pointer, Code, Detail string }
	UsedBy                                     []struct{ FlowID, Name string }
}

func (r response) problem(t *testing.T) problem {
	t.Helper()
	if r.header.Get("Content-Type") == scim.MediaType {
		return r.scimProblem(t)
	}
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"), r.body)
	var p problem
	require.NoError(t, json.Unmarshal([]byte(r.body), &p))
	require.Equal(t, r.status, p.Status)
	require.Equal(t, "urn:celonis-connector:problem:"+p.Code, p.Type)
	require.Equal(t, r.header.Get("X-Request-Id"), p.RequestID)
	return p
}

// requireProblem checks status, code and the pointers of a problem.
func (r response) requireProblem(t *testing.T, status int, code string, pointers ...string) problem {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	p := r.problem(t)
	if r.header.Get("Content-Type") == scim.MediaType { // has no code
		return p
	}
	require.Equal(t, code, p.Code, r.body)
	got := []string{}
	for _, e := range p.Errors {
		got = append(got, e.Pointer)
	}
	require.ElementsMatch(t, append([]string{}, pointers...), got, r.body)
	return p
}

func (r response) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &m), r.body)
	return m
}

// ask is a request: "METHOD path", a body, and pairs of header names and
// values. A token with all scopes and the media type JSON go along unless the
// headers say otherwise; "" takes a header away.
func (s *server) ask(what, body string, headers ...string) response {
	s.t.Helper()
	method, target, _ := strings.Cut(what, " ")
	header := http.Header{"Authorization": {"Bearer all"}}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			header.Del(headers[i])
		}
	}
	build := func() *http.Request {
		r := httptest.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(body))
		r.Header = header.Clone()
		return r
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, build())
	res := response{w.Code, w.Header(), w.Body.String()}
	s.hold(build(), res)
	return res
}

// hold checks the answer against the contract, and the request too when it was
// answered without a fault.
func (s *server) hold(r *http.Request, res response) {
	s.t.Helper()
	require.NotEmpty(s.t, res.header.Get("X-Request-Id"))
	require.Equal(s.t, "nosniff", res.header.Get("X-Content-Type-Options"))
	route, params, err := contractRouter().FindRoute(r)
	if err != nil {
		refusals := []int{http.StatusNotFound, http.StatusMethodNotAllowed}
		if strings.HasPrefix(r.URL.Path, "/scim/v1/") {
			refusals = []int{http.StatusBadRequest}
		}
		require.Contains(s.t, refusals, res.status, "%s %s is in no contract", r.Method, r.URL)
		res.problem(s.t)
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if res.status < http.StatusBadRequest {
		require.NoError(s.t, openapi3filter.ValidateRequest(s.t.Context(), in), "an answered request must fit the contract")
		succeeded.Store(route.Method+" "+route.Path, true)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.status, Header: res.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	require.NoError(s.t, openapi3filter.ValidateResponse(s.t.Context(), out.SetBodyBytes([]byte(res.body))), "%s %s: %d %s", r.Method, r.URL, res.status, res.body)
	if content := route.Operation.Responses.Status(res.status).Value.Content; len(content) == 0 {
		require.Empty(s.t, res.body, "the contract knows of no body")
	}
}
