package flows

import (
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// ExportPQL reads what a PQL query of a data model gives, with the names and types that Celonis gives its columns.
const ExportPQL ExportType = "pql"

// pqlKind is the entry of exportKinds.
func pqlKind() exportKind {
	return exportKind{
		reads:   []connections.APIType{connections.DataPush},
		members: []string{"connectionId", "dataModelId", "query", "queryTimeout", "version"}, check: checkPQLExport,
	}
}

func checkPQLExport(e Export) (fields []fault.Field) {
	for _, m := range []struct{ name, value, detail string }{
		{"connectionId", e.ConnectionID, "must name a connection of type dataPush"},
		{"dataModelId", e.DataModelID, "must name a data model of the pool"},
		{"query", strings.TrimSpace(e.Query), "must be a PQL query"},
	} {
		if m.value == "" {
			fields = append(fields, missing("/export/"+m.name, m.detail))
		}
	}
	return fields
}

func pqlHints() []form.Hint {
	return []form.Hint{{
		Path: "/dataModelId", Label: "Data model", ShowWhen: []form.When{form.Is("type", ExportPQL)}, Example: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
		Help: "The data model of the connection's pool that is queried.", OptionsFrom: form.Picker("dataModels", "connectionId"),
	}}
}
