package preview_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/preview"
)

const (
	poolID = "11111111-2222-3333-4444-555555555555"
	appKey = "app-key-of-the-preview-tests"
)

// kit is a simulator, a preview service and the pieces of a run, on the same builder.
type kit struct {
	*celonissim.Server
	t       testing.TB
	target  connections.Target
	builder *endpoint.Builder
	engine  *engine.Engine
	service *preview.Service
	flow    *flows.Flow
	status  connections.Status
	flaws   error
	latest  []byte

	mu    sync.Mutex
	calls []string
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{t: t, status: connections.Online}
	k.Server = celonissim.New(celonissim.Options{
		Limits: celonissim.Limits{SubmitsOff: true},
		Teams: []celonissim.Team{{
			Credentials: []celonissim.Credential{{Name: "app", Kind: celonissim.AppKey, Key: appKey, PushPools: []string{poolID}, ListPools: true, ManagePools: true}},
			Pools:       []celonissim.Pool{{ID: poolID, Name: "Pool"}},
		}},
		OnRequest: func(r celonissim.Request) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.calls = append(k.calls, r.Route)
		},
	})
	url, err := k.Start("127.0.0.1:0")
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		require.NoError(t, k.Close())
	})
	k.target = connections.Target{BaseURL: url, APIType: connections.DataPush, AuthType: connections.Custom, Key: crypto.NewSecret(appKey), PoolID: poolID}
	k.builder = endpoint.NewBuilder(endpoint.Deps{
		Targets: k, Transport: transport, Observer: silent{}, Governor: open{}, Log: slog.New(slog.DiscardHandler), Now: time.Now, PollFor: 20 * time.Second, TempDir: t.TempDir(),
	})
	k.engine = engine.New(engine.Options{TempDir: t.TempDir()})
	k.service = preview.New(preview.Deps{
		Flows: k, Records: k, Endpoints: k.builder, Connections: k, Engine: k.engine, Redactor: plain{}, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), PerMinute: 100_000,
	})
	return k
}

// pushed lists the requests that a preview must not make.
func (k *kit) pushed() (out []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.calls {
		if strings.HasPrefix(c, "push.") {
			out = append(out, c)
		}
	}
	return out
}

// Target implements endpoint.Targets.
func (k *kit) Target(context.Context, string, string) (connections.Target, error) {
	return k.target, nil
}

// Connection implements preview.Connections.
func (k *kit) Connection(_ context.Context, _, id string) (*connections.Connection, error) {
	return &connections.Connection{ID: id, Name: "pool", APIType: connections.DataPush, Status: k.status, Domain: "acme"}, nil
}

// Get implements preview.Flows.
func (k *kit) Get(context.Context, string, string) (*flows.Flow, error) { return k.flow, nil }

// Check implements preview.Flows.
func (k *kit) Check(_ context.Context, _ string, spec flows.Spec) (flows.Spec, error) {
	return spec, k.flaws
}

// NextOptions implements preview.Flows.
func (k *kit) NextOptions(_ context.Context, _ *flows.Flow, w *flows.Window) (flows.RunOptions, error) {
	return flows.RunOptions{Window: w}, nil
}

// File implements preview.Flows.
func (k *kit) File(_ context.Context, _, id string) (*flows.File, error) {
	return nil, fault.New(fault.FileNotFound, "there is no file %q", id)
}

// LatestRecords implements preview.Records.
func (k *kit) LatestRecords(context.Context, string, string) ([]byte, error) { return k.latest, nil }

type plain struct{}

func (plain) String(s string) string { return s }

type silent struct{}

func (silent) ChunkUploaded(bool, int64, time.Duration) {}

type open struct{}

func (open) Permit(context.Context, budget.Team, string) (time.Time, error) { return time.Time{}, nil }
func (open) Ready(context.Context, string, string) error                    { return nil }
func (open) Refused(context.Context, string, time.Time) error               { return nil }

type journal struct{}

func (journal) Save(context.Context, flows.Checkpoint, []flows.RecordError) error { return nil }

// file gives an export of a file with the content.
func (k *kit) file(format flows.Format, content string) flows.Export {
	k.t.Helper()
	path := filepath.Join(k.t.TempDir(), "input")
	require.NoError(k.t, os.WriteFile(path, []byte(content), 0o600))
	return flows.Export{Type: flows.ExportFile, Path: path, Format: format}
}

func (k *kit) makeFlow(table string, e flows.Export, rules []flows.Rule) *flows.Flow {
	return &flows.Flow{ID: "flow", Workspace: "w", Revision: 1, Spec: flows.Spec{
		Name: "flow", Export: e, Mapping: rules, MaxErrors: &flows.Threshold{Count: 1000},
		Import: flows.Import{Type: flows.ImportDataPush, ConnectionID: "c", Table: table, Mode: flows.Replace, FileType: flows.Parquet},
	}}
}

// preview previews the flow.
func (k *kit) preview(f *flows.Flow, ask flows.PreviewRequest) *flows.Preview {
	k.t.Helper()
	k.flow = f
	text, err := k.service.Saved(k.t.Context(), preview.Caller{Workspace: "w", Client: "c"}, f.ID, ask)
	require.NoError(k.t, err)
	return k.read(text)
}

func (k *kit) read(text json.RawMessage) *flows.Preview {
	k.t.Helper()
	var p flows.Preview
	require.NoError(k.t, json.Unmarshal(text, &p), "%s", text)
	return &p
}

// run does a run of the flow.
func (k *kit) run(f *flows.Flow) (flows.Ledger, error) {
	k.t.Helper()
	r := &flows.Run{Workspace: "w", FlowID: f.ID, CreatedAt: time.Now()}
	source, err := k.builder.Source(f, r)
	require.NoError(k.t, err)
	sink, err := k.builder.Sink(k.t.Context(), f)
	require.NoError(k.t, err)
	shape, err := k.builder.Shape(k.t.Context(), f, r)
	require.NoError(k.t, err)
	return k.engine.Run(k.t.Context(), engine.Job{
		Source: source, Sink: sink, Journal: journal{}, Rules: f.Mapping, Shape: shape, Policy: f.Policy(), Keys: f.Import.Keys, MaxErrors: *f.MaxErrors,
	})
}
