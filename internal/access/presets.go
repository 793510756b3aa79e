package access

import (
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Preset is a set of scopes for a task: the fewest that are enough.
type Preset struct {
	Name        string
	Description string
	Scopes      []Scope
}

// Presets lists every preset.
func Presets() []Preset {
	return []Preset{
		{"builder", "Builds and tries out integrations: connections, flows, runs, and the records that did not become rows",
			[]Scope{ConnectionsRead, ConnectionsWrite, ConnectionsTest, ChatUse, FlowsRead, FlowsWrite, FlowsRun, RecordsRead, RecordsWrite}},
		{"operator", "Keeps flows running: reads everything, tests connections, starts and cancels runs, changes nothing",
			[]Scope{ConnectionsRead, ConnectionsTest, FlowsRead, FlowsRun, RecordsRead}},
		{"frontEnd", "A low-code front end that renders our forms: connections, flows and runs, never the data in them",
			[]Scope{ConnectionsRead, ConnectionsWrite, ConnectionsTest, FlowsRead, FlowsWrite, FlowsRun}},
		{"directorySync", "An identity provider that keeps users and groups in step",
			[]Scope{ScimRead, ScimWrite}},
		{"auditor", "Reads who may do what and who did it: set-up, clients and the audit record, never records",
			[]Scope{ConnectionsRead, FlowsRead, ClientsRead, AuditRead}},
	}
}

// PresetScopes gives the scopes of a preset; fault RequestFieldInvalid when there is none of the name.
func PresetScopes(name string) ([]Scope, error) {
	presets := Presets()
	names := make([]string, len(presets))
	for i, p := range presets {
		if p.Name == name {
			return p.Scopes, nil
		}
		names[i] = p.Name
	}
	return nil, fault.New(fault.RequestFieldInvalid, "unknown preset %q", name).WithHint("the presets are %s", strings.Join(names, ", "))
}
