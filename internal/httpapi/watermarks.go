package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/flows"
)

// Watermarks tells and sets how far flows have come in their sources; *flows.Service is one.
type Watermarks interface {
	Watermark(ctx context.Context, workspace, flowID string) (*flows.Watermark, error)
	SetWatermark(ctx context.Context, workspace, flowID, mark string) (*flows.Watermark, error)
}

var _ Watermarks = (*flows.Service)(nil)

type watermarkView struct {
	Value     *string    `json:"value"`
	RunID     *string    `json:"runId"`
	UpdatedAt *time.Time `json:"updatedAt"`
}

func viewWatermark(w *flows.Watermark) *watermarkView {
	return &watermarkView{Value: orNull(w.Mark), RunID: orNull(w.RunID), UpdatedAt: timeOrNull(w.UpdatedAt)}
}

// hasWatermark reports whether runs of the flow leave something behind for the next one.
func hasWatermark(f *flows.Flow) bool {
	return f.Export.Delta != nil && f.Export.Delta.Mode != flows.ReadAll
}

// watermarkOf gives the watermark that a flow's reply shows, nil for a flow
// without one. A change of the export keeps it, so that who changes sees it.
func (a *api) watermarkOf(r *call, f *flows.Flow) (*watermarkView, error) {
	if !hasWatermark(f) {
		return nil, nil
	}
	w, err := a.Watermarks.Watermark(r.ctx(), r.who.Workspace, f.ID)
	if err != nil {
		return nil, err
	}
	return viewWatermark(w), nil
}

// watermarkBody sets a watermark; without one, or with null, the next run begins at the start.
type watermarkBody struct {
	Watermark string `json:"watermark" validate:"max=8192"`
}

func (a *api) setWatermark(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	if _, err := a.Watermarks.Watermark(r.ctx(), r.who.Workspace, id); err != nil {
		return reply{}, err
	}
	body, err := readJSON[watermarkBody](a, r, nil)
	if err != nil {
		return reply{}, err
	}
	w, err := a.Watermarks.SetWatermark(r.ctx(), r.who.Workspace, id, body.Watermark)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: viewWatermark(w)}, nil
}

// readRunRequest reads what is asked of a run; no body asks nothing.
func readRunRequest(a *api, r *call) (flows.RunRequest, error) {
	body, err := r.body()
	if err != nil || len(body) == 0 {
		return flows.RunRequest{}, err
	}
	return readJSON[flows.RunRequest](a, r, nil)
}
