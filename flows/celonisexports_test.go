package flows_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// TestFormOfWhatIsReadFromCelonis: the form says of these exports what the API says.
func TestFormOfWhatIsReadFromCelonis(t *testing.T) {
	t.Parallel()
	schema := compiled(t, flows.Form())
	service := flows.NewService(flows.Deps{
		Flows: formStore{}, Files: formStore{}, Connections: formStore{}, CheckMapping: mapping.Check,
		Now: time.Now, NewID: func() string { return "id" },
	})
	base := object{"name": "N", "import": object{"type": "dataPush", "connectionId": "c", "table": "T"}}
	audit := object{"type": "auditLog", "connectionId": "c"}
	pql := object{"type": "pql", "connectionId": "c", "dataModelId": "m", "query": "TABLE(1)"}
	groups := object{"type": "scimGroups", "connectionId": "c"}
	tool := object{"type": "mcpTool", "connectionId": "c", "asset": "a", "tool": "t"}
	for _, c := range []struct {
		name   string
		export object
		good   bool
	}{
		{"audit log", audit, true},
		{"audit log with everything", with(audit, object{"version": "v2", "from": "2026-01-01", "to": "2026-02-01T00:00:00Z"}), true},
		{"audit log without a connection", with(audit, object{"connectionId": nil}), false},
		{"audit log of an unknown version", with(audit, object{"version": "v3"}), false},
		{"audit log with a query", with(audit, object{"query": "x"}), false},
		{"audit log with paging", with(audit, object{"paging": object{"type": "page", "pageParam": "p"}}), false},
		{"logins", with(audit, object{"type": "loginHistory"}), true},
		{"logins of a version", with(audit, object{"type": "loginHistory", "version": "v1"}), false},
		{"members", with(audit, object{"type": "members", "includeInternal": true}), true},
		{"members since", with(audit, object{"type": "members", "from": "2026-01-01"}), false},
		{"permissions", with(audit, object{"type": "permissions"}), true},
		{"permissions of Celonis's own users", with(audit, object{"type": "permissions", "includeInternal": true}), false},
		{"adoption", with(audit, object{"type": "adoption"}), true},
		{"query", pql, true},
		{"query with a limit", with(pql, object{"queryTimeout": 60, "version": "v1"}), true},
		{"query without a model", with(pql, object{"dataModelId": nil}), false},
		{"query without a query", with(pql, object{"query": nil}), false},
		{"query that is shared out", with(pql, object{"partitionBy": "ID"}), false},
		{"tool", tool, true},
		{"tool with pages", with(tool, object{"arguments": `{"page": {{page}}}`, "itemsPath": "/rows", "draft": true, "paging": object{"type": "body"}}), true},
		{"tool without a name", with(tool, object{"tool": nil}), false},
		{"tool with a file", with(tool, object{"fileId": "f"}), false},
		{"users", with(groups, object{"type": "scimUsers", "filter": `active eq true`, "attributes": []string{"userName"}}), true},
		{"users without a connection", object{"type": "scimUsers"}, false},
		{"members of users", with(groups, object{"type": "scimUsers", "members": true}), false},
		{"groups", groups, true},
		{"members of groups", with(groups, object{"members": true, "filter": `displayName sw "A"`}), true},
		{"members of groups with attributes", with(groups, object{"members": true, "attributes": []string{"id"}}), false},
		{"groups of a table", with(groups, object{"record": "R"}), false},
		{"groups since", with(groups, object{"delta": object{"mode": "delta", "field": "lastModified"}}), false},
		{"members of Celonis with attributes", with(audit, object{"type": "members", "attributes": []string{"id"}}), false},
		{"records of members", object{"type": "records", "members": true}, false},
		{"records with a tool", object{"type": "records", "tool": "t"}, false},
		{"records since", object{"type": "records", "from": "2026-01-01"}, false},
	} {
		text, err := json.Marshal(with(base, object{"export": c.export}))
		require.NoError(t, err)
		var spec flows.Spec
		require.NoError(t, json.Unmarshal(text, &spec))
		_, err = service.Create(t.Context(), "ws", spec)
		require.Equal(t, c.good, err == nil, "the API on %s: %v", c.name, err)
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		require.NoError(t, err)
		err = schema.Validate(instance)
		require.Equal(t, c.good, err == nil, "the form on %s: %v", c.name, err)
	}
}

// TestTemplatesAreFlows: with connections each template is a flow that can be stored.
func TestTemplatesAreFlows(t *testing.T) {
	t.Parallel()
	service := flows.NewService(flows.Deps{
		Flows: formStore{}, Files: formStore{}, Connections: formStore{}, CheckMapping: mapping.Check,
		Now: time.Now, NewID: func() string { return "id" },
	})
	for _, listed := range flows.Templates() {
		filled, err := flows.FindTemplate(listed.ID, map[string]string{
			flows.TemplateConnection: "c", flows.TemplateImportConnection: "p", flows.TemplateTable: "OTHER", flows.TemplateName: "mine",
		})
		require.NoError(t, err)
		require.Equal(t, "{{connectionId}}", listed.Spec.Export.ConnectionID)
		f, err := service.Create(t.Context(), "ws", filled.Spec)
		require.NoError(t, err, listed.ID)
		require.Equal(t, "OTHER", f.Import.Table)
		require.Equal(t, "mine", f.Name)
	}
}

func TestPeriodsOfEvents(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := flows.Export{From: "2026-01-01", To: "2026-06-01T00:00:00"}
	from, to, err := e.Period(&flows.Window{From: "2026-02-01T01:00:00+01:00"}, start)
	require.NoError(t, err)
	require.Equal(t, "2026-02-01T00:00:00Z", from.UTC().Format(time.RFC3339))
	require.Equal(t, start, to, "nothing is read beyond the run's start")
	_, to, err = e.Period(&flows.Window{To: "2026-02-02"}, start)
	require.NoError(t, err)
	require.Equal(t, 2, to.Day())
	_, _, err = e.Period(&flows.Window{From: "42"}, start)
	require.Error(t, err)
	require.Equal(t, "2026-02-01T00:00:00.5Z", flows.NotAfter("2026-02-01T00:00:00.5Z", start))
	require.Equal(t, "2026-03-01T12:00:00Z", flows.NotAfter("2027-01-01T00:00:00Z", start))
}

// TestFiltersOfUsersAreRead: what a form cannot say of a filter, the API does.
func TestFiltersOfUsersAreRead(t *testing.T) {
	t.Parallel()
	service := flows.NewService(flows.Deps{
		Flows: formStore{}, Files: formStore{}, Connections: formStore{}, CheckMapping: mapping.Check,
		Now: time.Now, NewID: func() string { return "id" },
	})
	for pointer, export := range map[string]flows.Export{
		"/export/filter":       {Type: flows.ExportSCIMUsers, ConnectionID: "c", Filter: "active xx true"},
		"/export/attributes/1": {Type: flows.ExportSCIMUsers, ConnectionID: "c", Attributes: []string{"id", "a,b"}},
		"/export/attributes":   {Type: flows.ExportSCIMGroups, ConnectionID: "c", Attributes: []string{"id"}, Members: true},
	} {
		_, err := service.Create(t.Context(), "w", flows.Spec{Name: "N", Export: export, Import: flows.Import{Type: flows.ImportDataPush, ConnectionID: "c", Table: "T"}})
		fields := fault.From(err).Fields
		require.Len(t, fields, 1, "%v", err)
		require.Equal(t, pointer, fields[0].Pointer)
	}
}
