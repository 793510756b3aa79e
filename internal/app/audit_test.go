package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/audit"
)

// event is an event as the API shows it.
type event struct {
	Seq                                                   int64
	ID, Actor, From, RunID, Worker, Action, Kind, Purpose string
	ObjectID, Name, Before, After, PrevHash, Hash         string
	Fields                                                []string
}

// events lists the events that a query selects, the oldest first.
func (s *service) events(query string) []event {
	s.t.Helper()
	var page struct{ Items []event }
	s.Call(http.StatusOK, "GET", "/v1/audit?limit=200&"+query, nil, &page)
	slices.Reverse(page.Items)
	return page.Items
}

// verified demands a whole record.
func (s *service) verified() audit.Report {
	s.t.Helper()
	report, err := audit.Verify(s.t.Context(), s.app.Store, app.Workspace, nil)
	require.NoError(s.t, err)
	require.Nil(s.t, report.Broken)
	return report
}

// silent are the routes that change nothing that stays, and those whose change is told in another way.
func silent() map[string]string {
	return map[string]string{
		"POST /v1/flows/preview":              "nothing is stored",
		"POST /v1/flows/{id}/preview":         "nothing is stored",
		"POST /v1/connections/{id}/authorize": "stores a state that ends by itself; the authorization leaves an event",
		"POST /oauth/token":                   "the use of the client's secret is told, once a minute",
		"POST /oauth/introspect":              "nothing is stored",
		"POST /hooks/{path}":                  "records that come in, as those that are posted",
	}
}

// TestEveryChangingRouteLeavesOneEvent calls each operation of the contract
// that changes something, and demands the one event that tells of it, with who, from where and digests.
func TestEveryChangingRouteLeavesOneEvent(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	e := settle(t, s, sim)
	s.AwaitEnd(e.ids["runs"])
	called, made := map[string]bool{}, map[string]string{}
	call := func(operation, path string, body any, want string, header ...string) {
		t.Helper()
		called[operation] = true
		method, _, _ := strings.Cut(operation, " ")
		id := fmt.Sprintf("audit-%d", len(called))
		a := s.Send(method, path, body, append(header, "X-Request-Id", id)...)
		require.Less(t, a.Status, 300, "%s: %s", operation, a.Body)
		var answer struct{ ID, SecretID, RunID string }
		_ = json.Unmarshal(a.Body, &answer)
		made[operation], made[operation+" secret"] = answer.ID, answer.SecretID
		var told []string
		for _, each := range s.events("requestId=" + id) {
			if each.Action == string(audit.SecretUsed) || (each.Action == string(audit.Tested) && !strings.Contains(want, "tested")) {
				continue
			}
			told = append(told, each.Action+" "+each.Kind)
			require.Equal(t, []string{s.id, "127.0.0.1"}, []string{each.Actor, each.From}, operation)
			require.Len(t, each.Hash, 64)
			digests := map[string][2]bool{"created": {false, true}, "updated": {true, true}, "deleted": {true, false}}
			nouns := []string{"connection", "oauthClient", "client", "flow"}
			if expected, ok := digests[each.Action]; ok && slices.Contains(nouns, each.Kind) && !slices.Contains(each.Fields, "watermark") {
				require.Equal(t, expected, [2]bool{each.Before != "", each.After != ""}, operation)
				require.NotEqual(t, each.Before, each.After, operation)
			}
		}
		require.Equal(t, []string{want}, told, operation)
	}
	connection, flow, client, secret := e.ids["connections"], e.ids["flows"], e.ids["clients"], e.ids["secrets"]
	call("POST /v1/connections/test", "/v1/connections/test", simDraft(sim, "draft"), "tested connection")
	call("POST /v1/connections", "/v1/connections", simDraft(sim, "another"), "created connection")
	call("POST /v1/connections/{id}/test", "/v1/connections/"+connection+"/test", nil, "tested connection")
	call("POST /v1/connections/{id}/clone", "/v1/connections/"+connection+"/clone", map[string]any{"name": "a clone"}, "created connection")
	call("PATCH /v1/connections/{id}", "/v1/connections/"+connection, map[string]any{"name": "renamed"}, "updated connection")
	call("DELETE /v1/connections/{id}", "/v1/connections/"+made["POST /v1/connections"], nil, "deleted connection")

	call("POST /v1/oauth-clients", "/v1/oauth-clients", map[string]any{"name": "second", "clientId": "c", "clientSecret": "a-secret-of-acme-0123456789",
		"authMethod": "clientSecretBasic", "validDomains": []string{sim.Host}, "allowedScopes": []string{"integration.data-pools:data_push"}}, "created oauthClient")
	call("PATCH /v1/oauth-clients/{id}", "/v1/oauth-clients/"+made["POST /v1/oauth-clients"], map[string]any{"clientSecret": "another-secret-of-acme-0123456"}, "updated oauthClient")
	call("DELETE /v1/oauth-clients/{id}", "/v1/oauth-clients/"+made["POST /v1/oauth-clients"], nil, "deleted oauthClient")

	call("POST /v1/clients", "/v1/clients", map[string]any{"name": "third", "scopes": []string{"flows:read"}}, "created client")
	call("PATCH /v1/clients/{id}", "/v1/clients/"+client, map[string]any{"name": "a reader"}, "updated client")
	call("DELETE /v1/clients/{id}/secrets/{secretId}", "/v1/clients/"+client+"/secrets/"+secret, nil, "updated client")
	call("POST /v1/clients/{id}/secrets", "/v1/clients/"+client+"/secrets", nil, "updated client")
	call("DELETE /v1/clients/{id}", "/v1/clients/"+client, nil, "deleted client")

	call("POST /v1/files", "/v1/files", []byte("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nA\n1\n\r\n--x--\r\n"), "created file",
		"Content-Type", "multipart/form-data; boundary=x")
	call("PATCH /v1/errors/{id}", "/v1/errors/"+e.ids["errors"], map[string]any{"record": map[string]any{"ID": "1", "N": "still no number"}}, "updated recordError")
	call("POST /v1/errors/{id}/resolve", "/v1/errors/"+e.ids["errors"]+"/resolve", nil, "resolved recordError")

	records := apptest.FileFlow("by hand", "", "csv", connection, "BY_HAND")
	records["export"] = map[string]any{"type": "records"}
	call("POST /v1/flows", "/v1/flows", records, "created flow")
	fed := "/v1/flows/" + made["POST /v1/flows"]
	call("POST /v1/flows/{id}/pause", fed+"/pause", nil, "updated flow")
	call("POST /v1/flows/{id}/resume", fed+"/resume", nil, "updated flow")
	call("POST /v1/flows/{id}/disable", fed+"/disable", nil, "disabled flow")
	call("POST /v1/flows/{id}/enable", fed+"/enable", nil, "enabled flow")
	call("PATCH /v1/flows/{id}", fed, map[string]any{"name": "by hands"}, "updated flow")
	call("POST /v1/flows/{id}/records", fed+"/records", []map[string]any{{"A": 1}}, "posted flow")
	call("POST /v1/flows/{id}/runs", "/v1/flows/"+flow+"/runs", nil, "started run")
	s.AwaitEnd(made["POST /v1/flows/{id}/runs"])

	report := s.verified()
	all := s.events("")
	require.Equal(t, all[len(all)-1].Seq, report.Events)
	for i := 1; i < len(all); i++ {
		require.Equal(t, all[i-1].Hash, all[i].PrevHash)
	}
	var missing []string
	for _, op := range operations(t, s) {
		if _, quiet := silent()[op.String()]; !quiet && op.method != http.MethodGet && !called[op.String()] {
			missing = append(missing, op.String())
		}
	}
	t.Log("not called: ", missing)
	export := s.Send("GET", "/v1/audit/export", nil)
	require.Equal(t, http.StatusOK, export.Status)
	require.Equal(t, int(report.Events), strings.Count(string(export.Body), "\n"))
	require.NotContains(t, string(export.Body), sim.AppKey)
	require.NotContains(t, string(export.Body), "a-secret-of-acme")
}

// TestEveryUseOfASecretIsOnRecord: a run, a test call, a picker and a login
// leave one event each for the secrets they opened.
func TestEveryUseOfASecretIsOnRecord(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	run := s.Do(s.fileFlow(connection, "USED", "csv", "A\n1\n"))
	for range 3 {
		s.Call(http.StatusOK, "POST", "/v1/connections/"+connection+"/test", nil, nil)
		s.Call(http.StatusOK, "GET", "/v1/connections/"+connection+"/options/pools", nil, nil)
	}
	told := map[string]int{}
	for _, e := range s.events("action=secret.used&kind=connection&id=" + url.QueryEscape(connection)) {
		told[e.Purpose+" by "+e.Actor]++
		if e.Purpose == "run" {
			require.Equal(t, run.ID, e.RunID)
			require.NotEmpty(t, e.Worker)
		}
	}
	require.Equal(t, map[string]int{"test by " + s.id: 1, "picker by " + s.id: 1, "run by run": 1}, told)
	logins := s.events("action=secret.used&kind=client")
	require.Len(t, logins, 1)
	require.Equal(t, []string{s.id, "token", "127.0.0.1"}, []string{logins[0].ObjectID, logins[0].Purpose, logins[0].From})
	s.verified()
}

// The digest of a connection changes with its secret, and comes back with it, however often it is sealed anew.
func TestDigestsTellSecretsApart(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	id := s.Connect("pool", sim)
	for _, key := range []string{"another-app-key-0123456789", sim.AppKey} {
		s.Call(http.StatusOK, "PATCH", "/v1/connections/"+id, map[string]any{"appKey": key}, nil)
	}
	changes := s.events("action=updated&id=" + id)
	require.Len(t, changes, 2)
	require.NotEqual(t, changes[0].Before, changes[0].After)
	require.Equal(t, changes[0].Before, changes[1].After)
}

// simDraft is a connection to the simulator's pool that works.
func simDraft(sim *apptest.Sim, name string) map[string]any {
	return map[string]any{"name": name, "apiType": "dataPush", "domain": sim.Host, "authType": "custom", "appKey": sim.AppKey, "poolId": sim.Pool}
}
