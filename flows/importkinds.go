package flows

import (
	"reflect"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// ImportHTTP sends rows to a REST API through a connection of type http.
	ImportHTTP ImportType = "http"
	// ImportWebhook sends signed rows to a URL.
	ImportWebhook ImportType = "webhook"
	// ImportSCIMUsers and ImportSCIMGroups keep the users and groups of a Celonis team.
	ImportSCIMUsers  ImportType = "scimUsers"
	ImportSCIMGroups ImportType = "scimGroups"
	// ImportFile writes files that are downloaded.
	ImportFile ImportType = "file"
)

// importKind is what is particular to one type of import.
type importKind struct {
	// writes lists the API types of the connections that it may write through; none writes through no connection.
	writes []connections.APIType
	// members lists the members of Import, by their names in JSON, that belong to it beside type.
	members []string
	// defaults, when set, fills what a caller left out.
	defaults func(Import) Import
	// check finds what is missing, and what contradicts another member.
	check func(Import) []fault.Field
}

// importKinds is the one list of what an import can be.
func importKinds() map[ImportType]importKind {
	return map[ImportType]importKind{
		ImportDataPush: {
			writes:   []connections.APIType{connections.DataPush},
			members:  []string{"connectionId", "table", "mode", "keys", "orderBy", "dataConnectionId", "fileType", "then"},
			defaults: pushDefaults, check: checkDataPush,
		},
		ImportContinuousPush: {
			writes:  []connections.APIType{connections.DataPush},
			members: []string{"connectionId", "table", "keys", "orderBy", "dataConnectionId"}, check: checkUpserting,
		},
		ImportDataIngestion: {
			writes:  []connections.APIType{connections.DataPush},
			members: []string{"connectionId", "table", "keys", "ageColumn", "dataConnectionId"}, check: checkIngestion,
		},
		ImportHTTP:       httpImportKind(),
		ImportWebhook:    webhookImportKind(),
		ImportFile:       fileKind(),
		ImportSCIMUsers:  scimKinds()[ImportSCIMUsers],
		ImportSCIMGroups: scimKinds()[ImportSCIMGroups],
	}
}

// writes lists the types of connections that the import may write through.
func (i Import) writes() []connections.APIType { return importKinds()[i.Type].writes }

// WritesThrough reports whether imports of the type write through a connection; of an unknown type that they do.
func (t ImportType) WritesThrough() bool {
	kind, known := importKinds()[t]
	return !known || len(kind.writes) > 0
}

// HasTable reports whether the rows go into a table of a data pool.
func (i Import) HasTable() bool { return slices.Contains(importKinds()[i.Type].members, "table") }

// importDefaults fills what a caller left out of an import.
func importDefaults(i Import) Import {
	if fill := importKinds()[i.Type].defaults; fill != nil {
		return fill(i)
	}
	return i
}

// checkImport finds members that do not belong to the import's type, what every type demands of them, and what the type
// itself finds.
func checkImport(s Spec) (fields []fault.Field) {
	i, kind := s.Import, importKinds()[s.Import.Type]
	v := reflect.ValueOf(i)
	for n := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(n).Tag.Get("json"), ",")
		if name == "type" || v.Field(n).IsZero() || slices.Contains(kind.members, name) {
			continue
		}
		fields = append(fields, invalid("/import/"+name, "does not belong to an import of type "+string(i.Type)))
	}
	fields = append(fields, checkTable(i)...)
	fields = append(fields, kind.check(i)...)
	fields = append(fields, checkRowMembers(s)...)
	return append(fields, checkOrder(s)...)
}

// Missing lists the members that the type of the import cannot do without and that are not there; it says of a spec what
// its tags say of the members that every spec has.
func (s Spec) Missing() (fields []fault.Field) {
	if len(s.Import.writes()) > 0 && s.Import.ConnectionID == "" {
		fields = append(fields, missing("/import/connectionId", "must be given"))
	}
	if s.Import.HasTable() && s.Import.Table == "" {
		fields = append(fields, missing("/import/table", "must be given"))
	}
	return fields
}
