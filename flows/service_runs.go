package flows

import (
	"context"

	"github.com/celonis-connector/connector/internal/fault"
)

// StartRun queues a run of the flow as it is now. Faults: those of StartRunWith.
func (s *Service) StartRun(ctx context.Context, workspace, flowID string) (*Run, error) {
	return s.StartRunWith(ctx, workspace, flowID, RunRequest{})
}

// StartRunWith queues a run of the flow as it is now, with what the caller asks
// of it. A run whose connection is offline waits from its beginning. Faults:
// FlowNotFound, FlowDisabled, FlowRanOnce, FlowWindow, RequestInvalid when the window is not valid.
func (s *Service) StartRunWith(ctx context.Context, workspace, flowID string, ask RunRequest) (*Run, error) {
	f, err := s.startable(ctx, workspace, flowID)
	if err != nil {
		return nil, err
	}
	r := s.newRun(f, Manual)
	if r.Options, err = s.runOptions(ctx, f, ask); err != nil {
		return nil, err
	}
	err = s.pass(ctx, f)
	switch {
	case fault.Has(err, fault.ConnectionOffline):
		r.State, r.WaitsFor, r.Error, r.ResumeAt = Waiting, f.Import.ConnectionID, RunErrorOf(err), fault.From(err).ResumeAt
	case err != nil:
		return nil, err
	}
	if err := s.Runs.InsertRun(ctx, r); err != nil {
		return nil, err
	}
	if r.State == Queued {
		s.announce(ctx, r.ID)
	}
	return r, nil
}

// pass asks whether the flow's import may use its connection; one without a connection may begin at once.
func (s *Service) pass(ctx context.Context, f *Flow) error {
	if f.Import.ConnectionID == "" {
		return nil
	}
	_, err := s.Gate.Pass(ctx, f.Workspace, f.Import.ConnectionID)
	return err
}

func (s *Service) startable(ctx context.Context, workspace, flowID string) (*Flow, error) {
	f, err := s.Flows.Flow(ctx, workspace, flowID)
	if err != nil {
		return nil, err
	}
	if !f.Enabled {
		return nil, fault.New(fault.FlowDisabled, "flow %q is disabled", f.Name).
			WithHint("enable it with POST /v1/flows/%s/enable", f.ID)
	}
	return f, nil
}

func (s *Service) newRun(f *Flow, trigger Trigger) *Run {
	return f.QueuedRun(s.NewID(), trigger, s.Now())
}

// announce tells the workers of a run. A lost announcement costs time only:
// the sweep finds the row (I5).
func (s *Service) announce(ctx context.Context, runID string) {
	if err := s.Queue.Push(ctx, runID); err != nil {
		s.Log.WarnContext(ctx, "a run could not be announced; the sweep will find it", "run", runID, "error", err)
	}
}

// Run reads a run; fault RunNotFound.
func (s *Service) Run(ctx context.Context, workspace, id string) (*Run, error) {
	return s.Deps.Runs.Run(ctx, workspace, id)
}

// ListRuns lists the runs of a flow, the newest first; fault FlowNotFound.
func (s *Service) ListRuns(ctx context.Context, workspace, flowID string, page Page) ([]Run, error) {
	if _, err := s.Flows.Flow(ctx, workspace, flowID); err != nil {
		return nil, err
	}
	return s.Deps.Runs.Runs(ctx, workspace, flowID, page)
}

// CancelRun ends a queued or waiting run and asks the worker of a running one
// to stop; it gives the run as it then is. Faults: RunNotFound, RunStateConflict when it has ended.
func (s *Service) CancelRun(ctx context.Context, workspace, id string) (*Run, error) {
	r, err := s.Deps.Runs.RequestCancel(ctx, workspace, id, s.Now())
	if err != nil {
		return nil, err
	}
	if !r.State.Ended() {
		if err := s.Canceler.PublishCancel(ctx, id); err != nil {
			s.Log.WarnContext(ctx, "a cancel could not be announced; the lease's next extension carries it", "run", id, "error", err)
		}
	}
	return r, nil
}
