package app

import (
	"context"
	"encoding/json"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/celonis-connector/connector/internal/preview"
)

// previews tries flows with the pieces that the worker does runs with.
func (a *App) previews() httpapi.Previews {
	return previews{preview.New(preview.Deps{
		Flows: a.Flows, Records: a.Store, Endpoints: a.endpoints, Connections: a.Store, Budgets: a.budgets(), Engine: a.engine,
		Redactor: a.redactor, Now: a.now, Log: a.log,
	})}
}

var _ preview.Endpoints = (*endpoint.Builder)(nil)

// previews gives the API previews in its own words.
type previews struct{ service *preview.Service }

// PreviewSaved implements httpapi.Previews.
func (p previews) PreviewSaved(ctx context.Context, who httpapi.PreviewCaller, flowID string, ask flows.PreviewRequest) (json.RawMessage, error) {
	return p.service.Saved(ctx, preview.Caller(who), flowID, ask)
}

// PreviewDraft implements httpapi.Previews.
func (p previews) PreviewDraft(ctx context.Context, who httpapi.PreviewCaller, spec flows.Spec, ask flows.PreviewRequest) (json.RawMessage, error) {
	return p.service.Draft(ctx, preview.Caller(who), spec, ask)
}

// makeEngine makes what does runs and previews.
func (a *App) makeEngine() {
	a.engine = engine.New(engine.Options{ChunkBytes: a.cfg.ChunkBytes, Uploads: a.cfg.Uploads, TempDir: a.cfg.SpoolDir()})
}
