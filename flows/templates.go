package flows

import (
	"slices"

	"github.com/celonis-connector/connector/internal/fault"
)

// FlowTemplate is a flow that is ready but for what is a caller's own.
type FlowTemplate struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Parameters  []TemplateParameter `json:"parameters"`
	// Spec has "{{name}}" in the place of a parameter without a value.
	Spec Spec `json:"spec"`
}

// TemplateParameter is what a caller gives to a template.
type TemplateParameter struct {
	Name string `json:"name"`
	// Description completes "is ...".
	Description string `json:"description"`
	Required    bool   `json:"required"`
	// Default stands in for a value that is left out; "" for none.
	Default string `json:"default,omitempty"`
}

// The parameters of templates, by their names in a query.
const (
	TemplateConnection       = "connectionId"
	TemplateImportConnection = "importConnectionId"
	TemplateTable            = "table"
	TemplateName             = "name"
)

// templateLag is how late an event may come and is still taken: Celonis promises neither order nor promptness.
const templateLag = "P1D"

// jsonLength is the length of a column that holds JSON.
const jsonLength = 65_000

// Templates lists the flows that are ready: what Celonis keeps about a team, each into a table of a data pool.
func Templates() []FlowTemplate {
	return []FlowTemplate{
		events(FlowTemplate{
			ID: "audit-log", Name: "Celonis audit log",
			Description: "Who changed what in the Celonis team: each event once, however late it came within a day. Needs the scope audit.log:read or the permission to use the audit log API.",
		}, ExportAuditLog, "CELONIS_AUDIT_LOG", auditColumns()),
		events(FlowTemplate{
			ID: "login-history", Name: "Celonis login history",
			Description: "Who logged in to the Celonis team, or tried to. Needs the scope team.login-history:read.",
		}, ExportLoginHistory, "CELONIS_LOGIN_HISTORY", []Rule{
			eventKeyRule(),
			{To: "EVENT_TIME", From: eventTime, Type: "datetime"},
			{To: "EVENT_TYPE", From: "authenticationEventType", Type: "string", Length: 100},
			{To: "EMAIL", From: "email", Type: "string", Length: 400},
			{To: "SUCCESS", From: "success", Type: "boolean"},
		}),
		events(FlowTemplate{
			ID: "platform-adoption", Name: "Celonis platform adoption",
			Description: "How Studio's assets are used. Celonis documents no members of these events: each is kept whole, as JSON. Needs the scope platform-adoption.tracking-events:read.",
		}, ExportAdoption, "CELONIS_ADOPTION_EVENTS", []Rule{
			eventKeyRule(),
			{To: "EVENT_DATA", From: EventDataField, Type: "string", Length: jsonLength},
		}),
		lists(FlowTemplate{
			ID: "members", Name: "Celonis members",
			Description: "The team's users with their roles and groups, as they are at the run. Needs the scope team.user-group-info:read.",
		}, ExportMembers, "CELONIS_MEMBERS", memberColumns()),
		lists(FlowTemplate{
			ID: "permissions", Name: "Celonis permissions",
			Description: "Who holds which permission on what, as it is at the run. Celonis gives it to OAuth clients with the scope authorization.permissions:read.",
		}, ExportPermissions, "CELONIS_PERMISSIONS", permissionColumns()),
		scimTemplate(FlowTemplate{
			ID: "scim-users", Name: "Celonis users by SCIM",
			Description: "The team's users with their roles and the ids of the system that provisions them, as they are at the run. Needs the scope user-provisioning.scim.",
		}, Export{Type: ExportSCIMUsers}, "SCIM_USERS", scimUserColumns()),
		scimTemplate(FlowTemplate{
			ID: "scim-groups", Name: "Celonis groups by SCIM",
			Description: "The team's groups, as they are at the run. Needs the scope user-provisioning.scim.",
		}, Export{Type: ExportSCIMGroups}, "SCIM_GROUPS", scimGroupColumns()),
		scimTemplate(FlowTemplate{
			ID: "scim-group-members", Name: "Celonis group members by SCIM",
			Description: "Who is in which group of the team, as it is at the run. Needs the scope user-provisioning.scim.",
		}, Export{Type: ExportSCIMGroups, Members: true}, "SCIM_GROUP_MEMBERS", scimMemberColumns()),
	}
}

func eventKeyRule() Rule {
	return Rule{To: "EVENT_KEY", From: EventKeyField, Type: "string", Length: 64, Required: true}
}

func auditColumns() []Rule {
	return []Rule{
		eventKeyRule(),
		{To: "EVENT_TIME", From: eventTime, Type: "datetime"},
		{To: "EVENT", From: "event", Type: "string", Length: 200},
		{To: "USER_ID", From: "userId", Type: "string", Length: 200},
		{To: "USER_ROLE", From: "userRole", Type: "string", Length: 100},
		{To: "NODE_NAME", From: "/message/nodeName", Type: "string", Length: 1000},
		{To: "NODE_ID", From: "/message/nodeId", Type: "string", Length: 200},
		{To: "NODE_KEY", From: "/message/nodeKey", Type: "string", Length: 1000},
		{To: "NODE_TYPE", From: "/message/nodeType", Type: "string", Length: 200},
		{To: "PACKAGE_KEY", From: "/message/packageKey", Type: "string", Length: 1000},
		{To: "ASSET_TYPE", From: "/message/assetType", Type: "string", Length: 200},
		{To: "MESSAGE", From: "message", Type: "string", Length: jsonLength},
		{To: "IP_ADDRESS", From: "ipAddress", Type: "string", Length: 100},
		{To: "PORT", From: "port", Type: "string", Length: 20},
		{To: "DIFF_PAYLOAD", From: "diffPayload", Type: "string", Length: jsonLength},
	}
}

func memberColumns() []Rule {
	return []Rule{
		{To: "USER_ID", From: "userId", Type: "string", Length: 200},
		{To: "NAME", From: "name", Type: "string", Length: 1000},
		{To: "EMAIL", From: "email", Type: "string", Length: 400},
		{To: "NAME_AND_EMAIL", From: "nameAndEmail", Type: "string", Length: 1500},
		{To: "USER_ROLE", From: "userRole", Type: "string", Length: 100},
		{To: "STATUS", From: "status", Type: "string", Length: 100},
		{To: "LAST_LOGIN", From: "lastLogin", Type: "datetime"},
		{To: "INACTIVITY_DAYS", From: "inactivityPeriod", Type: "integer"},
		{To: "GROUPS", From: "group", Type: "string", Length: jsonLength},
	}
}

func permissionColumns() []Rule {
	return []Rule{
		{To: "SUBJECT_ID", From: "subjectId", Type: "string", Length: 200},
		{To: "SUBJECT_NAME", From: "subjectName", Type: "string", Length: 1000},
		{To: "SUBJECT_TYPE", From: "subjectType", Type: "string", Length: 100},
		{To: "GROUPS", From: "groups", Type: "string", Length: jsonLength},
		{To: "ROLE", From: "role", Type: "string", Length: 200},
		{To: "SERVICE", From: "service", Type: "string", Length: 200},
		{To: "OBJECT_ID", From: "objectId", Type: "string", Length: 400},
		{To: "OBJECT_NAME", From: "objectName", Type: "string", Length: 1000},
		{To: "OBJECT_TYPE", From: "objectType", Type: "string", Length: 200},
		{To: "ACTIONS", From: "actions", Type: "string", Length: jsonLength},
	}
}

// events completes the template of an export of events: each run reads what is
// new and the last day again, and an event that came before replaces itself.
func events(t FlowTemplate, export ExportType, table string, columns []Rule) FlowTemplate {
	t = lists(t, export, table, columns)
	t.Spec.Export.Delta = &DeltaSpec{Mode: ReadDelta, Lag: templateLag}
	t.Spec.Import.Mode, t.Spec.Import.Keys = Delta, []string{"EVENT_KEY"}
	return t
}

// lists completes the template of an export of what is so now.
func lists(t FlowTemplate, export ExportType, table string, columns []Rule) FlowTemplate {
	t.Parameters = []TemplateParameter{
		{Name: TemplateConnection, Description: "the connection to the Celonis team that is read", Required: true},
		{Name: TemplateImportConnection, Description: "the connection of type dataPush to the data pool that gets the table", Required: true},
		{Name: TemplateTable, Description: "the table", Default: table},
		{Name: TemplateName, Description: "the flow's name", Default: t.Name},
	}
	t.Spec = Spec{
		Name:    t.Name,
		Export:  Export{Type: export, ConnectionID: placeOfParameter(TemplateConnection)},
		Mapping: columns,
		Import:  Import{Type: ImportDataPush, ConnectionID: placeOfParameter(TemplateImportConnection), Table: table, Mode: Replace},
	}
	return t
}

func placeOfParameter(name string) string { return "{{" + name + "}}" }

// FindTemplate gives a template with what is given of its parameters in their
// places. Fault TemplateNotFound.
func FindTemplate(id string, given map[string]string) (FlowTemplate, error) {
	all := Templates()
	i := slices.IndexFunc(all, func(t FlowTemplate) bool { return t.ID == id })
	if i < 0 {
		return FlowTemplate{}, fault.New(fault.TemplateNotFound, "there is no flow template %q", id)
	}
	t := all[i]
	for name, place := range map[string]*string{
		TemplateConnection: &t.Spec.Export.ConnectionID, TemplateImportConnection: &t.Spec.Import.ConnectionID,
		TemplateTable: &t.Spec.Import.Table, TemplateName: &t.Spec.Name,
	} {
		if given[name] != "" {
			*place = given[name]
		}
	}
	return t, nil
}
