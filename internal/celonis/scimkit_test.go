package celonis_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// startTeam starts a simulator whose keys may provision users, and its SCIM API.
func startTeam(t testing.TB, o celonissim.SCIM) (*sim, *celonis.SCIM) {
	t.Helper()
	s := startSim(t, func(opts *celonissim.Options) {
		opts.Teams[0].SCIM = o
		opts.Teams[0].Credentials[0].UserProvisioning = true
	})
	return s, s.client.SCIM()
}

func pointer[T any](v T) *T { return &v }

func named(name string) scim.User {
	return scim.User{UserName: name, DisplayName: "Name of " + name, ExternalID: "x-" + name}
}

// collect goes through a list.
func collect[T scim.User | scim.Group](t testing.TB, from *celonis.SCIMResources[T], q scim.SearchRequest) []T {
	t.Helper()
	var out []T
	for one, err := range from.All(t.Context(), q) {
		require.NoError(t, err)
		out = append(out, one)
	}
	return out
}

// exerciseSCIM does to a server, which must be empty, all that the client can
// do, by whatever that server has. It leaves it empty.
func exerciseSCIM(t *testing.T, api *celonis.SCIM) {
	t.Helper()
	exerciseDiscovery(t, api)
	users := exerciseUsers(t, api)
	exerciseLists(t, api, users)
	exerciseUpdates(t, api, users[0])
	exerciseGroups(t, api, users)
	exerciseBulk(t, api)
	for _, u := range collect(t, api.Users, scim.SearchRequest{}) {
		require.NoError(t, api.Users.Delete(t.Context(), u.ID))
	}
	requireCode(t, fault.CelonisNotFound, api.Users.Delete(t.Context(), users[0].ID))
	require.Empty(t, collect(t, api.Users, scim.SearchRequest{}))
}

func requireCode(t testing.TB, code fault.Code, err error) {
	t.Helper()
	require.Equal(t, code, fault.CodeOf(err), "%v", err)
}

func exerciseDiscovery(t *testing.T, api *celonis.SCIM) {
	t.Helper()
	ctx := t.Context()
	config, err := api.Config(ctx)
	require.NoError(t, err)
	require.Positive(t, config.Filter.MaxResults)
	schemas, err := api.Schemas(ctx)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(schemas, func(s scim.Schema) bool { return s.ID == scim.URNGroup }))
	schema, err := api.Schema(ctx, scim.URNUser)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(schema.Attributes, func(a scim.Attribute) bool { return a.Name == "userName" && a.Required }))
	types, err := api.ResourceTypes(ctx)
	require.NoError(t, err)
	require.Len(t, types, 2)
	kind, err := api.ResourceType(ctx, "User")
	require.NoError(t, err)
	require.Equal(t, scim.URNUser, kind.Schema)
	_, err = api.ResourceType(ctx, "Car")
	requireCode(t, fault.CelonisNotFound, err)
	require.NoError(t, api.Probe(ctx))
}

func exerciseUsers(t *testing.T, api *celonis.SCIM) []scim.User {
	t.Helper()
	ctx := t.Context()
	var made []scim.User
	for i := range 20 {
		u, err := api.Users.Create(ctx, named(fmt.Sprintf("u%02d@example.com", i)))
		require.NoError(t, err)
		require.NotEmpty(t, u.ID)
		made = append(made, u)
	}
	_, err := api.Users.Create(ctx, named("u03@example.com"))
	requireCode(t, fault.CelonisNotUnique, err)
	_, err = api.Users.Create(ctx, scim.User{DisplayName: "Nobody"})
	requireCode(t, fault.CelonisRejected, err)
	require.Equal(t, "invalidValue", celonis.ScimType(err))

	u, err := api.Users.Get(ctx, made[4].ID)
	require.NoError(t, err)
	require.Equal(t, "u04@example.com", u.UserName)
	require.True(t, u.IsActive())
	require.False(t, u.Meta.Created.IsZero())
	u, err = api.Users.Get(ctx, made[4].ID, "displayName")
	require.NoError(t, err)
	require.Equal(t, "Name of u04@example.com", u.DisplayName)
	require.Empty(t, u.UserName)
	_, err = api.Users.Get(ctx, "no/such id")
	requireCode(t, fault.CelonisNotFound, err)

	u, there, err := api.Users.ByName(ctx, "u05@example.com")
	require.NoError(t, err)
	require.True(t, there)
	require.Equal(t, made[5].ID, u.ID)
	_, there, err = api.Users.ByName(ctx, `no "body" \ @example.com`)
	require.NoError(t, err)
	require.False(t, there)
	found, err := api.Users.ByExternalID(ctx, "x-u06@example.com")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, made[6].ID, found[0].ID)
	return made
}

func exerciseLists(t *testing.T, api *celonis.SCIM, made []scim.User) {
	t.Helper()
	ctx := t.Context()
	told, err := api.Users.Read(ctx, scim.SearchRequest{Count: pointer(3)}, func(scim.User) error { return nil })
	require.NoError(t, err)
	require.Equal(t, celonis.Told{Records: 20, Total: 20}, told)
	require.Len(t, collect(t, api.Users, scim.SearchRequest{}), len(made))
	require.Len(t, collect(t, api.Users, scim.SearchRequest{Filter: `userName sw "u1" and active pr`, Attributes: []string{"userName"}}), filtered(t, api, `userName sw "u1" and active pr`))
	require.Len(t, collect(t, api.Users, scim.SearchRequest{Filter: `userName sw "u1"`}), 10)
	page, err := api.Users.Search(ctx, scim.SearchRequest{Filter: `userName sw "u0"`, Count: pointer(2), SortBy: "userName", SortOrder: "descending"})
	require.NoError(t, err)
	require.Equal(t, 10, page.Total)
	require.Equal(t, []string{"u09@example.com", "u08@example.com"}, []string{page.Resources[0].UserName, page.Resources[1].UserName})
	_, err = api.Users.Page(ctx, scim.SearchRequest{Filter: `userName xx "u0"`})
	requireCode(t, fault.CelonisRejected, err)
	require.Equal(t, "invalidFilter", celonis.ScimType(err))
	for _, err := range api.Users.All(ctx, scim.SearchRequest{}) {
		require.NoError(t, err)
		break // whoever stops early leaves nothing behind
	}
}

// filtered counts by the first page's total.
func filtered(t *testing.T, api *celonis.SCIM, filter string) int {
	t.Helper()
	page, err := api.Users.Page(t.Context(), scim.SearchRequest{Filter: filter})
	require.NoError(t, err)
	return page.Total
}

func exerciseUpdates(t *testing.T, api *celonis.SCIM, one scim.User) {
	t.Helper()
	ctx := t.Context()
	rename := func(u *scim.User) error {
		u.DisplayName, u.Active, u.Name = "Renamed", pointer(false), &scim.Name{GivenName: "G", FamilyName: "F"}
		return nil
	}
	now, changed, err := api.Users.Update(ctx, one.ID, rename)
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, "Renamed", now.DisplayName)
	require.False(t, now.IsActive())
	require.Equal(t, one.ExternalID, now.ExternalID)
	_, changed, err = api.Users.Update(ctx, one.ID, rename)
	require.NoError(t, err)
	require.False(t, changed)
	now, changed, err = api.Users.UpdateFrom(ctx, now, func(u *scim.User) error { u.ExternalID, u.Active = "", pointer(true); return nil })
	require.NoError(t, err)
	require.True(t, changed)
	require.True(t, now.IsActive())
	require.Empty(t, now.ExternalID)
	require.Equal(t, "G", now.Name.GivenName)
	_, _, err = api.Users.Update(ctx, one.ID, func(*scim.User) error { return context.Canceled })
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = api.Users.Update(ctx, "nobody", rename)
	requireCode(t, fault.CelonisNotFound, err)

	now.DisplayName, now.ExternalID = "Replaced", one.ExternalID
	now, err = api.Users.Replace(ctx, now)
	require.NoError(t, err)
	require.Equal(t, "Replaced", now.DisplayName)
}

func exerciseGroups(t *testing.T, api *celonis.SCIM, users []scim.User) {
	t.Helper()
	ctx := t.Context()
	group, err := api.Groups.Create(ctx, scim.Group{DisplayName: "Analysts", ExternalID: "g1", Members: []scim.Member{{Value: users[1].ID}, {Value: users[2].ID}}})
	require.NoError(t, err)
	require.Len(t, group.Members, 2)
	_, err = api.Groups.Create(ctx, scim.Group{DisplayName: "Analysts"})
	requireCode(t, fault.CelonisNotUnique, err)
	move := func(g *scim.Group) error {
		g.Members = []scim.Member{{Value: users[2].ID}, {Value: users[3].ID}, {Value: users[4].ID}}
		return nil
	}
	group, changed, err := api.Groups.UpdateFrom(ctx, group, move)
	require.NoError(t, err)
	require.True(t, changed)
	require.ElementsMatch(t, []string{users[2].ID, users[3].ID, users[4].ID}, memberIDs(group))
	_, changed, err = api.Groups.Update(ctx, group.ID, move)
	require.NoError(t, err)
	require.False(t, changed)
	group, changed, err = api.Groups.Update(ctx, group.ID, func(g *scim.Group) error { g.Members, g.DisplayName = []scim.Member{}, "Nobody"; return nil })
	require.NoError(t, err)
	require.True(t, changed)
	require.Empty(t, group.Members)
	found, there, err := api.Groups.ByName(ctx, "Nobody")
	require.NoError(t, err)
	require.True(t, there)
	require.Equal(t, group.ID, found.ID)
	require.NoError(t, api.Groups.Delete(ctx, group.ID))
}

func memberIDs(g scim.Group) (ids []string) {
	for _, m := range g.Members {
		ids = append(ids, m.Value)
	}
	return ids
}

// exerciseBulk does more at once than one request may hold.
func exerciseBulk(t *testing.T, api *celonis.SCIM) {
	t.Helper()
	ctx := t.Context()
	var operations []scim.BulkOperation
	for i := range 6 {
		operations = append(operations, scim.BulkOperation{
			Method: "POST", Path: "/Users", BulkID: fmt.Sprintf("b%d", i), Data: named(fmt.Sprintf("bulk%d@example.com", i)).Resource(scim.UnderURN),
		})
	}
	group := scim.Group{DisplayName: "Bulk", Members: []scim.Member{{Value: "bulkId:b0"}, {Value: "bulkId:b5"}}}
	operations = append(operations, scim.BulkOperation{Method: "POST", Path: "/Groups", BulkID: "g", Data: group.Resource(scim.UnderURN)},
		scim.BulkOperation{Method: "POST", Path: "/Users", BulkID: "again", Data: named("bulk0@example.com").Resource(scim.UnderURN)})
	results, err := api.Bulk(ctx, operations, 0)
	require.NoError(t, err)
	require.Len(t, results, 8)
	for i, result := range results[:7] {
		require.Less(t, int(result.Status), 300, "%d: %s", i, result.Response)
	}
	require.GreaterOrEqual(t, int(results[7].Status), 400)
	made, there, err := api.Groups.ByName(ctx, "Bulk")
	require.NoError(t, err)
	require.True(t, there)
	require.Len(t, made.Members, 2)
	require.NoError(t, api.Groups.Delete(ctx, made.ID))
}
