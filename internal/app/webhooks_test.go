package app_test

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
)

const markedHookSecret = "canary/hook+secret==ZzTtYy01&<mark>"

// hook is a flow's webhook as its maker knows it.
type hook struct {
	flow string
	url  string
}

// told reads the URL of an answer that tells it.
func (s *service) told(body []byte) (url string) {
	s.t.Helper()
	var answer struct {
		Export struct{ Webhook struct{ URL string } }
	}
	require.NoError(s.t, json.Unmarshal(body, &answer))
	require.Contains(s.t, answer.Export.Webhook.URL, "/hooks/")
	return answer.Export.Webhook.URL
}

// hookSpec is a flow that takes deliveries, whose records their id tells apart.
func hookSpec(connection, table string, webhook map[string]any, export ...map[string]any) map[string]any {
	e := map[string]any{"type": "webhook", "webhook": webhook, "gather": map[string]any{"seconds": 0}}
	for _, more := range export {
		for k, v := range more {
			e[k] = v
		}
	}
	return map[string]any{
		"name": "hook to " + table, "export": e,
		"import":  map[string]any{"type": "dataPush", "connectionId": connection, "table": table, "mode": "delta", "keys": []string{"id"}},
		"mapping": []any{rule("id", "integer"), rule("text", "string")},
	}
}

// hookFlow makes a flow and gives its webhook.
func (s *service) hookFlow(spec map[string]any) hook {
	s.t.Helper()
	a := s.Send("POST", "/v1/flows", spec)
	require.Equal(s.t, http.StatusCreated, a.Status, "%s", a.Body)
	var f struct{ ID string }
	require.NoError(s.t, json.Unmarshal(a.Body, &f))
	return hook{f.ID, s.told(a.Body)}
}

// delivery is the answer to one.
type delivery struct {
	status         int
	header         http.Header
	body           []byte
	BatchID, RunID string
	Records        int64
	Repeated       bool
	Code, Detail   string
}

// deliver sends a body to a URL, as a stranger who knows no more than that.
func (s *service) deliver(url string, body []byte, header http.Header) (d delivery) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(s.t, err)
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{"Content-Type": {"application/json"}}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	d.status, d.header = res.StatusCode, res.Header
	d.body, err = io.ReadAll(res.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, json.Unmarshal(d.body, &d), "%s", d.body)
	return d
}

func slackHeader(body []byte, secret string, at time.Time) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return http.Header{
		"Content-Type": {"application/json"}, "X-Slack-Request-Timestamp": {stamp},
		"X-Slack-Signature": {"v0=" + hex.EncodeToString(mac.Sum(nil))},
	}
}

func packed(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// Every form of a body reaches the table, once.
func TestWebhookToTable(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	h := s.hookFlow(hookSpec(s.Connect("pool", sim), "HOOKED", map[string]any{
		"auth": map[string]any{"type": "hmac", "preset": "slack", "secret": markedHookSecret}, "challenge": true,
	}, map[string]any{"itemsPath": "/event/items"}))
	wrap := func(items string) string { return `{"event":{"items":` + items + `}}` }
	now := time.Now()
	for i, tt := range []struct {
		body, media string
		gzip        bool
		records     int64
	}{
		{wrap(`[{"id":1,"text":"array"},{"id":2,"text":"é"}]`), "application/json", false, 2},
		{wrap(`{"id":3,"text":"object"}`), "application/cloudevents+json; charset=UTF-8", false, 1},
		{wrap("\n{\"id\":4,\n\"text\":\"lines\"}"), "", false, 1},
		{wrap(`{"id":5}`) + "\n\n" + wrap(`[{"id":6}]`) + "\n", "application/x-ndjson", false, 2},
		{wrap(`[{"id":7,"text":"packed"}]`), "application/json", true, 1},
	} {
		body := []byte(tt.body)
		if tt.gzip {
			body = packed(t, body)
		}
		header := slackHeader(body, markedHookSecret, now)
		header.Set("Content-Type", tt.media)
		if tt.media == "" {
			header.Del("Content-Type")
		}
		if tt.gzip {
			header.Set("Content-Encoding", "gzip")
		}
		first := s.deliver(h.url, body, header)
		require.Equal(t, http.StatusAccepted, first.status, "%d: %s", i, first.body)
		require.Equal(t, tt.records, first.Records)
		again := s.deliver(h.url, body, header)
		require.Equal(t, http.StatusOK, again.status)
		require.Equal(t, []any{first.BatchID, first.RunID, true}, []any{again.BatchID, again.RunID, again.Repeated}, "replayed")
		apptest.RequireWhole(t, s.AwaitEnd(first.RunID), tt.records)
	}
	ids := apptest.Column(sim.MustTable("HOOKED"), "id")
	slices.Sort(ids)
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6", "7"}, ids)
	opened := s.events("action=secret.used&kind=flow&id=" + h.flow)
	require.NotEmpty(t, opened)
	require.Equal(t, []string{"webhook", "127.0.0.1"}, []string{opened[0].Purpose, opened[0].From})

	signed := func(body string) delivery {
		return s.deliver(h.url, []byte(body), slackHeader([]byte(body), markedHookSecret, now))
	}
	d := signed(`{"type":"url_verification","challenge":"3eZbrw1aB"}`)
	require.Equal(t, http.StatusOK, d.status)
	require.JSONEq(t, `{"challenge":"3eZbrw1aB"}`, string(d.body))
	d = signed(wrap(`[]`))
	require.Equal(t, http.StatusOK, d.status)
	require.JSONEq(t, `{"batchId":null,"records":0,"runId":null,"repeated":false}`, string(d.body))
	for body, want := range map[string]string{
		`{"event":{}}`: `422 request.invalid /event/items`, wrap(`[1]`): `422 request.invalid /event/items/0`, wrap(`null`): `422 request.invalid /event/items/0`,
		`{"event":`: `400 request.malformed_json `, ``: `400 request.malformed_json `,
	} {
		d := signed(body)
		var p struct{ Errors []struct{ Pointer string } }
		require.NoError(t, json.Unmarshal(d.body, &p))
		pointer := ""
		if len(p.Errors) > 0 {
			pointer = p.Errors[0].Pointer
		}
		require.Equal(t, want, fmt.Sprint(d.status, " ", d.Code, " ", pointer), "%s: %s", body, d.body)
	}
}

func TestWebhookForms(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	h := s.hookFlow(hookSpec(s.Connect("pool", sim), "FORMS", map[string]any{"auth": map[string]any{"type": "none"}}))
	d := s.deliver(h.url, []byte("id=1&text=a+b%26c&more=1&more=2"), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	require.Equal(t, http.StatusAccepted, d.status, "%s", d.body)
	apptest.RequireWhole(t, s.AwaitEnd(d.RunID), 1)
	text, _ := sim.MustTable("FORMS").Value("text", 0)
	require.Equal(t, "a b&c", text)
	twice := s.deliver(h.url, []byte(`{"id":2}`), nil)
	again := s.deliver(h.url, []byte(`{"id":2}`), nil)
	require.NotEqual(t, twice.BatchID, again.BatchID, "nothing tells these apart, so both are stored")
}

func TestWebhookRefusals(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	h := s.hookFlow(hookSpec(connection, "REFUSED", map[string]any{
		"auth": map[string]any{"type": "hmac", "preset": "slack", "secret": markedHookSecret}, "maxBody": 200_000, "requestsPerMinute": 60,
	}))
	body := []byte(`{"id":1}`)
	stale := s.deliver(h.url, body, slackHeader(body, markedHookSecret, time.Now().Add(-time.Hour)))
	require.Equal(t, http.StatusUnauthorized, stale.status)
	require.Equal(t, "webhook.signature_stale", stale.Code)
	require.Contains(t, stale.Detail, "X-Slack-Request-Timestamp")
	require.Equal(t, `Signature realm="celonis-connector"`, stale.header.Get("WWW-Authenticate"))
	wrong := s.deliver(h.url, append(body, ' '), slackHeader(body, markedHookSecret, time.Now()))
	require.Equal(t, "webhook.signature_invalid", wrong.Code)

	unknown := s.deliver(strings.Replace(h.url, "/hooks/", "/hooks/x", 1), body, nil)
	short := s.deliver(s.app.URL()+"/hooks/x", []byte("not JSON"), nil)
	require.Equal(t, http.StatusNotFound, unknown.status)
	require.Equal(t, "webhook.not_found", unknown.Code)
	require.Equal(t, []any{unknown.status, unknown.Code, unknown.Detail}, []any{short.status, short.Code, short.Detail})

	large := bytes.Repeat([]byte(" "), 200_001)
	require.Equal(t, "request.too_large", s.deliver(h.url, large, slackHeader(large, markedHookSecret, time.Now())).Code)
	bomb := packed(t, bytes.Repeat([]byte(" "), 150_000))
	header := slackHeader(bomb, markedHookSecret, time.Now())
	header.Set("Content-Encoding", "gzip")
	refused := s.deliver(h.url, bomb, header)
	require.Equal(t, "request.too_large", refused.Code)
	require.Contains(t, refused.Detail, "times its size")

	s.Call(http.StatusOK, "POST", "/v1/flows/"+h.flow+"/disable", nil, nil)
	require.Equal(t, http.StatusGone, s.deliver(h.url, body, slackHeader(body, markedHookSecret, time.Now())).status)
	s.Call(http.StatusOK, "POST", "/v1/flows/"+h.flow+"/enable", nil, nil)
	s.Call(http.StatusOK, "POST", "/v1/flows/"+h.flow+"/pause", nil, nil)
	waits := s.deliver(h.url, body, slackHeader(body, markedHookSecret, time.Now()))
	require.Equal(t, http.StatusAccepted, waits.status, "%s", waits.body)
	require.Equal(t, "queued", s.Run(waits.RunID).State)
	s.Call(http.StatusOK, "POST", "/v1/flows/"+h.flow+"/resume", nil, nil)
	apptest.RequireWhole(t, s.AwaitEnd(waits.RunID), 1)

	limited := delivery{}
	for range 70 {
		if limited = s.deliver(h.url, body, nil); limited.status == http.StatusTooManyRequests {
			break
		}
	}
	require.Equal(t, "webhook.rate_limited", limited.Code)
	require.NotEmpty(t, limited.header.Get("Retry-After"))

	for name, webhook := range map[string]map[string]any{
		"/export/webhook/auth":                 {},
		"/export/webhook/auth/secret":          {"auth": map[string]any{"type": "token"}},
		"/export/webhook/auth/username":        {"auth": map[string]any{"type": "basic", "secret": "s3cr3t"}},
		"/export/webhook/auth/header":          {"auth": map[string]any{"type": "hmac", "secret": "s3cr3t", "preset": "github", "header": "X"}},
		"/export/webhook/auth/payload":         {"auth": map[string]any{"type": "hmac", "secret": "s3cr3t", "timestampHeader": "X-T", "payload": "{body}"}},
		"/export/webhook/auth/signatureMember": {"auth": map[string]any{"type": "hmac", "secret": "s3cr3t", "timestampMember": "t"}},
		"/export/webhook/url":                  {"auth": map[string]any{"type": "none"}, "url": "https://mine.example"},
		"/export/webhook/deliveryHeader":       {"auth": map[string]any{"type": "none"}, "deliveryHeader": "a b"},
		"/export/webhook/maxBody":              {"auth": map[string]any{"type": "none"}, "maxBody": 17 << 20},
	} {
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", hookSpec(connection, "NONE", webhook))
		require.Contains(t, fmt.Sprint(p.Errors), name, "%+v", p)
	}
	for _, mask := range []string{"********", "[redacted]", " secret-with-a-blank"} {
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", hookSpec(connection, "NONE", map[string]any{"auth": map[string]any{"type": "token", "secret": mask}}))
		require.Contains(t, fmt.Sprint(p.Errors), "/export/webhook/auth/secret", mask)
	}
}

// A URL is told once; an older one goes on as long as its owner wants.
func TestWebhookRotation(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	spec := hookSpec(s.Connect("pool", sim), "ROTATED", map[string]any{"auth": map[string]any{"type": "none"}})
	made := s.Send("POST", "/v1/flows", spec, "Idempotency-Key", "make it")
	h := hook{url: s.told(made.Body)}
	var f struct{ ID string }
	require.NoError(t, json.Unmarshal(made.Body, &f))
	repeat := s.Send("POST", "/v1/flows", spec, "Idempotency-Key", "make it")
	require.Equal(t, "true", repeat.Header.Get("Idempotency-Replayed"))
	require.NotContains(t, string(repeat.Body), "/hooks/", "a kept answer holds the URL")
	require.Contains(t, string(repeat.Body), f.ID)

	works := func(url string) bool { return s.deliver(url, []byte(`[]`), nil).status == http.StatusOK }
	require.True(t, works(h.url))
	second := s.told(s.Send("POST", "/v1/flows/"+f.ID+"/webhook/rotate", map[string]any{"overlapSeconds": 3600}).Body)
	require.Equal(t, []bool{true, true}, []bool{works(h.url), works(second)})
	var read struct {
		Webhook struct {
			Secret struct{ Set bool }
			URLs   []struct{ CreatedAt, ExpiresAt *time.Time }
		}
	}
	s.Call(http.StatusOK, "GET", "/v1/flows/"+f.ID, nil, &read)
	require.Len(t, read.Webhook.URLs, 2)
	require.Nil(t, read.Webhook.URLs[0].ExpiresAt)
	require.NotNil(t, read.Webhook.URLs[1].ExpiresAt)
	require.False(t, read.Webhook.Secret.Set)
	third := s.told(s.Send("POST", "/v1/flows/"+f.ID+"/webhook/rotate", nil).Body)
	require.Equal(t, []bool{false, false, true}, []bool{works(h.url), works(second), works(third)})
	s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows/"+f.ID+"/webhook/rotate", map[string]any{"overlapSeconds": 86401})
	other := s.recordsFlow(s.Connect("pool 2", sim), "PLAIN")
	require.Equal(t, "flow.not_a_webhook_flow", s.Problem(http.StatusConflict, "POST", "/v1/flows/"+other+"/webhook/rotate", nil).Code)

	// A new secret keeps the URL; a flow that becomes another's takes its URL with it.
	patched := s.Send("PATCH", "/v1/flows/"+f.ID, map[string]any{"export": map[string]any{"webhook": map[string]any{"auth": map[string]any{"type": "token", "secret": "a token"}}}})
	require.Equal(t, http.StatusOK, patched.Status, "%s", patched.Body)
	require.NotContains(t, string(patched.Body), "/hooks/")
	require.NotContains(t, string(patched.Body), "a token")
	require.Equal(t, http.StatusUnauthorized, s.deliver(third, []byte(`[]`), nil).status)
	require.Equal(t, http.StatusOK, s.deliver(third, []byte(`[]`), http.Header{"X-Webhook-Token": {"a token"}}).status)
	p := s.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/flows/"+f.ID, map[string]any{"export": map[string]any{"webhook": map[string]any{"auth": map[string]any{"type": "basic", "username": "me", "header": nil}}}})
	require.Contains(t, fmt.Sprint(p.Errors), "/export/webhook/auth/secret", "another type demands the secret again")
	s.Call(http.StatusOK, "PATCH", "/v1/flows/"+f.ID, map[string]any{"export": map[string]any{"type": "records", "webhook": nil}}, nil)
	require.Equal(t, http.StatusNotFound, s.deliver(third, []byte(`[]`), nil).status)
}

// What was answered with 202 is in the database: it arrives although the
// service is gone right after, before any worker was there.
func TestDeliveriesOutliveTheService(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL), app.API)
	h := s.hookFlow(hookSpec(s.Connect("pool", sim), "DURABLE_HOOK", map[string]any{"auth": map[string]any{"type": "none"}, "deliveryHeader": "X-Id"}))
	token := h.url[strings.Index(h.url, "/hooks/"):]
	send := func(i int) delivery {
		return s.deliver(s.app.URL()+token, fmt.Appendf(nil, `{"id":%d}`, i), http.Header{"Content-Type": {"application/json"}, "X-Id": {fmt.Sprint(i)}})
	}
	runs := map[string]bool{}
	for i := range 5 {
		d := send(i)
		require.Equal(t, http.StatusAccepted, d.status, "%s", d.body)
		runs[d.RunID] = true
	}
	s.restart()
	for i := range 5 {
		d := send(i)
		require.Equal(t, []any{http.StatusOK, true}, []any{d.status, d.Repeated}, "%s", d.body)
	}
	for run := range runs {
		require.Equal(t, "succeeded", s.AwaitEnd(run).State)
	}
	require.Equal(t, 5, sim.MustTable("DURABLE_HOOK").Rows())
}

// A webhook moves without its secret and its URL: it refuses everything until it is given a secret.
func TestAWebhookMoves(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	from := begin(t, sim)
	from.hookFlow(hookSpec(from.Connect("pool", sim), "MOVED", map[string]any{"auth": map[string]any{"type": "token", "secret": markedHookSecret}}))
	exported := from.Send("GET", "/v1/config/export", nil)
	require.NotContains(t, string(exported.Body), "canary")
	require.NotContains(t, string(exported.Body), "/hooks/")
	require.Equal(t, []string{"connection pool unchanged", "flow hook to MOVED unchanged"}, from.importing("?dryRun=true", exported.Body).told())

	to := begin(t, sim)
	require.Equal(t, []string{"connection pool create", "flow hook to MOVED create"}, to.importing("", exported.Body).told())
	var list struct{ Items []struct{ ID string } }
	to.Call(http.StatusOK, "GET", "/v1/flows", nil, &list)
	id := list.Items[0].ID
	url := to.told(to.Send("POST", "/v1/flows/"+id+"/webhook/rotate", nil).Body)
	for _, token := range []string{"", markedHookSecret} {
		d := to.deliver(url, []byte(`[]`), http.Header{"X-Webhook-Token": {token}})
		require.Equal(t, []any{http.StatusServiceUnavailable, "webhook.secret_missing"}, []any{d.status, d.Code})
	}
	to.Call(http.StatusOK, "PATCH", "/v1/flows/"+id, map[string]any{"export": map[string]any{"webhook": map[string]any{"auth": map[string]any{"secret": "another token"}}}}, nil)
	to.Call(http.StatusOK, "POST", "/v1/flows/"+id+"/enable", nil, nil)
	require.Equal(t, http.StatusOK, to.deliver(url, []byte(`[]`), http.Header{"X-Webhook-Token": {"another token"}}).status)
}

// Tokens and secrets of webhooks are found nowhere but in the one answer that tells a URL.
func TestWebhookSecretsAreFoundNowhere(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	h := s.hookFlow(hookSpec(connection, "HOOK_CANARY", map[string]any{"auth": map[string]any{"type": "token", "secret": markedHookSecret}}))
	token := h.url[strings.Index(h.url, "/hooks/")+len("/hooks/"):]
	require.Len(t, token, 43)
	rotated := s.told(s.Send("POST", "/v1/flows/"+h.flow+"/webhook/rotate", map[string]any{"overlapSeconds": 60}).Body)
	second := rotated[strings.Index(rotated, "/hooks/")+len("/hooks/"):]

	var answers said
	s.Seen = answers.add
	right := http.Header{"X-Webhook-Token": {markedHookSecret}, "Content-Type": {"application/json"}}
	for _, header := range []http.Header{right, {"X-Webhook-Token": {markedHookSecret + "x"}}, {}} {
		for _, body := range []string{`{"id":1,"text":"name-that-is-looked-for"}`, `{"id":`, `[]`} {
			answers.add(s.deliver(h.url, []byte(body), header).body)
		}
	}
	ran := s.deliver(rotated, []byte(`{"id":2}`), right)
	require.Equal(t, "succeeded", s.AwaitEnd(ran.RunID).State)
	for _, what := range []string{"GET /hooks/" + token, "PUT /hooks/" + token, "POST /hooks/" + token + "/", "POST /HOOKS/" + token, "POST /v1/hooks/" + token, "POST //hooks/" + token,
		"POST /hook/" + token, "GET /" + token, "POST /hooks/" + token + "/more"} {
		method, path, _ := strings.Cut(what, " ")
		a := s.Send(method, path, []byte(`{"id":1}`))
		require.GreaterOrEqual(t, a.Status, 400, what)
	}
	s.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/flows/"+h.flow, map[string]any{"export": map[string]any{"webhook": map[string]any{"auth": map[string]any{"type": "hmac", "header": nil, "secret": markedHookSecret, "tolerance": 5}}}})
	s.Call(http.StatusOK, "PATCH", "/v1/flows/"+h.flow, map[string]any{"export": map[string]any{"webhook": map[string]any{"auth": map[string]any{"secret": markedHookSecret}}}}, nil)
	for _, path := range []string{"/v1/flows", "/v1/flows/" + h.flow, "/v1/flows/" + h.flow + "/runs", "/v1/audit", "/v1/config/export", "/metrics"} {
		s.Send("GET", path, nil)
	}
	everything := haystack{"answers": answers.text.Bytes()}
	s.addFiles(everything)
	s.stop()
	everything["log"] = []byte(s.log.String())
	s.addFiles(everything)
	require.NotEmpty(t, everything.find("name-that-is-looked-for"), "the records are in the database")
	require.Contains(t, string(everything["log"]), "/hooks/{token}")
	for _, secret := range []string{token, second, markedHookSecret} {
		require.Empty(t, everything.find(secret), "a secret was found")
	}
}
