package telemetry_test

import (
	"io"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/telemetry"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	m, other := telemetry.NewMetrics(), telemetry.NewMetrics()
	other.RunStarted(time.Second)
	m.HTTPRequest("GET", "/v1/connections/:id", 200, 3*time.Millisecond)
	m.RunStarted(4 * time.Millisecond)
	m.RunStarted(-1)
	m.RunSettled("succeeded", time.Minute)
	m.RunWaits("celonis.budget_spent")
	m.Records(10, 1, 8, 1)
	m.Records(5, 0, 5, 0)
	m.ChunkUploaded(true, 1000, time.Second)
	m.ChunkUploaded(false, 500, time.Second)
	m.CelonisCall("createPushJob", 201, time.Second)
	m.CelonisCall("createPushJob", 0, time.Second)
	m.QueueDepth(7, 2)

	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(rec.Result().Body)
	require.NoError(t, err)
	for _, line := range []string{
		`connector_http_request_seconds_count{method="GET",route="/v1/connections/:id",status="200"} 1`,
		`connector_runs_running 1`,
		`connector_run_pickup_seconds_count 1`,
		`connector_runs_settled_total{state="succeeded"} 1`,
		`connector_run_waits_total{code="celonis.budget_spent"} 1`,
		`connector_run_seconds_sum{state="succeeded"} 60`,
		`connector_records_total{outcome="read"} 15`,
		`connector_records_total{outcome="pushed"} 13`,
		`connector_records_total{outcome="filtered"} 1`,
		`connector_records_total{outcome="errored"} 1`,
		`connector_uploaded_bytes_total 1000`,
		`connector_chunk_upload_seconds_count{outcome="failed"} 1`,
		`connector_celonis_call_seconds_count{operation="createPushJob",status="0"} 1`,
		`connector_queue_runs{state="waiting"} 7`,
		`connector_queue_runs{state="leased"} 2`,
	} {
		require.Regexp(t, "(?m)^"+regexp.QuoteMeta(line)+"$", string(text))
	}
	require.Contains(t, string(text), "go_goroutines")
	require.NotNil(t, m.Registry())
}
