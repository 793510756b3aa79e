package flows

import (
	"context"

	"github.com/celonis-connector/connector/internal/fault"
)

// StartRun queues a run of the flow as it is now. A run whose connection is
// offline waits from its beginning. Faults: FlowNotFound, FlowDisabled.
func (s *Service) StartRun(ctx context.Context, workspace, flowID string) (*Run, error) {
	f, err := s.startable(ctx, workspace, flowID)
	if err != nil {
		return nil, err
	}
	r := s.newRun(f, Manual)
	_, err = s.Gate.Pass(ctx, workspace, f.Import.ConnectionID)
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
	now := s.Now()
	return &Run{
		ID: s.NewID(), Workspace: f.Workspace, FlowID: f.ID, FlowRevision: f.Revision,
		Trigger: trigger, State: Queued, CreatedAt: now, UpdatedAt: now,
	}
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

// Receipt says that posted records are stored, and which run will take them.
type Receipt struct {
	BatchID string
	RunID   string
	Records int64
}

// PostRecords stores records before it returns; ndjson is one object a line,
// each line ended. The run that takes them waits for more, as the flow's
// gather says. Faults: FlowNotFound, FlowDisabled, FlowRecordsExport.
func (s *Service) PostRecords(ctx context.Context, workspace, flowID string, ndjson []byte, records int64) (*Receipt, error) {
	f, err := s.startable(ctx, workspace, flowID)
	if err != nil {
		return nil, err
	}
	if f.Export.Type != ExportRecords {
		return nil, fault.New(fault.FlowRecordsExport, "flow %q has the export %q", f.Name, f.Export.Type).
			WithHint("only a flow whose export has the type %q takes posted records", ExportRecords)
	}
	run := s.newRun(f, Records)
	b := &RecordBatch{ID: s.NewID(), Workspace: workspace, FlowID: f.ID, Data: ndjson, Records: records, CreatedAt: run.CreatedAt}
	f.Export.gathering().apply(run, b)
	r, err := s.Records.AddRecords(ctx, b, run)
	if err != nil {
		return nil, err
	}
	if r.State == Queued {
		s.announce(ctx, r.ID)
	}
	return &Receipt{BatchID: b.ID, RunID: r.ID, Records: records}, nil
}

// Errors lists the record errors of a flow, the newest first; fault FlowNotFound.
func (s *Service) Errors(ctx context.Context, q ErrorQuery) ([]RecordError, error) {
	if _, err := s.Flows.Flow(ctx, q.Workspace, q.FlowID); err != nil {
		return nil, err
	}
	return s.Deps.Runs.RecordErrors(ctx, q)
}
