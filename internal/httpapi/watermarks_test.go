package httpapi_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func (f *fakeFlows) StartRunWith(ctx context.Context, workspace, id string, ask flows.RunRequest) (*flows.Run, error) {
	r, err := f.StartRun(ctx, workspace, id)
	if err == nil {
		r.Options = flows.RunOptions{Window: ask.Window, Backfill: ask.Window != nil, DryRun: ask.DryRun}
	}
	return r, err
}

func (f *fakeFlows) Watermark(_ context.Context, _, id string) (*flows.Watermark, error) {
	return &flows.Watermark{FlowID: id, Mark: "2026-01-01", RunID: runID, UpdatedAt: epoch()}, none(fault.FlowNotFound, id, flowID)
}

func (f *fakeFlows) SetWatermark(_ context.Context, _, id, mark string) (*flows.Watermark, error) {
	return &flows.Watermark{FlowID: id, Mark: mark, UpdatedAt: epoch()}, none(fault.FlowNotFound, id, flowID)
}

// following is a flow whose runs read what is new.
func following() *flows.Flow {
	f := aFlow()
	f.Export = flows.Export{Type: flows.ExportHTTP, ConnectionID: connectionID, Request: &flows.HTTPRequest{Method: "GET", URL: "list"},
		Delta: &flows.DeltaSpec{Mode: flows.ReadDelta, Field: "updatedAt", Type: flows.MarkTime}}
	return f
}

func TestFlowShowsItsWatermark(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.flows.get = func() (*flows.Flow, error) { return following(), nil }
	answer := s.ask("GET /v1/flows/"+flowID, "")
	require.Equal(t, http.StatusOK, answer.status, answer.body)
	require.Contains(t, answer.body, `"watermark":{"value":"2026-01-01","runId":"`+runID+`"`)
}

func TestWatermarkIsSet(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for body, want := range map[string]string{
		`{"watermark":"2026-02-01"}`: `"value":"2026-02-01"`, `{"watermark":null}`: `"value":null`,
	} {
		answer := s.ask("PUT /v1/flows/"+flowID+"/watermark", body)
		require.Equal(t, http.StatusOK, answer.status, answer.body)
		require.Contains(t, answer.body, want)
	}
}

func TestRunOverAWindow(t *testing.T) {
	t.Parallel()
	s := setup(t)
	answer := s.ask("POST /v1/flows/"+flowID+"/runs", `{"window":{"from":"2026-01-01","to":"2026-02-01"},"dryRun":true}`)
	require.Equal(t, http.StatusAccepted, answer.status, answer.body)
	require.Contains(t, answer.body, `"window":{"from":"2026-01-01","to":"2026-02-01"},"backfill":true,"dryRun":true`)
}
