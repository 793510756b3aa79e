package celonis_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// TestSCIM holds the client against every way in which the server may behave.
func TestSCIM(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]celonissim.SCIM{
		"as documented":    {BulkOperations: 5},
		"as the rfc":       {Patch: true, ETags: true, CreateStatus: 201, Nested: true, BulkOperations: 5},
		"patch":            {Patch: true, BulkBytes: 2000},
		"versions":         {ETags: true, PageSize: 7},
		"created 204":      {CreateStatus: 204, PageSize: 6, Page: 4},
		"texts":            {FlagText: true, Nested: true, PlainJSON: true, TotalOff: 0},
		"patch denied":     {PatchPromised: true},
		"patch hidden":     {Patch: true, PatchHidden: true},
		"pages overlap":    {PageSize: 5, Overlap: 2},
		"start ignored":    {PageSize: 500, StartIgnored: true},
		"reads top":        {ReadsTop: true},
		"reads nested":     {ReadsNested: true},
		"duplicate is 400": {DuplicateStatus: 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, api := startTeam(t, o)
			exerciseSCIM(t, api)
		})
	}
}

func TestSCIMRolesAreFoundWhereverTheServerLooks(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]celonissim.SCIM{
		"both": {}, "top": {ReadsTop: true}, "nested": {ReadsNested: true}, "top, answered nested": {ReadsTop: true, Nested: true, FlagText: true},
		"nested, answered top": {ReadsNested: true}, "patch": {Patch: true, Nested: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, api := startTeam(t, o)
			u := named("ann@example.com")
			u.Role, u.SendEmailOnInvitation = scim.RoleAnalyst, pointer(false)
			u, err := api.Users.Create(t.Context(), u)
			require.NoError(t, err)
			require.Equal(t, scim.RoleAnalyst, u.Role)
			require.Equal(t, celonissim.SCIMPerson{Creates: 1, Invitations: 1}, s.SCIMPerson("ann@example.com"))
			u, changed, err := api.Users.Update(t.Context(), u.ID, func(u *scim.User) error { u.Role = scim.RoleAdmin; return nil })
			require.NoError(t, err)
			require.True(t, changed)
			require.Equal(t, scim.RoleAdmin, u.Role)
			_, changed, err = api.Users.Update(t.Context(), u.ID, func(u *scim.User) error {
				u.Role, u.SendEmailOnInvitation = scim.RoleAdmin, pointer(true)
				return nil
			})
			require.NoError(t, err)
			require.False(t, changed, "an invitation is of a create only")
		})
	}
}

// TestSCIMListsWhoseTotalsLie holds lists against everything that paging can get wrong.
func TestSCIMListsWhoseTotalsLie(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]celonissim.SCIM{
		"too many": {PageSize: 10, TotalOff: 7}, "too few": {PageSize: 10, TotalOff: -17}, "as many as a page": {PageSize: 10, TotalOff: -15, NoDiscovery: true},
		"none": {PageSize: 10, TotalOff: -25}, "fewer than asked for": {PageSize: 10, Page: 3, NoDiscovery: true}, "overlap": {PageSize: 10, Overlap: 9},
		"start ignored, one page": {StartIgnored: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, api := startTeam(t, o)
			for i := range 25 {
				s.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("u%d@example.com", i)})
			}
			seen := map[string]bool{}
			for _, u := range collect(t, api.Users, scim.SearchRequest{}) {
				require.False(t, seen[u.ID])
				seen[u.ID] = true
			}
			require.Len(t, seen, 25)
		})
	}
	s, api := startTeam(t, celonissim.SCIM{PageSize: 10, StartIgnored: true})
	for i := range 25 {
		s.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("u%d@example.com", i)})
	}
	_, err := api.Users.Read(t.Context(), scim.SearchRequest{}, func(scim.User) error { return nil })
	requireCode(t, fault.SourceCursorLoop, err)
}

func TestSCIMLookUpsWithoutFilters(t *testing.T) {
	t.Parallel()
	for _, filter := range []celonissim.SCIMFilter{celonissim.SCIMFilterIgnored, celonissim.SCIMFilterRefused} {
		s, api := startTeam(t, celonissim.SCIM{Filter: filter, PageSize: 10})
		for i := range 25 {
			s.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("u%d@example.com", i), "externalId": fmt.Sprint("X", i%5)})
		}
		u, there, err := api.Users.ByName(t.Context(), "U21@example.com")
		require.NoError(t, err)
		require.True(t, there)
		require.Equal(t, "u21@example.com", u.UserName)
		found, err := api.Users.ByExternalID(t.Context(), "X3")
		require.NoError(t, err)
		require.Len(t, found, 5)
		_, there, err = api.Users.ByName(t.Context(), "nobody@example.com")
		require.NoError(t, err)
		require.False(t, there)
	}
}

// TestSCIMLostAnswersInviteNobodyTwice cuts the connection behind every create.
func TestSCIMLostAnswersInviteNobodyTwice(t *testing.T) {
	t.Parallel()
	s, api := startTeam(t, celonissim.SCIM{})
	s.AddFault(celonissim.Fault{Route: "scim.users.create", Cut: celonissim.CutBeforeAnswer, Times: 1})
	s.AddFault(celonissim.Fault{Route: "scim.users.create", Cut: celonissim.CutMidAnswer, Skip: 1, Times: 1})
	for i := range 3 {
		u, err := api.Users.Create(t.Context(), named(fmt.Sprintf("u%d@example.com", i)))
		require.NoError(t, err)
		require.NotEmpty(t, u.ID)
		require.Equal(t, celonissim.SCIMPerson{Creates: 1, Invitations: 1, Mails: 1}, s.SCIMPerson(u.UserName))
	}
	// Not done, and not answered: it is done once more.
	s.AddFault(celonissim.Fault{Route: "scim.users.create", Cut: celonissim.CutMidBody, Times: 1})
	s.AddFault(celonissim.Fault{Route: "scim.users.create", Status: 500, Skip: 1, Times: 1})
	_, err := api.Users.Create(t.Context(), named("late@example.com"))
	require.NoError(t, err)
	require.Equal(t, 1, s.SCIMPerson("late@example.com").Creates)
	// Done, not answered, and nothing tells: a later call finds it.
	s.AddFault(celonissim.Fault{Route: "scim.users.create", Cut: celonissim.CutBeforeAnswer, Times: 1})
	s.AddFault(celonissim.Fault{Route: "scim.users.list", Status: 500})
	_, err = api.Users.Create(t.Context(), named("doubt@example.com"))
	requireCode(t, fault.CelonisInDoubt, err)
	require.Equal(t, fault.Later, fault.RetryOf(err))
	s.ClearFaults()
	_, there, err := api.Users.ByName(t.Context(), "doubt@example.com")
	require.NoError(t, err)
	require.True(t, there)

	// Writes over what is there may come twice.
	u, _, err := api.Users.ByName(t.Context(), "late@example.com")
	require.NoError(t, err)
	s.SetSCIM(func(o *celonissim.SCIM) { o.ETags = true })
	for _, route := range []string{"scim.users.replace", "scim.users.delete"} {
		s.AddFault(celonissim.Fault{Route: route, Cut: celonissim.CutBeforeAnswer, Times: 1})
	}
	u, err = api.Users.Get(t.Context(), u.ID)
	require.NoError(t, err)
	u.DisplayName = "Written once"
	u, err = api.Users.Replace(t.Context(), u)
	require.NoError(t, err)
	require.Equal(t, `W/"2"`, u.Meta.Version)
	require.NoError(t, api.Users.Delete(t.Context(), u.ID))
}

func TestSCIMRefusals(t *testing.T) {
	t.Parallel()
	for _, body := range []celonissim.BodyFamily{"", celonissim.BodyProblem, celonissim.BodyValidation, celonissim.BodyFrontend, celonissim.BodyText} {
		t.Run(string(body), func(t *testing.T) {
			t.Parallel()
			s, api := startTeam(t, celonissim.SCIM{ErrorBody: body, Licenses: 1})
			ctx := t.Context()
			u, err := api.Users.Create(ctx, named("ann@example.com"))
			require.NoError(t, err)
			_, err = api.Users.Create(ctx, named("bob@example.com"))
			requireCode(t, fault.CelonisLicenses, err)
			require.Equal(t, fault.Wait, fault.RetryOf(err))
			require.Greater(t, fault.From(err).ResumeAt, time.Now())
			require.Contains(t, fault.From(err).Hint, "license")
			_, err = api.Users.Create(ctx, named("ann@example.com"))
			requireCode(t, fault.CelonisNotUnique, err)
			_, _, err = api.Users.Update(ctx, u.ID, func(u *scim.User) error { u.UserName = "ann@example.org"; return nil })
			requireCode(t, fault.CelonisMailFixed, err)
			require.Contains(t, fault.From(err).Hint, "deactivate")
			_, err = api.Users.Create(ctx, scim.User{UserName: "bob@example.com", DisplayName: strings.Repeat("x", 101), Active: pointer(false)})
			requireCode(t, fault.CelonisRejected, err)
			require.Contains(t, fault.From(err).Message, "100")

			s.SetSCIM(func(o *celonissim.SCIM) { o.JIT = true })
			requireCode(t, fault.CelonisSCIMOff, api.Probe(ctx))
			require.Contains(t, fault.From(api.Probe(ctx)).Hint, "just-in-time")
			s.SetSCIM(func(o *celonissim.SCIM) { o.JIT, o.Off = false, true })
			requireCode(t, fault.CelonisSCIMOff, api.Probe(ctx))
			s.SetSCIM(func(o *celonissim.SCIM) { o.ErrorBody = celonissim.BodyEmpty })
			requireCode(t, fault.CelonisSCIMOff, api.Probe(ctx))
		})
	}
}

func TestSCIMPermissions(t *testing.T) {
	t.Parallel()
	s, _ := startTeam(t, celonissim.SCIM{})
	ask := func(target connections.Target) error {
		return newClient(t, celonis.Config{Target: target, Transport: s.transport}).SCIM().Probe(t.Context())
	}
	to := target(s.base)
	to.AuthType, to.Key = connections.Token, crypto.NewSecret(apiKey)
	err := ask(to)
	requireCode(t, fault.CelonisForbidden, err)
	require.Contains(t, fault.From(err).Hint, "User Provisioning")

	registered := s.AddOAuthClient(celonissim.OAuthClient{Scopes: celonissim.PlatformScopes(), Permissions: celonissim.Credential{UserProvisioning: true}})
	to = connections.Target{BaseURL: s.base, APIType: connections.Intelligence, AuthType: connections.OAuth2, OAuth: &connections.OAuthTarget{
		ClientID: registered.ID, ClientSecret: crypto.NewSecret(registered.Secret), AuthMethod: connections.ClientSecretBasic,
		Grant: connections.ClientCredentials, Scopes: []string{"user-provisioning.scim"}, ValidOrigins: []string{s.base},
	}}
	require.NoError(t, ask(to))
	to.OAuth.Scopes = []string{"studio"}
	err = ask(to)
	requireCode(t, fault.CelonisForbidden, err)
	require.Contains(t, fault.From(err).Hint, "user-provisioning.scim")
}

// TestSCIMOthersWriteMeanwhile has somebody else write between a reading and a writing.
func TestSCIMOthersWriteMeanwhile(t *testing.T) {
	t.Parallel()
	for _, patch := range []bool{true, false} {
		s, api := startTeam(t, celonissim.SCIM{ETags: true, Patch: patch})
		ctx := t.Context()
		u, err := api.Users.Create(ctx, named("ann@example.com"))
		require.NoError(t, err)
		other := newClient(t, celonis.Config{Target: target(s.base), Transport: s.transport}).SCIM()
		interfere := 1
		u, changed, err := api.Users.UpdateFrom(ctx, u, func(u *scim.User) error {
			if interfere > 0 {
				interfere--
				_, _, err := other.Users.Update(ctx, u.ID, func(u *scim.User) error { u.Role = scim.RoleAdmin; return nil })
				require.NoError(t, err)
			}
			u.DisplayName = "Ours"
			return nil
		})
		require.NoError(t, err)
		require.True(t, changed)
		require.Equal(t, scim.RoleAdmin, u.Role, "what the other wrote stays")
		require.Equal(t, "Ours", u.DisplayName)
		_, _, err = api.Users.UpdateFrom(ctx, u, func(mine *scim.User) error {
			_, _, err := other.Users.Update(ctx, mine.ID, func(u *scim.User) error { u.ExternalID += "x"; return nil })
			require.NoError(t, err)
			mine.DisplayName += "!"
			return nil
		})
		requireCode(t, fault.CelonisStale, err)
	}
}

func TestSCIMRates(t *testing.T) {
	t.Parallel()
	s, api := startTeam(t, celonissim.SCIM{})
	s.AddFault(celonissim.Fault{Route: "scim.users.create", Status: 429, Headers: celonissim.RateRetryAfter, Wait: time.Hour, Times: 1})
	_, err := api.Users.Create(t.Context(), named("ann@example.com"))
	requireCode(t, fault.CelonisRateLimited, err)
	require.Equal(t, fault.Wait, fault.RetryOf(err))
	require.Zero(t, s.SCIMPerson("ann@example.com").Creates)
	_, err = api.Users.Create(t.Context(), named("ann@example.com"))
	require.NoError(t, err)
}

// TestSCIMAnswersThatAreNone gives the client answers of a server that is none.
func TestSCIMAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]fault.Code{
		`<html>hello</html>`: fault.CelonisAnswer,
		`{"totalResults":"2","Resources":[{"userName":"x"}]}`: fault.CelonisAnswer,
		`{"hello":1}`: fault.CelonisAnswer,
		`[]`:          fault.CelonisAnswer,
		`{"totalResults":1,"Resources":[{"id":"1","ID":"2"}]}`: fault.CelonisAnswer,
		`{"totalResults":"0"}`:                                 "",
	} {
		c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, "AppKey "+appKey, r.Header.Get("Authorization"))
			require.True(t, strings.HasPrefix(r.Header.Get("Accept"), scim.MediaType))
			if strings.HasSuffix(r.URL.Path, "ServiceProviderConfig") {
				return answer(r, 404, "", ""), nil
			}
			return answer(r, 200, "application/scim+json", body), nil
		})})
		_, err := c.SCIM().Users.Read(t.Context(), scim.SearchRequest{}, func(scim.User) error { return nil })
		require.Equal(t, code, fault.CodeOf(err), "%s: %v", body, err)
	}
}

// TestSCIMPlacesOfWhatCelonisAdds has a server refuse what it does not know.
func TestSCIMPlacesOfWhatCelonisAdds(t *testing.T) {
	t.Parallel()
	var bodies []string
	c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, scim.MediaType, r.Header.Get("Content-Type"))
		bodies = append(bodies, string(text))
		if strings.Contains(string(text), `"`+scim.URNCelonisUser+`":`) {
			return answer(r, 400, "application/scim+json", `{"schemas":["`+scim.URNError+`"],"status":"400","scimType":"invalidSyntax","detail":"Unrecognized field urn:celonis"}`), nil
		}
		return answer(r, 201, "application/scim+json", `{"id":"1","userName":"a@b.c"}`), nil
	})})
	api := c.SCIM()
	for range 2 {
		_, err := api.Users.Create(t.Context(), scim.User{UserName: "a@b.c", Role: scim.RoleAdmin})
		require.NoError(t, err)
	}
	require.Len(t, bodies, 4, "what was learned stays learned")
	require.Contains(t, bodies[3], `"role":"ADMIN"`)
}

// TestSCIMTenThousandUsers reads as many users as a large team has.
func TestSCIMTenThousandUsers(t *testing.T) {
	t.Parallel()
	s, api := startTeam(t, celonissim.SCIM{})
	var members []any
	for i := range 10_000 {
		id := s.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("u%d@example.com", i), "displayName": "Name", "externalId": fmt.Sprint(i)})
		members = append(members, map[string]any{"value": id})
	}
	s.AddSCIMGroup(map[string]any{"displayName": "Everybody", "members": members})
	require.Len(t, collect(t, api.Users, scim.SearchRequest{}), 10_000)
	require.EqualValues(t, 21, s.Counts()["scim.users.list"].Requests)
	groups := collect(t, api.Groups, scim.SearchRequest{})
	require.Len(t, groups[0].Members, 10_000)
	require.Empty(t, s.SCIMWrites())
}

// TestSCIMInAConnectionTest: who asks for the scope hears whether the API is there.
func TestSCIMInAConnectionTest(t *testing.T) {
	t.Parallel()
	s := startOAuth(t, func(o *celonissim.Options) {
		o.Teams[0].OAuthClients[0].Scopes = celonissim.PlatformScopes()
		o.Teams[0].OAuthClients[0].Permissions.UserProvisioning = true
	})
	asks := func(o *connections.OAuthTarget) { o.Scopes = append(o.Scopes, "user-provisioning.scim") }
	require.Empty(t, step(s.test(), "scim").Step)
	r := s.test(asks)
	require.True(t, r.OK, "%+v", r.Steps)
	require.True(t, step(r, "scim").OK)
	s.SetSCIM(func(o *celonissim.SCIM) { o.Off = true })
	r = s.test(asks)
	require.False(t, r.OK)
	require.Equal(t, fault.CelonisSCIMOff, step(r, "scim").Code)
	require.Contains(t, step(r, "scim").Hint, "switch SCIM on")
}

func TestSCIMWhereThereIsNone(t *testing.T) {
	t.Parallel()
	_, api := startTeam(t, celonissim.SCIM{Off: true, OffStatus: 404, ErrorBody: celonissim.BodyEmpty})
	requireCode(t, fault.CelonisSCIMOff, api.Probe(t.Context()))
	_, err := api.Users.Create(t.Context(), named("ann@example.com"))
	requireCode(t, fault.CelonisSCIMOff, err)
	_, _, err = api.Groups.ByName(t.Context(), "G")
	requireCode(t, fault.CelonisSCIMOff, err)
}

// TestSCIMAtOnce calls everything at the same time, for the race detector.
func TestSCIMAtOnce(t *testing.T) {
	t.Parallel()
	s, api := startTeam(t, celonissim.SCIM{FlagText: true, Filter: celonissim.SCIMFilterIgnored, PageSize: 10})
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			ctx := t.Context()
			u, err := api.Users.Create(ctx, named(fmt.Sprintf("u%d@example.com", i)))
			assert.NoError(t, err)
			_, there, err := api.Users.ByName(ctx, u.UserName)
			assert.NoError(t, err)
			assert.True(t, there)
			g, err := api.Groups.Create(ctx, scim.Group{DisplayName: fmt.Sprint(i), Members: []scim.Member{{Value: u.ID}}})
			assert.NoError(t, err)
			_, changed, err := api.Groups.UpdateFrom(ctx, g, func(g *scim.Group) error { g.Role = scim.RoleAdmin; return nil })
			assert.NoError(t, err)
			assert.True(t, changed)
			_, err = api.Users.Search(ctx, scim.SearchRequest{Filter: "active pr"})
			assert.NoError(t, err)
			_, err = api.Bulk(ctx, []scim.BulkOperation{{Method: "DELETE", Path: "/Users/" + u.ID}}, 0)
			assert.NoError(t, err)
			assert.NotNil(t, s.SCIMPersons())
		})
	}
	wait.Wait()
	require.Empty(t, s.SCIMUsers())
	require.Equal(t, map[string]int64{"POST User": 8, "POST Group": 8, "PUT Group": 8, "DELETE User": 8}, s.SCIMWrites())
}

// TestSCIMPatchesThatAreRefused: what PATCH does not take is written as a whole.
func TestSCIMPatchesThatAreRefused(t *testing.T) {
	t.Parallel()
	s, api := startTeam(t, celonissim.SCIM{Patch: true})
	ctx := t.Context()
	u, err := api.Users.Create(ctx, named("ann@example.com"))
	require.NoError(t, err)
	_, _, err = api.Users.UpdateFrom(ctx, u, func(u *scim.User) error {
		u.DisplayName, u.Extra = "Ann", scim.Resource{"nickName": "Annie"}
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 1, s.SCIMWrites()["PATCH User"])
	require.EqualValues(t, 1, s.SCIMWrites()["PUT User"])
	require.Equal(t, "Ann", s.SCIMUsers()[0]["displayName"])

	// Somebody who is gone stays gone.
	require.NoError(t, api.Users.Delete(ctx, u.ID))
	_, _, err = api.Users.UpdateFrom(ctx, u, func(u *scim.User) error { u.DisplayName = "Nobody"; return nil })
	requireCode(t, fault.CelonisNotFound, err)
}

func TestSCIMLostCreatesOfANameThatAnotherHas(t *testing.T) {
	t.Parallel()
	s, api := startTeam(t, celonissim.SCIM{})
	s.AddSCIMUser(map[string]any{"userName": "ann@example.com", "externalId": "another"})
	s.AddFault(celonissim.Fault{Route: "scim.users.create", Cut: celonissim.CutBeforeAnswer, Times: 1})
	_, err := api.Users.Create(t.Context(), named("ann@example.com"))
	requireCode(t, fault.CelonisNotUnique, err)
}

// TestSCIMMembersThatWereNotTold: a group that was read without its members gets exactly those that are wanted.
func TestSCIMMembersThatWereNotTold(t *testing.T) {
	t.Parallel()
	for _, patch := range []bool{true, false} {
		s, api := startTeam(t, celonissim.SCIM{Patch: patch})
		ctx := t.Context()
		var ids []string
		for i := range 3 {
			ids = append(ids, s.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("u%d@example.com", i)}))
		}
		_, err := api.Groups.Create(ctx, scim.Group{DisplayName: "G", Members: []scim.Member{{Value: ids[0]}, {Value: ids[1]}}})
		require.NoError(t, err)
		list := collect(t, api.Groups, scim.SearchRequest{ExcludedAttributes: []string{"members"}})
		require.Nil(t, list[0].Members)
		now, changed, err := api.Groups.UpdateFrom(ctx, list[0], func(g *scim.Group) error {
			g.Members = []scim.Member{{Value: ids[1]}, {Value: ids[2]}}
			return nil
		})
		require.NoError(t, err)
		require.True(t, changed)
		require.ElementsMatch(t, ids[1:], memberIDs(now))
	}
}
