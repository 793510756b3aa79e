package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// fillTeam gives a team users, and a group of each fifth of them.
func fillTeam(sim *apptest.Sim, users int) {
	groups := map[int][]any{}
	for i := range users {
		id := sim.AddSCIMUser(map[string]any{
			"userName": fmt.Sprintf("u%d@example.com", i), "displayName": fmt.Sprint("User ", i), "externalId": fmt.Sprint("X", i), "active": i%3 > 0,
			"role": []string{"MEMBER", "ANALYST"}[i%2], "name": map[string]any{"givenName": "Given", "familyName": fmt.Sprint("Family ", i)},
		})
		groups[i%5] = append(groups[i%5], map[string]any{"value": id})
	}
	for n := range 5 {
		sim.AddSCIMGroup(map[string]any{"displayName": fmt.Sprint("Group ", n), "externalId": fmt.Sprint("G", n), "members": groups[n]})
	}
	sim.AddSCIMGroup(map[string]any{"displayName": "Empty"})
}

func TestUsersAndGroupsBySCIMAsASource(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	fillTeam(sim, 230)
	sim.SetSCIM(func(o *celonissim.SCIM) { o.PageSize, o.Nested, o.Overlap = 50, true, 3 })
	s := begin(t, sim)
	pool := s.Connect("pool", sim)

	users := s.template("scim-users", pool)
	apptest.RequireWhole(t, s.Do(users), 230)
	table := sim.MustTable("SCIM_USERS")
	require.Equal(t, 230, table.Rows())
	for column, want := range map[string]string{
		"USER_NAME": "u7@example.com", "EMAIL": "u7@example.com", "DISPLAY_NAME": "User 7", "EXTERNAL_ID": "X7", "ACTIVE": "true", "ROLE": "ANALYST", "FAMILY_NAME": "Family 7",
	} {
		require.Contains(t, apptest.Column(table, column), want, column)
	}
	for _, created := range apptest.Column(table, "CREATED") {
		require.NotEmpty(t, created)
	}

	// Whoever is gone from Celonis is gone from the table.
	require.Equal(t, 230, len(sim.SCIMUsers()))
	apptest.RequireWhole(t, s.Do(s.template("scim-groups", pool)), 6)
	require.ElementsMatch(t, []string{"46", "46", "46", "46", "46", "0"}, apptest.Column(sim.MustTable("SCIM_GROUPS"), "MEMBER_COUNT"))
	apptest.RequireWhole(t, s.Do(s.template("scim-group-members", pool)), 230)
	require.Contains(t, apptest.Column(sim.MustTable("SCIM_GROUP_MEMBERS"), "MEMBER_NAME"), "User 229")

	// Without a mapping, with a filter, and the members of groups by expansion.
	flow := func(table string, export map[string]any) map[string]any {
		export["connectionId"] = pool
		return map[string]any{"name": table, "export": export, "import": map[string]any{"type": "dataPush", "connectionId": pool, "table": table}}
	}
	active := flow("ACTIVE", map[string]any{"type": "scimUsers", "filter": `active eq true and userName sw "u1"`})
	for _, filter := range []celonissim.SCIMFilter{celonissim.SCIMFilters, celonissim.SCIMFilterIgnored} {
		sim.SetSCIM(func(o *celonissim.SCIM) { o.Filter = filter })
		active["name"] = "active " + string(filter)
		apptest.RequireWhole(t, s.Do(s.Flow(active)), 75)
		columns := sim.MustTable("ACTIVE").Columns()
		kinds := map[string]string{}
		for _, c := range columns {
			kinds[c.Name] = c.Type.String()
		}
		require.Equal(t, "BOOLEAN", kinds["active"])
		require.Equal(t, "DATETIME", kinds["created"])
	}
	expanded := flow("EXPANDED", map[string]any{"type": "scimGroups", "filter": "members pr"})
	expanded["expand"], expanded["expandEmpty"] = "/members", "drop"
	expanded["mapping"] = []map[string]any{{"to": "GROUP", "from": "displayName"}, {"to": "WHO", "from": "/members/display"}}
	require.Equal(t, "succeeded", s.Do(s.Flow(expanded)).State)
	require.Contains(t, apptest.Column(sim.MustTable("EXPANDED"), "WHO"), "User 229")
	require.Equal(t, 230, sim.MustTable("EXPANDED").Rows())

	// A look at what would come.
	look, _ := s.preview("/v1/flows/"+users+"/preview", map[string]any{"limit": 5})
	require.True(t, look.OK)
	require.Len(t, look.Mapped.Rows, 5)
	require.Equal(t, "scimUsers", look.Request.Exchanges[0].Kind)
	require.Equal(t, 5, look.Request.Exchanges[0].Records)

	refused := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", flow("BAD", map[string]any{"type": "scimUsers", "filter": "active xx true"}))
	require.Equal(t, "/export/filter", refused.Errors[0].Pointer)
	s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", flow("BAD", map[string]any{"type": "scimUsers", "members": true}))
	s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", flow("BAD", map[string]any{"type": "members", "attributes": []string{"id"}}))

	sim.SetSCIM(func(o *celonissim.SCIM) { *o = celonissim.SCIM{JIT: true} })
	run := s.Do(users)
	require.Equal(t, "failed", run.State)
	require.Equal(t, "celonis.scim_off", run.Error.Code)
	require.Contains(t, run.Error.Hint, "just-in-time")
}

func TestSCIMByOAuth(t *testing.T) {
	t.Parallel()
	const scope = "user-provisioning.scim"
	sim := apptest.NewSim(t)
	fillTeam(sim, 20)
	s := begin(t, sim)
	pool := s.Connect("pool", sim)
	client := sim.AddOAuthClient(celonissim.OAuthClient{
		Name: "people", Scopes: []string{scope, modelScope}, Permissions: celonissim.Credential{Intelligence: true, UserProvisioning: true},
	})
	stored := s.oauthClient("people", sim, client)
	connect := func(name string, scopes ...string) oauthConnection {
		return s.connectByOAuth(byOAuth(sim, name, stored, map[string]any{"apiType": "intelligence", "poolId": nil, "scopes": scopes}))
	}
	team := connect("team", scope)
	var tested struct {
		OK    bool
		Steps []struct{ Step, Code string }
	}
	s.Call(http.StatusOK, "POST", "/v1/connections/"+team.ID+"/test", nil, &tested)
	require.True(t, tested.OK, "%+v", tested)
	require.Equal(t, "scim", tested.Steps[len(tested.Steps)-1].Step)

	flowOf := func(name, connection string) map[string]any {
		return map[string]any{
			"name": name, "export": map[string]any{"type": "scimUsers", "connectionId": connection, "attributes": []string{"userName", "active"}},
			"import": map[string]any{"type": "dataPush", "connectionId": pool, "table": "PEOPLE"},
		}
	}
	apptest.RequireWhole(t, s.Do(s.Flow(flowOf("people", team.ID))), 20)
	names := []string{}
	for _, c := range sim.MustTable("PEOPLE").Columns() {
		names = append(names, c.Name)
	}
	require.ElementsMatch(t, []string{"id", "userName", "active", "email"}, names)

	without := connect("without", modelScope)
	run := s.Await(s.Start(s.Flow(flowOf("without", without.ID))).ID, func(r apptest.Run) bool { return r.State == "waiting" && r.Error != nil })
	require.Equal(t, "connection.offline", run.ErrorCode())
	require.Contains(t, run.Error.Hint, scope)

	sim.SetSCIM(func(o *celonissim.SCIM) { o.Off = true })
	s.Call(http.StatusOK, "POST", "/v1/connections/"+team.ID+"/test", nil, &tested)
	require.False(t, tested.OK)
	require.Equal(t, "celonis.scim_off", tested.Steps[len(tested.Steps)-1].Code)
}

// TestSCIMListThatIsWrittenTo: who comes while the list is read is read with the next reading.
func TestSCIMListThatIsWrittenTo(t *testing.T) {
	t.Parallel()
	var sim *apptest.Sim
	sim = apptest.NewSim(t, func(o *celonissim.Options) {
		pass := o.OnRequest
		o.OnRequest = func(r celonissim.Request) {
			if r.Route == "scim.users.list" && r.N == 3 {
				sim.AddSCIMUser(map[string]any{"userName": "late@example.com"})
			}
			pass(r)
		}
	})
	fillTeam(sim, 40)
	sim.SetSCIM(func(o *celonissim.SCIM) { o.PageSize = 10 })
	s := begin(t, sim)
	apptest.RequireWhole(t, s.Do(s.template("scim-users", s.Connect("pool", sim))), 41)
	require.Contains(t, apptest.Column(sim.MustTable("SCIM_USERS"), "USER_NAME"), "late@example.com")
	require.Greater(t, sim.Counts()["scim.users.list"].Requests, int64(9), "it was read twice")
}
