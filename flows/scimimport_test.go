package flows_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/stretchr/testify/require"
)

// What the form says of an import of users or groups, the checks say too.
func TestProvisioningFormAgreesWithTheChecks(t *testing.T) {
	t.Parallel()
	schema := compiled(t, flows.Form())
	service := flows.NewService(flows.Deps{
		Flows: formStore{}, Files: formStore{}, Connections: formStore{}, CheckMapping: mapping.Check,
		Now: time.Now, NewID: func() string { return "id" },
	})
	users := object{"type": "scimUsers", "connectionId": "c"}
	groups := object{"type": "scimGroups", "connectionId": "c"}
	for _, c := range []struct {
		name string
		of   object
		more object
		good bool
	}{
		{"users", users, nil, true},
		{"groups", groups, nil, true},
		{"all of users", users, object{
			"matchBy": []string{"userName"}, "onMissing": "deactivate", "guard": object{"maxMissing": "5%", "minSource": 10}, "scope": "all", "includeAdmins": true,
			"keep": []string{"root@example.com"}, "roleDefault": "ANALYST", "onDisable": "delete", "sendInvitation": true,
		}, true},
		{"all of groups", groups, object{
			"matchBy": []string{"displayName", "externalId"}, "onMissing": "empty", "guard": object{"maxMissing": 3}, "memberBy": "userName", "memberMode": "add",
			"memberSeparator": ";", "unknownMembers": "skip", "roleDefault": "MEMBER",
		}, true},
		{"no connection", users, object{"connectionId": nil}, false},
		{"users with a table", users, object{"table": "T"}, false},
		{"users with keys", users, object{"keys": []string{"A"}}, false},
		{"users emptied", users, object{"onMissing": "empty"}, false},
		{"groups deactivated", groups, object{"onMissing": "deactivate"}, false},
		{"users by a group's name", users, object{"matchBy": []string{"displayName"}}, false},
		{"groups by a user's name", groups, object{"matchBy": []string{"userName"}}, false},
		{"users with members", users, object{"memberBy": "userName"}, false},
		{"groups with invitations", groups, object{"sendInvitation": true}, false},
		{"groups disabled", groups, object{"onDisable": "delete"}, false},
		{"an unknown policy", users, object{"onMissing": "fire"}, false},
		{"an unknown role", users, object{"roleDefault": "BOSS"}, false},
		{"a guard of nothing", users, object{"guard": object{"maxMissing": "0%"}}, false},
		{"a negative guard", users, object{"guard": object{"minSource": -1}}, false},
		{"a push with a guard", object{"type": "dataPush", "connectionId": "c", "table": "T"}, object{"guard": object{}}, false},
		{"a push with a policy", object{"type": "dataPush", "connectionId": "c", "table": "T"}, object{"onMissing": "leave"}, false},
	} {
		body := object{"name": "N", "export": object{"type": "file", "fileId": "f", "format": "csv"}, "import": with(c.of, c.more)}
		raw, err := json.Marshal(body)
		require.NoError(t, err)
		var value any
		require.NoError(t, json.Unmarshal(raw, &value))
		schemaErr := schema.Validate(value)
		require.Equal(t, c.good, schemaErr == nil, "%s: the form says %v", c.name, schemaErr)
		var spec flows.Spec
		if err := json.Unmarshal(raw, &spec); err == nil {
			_, err = service.Create(t.Context(), "w", spec)
			require.Equal(t, c.good, err == nil, "%s: the checks say %v", c.name, err)
		} else {
			require.False(t, c.good, c.name)
		}
	}
}

func TestWhatTellsAPersonInEveryRun(t *testing.T) {
	t.Parallel()
	spec := flows.Spec{
		Import:  flows.Import{Type: flows.ImportSCIMUsers, MatchBy: []string{"externalId", "userName"}},
		Mapping: []flows.Rule{{To: "userName", From: "/mail"}, {To: "displayName"}},
	}
	require.Equal(t, flows.Trace{"/mail"}, spec.Trace())
	spec.Mapping = append(spec.Mapping, flows.Rule{To: "externalId", From: "id"})
	require.Equal(t, flows.Trace{"id"}, spec.Trace())
	spec.Import.Type = flows.ImportSCIMGroups
	require.Empty(t, spec.Trace(), "several rows may be of one group")
}

func TestFieldText(t *testing.T) {
	t.Parallel()
	record := []byte(`{"id":7,"a b":"x","hr":{"id":"E1"},"none":null}`)
	for field, want := range map[string]string{"id": "7", "a b": "x", "/hr/id": "E1", "none": "", "gone": ""} {
		require.Equal(t, want, flows.FieldText(record, field), field)
	}
}
