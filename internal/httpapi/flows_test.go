package httpapi_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

const spec = `{"name":"Permits","export":{"type":"file","fileId":"` + fileID + `","format":"csv","csv":null},
	"mapping":[{"to":"A","from":"a","default":5,"required":false},{"to":"B","length":null}],
	"import":{"type":"dataPush","connectionId":"` + connectionID + `","table":"T","mode":"delta","keys":["A"]},"maxErrors":"2.5%"}`

func TestCreateFlow(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var got flows.Spec
	s.flows.create = func(spec flows.Spec) (*flows.Flow, error) {
		got = spec
		return aFlow(), nil
	}
	res := s.ask("POST /v1/flows", spec)
	require.Equal(t, http.StatusCreated, res.status, res.body)
	require.Equal(t, "/v1/flows/"+flowID, res.header.Get("Location"))
	require.Equal(t, `"7"`, res.header.Get("ETag"))
	five := flows.Scalar("5")
	require.Equal(t, flows.Spec{
		Name: "Permits", Export: flows.Export{Type: flows.ExportFile, FileID: fileID, Format: flows.CSV},
		Mapping:   []flows.Rule{{To: "A", From: "a", Default: &five}, {To: "B"}},
		Import:    flows.Import{Type: flows.ImportDataPush, ConnectionID: connectionID, Table: "T", Mode: flows.Delta, Keys: []string{"A"}},
		MaxErrors: &flows.Threshold{Percent: 2.5},
	}, got)
	require.JSONEq(t, `{"id":"`+flowID+`","name":"Permits","export":{"type":"file","fileId":"`+fileID+`","format":"csv","csv":{"separator":";","header":true}},
		"mapping":[{"to":"CASE_ID","from":"case:concept:name","required":true},{"to":"N","type":"integer","default":"5"}],
		"import":{"type":"dataPush","connectionId":"`+connectionID+`","table":"EVENTS","mode":"delta","keys":["CASE_ID"],"fileType":"parquet"},
		"maxErrors":"2.5%","enabled":true,"paused":false,"revision":7,"createdAt":"2026-03-01T08:30:00.123456Z","updatedAt":"2026-03-01T08:30:00.123456Z"}`, res.body)
}

func TestGetFlowUnlessItIsKnown(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, match := range []string{"", `"6"`, "7"} {
		require.Equal(t, http.StatusOK, s.ask("GET /v1/flows/"+flowID, "", "If-None-Match", match).status, match)
	}
	for _, match := range []string{`"7"`, `W/"7"`, `"1", "7"`, "*"} {
		res := s.ask("GET /v1/flows/"+flowID, "", "If-None-Match", match)
		require.Equal(t, http.StatusNotModified, res.status, match)
		require.Equal(t, `"7"`, res.header.Get("ETag"))
		require.Empty(t, res.body)
	}
}

func TestUpdateFlow(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var got flows.Spec
	s.flows.update = func(spec flows.Spec, revision int64) (*flows.Flow, error) {
		require.EqualValues(t, 7, revision)
		got = spec
		return aFlow(), nil
	}
	res := s.ask("PATCH /v1/flows/"+flowID, `{"import":{"table":"T2","keys":["A","B"]},"mapping":null,"maxErrors":10,"export":{"csv":{"header":false}}}`)
	require.Equal(t, http.StatusOK, res.status, res.body)
	want := aFlow().Spec
	header := false
	want.Import.Table, want.Import.Keys, want.Mapping = "T2", []string{"A", "B"}, nil
	want.MaxErrors, want.Export.CSV.Header = &flows.Threshold{Count: 10}, &header
	require.Equal(t, want, got)
}

// TestPathStays lets a flow that the shell made keep its path, and nobody else set one.
func TestPathStays(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.flows.get = func() (*flows.Flow, error) {
		f := aFlow()
		f.Export = flows.Export{Type: flows.ExportFile, Path: "/data/in.csv", Format: flows.CSV}
		return f, nil
	}
	require.Equal(t, http.StatusOK, s.ask("PATCH /v1/flows/"+flowID, `{"name":"b"}`).status)
	require.Equal(t, http.StatusOK, s.ask("PATCH /v1/flows/"+flowID, `{"export":{"path":"/data/in.csv"}}`).status)
	require.Equal(t, http.StatusOK, s.ask("PATCH /v1/flows/"+flowID, `{"export":{"path":null,"fileId":"`+fileID+`"}}`).status)
	s.ask("PATCH /v1/flows/"+flowID, `{"export":{"path":"/etc/passwd"}}`).
		requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/export/path")
}

func TestSwitchFlow(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var calls []any
	s.flows.setEnabled = func(enabled bool, revision int64) (*flows.Flow, error) {
		calls = append(calls, enabled, revision)
		return aFlow(), nil
	}
	s.ask("POST /v1/flows/"+flowID+"/enable", "")
	s.ask("POST /v1/flows/"+flowID+"/disable", "{}", "If-Match", `"7"`)
	require.Equal(t, []any{true, int64(0), false, int64(7)}, calls)
}

func TestRuns(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("POST /v1/flows/"+flowID+"/runs", "")
	require.Equal(t, http.StatusAccepted, res.status, res.body)
	require.Equal(t, "/v1/runs/"+runID, res.header.Get("Location"))
	require.JSONEq(t, `{"id":"`+runID+`","flowId":"`+flowID+`","flowRevision":7,"trigger":"manual","state":"queued","hasErrors":false,"attempt":0,
		"ledger":{"read":0,"filtered":0,"pushed":0,"errored":0},"actions":{},"bytes":0,"chunks":0,"pushJobId":null,"error":null,"warnings":[],"forecast":null,"resumeAt":null,"fireAt":null,"afterRunId":null,"window":null,"backfill":false,"dryRun":false,
		"createdAt":"2026-03-01T08:30:00.123456Z","startedAt":null,"finishedAt":null}`, res.body)

	s.flows.run = func() (*flows.Run, error) {
		r := aRun()
		r.State, r.Attempt, r.PushJobID, r.Bytes, r.Chunks = flows.Waiting, 2, "job-1", 100, 1
		r.Ledger = flows.Ledger{Read: 10, Pushed: 9, Errored: 1}
		r.Error = &flows.RunError{Code: fault.CelonisRateLimited, Message: "the limit is reached"}
		r.StartedAt, r.ResumeAt = epoch(), epoch().In(time.FixedZone("", 3600))
		return r, nil
	}
	m := s.ask("GET /v1/runs/"+runID, "").json(t)
	require.Equal(t, true, m["hasErrors"])
	require.Equal(t, "job-1", m["pushJobId"])
	require.Equal(t, "2026-03-01T08:30:00.123456Z", m["resumeAt"])
	require.Equal(t, map[string]any{"code": "celonis.rate_limited", "message": "the limit is reached"}, m["error"])

	require.Equal(t, http.StatusAccepted, s.ask("POST /v1/runs/"+runID+"/cancel", "").status)
	s.flows.cancel = func() (*flows.Run, error) { return nil, fault.New(fault.RunStateConflict, "the run has ended") }
	s.ask("POST /v1/runs/"+runID+"/cancel", "").requireProblem(t, http.StatusConflict, "run.state_conflict")
	s.flows.startRun = func() (*flows.Run, error) {
		return nil, fault.New(fault.FlowDisabled, "flow %q is disabled", "Permits").WithHint("enable it")
	}
	p := s.ask("POST /v1/flows/"+flowID+"/runs", "").requireProblem(t, http.StatusConflict, "flow.disabled")
	require.Equal(t, `flow "Permits" is disabled`, p.Detail)
	require.Equal(t, "enable it", p.Hint)
}

func TestPostRecords(t *testing.T) {
	t.Parallel()
	const lines, array = "application/x-ndjson", "application/json"
	for _, tt := range []struct{ name, media, body, want string }{
		{"an array", array, ` [ {"a":1} ,{"b":"]},{"}, {} ] `, "{\"a\":1}\n{\"b\":\"]},{\"}\n{}\n"},
		{"an array over lines", array, "[\n {\n\t\"a\": [1,\r\n 2], \"t\":\"x \\n y\"}\n]", "{\"a\":[1,2],\"t\":\"x \\n y\"}\n"},
		{"lines", lines, "{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}\n{\"b\":2}\n"},
		{"lines by another name", "application/ndjson", "{\"a\":1}", "{\"a\":1}\n"},
		{"lines of Windows, blank ones, no end", lines, "\r\n  {\"a\" : 1}  \r\n\r\n\n{\"b\":2}", "{\"a\" : 1}\n{\"b\":2}\n"},
		{"bytes that are no UTF-8 are the run's to judge", lines, "{\"a\":\"\xff\"}", "{\"a\":\"\xff\"}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			var got []byte
			var count int64
			s.flows.post = func(ndjson []byte, records int64) (*flows.Receipt, error) {
				got, count = ndjson, records
				return &flows.Receipt{BatchID: unknownID, RunID: runID, Records: records}, nil
			}
			res := s.ask("POST /v1/flows/"+flowID+"/records", tt.body, "Content-Type", tt.media)
			require.Equal(t, http.StatusAccepted, res.status, res.body)
			require.Equal(t, tt.want, string(got))
			require.EqualValues(t, bytes.Count(got, []byte("\n")), count)
			require.Equal(t, "/v1/runs/"+runID, res.header.Get("Location"))
		})
	}
}

func TestBadRecords(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, tt := range []struct {
		name, media, body string
		status            int
		code              string
		pointers          []string
		detail            string
	}{
		{"an empty body", "json", "", 400, "request.malformed_json", nil, ""},
		{"no lines", "x-ndjson", " \n\n", 422, "request.invalid", nil, ""},
		{"an empty array", "json", "[]", 422, "request.invalid", nil, ""},
		{"an object", "json", `{"a":1}`, 422, "request.invalid", []string{""}, "must be an array of objects, not an object"},
		{"no objects", "json", `[{},1,null,[{}],{}]`, 422, "request.invalid", []string{"/1", "/2", "/3"}, "must be an object, not a number"},
		{"a cut array", "json", "[{},\n{", 400, "request.malformed_json", nil, ""},
		{"bad lines", "x-ndjson", "{}\n\n{\"a\":}\n[]\n{}\n{\"a\":1", 422, "request.invalid", []string{"/1", "/2", "/4"}, "line 3 is not JSON: column 6: "},
		{"two values on a line", "x-ndjson", "{} {}\n", 422, "request.invalid", []string{"/0"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := s.ask("POST /v1/flows/"+flowID+"/records", tt.body, "Content-Type", "application/"+tt.media)
			p := res.requireProblem(t, tt.status, tt.code, tt.pointers...)
			if len(p.Errors) > 0 {
				require.Contains(t, p.Errors[0].Detail, tt.detail)
			}
		})
	}
	many := bytes.Repeat([]byte("x\n"), 1000)
	res := s.ask("POST /v1/flows/"+flowID+"/records", string(many), "Content-Type", "application/x-ndjson")
	require.Len(t, res.problem(t).Errors, 100)
	s.flows.post = func([]byte, int64) (*flows.Receipt, error) {
		return nil, fault.New(fault.FlowRecordsExport, "the flow has another export")
	}
	s.ask("POST /v1/flows/"+flowID+"/records", "[{}]").requireProblem(t, http.StatusConflict, "flow.not_a_records_flow")
}
