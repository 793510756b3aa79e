package app_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

const patchOp = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`

// scimOperation is a write that waits, as the API shows it.
type scimOperation struct {
	ID, ResourceID, Operation, State string
	Attempts                         int
	Problem                          *struct{ Code, Message string }
}

func (s *service) scimOperations(connection string) []scimOperation {
	s.t.Helper()
	var page struct{ Items []scimOperation }
	s.Call(http.StatusOK, "GET", "/v1/connections/"+connection+"/scim-operations?limit=200", nil, &page)
	return page.Items
}

// away makes Celonis's SCIM API answer nothing but 503 until the fault is removed.
func away(sim *apptest.Sim) (fault string) {
	return sim.AddFault(celonissim.Fault{Path: "/scim/v2/", Status: http.StatusServiceUnavailable})
}

// waitingUser leaves a user that waits to be created, with the id that its provider knows and that of the operation.
func (s *service) waitingUser(sim *apptest.Sim, connection string) (user, operation string) {
	s.t.Helper()
	away(sim)
	p := s.provider(connection, entra)
	user = p.ask(http.StatusCreated, "POST", "/Users", `{"userName":"`+canary+`@example.com"}`)["id"].(string)
	operations := s.scimOperations(connection)
	require.Len(s.t, operations, 1)
	return user, operations[0].ID
}

// The requests of Okta's provisioning, in the shapes that its documentation
// shows, with a token of POST /oauth/token.
func TestOktaProvisionsThroughTheGateway(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	p := s.provider(s.Connect("directory", sim), "application/json")
	p.client.Token = s.Token

	page := p.ask(http.StatusOK, "GET", "/Users?filter="+url.QueryEscape(`userName eq "test.user@okta.local"`)+"&startIndex=1&count=100", "")
	require.EqualValues(t, 0, page["totalResults"])
	require.Equal(t, []any{}, page["Resources"])
	user := p.ask(http.StatusCreated, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},
		"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}`)
	id := user["id"].(string)
	require.NotContains(t, user, "password")
	require.NotContains(t, simUser(t, sim, "test.user@okta.local"), "password")
	require.Equal(t, "uniqueness", p.ask(http.StatusConflict, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"Test.User@okta.local"}`)["scimType"])

	// A whole user, as Okta sends for every change, with what Celonis does not have.
	got := p.ask(http.StatusOK, "GET", "/Users/"+id, "")
	got["name"].(map[string]any)["givenName"] = "Another"
	got["nickName"] = "x"
	text, err := json.Marshal(got)
	require.NoError(t, err)
	writes := sim.SCIMWrites()
	put := p.ask(http.StatusOK, "PUT", "/Users/"+id, string(text))
	require.Equal(t, "Another", put["name"].(map[string]any)["givenName"])
	p.ask(http.StatusOK, "PUT", "/Users/"+id, string(text))
	require.Equal(t, writes["PUT User"]+1, sim.SCIMWrites()["PUT User"], "the same again is no write")
	p.ask(http.StatusBadRequest, "PUT", "/Users/"+id, strings.ReplaceAll(string(text), "test.user@", "other.user@"))
	require.Equal(t, "mutability", p.ask(http.StatusBadRequest, "PUT", "/Users/"+id, strings.ReplaceAll(string(text), id, "another-id"))["scimType"])

	p.ask(http.StatusOK, "PATCH", "/Users/"+id, patchOp+`{"op":"replace","value":{"active":false}}]}`)
	require.Equal(t, false, simUser(t, sim, "test.user@okta.local")["active"])
	// A whole user without a word on it stays inactive.
	p.ask(http.StatusOK, "PUT", "/Users/"+id, `{"userName":"test.user@okta.local","displayName":"Test User"}`)
	require.Equal(t, false, simUser(t, sim, "test.user@okta.local")["active"])
	p.ask(http.StatusOK, "PATCH", "/Users/"+id, patchOp+`{"op":"replace","value":{"active":true}}]}`)

	group := p.ask(http.StatusCreated, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Test SCIMv2","members":[]}`)["id"].(string)
	p.ask(http.StatusOK, "PUT", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"`+group+`","displayName":"Test SCIMv2","members":[{"value":"`+id+`","display":"test.user@okta.local"}]}`)
	require.Equal(t, []string{id}, memberIDs(simGroup(t, sim, "Test SCIMv2")))
	p.ask(http.StatusOK, "PATCH", "/Groups/"+group, patchOp+`{"op":"replace","value":{"id":"`+group+`","displayName":"Test SCIMv2 renamed"}}]}`)
	require.Equal(t, []string{id}, memberIDs(simGroup(t, sim, "Test SCIMv2 renamed")))
	p.ask(http.StatusOK, "PATCH", "/Groups/"+group, patchOp+`{"op":"remove","path":"members[value eq \"`+id+`\"]"},{"op":"add","path":"members","value":[{"value":"`+id+`","display":"x"}]}]}`)
	p.ask(http.StatusOK, "PUT", "/Groups/"+group, `{"displayName":"Test SCIMv2 renamed","members":[]}`)
	require.Empty(t, memberIDs(simGroup(t, sim, "Test SCIMv2 renamed")))
	p.ask(http.StatusBadRequest, "PATCH", "/Groups/"+group, patchOp+`{"op":"add","path":"members","value":[{"value":"nobody"}]}]}`)
	p.ask(http.StatusNoContent, "DELETE", "/Groups/"+group, "")
	p.ask(http.StatusNotFound, "DELETE", "/Groups/"+group, "")
}

// Versions guard a write against one that came in between.
func TestWritesOfSCIMHeedVersions(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	p := s.provider(s.Connect("directory", sim), entra)
	id := p.ask(http.StatusCreated, "POST", "/Users", `{"userName":"ann@example.com","displayName":"Ann"}`)["id"].(string)
	a := p.client.Send("GET", p.base+"/Users/"+id, nil)
	tag := a.Header.Get("ETag")
	require.NotEmpty(t, tag)
	rename := func(name string) string {
		return patchOp + `{"op":"replace","path":"displayName","value":"` + name + `"}]}`
	}
	p.ask(http.StatusOK, "PATCH", "/Users/"+id, rename("Anna"), "If-Match", tag)
	p.ask(http.StatusPreconditionFailed, "PATCH", "/Users/"+id, rename("Anne"), "If-Match", tag)
	p.ask(http.StatusPreconditionFailed, "DELETE", "/Users/"+id, "", "If-Match", tag)
	p.ask(http.StatusOK, "PATCH", "/Users/"+id, rename("Anne"), "If-Match", "*")
	require.Equal(t, "Anne", simUser(t, sim, "ann@example.com")["displayName"])
}

// Listings are right whatever Celonis makes of filters, orders and pages.
func TestSCIMListings(t *testing.T) {
	t.Parallel()
	for name, fate := range map[string]celonissim.SCIMFilter{"filters": celonissim.SCIMFilters, "ignored": celonissim.SCIMFilterIgnored, "refused": celonissim.SCIMFilterRefused} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t, func(o *celonissim.Options) { o.Teams[0].SCIM.Filter, o.Teams[0].SCIM.PageSize = fate, 7 })
			s := begin(t, sim)
			p := s.provider(s.Connect("directory", sim), entra)
			for i := range 20 {
				sim.AddSCIMUser(map[string]any{"userName": "u" + string(rune('a'+i)) + "@example.com", "displayName": string(rune('t' - i)), "active": i%2 == 0})
			}
			names := func(query string) (list []string) {
				page := p.ask(http.StatusOK, "GET", "/Users?"+query, "")
				for _, r := range page["Resources"].([]any) {
					list = append(list, r.(map[string]any)["userName"].(string)[1:2])
				}
				return append(list, string(rune('0'+int(page["totalResults"].(float64))/10))+string(rune('0'+int(page["totalResults"].(float64))%10)))
			}
			require.Equal(t, []string{"t", "s", "r", "20"}, names("sortBy=displayName&count=3"))
			require.Equal(t, []string{"b", "c", "20"}, names("sortBy=userName&startIndex=2&count=2"))
			require.Equal(t, []string{"t", "20"}, names("sortBy=userName&sortOrder=descending&count=1"))
			require.Equal(t, []string{"20"}, names("count=0"))
			require.Equal(t, []string{"c", "01"}, names("filter="+url.QueryEscape(`userName eq "UC@example.com"`)))
			require.Equal(t, "10", names("count=5&filter=" + url.QueryEscape(`active eq true`))[5])
			most := names("count=100&filter=" + url.QueryEscape(`active eq true and not (userName sw "ua")`))
			require.Equal(t, "09", most[len(most)-1], "a page may be as short as Celonis's own")
			p.ask(http.StatusBadRequest, "GET", "/Users?filter=nonsense", "")
			found := p.ask(http.StatusOK, "POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"userName eq \"ua@example.com\"","attributes":["userName"]}`)
			require.NotContains(t, found["Resources"].([]any)[0], "displayName")
		})
	}
}

// Whatever is not valid is refused with the scimType of RFC 7644 and reaches nobody.
func TestInvalidSCIMRequestsAreRefused(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	p := s.provider(s.Connect("directory", sim), entra)
	id := p.ask(http.StatusCreated, "POST", "/Users", `{"userName":"ann@example.com"}`)["id"].(string)
	group := p.ask(http.StatusCreated, "POST", "/Groups", `{"displayName":"Buyers"}`)["id"].(string)
	writes := sim.SCIMWrites()
	for _, c := range []struct {
		status             int
		scimType           string
		method, path, body string
	}{
		{400, "invalidFilter", "GET", "/Users?filter=userName%20is%20ann", ""},
		{400, "invalidFilter", "GET", "/Groups?filter=(", ""},
		{400, "invalidPath", "GET", "/Users?sortBy=%20x%20y", ""},
		{400, "invalidValue", "GET", "/Users?count=x", ""},
		{400, "invalidSyntax", "POST", "/Users", `{"userName":`},
		{400, "invalidSyntax", "POST", "/Users", `["ann@example.com"]`},
		{400, "invalidSyntax", "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"displayName":"g"}`},
		{400, "invalidVers", "POST", "/Users", `{"schemas":["urn:scim:schemas:core:1.0"],"userName":"b@example.com"}`},
		{400, "invalidValue", "POST", "/Users", `{"displayName":"nobody"}`},
		{400, "invalidValue", "POST", "/Users", `{"userName":"no address"}`},
		{400, "invalidValue", "POST", "/Users", `{"userName":"b@example.com","role":"KING"}`},
		{400, "invalidValue", "POST", "/Groups", `{"displayName":"` + strings.Repeat("g", 101) + `"}`},
		{400, "invalidValue", "POST", "/Groups", `{"displayName":"g","members":[{"display":"x"}]}`},
		{400, "invalidValue", "PUT", "/Users/" + id, `{}`},
		{409, "uniqueness", "POST", "/Users", `{"userName":"ANN@example.com"}`},
		{409, "uniqueness", "POST", "/Groups", `{"displayName":"buyers"}`},
		{400, "mutability", "PUT", "/Users/" + id, `{"userName":"b@example.com"}`},
		{400, "mutability", "PATCH", "/Users/" + id, patchOp + `{"op":"remove","path":"userName"}]}`},
		{400, "mutability", "PATCH", "/Users/" + id, patchOp + `{"op":"add","path":"groups","value":[{"value":"x"}]}]}`},
		{400, "invalidPath", "PATCH", "/Users/" + id, patchOp + `{"op":"replace","path":"na me","value":"x"}]}`},
		{400, "invalidFilter", "PATCH", "/Groups/" + group, patchOp + `{"op":"remove","path":"members[value]"}]}`},
		{400, "noTarget", "PATCH", "/Groups/" + group, patchOp + `{"op":"remove"}]}`},
		{400, "noTarget", "PATCH", "/Groups/" + group, patchOp + `{"op":"replace","path":"members[value eq \"x\"].display","value":"x"}]}`},
		{400, "invalidSyntax", "PATCH", "/Groups/" + group, patchOp + `{"op":"copy","path":"members"}]}`},
		{400, "invalidValue", "PATCH", "/Users/" + id, patchOp + `{"op":"replace","path":"active","value":"sometimes"}]}`},
		{404, "", "PATCH", "/Users/nobody", patchOp + `{"op":"replace","path":"active","value":true}]}`},
		{404, "", "GET", "/Groups/" + id, ""},
		{404, "", "GET", "/Things", ""},
	} {
		e := p.ask(c.status, c.method, c.path, c.body)
		require.Equal(t, []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, e["schemas"])
		got, _ := e["scimType"].(string)
		require.Equal(t, c.scimType, got, "%s %s %s: %v", c.method, c.path, c.body, e["detail"])
		require.NotEmpty(t, e["detail"])
	}
	require.Equal(t, writes, sim.SCIMWrites(), "nothing of it reached Celonis")
}

// What Celonis refuses for good is kept, seen, and sent again or discarded.
func TestARefusedSCIMWriteIsKept(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("directory", sim)
	p := s.provider(connection, entra)
	bob := p.ask(http.StatusCreated, "POST", "/Users", `{"userName":"bob@example.com"}`)["id"].(string)
	sim.SetSCIM(func(o *celonissim.SCIM) { o.Licenses = 1 })
	down := away(sim)
	ann := p.ask(http.StatusCreated, "POST", "/Users", `{"userName":"ann@example.com","displayName":"Ann"}`)["id"].(string)
	p.ask(http.StatusOK, "PATCH", "/Users/"+ann, patchOp+`{"op":"replace","path":"displayName","value":"Anna"}]}`)
	p.ask(http.StatusNoContent, "PATCH", "/Users/"+bob, patchOp+`{"op":"replace","path":"userName","value":"robert@example.com"}]}`)
	s.Problem(http.StatusConflict, "DELETE", "/v1/connections/"+connection, nil)

	sim.RemoveFault(down)
	failed := map[string]scimOperation{}
	require.Eventually(t, func() bool {
		clear(failed)
		for _, o := range s.scimOperations(connection) {
			if o.State == "failed" {
				failed[o.ResourceID] = o
			}
		}
		return len(failed) == 2
	}, 20*time.Second, 20*time.Millisecond)
	require.Equal(t, "scim.mutability", failed[bob].Problem.Code)
	require.Contains(t, failed[ann].Problem.Message, "license")
	require.Len(t, s.scimOperations(connection), 3, "what follows a refused create waits")
	p.ask(http.StatusNotFound, "GET", "/Users/"+ann, "")

	sim.SetSCIM(func(o *celonissim.SCIM) { o.Licenses = 0 })
	s.Call(http.StatusOK, "POST", "/v1/scim-operations/"+failed[ann].ID+"/retry", nil, nil)
	s.Call(http.StatusNoContent, "DELETE", "/v1/scim-operations/"+failed[bob].ID, nil, nil)
	s.Problem(http.StatusNotFound, "GET", "/v1/scim-operations/"+failed[bob].ID, nil)
	p.settled(s)
	require.Equal(t, "Anna", simUser(t, sim, "ann@example.com")["displayName"])
	require.Empty(t, s.scimOperations(connection))

	told := map[string]int{}
	for _, e := range s.events("kind=scimUser") {
		require.NotContains(t, e.Name+strings.Join(e.Fields, " "), "example.com", "no values")
		verb, _, _ := strings.Cut(e.Name, " ")
		told[verb+" "+e.Action]++
	}
	require.Equal(t, map[string]int{
		"create created": 2, "create queued": 1, "patch queued": 2, "create refused": 1, "patch refused": 1, "create retried": 1, "patch discarded": 1, "patch updated": 1,
	}, told)
	s.verified()
	s.Call(http.StatusNoContent, "DELETE", "/v1/connections/"+connection, nil, nil)
}

// A create whose answer is lost, and a service that stops meanwhile, invite nobody twice.
func TestALostAnswerInvitesNobodyTwice(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	p := s.provider(s.Connect("directory", sim), entra)
	// Celonis makes the user, and then everything breaks.
	lost := sim.AddFault(celonissim.Fault{Path: "/scim/v2/Users", Method: http.MethodPost, Cut: celonissim.CutBeforeAnswer})
	later := sim.AddFault(celonissim.Fault{Path: "/scim/v2/", Method: http.MethodGet, Skip: 1, Status: http.StatusBadGateway})
	ann := p.ask(http.StatusCreated, "POST", "/Users", `{"userName":"ann@example.com","displayName":"Ann"}`)["id"].(string)
	p.ask(http.StatusOK, "PATCH", "/Users/"+ann, patchOp+`{"op":"replace","path":"displayName","value":"Anna"}]}`)
	require.Equal(t, 1, sim.SCIMPersons()["ann@example.com"].Invitations)

	s.stop()
	sim.RemoveFault(lost)
	sim.RemoveFault(later)
	s.restart()
	q := s.provider(p.connection, entra)
	q.settled(s)
	require.Equal(t, 1, sim.SCIMPersons()["ann@example.com"].Invitations)
	require.Equal(t, 1, sim.SCIMPersons()["ann@example.com"].Creates)
	made := simUser(t, sim, "ann@example.com")
	require.Equal(t, "Anna", made["displayName"])
	require.NotEqual(t, ann, made["id"])
	require.Equal(t, "Anna", q.ask(http.StatusOK, "GET", "/Users/"+ann, "")["displayName"])
	// Celonis's own id leads to the same, which is shown with the id that the provider knows.
	require.Equal(t, ann, q.ask(http.StatusOK, "GET", "/Users/"+made["id"].(string), "")["id"])
}

// auditSCIM calls the routes of the gateway that change something.
func auditSCIM(a *auditor) {
	const users, groups = "/scim/v2/{connectionId}/Users", "/scim/v2/{connectionId}/Groups"
	connection := a.Connect("directory", a.sim)
	user := map[string]any{"userName": "audited@example.com", "displayName": "a"}
	id := a.call("POST "+users, "created scimUser", user, connection).ID
	user["displayName"] = "b"
	a.call("PUT "+users+"/{id}", "updated scimUser", user, connection, id)
	renamed := []byte(patchOp + `{"op":"replace","path":"displayName","value":"c"}]}`)
	a.call("PATCH "+users+"/{id}", "updated scimUser", renamed, connection, id)
	group := a.call("POST "+groups, "created scimGroup", map[string]any{"displayName": "a"}, connection).ID
	a.call("PUT "+groups+"/{id}", "updated scimGroup", map[string]any{"displayName": "b"}, connection, group)
	a.call("PATCH "+groups+"/{id}", "updated scimGroup", renamed, connection, group)
	a.call("DELETE "+groups+"/{id}", "deleted scimGroup", nil, connection, group)

	down := away(a.sim)
	a.provider(connection, entra).ask(http.StatusNoContent, "PATCH", "/Users/"+id, patchOp+`{"op":"replace","path":"userName","value":"other@example.com"}]}`)
	a.sim.RemoveFault(down)
	refused := func() (o scimOperation) {
		require.Eventually(a.t, func() bool { o = a.scimOperations(connection)[0]; return o.State == "failed" }, 20*time.Second, 20*time.Millisecond)
		return o
	}
	a.call("POST /v1/scim-operations/{id}/retry", "retried scimUser", nil, refused().ID)
	a.call("DELETE /v1/scim-operations/{id}", "discarded scimUser", nil, refused().ID)
	a.call("DELETE "+users+"/{id}", "deleted scimUser", nil, connection, id)
}

// What waits is sealed, and about nobody for those who read the database.
func TestWhatWaitsIsSealed(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("directory", sim)
	user, operation := s.waitingUser(sim, connection)
	require.NotContains(t, s.log.String(), canary)
	a := s.Send("GET", "/v1/scim-operations/"+operation, nil)
	require.NotContains(t, string(a.Body), canary)
	usage, err := s.app.Store.KeyUsage(t.Context())
	require.NoError(t, err)
	kinds := map[string]int64{}
	for _, u := range usage {
		kinds[u.Kind] += u.Rows
	}
	require.EqualValues(t, 1, kinds["scimOperation"])
	// Deleted before Celonis ever heard of it: gone at once for its provider.
	p := s.provider(connection, entra)
	p.ask(http.StatusNoContent, "DELETE", "/Users/"+user, "")
	p.ask(http.StatusNotFound, "GET", "/Users/"+user, "")
}
