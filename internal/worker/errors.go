package worker

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
)

// asRun gives the flow as the run does it: a retry adds to its table.
func asRun(f *flows.Flow, r *flows.Run) (*flows.Flow, error) {
	if r.Trigger != flows.Retry {
		return f, nil
	}
	return f.ForRetry()
}

// tracing looks out for records that are open errors of earlier runs; nil when
// there are none, and for a run that sends nothing or has those records anyway.
func (w *Worker) tracing(ctx context.Context, f *flows.Flow, r *flows.Run) (*engine.Tracing, error) {
	if r.Trigger == flows.Retry || r.Options.DryRun {
		return nil, nil
	}
	open, err := w.Store.OpenTraces(ctx, r.Token())
	if err != nil || len(open) == 0 {
		return nil, err
	}
	keys := make(map[string]struct{}, len(open))
	for _, key := range open {
		keys[key] = struct{}{}
	}
	return &engine.Tracing{Trace: f.Trace(), Keys: keys, Save: func(ctx context.Context, keys []string) error {
		return w.Store.SaveTraces(ctx, r.Token(), keys)
	}}, nil
}
