package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// template makes a flow of a template for the simulator's team and pool; change may turn it.
func (s *service) template(id, connection string, change ...func(map[string]any)) (flowID string) {
	s.t.Helper()
	var t struct{ Spec map[string]any }
	s.Call(http.StatusOK, "GET", "/v1/flow-templates/"+id+"?connectionId="+connection+"&importConnectionId="+connection, nil, &t)
	for _, c := range change {
		c(t.Spec)
	}
	return s.Flow(t.Spec)
}

var adminBegin = time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)

func at(minutes int) string {
	return adminBegin.Add(time.Duration(minutes)*time.Minute + 123*time.Millisecond).Format("2006-01-02T15:04:05.000Z")
}

// auditEvent is one of the documented form; some members are missing, some null.
func auditEvent(n, minutes int) map[string]any {
	e := map[string]any{
		"userId": fmt.Sprintf("user-%d", n%7), "userRole": "ADMIN", "event": "STUDIO_NODE_UPDATED", "timestamp": at(minutes),
		"message": map[string]any{"nodeName": fmt.Sprintf("node %d", n), "nodeKey": fmt.Sprint(n)}, "ipAddress": nil, "port": "443",
	}
	if n%3 == 0 {
		delete(e, "ipAddress")
		delete(e, "userRole")
	}
	if n%5 == 0 {
		e["diffPayload"] = nil
	}
	return e
}

func auditEvents(from, to int) (list []map[string]any) {
	for n := from; n < to; n++ {
		list = append(list, auditEvent(n, n))
	}
	return list
}

// requireOnce demands that a column holds exactly these values, each once.
func requireOnce(t testing.TB, sim *apptest.Sim, table, column string, want []string) {
	t.Helper()
	got := apptest.Column(sim.MustTable(table), column)
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(t, want, got)
}

func nodes(from, to int) (list []string) {
	for n := from; n < to; n++ {
		list = append(list, fmt.Sprintf("node %d", n))
	}
	return list
}

func TestAuditLogOverAMovingWindow(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]celonissim.AdminAnswers{
		"by page": {NoV2: true}, "by cursor": {NoV1: true, CursorPage: 150, EmptyToken: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t)
			sim.SetAdmin(answers)
			s := begin(t, sim)
			flow := s.template("audit-log", s.Connect("pool", sim), set("export", map[string]any{
				"delta": map[string]any{"mode": "delta", "lag": "PT2H"},
			}))
			sim.AddAdmin(celonissim.AuditEvents, auditEvents(0, 500)...)
			apptest.RequireWhole(t, s.Do(flow), 500)
			require.Equal(t, at(499), s.watermark(flow))
			requireOnce(t, sim, "CELONIS_AUDIT_LOG", "NODE_NAME", nodes(0, 500))

			// Late events within the lag, twins of events that there are, and new ones.
			sim.AddAdmin(celonissim.AuditEvents, auditEvents(500, 700)...)
			sim.AddAdmin(celonissim.AuditEvents, auditEvent(1000, 450), auditEvent(1001, 400), auditEvent(490, 490), auditEvent(490, 490))
			run := s.Do(flow)
			require.Equal(t, "succeeded", run.State)
			want := append(nodes(0, 700), "node 1000", "node 1001", "node 490", "node 490")
			requireOnce(t, sim, "CELONIS_AUDIT_LOG", "NODE_NAME", want)

			// Once more over the same window, and with the other members missing.
			require.Equal(t, "succeeded", s.Do(flow).State)
			requireOnce(t, sim, "CELONIS_AUDIT_LOG", "NODE_NAME", want)
			require.Equal(t, at(699), s.watermark(flow))

			s.startOver(flow, at(0), at(600))
			requireOnce(t, sim, "CELONIS_AUDIT_LOG", "NODE_NAME", want)
		})
	}
}

func TestEveryTemplateIsExact(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	pool := s.Connect("pool", sim)

	var list struct{ Items []struct{ ID string } }
	s.Call(http.StatusOK, "GET", "/v1/flow-templates", nil, &list)
	require.Len(t, list.Items, 8)
	s.Problem(http.StatusNotFound, "GET", "/v1/flow-templates/none", nil)

	t.Run("logins", func(t *testing.T) {
		s := s.on(t)
		login := func(n int) map[string]any {
			return map[string]any{"authenticationEventType": "LOGIN_SSO", "email": fmt.Sprintf("u%d@example.com", n), "success": n%2 == 0, "timestamp": at(n)}
		}
		flow := s.template("login-history", pool)
		var want []string
		for n := range 450 {
			sim.AddAdmin(celonissim.LoginEvents, login(n))
			want = append(want, fmt.Sprintf("u%d@example.com", n))
		}
		apptest.RequireWhole(t, s.Do(flow), 450)
		sim.AddAdmin(celonissim.LoginEvents, login(1000), login(5000))
		want = append(want, "u1000@example.com", "u5000@example.com")
		require.Equal(t, "succeeded", s.Do(flow).State)
		require.Equal(t, "succeeded", s.Do(flow).State)
		requireOnce(t, sim, "CELONIS_LOGIN_HISTORY", "EMAIL", want)
	})
	t.Run("adoption", func(t *testing.T) {
		s := s.on(t)
		flow := s.template("platform-adoption", pool)
		for n := range 300 {
			sim.AddAdmin(celonissim.AdoptionEvents, map[string]any{"assetId": fmt.Sprint(n), "timestamp": time.Now().UTC().Format(time.RFC3339)})
		}
		apptest.RequireWhole(t, s.Do(flow), 300)
		sim.AddAdmin(celonissim.AdoptionEvents, map[string]any{"assetId": "late", "timestamp": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)})
		require.Equal(t, "succeeded", s.Do(flow).State)
		require.Equal(t, 301, sim.MustTable("CELONIS_ADOPTION_EVENTS").Rows())
		require.Contains(t, apptest.Column(sim.MustTable("CELONIS_ADOPTION_EVENTS"), "EVENT_DATA")[0], `"assetId"`)
	})
	t.Run("members", func(t *testing.T) {
		s := s.on(t)
		for n := range 230 {
			m := map[string]any{
				"userId": fmt.Sprint(n), "nameAndEmail": fmt.Sprintf("Ada (Countess) Nr %d (ada%d@example.com)", n, n), "userRole": "MEMBER", "status": "Active",
				"lastLogin": "1/2/2026, 3:04:05\u202fPM UTC", "inactivityPeriod": n, "group": []any{map[string]any{"name": "all", "teamRole": "MEMBER"}},
			}
			if n%2 == 1 {
				delete(m, "lastLogin")
			}
			sim.AddAdmin(celonissim.TeamMembers, m)
		}
		sim.AddAdmin(celonissim.CelonisMembers, map[string]any{"userId": "internal"})
		flow := s.template("members", pool)
		for range 2 {
			apptest.RequireWhole(t, s.Do(flow), 230)
			table := sim.MustTable("CELONIS_MEMBERS")
			require.Equal(t, 230, table.Rows())
			i := slices.Index(apptest.Column(table, "USER_ID"), "4")
			require.Equal(t, "Ada (Countess) Nr 4", apptest.Column(table, "NAME")[i])
			require.Equal(t, "ada4@example.com", apptest.Column(table, "EMAIL")[i])
			require.Contains(t, apptest.Column(table, "LAST_LOGIN")[i], "2026-01-02")
			require.Contains(t, apptest.Column(table, "LAST_LOGIN")[i], "15:04:05")
			require.Equal(t, `[{"name":"all","teamRole":"MEMBER"}]`, apptest.Column(table, "GROUPS")[i])
		}
	})
	t.Run("permissions", func(t *testing.T) {
		s := s.on(t)
		for n := range 500 {
			sim.AddAdmin(celonissim.Permissions, map[string]any{
				"subjectName": "Ada", "subjectType": "USER", "subjectId": fmt.Sprint(n), "groups": "all", "role": "MEMBER", "service": "studio",
				"objectName": "o", "objectType": "PACKAGE", "objectId": fmt.Sprint(n), "actions": []any{"EDIT", "VIEW"},
			})
		}
		apptest.RequireWhole(t, s.Do(s.template("permissions", pool)), 500)
		require.Equal(t, `["EDIT","VIEW"]`, apptest.Column(sim.MustTable("CELONIS_PERMISSIONS"), "ACTIONS")[0])
	})
}

func TestListsThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers celonissim.AdminAnswers
		version string
		code    string
		words   string
		rows    int
	}{
		"a total too high":              {celonissim.AdminAnswers{TotalOff: 7}, "v1", "celonis.unreadable_answer", "has 507 records, and gives 500", 0},
		"a total too low":               {celonissim.AdminAnswers{TotalOff: -450}, "v1", "celonis.unreadable_answer", "has 50 records, and gives 500", 0},
		"no total":                      {celonissim.AdminAnswers{NoTotal: true}, "v1", "", "", 500},
		"another order every time":      {celonissim.AdminAnswers{Shuffle: true}, "v1", "source.read_failed", "changed in each of 6 readings", 0},
		"a cursor in a circle":          {celonissim.AdminAnswers{CursorLoop: true}, "auto", "source.cursor_loop", "same nextPageToken twice", 0},
		"the first page for ever":       {celonissim.AdminAnswers{SamePage: true}, "v1", "source.cursor_loop", "page 0", 0},
		"auto without the newer":        {celonissim.AdminAnswers{NoV2: true}, "auto", "", "", 500},
		"the newer where there is none": {celonissim.AdminAnswers{NoV2: true}, "v2", "celonis.not_found", "audit log", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t)
			sim.SetAdmin(c.answers)
			sim.AddAdmin(celonissim.AuditEvents, auditEvents(0, 500)...)
			s := begin(t, sim)
			flow := s.template("audit-log", s.Connect("pool", sim), set("export", map[string]any{"version": c.version}))
			var r apptest.Run
			s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/runs", nil, &r)
			r = s.Await(r.ID, func(r apptest.Run) bool { return r.Ended() || r.State == "waiting" })
			if c.code == "" {
				apptest.RequireWhole(t, r, int64(c.rows))
				requireOnce(t, sim, "CELONIS_AUDIT_LOG", "NODE_NAME", nodes(0, c.rows))
				return
			}
			require.Equal(t, c.code, r.ErrorCode(), "%+v", r.Error)
			require.Contains(t, r.Error.Message, c.words)
			sim.RequireNoTable("CELONIS_AUDIT_LOG")
		})
	}
}

func TestAdminExportsWaitAndFindNothing(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.template("audit-log", s.Connect("pool", sim), set("export", map[string]any{"version": "v1"}))
	sim.SetAdmin(celonissim.AdminAnswers{NoContent: true})
	run := s.Do(flow)
	require.Equal(t, "succeeded", run.State)
	require.Zero(t, run.Ledger.Read)

	sim.AddAdmin(celonissim.AuditEvents, auditEvents(0, 450)...)
	sim.AddFault(celonissim.Fault{Route: "admin.audit.v1", Status: http.StatusTooManyRequests, Skip: 1, Times: 6, Headers: celonissim.RateSeconds, Wait: time.Second})
	apptest.RequireWhole(t, s.Do(flow), 450)
	requireOnce(t, sim, "CELONIS_AUDIT_LOG", "NODE_NAME", nodes(0, 450))
}

func TestAdminExportsAreChecked(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	pool := s.Connect("pool", sim)
	spec := func(export map[string]any) map[string]any {
		e := map[string]any{"type": "auditLog", "connectionId": pool}
		for k, v := range export {
			e[k] = v
		}
		return map[string]any{"name": "refused", "export": e, "import": map[string]any{"type": "dataPush", "connectionId": pool, "table": "T"}}
	}
	for pointer, export := range map[string]map[string]any{
		"/export/from":        {"from": "yesterday"},
		"/export/to":          {"from": "2026-02-01T00:00:00", "to": "2026-01-01"},
		"/export/version":     {"version": "v3"},
		"/export/delta/type":  {"delta": map[string]any{"mode": "delta", "type": "integer", "field": "port"}},
		"/export/query":       {"query": "TABLE(1)"},
		"/export/tool":        {"type": "mcpTool", "asset": "a"},
		"/export/arguments":   {"type": "mcpTool", "asset": "a", "tool": "t", "arguments": "[1]"},
		"/export/dataModelId": {"type": "pql", "query": "TABLE(1)"},
	} {
		body := spec(export)
		if pointer == "/export/delta/type" {
			part(body, "import")["mode"], part(body, "import")["keys"] = "delta", []string{"K"}
		}
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", body)
		require.NotEmpty(t, p.Errors, pointer)
		require.Equal(t, pointer, p.Errors[0].Pointer)
	}
}

func TestScopeAdviceCoversExports(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	pool := s.Connect("pool", sim)
	s.template("login-history", pool)
	var advice struct {
		Needed []struct {
			Operation string
			AnyOf     []string
		}
	}
	s.Call(http.StatusOK, "GET", "/v1/connections/"+pool+"/scope-advice", nil, &advice)
	var anyOf []string
	for _, n := range advice.Needed {
		anyOf = append(anyOf, n.AnyOf...)
	}
	require.Contains(t, anyOf, "team.login-history:read")
	require.Contains(t, anyOf, "integration.data-pools:data_push")
}
