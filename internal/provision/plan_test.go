package provision_test

import (
	"testing"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"github.com/stretchr/testify/require"
)

type entry = provision.Entry

// userRules are those of a flow that says nothing more.
func userRules() provision.Rules {
	return provision.Rules{
		Kind: provision.Users, MatchBy: []provision.Attribute{provision.ExternalID, provision.UserName},
		Disabling: provision.Disable, Role: "MEMBER", Invite: provision.False,
	}
}

func directory(k provision.Kind, list ...provision.Resource) *provision.Directory {
	d := provision.NewDirectory(k)
	for _, r := range list {
		d.Add(r)
	}
	return d
}

func surveyed(rows ...entry) *provision.Survey {
	s := provision.NewSurvey(provision.Users)
	for _, e := range rows {
		s.Add(provision.Clean(e))
	}
	return s
}

func person(id string, e entry) provision.Resource { return provision.Resource{ID: id, Entry: e} }

func TestWhatBecomesOfAUser(t *testing.T) {
	t.Parallel()
	has := directory(provision.Users,
		person("1", entry{"userName": "ann@x.com", "externalId": "E1", "displayName": "Ann", "active": "true", "role": "MEMBER"}),
		person("2", entry{"userName": "Bob@X.com", "displayName": "Bob", "active": "true"}),
		person("3", entry{"userName": "cid@x.com", "externalId": "E3", "active": "false"}),
		person("4", entry{"userName": "dup@x.com", "externalId": "E4"}), person("5", entry{"userName": "dup2@x.com", "externalId": "E4"}),
	)
	for _, c := range []struct {
		name    string
		row     entry
		rules   func(*provision.Rules)
		action  provision.Action
		fields  []string
		code    fault.Code
		at      provision.Attribute
		outside bool
	}{
		{name: "new", row: entry{"userName": "new@x.com", "externalId": "N"}, action: provision.Created, fields: []string{"userName", "externalId", "role", "sendEmailOnInvitation"}},
		{name: "new with a role", row: entry{"userName": "new@x.com", "role": "analyst"}, action: provision.Created, fields: []string{"userName", "role", "sendEmailOnInvitation"}},
		{name: "the same", row: entry{"userName": "ANN@x.com", "externalId": "E1", "displayName": "Ann"}, action: provision.Unchanged},
		{name: "the same role in small letters", row: entry{"externalId": "E1", "role": "member"}, action: provision.Unchanged},
		{name: "another name", row: entry{"externalId": "E1", "displayName": "Anne"}, action: provision.Updated, fields: []string{"displayName"}},
		{name: "what is not told stays", row: entry{"externalId": "E1", "displayName": ""}, action: provision.Unchanged},
		{name: "found by the name", row: entry{"userName": "bob@x.com", "externalId": "E2"}, action: provision.Updated, fields: []string{"externalId"}},
		{name: "found by the name only", row: entry{"userName": "bob@x.com", "externalId": "E2"}, rules: func(r *provision.Rules) { r.MatchBy = r.MatchBy[:1] }, action: provision.Created,
			fields: []string{"userName", "externalId", "role", "sendEmailOnInvitation"}},
		{name: "to be disabled", row: entry{"externalId": "E1", "active": "no"}, action: provision.Deactivated, fields: []string{"active"}},
		{name: "to be deleted", row: entry{"externalId": "E1", "active": "0"}, rules: func(r *provision.Rules) { r.Disabling = provision.Remove }, action: provision.Deleted},
		{name: "disabled already", row: entry{"externalId": "E3", "active": "False"}, action: provision.Unchanged},
		{name: "a stranger to be disabled", row: entry{"userName": "new@x.com", "active": "false"}, action: provision.Unchanged},
		{name: "back", row: entry{"externalId": "E3", "active": "TRUE"}, action: provision.Reactivated, fields: []string{"active"}},
		{name: "in the source, which says nothing of active", row: entry{"externalId": "E3"}, action: provision.Unchanged},
		{name: "in the source that is the truth", row: entry{"externalId": "E3"}, rules: func(r *provision.Rules) { r.Whole = true }, action: provision.Reactivated, fields: []string{"active"}},

		{name: "another address", row: entry{"externalId": "E1", "userName": "ann@y.com"}, code: fault.ScimEmailChange, at: provision.UserName},
		{name: "no address", row: entry{"userName": "ann"}, code: fault.ScimValue, at: provision.UserName},
		{name: "an address with a name", row: entry{"userName": "Ann <ann@x.com>"}, code: fault.ScimValue, at: provision.UserName},
		{name: "an address of no domain", row: entry{"userName": "ann@x"}, code: fault.ScimValue, at: provision.UserName},
		{name: "a new one without an address", row: entry{"externalId": "N"}, code: fault.ValueRequired, at: provision.UserName},
		{name: "nobody", row: entry{"displayName": "Ann"}, code: fault.ValueRequired, at: provision.UserName},
		{name: "a long name", row: entry{"externalId": "E1", "displayName": long(101)}, code: fault.ValueTooLong, at: provision.DisplayName},
		{name: "as long as may be", row: entry{"externalId": "E1", "displayName": long(100)}, action: provision.Updated, fields: []string{"displayName"}},
		{name: "an unknown role", row: entry{"externalId": "E1", "role": "BOSS"}, code: fault.ScimValue, at: provision.Role},
		{name: "neither true nor false", row: entry{"externalId": "E1", "active": "maybe"}, code: fault.ScimValue, at: provision.Active},
		{name: "two in Celonis", row: entry{"externalId": "E4"}, code: fault.ScimAmbiguous, at: provision.ExternalID},
		{name: "kept", row: entry{"externalId": "E1", "active": "false"}, rules: func(r *provision.Rules) { r.Kept = []string{"ANN@X.com"} }, code: fault.ScimProtected, at: provision.Active},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rules := userRules()
			if c.rules != nil {
				c.rules(&rules)
			}
			step, finding := provision.NewPlanner(rules, has, surveyed(c.row)).User(provision.Clean(c.row))
			if c.code != "" {
				require.NotNil(t, finding)
				require.Equal(t, c.code, finding.Code, finding.Message)
				require.Equal(t, c.at, finding.Attribute)
				return
			}
			require.Nil(t, finding)
			require.Equal(t, c.action, step.Action)
			require.Equal(t, c.fields, step.Fields(provision.Users))
			require.Equal(t, c.action != provision.Unchanged, step.Writes())
		})
	}
}

func long(n int) string {
	r := make([]rune, n)
	for i := range r {
		r[i] = 'ü'
	}
	return string(r)
}

func TestRowsThatGetInEachOthersWay(t *testing.T) {
	t.Parallel()
	has := directory(provision.Users, person("1", entry{"userName": "ann@x.com", "externalId": "OLD"}))
	plan := func(rows ...entry) (codes []fault.Code) {
		p := provision.NewPlanner(userRules(), has, surveyed(rows...))
		for _, row := range rows {
			_, f := p.User(provision.Clean(row))
			if f == nil {
				codes = append(codes, "")
				continue
			}
			codes = append(codes, f.Code)
		}
		return codes
	}
	require.Equal(t, []fault.Code{fault.ScimDuplicate, fault.ScimDuplicate, ""},
		plan(entry{"userName": "a@x.com"}, entry{"userName": "A@x.com"}, entry{"userName": "b@x.com"}), "user names are the same whatever their case")
	require.Equal(t, []fault.Code{fault.ScimDuplicate, fault.ScimDuplicate},
		plan(entry{"userName": "a@x.com", "externalId": "1"}, entry{"userName": "b@x.com", "externalId": "1"}))
	require.Equal(t, []fault.Code{""}, plan(entry{"userName": "ann@x.com", "externalId": "NEW"}), "a new id takes the place of one that nobody has any more")
	require.Equal(t, []fault.Code{fault.ScimAmbiguous, fault.ScimEmailChange},
		plan(entry{"userName": "ann@x.com", "externalId": "NEW"}, entry{"userName": "other@x.com", "externalId": "OLD"}), "two rows are about one user")
}

func TestStepTellsWhatItWas(t *testing.T) {
	t.Parallel()
	has := directory(provision.Users, person("1", entry{"userName": "ann@x.com", "externalId": "E1", "displayName": "Ann"}))
	row := provision.Clean(entry{"externalId": " E1 ", "displayName": "Anne", "name.givenName": "Anne"})
	step, f := provision.NewPlanner(userRules(), has, surveyed(row)).User(row)
	require.Nil(t, f)
	require.Equal(t, []provision.Change{{Attribute: provision.DisplayName, From: "Ann", To: "Anne"}, {Attribute: provision.GivenName, To: "Anne"}}, step.Changes)
	require.Equal(t, "E1", step.Key)
	require.Equal(t, "1", step.ID())
	require.NotContains(t, step.String(), "Anne")

	all := func(provision.Attribute) bool { return true }
	require.Equal(t, provision.Unchanged, step.Without(all).Action, "what Celonis does not keep is not written again")
	name := func(a provision.Attribute) bool { return a == provision.GivenName }
	require.Equal(t, provision.Updated, step.Without(name).Action)
}

func FuzzCleanIsDone(f *testing.F) {
	f.Add(" Ann@x.com ", "yes", " analyst")
	f.Add("", "NO", "ADMIN ")
	f.Add("a\x00b", "TRUE", "\u00a0")
	f.Fuzz(func(t *testing.T, name, active, role string) {
		once := provision.Clean(entry{"userName": name, "active": active, "role": role})
		require.Equal(t, once, provision.Clean(once))
		require.NotPanics(t, func() { provision.Check(provision.Users, once) })
	})
}
