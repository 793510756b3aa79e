package app_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// canary is in the name and the data of everything that a stranger must not see.
const canary = "zq7marked"

// estate is what one workspace has: the ids of its things by the path segment
// before them, and the address that its connections go to.
type estate struct {
	ids    map[string]string
	domain string
}

// settle makes one of each thing in the service's own workspace.
func settle(t *testing.T, s *service, sim *apptest.Sim) estate {
	t.Helper()
	id := func(want int, path string, body any) string {
		var made struct {
			ID string `json:"id"`
		}
		s.Call(want, "POST", path, body, &made)
		return made.ID
	}
	e := estate{domain: sim.Host, ids: map[string]string{}}
	e.ids["connections"] = s.Connect(canary, sim)
	e.ids["files"] = s.Upload(canary+".csv", strings.NewReader("ID,N\n1,"+canary+"\n2,2\n"))
	spec := apptest.FileFlow(canary, e.ids["files"], "csv", e.ids["connections"], strings.ToUpper(canary))
	mapped(map[string]any{"to": "ID", "from": "ID", "type": "integer"}, map[string]any{"to": "N", "from": "N", "type": "integer"})(spec)
	e.ids["flows"] = s.Flow(spec)
	run := s.Do(e.ids["flows"])
	e.ids["runs"] = run.ID
	var bad struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	s.Call(http.StatusOK, "GET", "/v1/flows/"+e.ids["flows"]+"/errors", nil, &bad)
	require.Len(t, bad.Items, 1, "%+v", run)
	e.ids["errors"] = bad.Items[0].ID
	e.ids["oauth-clients"] = id(http.StatusCreated, "/v1/oauth-clients", map[string]any{"name": canary, "clientId": "client", "clientSecret": "a-secret-of-acme-0123456789",
		"authMethod": "clientSecretBasic", "validDomains": []string{sim.Host}, "allowedScopes": []string{"integration.data-pools:data_push"}})
	e.ids["notifications"] = id(http.StatusCreated, "/v1/notifications", map[string]any{"name": canary, "type": "webhook", "events": []string{"runFailed"},
		"url": sim.URL + "/hook", "secret": "a-secret-of-acme-0123456789", "flowIds": []string{e.ids["flows"]}})
	e.ids["clients"] = id(http.StatusCreated, "/v1/clients", map[string]any{"name": canary, "scopes": []string{"flows:read"}})
	e.ids["secrets"] = id(http.StatusCreated, "/v1/clients/"+e.ids["clients"]+"/secrets", nil)
	e.ids["threads"] = settleThread(t, s, sim)
	e.ids["Users"], e.ids["scim-operations"] = s.waitingUser(sim, e.ids["connections"])
	return e
}

// requireUnseen demands that a text holds nothing of the estate.
func (e estate) requireUnseen(t *testing.T, text []byte, what string) {
	t.Helper()
	require.NotContains(t, strings.ToLower(string(text)), canary, what)
	for noun, id := range e.ids {
		require.NotContains(t, string(text), id, "%s tells of %s", what, noun)
	}
}

// candidates are the ids to try in a path: that of the noun before the
// parameter, and for a noun that is not known here all that there are.
func (e estate) candidates(op operation) []string {
	segments := strings.Split(op.path, "/")
	for i, segment := range segments {
		if i > 0 && segment == "{id}" {
			if id, known := e.ids[segments[i-1]]; known {
				return []string{id}
			}
		}
	}
	return slices.Sorted(maps.Values(e.ids))
}

// named reports whether something in the path names a thing of a workspace.
func (o operation) named() bool {
	return slices.ContainsFunc(o.params, func(p *openapi3.ParameterRef) bool {
		return p.Value.In == openapi3.ParameterInPath && len(p.Value.Schema.Value.Enum) == 0 && p.Value.Name != "kind"
	})
}

// TestNoRouteSeesAnotherWorkspace walks every operation of the contract with a
// client of another workspace that has every scope.
func TestNoRouteSeesAnotherWorkspace(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	e := settle(t, s, sim)
	stranger := callerIn(t, s.app, "elsewhere", "all")
	before := e.read(t, s)
	named, seen := 0, 0
	for _, op := range operations(t, s) {
		switch {
		case op.public():
		case op.named():
			named++
			for _, id := range e.candidates(op) {
				e.requireNotFound(t, stranger, op, id)
			}
		case op.method == http.MethodGet:
			e.requireNothingListed(t, stranger, op)
			if strings.Contains(string(s.Send("GET", op.fill(func(string) string { return "connection" }), nil).Body), canary) {
				seen++
			}
		}
	}
	require.Greater(t, named, 20, "routes that name a thing")
	require.GreaterOrEqual(t, seen, 6, "routes that list the things to their owner")
	e.requireUnusable(t, stranger)
	require.Equal(t, before, e.read(t, s), "a stranger changed something")
}

// requireNotFound asks for a thing of the estate in every way that the body
// allows, and for one that nobody has: the answers must be the same, and 404 once the body is right.
func (e estate) requireNotFound(t *testing.T, stranger *apptest.Client, op operation, id string) {
	t.Helper()
	path := func(id, domain, secret string) string {
		return op.fill(func(name string) string {
			switch name {
			case "domain":
				return domain
			case "kind":
				return "pools"
			case "secretId":
				return secret
			case "connectionId":
				if id != nowhere {
					return e.ids["connections"]
				}
			case "threadId":
				return e.ids["threads"]
			}
			return id
		})
	}
	found := false
	for _, b := range op.bodies(t) {
		foreign := b.try(t, stranger, op.method, path(id, e.domain, e.ids["secrets"]))
		unknown := b.try(t, stranger, op.method, path(nowhere, "nobody.eu-1.celonis.cloud", nowhere))
		require.GreaterOrEqual(t, foreign.Status, http.StatusBadRequest, "%s opened %s: %s", op, id, foreign.Body)
		require.Equal(t, []any{unknown.Status, code(unknown)}, []any{foreign.Status, code(foreign)}, "%s tells that something is there: %s", op, foreign.Body)
		require.NotContains(t, strings.ToLower(string(foreign.Body)), canary, op)
		found = found || foreign.Status == http.StatusNotFound
	}
	require.True(t, found, "%s never said 404 for %s", op, id)
}

// requireNothingListed asks for all that there is, and with each id of the estate in each parameter.
func (e estate) requireNothingListed(t *testing.T, stranger *apptest.Client, op operation) {
	t.Helper()
	path := op.fill(func(string) string { return "connection" })
	e.requireUnseen(t, stranger.Send(op.method, path, nil).Body, op.String())
	for _, p := range op.params {
		if p.Value.In != openapi3.ParameterInQuery {
			continue
		}
		for _, id := range e.ids {
			a := stranger.Send(op.method, path+"?"+url.Values{p.Value.Name: {id}}.Encode(), nil)
			if a.Status < http.StatusBadRequest {
				e.requireUnseen(t, a.Body, op.String()+" by "+p.Value.Name)
			}
		}
	}
}

// requireUnusable builds things of the stranger's own on those of the estate.
func (e estate) requireUnusable(t *testing.T, stranger *apptest.Client) {
	t.Helper()
	for path, bodies := range map[string][]map[string]any{
		"/v1/flows": {
			apptest.FileFlow("thief", e.ids["files"], "csv", e.ids["connections"], "T"),
			{"name": "thief", "export": map[string]any{"type": "records"}, "import": map[string]any{"type": "dataPush", "connectionId": e.ids["connections"], "table": "T", "mode": "replace"}},
		},
		"/v1/notifications": {{"name": "thief", "type": "webhook", "events": []string{"runFailed"}, "url": "http://" + e.domain + "/hook", "secret": "a-secret-of-a-thief", "flowIds": []string{e.ids["flows"]}}},
		"/v1/connections": {{"name": "thief", "apiType": "dataPush", "domain": e.domain, "authType": "oauth2", "oauthClientId": e.ids["oauth-clients"],
			"scopes": []string{"integration.data-pools:data_push"}}},
	} {
		for _, b := range bodies {
			a := stranger.Send("POST", path, b)
			require.GreaterOrEqual(t, a.Status, http.StatusBadRequest, "%s took %v", path, b)
			require.NotContains(t, string(a.Body), canary)
		}
	}
}

// read gives everything of the estate as its owner reads it.
func (e estate) read(t *testing.T, s *service) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, noun := range []string{"connections", "files", "flows", "runs", "oauth-clients", "notifications", "clients"} {
		var v any
		a := s.Send("GET", "/v1/"+noun+"/"+e.ids[noun], nil)
		require.Equal(t, http.StatusOK, a.Status, "%s: %s", noun, a.Body)
		require.NoError(t, json.Unmarshal(a.Body, &v))
		all[noun] = v
	}
	return all
}
