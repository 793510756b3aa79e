package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/stretchr/testify/require"
)

// imported is the answer of an import.
type imported struct {
	DryRun    bool
	Conflicts int
	Items     []struct {
		Kind, Name, Action string
		Fields             []string
		Errors             []struct{ Pointer, Code, Detail string }
		Applied            bool
	}
}

// told lists the items as "kind name action fields errors".
func (i imported) told() (list []string) {
	for _, item := range i.Items {
		line := item.Kind + " " + item.Name + " " + item.Action
		for _, f := range item.Fields {
			line += " " + f
		}
		for _, e := range item.Errors {
			line += " " + e.Pointer + ":" + e.Code
		}
		list = append(list, line)
	}
	return list
}

func (s *service) importing(query string, doc any) (i imported) {
	s.t.Helper()
	s.Call(http.StatusOK, "POST", "/v1/config/import"+query, doc, &i)
	require.Equal(s.t, query == "?dryRun=true", i.DryRun)
	return i
}

func TestASetUpMovesToAnotherService(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		from := begin(t, sim)
		connection := from.Connect("Pool", sim)
		records := map[string]any{
			"name": "Records", "export": map[string]any{"type": "records"},
			"mapping": []any{map[string]any{"to": "ID", "type": "integer", "default": 12345678901}},
			"import":  map[string]any{"type": "dataPush", "connectionId": connection, "table": "T", "mode": "delta", "keys": []string{"ID"}},
		}
		from.Flow(records)
		file := from.fileFlow(connection, "F", "csv", "ID\n1\n")
		exported := from.Send("GET", "/v1/config/export", nil)
		require.Equal(t, http.StatusOK, exported.Status, "%s", exported.Body)
		require.NotContains(t, string(exported.Body), sim.AppKey)
		require.NotContains(t, string(exported.Body), connection, "names stand in the place of ids")
		require.Contains(t, string(exported.Body), "12345678901")
		same := from.importing("?dryRun=true", exported.Body)
		require.Equal(t, []string{"connection Pool unchanged", "flow Records unchanged", "flow flow to F unchanged"}, same.told())

		to := start(t, on(settings(t, sim.URL)))
		want := []string{"connection Pool create", "flow Records create", "flow flow to F conflict /export/file:file.not_found"}
		dry := to.importing("?dryRun=true", exported.Body)
		require.Equal(t, want, dry.told())
		require.Equal(t, 1, dry.Conflicts)
		var list struct{ Items []standing }
		to.Call(http.StatusOK, "GET", "/v1/connections", nil, &list)
		require.Empty(t, list.Items, "a look changes nothing")
		done := to.importing("", exported.Body)
		require.Equal(t, want, done.told())
		require.True(t, done.Items[0].Applied)
		require.False(t, done.Items[2].Applied)
		require.Equal(t, []string{"connection Pool unchanged", "flow Records unchanged", want[2]}, to.importing("", exported.Body).told())

		// The connection lacks its key, the flow is disabled; both are put to work by hand.
		to.Call(http.StatusOK, "GET", "/v1/connections", nil, &list)
		arrived := list.Items[0]
		require.Equal(t, "offline", arrived.Status)
		require.Nil(t, arrived.NextProbeAt, "what has no key is not probed")
		require.Empty(t, arrived.Secrets)
		var flowList struct {
			Items []struct {
				ID      string
				Enabled bool
			}
		}
		to.Call(http.StatusOK, "GET", "/v1/flows", nil, &flowList)
		require.False(t, flowList.Items[0].Enabled)
		flow := flowList.Items[0].ID
		to.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/enable", nil, nil)
		waits := to.Start(flow)
		require.Equal(t, "waiting", waits.State)
		require.Contains(t, waits.Error.Hint, "give the connection its key")
		to.Call(http.StatusOK, "PATCH", "/v1/connections/"+arrived.ID, map[string]any{"appKey": sim.AppKey}, nil)
		require.Equal(t, "online", to.standing(arrived.ID).Status)
		to.AwaitEnd(waits.ID)

		// Another pool is an update; another host needs the key, which no document has.
		var doc map[string]any
		require.NoError(t, json.Unmarshal(exported.Body, &doc))
		pool := doc["connections"].([]any)[0].(map[string]any)
		pool["poolId"] = "00000000-0000-4000-8000-000000000000"
		doc["flows"] = doc["flows"].([]any)[:1]
		part(doc["flows"].([]any)[0].(map[string]any), "import")["table"] = "OTHER"
		require.Equal(t, []string{"connection Pool update poolId", "flow Records update import"}, to.importing("?dryRun=true", doc).told())
		pool["domain"] = "acme.eu-1.celonis.cloud"
		require.Equal(t, []string{"connection Pool conflict /appKey:connection.secret_required", "flow Records update import"}, to.importing("", doc).told())
		require.Equal(t, sim.Host, to.standing(arrived.ID).Domain)
		from.Call(http.StatusOK, "GET", "/v1/flows/"+file, nil, nil)
	})
}

func TestDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	s.Connect("Pool", sim)
	flow := func(change func(f map[string]any)) map[string]any {
		f := map[string]any{"name": "F", "export": map[string]any{"type": "records"}, "import": map[string]any{"type": "dataPush", "connection": "Pool", "table": "T"}}
		change(f)
		return map[string]any{"version": 1, "flows": []any{f}}
	}
	for want, doc := range map[string]any{
		"flow F conflict /import/connection:request.field_invalid":   flow(func(f map[string]any) { part(f, "import")["connection"] = "Nobody" }),
		"flow F conflict /import/connectionId:request.field_invalid": flow(func(f map[string]any) { part(f, "import")["connectionId"] = "x" }),
		"flow F conflict /export/path:request.field_invalid": flow(func(f map[string]any) {
			f["export"] = map[string]any{"type": "file", "path": "/etc/passwd", "format": "csv"}
		}),
		"flow F conflict :request.field_invalid": flow(func(f map[string]any) { f["secret"] = "x" }),
		"flow  conflict :request.field_invalid":  map[string]any{"version": 1, "flows": []any{5}},
		"oauthClient O conflict :connection.secret_required": map[string]any{"version": 1, "oauthClients": []any{map[string]any{
			"name": "O", "clientId": "c", "validDomains": []string{sim.Host}, "allowedScopes": []string{"studio"}}}},
		"connection C conflict /domain:connection.domain_invalid": map[string]any{"version": 1, "connections": []any{map[string]any{
			"name": "C", "apiType": "intelligence", "domain": "evil.example.com", "authType": "custom"}}},
		"connection C conflict /oauthClient:request.field_invalid": map[string]any{"version": 1, "connections": []any{map[string]any{
			"name": "C", "apiType": "intelligence", "domain": sim.Host, "authType": "oauth2", "oauthClient": "Nobody"}}},
	} {
		require.Equal(t, []string{want}, s.importing("", doc).told())
	}
	twice := flow(func(map[string]any) {})
	twice["flows"] = append(twice["flows"].([]any), twice["flows"].([]any)[0])
	require.Equal(t, []string{"flow F create", "flow F conflict /name:request.field_invalid"}, s.importing("?dryRun=true", twice).told())
	p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/config/import", map[string]any{"version": 2})
	require.Equal(t, "/version", p.Errors[0].Pointer)
	s.Problem(http.StatusBadRequest, "POST", "/v1/config/import", []byte("{"))
}

// auditLine is an event as the API shows it.
type auditLine struct {
	Actor, Action, Kind, Name string
	RequestID, ObjectID       *string
	Fields                    []string
}

func TestTheRecordOfWhoDidWhat(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		s := start(t, on(settings(t, sim.URL)))
		connection := s.Connect("Pool", sim)
		s.Send("PATCH", "/v1/connections/"+connection, map[string]any{"name": "Renamed", "appKey": sim.AppKey}, "X-Request-Id", "change-1")
		var clone apptest.Connection
		s.Call(http.StatusCreated, "POST", "/v1/connections/"+connection+"/clone", map[string]any{"name": "Copy"}, &clone)
		require.Equal(t, "online", clone.Status)
		var result apptest.TestResult
		s.Call(http.StatusOK, "POST", "/v1/connections/test", draft(sim, "Unsaved", nil), &result)
		flow := s.fileFlow(connection, "T", "csv", "ID\n1\n")
		s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/disable", nil, nil)
		s.Call(http.StatusNoContent, "DELETE", "/v1/connections/"+clone.ID, nil, nil)

		lines := s.record("")
		for _, e := range lines {
			if e.Kind != "client" {
				require.Equal(t, s.id, e.Actor)
				require.NotNil(t, e.RequestID)
			}
		}
		var told []string
		for i := len(lines) - 1; i >= 0; i-- {
			if e := lines[i]; e.Kind != "client" {
				told = append(told, strings.TrimSpace(e.Action+" "+e.Kind+" "+e.Name+" "+strings.Join(e.Fields, " ")))
			}
		}
		require.Equal(t, []string{
			"created connection Pool", "secret.used connection Pool", "tested connection Pool",
			"updated connection Renamed appKey name", "tested connection Renamed",
			"secret.used connection Renamed", "created connection Copy", "secret.used connection Copy", "tested connection Copy",
			"tested connection Unsaved", "created file input.csv", "created flow flow to T", "disabled flow flow to T", "deleted connection Copy",
		}, told)
		require.Len(t, s.record("?kind=flow"), 2)
		require.Len(t, s.record("?id="+clone.ID), 4)
		require.Empty(t, s.record("?actor=nobody"))
		changed := s.record("?kind=connection&id=" + connection)[2]
		require.Equal(t, "change-1", *changed.RequestID)
		body := s.Send("GET", "/v1/audit", nil).Body
		require.NotContains(t, string(body), sim.AppKey)

		// Another workspace sees nothing of it, and without the scope nobody does.
		other := callerIn(t, s.app, "elsewhere", "all")
		var list struct{ Items []auditLine }
		other.Call(http.StatusOK, "GET", "/v1/audit?kind=connection", nil, &list)
		require.Empty(t, list.Items)
		require.Equal(t, http.StatusForbidden, callerIn(t, s.app, "default", "connections:read").Send("GET", "/v1/audit", nil).Status)
	})
}

func (s *service) record(query string) []auditLine {
	s.t.Helper()
	var list struct{ Items []auditLine }
	s.Call(http.StatusOK, "GET", "/v1/audit"+query, nil, &list)
	return list.Items
}
