package scim_test

import (
	"encoding/json"
	"testing"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/stretchr/testify/require"
)

const (
	patchedUser  = `{"id":"u1","userName":"ann@example.com","displayName":"Ann","active":true,"name":{"givenName":"Ann","familyName":"E"},"urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"MEMBER"},"department":"kept"}`
	patchedGroup = `{"id":"g1","displayName":"Buyers","members":[{"value":"u1","display":"Ann"},{"value":"u2"}]}`
)

// patched applies operations and gives the resource without its schemas.
func patched(t testing.TB, k scim.Kind, r scim.Resource, operations string) (string, error) {
	t.Helper()
	p, err := scim.ParsePatch([]byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`))
	if err != nil {
		return "", err
	}
	before := r.Clone()
	out, err := scim.Apply(k, r, p)
	require.Equal(t, before, r, "what was given stays as it is")
	if err != nil {
		return "", err
	}
	out.Delete("schemas")
	text, err := json.Marshal(map[string]any(out))
	require.NoError(t, err)
	return string(text), nil
}

// The shapes of Entra's and Okta's documentation, and those of RFC 7644.
func TestPatchOfUsers(t *testing.T) {
	t.Parallel()
	const role = `"urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"MEMBER"}`
	for name, c := range map[string]struct{ operations, want string }{
		"active as a word": {`{"op":"Replace","path":"active","value":"False"}`,
			`{"id":"u1","userName":"ann@example.com","displayName":"Ann","active":false,"name":{"givenName":"Ann","familyName":"E"},` + role + `,"department":"kept"}`},
		"no path": {`{"op":"replace","value":{"active":false}}`,
			`{"id":"u1","userName":"ann@example.com","displayName":"Ann","active":false,"name":{"givenName":"Ann","familyName":"E"},` + role + `,"department":"kept"}`},
		"dotted names without a path": {`{"op":"Add","value":{"name.givenName":"Anna","displayName":"Anna E"}}`,
			`{"id":"u1","userName":"ann@example.com","displayName":"Anna E","active":true,"name":{"givenName":"Anna","familyName":"E"},` + role + `,"department":"kept"}`},
		"extension before the name": {`{"op":"replace","value":{"urn:celonis:params:scim:schemas:extension:2.0:User:role":"admin"}}`,
			`{"id":"u1","userName":"ann@example.com","displayName":"Ann","active":true,"name":{"givenName":"Ann","familyName":"E"},"urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ADMIN"},"department":"kept"}`},
		"a whole extension": {`{"op":"add","path":"urn:celonis:params:scim:schemas:extension:2.0:User","value":{"role":"ANALYST","sendEmailOnInvitation":"True"}}`,
			`{"id":"u1","userName":"ann@example.com","displayName":"Ann","active":true,"name":{"givenName":"Ann","familyName":"E"},"urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ANALYST","sendEmailOnInvitation":true},"department":"kept"}`},
		"value in a list of one": {`{"op":"replace","path":"displayName","value":["Anna"]}`,
			`{"id":"u1","userName":"ann@example.com","displayName":"Anna","active":true,"name":{"givenName":"Ann","familyName":"E"},` + role + `,"department":"kept"}`},
		"parts of a name without a path": {`{"op":"replace","value":{"name":{"givenName":"Z"}}}`,
			`{"id":"u1","userName":"ann@example.com","displayName":"Ann","active":true,"name":{"givenName":"Z","familyName":"E"},` + role + `,"department":"kept"}`},
		"a sub-attribute goes": {`{"op":"remove","path":"name.givenName"}`,
			`{"id":"u1","userName":"ann@example.com","displayName":"Ann","active":true,"name":{"familyName":"E"},` + role + `,"department":"kept"}`},
		"replace with null": {`{"op":"replace","path":"displayName","value":null}`,
			`{"id":"u1","userName":"ann@example.com","active":true,"name":{"givenName":"Ann","familyName":"E"},` + role + `,"department":"kept"}`},
		"what Celonis does not have": {`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"a@b.c"},{"op":"add","path":"title","value":"x"},{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"x"}`,
			patchedUser},
		"the id as it is": {`{"op":"replace","value":{"id":"u1","schemas":["x"],"meta":{"a":1}}}`, patchedUser},
		"the same again":  {`{"op":"add","path":"displayName","value":"Ann"}`, patchedUser},
	} {
		got, err := patched(t, scim.KindUser, resource(t, patchedUser), c.operations)
		require.NoError(t, err, name)
		require.JSONEq(t, c.want, got, name)
	}
}

func TestPatchOfGroups(t *testing.T) {
	t.Parallel()
	group := func(members string) string {
		return `{"id":"g1","displayName":"Buyers","members":[` + members + `]}`
	}
	const one, two = `{"value":"u1","display":"Ann"}`, `{"value":"u2"}`
	for name, c := range map[string]struct{ operations, want string }{
		"members come":                     {`{"op":"Add","path":"members","value":[{"value":"u3"},{"value":"u1"}]}`, group(one + "," + two + `,{"value":"u3"}`)},
		"one member as an object":          {`{"op":"add","path":"members","value":{"value":"u3"}}`, group(one + "," + two + `,{"value":"u3"}`)},
		"members as bare ids":              {`{"op":"add","path":"members","value":["u3"]}`, group(one + "," + two + `,{"value":"u3"}`)},
		"members come without a path":      {`{"op":"add","value":{"members":[{"value":"u3"}]}}`, group(one + "," + two + `,{"value":"u3"}`)},
		"members go by list":               {`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"u1"}]}`, group(two)},
		"members go by path":               {`{"op":"Remove","path":"members[value eq \"u1\"]"}`, group(two)},
		"a member that is not there":       {`{"op":"Remove","path":"members[value eq \"u9\"]"}`, group(one + "," + two)},
		"nobody is named":                  {`{"op":"Remove","path":"members","value":[]}`, group(one + "," + two)},
		"all go":                           {`{"op":"remove","path":"members"}`, group("")},
		"all are others":                   {`{"op":"replace","path":"members","value":[{"value":"u3"},{"value":"u3"}]}`, group(`{"value":"u3"}`)},
		"all are others, without a path":   {`{"op":"Replace","value":{"members":[]}}`, group("")},
		"a member is made of its filter":   {`{"op":"add","path":"members[value eq \"u3\"].display","value":"C"}`, group(one + "," + two + `,{"value":"u3","display":"C"}`)},
		"a member's name":                  {`{"op":"replace","path":"members[value eq \"u2\"].display","value":"B"}`, group(one + `,{"value":"u2","display":"B"}`)},
		"Okta's rename with the id":        {`{"op":"replace","value":{"id":"g1","displayName":"Buyers"}}`, group(one + "," + two)},
		"come and go in one":               {`{"op":"add","path":"members","value":[{"value":"u3"}]},{"op":"remove","path":"members[value eq \"u3\"]"}`, group(one + "," + two)},
		"a sub-attribute of every element": {`{"op":"remove","path":"members.display"}`, group(`{"value":"u1"},` + two)},
	} {
		got, err := patched(t, scim.KindGroup, resource(t, patchedGroup), c.operations)
		require.NoError(t, err, name)
		require.JSONEq(t, c.want, got, name)
	}
}

// Every patch that is wrong has the scimType of RFC 7644, table 9.
func TestPatchesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind             scim.Kind
		operations, want string
	}{
		{scim.KindUser, `{"op":"move","path":"active","value":true}`, "invalidSyntax"},
		{scim.KindUser, `{"path":"active","value":true}`, "invalidSyntax"},
		{scim.KindUser, `5`, "invalidSyntax"},
		{scim.KindUser, `{"op":"remove"}`, "noTarget"},
		{scim.KindUser, `{"op":"replace","path":7,"value":1}`, "invalidPath"},
		{scim.KindUser, `{"op":"replace","path":"a b","value":1}`, "invalidPath"},
		{scim.KindUser, `{"op":"replace","path":"active.x","value":true}`, "invalidPath"},
		{scim.KindUser, `{"op":"replace","path":"displayName[a pr]","value":"x"}`, "invalidPath"},
		{scim.KindGroup, `{"op":"replace","path":"members[value xx 1]","value":"x"}`, "invalidFilter"},
		{scim.KindUser, `{"op":"replace","path":"active"}`, "invalidValue"},
		{scim.KindUser, `{"op":"replace","path":"active","value":"perhaps"}`, "invalidValue"},
		{scim.KindUser, `{"op":"replace","path":"displayName","value":{"a":1}}`, "invalidValue"},
		{scim.KindUser, `{"op":"add","value":"x"}`, "invalidValue"},
		{scim.KindUser, `{"op":"add","path":"urn:celonis:params:scim:schemas:extension:2.0:User:role","value":"KING"}`, "invalidValue"},
		{scim.KindUser, `{"op":"add","path":"name","value":"Ann"}`, "invalidValue"},
		{scim.KindUser, `{"op":"add","path":"urn:celonis:params:scim:schemas:extension:2.0:User","value":"x"}`, "invalidValue"},
		{scim.KindUser, `{"op":"add","path":"urn:celonis:params:scim:schemas:extension:2.0:User","value":{"a b":1}}`, "invalidPath"},
		{scim.KindUser, `{"op":"replace","path":"id","value":"x"}`, "mutability"},
		{scim.KindUser, `{"op":"replace","value":{"id":"x"}}`, "mutability"},
		{scim.KindUser, `{"op":"replace","path":"meta","value":{}}`, "mutability"},
		{scim.KindUser, `{"op":"add","path":"groups","value":[{"value":"g"}]}`, "mutability"},
		{scim.KindUser, `{"op":"remove","path":"userName"}`, "mutability"},
		{scim.KindGroup, `{"op":"replace","path":"displayName","value":null}`, "mutability"},
		{scim.KindGroup, `{"op":"replace","path":"members[value eq \"none\"]","value":{"value":"x"}}`, "noTarget"},
		{scim.KindGroup, `{"op":"add","path":"members[value sw \"none\"]","value":{"display":"x"}}`, "noTarget"},
		{scim.KindGroup, `{"op":"add","path":"members","value":[7]}`, "invalidValue"},
	} {
		body := patchedUser
		if c.kind == scim.KindGroup {
			body = patchedGroup
		}
		_, err := patched(t, c.kind, resource(t, body), c.operations)
		require.Error(t, err, c.operations)
		require.Equal(t, c.want, scim.TypeOf(fault.CodeOf(err)), "%s: %v", c.operations, err)
	}
	for body, want := range map[string]string{
		`{`: "invalidSyntax", `[]`: "invalidSyntax", `{}`: "invalidSyntax", `{"Operations":[]}`: "invalidSyntax", `{"Operations":{}}`: "invalidSyntax", `{"a":1,"A":2}`: "invalidSyntax",
		`{"schemas":["urn:other"],"Operations":[{"op":"remove","path":"a"}]}`:                          "invalidSyntax",
		`{"schemas":["urn:scim:schemas:core:1.0"],"Operations":[{"op":"remove","path":"a"}]}`:          "invalidVers",
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"operations":[{"op":"remove"}]}`: "noTarget",
	} {
		_, err := scim.ParsePatch([]byte(body))
		require.Equal(t, want, scim.TypeOf(fault.CodeOf(err)), body)
	}
}

// A patch of something that is not at hand is looked at all the same.
func TestCheckOfAPatch(t *testing.T) {
	t.Parallel()
	check := func(operations string) error {
		p, err := scim.ParsePatch([]byte(`{"Operations":[` + operations + `]}`))
		require.NoError(t, err)
		return p.Check(scim.KindGroup)
	}
	require.NoError(t, check(`{"op":"replace","path":"members[value eq \"u2\"].display","value":"B"},{"op":"add","path":"members","value":[{"value":"a"}]}`))
	require.True(t, fault.Has(check(`{"op":"replace","path":"displayName","value":7}`), fault.ScimValue))
	require.True(t, fault.Has(check(`{"op":"remove","path":"displayName"}`), fault.ScimMutability))
}

func TestWhatAPatchNames(t *testing.T) {
	t.Parallel()
	p, err := scim.ParsePatch([]byte(`{"Operations":[{"op":"add","value":{"name.givenName":"x","active":true}},{"op":"remove","path":"members[value eq \"u7\"]"},
		{"op":"add","path":"members","value":[{"value":"u8"}]},{"op":"add","path":"urn:celonis:params:scim:schemas:extension:2.0:User:role","value":"ADMIN"}]}`))
	require.NoError(t, err)
	require.Equal(t, []string{"active", "members", "name", "role"}, p.Names())
	require.True(t, p.Mentions("u7"))
	require.True(t, p.Mentions("u8"))
	require.False(t, p.Mentions("u9"))
}
