package celonissim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

const (
	userURN     = "urn:ietf:params:scim:schemas:core:2.0:User"
	userPlusURN = "urn:celonis:params:scim:schemas:extension:2.0:User"
	groupURN    = "urn:ietf:params:scim:schemas:core:2.0:Group"
	messages    = "urn:ietf:params:scim:api:messages:2.0:"
)

// startSCIM starts a simulator whose keys may provision users.
func startSCIM(t testing.TB, o celonissim.SCIM) *sim {
	return start(t, func(opts *celonissim.Options) {
		opts.Teams[0].SCIM = o
		for i := range opts.Teams[0].Credentials[:2] {
			opts.Teams[0].Credentials[i].UserProvisioning = true
		}
	})
}

// scim asks for a path below /scim/v2, with a body of members when it is not empty.
func (s *sim) scim(method, path, body string, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.base+"/scim/v2"+path, bytes.NewReader([]byte(body)))
	require.NoError(s.t, err)
	r.Header.Set("Authorization", s.auth)
	r.Header.Set("Content-Type", "application/scim+json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

func userBody(name, more string) string {
	return fmt.Sprintf(`{"schemas":[%q,%q],"userName":%q%s}`, userURN, userPlusURN, name, more)
}

func (s *sim) newUser(name, more string) map[string]any {
	s.t.Helper()
	a := s.scim("POST", "/Users", userBody(name, more))
	require.Less(s.t, a.status, 300, a.body)
	return a.json(s.t)
}

func TestSCIMUsersAsTheSamplesShowThem(t *testing.T) {
	t.Parallel()
	s := startSCIM(t, celonissim.SCIM{})
	a := s.scim("POST", "/Users", userBody("ann@example.com", `,"role":"ANALYST","sendEmailOnInvitation":"false","displayName":"Ann"`))
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, "application/scim+json", a.header.Get("Content-Type"))
	ann := a.json(t)
	require.Equal(t, "ANALYST", ann["role"])
	require.Equal(t, false, ann["sendEmailOnInvitation"])
	require.Equal(t, true, ann["active"])
	require.Equal(t, a.header.Get("Location"), ann["meta"].(map[string]any)["location"])
	require.Equal(t, celonissim.SCIMPerson{Creates: 1, Invitations: 1}, s.SCIMPerson("ANN@example.com"))

	id := "/Users/" + ann["id"].(string)
	// What a PUT leaves out takes its default; userName stays for good.
	a = s.scim("PUT", id, userBody("ann@example.com", `,"externalId":"x1"`))
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, "MEMBER", a.json(t)["role"])
	a = s.scim("PUT", id, userBody("other@example.com", ""))
	require.Equal(t, 400, a.status)
	require.Equal(t, "mutability", a.json(t)["scimType"])
	require.Equal(t, 404, s.scim("GET", "/Users/none", "").status)
	require.Equal(t, 501, s.scim("PATCH", id, `{}`).status)
	require.Equal(t, 204, s.scim("DELETE", id, "").status)
	require.Equal(t, 404, s.scim("DELETE", id, "").status)
	require.Equal(t, map[string]int64{"POST User": 1, "PUT User": 2, "PATCH User": 1, "DELETE User": 2}, s.SCIMWrites())
}

func TestSCIMRefusals(t *testing.T) {
	t.Parallel()
	s := startSCIM(t, celonissim.SCIM{Licenses: 2})
	s.newUser("ann@example.com", "")
	for name, c := range map[string]struct {
		body, scimType, words string
		status                int
	}{
		"no schemas":    {`{"userName":"x@example.com"}`, "invalidSyntax", "schemas", 400},
		"empty name":    {userBody("", ""), "invalidValue", "empty", 400},
		"no address":    {userBody("bob", ""), "invalidValue", "e-mail", 400},
		"long name":     {userBody("b@example.com", `,"displayName":"`+strings.Repeat("x", 101)+`"`), "invalidValue", "100", 400},
		"role":          {userBody("b@example.com", `,"role":"KING"`), "invalidValue", "role", 400},
		"active a text": {userBody("b@example.com", `,"active":"True"`), "invalidValue", "active", 400},
		"taken":         {userBody("ANN@example.com", ""), "uniqueness", "exists", 409},
		"no object":     {`[]`, "invalidSyntax", "object", 400},
	} {
		a := s.scim("POST", "/Users", c.body)
		require.Equal(t, c.status, a.status, name)
		body := a.json(t)
		require.Equal(t, c.scimType, body["scimType"], name)
		require.Equal(t, fmt.Sprint(c.status), body["status"], name)
		require.Contains(t, body["detail"], c.words, name)
	}
	s.newUser("b@example.com", "")
	a := s.scim("POST", "/Users", userBody("c@example.com", ""))
	require.Equal(t, 400, a.status)
	require.Contains(t, a.body, "license limit")
	s.newUser("c@example.com", `,"active":false`)
	require.Equal(t, 400, s.scim("POST", "/Groups", `{"schemas":["`+groupURN+`"],"displayName":"G","members":[{"value":"nobody"}]}`).status)
}

func TestSCIMSwitches(t *testing.T) {
	t.Parallel()
	s := startSCIM(t, celonissim.SCIM{CreateStatus: 204, Nested: true, FlagText: true, ErrorBody: celonissim.BodyValidation, DuplicateStatus: 400})
	a := s.scim("POST", "/Users", userBody("ann@example.com", `,"`+userPlusURN+`":{"role":"ADMIN","sendEmailOnInvitation":true}`))
	require.Equal(t, 204, a.status)
	require.Empty(t, a.body+a.header.Get("Location"))
	ann := s.SCIMUsers()[0]
	require.Equal(t, map[string]any{"role": "ADMIN", "sendEmailOnInvitation": "true"}, ann[userPlusURN])
	require.NotContains(t, ann, "role")
	a = s.scim("POST", "/Users", userBody("ann@example.com", ""))
	require.Equal(t, 400, a.status)
	require.Contains(t, a.body, `"errorCode":"userName.unique"`)

	s.SetSCIM(func(o *celonissim.SCIM) { *o = celonissim.SCIM{JIT: true} })
	require.Equal(t, 409, s.scim("GET", "/Users", "").status)
	require.Equal(t, 200, s.scim("GET", "/ServiceProviderConfig", "").status)
	s.SetSCIM(func(o *celonissim.SCIM) { *o = celonissim.SCIM{Off: true, ErrorBody: celonissim.BodyEmpty} })
	a = s.scim("GET", "/Users", "")
	require.Equal(t, 403, a.status)
	require.Empty(t, a.body)
	s.auth = "AppKey " + weakKey
	require.Equal(t, 403, s.scim("GET", "/Users", "").status)
	require.NotEmpty(t, s.scim("GET", "/Users", "").body)
}

func TestSCIMFilters(t *testing.T) {
	t.Parallel()
	s := startSCIM(t, celonissim.SCIM{})
	s.newUser("ann@example.com", `,"externalId":"A1","displayName":"Ann \"the first\"","role":"ADMIN","name":{"givenName":"Ann"},"emails":[{"value":"ann@example.com","type":"work","primary":true}]`)
	s.newUser("bob@example.org", `,"externalId":"b1","active":false`)
	s.newUser("eve@example.com", `,"displayName":"Eve"`)
	for filter, want := range map[string]string{
		`userName eq "ANN@EXAMPLE.COM"`:                                      "ann",
		`externalId eq "a1"`:                                                 "",
		`externalId eq "A1"`:                                                 "ann",
		`externalId pr`:                                                      "ann bob",
		`not (externalId pr)`:                                                "eve",
		`userName ew "@example.com" and active eq true`:                      "ann eve",
		`displayName co "the \"x" or displayName sw "ann \"the"`:             "ann",
		`active eq false or displayName eq "eve" and active eq true`:         "bob eve",
		`(active eq false or displayName eq "eve") and active eq true`:       "eve",
		`emails[type eq "work" and value co "ann"]`:                          "ann",
		`emails.value sw "ann"`:                                              "ann",
		`urn:celonis:params:scim:schemas:extension:2.0:User:role eq "admin"`: "ann",
		`urn:ietf:params:scim:schemas:core:2.0:User:name.givenName eq "ann"`: "ann",
		`role ne "ADMIN"`:                                                    "bob eve",
		`meta.created ge "2020-01-01T00:00:00Z"`:                             "ann bob eve",
		`meta.lastModified lt "2020-01-01T00:00:00Z"`:                        "",
		`displayName gt "b"`:                                                 "eve",
		`externalId EQ "b1" AND ACTIVE EQ false`:                             "bob",
		`nothing eq "x"`:                                                     "",
		`displayName eq null`:                                                "bob",
		`userName le "bob@example.org" and not (active eq false)`:            "ann",
	} {
		a := s.scim("GET", "/Users?"+query("filter", filter), "")
		require.Equal(t, 200, a.status, filter+a.body)
		require.Equal(t, want, firstNames(t, a), filter)
	}
	for _, filter := range []string{`userName`, `userName eq`, `userName eq "x`, `(userName pr`, `userName xx "a"`, `not userName pr`, `userName pr pr`, `active gt true`, `emails[type eq "x"`} {
		a := s.scim("GET", "/Users?"+query("filter", filter), "")
		require.Equal(t, 400, a.status, filter)
		require.Equal(t, "invalidFilter", a.json(t)["scimType"], filter)
	}
	s.SetSCIM(func(o *celonissim.SCIM) { o.Filter = celonissim.SCIMFilterIgnored })
	require.Equal(t, "ann bob eve", firstNames(t, s.scim("GET", "/Users?"+query("filter", `userName eq "x"`), "")))
}

func query(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i]+"="+strings.NewReplacer("%", "%25", " ", "%20", `"`, "%22", "+", "%2B", "&", "%26").Replace(pairs[i+1]))
	}
	return strings.Join(out, "&")
}

// firstNames joins what stands before the @ of the users of a list.
func firstNames(t testing.TB, a answer) string {
	t.Helper()
	var list struct {
		Resources []struct {
			UserName string `json:"userName"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &list))
	var out []string
	for _, u := range list.Resources {
		name, _, _ := strings.Cut(u.UserName, "@")
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func TestSCIMPages(t *testing.T) {
	t.Parallel()
	s := startSCIM(t, celonissim.SCIM{PageSize: 4, TotalOff: 3})
	for i := range 10 {
		s.newUser(fmt.Sprintf("u%d@example.com", 9-i), fmt.Sprintf(`,"displayName":"U%d","name":{"givenName":"G","familyName":"F"}`, i))
	}
	page := func(query string) (string, map[string]any) {
		a := s.scim("GET", "/Users?"+query, "")
		require.Equal(t, 200, a.status, a.body)
		return firstNames(t, a), a.json(t)
	}
	names, body := page("startIndex=5&count=100")
	require.Equal(t, "u5 u4 u3 u2", names)
	require.Equal(t, []any{13.0, 5.0, 4.0}, []any{body["totalResults"], body["startIndex"], body["itemsPerPage"]})
	names, body = page("startIndex=50")
	require.Empty(t, names)
	require.NotContains(t, body, "Resources")
	names, _ = page("sortBy=userName&count=2")
	require.Equal(t, "u0 u1", names)
	names, _ = page("sortBy=userName&sortOrder=descending&count=2&startIndex=2")
	require.Equal(t, "u8 u7", names)
	_, body = page("count=1&attributes=displayName,name.givenName")
	require.Equal(t, []string{"displayName", "id", "name", "schemas"}, keysOf(body["Resources"].([]any)[0]))
	require.Equal(t, map[string]any{"givenName": "G"}, body["Resources"].([]any)[0].(map[string]any)["name"])
	_, body = page("count=1&excludedAttributes=displayName,name.givenName,meta,id")
	require.Equal(t, []string{"active", "id", "name", "role", "schemas", "userName"}, keysOf(body["Resources"].([]any)[0]))
	a := s.scim("POST", "/Users/.search", `{"schemas":["`+messages+`SearchRequest"],"filter":"displayName eq \"U3\"","count":5}`)
	require.Equal(t, "u6", firstNames(t, a))
	require.Equal(t, 400, s.scim("POST", "/Users/.search", `{"filter":"x pr"}`).status)

	s.SetSCIM(func(o *celonissim.SCIM) { o.Overlap = 2 })
	names, _ = page("startIndex=5&count=3")
	require.Equal(t, "u7 u6 u5", names)
	s.SetSCIM(func(o *celonissim.SCIM) { o.StartIgnored = true })
	names, _ = page("startIndex=9&count=3")
	require.Equal(t, "u9 u8 u7", names)
}

func keysOf(object any) []string {
	var out []string
	for name := range object.(map[string]any) {
		out = append(out, name)
	}
	for i := range out {
		for j := i; j > 0 && out[j] < out[j-1]; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func TestSCIMPatchAndVersions(t *testing.T) {
	t.Parallel()
	s := startSCIM(t, celonissim.SCIM{Patch: true, ETags: true, Nested: true})
	ann, bob := s.newUser("ann@example.com", `,"displayName":"Ann"`), s.newUser("bob@example.com", "")
	annID, bobID := ann["id"].(string), bob["id"].(string)
	patch := func(path, operations string, header ...string) answer {
		return s.scim("PATCH", path, `{"schemas":["`+messages+`PatchOp"],"Operations":[`+operations+`]}`, header...)
	}
	a := patch("/Users/"+annID, `{"op":"replace","path":"active","value":false},{"op":"add","path":"name.givenName","value":"A"},`+
		`{"op":"replace","path":"`+userPlusURN+`:role","value":"ADMIN"},{"op":"add","value":{"externalId":"x","name":{"familyName":"B"}}},{"op":"remove","path":"displayName"}`)
	require.Equal(t, 200, a.status, a.body)
	body := a.json(t)
	require.Equal(t, false, body["active"])
	require.Equal(t, map[string]any{"givenName": "A", "familyName": "B"}, body["name"])
	require.Equal(t, "ADMIN", body[userPlusURN].(map[string]any)["role"])
	require.NotContains(t, body, "displayName")
	require.Equal(t, `W/"2"`, a.header.Get("ETag"))
	require.Equal(t, 412, patch("/Users/"+annID, `{"op":"replace","path":"active","value":true}`, "If-Match", `W/"1"`).status)
	require.Equal(t, 304, s.scim("GET", "/Users/"+annID, "", "If-None-Match", `W/"2"`).status)

	for operations, scimType := range map[string]string{
		`{"op":"Replace","path":"active","value":true}`: "invalidSyntax",
		`{"op":"remove"}`: "noTarget",
		`{"op":"replace","path":"nothing","value":1}`:                              "invalidPath",
		`{"op":"replace","path":"id","value":"x"}`:                                 "mutability",
		`{"op":"replace","path":"userName","value":"z@example.com"}`:               "mutability",
		`{"op":"replace","path":"active","value":"True"}`:                          "invalidValue",
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@y.z"}`: "noTarget",
		`{"op":"remove","path":"emails","value":[{"value":"x"}]}`:                  "invalidSyntax",
		`{"op":"replace","path":"emails[type xx \"work\"].value","value":"x@y.z"}`: "invalidFilter",
	} {
		a := patch("/Users/"+annID, operations)
		require.Equal(t, 400, a.status, operations)
		require.Equal(t, scimType, a.json(t)["scimType"], operations)
	}

	g := s.scim("POST", "/Groups", `{"schemas":["`+groupURN+`"],"displayName":"G","members":[{"value":"`+annID+`"}]}`).json(t)
	group := "/Groups/" + g["id"].(string)
	a = patch(group, `{"op":"add","path":"members","value":[{"value":"`+annID+`"},{"value":"`+bobID+`"}]}`)
	require.Len(t, a.json(t)["members"], 2, a.body)
	a = patch(group, `{"op":"remove","path":"members[value eq \"`+annID+`\"]"}`)
	require.Len(t, a.json(t)["members"], 1, a.body)
	require.Equal(t, 204, s.scim("DELETE", "/Users/"+bobID, "", "If-Match", `W/"1"`).status)
	require.Empty(t, s.SCIMGroups()[0]["members"])
}

func TestSCIMBulk(t *testing.T) {
	t.Parallel()
	s := startSCIM(t, celonissim.SCIM{BulkOperations: 4, BulkBytes: 4000})
	bulk := func(operations string) answer {
		return s.scim("POST", "/Bulk", `{"schemas":["`+messages+`BulkRequest"],"failOnErrors":1,"Operations":[`+operations+`]}`)
	}
	a := bulk(`{"method":"POST","path":"/Users","bulkId":"u","data":` + userBody("ann@example.com", "") + `},` +
		`{"method":"POST","path":"/Groups","bulkId":"g","data":{"schemas":["` + groupURN + `"],"displayName":"G","members":[{"value":"bulkId:u"}]}},` +
		`{"method":"POST","path":"/Users","bulkId":"v","data":` + userBody("ann@example.com", "") + `},` +
		`{"method":"DELETE","path":"/Users/none"}`)
	require.Equal(t, 200, a.status, a.body)
	results := a.json(t)["Operations"].([]any)
	require.Len(t, results, 3)
	require.Equal(t, "200", results[1].(map[string]any)["status"])
	require.Equal(t, "uniqueness", results[2].(map[string]any)["response"].(map[string]any)["scimType"])
	require.Len(t, s.SCIMGroups()[0]["members"], 1)
	one := `{"method":"DELETE","path":"/Users/none"}`
	require.Equal(t, 413, bulk(strings.Join([]string{one, one, one, one, one}, ",")).status)
	require.Equal(t, 413, bulk(`{"method":"POST","path":"/Users","data":{"x":"`+strings.Repeat("x", 4000)+`"}}`).status)
	s.SetSCIM(func(o *celonissim.SCIM) { o.NoBulk = true })
	require.Equal(t, 501, bulk(one).status)
}

func TestSCIMDiscoveryAndAdmin(t *testing.T) {
	t.Parallel()
	s := startSCIM(t, celonissim.SCIM{Patch: true})
	require.Equal(t, map[string]any{"supported": true}, s.scim("GET", "/ServiceProviderConfig", "").json(t)["patch"])
	require.Equal(t, 4.0, s.scim("GET", "/Schemas", "").json(t)["totalResults"])
	require.Equal(t, userPlusURN, s.scim("GET", "/Schemas/"+userPlusURN, "").json(t)["id"])
	require.Equal(t, "/Groups", s.scim("GET", "/ResourceTypes/Group", "").json(t)["endpoint"])
	require.Equal(t, 404, s.scim("GET", "/ResourceTypes/Car", "").status)

	require.Equal(t, 201, s.do("POST", "/_sim/scim/users", `[{"userName":"ann@example.com"}]`).status)
	require.Equal(t, 400, s.do("POST", "/_sim/scim/users", `[{"userName":"ann@example.com"}]`).status)
	require.Equal(t, 204, s.do("PUT", "/_sim/scim", `{"licenses":1}`).status)
	state := s.get("/_sim/scim").json(t)
	require.Len(t, state["users"], 1)
	require.Empty(t, state["persons"])
	require.Equal(t, 400, s.scim("POST", "/Users", userBody("b@example.com", "")).status)
	s.Reset()
	require.Empty(t, s.SCIMUsers())
}

func FuzzSCIMFilter(f *testing.F) {
	for _, seed := range []string{`userName eq "a"`, `not (a.b pr) or c[d eq 1.5 and e ne null]`, `a co "\u00e4" and (b gt "2020-01-01T00:00:00Z")`, `((((`, `a eq "x`} {
		f.Add(seed)
	}
	s := celonissim.New(celonissim.Options{Teams: []celonissim.Team{{Credentials: []celonissim.Credential{{Name: "a", Kind: celonissim.AppKey, Key: "k", UserProvisioning: true}}}}})
	s.AddSCIMUser(map[string]any{"userName": "ann@example.com", "emails": []any{map[string]any{"value": "x"}}})
	f.Fuzz(func(t *testing.T, filter string) {
		body, err := json.Marshal(map[string]any{"schemas": []string{messages + "SearchRequest"}, "filter": filter})
		require.NoError(t, err)
		r, err := http.NewRequest("POST", "http://sim/scim/v2/Users/.search", bytes.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "AppKey k")
		r.Header.Set("Content-Type", "application/json")
		w := &discarded{header: http.Header{}}
		s.ServeHTTP(w, r)
		require.Contains(t, []int{200, 400}, w.status)
	})
}

type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarded) WriteHeader(status int)      { d.status = status }
