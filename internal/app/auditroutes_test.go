package app_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/stretchr/testify/require"
)

// silent are the routes that change nothing that stays, and those whose change
// is told in another way. Every other changing route is called in auditedRoutes.
func silent() map[string]string {
	return map[string]string{
		"POST /v1/flows/preview":                      "nothing is stored",
		"POST /v1/flows/{id}/preview":                 "nothing is stored",
		"POST /v1/connections/{id}/authorize":         "stores a state that ends by itself; the authorization leaves an event",
		"POST /oauth/token":                           "the use of the client's secret is told, once a minute",
		"POST /oauth/introspect":                      "nothing is stored",
		"POST /scim/v2/{connectionId}/Users/.search":  "a look-up",
		"POST /scim/v2/{connectionId}/Groups/.search": "a look-up",
		"POST /hooks/{token}":                         "records that come in; no client of ours hands them over",
		"POST /hooks/events/{token}":                  "events that Celonis delivers; no client of ours hands them over",
		"HEAD /hooks/events/{token}":                  "nothing is stored",
	}
}

// auditedRoutes call the changing routes, noun by noun. A new route is called in one of them.
func auditedRoutes() map[string]func(*auditor) {
	return map[string]func(*auditor){
		"connections": auditConnections, "conversations": auditConversations, "OAuth clients": auditOAuthClients, "clients": auditClients, "files": auditFiles,
		"flows": auditFlows, "runs": auditRuns, "webhooks": auditWebhooks, "subscriptions": auditSubscriptions, "errors": auditErrors, "notifications": auditNotifications,
		"set-ups": auditSetUps, "SCIM": auditSCIM,
	}
}

// auditor calls routes and demands their events.
type auditor struct {
	*service
	sim    *apptest.Sim
	called map[string]bool
	count  *int
	// from calls the routes; nil is the service's own client.
	from *apptest.Client
}

// madeThing is what an answer names.
type madeThing struct {
	ID   string
	Runs []struct{ ID string }
}

// call calls a route, whose parameters are filled in the order of the path, and demands the one event that tells of it, with
// who, from where and digests. want is the action and the kind.
func (a *auditor) call(route, want string, body any, ids ...string) (made madeThing) {
	a.t.Helper()
	return a.callWith(route, want, body, nil, ids...)
}

// callWith is call with headers.
func (a *auditor) callWith(route, want string, body any, header []string, ids ...string) (made madeThing) {
	a.t.Helper()
	a.called[route] = true
	*a.count++
	method, path, _ := strings.Cut(route, " ")
	for _, id := range ids {
		begin, end := strings.IndexByte(path, '{'), strings.IndexByte(path, '}')
		path = path[:begin] + id + path[end+1:]
	}
	request := fmt.Sprintf("audit-%d", *a.count)
	answer := cmp.Or(a.from, a.Client).Send(method, path, body, append(header, "X-Request-Id", request)...)
	require.Less(a.t, answer.Status, 300, "%s: %s", route, answer.Body)
	_ = json.Unmarshal(answer.Body, &made) // some answers have no body
	require.Equal(a.t, []string{want}, a.told(request, want), route)
	return made
}

// told lists the events of a request. The use of a secret has events of its own.
func (a *auditor) told(request, want string) (told []string) {
	a.t.Helper()
	for _, e := range a.events("requestId=" + request) {
		if e.Action == string(audit.SecretUsed) || (e.Action == string(audit.Tested) && !strings.HasPrefix(want, string(audit.Tested))) {
			continue
		}
		told = append(told, e.Action+" "+e.Kind)
		require.Equal(a.t, []string{a.id, "127.0.0.1"}, []string{e.Actor, e.From}, request)
		require.Len(a.t, e.Hash, 64)
		digests := map[string][2]bool{"created": {false, true}, "updated": {true, true}, "deleted": {true, false}}
		nouns := []string{"connection", "oauthClient", "client", "flow"}
		apart := slices.Contains(e.Fields, "watermark") || slices.Contains(e.Fields, "webhookUrl") || strings.HasPrefix(cmp.Or(append(e.Fields, "")...), "subscription") // not in the digest
		if expected, ok := digests[e.Action]; ok && slices.Contains(nouns, e.Kind) && !apart {
			require.Equal(a.t, expected, [2]bool{e.Before != "", e.After != ""}, request)
			require.NotEqual(a.t, e.Before, e.After, request)
		}
	}
	return told
}

// on gives the auditor for a subtest.
func (a *auditor) on(t *testing.T) *auditor {
	other := *a
	other.service = a.service.on(t)
	return &other
}

// TestEveryChangingRouteLeavesOneEvent holds every route that changes something to one event. A route that is neither called nor
// named in silent fails it.
func TestEveryChangingRouteLeavesOneEvent(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.PublicURL = "http://127.0.0.1:1"
	a := &auditor{service: start(t, cfg), sim: sim, called: map[string]bool{}, count: new(int)}
	for noun, calls := range auditedRoutes() {
		t.Run(noun, func(t *testing.T) { calls(a.on(t)) })
	}
	changing := map[string]bool{}
	for _, r := range httpapi.Routes() {
		if r.Method != http.MethodGet {
			changing[r.Method+" "+r.Path] = true
		}
	}
	var open []string
	for route := range changing {
		if _, quiet := silent()[route]; quiet == a.called[route] {
			open = append(open, route)
		}
	}
	slices.Sort(open)
	require.Empty(t, open, "these are to be called in auditedRoutes or named in silent, with the reason, and not both")
	for route := range silent() {
		require.True(t, changing[route], "%s is no changing route", route)
	}
	a.requireWholeChain()
}

// requireWholeChain verifies the record, and that it tells no secret.
func (a *auditor) requireWholeChain() {
	a.t.Helper()
	report := a.verified()
	export := a.Send("GET", "/v1/audit/export", nil)
	require.Equal(a.t, http.StatusOK, export.Status)
	lines := strings.Split(strings.TrimSuffix(string(export.Body), "\n"), "\n")
	require.Len(a.t, lines, int(report.Events))
	prev := ""
	for i, line := range lines { // the newest first
		var e event
		require.NoError(a.t, json.Unmarshal([]byte(line), &e))
		require.EqualValues(a.t, len(lines)-i, e.Seq)
		if i > 0 {
			require.Equal(a.t, prev, e.Hash)
		}
		prev = e.PrevHash
	}
	require.NotContains(a.t, string(export.Body), a.sim.AppKey)
	require.NotContains(a.t, string(export.Body), "secret-of-acme")
}

func auditConnections(a *auditor) {
	a.call("POST /v1/connections/test", "tested connection", simDraft(a.sim, "draft"))
	id := a.call("POST /v1/connections", "created connection", simDraft(a.sim, "another")).ID
	a.call("POST /v1/connections/{id}/test", "tested connection", nil, id)
	a.call("POST /v1/connections/{id}/clone", "created connection", map[string]any{"name": "a clone"}, id)
	a.call("PATCH /v1/connections/{id}", "updated connection", map[string]any{"name": "renamed"}, id)
	a.call("DELETE /v1/connections/{id}", "deleted connection", nil, id)
}

func auditOAuthClients(a *auditor) {
	id := a.call("POST /v1/oauth-clients", "created oauthClient", map[string]any{"name": "second", "clientId": "c", "clientSecret": "a-secret-of-acme-0123456789",
		"authMethod": "clientSecretBasic", "validDomains": []string{a.sim.Host}, "allowedScopes": []string{"integration.data-pools:data_push"}}).ID
	a.call("PATCH /v1/oauth-clients/{id}", "updated oauthClient", map[string]any{"clientSecret": "another-secret-of-acme-0123456"}, id)
	a.call("DELETE /v1/oauth-clients/{id}", "deleted oauthClient", nil, id)
}

func auditClients(a *auditor) {
	id := a.call("POST /v1/clients", "created client", map[string]any{"name": "third", "scopes": []string{"flows:read"}}).ID
	a.call("PATCH /v1/clients/{id}", "updated client", map[string]any{"name": "a reader"}, id)
	secret := a.call("POST /v1/clients/{id}/secrets", "updated client", nil, id).ID
	a.call("DELETE /v1/clients/{id}/secrets/{secretId}", "updated client", nil, id, secret)
	a.call("DELETE /v1/clients/{id}", "deleted client", nil, id)

	// A client revokes tokens of its own only.
	again := apptest.NewClient(a.t, a.app.URL(), a.id, a.secret)
	form := url.Values{"token": {again.Token}, "client_id": {a.id}, "client_secret": {a.secret}}
	bare := *a.Client
	bare.Token = ""
	public := *a
	public.from = &bare
	public.callWith("POST /oauth/revoke", "revoked client", []byte(form.Encode()), []string{"Content-Type", "application/x-www-form-urlencoded"})
}

// auditConversations asks an agent, once on its own and once in a thread, and drops the thread.
func auditConversations(a *auditor) {
	a.sim.AddAgent(celonissim.Agent{ID: copilot})
	var made apptest.Connection
	a.Call(http.StatusCreated, "POST", "/v1/connections", map[string]any{
		"name": "for talks", "apiType": "intelligence", "domain": a.sim.Host, "authType": "custom", "appKey": a.sim.AppKey,
	}, &made)
	insight := made.ID
	a.call("POST /v1/connections/{id}/chat", "asked conversation", map[string]any{"agent": copilot, "message": "which are late?"}, insight)
	a.call("POST /v1/connections/{id}/chat", "asked conversation", map[string]any{"agent": copilot, "message": "one", "thread": "daily"}, insight)
	var threads struct{ Items []struct{ ID string } }
	a.Call(http.StatusOK, "GET", "/v1/connections/"+insight+"/chat/threads", nil, &threads)
	require.NotEmpty(a.t, threads.Items)
	a.call("DELETE /v1/connections/{id}/chat/threads/{threadId}", "deleted conversation", nil, insight, threads.Items[0].ID)
}

func auditFiles(a *auditor) {
	id := a.callWith("POST /v1/files", "created file", []byte("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nA\n1\n\r\n--x--\r\n"),
		[]string{"Content-Type", "multipart/form-data; boundary=x"}).ID
	a.call("DELETE /v1/files/{id}", "deleted file", nil, id)
}

func auditFlows(a *auditor) {
	records := apptest.FileFlow("by hand", "", "csv", a.Connect("by hand", a.sim), "BY_HAND")
	records["export"] = map[string]any{"type": "records"}
	id := a.call("POST /v1/flows", "created flow", records).ID
	a.call("POST /v1/flows/{id}/pause", "updated flow", nil, id)
	a.call("POST /v1/flows/{id}/resume", "updated flow", nil, id)
	a.call("POST /v1/flows/{id}/disable", "disabled flow", nil, id)
	a.call("POST /v1/flows/{id}/enable", "enabled flow", nil, id)
	a.call("PATCH /v1/flows/{id}", "updated flow", map[string]any{"name": "by hands"}, id)
	a.call("POST /v1/flows/{id}/records", "posted flow", []map[string]any{{"A": 1}}, id)

	id = a.template("audit-log", a.Connect("watched", a.sim))
	a.call("PUT /v1/flows/{id}/watermark", "updated flow", map[string]any{"watermark": "2026-01-01T00:00:00Z"}, id)
	a.call("DELETE /v1/flows/{id}", "deleted flow", nil, id)
}

func auditRuns(a *auditor) {
	id := a.fileFlow(a.Connect("for runs", a.sim), "RUNS", "csv", "A\n1\n")
	trap := a.sim.Trap(apptest.Submit, "RUNS", 1)
	run := a.call("POST /v1/flows/{id}/runs", "started run", nil, id).ID
	apptest.Receive(a.t, trap.Came(), "the run submits")
	a.call("POST /v1/runs/{id}/cancel", "canceled run", nil, run)
	trap.Release()
	a.AwaitEnd(run)
}

func auditWebhooks(a *auditor) {
	h := a.hookFlow(hookSpec(a.Connect("for hooks", a.sim), "HOOKED", map[string]any{"auth": map[string]any{"type": "none"}}))
	a.call("POST /v1/flows/{id}/webhook/rotate", "updated flow", nil, h.flow)
}

func auditErrors(a *auditor) {
	id := a.fileFlow(a.Connect("for errors", a.sim), "WRONG", "csv", "ID,N\n1,x\n2,x\n3,x\n4,4\n",
		mapped(rule("ID", "string"), rule("N", "integer", "from", "N")), set("import", map[string]any{"keys": []string{"ID"}}))
	require.EqualValues(a.t, 3, a.Do(id).Ledger.Errored)
	var bad []string
	for _, e := range a.recordErrors(id, "") {
		bad = append(bad, e["id"].(string))
	}
	a.call("PATCH /v1/errors/{id}", "updated recordError", map[string]any{"record": map[string]any{"N": "still none"}}, bad[0])
	a.AwaitEnd(a.call("POST /v1/errors/{id}/retry", "retried recordError", nil, bad[0]).ID)
	a.call("POST /v1/errors/{id}/resolve", "resolved recordError", nil, bad[0])
	for _, r := range a.call("POST /v1/flows/{id}/errors/retry", "retried recordError", map[string]any{"ids": bad[1:2]}, id).Runs {
		a.AwaitEnd(r.ID)
	}
	a.call("POST /v1/flows/{id}/errors/resolve", "resolved recordError", map[string]any{"ids": bad[1:]}, id)
}

func auditNotifications(a *auditor) {
	id := a.call("POST /v1/notifications", "created notification", webhookTo(a.sim.URL, "runFailed")).ID
	a.call("PATCH /v1/notifications/{id}", "updated notification", map[string]any{"name": "another"}, id)
	a.call("POST /v1/notifications/{id}/test", "tested notification", nil, id)
	a.call("DELETE /v1/notifications/{id}", "deleted notification", nil, id)
}

func auditSetUps(a *auditor) {
	flow := apptest.FileFlow("moved", "", "csv", a.Connect("moving", a.sim), "MOVED")
	flow["export"] = map[string]any{"type": "records"}
	id := a.Flow(flow)
	exported := a.Send("GET", "/v1/config/export", nil)
	require.Equal(a.t, http.StatusOK, exported.Status)
	a.Call(http.StatusOK, "PATCH", "/v1/flows/"+id, map[string]any{"import": map[string]any{"table": "ELSEWHERE"}}, nil)
	// The document has one flow otherwise than it is now.
	a.call("POST /v1/config/import", "updated flow", exported.Body)
}
