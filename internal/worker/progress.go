package worker

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
)

const (
	// tellEvery is the least time between two tellings of how far a run is.
	tellEvery = time.Second
	// tellAnyway is after how long it is told again although nothing is new, so that it is still believed.
	tellAnyway = flows.ProgressTrust / 3
	// lastWord bounds how long telling of an attempt's end may take.
	lastWord = time.Second
)

// tell says how far the attempt is until ctx ends. It is a goroutine of its
// own: whoever listens, or does not answer, never holds the attempt up.
func (w *Worker) tell(ctx context.Context, r *flows.Run, from *engine.Progress) {
	if w.Progress == nil {
		return
	}
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	var meter flows.Meter
	var told flows.Progress
	for {
		p := meter.Take(w.snapshot(r, from))
		if !same(p, told) || p.At.Sub(told.At) >= tellAnyway {
			if err := w.Progress.PublishProgress(ctx, r.ID, p); err == nil {
				told = p
			} else if ctx.Err() == nil {
				w.Log.DebugContext(ctx, "the progress of a run could not be told", "run", r.ID, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tellEnd says that the attempt has ended, so that those who follow the run look at its row.
func (w *Worker) tellEnd(ctx context.Context, r *flows.Run, from *engine.Progress, state flows.State) {
	if w.Progress == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer cancel()
	p := w.snapshot(r, from)
	p.Stage = flows.StageWaiting
	if state.Ended() {
		p.Stage = flows.StageEnded
	}
	if err := w.Progress.PublishProgress(ctx, r.ID, p); err != nil {
		w.Log.DebugContext(ctx, "the end of an attempt could not be told", "run", r.ID, "error", err)
	}
}

// same reports whether nothing is new but the time and what follows from it.
func same(p, told flows.Progress) bool {
	p.At, p.RowsPerSecond = told.At, told.RowsPerSecond
	return p == told
}

func (w *Worker) snapshot(r *flows.Run, from *engine.Progress) flows.Progress {
	p := flows.Progress{
		Fence: r.Fence, At: w.Now(), Stage: flows.StageFetching,
		Read: from.Read.Load(), Filtered: from.Filtered.Load(), Errored: from.Errored.Load(), Accepted: from.Accepted.Load(),
		Chunks: from.Chunks.Load(), Bytes: from.Bytes.Load(), InputBytes: from.InputBytes.Load(), InputSize: from.InputSize.Load(),
	}
	switch {
	case from.Committing.Load():
		p.Stage = flows.StageCommitting
	case p.Read > 0 || p.InputBytes > 0:
		p.Stage = flows.StageReading
	}
	return p
}
