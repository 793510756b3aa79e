package flows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// OnMissing says what becomes of users and groups of Celonis that the source does not have.
type OnMissing string

// The ways of OnMissing. All but the first take the source for the truth; deactivating is for users, emptying for groups.
const (
	MissingLeave      OnMissing = "leave"
	MissingDeactivate OnMissing = "deactivate"
	MissingEmpty      OnMissing = "empty"
	MissingDelete     OnMissing = "delete"
)

// SyncScope says whom OnMissing is about.
type SyncScope string

const (
	// ScopeManaged: who has an externalId, as somebody provisioned them.
	ScopeManaged SyncScope = "managed"
	// ScopeAll: everyone of the team.
	ScopeAll SyncScope = "all"
)

// OnDisable says what becomes of a user whose row says not to be active.
type OnDisable string

// The ways of OnDisable.
const (
	DisableDeactivate OnDisable = "deactivate"
	DisableDelete     OnDisable = "delete"
)

// Members of a group: which values name them, whether they are all of them, and what becomes of a group with unknown ones.
const (
	ByExternalID   = "externalId"
	ByUserName     = "userName"
	ByDisplayName  = "displayName"
	MembersReplace = "replace"
	MembersAdd     = "add"
	UnknownFail    = "fail"
	UnknownSkip    = "skip"
)

const (
	// DefaultMaxMissing is the share of users or groups that may be missing from the source, in percent.
	DefaultMaxMissing = 10
	// DefaultMissingFloor is how many of few may be, when the flow says nothing of it.
	DefaultMissingFloor = 2
	// DefaultMinSource is the fewest rows that a source has which is taken for the truth.
	DefaultMinSource = 1
	// DefaultMemberSeparator stands between the members of a group that are no JSON array.
	DefaultMemberSeparator = ","
	// defaultRole is the role of new users.
	defaultRole = "MEMBER"
)

// SyncGuard bounds what a source may take away, so that one which was cut short does not.
type SyncGuard struct {
	// MaxMissing is how many may be missing from the source; absent is DefaultMaxMissing percent, of few DefaultMissingFloor.
	MaxMissing *Threshold `json:"maxMissing,omitempty"`
	// MinSource is the fewest rows that the source must have; 0 is DefaultMinSource.
	MinSource int64 `json:"minSource,omitempty" validate:"min=0"`
}

// Provisions reports whether the import keeps the users or groups of a team.
func (i Import) Provisions() bool { return i.Type == ImportSCIMUsers || i.Type == ImportSCIMGroups }

// Syncs reports whether the source is the truth, so that what it does not have is taken away.
func (i Import) Syncs() bool {
	return i.Provisions() && i.OnMissing != "" && i.OnMissing != MissingLeave
}

// scimKinds are the entries of importKinds for the imports of this file.
func scimKinds() map[ImportType]importKind {
	shared := []string{"connectionId", "matchBy", "onMissing", "guard", "scope", "includeAdmins", "keep", "roleDefault"}
	return map[ImportType]importKind{
		ImportSCIMUsers: {
			writes: celonisKeys(), members: append(slices.Clone(shared), "onDisable", "sendInvitation"),
			defaults: scimUserDefaults, check: checkSCIMImport,
		},
		ImportSCIMGroups: {
			writes: celonisKeys(), members: append(slices.Clone(shared), "memberBy", "memberMode", "memberSeparator", "unknownMembers"),
			defaults: scimGroupDefaults, check: checkSCIMImport,
		},
	}
}

func scimUserDefaults(i Import) Import {
	i = scimDefaults(i, ByUserName)
	i.OnDisable = cmp.Or(i.OnDisable, DisableDeactivate)
	i.RoleDefault = cmp.Or(i.RoleDefault, defaultRole)
	if i.SendInvitation == nil {
		i.SendInvitation = new(bool)
	}
	return i
}

func scimGroupDefaults(i Import) Import {
	i = scimDefaults(i, ByDisplayName)
	i.MemberBy, i.MemberMode = cmp.Or(i.MemberBy, ByExternalID), cmp.Or(i.MemberMode, MembersReplace)
	i.MemberSeparator, i.UnknownMembers = cmp.Or(i.MemberSeparator, DefaultMemberSeparator), cmp.Or(i.UnknownMembers, UnknownFail)
	return i
}

func scimDefaults(i Import, naming string) Import {
	if len(i.MatchBy) == 0 {
		i.MatchBy = []string{ByExternalID, naming}
	}
	i.OnMissing, i.Scope = cmp.Or(i.OnMissing, MissingLeave), cmp.Or(i.Scope, ScopeManaged)
	return i
}

func checkSCIMImport(i Import) (fields []fault.Field) {
	foreign, naming := MissingEmpty, ByUserName
	if i.Type == ImportSCIMGroups {
		foreign, naming = MissingDeactivate, ByDisplayName
	}
	if i.OnMissing == foreign {
		fields = append(fields, invalid("/import/onMissing", fmt.Sprintf("%s does not belong to an import of type %s", foreign, i.Type)))
	}
	for n, by := range i.MatchBy {
		if by != ByExternalID && by != naming {
			fields = append(fields, invalid(fmt.Sprintf("/import/matchBy/%d", n), "must be externalId or "+naming))
		}
	}
	return fields
}

// personKeys are the columns that tell a user from others in every run: the
// first that the mapping has to know people by. Rows of groups have none, as several may be of one.
func (s Spec) personKeys() []string {
	if s.Import.Type != ImportSCIMUsers || len(s.Mapping) == 0 {
		return nil
	}
	for _, by := range s.Import.MatchBy {
		if slices.ContainsFunc(s.Mapping, func(r Rule) bool { return r.To == by && r.Expr == "" }) {
			return []string{by}
		}
	}
	return nil
}

// SCIMAttributes lists the names that the columns of an import of users or groups may have.
func SCIMAttributes(t ImportType) []string {
	if t == ImportSCIMGroups {
		return []string{"displayName", "externalId", "role", "members"}
	}
	return []string{
		"userName", "externalId", "displayName", "active", "name.givenName", "name.familyName", "name.formatted", "role", "sendEmailOnInvitation",
	}
}

// checkProvisioning finds what a flow says that its import of users or groups cannot be.
func checkProvisioning(s Spec) (fields []fault.Field) {
	if !s.Import.Provisions() {
		return nil
	}
	attributes := SCIMAttributes(s.Import.Type)
	mapped := map[string]bool{}
	for n, r := range s.Mapping {
		if mapped[r.To] = true; !slices.Contains(attributes, r.To) {
			fields = append(fields, invalid(fmt.Sprintf("/mapping/%d/to", n), "must be one of "+strings.Join(attributes, ", ")))
		}
	}
	if len(s.Mapping) > 0 && !slices.ContainsFunc(s.Import.MatchBy, func(by string) bool { return mapped[by] }) {
		fields = append(fields, missing("/mapping", "must have a column that tells whom a row is about: "+strings.Join(s.Import.MatchBy, " or ")))
	}
	if s.Import.Syncs() && (TakesPosts(s.Export.Type) || s.Export.Delta != nil) {
		fields = append(fields, invalid("/import/onMissing", "must be leave where runs do not read the whole source: what one does not read would be taken away"))
	}
	return fields
}

// scimHints are those of the members that the imports of this file have for themselves.
func scimHints() []form.Hint {
	is := func(member string) []form.When { return []form.When{form.Is("type", importsWith(member)...)} }
	return []form.Hint{
		{
			Path: "/matchBy", Label: "Known by", ShowWhen: is("matchBy"), Example: []string{ByExternalID, ByUserName},
			Help: "What a row's user or group is looked for by in Celonis, in this order. Left out: externalId, then the user name or the group's name.",
		},
		{
			Path: "/matchBy/*", Label: "Attribute", Help: "An attribute that tells users or groups apart.",
			Titles: map[string]string{ByExternalID: "Our own id", ByUserName: "User name (e-mail address)", ByDisplayName: "Name of the group"},
		},
		{
			Path: "/onMissing", Label: "Not in the source", Default: MissingLeave, ShowWhen: is("onMissing"),
			Help: "What becomes of users or groups of Celonis that the source does not have. All but leave take the source for the truth; it must be read whole.",
			Titles: map[string]string{
				string(MissingLeave): "Left as they are", string(MissingDeactivate): "Users are deactivated",
				string(MissingEmpty): "Groups lose their members", string(MissingDelete): "Deleted",
			},
		},
		{Path: "/guard", Label: "Guard", ShowWhen: is("guard"), Help: "Stops a run before it writes anything when the source looks cut short."},
		{
			Path: "/guard/maxMissing", Label: "Most that may be missing", Example: "5%",
			Help: fmt.Sprintf("How many may be missing from the source: a count, or a share of those in Celonis. Left out: %d %%, or %d of few.", DefaultMaxMissing, DefaultMissingFloor),
			Refine: form.Schema{
				"type": []string{"integer", "string"}, "minimum": 0,
				"pattern": `^\s*(?:100(?:\.0*)?|[0-9]{1,2}(?:\.[0-9]*)?|\.[0-9]+)\s*%\s*$`,
				"not":     form.Schema{"type": "string", "pattern": `^[0.\s]*%\s*$`},
			},
		},
		{Path: "/guard/minSource", Label: "Fewest rows", Default: DefaultMinSource, Help: "How many rows the source must have to be taken for the truth."},
		{
			Path: "/scope", Label: "Whom it is about", Default: ScopeManaged, ShowWhen: is("scope"), Help: "Who can be missing from the source.",
			Titles: map[string]string{string(ScopeManaged): "Those with an externalId", string(ScopeAll): "Everyone of the team"},
		},
		{
			Path: "/includeAdmins", Label: "Administrators too", Default: false, ShowWhen: is("includeAdmins"),
			Help: "Whether users or groups with the role ADMIN are taken away too when the source does not have them.",
		},
		{
			Path: "/keep", Label: "Never taken away", ShowWhen: is("keep"), Example: []string{"break-glass@example.com"},
			Help: "The user names, or names of groups, that are never deactivated, emptied or deleted: the one that the connection's key belongs to, for one.",
		},
		{Path: "/keep/*", Label: "Name", Help: "A user name or the name of a group."},
		{
			Path: "/roleDefault", Label: "Role of new ones", ShowWhen: is("roleDefault"), Example: defaultRole,
			Help:   "The role of a new user or group whose row names none. Users get MEMBER when it is left out.",
			Titles: map[string]string{"MEMBER": "Member", "ANALYST": "Analyst", "ADMIN": "Administrator"},
		},
		{
			Path: "/onDisable", Label: "Not active", Default: DisableDeactivate, ShowWhen: is("onDisable"), Help: "What becomes of a user whose row has active as false.",
			Titles: map[string]string{string(DisableDeactivate): "Deactivated", string(DisableDelete): "Deleted"},
		},
		{
			Path: "/sendInvitation", Label: "Invite", Default: false, ShowWhen: is("sendInvitation"),
			Help: "Whether Celonis sends new users an invitation by e-mail, where their rows do not say.",
		},
		{
			Path: "/memberBy", Label: "Members are named by", Default: ByExternalID, ShowWhen: is("memberBy"), Help: "Which attribute of users the values of members are.",
			Titles: map[string]string{ByExternalID: "Our own id", ByUserName: "User name (e-mail address)"},
		},
		{
			Path: "/memberMode", Label: "Members", Default: MembersReplace, ShowWhen: is("memberMode"), Help: "What becomes of members that the source does not name.",
			Titles: map[string]string{MembersReplace: "They leave the group", MembersAdd: "They stay"},
		},
		{
			Path: "/memberSeparator", Label: "Separator of members", Default: DefaultMemberSeparator, ShowWhen: is("memberSeparator"), Example: ";",
			Help: "What stands between the members of a group in one value that is no JSON array. Several rows of one group are put together.",
		},
		{
			Path: "/unknownMembers", Label: "Unknown members", Default: UnknownFail, ShowWhen: is("unknownMembers"), Help: "What becomes of a group with a member that Celonis does not have. The row is an error either way.",
			Titles: map[string]string{UnknownFail: "The group stays as it is", UnknownSkip: "The group gets the others"},
		},
	}
}

// scimRules: what is left to say of the imports of this file beside their members.
func scimRules() (rules []form.Schema) {
	for _, of := range []struct {
		t       ImportType
		foreign OnMissing
		naming  string
	}{{ImportSCIMUsers, MissingEmpty, ByUserName}, {ImportSCIMGroups, MissingDeactivate, ByDisplayName}} {
		rules = append(rules, form.If(map[string]any{"type": of.t}, form.Schema{"properties": form.Schema{
			"onMissing": form.Schema{"not": form.Schema{"const": of.foreign}},
			"matchBy":   form.Schema{"items": form.Schema{"enum": []string{ByExternalID, of.naming}}},
		}}))
	}
	return rules
}
