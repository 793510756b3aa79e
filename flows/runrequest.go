package flows

import (
	"context"

	"github.com/celonis-connector/connector/internal/fault"
)

// RunRequest is what a caller asks of a run beside the flow.
type RunRequest struct {
	// Window makes the run a backfill: it reads what lies in the window and leaves the watermark alone.
	Window *Window `json:"window,omitempty"`
	// DryRun reads, filters and maps everything, and sends nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// runOptions gives the options of a run that was asked for.
func (s *Service) runOptions(ctx context.Context, f *Flow, ask RunRequest) (RunOptions, error) {
	if w := ask.Window; w != nil {
		if err := checkWindow(f, *w); err != nil {
			return RunOptions{}, err
		}
		return RunOptions{Window: w, Backfill: true, DryRun: ask.DryRun}, nil
	}
	o := RunOptions{DryRun: ask.DryRun, Delta: f.Export.deltaRun(Manual)}
	if o.Delta == nil || o.Delta.Mode != ReadOnce {
		return o, nil
	}
	w, err := s.Watermarks.Watermark(ctx, f.Workspace, f.ID)
	if err != nil {
		return o, err
	}
	if w.RunID != "" {
		return o, fault.New(fault.FlowRanOnce, "flow %q reads once, and run %q has", f.Name, w.RunID).
			WithHint("to read again, reset the flow with PUT /v1/flows/%s/watermark and the body {\"watermark\":null}", f.ID)
	}
	return o, nil
}

// checkWindow: a window needs a source with an order, and bounds that fit it.
func checkWindow(f *Flow, w Window) error {
	d := f.Export.Delta
	if d == nil {
		return fault.New(fault.FlowWindow, "flow %q has no export.delta, so that its source has no order to cut a window from", f.Name).
			WithHint("set export.delta with the mode all and the field that orders the records")
	}
	var fields []fault.Field
	if w.From == "" && w.To == "" {
		fields = append(fields, missing("/window/from", "must be given, or to, or both"))
	}
	for _, bound := range []struct{ pointer, mark string }{{"/window/from", w.From}, {"/window/to", w.To}} {
		if bound.mark == "" {
			continue
		}
		if err := d.Kind().Check(bound.mark); err != nil {
			fields = append(fields, invalid(bound.pointer, err.Error()))
		}
	}
	if len(fields) == 0 && w.From != "" && w.To != "" {
		if order, err := d.Kind().Compare(w.From, w.To); err == nil && order > 0 {
			fields = append(fields, invalid("/window/to", "lies before from"))
		}
	}
	if len(fields) > 0 {
		return fault.New(fault.RequestInvalid, "the window is not valid").WithFields(fields...)
	}
	return nil
}
