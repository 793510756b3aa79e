package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// fakePreviews answers every preview with the same, and refuses a table called BAD.
type fakePreviews struct{}

var _ httpapi.Previews = fakePreviews{}

const aPreview = `{"ok":true,"limit":20,"window":null,"request":{"ok":true,"errors":[],"exchanges":[{"kind":"sql","sql":"SELECT 1","binds":["a"],"bytes":3,"millis":1}]},
"raw":{"ok":true,"errors":[],"text":"","truncated":false},"parsed":{"ok":true,"errors":[],"records":[{"record":1,"line":2,"data":{"a":1}}]},
"filtered":{"ok":true,"errors":[],"records":1,"dropped":0,"of":[{"record":1,"expanded":1,"dropped":0}]},
"mapped":{"ok":true,"errors":[],"rows":[{"record":1,"superseded":false,"values":{"A":1}}]},
"table":{"ok":true,"errors":[],"table":"T","keys":[],"columns":[{"name":"A","type":"integer","celonisType":"INTEGER","key":false}],"exists":null,"differences":[]},
"preflight":{"ok":true,"errors":[],"findings":[]},"at":"2026-03-01T08:30:00Z"}`

func (fakePreviews) PreviewSaved(_ context.Context, who httpapi.PreviewCaller, id string, _ flows.PreviewRequest) (json.RawMessage, error) {
	if who.Workspace == "" || who.Client == "" {
		return nil, fault.New(fault.Internal, "nobody asks")
	}
	return json.RawMessage(aPreview), none(fault.FlowNotFound, id, flowID)
}

func (fakePreviews) PreviewDraft(_ context.Context, _ httpapi.PreviewCaller, spec flows.Spec, _ flows.PreviewRequest) (json.RawMessage, error) {
	if spec.Import.Table == "BAD" {
		return nil, fault.New(fault.RequestInvalid, "the flow has a fault").WithFields(fault.Field{Pointer: "/export/fileId", Code: fault.FileNotFound, Detail: "names no file"})
	}
	return json.RawMessage(aPreview), nil
}

const draftFlow = `"flow":{"name":"n","export":{"type":"records"},"import":{"type":"dataPush","connectionId":"` + connectionID + `","table":"T"}}`

func TestPreviews(t *testing.T) {
	t.Parallel()
	s := setup(t)
	saved := "POST /v1/flows/" + flowID + "/preview"
	for what, body := range map[string]string{
		"nothing": "", "an empty object": `{}`, "everything": `{"limit":5,"window":{"from":"1"},"records":[{"a":1}]}`,
	} {
		require.Equal(t, http.StatusOK, s.ask(saved, body).status, what)
	}
	res := s.ask("POST /v1/flows/preview", `{`+draftFlow+`,"limit":3,"records":[{"a":12345678901234567890}]}`)
	require.Equal(t, http.StatusOK, res.status, "%s", res.body)
}

func TestPreviewsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := setup(t)
	saved, draft := "POST /v1/flows/"+flowID+"/preview", "POST /v1/flows/preview"
	for name, c := range map[string]struct{ what, body, code, pointer string }{
		"a limit of 101":     {saved, `{"limit":101}`, "request.field_invalid", "/limit"},
		"a negative limit":   {saved, `{"limit":-1}`, "request.field_invalid", "/limit"},
		"a record that is 1": {saved, `{"records":[{},1]}`, "request.wrong_type", "/records/1"},
		"too many records":   {saved, `{"records":[{}` + strings.Repeat(",{}", 100) + `]}`, "request.field_invalid", "/records"},
		"an unknown member":  {saved, `{"count":1}`, "request.unknown_field", "/count"},
		"a path of the machine": {draft, strings.Replace(`{`+draftFlow+`}`, `"type":"records"`, `"type":"file","path":"/etc/passwd","format":"csv"`, 1),
			"request.field_invalid", "/flow/export/path"},
		"an unknown member of the flow": {draft, `{` + strings.Replace(draftFlow, `"name"`, `"nome":1,"name"`, 1) + `}`, "request.unknown_field", "/flow/nome"},
		"what the service refuses":      {draft, `{` + strings.Replace(draftFlow, `"T"`, `"BAD"`, 1) + `}`, "file.not_found", "/flow/export/fileId"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := s.ask(c.what, c.body).requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", c.pointer)
			require.NotEmpty(t, p.Errors)
			require.Equal(t, []string{c.code, c.pointer}, []string{string(p.Errors[0].Code), p.Errors[0].Pointer})
		})
	}
}
