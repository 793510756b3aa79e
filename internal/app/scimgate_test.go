package app_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// provider is an identity provider that provisions through the gateway, with
// the long-lived token that such systems are given.
type provider struct {
	t          testing.TB
	client     *apptest.Client
	base       string
	media      string
	connection string
}

func (s *service) provider(connection, media string) *provider {
	c := *s.Client
	c.Token = s.id + "." + s.secret
	return &provider{t: s.t, client: &c, base: "/scim/v2/" + connection, media: media, connection: connection}
}

// ask sends a body and demands a status.
func (p *provider) ask(want int, method, path string, body string, header ...string) map[string]any {
	p.t.Helper()
	var sent any
	if body != "" {
		sent = []byte(body)
		header = append([]string{"Content-Type", p.media}, header...)
	}
	a := p.client.Send(method, p.base+path, sent, header...)
	require.Equal(p.t, want, a.Status, "%s %s %s answered %s", method, path, body, a.Body)
	if len(a.Body) == 0 {
		return nil
	}
	require.Equal(p.t, "application/scim+json", a.Header.Get("Content-Type"))
	var out map[string]any
	require.NoError(p.t, json.Unmarshal(a.Body, &out))
	return out
}

// found gives what a filter finds.
func (p *provider) found(path, filter, more string) []any {
	p.t.Helper()
	page := p.ask(http.StatusOK, "GET", path+"?filter="+url.QueryEscape(filter)+more, "")
	list := page["Resources"].([]any)
	require.EqualValues(p.t, len(list), page["totalResults"])
	return list
}

// simUser is a user as the simulator holds it.
func simUser(t testing.TB, sim *apptest.Sim, name string) map[string]any {
	t.Helper()
	for _, u := range asObjects(t, sim.SCIMUsers()) {
		if strings.EqualFold(u["userName"].(string), name) {
			if added, ok := u["urn:celonis:params:scim:schemas:extension:2.0:User"].(map[string]any); ok {
				maps.Copy(u, added)
			}
			return u
		}
	}
	return nil
}

func simGroup(t testing.TB, sim *apptest.Sim, name string) map[string]any {
	t.Helper()
	for _, g := range asObjects(t, sim.SCIMGroups()) {
		if g["displayName"] == name {
			return g
		}
	}
	return nil
}

func asObjects(t testing.TB, v any) []map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	var list []map[string]any
	require.NoError(t, json.Unmarshal(text, &list))
	return list
}

func memberIDs(group map[string]any) []string {
	ids := []string{}
	list, _ := group["members"].([]any)
	for _, m := range list {
		ids = append(ids, m.(map[string]any)["value"].(string))
	}
	return ids
}

// settled waits until nothing of the connection waits.
func (p *provider) settled(s *service) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		var page struct{ Items []struct{ State string } }
		s.Call(http.StatusOK, "GET", "/v1/connections/"+p.connection+"/scim-operations?state=pending", nil, &page)
		return len(page.Items) == 0
	}, 30*time.Second, 20*time.Millisecond)
}

const entra = "application/scim+json; charset=utf-8"

// The requests of Microsoft Entra's provisioning service, in the shapes that
// its documentation shows.
func TestEntraProvisionsThroughTheGateway(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*celonissim.Options){
		"team without PATCH": func(*celonissim.Options) {},
		"team with PATCH and versions": func(o *celonissim.Options) {
			team := &o.Teams[0].SCIM
			team.Patch, team.ETags, team.Nested, team.CreateStatus = true, true, true, http.StatusCreated
		},
		"team that ignores filters": func(o *celonissim.Options) { o.Teams[0].SCIM.Filter = celonissim.SCIMFilterIgnored },
		"team that refuses filters": func(o *celonissim.Options) { o.Teams[0].SCIM.Filter = celonissim.SCIMFilterRefused },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t, change)
			s := begin(t, sim)
			p := s.provider(s.Connect("directory", sim), entra)

			p.ask(http.StatusOK, "GET", "/ServiceProviderConfig", "")
			require.Empty(t, p.found("/Users", `userName eq "nobody-7fa2@example.com"`, ""))

			require.Empty(t, p.found("/Users", `userName eq "ann@example.com"`, ""))
			ann := p.ask(http.StatusCreated, "POST", "/Users", `{
				"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
				"externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "userName": "ann@example.com", "active": true,
				"displayName": "Ann Example", "emails": [{"primary": true, "type": "work", "value": "ann@example.com"}],
				"meta": {"resourceType": "User"}, "name": {"formatted": "Ann Example", "familyName": "Example", "givenName": "Ann"},
				"roles": [], "urn:celonis:params:scim:schemas:extension:2.0:User": {"role": "Analyst", "sendEmailOnInvitation": "False"}}`)
			id := ann["id"].(string)
			require.Equal(t, "ANALYST", simUser(t, sim, "ann@example.com")["role"])
			require.Equal(t, 0, sim.SCIMPersons()["ann@example.com"].Mails)
			bob := p.ask(http.StatusCreated, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bob@example.com","externalId":"b0b","active":true}`)

			list := p.found("/Users", `userName eq "ANN@example.com"`, "")
			require.Len(t, list, 1)
			require.Equal(t, id, list[0].(map[string]any)["id"])
			require.Len(t, p.found("/Users", `externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"`, ""), 1)

			got := p.ask(http.StatusOK, "PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
				{"op":"Replace","path":"emails[type eq \"work\"].value","value":"updated@example.com"},
				{"op":"Replace","path":"name.familyName","value":"Updated"},
				{"op":"Add","path":"urn:celonis:params:scim:schemas:extension:2.0:User:role","value":"Admin"}]}`)
			require.Equal(t, "Updated", got["name"].(map[string]any)["familyName"])
			require.Equal(t, "ADMIN", simUser(t, sim, "ann@example.com")["role"])
			p.ask(http.StatusOK, "PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","value":{"displayName":"Ann U","name.givenName":"Anna"}}]}`)
			require.Equal(t, "Ann U", simUser(t, sim, "ann@example.com")["displayName"])
			refused := p.ask(http.StatusBadRequest, "PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"userName","value":"other@example.com"}]}`)
			require.Equal(t, "mutability", refused["scimType"])
			require.Contains(t, refused["detail"], "Celonis")

			disable := func(word string) {
				p.ask(http.StatusOK, "PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"`+word+`"}]}`)
			}
			disable("False")
			require.Equal(t, false, simUser(t, sim, "ann@example.com")["active"])
			disable("True")
			require.Equal(t, true, simUser(t, sim, "ann@example.com")["active"])

			group := p.ask(http.StatusCreated, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
				"externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"Buyers","meta":{"resourceType":"Group"}}`)
			groupID := group["id"].(string)
			list = p.found("/Groups", `displayName eq "Buyers"`, "&excludedAttributes=members")
			require.Len(t, list, 1)
			require.NotContains(t, list[0], "members")
			members := func(op, path, value string) {
				body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"` + op + `","path":"` + path + `"`
				if value != "" {
					body += `,"value":` + value
				}
				p.ask(http.StatusOK, "PATCH", "/Groups/"+groupID, body+`}]}`)
			}
			bobID := bob["id"].(string)
			members("Add", "members", `[{"value":"`+id+`"},{"value":"`+bobID+`"}]`)
			require.ElementsMatch(t, []string{id, bobID}, memberIDs(simGroup(t, sim, "Buyers")))
			members("Remove", "members", `[{"value":"`+id+`"}]`)
			require.Equal(t, []string{bobID}, memberIDs(simGroup(t, sim, "Buyers")))
			members("Remove", `members[value eq \"`+bobID+`\"]`, "")
			require.Empty(t, memberIDs(simGroup(t, sim, "Buyers")))
			p.ask(http.StatusOK, "PATCH", "/Groups/"+groupID, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"displayName","value":"Purchasing"}]}`)
			require.NotNil(t, simGroup(t, sim, "Purchasing"))

			p.ask(http.StatusNoContent, "DELETE", "/Groups/"+groupID, "")
			p.ask(http.StatusNotFound, "GET", "/Groups/"+groupID, "")
			p.ask(http.StatusNoContent, "DELETE", "/Users/"+id, "")
			require.Nil(t, simUser(t, sim, "ann@example.com"))
			require.NotNil(t, simUser(t, sim, "bob@example.com"))
		})
	}
}

// While Celonis is down everything is taken, read back, and later done in
// order, once.
func TestWhatComesWhileCelonisIsDownIsDoneLater(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	p := s.provider(s.Connect("directory", sim), entra)
	bob := p.ask(http.StatusCreated, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bob@example.com"}`)["id"].(string)
	fault := sim.AddFault(celonissim.Fault{Path: "/scim/v2/", Status: http.StatusServiceUnavailable})

	ann := p.ask(http.StatusCreated, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@example.com","displayName":"Ann","active":true}`)
	id := ann["id"].(string)
	require.Contains(t, ann["meta"].(map[string]any)["location"], "/Users/"+id)
	require.Equal(t, "uniqueness", p.ask(http.StatusConflict, "POST", "/Users", `{"userName":"Ann@example.com"}`)["scimType"])
	require.Equal(t, "Ann", p.ask(http.StatusOK, "GET", "/Users/"+id, "")["displayName"])
	require.Len(t, p.found("/Users", `userName eq "ann@example.com"`, ""), 1)
	p.ask(http.StatusServiceUnavailable, "GET", "/Users/"+bob, "")
	patched := p.ask(http.StatusOK, "PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","value":{"displayName":"Ann E"}}]}`)
	require.Equal(t, "Ann E", patched["displayName"])
	p.ask(http.StatusNoContent, "PATCH", "/Users/"+bob, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
	group := p.ask(http.StatusCreated, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Buyers","members":[{"value":"`+id+`"}]}`)["id"].(string)
	p.ask(http.StatusOK, "PATCH", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Add","path":"members","value":[{"value":"`+bob+`"}]}]}`)
	require.Nil(t, simUser(t, sim, "ann@example.com"))

	sim.RemoveFault(fault)
	p.settled(s)
	made := simUser(t, sim, "ann@example.com")
	require.Equal(t, "Ann E", made["displayName"])
	require.Equal(t, 1, sim.SCIMPersons()["ann@example.com"].Invitations)
	require.Equal(t, false, simUser(t, sim, "bob@example.com")["active"])
	require.ElementsMatch(t, []string{made["id"].(string), bob}, memberIDs(simGroup(t, sim, "Buyers")))

	// The id that the provider was given stays good.
	require.Equal(t, id, p.ask(http.StatusOK, "GET", "/Users/"+id, "")["id"])
	require.Equal(t, id, p.found("/Users", `userName eq "ann@example.com"`, "")[0].(map[string]any)["id"])
	got := p.ask(http.StatusOK, "GET", "/Groups/"+group, "")
	require.ElementsMatch(t, []string{id, bob}, memberIDs(got))
	p.ask(http.StatusOK, "PATCH", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Remove","path":"members[value eq \"`+id+`\"]"}]}`)
	require.Equal(t, []string{bob}, memberIDs(simGroup(t, sim, "Buyers")))
	p.ask(http.StatusNoContent, "DELETE", "/Users/"+id, "")
	require.Nil(t, simUser(t, sim, "ann@example.com"))
}
