package flows

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Watermark is how far a flow has come in its source.
type Watermark struct {
	Workspace string
	FlowID    string
	// Mark is the value, "" for none.
	Mark string
	// RunID is the run that brought it there, "" when a caller set it.
	RunID string
	// Edition counts how often a caller has set it: a run that began before does not move it any more.
	Edition   int64
	UpdatedAt time.Time
}

// WatermarkStore keeps the watermarks of flows.
type WatermarkStore interface {
	// Watermark gives an empty one where the flow has none.
	Watermark(ctx context.Context, workspace, flowID string) (*Watermark, error)
	// SetWatermark stores a mark by a caller's wish, "" for none; fault FlowNotFound.
	SetWatermark(ctx context.Context, workspace, flowID, mark string, now time.Time) (*Watermark, error)
}

// DeltaRun is what a run of a flow with a delta must keep of it. Its window is
// found when the run is claimed for the first time, not when it is queued, so
// that runs which queue up each begin where the one before has come; it is
// stored with the claim, so that every later attempt reads the same.
//
// A watermark moves in the transaction that settles the run as succeeded, only
// forward, and only if no caller has set it since the claim. Two runs at once
// may read the same records twice; that is harmless, as a delta goes into
// imports that upsert or delete by keys.
type DeltaRun struct {
	Mode DeltaMode `json:"mode"`
	Type MarkType  `json:"type"`
	// Begun says that the window has been found.
	Begun bool `json:"begun,omitempty"`
	// Edition is that of the watermark which the run began at.
	Edition int64 `json:"edition,omitempty"`
	// Idle is why the run has nothing to read; "" when it has.
	Idle Idle `json:"idle,omitempty"`
}

// Idle says why a run has nothing to read.
type Idle string

const (
	// IdleRanOnce: the flow reads once, and has.
	IdleRanOnce Idle = "ranOnce"
	// IdleBehind: the flow that the run keeps behind has no watermark.
	IdleBehind Idle = "behind"
	// IdleUpToDate: the flow that the run keeps behind has come no further than this one.
	IdleUpToDate Idle = "upToDate"
	// IdleUnfit: the stored watermark is not of the type that the flow compares by now.
	IdleUnfit Idle = "unfit"
)

// deltaRun is what a run of the export keeps; nil when it reads everything, whenever it runs, and
// for a retry, which reads records that an earlier run has read.
func (e Export) deltaRun(trigger Trigger) *DeltaRun {
	if e.Delta == nil || e.Delta.Mode == ReadAll || trigger == Retry {
		return nil
	}
	return &DeltaRun{Mode: e.Delta.Mode, Type: e.Delta.Kind()}
}

// Unbegun reports whether the run's window is still to be found.
func (o RunOptions) Unbegun() bool { return o.Delta != nil && !o.Delta.Begun }

// Moves reports whether the run moves its flow's watermark when it succeeds.
func (o RunOptions) Moves() bool {
	return o.Delta != nil && o.Delta.Begun && o.Delta.Idle == "" && !o.Backfill && !o.DryRun
}

// Begin gives the options with the window that a run reads whose flow stands at
// own and keeps behind ahead, where the delta names another flow.
func (o RunOptions) Begin(d *DeltaSpec, own, ahead Watermark) RunOptions {
	run := *o.Delta
	run.Begun, run.Edition = true, own.Edition
	o.Delta = &run
	if run.Mode == ReadOnce {
		if own.RunID != "" {
			run.Idle = IdleRanOnce
		}
		return o
	}
	mark := own.Mark
	if mark == "" {
		mark = d.Start
	}
	from, err := d.Before(mark)
	if err == nil && mark != "" {
		err = run.Type.Check(mark)
	}
	if err != nil {
		run.Idle = IdleUnfit
	}
	o.Window = &Window{From: from, To: ahead.Mark}
	if d.Behind != "" && run.Idle == "" {
		run.Idle = run.behind(mark, ahead.Mark)
	}
	return o
}

// behind says why there is nothing between two marks.
func (r DeltaRun) behind(mark, ahead string) Idle {
	switch {
	case ahead == "":
		return IdleBehind
	case mark == "":
		return ""
	}
	order, err := r.Type.Compare(ahead, mark)
	switch {
	case err != nil:
		return IdleUnfit
	case order <= 0:
		return IdleUpToDate
	}
	return ""
}

// Advance gives the watermark after a run has succeeded that read up to mark;
// ok is false when it stays where it is.
func (o RunOptions) Advance(w Watermark, runID, mark string) (_ Watermark, ok bool) {
	if !o.Moves() || w.Edition != o.Delta.Edition {
		return w, false
	}
	if o.Delta.Mode == ReadOnce {
		w.RunID = runID
		return w, true
	}
	if mark == "" {
		return w, false
	}
	if w.Mark != "" {
		if order, err := o.Delta.Type.Compare(mark, w.Mark); err != nil || order <= 0 {
			return w, false
		}
	}
	w.Mark, w.RunID = mark, runID
	return w, true
}

// Watermark reads how far a flow has come; fault FlowNotFound.
func (s *Service) Watermark(ctx context.Context, workspace, flowID string) (*Watermark, error) {
	if _, err := s.Flows.Flow(ctx, workspace, flowID); err != nil {
		return nil, err
	}
	return s.Watermarks.Watermark(ctx, workspace, flowID)
}

// SetWatermark says where the flow's next run begins; "" is the beginning, and
// lets a flow that reads once read again. A run that has begun leaves the mark
// where it was set. Faults: FlowNotFound, RequestInvalid when the mark is not
// of the flow's type or the flow has no delta.
func (s *Service) SetWatermark(ctx context.Context, workspace, flowID, mark string) (*Watermark, error) {
	f, err := s.Flows.Flow(ctx, workspace, flowID)
	if err != nil {
		return nil, err
	}
	d := f.Export.Delta
	if d == nil || d.Mode == ReadAll {
		return nil, fault.New(fault.FlowWindow, "flow %q reads everything in every run and has no watermark", f.Name).
			WithHint("set export.delta of the flow")
	}
	switch {
	case mark == "":
	case d.Mode == ReadOnce:
		return nil, badMark("a flow that reads once takes no mark but null")
	default:
		if err := d.Kind().Check(mark); err != nil {
			return nil, badMark(err.Error())
		}
	}
	return s.Watermarks.SetWatermark(ctx, workspace, flowID, mark, s.Now())
}

func badMark(detail string) error {
	return fault.New(fault.RequestInvalid, "the watermark is not valid").WithFields(invalid("/watermark", detail))
}
