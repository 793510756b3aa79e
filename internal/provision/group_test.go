package provision_test

import (
	"testing"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"github.com/stretchr/testify/require"
)

func groupRules() provision.Rules {
	return provision.Rules{
		Kind: provision.Groups, MatchBy: []provision.Attribute{provision.ExternalID, provision.DisplayName}, MembersBy: provision.ExternalID,
	}
}

// row is a row of groups.
type row struct {
	entry
	members []string
	silent  bool
}

func gathered(rows ...row) *provision.Survey {
	s := provision.NewSurvey(provision.Groups)
	for _, r := range rows {
		s.AddGroup(provision.Clean(r.entry), r.members, !r.silent)
	}
	return s
}

func team() *provision.Directory {
	return directory(provision.Users,
		person("u1", entry{"userName": "ann@x.com", "externalId": "E1"}), person("u2", entry{"userName": "bob@x.com", "externalId": "E2"}),
		person("u3", entry{"userName": "cid@x.com", "externalId": "E3"}))
}

func TestWhatBecomesOfAGroup(t *testing.T) {
	t.Parallel()
	sales := provision.Resource{ID: "g1", Entry: entry{"displayName": "Sales", "externalId": "G1"}, Members: []string{"u1", "u2", "stranger"}}
	has := directory(provision.Groups, sales, provision.Resource{ID: "g2", Entry: entry{"displayName": "Free"}})
	for _, c := range []struct {
		name             string
		rows             []row
		rules            func(*provision.Rules)
		action           provision.Action
		joining, leaving []string
		members          []string
		code             fault.Code
	}{
		{name: "new", rows: []row{{entry: entry{"displayName": "New"}, members: []string{"E1", "E2"}}}, action: provision.Created, joining: []string{"u1", "u2"}, members: []string{"u1", "u2"}},
		{name: "a row for each member", rows: []row{{entry: entry{"displayName": "New"}, members: []string{"E1"}}, {entry: entry{"displayName": "new"}, members: []string{"E2"}}, {entry: entry{"displayName": "New"}, members: []string{"E1"}}},
			action: provision.Created, joining: []string{"u1", "u2"}, members: []string{"u1", "u2"}},
		{name: "a row for each member of one id", rows: []row{{entry: entry{"externalId": "G1"}, members: []string{"E3"}}, {entry: entry{"externalId": "G1"}, members: []string{"E1"}}, {entry: entry{"externalId": "G1"}, members: []string{"E3"}}},
			action: provision.Updated, joining: []string{"u3"}, leaving: []string{"u2", "stranger"}, members: []string{"u3", "u1"}},
		{name: "nothing told of members", rows: []row{{entry: entry{"externalId": "G1"}, silent: true}}, action: provision.Unchanged},
		{name: "no members", rows: []row{{entry: entry{"externalId": "G1"}}}, action: provision.Updated, leaving: []string{"u1", "u2", "stranger"}},
		{name: "adding", rows: []row{{entry: entry{"externalId": "G1"}, members: []string{"E3"}}}, rules: func(r *provision.Rules) { r.Additive = true }, action: provision.Updated,
			joining: []string{"u3"}, members: []string{"u1", "u2", "stranger", "u3"}},
		{name: "renamed", rows: []row{{entry: entry{"externalId": "G1", "displayName": "Sale"}, silent: true}}, action: provision.Updated},
		{name: "found by name", rows: []row{{entry: entry{"externalId": "G2", "displayName": "FREE"}, silent: true}}, action: provision.Updated},
		{name: "by user name", rows: []row{{entry: entry{"displayName": "Free"}, members: []string{"Bob@x.com"}}}, rules: func(r *provision.Rules) { r.MembersBy = provision.UserName }, action: provision.Updated,
			joining: []string{"u2"}, members: []string{"u2"}},
		{name: "a stranger", rows: []row{{entry: entry{"displayName": "Free"}, members: []string{"E1", "E9"}}}, code: fault.ScimUnknownMember},
		{name: "a stranger passed over", rows: []row{{entry: entry{"displayName": "Free"}, members: []string{"E1", "E9"}}}, rules: func(r *provision.Rules) { r.SkipUnknown = true }, action: provision.Updated,
			joining: []string{"u1"}, members: []string{"u1"}},
		{name: "contradicting rows", rows: []row{{entry: entry{"externalId": "G1", "role": "MEMBER"}}, {entry: entry{"externalId": "G1", "role": "ADMIN"}}}, code: fault.ScimDuplicate},
		{name: "one name for two", rows: []row{{entry: entry{"externalId": "A", "displayName": "X"}}, {entry: entry{"externalId": "B", "displayName": "x"}}}, code: fault.ScimDuplicate},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rules := groupRules()
			if c.rules != nil {
				c.rules(&rules)
			}
			s := gathered(c.rows...)
			step, f := provision.NewPlanner(rules, has, s).Group(s.Group(provision.Clean(c.rows[0].entry)), team())
			if c.code != "" {
				require.NotNil(t, f)
				require.Equal(t, c.code, f.Code, f.Message)
				return
			}
			require.Nil(t, f)
			require.Equal(t, c.action, step.Action)
			require.Equal(t, c.joining, step.Joining)
			require.Equal(t, c.leaving, step.Leaving)
			require.Equal(t, c.members, step.Members)
		})
	}
}

func TestARecordThatWasLostTakesNobodyOut(t *testing.T) {
	t.Parallel()
	has := directory(provision.Groups, provision.Resource{ID: "g1", Entry: entry{"displayName": "Sales", "externalId": "G1"}, Members: []string{"u1", "u2"}})
	s := gathered(row{entry: entry{"externalId": "G1"}, members: []string{"E3"}})
	s.Lost(provision.Clean(entry{"externalId": "G1"}))
	step, f := provision.NewPlanner(groupRules(), has, s).Group(s.Group(entry{"externalId": "G1"}), team())
	require.Nil(t, f)
	require.Empty(t, step.Leaving)
	require.Equal(t, []string{"u1", "u2", "u3"}, step.Members)
}

func TestUnknownMembersAreNamed(t *testing.T) {
	t.Parallel()
	p := provision.NewPlanner(groupRules(), directory(provision.Groups), gathered())
	require.Nil(t, p.Row([]string{"E1"}, team()))
	f := p.Row([]string{"a", "b", "c", "E1", "d", "e", "f", "g"}, team())
	require.Equal(t, fault.ScimUnknownMember, f.Code)
	require.Contains(t, f.Message, `"a", "b", "c", "d", "e", and 2 more`)
}

func TestParseMembers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                    nil,
		"a, b ,,c":            {"a", "b", "c"},
		`["a"," b ",7,""]`:    {"a", "b", "7"},
		`[{"value":"a"},"b"]`: {"a", "b"},
		"[]":                  {},
		" [ \"x,y\" ] ":       {"x,y"},
	} {
		got, err := provision.ParseMembers(text, ",")
		require.Nil(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, bad := range []string{"[", `[{"v":1}]`, `[true]`, `[null,]`, `[["a"]]`} {
		_, err := provision.ParseMembers(bad, ",")
		require.NotNil(t, err, bad)
		require.Equal(t, fault.ScimValue, err.Code)
	}
}

func FuzzParseMembers(f *testing.F) {
	for _, seed := range []string{"", "a,b", `["a"]`, `[{"value":"x"}]`, "[", "\xff,"} {
		f.Add(seed, ",")
	}
	f.Add("a;b", ";")
	f.Fuzz(func(t *testing.T, text, separator string) {
		if separator == "" {
			return
		}
		members, err := provision.ParseMembers(text, separator)
		if err != nil {
			return
		}
		for _, m := range members {
			require.NotEmpty(t, m)
		}
	})
}
