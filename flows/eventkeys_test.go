package flows_test

import (
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// A delta of events reads some of them twice: keys that do not tell them apart are refused when the flow is stored.
func TestDeltasOfEventsNeedTheirKey(t *testing.T) {
	t.Parallel()
	service := flows.NewService(flows.Deps{
		Flows: formStore{}, Files: formStore{}, Connections: formStore{}, CheckMapping: mapping.Check,
		Now: time.Now, NewID: func() string { return "id" },
	})
	event := flows.Rule{To: "EVENT_KEY", From: "eventKey"}
	user := flows.Rule{To: "USER", From: "userId"}
	following := &flows.DeltaSpec{Mode: flows.ReadDelta, Lag: "PT2H"}
	push := func(keys ...string) flows.Import {
		return flows.Import{Type: flows.ImportDataPush, Mode: flows.Delta, Keys: keys}
	}
	for name, c := range map[string]struct {
		export  flows.ExportType
		delta   *flows.DeltaSpec
		rules   []flows.Rule
		imports flows.Import
		good    bool
	}{
		"key of the event":         {flows.ExportAuditLog, following, []flows.Rule{event, user}, push("EVENT_KEY"), true},
		"among others":             {flows.ExportLoginHistory, following, []flows.Rule{event, user}, push("USER", "EVENT_KEY"), true},
		"by a pointer":             {flows.ExportAdoption, &flows.DeltaSpec{Mode: flows.ReadDelta}, []flows.Rule{{To: "K", From: "/eventKey"}}, push("K"), true},
		"no mapping":               {flows.ExportAuditLog, following, nil, push("eventKey"), true},
		"no mapping, another key":  {flows.ExportAuditLog, following, nil, push("userId"), false},
		"another key":              {flows.ExportAuditLog, following, []flows.Rule{event, user}, push("USER"), false},
		"another key, adoption":    {flows.ExportAdoption, &flows.DeltaSpec{Mode: flows.ReadDelta}, []flows.Rule{user}, push("USER"), false},
		"computed from the key":    {flows.ExportAuditLog, following, []flows.Rule{{To: "EVENT_KEY", Expr: `"same"`}}, push("EVENT_KEY"), false},
		"continuous push":          {flows.ExportAuditLog, following, []flows.Rule{user}, flows.Import{Type: flows.ImportContinuousPush, Keys: []string{"USER"}}, false},
		"continuous push by event": {flows.ExportAuditLog, following, []flows.Rule{event}, flows.Import{Type: flows.ImportContinuousPush, Keys: []string{"EVENT_KEY"}}, true},
		"everything anew":          {flows.ExportAuditLog, nil, []flows.Rule{user}, flows.Import{Type: flows.ImportDataPush, Mode: flows.Replace}, true},
		"lists have no events":     {flows.ExportMembers, nil, []flows.Rule{user}, push("USER"), true},
	} {
		spec := flows.Spec{Name: name, Export: flows.Export{Type: c.export, ConnectionID: "c", Delta: c.delta}, Mapping: c.rules, Import: c.imports}
		spec.Import.ConnectionID, spec.Import.Table = "c", "T"
		_, err := service.Create(t.Context(), "ws", spec)
		if c.good {
			require.NoError(t, err, name)
			continue
		}
		fields := fault.From(err).Fields
		require.Len(t, fields, 1, name)
		require.Equal(t, "/import/keys", fields[0].Pointer, name)
		require.Contains(t, fields[0].Detail, "eventKey", name)
	}
}
