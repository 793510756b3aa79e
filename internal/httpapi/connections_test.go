package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

const draft = `{"name":"Prod pool","apiType":"dataPush","domain":"acme.eu-1.celonis.cloud","authType":"custom","appKey":"k","poolId":null}`

func TestCreateConnection(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var got connections.Draft
	var opt connections.CreateOptions
	s.connections.create = func(d connections.Draft, o connections.CreateOptions) (*connections.Connection, error) {
		got, opt = d, o
		c := aConnection()
		result := aTest()
		c.LastTest, c.Status, c.NextProbeAt = &result, connections.Offline, epoch()
		return c, nil
	}
	res := s.ask("POST /v1/connections", draft)
	require.Equal(t, http.StatusCreated, res.status, res.body)
	require.Equal(t, "/v1/connections/"+connectionID, res.header.Get("Location"))
	require.Equal(t, `"3"`, res.header.Get("ETag"))
	require.Equal(t, "no-store", res.header.Get("Cache-Control"))
	require.Equal(t, "k", got.AppKey.Reveal())
	require.False(t, opt.SkipTest)
	require.JSONEq(t, `{"id":"`+connectionID+`","name":"Prod pool","apiType":"dataPush","domain":"acme.eu-1.celonis.cloud",
		"authType":"custom","poolId":"3e4f5a6b-7c8d-4e9f-8a0b-1c2d3e4f5a6b",
		"secrets":{"appKey":{"set":true,"updatedAt":"2026-03-01T08:30:00.123456Z"}},"status":"offline",
		"lastTest":{"ok":false,"latencyMs":12,"at":"2026-03-01T08:30:00.123456Z","steps":[{"step":"dns","ok":true},
			{"step":"auth","ok":false,"code":"celonis.unauthorized","detail":"Celonis refused the key","hint":"make a new one"}]},
		"nextProbeAt":"2026-03-01T08:30:00.123456Z",
		"createdAt":"2026-03-01T08:30:00.123456Z","updatedAt":"2026-03-01T08:30:00.123456Z","revision":3}`, res.body)
	require.NotContains(t, res.body, "sealed-envelope")

	s.ask("POST /v1/connections?test=skip", draft)
	require.True(t, opt.SkipTest)
	s.ask("POST /v1/connections?test=no", draft).requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
}

// TestBadBodies sends what no create takes; every fault must be told at once.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	s := setup(t)
	refuse := func(connections.Draft, connections.CreateOptions) (*connections.Connection, error) {
		t.Error("a bad body must not get through")
		return nil, fault.New(fault.Internal, "")
	}
	s.connections.create = refuse
	for _, tt := range []struct {
		name, what, body string
		status           int
		code             string
		pointers         []string
	}{
		{"empty", "POST /v1/connections", " ", 400, "request.malformed_json", nil},
		{"not JSON", "POST /v1/connections", "{\"name\":\n x}", 400, "request.malformed_json", nil},
		{"text after the end", "POST /v1/connections", draft + "{}", 400, "request.malformed_json", nil},
		{"not UTF-8", "POST /v1/connections", "{\"name\":\"\xff\"}", 400, "request.malformed_json", nil},
		{"too deep", "POST /v1/flows", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), 400, "request.malformed_json", nil},
		{"a list", "POST /v1/connections", `[]`, 422, "request.invalid", []string{""}},
		{"null", "POST /v1/connections", `null`, 422, "request.invalid", []string{""}},
		{
			"unknown, wrong, twice and missing", "POST /v1/connections",
			`{"nAme":"a","apiType":5,"domain":"d","domain":"e","authType":"magic","extra":{}}`, 422, "request.invalid",
			[]string{"/nAme", "/apiType", "/domain", "/authType", "/extra", "/name"},
		},
		{"the same for a test", "POST /v1/connections/test", `{"name":[],"a/b":1}`, 422, "request.invalid",
			[]string{"/name", "/a~1b", "/apiType"}},
		{
			"a flow, deep down", "POST /v1/flows",
			`{"name":"f","export":{"type":"file","fileid":"x","csv":{"header":"yes","separator":";;"}},
			"mapping":[{"to":"A","frm":"x"},{"type":"text","length":99999999999999999999},null],"import":{"type":"dataPush","keys":["a","a"]},"maxErrors":"5"}`,
			422, "request.invalid",
			[]string{"/export/fileid", "/export/csv/header", "/export/csv/separator", "/mapping/0/frm", "/mapping/1/length", "/mapping/1/to",
				"/mapping/1/type", "/mapping/2", "/import/keys", "/import/connectionId", "/import/table", "/maxErrors"},
		},
		{"a path", "POST /v1/flows", `{"name":"f","export":{"type":"file","path":"/etc/passwd","format":"csv"},"import":{"type":"dataPush","connectionId":"c"}}`,
			422, "request.invalid", []string{"/export/path", "/import/table"}},
		{"something where nothing goes", "POST /v1/flows/" + flowID + "/runs", `{"force":true}`, 422, "request.invalid", []string{"/force"}},
		{"something where nothing goes", "POST /v1/flows/" + flowID + "/enable", `[1]`, 422, "request.invalid", []string{""}},
		{"something where nothing goes", "POST /v1/runs/" + runID + "/cancel", `{"force":true}`, 422, "request.invalid", []string{"/force"}},
		{"something where nothing goes", "POST /v1/connections/" + connectionID + "/test", `x`, 400, "request.malformed_json", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := s.ask(tt.what, tt.body).requireProblem(t, tt.status, tt.code, tt.pointers...)
			require.NotEmpty(t, p.Detail)
		})
	}
	p := s.ask("POST /v1/connections", "{\"name\":\n x}").problem(t)
	require.Contains(t, p.Detail, "line 2, column 2")
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	big := `{"name":"` + strings.Repeat("a", 1<<20) + `"}`
	for _, what := range []string{
		"POST /v1/connections", "POST /v1/connections/test", "PATCH /v1/connections/" + connectionID, "POST /v1/flows",
		"PATCH /v1/flows/" + flowID, "POST /v1/flows/" + flowID + "/runs", "POST /v1/runs/" + runID + "/cancel",
	} {
		p := s.ask(what, big).requireProblem(t, http.StatusRequestEntityTooLarge, "request.too_large")
		require.Contains(t, p.Detail, "1048576")
	}
	p := s.ask("POST /v1/flows/"+flowID+"/records", "["+strings.Repeat(" ", 16<<20)+"]").
		requireProblem(t, http.StatusRequestEntityTooLarge, "request.too_large")
	require.Contains(t, p.Detail, "16777216")
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, tt := range []struct{ what, media, coding string }{
		{"POST /v1/connections", "", ""},
		{"POST /v1/connections", "text/plain", ""},
		{"POST /v1/connections", "application/x-www-form-urlencoded", ""},
		{"POST /v1/connections", "application/json; charset=latin1", ""},
		{"POST /v1/connections", "application/json; charset", ""},
		{"POST /v1/connections", "application/json", "gzip"},
		{"POST /v1/connections", "application/merge-patch+json", ""},
		{"PATCH /v1/connections/" + connectionID, "application/json-patch+json", ""},
		{"POST /v1/flows/" + flowID + "/records", "text/csv", ""},
		{"POST /v1/files", "application/json", ""},
	} {
		res := s.ask(tt.what, draft, "Content-Type", tt.media, "Content-Encoding", tt.coding)
		res.requireProblem(t, http.StatusUnsupportedMediaType, "request.unsupported_media_type")
	}
	for _, media := range []string{"application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"} {
		require.Equal(t, http.StatusCreated, s.ask("POST /v1/connections", draft, "Content-Type", media).status, media)
	}
}

func TestGetConnection(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/connections/"+connectionID, "", "If-None-Match", `"3"`)
	require.Equal(t, http.StatusOK, res.status, "its status may have changed without its revision")
	require.Equal(t, `"3"`, res.header.Get("ETag"))
	require.Nil(t, res.json(t)["lastTest"])
}

func TestUpdateConnection(t *testing.T) {
	t.Parallel()
	stored := aConnection()
	for _, tt := range []struct {
		name, body string
		want       connections.Draft
		key        string
	}{
		{"nothing", `{}`, connections.Draft{Name: stored.Name, PoolID: stored.PoolID}, ""},
		{"the name", `{"name":"New"}`, connections.Draft{Name: "New", PoolID: stored.PoolID}, ""},
		{"a secret", `{"appKey":"new-key"}`, connections.Draft{Name: stored.Name, PoolID: stored.PoolID}, "new-key"},
		{"a secret is not taken away", `{"appKey":null}`, connections.Draft{Name: stored.Name, PoolID: stored.PoolID}, ""},
		{"the pool is taken away", `{"poolId":null}`, connections.Draft{Name: stored.Name}, ""},
	} {
		for _, media := range []string{"application/merge-patch+json", "application/json"} {
			t.Run(tt.name+" "+media, func(t *testing.T) {
				t.Parallel()
				s := setup(t)
				var got connections.Draft
				var revision int64
				s.connections.update = func(d connections.Draft, r int64) (*connections.Connection, error) {
					got, revision = d, r
					c := aConnection()
					c.Revision = 4
					return c, nil
				}
				res := s.ask("PATCH /v1/connections/"+connectionID, tt.body, "Content-Type", media)
				require.Equal(t, http.StatusOK, res.status, res.body)
				require.Equal(t, `"4"`, res.header.Get("ETag"))
				require.EqualValues(t, 3, revision, "the write must meet what was read")
				require.Equal(t, tt.key, got.AppKey.Reveal())
				require.Equal(t, []any{tt.want.Name, tt.want.PoolID, stored.Domain, stored.APIType, stored.AuthType},
					[]any{got.Name, got.PoolID, got.Domain, got.APIType, got.AuthType})
			})
		}
	}
}

func TestPatchTellsEveryFault(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.ask("PATCH /v1/connections/"+connectionID, `{"name":null,"domain":7,"status":"online","nope":null}`).
		requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/domain", "/status", "/nope", "/name")
	s.ask("PATCH /v1/connections/"+connectionID, `["name"]`).requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "")
	s.ask("PATCH /v1/connections/"+connectionID, `{"name":`).requireProblem(t, http.StatusBadRequest, "request.malformed_json")
	s.ask("PATCH /v1/flows/"+flowID, `{"import":{"tabel":"T","table":null},"export":{"csv":{"quote":1}}}`).
		requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/import/tabel", "/export/csv/quote", "/import/table")
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	s := setup(t)
	writes := []struct{ what, body, current string }{
		{"PATCH /v1/connections/" + connectionID, `{"name":"b"}`, `"3"`},
		{"DELETE /v1/connections/" + connectionID, "", `"3"`},
		{"PATCH /v1/flows/" + flowID, `{"name":"b"}`, `"7"`},
		{"POST /v1/flows/" + flowID + "/enable", "", `"7"`},
		{"POST /v1/flows/" + flowID + "/disable", "{}", `"7"`},
		{"DELETE /v1/flows/" + flowID, "", `"7"`},
	}
	for _, w := range writes {
		for _, match := range []string{w.current, "*", `"1", ` + w.current, ""} {
			res := s.ask(w.what, w.body, "If-Match", match)
			require.Less(t, res.status, 300, "%s with %q: %s", w.what, match, res.body)
		}
		for _, match := range []string{`"2"`, "W/" + w.current, strings.Trim(w.current, `"`), `"1","2"`, `""`} {
			p := s.ask(w.what, w.body, "If-Match", match).requireProblem(t, http.StatusPreconditionFailed, "request.stale")
			require.Contains(t, p.Detail, w.current)
			require.NotEmpty(t, p.Hint)
		}
		unknown := strings.NewReplacer(connectionID, unknownID, flowID, unknownID).Replace(w.what)
		require.Equal(t, http.StatusNotFound, s.ask(unknown, w.body, "If-Match", w.current).status)
	}
}

// TestPatchMeetsAnotherWriter lets another write come between reading and writing.
func TestPatchMeetsAnotherWriter(t *testing.T) {
	t.Parallel()
	s := setup(t)
	revision := int64(3)
	s.connections.get = func(string) (*connections.Connection, error) {
		c := aConnection()
		c.Revision = revision
		revision++ // the other writer
		return c, nil
	}
	tries := 0
	s.connections.update = func(_ connections.Draft, r int64) (*connections.Connection, error) {
		if tries++; tries < 3 {
			return nil, fault.New(fault.RequestStale, "changed")
		}
		c := aConnection()
		c.Revision = r + 1
		return c, nil
	}
	res := s.ask("PATCH /v1/connections/"+connectionID, `{"name":"b"}`)
	require.Equal(t, http.StatusOK, res.status)
	require.Equal(t, 3, tries, "without If-Match the patch is applied to what is there now")

	revision, tries = 3, 0
	s.ask("PATCH /v1/connections/"+connectionID, `{"name":"b"}`, "If-Match", `"3"`).
		requireProblem(t, http.StatusPreconditionFailed, "request.stale")
	require.Equal(t, 1, tries)

	revision, tries = 3, -100
	s.ask("PATCH /v1/connections/"+connectionID, `{"name":"b"}`).requireProblem(t, http.StatusPreconditionFailed, "request.stale")
	require.Equal(t, -95, tries, "the tries are bounded")
}

func TestDeleteConnectionInUse(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("DELETE /v1/connections/"+connectionID, "")
	require.Equal(t, http.StatusNoContent, res.status)
	require.Empty(t, res.body)

	s.connections.users = []connections.Usage{{FlowID: flowID, Name: "Permits"}}
	s.connections.delete = func(int64) error {
		return fault.New(fault.ConnectionInUse, "a flow uses the connection")
	}
	p := s.ask("DELETE /v1/connections/"+connectionID, "").requireProblem(t, http.StatusConflict, "connection.in_use")
	require.Equal(t, "Permits", p.UsedBy[0].Name)
	require.Equal(t, flowID, p.UsedBy[0].FlowID)

	res = s.ask("GET /v1/connections/"+connectionID+"/used-by", "")
	require.JSONEq(t, `{"items":[{"flowId":"`+flowID+`","name":"Permits"}],"next":null}`, res.body)
	s.connections.users = nil
	res = s.ask("GET /v1/connections/"+connectionID+"/used-by", "")
	require.JSONEq(t, `{"items":[],"next":null}`, res.body)
}

func TestFailingTestIsAResult(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("POST /v1/connections/"+connectionID+"/test", "")
	require.Equal(t, http.StatusOK, res.status)
	require.Equal(t, false, res.json(t)["ok"])
	res = s.ask("POST /v1/connections/test", draft)
	require.Equal(t, http.StatusOK, res.status)

	s.connections.testDraft = func(connections.Draft) (connections.TestResult, error) {
		return connections.TestResult{OK: true, At: epoch()}, nil
	}
	res = s.ask("POST /v1/connections/test", draft)
	require.Equal(t, []any{}, res.json(t)["steps"], "an empty list is no null")

	s.connections.testDraft = func(connections.Draft) (connections.TestResult, error) {
		return connections.TestResult{}, fault.New(fault.RequestInvalid, "bad").
			WithFields(fault.Field{Pointer: "/appKey", Code: fault.SecretMask, Detail: "is a mask"})
	}
	s.ask("POST /v1/connections/test", draft).requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/appKey")
}
