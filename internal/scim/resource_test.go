package scim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/stretchr/testify/require"
)

// checked normalizes and validates.
func checked(k scim.Kind, text string) (scim.Resource, error) {
	r, err := scim.ParseResource([]byte(text))
	if err != nil {
		return nil, err
	}
	if r, err = scim.Normalize(k, r); err != nil {
		return nil, err
	}
	return r, scim.Validate(k, r)
}

// Bodies as Entra and Okta document them, and what is made of them.
func TestResourcesAreReadLeniently(t *testing.T) {
	t.Parallel()
	const user, group = `["urn:ietf:params:scim:schemas:core:2.0:User","urn:celonis:params:scim:schemas:extension:2.0:User"]`, `["urn:ietf:params:scim:schemas:core:2.0:Group","urn:celonis:params:scim:schemas:extension:2.0:Group"]`
	for _, c := range []struct {
		kind       scim.Kind
		body, want string
	}{
		// Okta's create of a user.
		{scim.KindUser, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},
			"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}`,
			`{"schemas":` + user + `,"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},"displayName":"Test User","externalId":"00ujl29u0le5T6Aj10h7","groups":[],"active":true}`},
		{scim.KindUser, `{"USERNAME":"a@b.c","Active":"True","name.givenName":"A","name.familyName":"B","displayName":["A B"],"title":null}`,
			`{"schemas":` + user + `,"userName":"a@b.c","active":true,"name":{"givenName":"A","familyName":"B"},"displayName":"A B"}`},
		{scim.KindUser, `{"userName":"a@b.c","role":"analyst","sendEmailOnInvitation":"false","urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ANALYST"}}`,
			`{"schemas":` + user + `,"userName":"a@b.c","urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ANALYST","sendEmailOnInvitation":false}}`},
		{scim.KindUser, `{"userName":"a@b.c","urn:celonis:params:scim:schemas:extension:2.0:User:role":"Admin"}`,
			`{"schemas":` + user + `,"userName":"a@b.c","urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ADMIN"}}`},
		// Okta's PUT of a group.
		{scim.KindGroup, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"abf4dd94","displayName":"Test SCIMv2","members":[{"value":"23a35c27","display":"Test User"}]}`,
			`{"schemas":` + group + `,"id":"abf4dd94","displayName":"Test SCIMv2","members":[{"value":"23a35c27","display":"Test User"}]}`},
		{scim.KindGroup, `{"displayName":"G","members":"u1"}`, `{"schemas":` + group + `,"displayName":"G","members":[{"value":"u1"}]}`},
	} {
		r, err := checked(c.kind, c.body)
		require.NoError(t, err, c.body)
		text, err := json.Marshal(map[string]any(r))
		require.NoError(t, err)
		require.JSONEq(t, c.want, string(text))
		again, err := scim.Normalize(c.kind, r)
		require.NoError(t, err)
		require.Equal(t, r, again, "what is normal stays as it is")
	}
}

// Every invalid resource is refused with the scimType of RFC 7644.
func TestInvalidResources(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind                scim.Kind
		body, want, pointer string
	}{
		{scim.KindUser, `{`, "invalidSyntax", ""},
		{scim.KindUser, `[]`, "invalidSyntax", ""},
		{scim.KindUser, `"x"`, "invalidSyntax", ""},
		{scim.KindUser, `{"userName":"a@b.c"} {}`, "invalidSyntax", ""},
		{scim.KindUser, `{"userName":"a@b.c","username":"b@b.c"}`, "invalidSyntax", ""},
		{scim.KindUser, `{"userName":"a@b.c","a":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "invalidSyntax", ""},
		{scim.KindUser, `{"schemas":"x","userName":"a@b.c"}`, "invalidSyntax", "/schemas"},
		{scim.KindUser, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"userName":"a@b.c"}`, "invalidSyntax", "/schemas"},
		{scim.KindUser, `{"schemas":["urn:scim:schemas:core:1.0"],"userName":"a@b.c"}`, "invalidVers", "/schemas"},
		{scim.KindUser, `{}`, "invalidValue", "/userName"},
		{scim.KindUser, `{"userName":""}`, "invalidValue", "/userName"},
		{scim.KindUser, `{"userName":7}`, "invalidValue", "/userName"},
		{scim.KindUser, `{"userName":["a@b.c","b@b.c"]}`, "invalidValue", "/userName"},
		{scim.KindUser, `{"userName":"ann"}`, "invalidValue", "/userName"},
		{scim.KindUser, `{"userName":"a b@c.d"}`, "invalidValue", "/userName"},
		{scim.KindUser, `{"userName":"a@b.c","active":"maybe"}`, "invalidValue", "/active"},
		{scim.KindUser, `{"userName":"a@b.c","active":1}`, "invalidValue", "/active"},
		{scim.KindUser, `{"userName":"a@b.c","name":"Ann"}`, "invalidValue", "/name"},
		{scim.KindUser, `{"userName":"a@b.c","name":{"givenName":7}}`, "invalidValue", "/name/givenName"},
		{scim.KindUser, `{"userName":"a@b.c","displayName":"` + strings.Repeat("ä", 101) + `"}`, "invalidValue", "/displayName"},
		{scim.KindUser, `{"userName":"a@b.c","displayName":"a\u0000b"}`, "invalidValue", "/displayName"},
		{scim.KindUser, `{"userName":"a@b.c","externalId":"` + strings.Repeat("x", 5000) + `"}`, "invalidValue", "/externalId"},
		{scim.KindUser, `{"userName":"a@b.c","role":"KING"}`, "invalidValue", "/urn:celonis:params:scim:schemas:extension:2.0:User/role"},
		{scim.KindUser, `{"userName":"a@b.c","role":"ADMIN","urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"MEMBER"}}`, "invalidValue", "/urn:celonis:params:scim:schemas:extension:2.0:User/role"},
		{scim.KindUser, `{"userName":"a@b.c","urn:celonis:params:scim:schemas:extension:2.0:User":"x"}`, "invalidSyntax", "/urn:celonis:params:scim:schemas:extension:2.0:User"},
		{scim.KindUser, `{"userName":"a@b.c","sendEmailOnInvitation":"x"}`, "invalidValue", "/urn:celonis:params:scim:schemas:extension:2.0:User/sendEmailOnInvitation"},
		{scim.KindGroup, `{}`, "invalidValue", "/displayName"},
		{scim.KindGroup, `{"displayName":"  "}`, "invalidValue", "/displayName"},
		{scim.KindGroup, `{"displayName":"g","members":[{}]}`, "invalidValue", "/members/0/value"},
		{scim.KindGroup, `{"displayName":"g","members":[{"value":"a"},{"value":7}]}`, "invalidValue", "/members/1/value"},
		{scim.KindGroup, `{"displayName":"g","members":[7]}`, "invalidValue", "/members/0"},
		{scim.KindGroup, `{"displayName":"g","members":[{"value":"a","type":"Group"}]}`, "invalidValue", "/members/0/type"},
	} {
		_, err := checked(c.kind, c.body)
		require.Error(t, err, c.body)
		f := fault.From(err)
		require.Equal(t, c.want, scim.TypeOf(f.Code), "%s: %v", c.body, err)
		if c.pointer != "" {
			require.Equal(t, c.pointer, f.Fields[0].Pointer, c.body)
		}
		require.EqualValues(t, 400, scim.ErrorOf(f).Status)
	}
	_, err := checked(scim.KindUser, `{"userName":1,"active":2,"displayName":3}`)
	require.Len(t, fault.From(err).Fields, 3, "all at once")
	require.Contains(t, scim.ErrorOf(fault.From(err)).Detail, "userName: must be a string")
}

func TestWhatCannotChange(t *testing.T) {
	t.Parallel()
	was := scim.Resource{"id": "1", "userName": "ann@example.com"}
	require.NoError(t, scim.CheckMutability(scim.KindUser, was, scim.Resource{"userName": "Ann@Example.com"}))
	for _, is := range []scim.Resource{{"userName": "bob@example.com"}, {"id": "2", "userName": "ann@example.com"}} {
		err := scim.CheckMutability(scim.KindUser, was, is)
		require.Equal(t, "mutability", scim.TypeOf(fault.CodeOf(err)))
	}
	require.NoError(t, scim.CheckMutability(scim.KindGroup, scim.Resource{"displayName": "a"}, scim.Resource{"displayName": "b"}))
}

func TestUsersAndGroupsKeepWhatTheyAreNotAskedOf(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"schemas":["urn:x"],"id":"1","userName":"a@b.c","active":"True","role":"ADMIN","sendEmailOnInvitation":"false","emails":[{"value":"a@b.c"}],"groups":[{"value":"g","display":"G"}],"meta":{"version":"W/\"1\"","created":"2026-01-02T03:04:05Z"}}`,
		`{"schemas":["urn:x"],"id":"1","userName":"a@b.c","active":true,"urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ADMIN","sendEmailOnInvitation":false},"emails":[{"value":"a@b.c"}],"groups":[{"value":"g","display":"G"}],"meta":{"version":"W/\"1\"","created":"2026-01-02T03:04:05Z"}}`,
	} {
		var u scim.User
		require.NoError(t, json.Unmarshal([]byte(text), &u))
		require.Equal(t, "ADMIN", u.Role)
		require.False(t, *u.SendEmailOnInvitation)
		require.True(t, u.IsActive())
		require.Equal(t, []scim.Member{{Value: "g", Display: "G"}}, u.Groups)
		require.Equal(t, scim.Resource{"emails": []any{map[string]any{"value": "a@b.c"}}}, u.Extra)
		both, err := json.Marshal(u)
		require.NoError(t, err)
		require.JSONEq(t, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:celonis:params:scim:schemas:extension:2.0:User","urn:x"],"id":"1","userName":"a@b.c","active":true,"role":"ADMIN","sendEmailOnInvitation":false,
			"urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ADMIN","sendEmailOnInvitation":false},"emails":[{"value":"a@b.c"}],"meta":{"version":"W/\"1\"","created":"2026-01-02T03:04:05Z"}}`, string(both))
		require.Nil(t, u.Resource(scim.TopLevel).Get("urn:celonis:params:scim:schemas:extension:2.0:User"))
		require.Nil(t, u.Resource(scim.UnderURN).Get("role"))
		require.Contains(t, u.Shown(), "groups")
	}
	var g scim.Group
	require.NoError(t, json.Unmarshal([]byte(`{"id":"1","displayName":"G","members":["u1",{"value":"u2","type":"User"}],"role":"MEMBER","x":1}`), &g))
	require.Equal(t, []scim.Member{{Value: "u1"}, {Value: "u2", Type: "User"}}, g.Members)
	text, err := json.Marshal(g)
	require.NoError(t, err)
	require.Contains(t, string(text), `"x":1`)
	g.Members = nil
	require.NotContains(t, g.Resource(scim.Both), "members", "what was not told is not written")
	require.Error(t, json.Unmarshal([]byte(`[]`), &u0{}))
}

type u0 = scim.User

func TestProjections(t *testing.T) {
	t.Parallel()
	r := resource(t, person)
	for _, c := range []struct {
		only, without string
		want          string
	}{
		{"userName,name.familyName", "", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2819c223","userName":"bjensen@example.com","name":{"familyName":"O'Malley"}}`},
		{"emails.value,nothing", "", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2819c223","emails":[{"value":"bjensen@example.com"},{"value":"babs@jensen.org"}]}`},
		{"urn:celonis:params:scim:schemas:extension:2.0:User:role", "", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2819c223","urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ANALYST"}}`},
		{"role", "", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2819c223","urn:celonis:params:scim:schemas:extension:2.0:User":{"role":"ANALYST"}}`},
		{"", "id,schemas,externalId,userName,active,displayName,name.givenName,title,age,tags,emails,meta,urn:celonis:params:scim:schemas:extension:2.0:User,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2819c223","name":{"familyName":"O'Malley"}}`},
	} {
		p, err := scim.ParseProjection(words(c.only), words(c.without))
		require.NoError(t, err)
		text, err := json.Marshal(map[string]any(p.Of(r)))
		require.NoError(t, err)
		require.JSONEq(t, c.want, string(text))
	}
	_, err := scim.ParseProjection([]string{"a"}, []string{"b"})
	require.True(t, fault.Has(err, fault.ScimValue))
	_, err = scim.ParseProjection([]string{"a b"}, nil)
	require.True(t, fault.Has(err, fault.ScimValue))
}

func words(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func TestSort(t *testing.T) {
	t.Parallel()
	list := []scim.Resource{{"id": "1", "displayName": "b"}, {"id": "2"}, {"id": "3", "displayName": "A"}, {"id": "4", "displayName": "c"}}
	order := func() (ids string) {
		for _, r := range list {
			ids += r.Text("id")
		}
		return ids
	}
	require.NoError(t, scim.Sort(list, "displayName", false))
	require.Equal(t, "3142", order())
	require.NoError(t, scim.Sort(list, "displayName", true))
	require.Equal(t, "2413", order())
	require.True(t, fault.Has(scim.Sort(list, "a b", false), fault.ScimPath))
}

func TestVersions(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"7"`, scim.VersionOf(scim.Resource{"meta": map[string]any{"version": `"7"`}}))
	a, b := scim.VersionOf(resource(t, `{"id":"1","a":1}`)), scim.VersionOf(resource(t, `{"id":"1","a":2}`))
	require.NotEqual(t, a, b)
	require.Equal(t, a, scim.VersionOf(resource(t, `{"a":1,"id":"1","schemas":["x"],"meta":{"location":"y"}}`)))
	require.True(t, scim.VersionFits(a, []string{"x", strings.TrimPrefix(a, "W/")}))
	require.True(t, scim.VersionFits(a, []string{"*"}))
	require.False(t, scim.VersionFits(a, []string{b}))
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	a := resource(t, `{"id":"1","active":true,"urn:x:y":{"role":"A","z":1}}`)
	b := resource(t, `{"id":"1","ACTIVE":false,"name":{},"urn:x:y":{"role":"B","z":1}}`)
	require.Equal(t, []string{"active", "name", "role"}, scim.Differences(a, b))
	require.Empty(t, scim.Differences(a, a.Clone()))
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code][]any{
		fault.ScimUniqueness: {409, "uniqueness"}, fault.ScimTooMany: {400, "tooMany"}, fault.ScimSensitive: {403, "sensitive"}, fault.ScimNotFound: {404, ""},
		fault.RequestMalformed: {400, "invalidSyntax"}, fault.RequestInvalid: {400, "invalidValue"}, fault.RequestStale: {412, ""}, fault.RequestTooLarge: {413, ""},
		fault.AccessUnauthenticated: {401, ""}, fault.CelonisServer: {503, ""}, fault.CelonisRateLimited: {429, ""}, fault.CelonisUnauthorized: {502, ""}, fault.EgressUnreachable: {503, ""},
	} {
		e := scim.ErrorOf(fault.New(code, "why").WithHint("how"))
		require.Equal(t, want, []any{int(e.Status), e.ScimType}, code)
		require.Equal(t, "why; how", e.Detail)
	}
	text, err := json.Marshal(scim.Error{Schemas: []string{scim.URNError}, Status: 404, Detail: "d"})
	require.NoError(t, err)
	require.JSONEq(t, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"d"}`, string(text))
	for text, want := range map[string]scim.Status{`"404"`: 404, `404`: 404, `{"code":"201"}`: 201, `"x"`: 0} {
		var s scim.Status
		require.NoError(t, json.Unmarshal([]byte(text), &s))
		require.Equal(t, want, s)
	}
}

func TestSearchRequests(t *testing.T) {
	t.Parallel()
	q, err := scim.ReadSearch(resource(t, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"a pr","count":"7","startIndex":3,"attributes":["a"]}`))
	require.NoError(t, err)
	require.Equal(t, []any{"a pr", 7, 3, []string{"a"}}, []any{q.Filter, *q.Count, q.StartIndex, q.Attributes})
	q, err = scim.ReadSearch(scim.Resource{})
	require.NoError(t, err)
	require.Nil(t, q.Count)
	for _, body := range []string{`{"count":1.5}`, `{"startIndex":true}`} {
		_, err = scim.ReadSearch(resource(t, body))
		require.True(t, fault.Has(err, fault.ScimValue), body)
	}
	_, err = scim.ReadSearch(resource(t, `{"schemas":["x"]}`))
	require.True(t, fault.Has(err, fault.ScimSyntax))
}

// The schemas say of themselves what RFC 7643 wants said.
func TestSchemasAreWhole(t *testing.T) {
	t.Parallel()
	var look func(list []scim.Attribute)
	look = func(list []scim.Attribute) {
		for _, a := range list {
			require.NotEmpty(t, a.Description, a.Name)
			require.NotEmpty(t, a.Mutability, a.Name)
			require.NotEmpty(t, a.Returned, a.Name)
			require.Equal(t, a.Type == "complex", len(a.SubAttributes) > 0, a.Name)
			require.Equal(t, a.Type == "reference", len(a.ReferenceTypes) > 0, a.Name)
			look(a.SubAttributes)
		}
	}
	urns := map[string]bool{}
	for _, s := range scim.Schemas() {
		urns[s.ID] = true
		look(s.Attributes)
	}
	for _, k := range scim.ResourceTypes() {
		require.True(t, urns[k.Schema])
		require.True(t, urns[k.SchemaExtensions[0].Schema])
	}
}
