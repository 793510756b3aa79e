package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// TestRepeatsAreAnsweredOnce sends every POST that creates or starts something twice.
func TestRepeatsAreAnsweredOnce(t *testing.T) {
	t.Parallel()
	upload, media := form(t, part{"file", "a.csv", "x"})
	bodies := map[string][2]string{
		"/v1/connections":             {draft, "application/json"},
		"/v1/connections/{id}/clone":  {`{"name":"Copy"}`, "application/json"},
		"/v1/oauth-clients":           {oauthClientBody, "application/json"},
		"/v1/flows":                   {spec, "application/json"},
		"/v1/flows/{id}/runs":         {"", ""},
		"/v1/flows/{id}/records":      {`[{"a":1}]`, "application/json"},
		"/v1/files":                   {upload, media},
		"/v1/flows/{id}/errors/retry": {`{"all":true}`, "application/json"},
		"/v1/errors/{id}/retry":       {`{"flow":"current"}`, "application/json"},
		"/v1/notifications":           {notificationBody, "application/json"},
		"/v1/connections/{id}/chat":   {`{"agent":"pkg.a","message":"m"}`, "application/json"},
	}
	for _, route := range httpapi.Routes() {
		if !route.Idempotent || speaksSCIM(route) { // TestARepeatedCreateIsToldTheIDAlone sends those
			continue
		}
		t.Run(route.Path, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			id := flowID
			if strings.HasPrefix(route.Path, "/v1/connections/") {
				id = connectionID
			}
			if strings.HasPrefix(route.Path, "/v1/errors/") {
				id = errorID
			}
			what := route.Method + " " + concrete(route.Path, id)
			body, ok := bodies[route.Path]
			require.True(t, ok)
			ask := func(body, media, key string) response {
				return s.ask(what, body, "Content-Type", media, "Idempotency-Key", key)
			}
			first := ask(body[0], body[1], "order 1")
			require.Less(t, first.status, 300, first.body)
			require.Empty(t, first.header.Get("Idempotency-Replayed"))
			if route.Path != "/v1/connections/{id}/chat" { // an answer of an agent is no thing with an address
				require.NotEmpty(t, first.header.Get("Location"))
			}
			s.flows.startRun, s.flows.post, s.flows.upload, s.flows.create, s.connections.create = nil, nil, nil, nil, nil
			again := ask(body[0], body[1], "order 1")
			require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
			require.Equal(t, []any{first.status, first.body}, []any{again.status, again.body})
			for _, h := range []string{"Location", "ETag", "Content-Type"} {
				require.Equal(t, first.header.Get(h), again.header.Get(h), h)
			}
			require.NotEqual(t, first.header.Get("X-Request-Id"), again.header.Get("X-Request-Id"))

			require.Empty(t, ask(body[0], body[1], "order 2").header.Get("Idempotency-Replayed"))
			ask(body[0]+" ", "application/json", "order 1")
			if route.Path != "/v1/files" {
				ask(body[0]+" ", "application/json", "order 1").requireProblem(t, http.StatusUnprocessableEntity, "request.idempotency_key_reused")
			}
			for _, key := range []string{strings.Repeat("k", 256), "a\tb", "ü"} {
				ask(body[0], body[1], key).requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
			}
		})
	}
}

func TestIdempotencyKeysBelongToARequest(t *testing.T) {
	t.Parallel()
	s := setup(t)
	runs := 0
	s.flows.startRun = func() (*flows.Run, error) { runs++; return aRun(), nil }
	what := "POST /v1/flows/" + flowID + "/runs"
	s.ask(what, "", "Idempotency-Key", "k")
	s.ask(what, "", "Idempotency-Key", "k")
	require.Equal(t, 1, runs)
	s.ask("POST /v1/flows/"+unknownID+"/runs", "", "Idempotency-Key", "k").
		requireProblem(t, http.StatusUnprocessableEntity, "request.idempotency_key_reused")
	s.ask("POST /v1/connections", draft, "Idempotency-Key", "k").
		requireProblem(t, http.StatusUnprocessableEntity, "request.idempotency_key_reused")
	s.ask("POST /v1/connections", draft, "Idempotency-Key", "c")
	s.ask("POST /v1/connections?test=skip", draft, "Idempotency-Key", "c").
		requireProblem(t, http.StatusUnprocessableEntity, "request.idempotency_key_reused")

	k := s.idempotency.keys["default/client:1/k"]
	require.Equal(t, "POST /v1/flows/{id}/runs", k.Route)
	require.Equal(t, 24*time.Hour, k.Expires.Sub(k.Now))
	require.NotContains(t, k.BodyHash, " ")
}

func TestFailedRequestFreesItsKey(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, fail := range map[string]func() (*flows.Run, error){
		"fault": func() (*flows.Run, error) { return nil, fault.New(fault.FlowDisabled, "disabled") },
		"panic": func() (*flows.Run, error) { panic("broken") },
	} {
		s.flows.startRun = fail
		what := "POST /v1/flows/" + flowID + "/runs"
		require.GreaterOrEqual(t, s.ask(what, "", "Idempotency-Key", name).status, 400)
		s.flows.startRun = nil
		res := s.ask(what, "", "Idempotency-Key", name)
		require.Equal(t, http.StatusAccepted, res.status)
		require.Empty(t, res.header.Get("Idempotency-Replayed"))
	}
	s.ask("POST /v1/connections", `{"name":1}`, "Idempotency-Key", "corrected").requireProblem(t, 422, "request.invalid", "/name", "/apiType")
	require.Equal(t, http.StatusCreated, s.ask("POST /v1/connections", draft, "Idempotency-Key", "corrected").status)
}

func TestRepeatWhileTheFirstIsAtWork(t *testing.T) {
	t.Parallel()
	s := setup(t)
	at, goOn := make(chan struct{}), make(chan struct{})
	s.connections.create = func(connections.Draft, connections.CreateOptions) (*connections.Connection, error) {
		close(at)
		<-goOn
		return aConnection(), nil
	}
	done := make(chan response)
	go func() { done <- s.ask("POST /v1/connections", draft, "Idempotency-Key", "k") }()
	<-at
	res := s.ask("POST /v1/connections", draft, "Idempotency-Key", "k")
	res.requireProblem(t, http.StatusConflict, "request.idempotency_in_progress")
	require.Equal(t, "1", res.header.Get("Retry-After"))
	close(goOn)
	require.Equal(t, http.StatusCreated, (<-done).status)
	require.Equal(t, "true", s.ask("POST /v1/connections", draft, "Idempotency-Key", "k").header.Get("Idempotency-Replayed"))
}

func TestLostIdempotencyStore(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.idempotency.fail = fault.New(fault.StoreUnavailable, "the database does not answer")
	s.ask("POST /v1/connections", draft, "Idempotency-Key", "k").requireProblem(t, http.StatusServiceUnavailable, "store.unavailable")
}
