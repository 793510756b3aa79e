package flows

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// The exports of what Celonis keeps about a team. The first, the second and the
// last are events, of which a delta reads those that are new; each carries
// EventKeyField. The others are lists of what is so now.
const (
	// ExportAuditLog reads who changed what.
	ExportAuditLog ExportType = "auditLog"
	// ExportLoginHistory reads who logged in, and when.
	ExportLoginHistory ExportType = "loginHistory"
	// ExportMembers reads the team's users with their roles and groups.
	ExportMembers ExportType = "members"
	// ExportPermissions reads who holds which permission.
	ExportPermissions ExportType = "permissions"
	// ExportAdoption reads how Studio's assets are used.
	ExportAdoption ExportType = "adoption"
)

// APIVersion chooses the generation of a Celonis API.
type APIVersion string

const (
	// VersionAuto is the newer one where the team has it.
	VersionAuto APIVersion = "auto"
	// Version1 and Version2 are the older and the newer one.
	Version1 APIVersion = "v1"
	Version2 APIVersion = "v2"
)

// EventKeyField is the field of an event that tells it from every other one: a
// digest of the event, with a number behind it where Celonis has several events
// that are alike in everything. The same event has the same key in every run.
const EventKeyField = "eventKey"

// EventDataField is the field of an adoption event that has all of it, as Celonis documents none of its members.
const EventDataField = "eventData"

// eventTime is the field with the time of an event of the audit log and the login history.
const eventTime = "timestamp"

// AdminExports lists the exports of this file.
func AdminExports() []ExportType {
	return []ExportType{ExportAuditLog, ExportLoginHistory, ExportMembers, ExportPermissions, ExportAdoption}
}

// celonisKeys are the connections that log in to a team, whichever of its APIs they were made for.
func celonisKeys() []connections.APIType {
	return []connections.APIType{connections.Intelligence, connections.DataPush}
}

// IsEvents reports whether the records of the export are events with EventKeyField.
func (t ExportType) IsEvents() bool {
	return t == ExportAuditLog || t == ExportLoginHistory || t == ExportAdoption
}

// adminKinds are the entries of exportKinds for the exports of this file.
func adminKinds() map[ExportType]exportKind {
	events := []string{"connectionId", "from", "to", "delta"}
	kinds := map[ExportType]exportKind{
		ExportAuditLog:     {members: append([]string{"version"}, events...)},
		ExportLoginHistory: {members: events},
		ExportMembers:      {members: []string{"connectionId", "includeInternal"}},
		ExportPermissions:  {members: []string{"connectionId"}},
		ExportAdoption:     {members: append([]string{"version"}, events...)},
	}
	for t, kind := range kinds {
		kind.reads, kind.check = celonisKeys(), checkAdminExport
		kinds[t] = kind
	}
	return kinds
}

// versionDefaults fills what a caller left out of an export that has a version.
func versionDefaults(e Export) Export {
	has := slices.Contains(exportKinds()[e.Type].members, "version")
	switch {
	case has && e.Version == "":
		e.Version = VersionAuto
	case !has && e.Version == VersionAuto:
		// What was filled in here does not stand in the way of another type.
		e.Version = ""
	}
	return e
}

// adminDefaults: the watermark of events is their time.
func adminDefaults(e Export) Export {
	e = versionDefaults(e)
	if (e.Type == ExportAuditLog || e.Type == ExportLoginHistory) && e.Delta.Follows() && e.Delta.Field == "" {
		filled := *e.Delta
		filled.Field = eventTime
		e.Delta = &filled
	}
	return e
}

func checkAdminExport(e Export) (fields []fault.Field) {
	if e.ConnectionID == "" {
		fields = append(fields, missing("/export/connectionId", "must name a connection to the Celonis team"))
	}
	if e.Delta.Follows() && e.Delta.Kind() != MarkTime {
		fields = append(fields, invalid("/export/delta/type", "must be time, as Celonis is asked for events by their time"))
	}
	var ends [2]time.Time
	for i, end := range []struct{ pointer, text string }{{"/export/from", e.From}, {"/export/to", e.To}} {
		if end.text == "" {
			continue
		}
		at, _, err := parseTime(end.text)
		if err != nil {
			fields = append(fields, invalid(end.pointer, err.Error()))
		}
		ends[i] = at
	}
	if !ends[0].IsZero() && !ends[1].IsZero() && !ends[0].Before(ends[1]) {
		fields = append(fields, invalid("/export/to", "must lie after from"))
	}
	return fields
}

// Period is the time that a run reads events of: what lies in its window and
// between From and To, and no later than start. A zero time is open. Fault
// SourceWatermark for a window that is no time.
func (e Export) Period(w *Window, start time.Time) (from, to time.Time, err error) {
	begins, ends := []string{e.From}, []string{e.To}
	if w != nil {
		begins, ends = append(begins, w.From), append(ends, w.To)
	}
	to = start
	for i, text := range append(begins, ends...) {
		if text == "" {
			continue
		}
		at, _, err := parseTime(text)
		switch {
		case err != nil:
			return from, to, fault.Wrap(err, fault.SourceWatermark, "what the run shall read is not bounded by times: %v", err)
		case i < len(begins) && at.After(from):
			from = at
		case i >= len(begins) && at.Before(to):
			to = at
		}
	}
	return from, to, nil
}

// NotAfter gives the earlier of a mark and a time, in the form of a mark.
func NotAfter(mark string, limit time.Time) string {
	if at, _, err := parseTime(mark); err == nil && !at.After(limit) {
		return mark
	}
	return limit.UTC().Format(time.RFC3339Nano)
}

// adminHints are those of the members that the exports of this file have for themselves.
func adminHints() []form.Hint {
	is := func(member string) []form.When {
		var types []any
		for _, t := range sortedExports() {
			if slices.Contains(exportKinds()[t].members, member) {
				types = append(types, t)
			}
		}
		return []form.When{form.Is("type", types...)}
	}
	return []form.Hint{
		{
			Path: "/version", Label: "API version", Default: VersionAuto, ShowWhen: is("version"), Help: "Which generation of Celonis's API is asked.",
			Titles: map[string]string{string(VersionAuto): "The newer one where the team has it", string(Version1): "v1, by pages", string(Version2): "v2, by cursor"},
		},
		{Path: "/from", Label: "From", ShowWhen: is("from"), Example: "2026-01-01T00:00:00Z", Help: "No events before this time are read. Left out, all that Celonis keeps."},
		{Path: "/to", Label: "To", ShowWhen: is("to"), Example: "2026-02-01T00:00:00Z", Help: "No events after this time are read. Left out, up to the run's start."},
		{Path: "/includeInternal", Label: "Celonis's own users", Default: false, ShowWhen: is("includeInternal"), Help: "Whether users of Celonis itself who can enter the team are read too."},
	}
}

// celonisRules: each export that is read from Celonis takes its own members, and no other export takes theirs.
func celonisRules() (rules []form.Schema) {
	own := map[string]bool{}
	theirs := append(AdminExports(), ExportPQL, ExportMCPTool, ExportSCIMUsers, ExportSCIMGroups)
	for _, t := range theirs {
		rules = append(rules, form.If(map[string]any{"type": t}, form.All(form.Need("connectionId"), strangers(func(name string) bool {
			return !slices.Contains(exportKinds()[t].members, name)
		}))))
	}
	for _, name := range []string{"version", "from", "to", "includeInternal", "dataModelId", "asset", "tool", "arguments", "draft", "attributes", "members"} {
		own[name] = true
	}
	for _, t := range sortedExports() {
		if slices.Contains(theirs, t) {
			continue
		}
		members := exportKinds()[t].members
		rules = append(rules, form.If(map[string]any{"type": t}, strangers(func(name string) bool { return own[name] && !slices.Contains(members, name) })))
	}
	return append(rules, form.If(map[string]any{"type": ExportPQL}, form.Need("dataModelId", "query")), form.If(map[string]any{"type": ExportMCPTool}, form.Need("asset", "tool")),
		form.If(map[string]any{"type": ExportSCIMGroups, "members": true}, form.Without("attributes")))
}

// strangers keeps the members of Export out whose names are strange.
func strangers(strange func(name string) bool) form.Schema {
	var texts, objects []string
	properties := form.Schema{}
	t := reflect.TypeFor[Export]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "type" || name == "path" || !strange(name) {
			continue
		}
		switch t.Field(i).Type.Kind() {
		case reflect.String, reflect.Slice:
			if name == "version" {
				properties[name] = form.Schema{"enum": []string{"", string(VersionAuto)}}
				continue
			}
			texts = append(texts, name)
		case reflect.Int:
			enum := []int{0}
			if name == "queryTimeout" {
				enum = append(enum, DefaultQueryTimeout)
			}
			properties[name] = form.Schema{"enum": enum}
		case reflect.Bool:
			properties[name] = form.Schema{"enum": []bool{false}}
		default:
			objects = append(objects, name)
		}
	}
	return form.All(form.Without(texts...), form.Absent(objects...), form.Schema{"properties": properties})
}

// celonisHints are those of all exports that are read from Celonis.
func celonisHints() []form.Hint {
	return slices.Concat(adminHints(), pqlHints(), mcpHints(), scimExportHints())
}

// exportTitles adds the exports that are read from Celonis to the names of others.
func exportTitles(titles map[string]string) map[string]string {
	maps.Copy(titles, celonisTitles())
	maps.Copy(titles, knowledgeTitles())
	return titles
}

// celonisTitles name the exports that are read from Celonis.
func celonisTitles() map[string]string {
	return map[string]string{
		string(ExportAuditLog): "Celonis: the audit log", string(ExportLoginHistory): "Celonis: the login history",
		string(ExportMembers): "Celonis: users and groups", string(ExportPermissions): "Celonis: permissions",
		string(ExportAdoption): "Celonis: platform adoption", string(ExportPQL): "Celonis: a PQL query of a data model",
		string(ExportMCPTool): "Celonis: a tool of an MCP server", string(ExportEventSubscription): "Celonis: the events of a trigger",
		string(ExportSCIMUsers): "Celonis: users by SCIM", string(ExportSCIMGroups): "Celonis: groups by SCIM",
	}
}

// Words names an export of this file in a sentence.
func (t ExportType) Words() string {
	switch t {
	case ExportAuditLog:
		return "the audit log"
	case ExportLoginHistory:
		return "the login history"
	case ExportMembers:
		return "the list of members"
	case ExportPermissions:
		return "the list of permissions"
	case ExportAdoption:
		return "the adoption tracking events"
	case ExportSCIMUsers:
		return "the list of users"
	case ExportSCIMGroups:
		return "the list of groups"
	}
	return fmt.Sprintf("the export of type %s", t)
}
