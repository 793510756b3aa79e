package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const errorID = "0199f3a0-7c1e-7b54-9a3e-2f6c1d0b8e77"

func anError() *flows.RecordError {
	return &flows.RecordError{
		ID: errorID, FlowID: flowID, FlowRevision: 2, RunID: runID, Revision: 3, Record: 42, Line: 43, Offset: 8211, Code: fault.ValueType,
		Field: "EVENTTIME", Message: `"soon" is no time`, Signature: "5d41402abc4b2a76", TraceKey: "4711",
		Data: []byte(`{"a":"<ü>"}`), DataIsObject: true, State: flows.ErrorOpen, Attempts: 1, CreatedAt: epoch(), UpdatedAt: epoch(),
	}
}

func (f *fakeFlows) ErrorGroups(_ context.Context, q flows.ErrorQuery) ([]flows.ErrorGroup, error) {
	return []flows.ErrorGroup{{
		Signature: "5d41402abc4b2a76", Code: fault.ValueRequired, Message: `"a" has "secret"`, ExampleID: errorID, Open: 2, Resolved: 1,
		FirstAt: epoch(), LastAt: epoch(),
	}}, none(fault.FlowNotFound, q.FlowID, flowID)
}

func (f *fakeFlows) RecordError(_ context.Context, _, id string) (*flows.RecordError, error) {
	return anError(), none(fault.ErrorNotFound, id, errorID)
}

func (f *fakeFlows) EditError(_ context.Context, _, id string, record json.RawMessage, revision int64) (*flows.RecordError, error) {
	e := anError()
	e.Edited, e.Revision = record, revision+1
	return e, none(fault.ErrorNotFound, id, errorID)
}

func (f *fakeFlows) ResolveErrors(_ context.Context, q flows.ErrorQuery) (int64, error) {
	f.errorsAsked = append(f.errorsAsked, q)
	return 7, none(fault.FlowNotFound, q.FlowID, flowID)
}

func (f *fakeFlows) RetryErrors(_ context.Context, q flows.ErrorQuery, version flows.FlowVersion) (*flows.Retried, error) {
	f.errorsAsked, f.retryVersion = append(f.errorsAsked, q), version
	return &flows.Retried{Runs: []flows.Run{*aRun()}, Errors: 5, Left: 1}, none(fault.FlowNotFound, q.FlowID, flowID)
}

func TestRecordErrors(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var asked flows.ErrorQuery
	s.flows.errors = func(q flows.ErrorQuery) ([]flows.RecordError, error) {
		asked = q
		whole := *anError()
		whole.Field, whole.Data, whole.Truncated, whole.DataIsObject = "", []byte("a\xffb"), true, false
		return []flows.RecordError{*anError(), whole}, nil
	}
	res := s.ask("GET /v1/flows/"+flowID+"/errors?runId="+runID+"&state=open&limit=2&class=value&code=value.wrong_type&signature=x&field=A&traceKey=4711"+
		"&from=2026-03-29T01:00:00Z&to=2026-03-30T01:00:00%2B02:00", "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, flows.ErrorQuery{
		Workspace: "default", FlowID: flowID, RunID: runID, State: flows.ErrorOpen, Class: flows.ClassValue, Code: fault.ValueType,
		Signature: "x", Field: "A", TraceKey: "4711", From: asked.From, To: asked.To, Page: flows.Page{Limit: 3},
	}, asked)
	require.True(t, asked.From.Equal(time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)))
	require.True(t, asked.To.Equal(time.Date(2026, 3, 29, 23, 0, 0, 0, time.UTC)))
	require.Contains(t, res.body, `"data":"{\"a\":\"<ü>\"}","dataEncoding":"utf-8","original":{"a":"<ü>"},"edited":null,"traceKey":"4711"`)
	require.Contains(t, res.body, `"field":null`)
	require.Contains(t, res.body, `"data":"Yf9i","dataEncoding":"base64","original":null`)
	for _, query := range []string{"state=closed", "state=", "runId=", "runId=%00", "class=odd", "from=yesterday", "code=", "traceKey="} {
		s.ask("GET /v1/flows/"+flowID+"/errors?"+query, "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
	}
}

func TestWithoutTheirScopePayloadsAreNotThere(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.flows.errors = func(flows.ErrorQuery) ([]flows.RecordError, error) { return []flows.RecordError{*anError()}, nil }
	const header, reader = "Authorization", "Bearer flows:read"
	for _, path := range []string{"/v1/flows/" + flowID + "/errors", "/v1/errors/" + errorID} {
		res := s.ask("GET "+path, "", header, reader)
		require.Equal(t, http.StatusOK, res.status, res.body)
		for _, word := range []string{`"data"`, `"original"`, `"edited"`, `"traceKey"`, "4711", "soon"} {
			require.NotContains(t, res.body, word)
		}
		require.Contains(t, res.body, `"message":"\"...\" is no time"`)
	}
	require.NotContains(t, s.ask("GET /v1/flows/"+flowID+"/errors/groups", "", header, reader).body, "secret")
	require.Contains(t, s.ask("GET /v1/flows/"+flowID+"/errors/groups", "").body, "secret")
	s.ask("GET /v1/flows/"+flowID+"/errors?traceKey=4711", "", header, reader).requireProblem(t, http.StatusForbidden, "access.insufficient_scope")
	s.ask("GET /v1/flows/"+flowID+"/errors/export", "", header, reader).requireProblem(t, http.StatusForbidden, "access.insufficient_scope")
}

// requireInvalid demands a refusal that tells the place of each fault.
func requireInvalid(t *testing.T, res response) {
	t.Helper()
	require.Equal(t, http.StatusUnprocessableEntity, res.status, res.body)
	p := res.problem(t)
	require.Equal(t, "request.invalid", p.Code)
	require.NotEmpty(t, p.Errors)
}

func TestEditingARecordError(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/errors/"+errorID, "")
	require.Equal(t, `"3"`, res.header.Get("ETag"))
	res = s.ask("PATCH /v1/errors/"+errorID, `{"record":{"b":{"c":[1.50]}}}`, "If-Match", `"3"`)
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, map[string]any{"a": "<ü>", "b": map[string]any{"c": []any{1.5}}}, res.json(t)["edited"])
	require.Contains(t, res.body, "1.50", "a number stays as it is written")
	require.Equal(t, `"4"`, res.header.Get("ETag"))
	s.ask("PATCH /v1/errors/"+errorID, `{"record":{"b":1}}`, "If-Match", `"2"`).requireProblem(t, http.StatusPreconditionFailed, "request.stale")
	for _, body := range []string{`{"record":[1]}`, `{"record":null}`, `{"other":1}`, `{"record":"x"}`} {
		requireInvalid(t, s.ask("PATCH /v1/errors/"+errorID, body))
	}
	s.ask("PATCH /v1/errors/"+unknownID, `{"record":{}}`).requireProblem(t, http.StatusNotFound, "error.not_found")
}

func TestRetryingAndResolving(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("POST /v1/errors/"+errorID+"/retry", `{"flow":"original"}`)
	require.Equal(t, http.StatusAccepted, res.status, res.body)
	require.Equal(t, "/v1/runs/"+runID, res.header.Get("Location"))
	require.Equal(t, flows.FlowOriginal, s.flows.retryVersion)
	require.Equal(t, []flows.ErrorQuery{{Workspace: "default", FlowID: flowID, IDs: []string{errorID}}}, s.flows.errorsAsked)
	require.Equal(t, http.StatusAccepted, s.ask("POST /v1/errors/"+errorID+"/retry", "").status)
	require.Equal(t, http.StatusOK, s.ask("POST /v1/errors/"+errorID+"/resolve", "").status)

	res = s.ask("POST /v1/flows/"+flowID+"/errors/retry", `{"signature":"x","class":"parse","runId":"`+runID+`"}`)
	require.Equal(t, http.StatusAccepted, res.status, res.body)
	require.Contains(t, res.body, `"retried":5,"skipped":1`)
	require.Equal(t, flows.ErrorQuery{Workspace: "default", FlowID: flowID, Signature: "x", Class: flows.ClassParse, RunID: runID},
		s.flows.errorsAsked[len(s.flows.errorsAsked)-1])
	res = s.ask("POST /v1/flows/"+flowID+"/errors/resolve", `{"all":true}`)
	require.JSONEq(t, `{"resolved":7}`, res.body)
	for _, body := range []string{``, `{}`, `{"all":false}`, `{"all":true,"ids":["a"]}`, `{"ids":["a","a"]}`, `{"class":"odd"}`, `{"ids":["` + strings.Repeat("a", 65) + `"]}`, `{"flow":"now","all":true}`, `{"x":1}`} {
		requireInvalid(t, s.ask("POST /v1/flows/"+flowID+"/errors/retry", body))
	}
	again := func() string {
		return s.ask("POST /v1/flows/"+flowID+"/errors/retry", `{"all":true}`, "Idempotency-Key", "once").header.Get("Idempotency-Replayed")
	}
	require.Empty(t, again())
	require.Equal(t, "true", again())
}

func TestExportingRecordErrors(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const many = 120
	s.flows.errors = func(q flows.ErrorQuery) ([]flows.RecordError, error) {
		first := 0
		if q.Page.After != "" {
			n, err := strconv.Atoi(q.Page.After)
			if err != nil {
				return nil, err
			}
			first = n + 1
		}
		var list []flows.RecordError
		for i := first; i < many && len(list) < q.Page.Limit; i++ {
			e := *anError()
			e.ID = strconv.Itoa(i)
			if i == 3 {
				e.Data, e.DataIsObject = []byte("x;y"), false
			}
			list = append(list, e)
		}
		return list, nil
	}
	res := s.ask("GET /v1/flows/"+flowID+"/errors/export", "")
	require.Equal(t, "application/x-ndjson", res.header.Get("Content-Type"))
	require.Equal(t, many, strings.Count(res.body, "\n"))
	require.True(t, strings.HasPrefix(res.body, `{"record":{"a":"<ü>"},"error":{"id":"0"`), res.body[:200])
	res = s.ask("GET /v1/flows/"+flowID+"/errors/export?content=records", "")
	require.Equal(t, strings.Repeat(`{"a":"<ü>"}`+"\n", many-1), res.body)
	s.ask("GET /v1/flows/"+flowID+"/errors/export?content=odd", "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
}
