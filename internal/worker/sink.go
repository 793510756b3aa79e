package worker

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
)

// RunSinker makes sinks that know their run, like those that make files; Endpoints that are one are asked.
type RunSinker interface {
	RunSink(ctx context.Context, f *flows.Flow, r *flows.Run) (engine.Sink, error)
}

// sink makes the sink of a run.
func (w *Worker) sink(ctx context.Context, f *flows.Flow, r *flows.Run) (engine.Sink, error) {
	if s, ok := w.Endpoints.(RunSinker); ok {
		return s.RunSink(ctx, f, r)
	}
	return w.Endpoints.Sink(ctx, f)
}
