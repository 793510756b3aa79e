package endpoint

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsource"
)

// apiFetcher brings the records of a REST API.
type apiFetcher struct {
	*Builder
	workspace string
	export    flows.Export
	window    *flows.Window
	start     time.Time
	looked    func(httpsource.Exchange)
}

var _ Fetcher = (*apiFetcher)(nil)

// api makes the source of an export of type http.
func (b *Builder) api(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	start := r.StartedAt
	if start.IsZero() {
		start = b.Now()
	}
	return b.newCaptured(&apiFetcher{Builder: b, workspace: f.Workspace, export: f.Export, window: r.Options.Window, start: start}, r), nil
}

// Fetch implements Fetcher. Faults: those of OutsideTargets and of httpsource.Client.Read.
func (f *apiFetcher) Fetch(ctx context.Context, out *Capture) error {
	target, err := f.Outside.OutsideTarget(ctx, f.workspace, f.export.ConnectionID)
	if err != nil {
		return err
	}
	if target.APIType != connections.HTTP {
		return fault.New(fault.ConnectionAPIType, "the connection of the export is of apiType %q, not %q", target.APIType, connections.HTTP)
	}
	calls, err := f.Logins.Client(target)
	if err != nil {
		return err
	}
	client, err := httpsource.New(httpsource.Config{Target: target, HTTP: calls, TempDir: f.TempDir, Log: f.Log, Now: f.Now})
	if err != nil {
		return err
	}
	part, err := out.Part()
	if err != nil {
		return err
	}
	got, err := client.Read(ctx, httpsource.Job{Export: f.export, Window: f.window, Start: f.start, Looked: f.looked}, part)
	if err != nil {
		return err
	}
	out.SetWatermark(got.Watermark)
	return nil
}
