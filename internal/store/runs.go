package store

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

const runColumns = `id, workspace, flow_id, flow_revision, started_by, state, records_read, records_filtered, records_pushed,
	records_errored, bytes, chunks, push_job_id, attempt, failures, fence, checkpoint, cancel_requested, error, worker,
	resume_at, lease_until, created_at, started_at, finished_at, updated_at, waits_for, options,
	fire_at, after_run`

// live is true of runs that have not ended; it reads as the index runs_live does.
const live = "state IN ('" + string(flows.Queued) + "', '" + string(flows.Running) + "', '" + string(flows.Waiting) + "')"

func scanRun(r row) (flows.Run, error) {
	var run flows.Run
	l := &run.Ledger
	err := r.Scan(&run.ID, &run.Workspace, &run.FlowID, &run.FlowRevision, &run.Trigger, &run.State, &l.Read, &l.Filtered,
		&l.Pushed, &l.Errored, &run.Bytes, &run.Chunks, &run.PushJobID, &run.Attempt, &run.Failures, &run.Fence,
		document{&run.Checkpoint}, &run.CancelRequested, document{&run.Error}, &run.Worker, moment{&run.ResumeAt},
		moment{&run.LeaseUntil}, moment{&run.CreatedAt}, moment{&run.StartedAt}, moment{&run.FinishedAt}, moment{&run.UpdatedAt}, &run.WaitsFor, document{&run.Options},
		moment{&run.FireAt}, &run.AfterRun)
	return run, err
}

func noRun(id string) *fault.Error { return fault.New(fault.RunNotFound, "there is no run %q", id) }

// InsertRun implements flows.RunStore; fault FlowNotFound when the workspace does not have the run's flow.
func (s *Store) InsertRun(ctx context.Context, r *flows.Run) (err error) {
	defer s.explain(&err, "InsertRun")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if err := insertRun(ctx, tx, r); err != nil {
			return err
		}
		return s.note(ctx, tx, runEvent(audit.Started, r))
	})
	if s.is(err, orphan) {
		return fault.Wrap(err, fault.FlowNotFound, "there is no flow %q", r.FlowID)
	}
	return err
}

func insertRun(ctx context.Context, db executor, r *flows.Run) error {
	checkpoint, err := jsonText(r.Checkpoint)
	if err != nil {
		return err
	}
	runError, err := optionalText(r.Error)
	if err != nil {
		return err
	}
	options, err := jsonText(r.Options)
	if err != nil {
		return err
	}
	_, err = exec(ctx, db, q(`INSERT INTO runs (`+runColumns+`, furthest) VALUES `+placeholders(1, 31),
		r.ID, r.Workspace, r.FlowID, r.FlowRevision, r.Trigger, cmp.Or(r.State, flows.Queued), r.Ledger.Read, r.Ledger.Filtered,
		r.Ledger.Pushed, r.Ledger.Errored, r.Bytes, r.Chunks, r.PushJobID, r.Attempt, r.Failures, r.Fence,
		checkpoint, r.CancelRequested, runError, r.Worker, micros(r.ResumeAt),
		micros(r.LeaseUntil), micros(r.CreatedAt), micros(r.StartedAt), micros(r.FinishedAt), micros(r.UpdatedAt), r.WaitsFor,
		options, micros(r.FireAt), r.AfterRun, r.Checkpoint.Chunks))
	return err
}

// Run implements flows.RunStore; fault RunNotFound.
func (s *Store) Run(ctx context.Context, workspace, id string) (_ *flows.Run, err error) {
	defer s.explain(&err, "Run")
	return one(ctx, s.read, scanRun,
		q("SELECT "+runColumns+" FROM runs WHERE workspace = $1 AND id = $2", workspace, id), noRun(id))
}

// Runs implements flows.RunStore.
func (s *Store) Runs(ctx context.Context, workspace, flowID string, page flows.Page) (_ []flows.Run, err error) {
	defer s.explain(&err, "Runs")
	list := q("SELECT "+runColumns+" FROM runs WHERE workspace = $1 AND flow_id = $2", workspace, flowID)
	if page.After != "" {
		list.and("id < $", page.After)
	}
	list.limit("id DESC", limitOf(page.Limit))
	return all(ctx, s.read, scanRun, list)
}

const requestCancel = `UPDATE runs SET
	cancel_requested = TRUE,
	finished_at = CASE WHEN state = 'running' THEN finished_at ELSE $3 END,
	resume_at = 0, waits_for = '', error = NULL, updated_at = $3,
	state = CASE WHEN state = 'running' THEN state ELSE 'canceled' END
	WHERE workspace = $1 AND id = $2 AND ` + live + ` RETURNING ` + runColumns

// RequestCancel implements flows.RunStore. A run that it ends gives its record
// batches back; fault RunNotFound.
func (s *Store) RequestCancel(ctx context.Context, workspace, id string, now time.Time) (run *flows.Run, err error) {
	defer s.explain(&err, "RequestCancel")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		found, err := exists(ctx, tx, q("SELECT 1 FROM runs WHERE workspace = $1 AND id = $2", workspace, id))
		if err != nil {
			return err
		}
		if !found {
			return noRun(id)
		}
		if run, err = cancelRun(ctx, tx, workspace, id, now); err != nil {
			return err
		}
		return s.note(ctx, tx, runEvent(audit.Canceled, run))
	})
	if err != nil {
		return nil, err
	}
	return run, nil
}

// cancelRun ends a run that no worker holds, or asks for its end; fault RunStateConflict when it has ended.
func cancelRun(ctx context.Context, tx *sql.Tx, workspace, id string, now time.Time) (*flows.Run, error) {
	run, err := one(ctx, tx, scanRun, q(requestCancel, workspace, id, micros(now)),
		fault.New(fault.RunStateConflict, "run %q has ended", id))
	if err != nil || run.State != flows.Canceled {
		return run, err
	}
	if err := dropAnswers(ctx, tx, id); err != nil {
		return nil, err
	}
	if err := endWithoutPush(ctx, tx, id, now); err != nil {
		return nil, err
	}
	return one(ctx, tx, scanRun, q("SELECT "+runColumns+" FROM runs WHERE id = $1", id), noRun(id))
}
