package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// hookToken is the one that fakeHooks knows.
const hookToken = "8sQ0vX1mB7nKx2hC5tYpW9aLrE3uDfGzJ6iOqNcVbMk"

// fakeHooks knows one webhook.
type fakeHooks struct {
	webhook   flows.WebhookExport
	itemsPath string
	lookUp    error
	verify    func(flows.HookDelivery) (*flows.Once, error)
	take      func(flows.Post) (*flows.Receipt, error)
	taken     []string
}

var _ httpapi.Webhooks = (*fakeHooks)(nil)

func aHook(id string) *flows.Flow {
	f := aFlow()
	f.ID = id
	f.Export = flows.Export{Type: flows.ExportWebhook, Webhook: &flows.WebhookExport{Auth: flows.WebhookAuth{Type: flows.HookOpen}}}
	return f
}

// Webhook implements httpapi.Webhooks.
func (f *fakeHooks) Webhook(_ context.Context, token crypto.Secret) (*flows.Webhook, error) {
	if f.lookUp != nil {
		return nil, f.lookUp
	}
	if token.Reveal() != hookToken {
		return nil, fault.New(fault.WebhookNotFound, "there is no such webhook")
	}
	flow := aHook(flowID)
	w := f.webhook
	if w.Auth.Type == "" {
		w.Auth.Type = flows.HookOpen
	}
	if w.MaxBody == 0 {
		w.MaxBody = flows.DefaultWebhookBody
	}
	flow.Export.Webhook, flow.Export.ItemsPath = &w, f.itemsPath
	return &flows.Webhook{Flow: flow}, nil
}

// VerifyDelivery implements httpapi.Webhooks.
func (f *fakeHooks) VerifyDelivery(_ *flows.Webhook, d flows.HookDelivery) (*flows.Once, error) {
	if f.verify != nil {
		return f.verify(d)
	}
	return nil, nil
}

// TakeDelivery implements httpapi.Webhooks.
func (f *fakeHooks) TakeDelivery(_ context.Context, _ *flows.Webhook, p flows.Post) (*flows.Receipt, error) {
	if f.take != nil {
		return f.take(p)
	}
	f.taken = append(f.taken, string(p.NDJSON))
	return &flows.Receipt{BatchID: unknownID, RunID: runID, Records: p.Records}, nil
}

// WebhookState implements httpapi.Webhooks.
func (f *fakeHooks) WebhookState(context.Context, string, string) (*flows.WebhookState, error) {
	return &flows.WebhookState{SecretAt: epoch(), URLs: []flows.WebhookURL{{CreatedAt: epoch()}, {CreatedAt: epoch(), ExpiresAt: epoch().Add(time.Hour)}}}, nil
}

// RotateWebhook implements httpapi.Webhooks.
func (f *fakeHooks) RotateWebhook(_ context.Context, _, id string, _ time.Duration) (*flows.Flow, error) {
	flow := aHook(flowID)
	flow.Hook = &flows.HookChange{Token: crypto.NewSecret(hookToken)}
	return flow, none(fault.FlowNotFound, id, flowID)
}

func setupHooks(t *testing.T) (*server, *fakeHooks) {
	t.Helper()
	hooks := &fakeHooks{}
	return setup(t, func(d *httpapi.Deps) { d.Webhooks = hooks }), hooks
}

const deliverIt = "POST /hooks/" + hookToken

func TestDeliveryBodies(t *testing.T) {
	t.Parallel()
	zip := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return b.String()
	}
	const lines, form = "application/x-ndjson", "application/x-www-form-urlencoded; charset=utf-8"
	for _, tt := range []struct{ name, media, coding, itemsPath, body, want string }{
		{"an object", "application/json", "", "", ` {"a":1} `, "{\"a\":1}\n"},
		{"an array", "application/json", "", "", `[{"a":1},{"a":2}]`, "{\"a\":1}\n{\"a\":2}\n"},
		{"no type said", "", "", "", `[{"a":1}]`, "{\"a\":1}\n"},
		{"a type of JSON", "application/vnd.x+json", "", "", `{"a":12345678901234567890.10}`, "{\"a\":12345678901234567890.10}\n"},
		{"lines", lines, "", "", "{\"a\":1}\r\n\n[{\"a\":2},{\"a\":3}]", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"},
		{"a form", form, "", "", "b=2&a=%C3%A9+%26&b=3&c", "{\"a\":\"é &\",\"b\":[\"2\",\"3\"],\"c\":\"\"}\n"},
		{"a pointer", "application/json", "", "/a~1b/0/~0", `{"a/b":[{"~":[{"x":1}]}],"x":2}`, "{\"x\":1}\n"},
		{"a pointer to an object", "application/json", "", "/data", `{"data":{"x":1},"data2":[]}`, "{\"x\":1}\n"},
		{"gzip", "application/json", "gzip", "", zip(`{"a":1}`), "{\"a\":1}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, hooks := setupHooks(t)
			hooks.itemsPath = tt.itemsPath
			hooks.verify = func(d flows.HookDelivery) (*flows.Once, error) {
				require.Equal(t, tt.body, string(d.Body), "what is signed is what was sent")
				return nil, nil
			}
			// The contract's checker neither unpacks nor reads forms of any member, so this goes past it.
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/"+hookToken, strings.NewReader(tt.body))
			for name, value := range map[string]string{"Content-Type": tt.media, "Content-Encoding": tt.coding} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			require.Equal(t, http.StatusAccepted, w.Code, w.Body)
			require.Equal(t, []string{tt.want}, hooks.taken)
		})
	}
	for _, tt := range []struct {
		name, media, coding, itemsPath, body string
		status                               int
		code                                 string
		pointers                             []string
	}{
		{"nothing", "application/json", "", "", " ", 400, "request.malformed_json", nil},
		{"not JSON", "application/json", "", "", `{"a":}`, 400, "request.malformed_json", nil},
		{"a broken line", lines, "", "", "{}\n{", 400, "request.malformed_json", nil},
		{"no object", "application/json", "", "", `[{},2,"x"]`, 422, "request.invalid", []string{"/1", "/2"}},
		{"a broken form", form, "", "", "a=%zz", 400, "request.malformed_json", nil},
		{"a form of bytes", form, "", "", "a=%ff", 400, "request.malformed_json", nil},
		{"too many members", form, "", "", strings.Repeat("a&", 10_000), 413, "request.too_large", nil},
		{"nothing at the pointer", "application/json", "", "/a/b/c", `{"a":{"c":1}}`, 422, "request.invalid", []string{"/a/b"}},
		{"a pointer past the array", "application/json", "", "/1", `[[]]`, 422, "request.invalid", []string{"/1"}},
		{"a pointer with a zero more", "application/json", "", "/00", `[[]]`, 422, "request.invalid", []string{"/00"}},
		{"another type", "text/xml", "", "", `<a/>`, 415, "request.unsupported_media_type", nil},
		{"another charset", "application/json; charset=latin1", "", "", `{}`, 415, "request.unsupported_media_type", nil},
		{"another coding", "application/json", "br", "", `{}`, 415, "request.unsupported_media_type", nil},
		{"no gzip", "application/json", "gzip", "", `{}`, 422, "request.invalid", nil},
		{"half a gzip", "application/json", "gzip", "", zip(`{"a":1}`)[:20], 422, "request.invalid", nil},
		{"a bomb", "application/json", "gzip", "", zip(strings.Repeat(" ", 1<<19)), 413, "request.too_large", nil},
		{"too large", "application/json", "", "", strings.Repeat(" ", 1<<20+1), 413, "request.too_large", nil},
		{"too large unpacked", "application/json", "gzip", "", zip(strings.Repeat("0123456789abcdef", 1<<16) + " "), 413, "request.too_large", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, hooks := setupHooks(t)
			hooks.itemsPath = tt.itemsPath
			s.ask(deliverIt, tt.body, "Content-Type", tt.media, "Content-Encoding", tt.coding).requireProblem(t, tt.status, tt.code, tt.pointers...)
			require.Empty(t, hooks.taken)
		})
	}
}

func TestDeliveriesWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	s, hooks := setupHooks(t)
	away := fault.New(fault.StoreUnavailable, "the database does not answer")
	hooks.take = func(flows.Post) (*flows.Receipt, error) { return nil, away }
	for range 2 {
		res := s.ask(deliverIt, `{}`)
		res.requireProblem(t, http.StatusServiceUnavailable, "store.unavailable")
		require.Equal(t, "10", res.header.Get("Retry-After"))
		hooks.lookUp = away
	}
}

func TestDeliveriesAreLimited(t *testing.T) {
	t.Parallel()
	s, hooks := setupHooks(t)
	hooks.webhook.RequestsPerMinute = 3
	for range 3 {
		require.Equal(t, http.StatusAccepted, s.ask(deliverIt, `{}`).status)
	}
	res := s.ask(deliverIt, `{}`)
	res.requireProblem(t, http.StatusTooManyRequests, "webhook.rate_limited")
	require.Equal(t, "20", res.header.Get("Retry-After"))
	hooks.webhook.RequestsPerMinute = 60_000
	require.Equal(t, http.StatusTooManyRequests, s.ask(deliverIt, `{}`).status, "the clock stands: a larger bucket is not full at once")
	s.ask("POST /hooks/unknown", `{}`).requireProblem(t, http.StatusNotFound, "webhook.not_found")
}

// The token of a webhook stands in no log line, no answer and no label.
func TestTokensOfWebhooksAreNotTold(t *testing.T) {
	t.Parallel()
	s, hooks := setupHooks(t)
	hooks.verify = func(flows.HookDelivery) (*flows.Once, error) { panic("broken") }
	for what, route := range map[string]string{
		deliverIt: "/hooks/{token}", deliverIt + "x": "/hooks/{token}", "PUT /hooks/" + hookToken: "/hooks/{token}", "POST /hooks/" + hookToken + "/": "/hooks/{token}",
		"POST /Hooks/" + hookToken: "{token}", "POST /hook/" + hookToken: "{...}", "POST /" + hookToken: "{...}",
	} {
		res := s.ask(what, `{}`)
		require.GreaterOrEqual(t, res.status, 400, what)
		require.NotContains(t, res.body, hookToken, what)
		require.Contains(t, s.log.String(), route)
	}
	require.NotContains(t, s.log.String(), hookToken)
	require.NotContains(t, strings.Join(s.observed.seen, " "), hookToken)
	require.Contains(t, s.observed.seen, "POST /hooks/{token} 404")
}

func TestTheURLIsToldOnce(t *testing.T) {
	t.Parallel()
	s, _ := setupHooks(t)
	s.flows.create = func(flows.Spec) (*flows.Flow, error) {
		f := aHook(flowID)
		f.Hook = &flows.HookChange{Token: crypto.NewSecret(hookToken), TokenHash: "hash"}
		return f, nil
	}
	first := s.ask("POST /v1/flows", spec, "Idempotency-Key", "k")
	require.Equal(t, http.StatusCreated, first.status, first.body)
	require.Contains(t, first.body, `"url":"http://example.com/hooks/`+hookToken+`"`)
	again := s.ask("POST /v1/flows", spec, "Idempotency-Key", "k")
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.NotContains(t, again.body, hookToken)
	require.NotContains(t, again.body, `"url":`)
	rotated := s.ask("POST /v1/flows/"+flowID+"/webhook/rotate", `{"overlapSeconds":60}`)
	require.Equal(t, http.StatusOK, rotated.status, rotated.body)
	require.Contains(t, rotated.body, hookToken)
	s.ask("POST /v1/flows/"+flowID+"/webhook/rotate", `{"overlapSeconds":-1}`).requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/overlapSeconds")
	s.ask("POST /v1/flows/"+flowID+"/webhook/rotate", `{"overlap":1}`).requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/overlap")

	s.flows.get = func() (*flows.Flow, error) { return aHook(flowID), nil }
	read := s.ask("GET /v1/flows/"+flowID, "")
	require.Contains(t, read.body, `"webhook":{"secret":{"set":true`)
	require.NotContains(t, read.body, hookToken)
}

// A process that dies between storing records and keeping the answer leaves a
// key that is taken: the repeat gets the receipt of the first at once.
func TestARepeatOfRecordsAfterADeath(t *testing.T) {
	t.Parallel()
	s := setup(t)
	stored := map[string]*flows.Receipt{}
	s.flows.postOnce = func(p flows.Post) (*flows.Receipt, error) {
		require.NotNil(t, p.Once)
		require.Equal(t, []any{"client client:1", "k", 24 * time.Hour}, []any{p.Once.Scope, p.Once.Key, p.Once.Expires.Sub(epoch())})
		if was := stored[p.Once.Key+p.Once.Digest]; was != nil {
			repeated := *was
			repeated.Repeated = true
			return &repeated, nil
		}
		stored[p.Once.Key+p.Once.Digest] = &flows.Receipt{BatchID: unknownID, RunID: runID, Records: p.Records}
		return stored[p.Once.Key+p.Once.Digest], nil
	}
	s.idempotency.loseAnswers = true
	what := "POST /v1/flows/" + flowID + "/records"
	first := s.ask(what, `[{"a":1}]`, "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, first.status, first.body)
	require.Empty(t, first.header.Get("Idempotency-Replayed"))
	again := s.ask(what, `[{"a":1}]`, "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, again.status, again.body)
	require.Equal(t, first.body, again.body)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Len(t, stored, 1)
}

// FuzzForm: a form is refused or becomes one JSON object of texts, whatever it holds.
func FuzzForm(f *testing.F) {
	for _, text := range []string{"a=1&b=2", "a=%zz", "a=%ff", "a;b", "=", "&&", "a=1&a=2", "%00=%0a", "a=\xff"} {
		f.Add(text)
	}
	hooks := &fakeHooks{}
	handler := httpapi.New(httpapi.Deps{Webhooks: hooks, Now: epoch})
	f.Fuzz(func(t *testing.T, text string) {
		hooks.taken = nil
		r, err := http.NewRequest(http.MethodPost, "/hooks/"+hookToken, strings.NewReader(text))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 400 {
			require.Empty(t, hooks.taken)
			require.Less(t, w.Code, 500)
			return
		}
		require.Len(t, hooks.taken, 1)
		require.Equal(t, 1, strings.Count(hooks.taken[0], "\n"))
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(hooks.taken[0]), &record))
	})
}
