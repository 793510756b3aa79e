package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// provisioned is a run of an import of users or groups as a caller reads it.
type provisioned struct {
	apptest.Run
	Actions  map[string]int64
	Warnings []struct{ Code, Message string }
	Forecast struct {
		Changes []struct {
			Action, Key      string
			Fields           []string
			Joining, Leaving int
		}
		Errors []struct{ Code, Message string }
	}
}

// provision starts a run of a flow and waits for its end.
func (s *service) provision(flow string) provisioned {
	s.t.Helper()
	return s.provisionAs(flow, map[string]any{})
}

func (s *service) provisionAs(flow string, ask map[string]any) (r provisioned) {
	s.t.Helper()
	var run apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/runs", ask, &run)
	s.AwaitEnd(run.ID)
	s.Call(http.StatusOK, "GET", "/v1/runs/"+run.ID, nil, &r)
	return r
}

// provisioning makes a flow of a CSV to an import of users or groups; more are further members of that.
func (s *service) provisioning(name, kind, connection, csv string, more map[string]any) (flow string) {
	s.t.Helper()
	return s.Flow(s.provisionFlow(name, kind, connection, csv, more))
}

func (s *service) provisionFlow(name, kind, connection, csv string, more map[string]any) map[string]any {
	s.t.Helper()
	i := map[string]any{"type": kind, "connectionId": connection}
	for k, v := range more {
		i[k] = v
	}
	fileID := s.Upload("people.csv", strings.NewReader(csv))
	return map[string]any{"name": name, "export": map[string]any{"type": "file", "fileId": fileID, "format": "csv"}, "import": i}
}

// refill gives a flow another file.
func (s *service) refill(flow, csv string) {
	s.t.Helper()
	fileID := s.Upload("people.csv", strings.NewReader(csv))
	s.Call(http.StatusOK, "PATCH", "/v1/flows/"+flow, map[string]any{"export": map[string]any{"fileId": fileID}}, nil)
}

// userOf finds a user of the simulator by the user name.
func userOf(sim *apptest.Sim, name string) map[string]any {
	for _, u := range sim.SCIMUsers() {
		if u["userName"] == name {
			return u
		}
	}
	return nil
}

// activeUsers counts the users of the simulator that are active.
func activeUsers(sim *apptest.Sim) (n int) {
	for _, u := range sim.SCIMUsers() {
		if u["active"] == true {
			n++
		}
	}
	return n
}

// membersOf gives the user names of a group's members.
func membersOf(t testing.TB, sim *apptest.Sim, group string) []string {
	t.Helper()
	names := map[any]string{}
	for _, u := range sim.SCIMUsers() {
		names[u["id"]] = u["userName"].(string)
	}
	for _, g := range sim.SCIMGroups() {
		if g["displayName"] != group {
			continue
		}
		out := []string{}
		members, _ := g["members"].([]any)
		for _, m := range members {
			out = append(out, names[m.(map[string]any)["value"]])
		}
		return out
	}
	require.FailNow(t, "the simulator has no group "+group)
	return nil
}

// numbered gives rows of n users, from a number on.
func numbered(from, n int) string {
	var b strings.Builder
	b.WriteString("userName,externalId,displayName\n")
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "p%d@example.com,E%d,Person %d\n", i, i, i)
	}
	return b.String()
}

const firstPeople = "userName,externalId,displayName,active,name.givenName,role\n" +
	"ann@example.com,007,Ann,true,Ann,ANALYST\n" +
	"bob@example.com,E2,Bob,,Bob,\n" +
	"cid@example.com,E3,Cid,false,,\n"

func TestUsersAreProvisioned(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	sim.AddSCIMUser(map[string]any{"userName": "BOB@example.com", "displayName": "Robert"})
	flow := s.provisioning("people", "scimUsers", s.Connect("team", sim), firstPeople, map[string]any{"sendInvitation": true})
	r := s.provision(flow)
	apptest.RequireWhole(t, r.Run, 3)
	require.Equal(t, map[string]int64{"created": 1, "updated": 1, "unchanged": 1}, r.Actions)
	ann, bob := userOf(sim, "ann@example.com"), userOf(sim, "BOB@example.com")
	require.Equal(t, "007", ann["externalId"], "an id is a text, whatever it looks like")
	require.Equal(t, "ANALYST", ann["role"])
	require.Equal(t, "E2", bob["externalId"], "who is found by the name gets the id")
	require.Equal(t, "Bob", bob["displayName"])
	require.Nil(t, userOf(sim, "cid@example.com"), "nobody is made to be inactive")
	require.Equal(t, 1, sim.SCIMPerson("ann@example.com").Invitations)

	writes := sim.SCIMWrites()
	r = s.provision(flow)
	require.Equal(t, map[string]int64{"unchanged": 3}, r.Actions)
	require.Equal(t, writes, sim.SCIMWrites(), "a second run writes nothing")

	s.refill(flow, "userName,externalId,displayName,active\nann@example.com,007,Anne,true\nbob@example.com,E2,Bob,no\n")
	r = s.provision(flow)
	require.Equal(t, map[string]int64{"updated": 1, "deactivated": 1}, r.Actions)
	require.Equal(t, "Anne", userOf(sim, "ann@example.com")["displayName"])
	require.Equal(t, map[string]any{"givenName": "Ann"}, userOf(sim, "ann@example.com")["name"], "what the source does not speak of stays")
	require.Equal(t, false, userOf(sim, "BOB@example.com")["active"])
	for _, person := range []string{"ann@example.com", "Robert", "Anne"} {
		require.NotContains(t, s.log.String(), person, "people are in no log")
	}
}

func TestPostedUsersAreProvisioned(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.Flow(map[string]any{
		"name": "posted", "export": map[string]any{"type": "records", "gather": map[string]any{"seconds": 0}},
		"mapping": []map[string]any{
			rule("userName", "string", "from", "mail"), rule("externalId", "string", "from", "/hr/id"), rule("active", "boolean", "from", "works"),
		},
		"import": map[string]any{"type": "scimUsers", "connectionId": s.Connect("team", sim)},
	})
	var receipt struct{ RunID string }
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/records", []map[string]any{{"mail": "ann@example.com", "hr": map[string]any{"id": 7}, "works": true}}, &receipt)
	var list struct{ Items []apptest.Run }
	apptest.Eventually(t, func() bool {
		s.Call(http.StatusOK, "GET", "/v1/flows/"+flow+"/runs", nil, &list)
		return len(list.Items) == 1 && list.Items[0].Ended()
	}, func() string { return fmt.Sprint(list) })
	apptest.RequireWhole(t, list.Items[0], 1)
	require.Equal(t, "7", userOf(sim, "ann@example.com")["externalId"])
}

func TestSyncTakesTheSourceForTheTruth(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	sim.AddSCIMUser(map[string]any{"userName": "hand@example.com"})
	sim.AddSCIMUser(map[string]any{"userName": "boss@example.com", "externalId": "BOSS", "role": "ADMIN"})
	flow := s.provisioning("sync", "scimUsers", s.Connect("team", sim), numbered(0, 40), map[string]any{"onMissing": "deactivate"})
	r := s.provision(flow)
	apptest.RequireWhole(t, r.Run, 40)
	require.Equal(t, map[string]int64{"created": 40}, r.Actions)
	require.Len(t, r.Warnings, 1, "an administrator is missing and stays")
	require.Equal(t, "scim.protected", r.Warnings[0].Code)

	s.refill(flow, numbered(3, 38))
	r = s.provision(flow)
	apptest.RequireWhole(t, r.Run, 38)
	require.Equal(t, map[string]int64{"created": 1, "unchanged": 37, "deactivated": 3}, r.Actions)
	require.Equal(t, false, userOf(sim, "p0@example.com")["active"])
	require.Equal(t, true, userOf(sim, "hand@example.com")["active"], "who has no externalId is nobody's to take away")
	require.Equal(t, true, userOf(sim, "boss@example.com")["active"])

	s.refill(flow, numbered(0, 41))
	r = s.provision(flow)
	require.Equal(t, map[string]int64{"reactivated": 3, "unchanged": 38}, r.Actions, "who is back is active again")
	require.Equal(t, 43, activeUsers(sim))

	t.Run("guard", func(t *testing.T) {
		s := s.on(t)
		writes := sim.SCIMWrites()
		s.refill(flow, numbered(0, 20))
		r := s.provision(flow)
		require.Equal(t, "failed", r.State)
		require.Equal(t, "scim.too_many_missing", r.ErrorCode())
		require.Contains(t, r.Error.Message, "21 of 41 users are missing from the source, which has 20 rows")
		require.Equal(t, "failed", s.provisionAs(flow, map[string]any{"dryRun": true}).State, "a dry run says so before")
		s.refill(flow, numbered(0, 0))
		require.Equal(t, "failed", s.provision(flow).State)
		require.Equal(t, writes, sim.SCIMWrites(), "nothing is written")
		s.Call(http.StatusOK, "PATCH", "/v1/flows/"+flow, map[string]any{"import": map[string]any{"guard": map[string]any{"maxMissing": "50%", "minSource": 30}}}, nil)
		s.refill(flow, numbered(0, 29))
		r = s.provision(flow)
		require.Contains(t, r.Error.Message, "the source has 29 rows, and at least 30 are demanded")
	})
	t.Run("dry run", func(t *testing.T) {
		s := s.on(t)
		writes := sim.SCIMWrites()
		s.refill(flow, numbered(2, 39)+"new@example.com,N,New\n"+"p2@example.com,E3,Twice\nnobody,E99,x\n")
		r := s.provisionAs(flow, map[string]any{"dryRun": true})
		require.Equal(t, "succeeded", r.State, "%+v", r.Error)
		require.Equal(t, map[string]int64{"created": 1, "unchanged": 37, "deactivated": 2}, r.Actions)
		require.Len(t, r.Forecast.Errors, 4)
		require.Len(t, r.Forecast.Changes, 3)
		require.Equal(t, "created N [userName externalId displayName role sendEmailOnInvitation]",
			fmt.Sprint(r.Forecast.Changes[0].Action, " ", r.Forecast.Changes[0].Key, " ", r.Forecast.Changes[0].Fields))
		require.Equal(t, "deactivated [active]", fmt.Sprint(r.Forecast.Changes[1].Action, " ", r.Forecast.Changes[1].Fields))
		require.ElementsMatch(t, []string{"E0", "E1"}, []string{r.Forecast.Changes[1].Key, r.Forecast.Changes[2].Key})
		require.Equal(t, writes, sim.SCIMWrites(), "nothing is written")
	})
}

func TestRecordsThatCannotBeReadKeepPeople(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	mapping := []map[string]any{rule("userName", "string"), rule("externalId", "string"), rule("displayName", "string"), rule("active", "boolean")}
	spec := s.provisionFlow("kept", "scimUsers", s.Connect("team", sim), numbered(0, 10), map[string]any{"onMissing": "delete", "guard": map[string]any{"maxMissing": 5}})
	spec["mapping"] = mapping[:3]
	flow := s.Flow(spec)
	apptest.RequireWhole(t, s.provision(flow).Run, 10)

	s.Call(http.StatusOK, "PATCH", "/v1/flows/"+flow, map[string]any{"mapping": mapping}, nil)
	lines := strings.Split(strings.TrimSpace(numbered(0, 8)), "\n")
	lines[0] += ",active"
	for i := range lines[1:] {
		lines[i+1] += map[bool]string{true: ",perhaps", false: ","}[i == 2]
	}
	s.refill(flow, strings.Join(lines, "\n")+"\n")
	r := s.provision(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.Equal(t, [4]int64{8, 0, 7, 1}, [4]int64{r.Ledger.Read, r.Ledger.Filtered, r.Ledger.Pushed, r.Ledger.Errored})
	require.Equal(t, map[string]int64{"unchanged": 7, "deleted": 2}, r.Actions)
	require.NotNil(t, userOf(sim, "p2@example.com"), "a bad record is in the source all the same")

	s.refill(flow, strings.Join(lines[:7], "\n")+"\np6@example.com,E6,one cell too many,,,,\n")
	r = s.provision(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.Equal(t, map[string]int64{"unchanged": 5}, r.Actions)
	require.Equal(t, "scim.records_unreadable", r.Warnings[0].Code)
	require.NotNil(t, userOf(sim, "p6@example.com"))
	require.NotNil(t, userOf(sim, "p7@example.com"))
}

func TestWhatCelonisWouldRefuseIsAnErrorOfItsRecord(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	sim.AddSCIMUser(map[string]any{"userName": "old@example.com", "externalId": "E1", "active": true})
	flow := s.provisioning("errors", "scimUsers", s.Connect("team", sim), "userName,externalId,displayName,role\n"+
		"new@example.com,E1,Moved,\nno address,E2,x,\nlong@example.com,E3,"+strings.Repeat("x", 101)+",\n"+
		"twice@example.com,E4,x,\nTwice@example.com,E5,x,\nrole@example.com,E6,x,BOSS\ngood@example.com,E7,x,\n,,nobody,\n", nil)
	r := s.provision(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.Equal(t, [4]int64{8, 0, 1, 7}, [4]int64{r.Ledger.Read, r.Ledger.Filtered, r.Ledger.Pushed, r.Ledger.Errored})
	codes := map[string]int{}
	for _, e := range s.Errors(flow) {
		codes[e.Code]++
		if e.Code == "scim.email_change" {
			require.Equal(t, "userName", e.Field)
			require.Contains(t, e.Message, "Celonis forbids to change an e-mail address")
			require.Contains(t, e.Data, "new@example.com")
		}
	}
	require.Equal(t, map[string]int{"scim.email_change": 1, "scim.invalid_value": 2, "value.too_long": 1, "scim.duplicate_in_source": 2, "value.required": 1}, codes)
	require.EqualValues(t, map[string]int64{"POST User": 1}, sim.SCIMWrites(), "nothing is sent for the others")

	sim.AddSCIMUser(map[string]any{"userName": "nobody@example.com"})
	id := ""
	for _, e := range s.recordErrors(flow, "") {
		if e["code"] == "value.required" {
			id = e["id"].(string)
		}
	}
	edited := map[string]any{"record": map[string]any{"userName": "nobody@example.com", "externalId": "E8", "displayName": "Somebody"}}
	s.Call(http.StatusOK, "PATCH", "/v1/errors/"+id, edited, nil)
	apptest.RequireWhole(t, s.retry(flow, map[string]any{"ids": []any{id}}), 1)
	require.Equal(t, "E8", userOf(sim, "nobody@example.com")["externalId"])
}

func TestARetryTakesNobodyAway(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	sim.SetSCIM(func(o *celonissim.SCIM) { o.DuplicateStatus = 409 })
	connection := s.Connect("team", sim)
	flow := s.provisioning("sync", "scimUsers", connection, numbered(0, 5)+"bad,E9,Bad\n", map[string]any{"onMissing": "delete", "guard": map[string]any{"maxMissing": "100%"}})
	require.Equal(t, "succeeded", s.provision(flow).State)
	s.retry(flow, map[string]any{"all": true})
	require.Len(t, sim.SCIMUsers(), 5)

	groups := s.provisioning("groups", "scimGroups", connection, "displayName,members\nA,E0\nA,E1\nA,E7\n", map[string]any{"unknownMembers": "skip"})
	r := s.provision(groups)
	require.Equal(t, [4]int64{3, 0, 2, 1}, [4]int64{r.Ledger.Read, r.Ledger.Filtered, r.Ledger.Pushed, r.Ledger.Errored})
	require.Equal(t, []string{"p0@example.com", "p1@example.com"}, membersOf(t, sim, "A"))
	sim.AddSCIMUser(map[string]any{"userName": "p7@example.com", "externalId": "E7"})
	apptest.RequireWhole(t, s.retry(groups, map[string]any{"all": true}), 1)
	require.Equal(t, []string{"p0@example.com", "p1@example.com", "p7@example.com"}, membersOf(t, sim, "A"), "a retried row is not all of a group")
}

func TestGroupsAreProvisioned(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	for i := range 4 {
		sim.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("p%d@example.com", i), "externalId": fmt.Sprintf("E%d", i)})
	}
	sim.AddSCIMGroup(map[string]any{"displayName": "Old", "externalId": "OLD"})
	flow := s.provisioning("groups", "scimGroups", s.Connect("team", sim),
		"displayName,externalId,members\nSales,G1,\"[\"\"E0\"\",\"\"E1\"\"]\"\nAudit,G2,\"E2, E3\"\nUnknown,G3,\"E0,E7,E8\"\nFree,G4,\n",
		map[string]any{"onMissing": "delete"})
	r := s.provision(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.Equal(t, map[string]int64{"created": 3, "deleted": 1}, r.Actions)
	require.Equal(t, []string{"p0@example.com", "p1@example.com"}, membersOf(t, sim, "Sales"))
	require.Equal(t, []string{"p2@example.com", "p3@example.com"}, membersOf(t, sim, "Audit"))
	errors := s.Errors(flow)
	require.Len(t, errors, 1)
	require.Equal(t, "scim.unknown_member", errors[0].Code)
	require.Contains(t, errors[0].Message, `"E7", "E8"`)

	writes := sim.SCIMWrites()
	require.Equal(t, map[string]int64{"unchanged": 3}, s.provision(flow).Actions)
	require.Equal(t, writes, sim.SCIMWrites(), "a second run writes nothing")

	s.refill(flow, "displayName,externalId,members\nSales,G1,E1\nSales,G1,E3\nSales,G1,E2\nAudit,G2,\nFree,G4,[]\nUnknown,G3,E0\n")
	sim.SetSCIM(func(o *celonissim.SCIM) { o.Patch = true })
	dry := s.provisionAs(flow, map[string]any{"dryRun": true})
	require.Equal(t, "updated G1 [members] 2 1", fmt.Sprint(dry.Forecast.Changes[0].Action, " ", dry.Forecast.Changes[0].Key, " ", dry.Forecast.Changes[0].Fields, " ",
		dry.Forecast.Changes[0].Joining, " ", dry.Forecast.Changes[0].Leaving))
	r = s.provision(flow)
	apptest.RequireWhole(t, r.Run, 6)
	require.Equal(t, map[string]int64{"updated": 1, "unchanged": 2, "created": 1}, r.Actions)
	require.ElementsMatch(t, []string{"p1@example.com", "p2@example.com", "p3@example.com"}, membersOf(t, sim, "Sales"), "rows of one group are put together")
	require.Equal(t, []string{"p2@example.com", "p3@example.com"}, membersOf(t, sim, "Audit"), "a group of whose members nothing is said keeps them")
	require.EqualValues(t, 1, sim.SCIMWrites()["PUT Group"]+sim.SCIMWrites()["PATCH Group"], "one request for a changed group")
}

func TestLicensesMakeTheRunWait(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	sim.SetSCIM(func(o *celonissim.SCIM) { o.Licenses = 25 })
	connection := s.Connect("team", sim)
	flow := s.provisioning("licenses", "scimUsers", connection, numbered(0, 60), nil)
	var run apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/runs", nil, &run)
	run = s.Await(run.ID, func(r apptest.Run) bool { return r.State == "waiting" })
	require.Equal(t, "celonis.license_limit", run.ErrorCode())
	require.NotEmpty(t, run.Error.Hint)
	require.NotNil(t, run.ResumeAt)
	require.Zero(t, run.Ledger.Errored, "no thousand errors")
	require.Equal(t, 25, activeUsers(sim))

	t.Run("leavers make room for joiners", func(t *testing.T) {
		s := s.on(t)
		sync := s.provisioning("joiners", "scimUsers", connection, numbered(5, 25), map[string]any{"onMissing": "deactivate", "guard": map[string]any{"maxMissing": "100%"}})
		s.Call(http.StatusAccepted, "POST", "/v1/runs/"+run.ID+"/cancel", nil, nil)
		var people []string
		for _, u := range sim.SCIMUsers() {
			people = append(people, u["userName"].(string))
		}
		r := s.provision(sync)
		apptest.RequireWhole(t, r.Run, 25)
		require.Equal(t, 25, activeUsers(sim))
		require.EqualValues(t, 25-len(stay(people)), r.Actions["created"])
		require.EqualValues(t, 25-len(stay(people)), r.Actions["deactivated"])
	})
}

// stay gives the people of numbered(5, 25) among some.
func stay(people []string) (out []string) {
	for _, p := range people {
		if strings.Contains(numbered(5, 25), p+",") {
			out = append(out, p)
		}
	}
	return out
}

func TestTenThousandUsersTwice(t *testing.T) {
	t.Parallel()
	const n = 10_000
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.LogLevel, cfg.SweepInterval = "error", time.Second
	s := start(t, cfg)
	flow := s.provisioning("many", "scimUsers", s.Connect("team", sim), numbered(0, n), map[string]any{"onMissing": "deactivate"})
	r := s.provision(flow)
	apptest.RequireWhole(t, r.Run, n)
	require.Equal(t, map[string]int64{"created": n}, r.Actions)
	require.Equal(t, map[string]int64{"POST User": n}, sim.SCIMWrites())
	r = s.provision(flow)
	apptest.RequireWhole(t, r.Run, n)
	require.Equal(t, map[string]int64{"unchanged": n}, r.Actions)
	require.Equal(t, map[string]int64{"POST User": n}, sim.SCIMWrites(), "the second run writes nothing")
}

func TestWhatAProvisioningFlowMaySay(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("team", sim)
	for name, c := range map[string]struct {
		kind    string
		imports map[string]any
		flow    map[string]any
		pointer string
	}{
		"groups are not deactivated":   {"scimGroups", map[string]any{"onMissing": "deactivate"}, nil, "/import/onMissing"},
		"users are not emptied":        {"scimUsers", map[string]any{"onMissing": "empty"}, nil, "/import/onMissing"},
		"a name of the other kind":     {"scimUsers", map[string]any{"matchBy": []string{"displayName"}}, nil, "/import/matchBy/0"},
		"members of users":             {"scimUsers", map[string]any{"memberBy": "userName"}, nil, "/import/memberBy"},
		"a table":                      {"scimUsers", map[string]any{"table": "T"}, nil, "/import/table"},
		"an unknown policy":            {"scimUsers", map[string]any{"onMissing": "fire"}, nil, "/import/onMissing"},
		"an unknown attribute":         {"scimUsers", nil, map[string]any{"mapping": []any{rule("userName", "string"), rule("salary", "integer")}}, "/mapping/1/to"},
		"nothing to know people by":    {"scimUsers", nil, map[string]any{"mapping": []any{rule("displayName", "string")}}, "/mapping"},
		"posted records are the truth": {"scimUsers", map[string]any{"onMissing": "delete"}, map[string]any{"export": map[string]any{"type": "records"}}, "/import/onMissing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.on(t)
			spec := s.provisionFlow(name, c.kind, connection, "userName\n", c.imports)
			for k, v := range c.flow {
				spec[k] = v
			}
			p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", spec)
			require.NotEmpty(t, p.Errors)
			require.Equal(t, c.pointer, p.Errors[0].Pointer, "%+v", p.Errors)
		})
	}
	var read struct{ Import map[string]any }
	flow := s.provisioning("defaults", "scimGroups", connection, "displayName\n", nil)
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow, nil, &read)
	require.Equal(t, map[string]any{
		"type": "scimGroups", "connectionId": connection, "matchBy": []any{"externalId", "displayName"}, "onMissing": "leave", "scope": "managed",
		"memberBy": "externalId", "memberMode": "replace", "memberSeparator": ",", "unknownMembers": "fail",
	}, read.Import)

	strange := s.provisioning("strange", "scimUsers", connection, "userName,department\na@example.com,x\n", nil)
	r := s.provision(strange)
	require.Equal(t, "failed", r.State)
	require.Contains(t, r.Error.Message, `the column "department" is no attribute of a user`)
	require.Empty(t, sim.SCIMWrites())
	portableProvisioning(t, s, connection)
}

// portableProvisioning takes a flow out of the service and in again.
func portableProvisioning(t *testing.T, s *service, connection string) {
	spec := s.provisionFlow("moves", "scimUsers", connection, "userName\n", map[string]any{
		"onMissing": "deactivate", "guard": map[string]any{"maxMissing": "5%", "minSource": 10}, "includeAdmins": true, "keep": []string{"root@example.com"}, "sendInvitation": true,
	})
	spec["export"] = map[string]any{"type": "file", "url": "https://files.example.com/people.csv", "format": "csv"}
	s.Flow(spec)
	a := s.Send("GET", "/v1/config/export", nil)
	require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
	var doc struct {
		Flows []map[string]any `json:"flows"`
	}
	require.NoError(t, json.Unmarshal(a.Body, &doc))
	for _, f := range doc.Flows {
		if f["name"] == "moves" {
			require.Equal(t, map[string]any{"maxMissing": "5%", "minSource": 10.0}, f["import"].(map[string]any)["guard"])
			require.Equal(t, "team", f["import"].(map[string]any)["connection"])
			return
		}
	}
	require.Fail(t, "the flow is not in the document")
}

func TestPreviewOfAProvisioningFlow(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.provisioning("people", "scimUsers", s.Connect("team", sim), firstPeople, map[string]any{"onMissing": "deactivate"})
	var p struct {
		Table *struct {
			Columns []struct{ Name, Type string }
		}
	}
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/preview", map[string]any{}, &p)
	require.NotNil(t, p.Table)
	require.Len(t, p.Table.Columns, 6)
	require.Equal(t, "externalId", p.Table.Columns[1].Name)
	require.Equal(t, "string", p.Table.Columns[1].Type, "an id is a text")
	require.Empty(t, sim.SCIMWrites())
}

func TestARestartInTheMiddleInvitesNobodyTwice(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	for i := range 5 {
		sim.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("leaver%d@example.com", i), "externalId": fmt.Sprintf("L%d", i)})
	}
	flow := s.provisioning("restarted", "scimUsers", s.Connect("team", sim), numbered(0, 500), map[string]any{"onMissing": "deactivate", "guard": map[string]any{"maxMissing": 5}})
	traps := []*apptest.Trap{sim.Trap("scim.users.create", "", 130), sim.Trap("scim.users.create", "", 333), sim.Trap("scim.users.replace", "", 3)}
	var run apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/runs", nil, &run)
	for _, trap := range traps {
		apptest.Receive(t, trap.Came(), "the run is in the middle")
		s.stop()
		trap.Release()
		s.restart()
	}
	var r provisioned
	apptest.RequireWhole(t, s.AwaitEnd(run.ID), 500)
	s.Call(http.StatusOK, "GET", "/v1/runs/"+run.ID, nil, &r)
	require.Equal(t, map[string]int64{"created": 500, "deactivated": 5}, r.Actions)
	for name, p := range sim.SCIMPersons() {
		require.LessOrEqual(t, p.Invitations, 1, name)
	}
	require.Len(t, sim.SCIMUsers(), 505)
	require.Equal(t, 500, activeUsers(sim))
}
