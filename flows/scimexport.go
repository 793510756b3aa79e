package flows

import (
	"fmt"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
	"github.com/celonis-connector/connector/internal/scim"
)

// The exports of what the SCIM API of a Celonis team has. Each record is one
// user or group, as Celonis has it at the run, with its usual attributes as
// fields of their own: see the reading of them in internal/endpoint.
const (
	ExportSCIMUsers  ExportType = "scimUsers"
	ExportSCIMGroups ExportType = "scimGroups"
)

// SCIMExports lists the exports of this file.
func SCIMExports() []ExportType { return []ExportType{ExportSCIMUsers, ExportSCIMGroups} }

// scimExportKinds are the entries of exportKinds for the exports of this file.
func scimExportKinds() map[ExportType]exportKind {
	users := []string{"connectionId", "filter", "attributes"}
	return map[ExportType]exportKind{
		ExportSCIMUsers:  {reads: celonisKeys(), members: users, check: checkSCIMExport},
		ExportSCIMGroups: {reads: celonisKeys(), members: append([]string{"members"}, users...), check: checkSCIMExport},
	}
}

func checkSCIMExport(e Export) (fields []fault.Field) {
	if e.ConnectionID == "" {
		fields = append(fields, missing("/export/connectionId", "must name a connection to the Celonis team"))
	}
	if e.Filter != "" {
		if _, err := scim.ParseFilter(e.Filter); err != nil {
			fields = append(fields, invalid("/export/filter", fault.From(err).Message))
		}
	}
	for i, name := range e.Attributes {
		if strings.ContainsAny(name, ", ") {
			fields = append(fields, invalid(fmt.Sprintf("/export/attributes/%d", i), "must be the name of one attribute"))
		}
	}
	if e.Members && len(e.Attributes) > 0 {
		fields = append(fields, invalid("/export/attributes", "does not go with members, which needs attributes of its own"))
	}
	return fields
}

// scimExportHints are those of the members that the exports of this file have for themselves.
func scimExportHints() []form.Hint {
	both := []form.When{form.Is("type", ExportSCIMUsers, ExportSCIMGroups)}
	return []form.Hint{
		{
			Path: "/attributes", Label: "Attributes", ShowWhen: both, Example: []string{"userName", "displayName"},
			Help: "The attributes of SCIM that Celonis is asked for, beside the id. Left out, those that it gives by itself.",
		},
		{
			Path: "/members", Label: "A record for each member", ShowWhen: []form.When{form.Is("type", ExportSCIMGroups)}, Default: false,
			Help: "Whether each member of a group becomes a record, in the place of each group. Groups without members then give none.",
		},
	}
}
