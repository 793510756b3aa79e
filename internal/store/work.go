package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// held is true of the run that a worker still holds (I2); $1 to $3 are the token's members.
const held = "workspace = $1 AND id = $2 AND fence = $3 AND state = 'running'"

func lost(t flows.Token) *fault.Error {
	return fault.New(fault.RunLeaseLost, "run %q is not held with fence %d", t.RunID, t.Fence)
}

// The right sides read the row as it was: a run that was running has a worker that died.
const claimRun = `UPDATE runs SET
	failures = failures + CASE WHEN state = 'running' THEN 1 ELSE 0 END,
	state = 'running', fence = fence + 1, attempt = attempt + 1,
	worker = $2, lease_until = $4, resume_at = 0, waits_for = '', queued_at = 0, error = NULL,
	started_at = CASE WHEN started_at = 0 THEN $3 ELSE started_at END, updated_at = $3
	WHERE id = $1 AND (state = 'queued' OR (state = 'waiting' AND resume_at <= $3)
		OR (state = 'running' AND lease_until <= $3)) AND ` + inTurn + `
	RETURNING ` + runColumns

// ClaimRun implements flows.WorkStore. A run whose cancel was asked for while
// its worker died is given out too, with CancelRequested, so that it is settled.
// The first claim finds the window of a run that has one to find.
func (s *Store) ClaimRun(ctx context.Context, runID string, c flows.Claim) (_ *flows.Run, err error) {
	defer s.explain(&err, "ClaimRun")
	var run flows.Run
	var found bool
	err = s.inTx(ctx, func(tx *sql.Tx) (err error) {
		if err := s.holdLimits(ctx, tx, runID); err != nil {
			return err
		}
		run, found, err = first(ctx, tx, scanRun, q(claimRun, runID, c.Worker, micros(c.Now), micros(c.Until)))
		if err != nil || !found {
			return err
		}
		return beginWindow(ctx, tx, &run)
	})
	switch {
	case s.is(err, duplicate), err == nil && !found: // another run of the flow was claimed at the same time
		return nil, s.claimConflict(ctx, runID)
	case err != nil:
		return nil, err
	}
	return &run, nil
}

// ExtendRun implements flows.WorkStore.
func (s *Store) ExtendRun(ctx context.Context, t flows.Token, until time.Time) (cancelRequested bool, err error) {
	defer s.explain(&err, "ExtendRun")
	scan := func(r row) (asked bool, err error) { return asked, r.Scan(&asked) }
	asked, err := one(ctx, s.write, scan,
		q("UPDATE runs SET lease_until = $4 WHERE "+held+" RETURNING cancel_requested", t.Workspace, t.RunID, t.Fence, micros(until)),
		lost(t))
	if err != nil {
		return false, err
	}
	return *asked, nil
}

const saveCheckpoint = `UPDATE runs SET checkpoint = $4,
	failures = CASE WHEN $10 > furthest THEN 0 ELSE failures END,
	furthest = CASE WHEN $10 > furthest THEN $10 ELSE furthest END,
	records_read = $5, records_filtered = $6, records_pushed = $7, records_errored = $8,
	bytes = $9, chunks = $10, push_job_id = $11, updated_at = $12
	WHERE ` + held + ` RETURNING flow_id, flow_revision, started_by`

// SaveCheckpoint implements flows.WorkStore. It fills what is empty of the
// errors: id, state and time, and takes workspace, flow and run from the token.
func (s *Store) SaveCheckpoint(ctx context.Context, t flows.Token, c flows.Checkpoint, errors []flows.RecordError) (err error) {
	defer s.explain(&err, "SaveCheckpoint")
	text, err := jsonText(c)
	if err != nil {
		return err
	}
	now := s.now()
	save := q(saveCheckpoint, t.Workspace, t.RunID, t.Fence, text, c.Ledger.Read, c.Ledger.Filtered,
		c.Ledger.Pushed, c.Ledger.Errored, c.Bytes, c.Chunks, c.PushJobID, micros(now))
	if len(errors) == 0 {
		_, err = one(ctx, s.write, scanHead, save, lost(t))
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		run, err := one(ctx, tx, scanHead, save, lost(t))
		if err != nil {
			return err
		}
		b := errorBatch{token: t, flowID: run.flowID, flowRevision: run.revision, errors: errors, now: now}
		return s.keepErrors(ctx, tx, b, run.trigger)
	})
}

// A run whose cancel was asked for must not wait or queue again: nobody would settle it.
const settleRun = `UPDATE runs SET
	state = CASE WHEN cancel_requested AND $4 IN ('queued', 'waiting') THEN 'canceled' ELSE $4 END,
	error = CASE WHEN cancel_requested AND $4 IN ('queued', 'waiting') THEN NULL ELSE $5 END,
	resume_at = CASE WHEN cancel_requested THEN 0 ELSE CAST($6 AS BIGINT) END,
	finished_at = CASE WHEN $4 IN ('queued', 'waiting') AND NOT cancel_requested THEN finished_at ELSE $7 END,
	attempt = attempt - $8, failures = failures + $9,
	records_read = COALESCE($10, records_read), records_filtered = COALESCE($11, records_filtered),
	records_pushed = COALESCE($12, records_pushed), records_errored = COALESCE($13, records_errored),
	waits_for = CASE WHEN cancel_requested THEN '' ELSE $14 END,
	lease_until = 0, queued_at = 0, updated_at = $7
	WHERE ` + held + ` RETURNING state`

// SettleRun implements flows.WorkStore. A run that succeeded drops the record
// batches it held, one that failed or was canceled gives them back. An attempt
// that would have the run wait or queue ends it when its cancel was asked for.
// Fault RunStateConflict when a running run may not go to the state.
func (s *Store) SettleRun(ctx context.Context, t flows.Token, e flows.Settlement) (err error) {
	defer s.explain(&err, "SettleRun")
	if e.State == flows.Running || !flows.MayMove(flows.Running, e.State) {
		return fault.New(fault.RunStateConflict, "an attempt cannot end as %q", e.State)
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		e, err := s.awaited(ctx, tx, t, e)
		if err != nil {
			return err
		}
		settle, err := settlement(t, e)
		if err != nil {
			return err
		}
		state, err := one(ctx, tx, scanText, settle, lost(t))
		if err != nil {
			return err
		}
		switch flows.State(*state) {
		case flows.Succeeded:
			if err = endBatches(ctx, tx, t.RunID); err == nil {
				err = s.advance(ctx, tx, t, e.Now)
			}
			if err == nil {
				err = settleErrors(ctx, tx, t.RunID, true, e.Now)
			}
			if err == nil {
				err = startFollowers(ctx, tx, t.RunID, e.Now)
			}
		case flows.Failed, flows.Canceled:
			err = endWithoutPush(ctx, tx, t.RunID, e.Now)
		}
		if err == nil && flows.State(*state).Ended() {
			err = dropAnswers(ctx, tx, t.RunID)
		}
		if err == nil {
			err = s.noteEnd(ctx, tx, t, flows.State(*state), e)
		}
		return err
	})
}

// endWithoutPush closes a run that did not succeed. Where nothing of it is
// visible its posted records wait for another run, and its ledger counts only
// the records that went to the error store; where the rows are in the table
// all the same, records and ledger stand as its last checkpoint says. Rows that
// were delivered one by one are not delivered again; see endConsumed.
func endWithoutPush(ctx context.Context, tx *sql.Tx, runID string, now time.Time) error {
	scan := func(r row) (c flows.Checkpoint, err error) { return c, r.Scan(document{&c}) }
	c, err := one(ctx, tx, scan, q("SELECT checkpoint FROM runs WHERE id = $1", runID), noRun(runID))
	switch {
	case err != nil:
		return err
	case c.Committed:
		if _, err = exec(ctx, tx, q("DELETE FROM record_batches WHERE run_id = $1", runID)); err != nil {
			return err
		}
		return settleErrors(ctx, tx, runID, true, now)
	case c.Consumed > 0:
		return endConsumed(ctx, tx, runID, *c, now)
	case !c.Visible:
		if _, err = exec(ctx, tx, q(countErrorsAlone, runID)); err != nil {
			return err
		}
	}
	if err := settleErrors(ctx, tx, runID, false, now); err != nil {
		return err
	}
	return releaseBatches(ctx, tx, runID)
}

func settlement(t flows.Token, e flows.Settlement) (query, error) {
	if e.Error != nil {
		storable := *e.Error
		storable.Message = clean(storable.Message)
		e.Error = &storable
	}
	runError, err := optionalText(e.Error)
	if err != nil {
		return query{}, err
	}
	var resumeAt time.Time
	if e.State == flows.Waiting {
		resumeAt = e.ResumeAt
	}
	counters := make([]any, 4)
	if l := e.Ledger; l != nil {
		counters = []any{l.Read, l.Filtered, l.Pushed, l.Errored}
	}
	return q(settleRun, slices.Concat([]any{t.Workspace, t.RunID, t.Fence, e.State, runError, micros(resumeAt), micros(e.Now),
		count(!e.CountAttempt), count(e.CountFailure)}, counters, []any{e.WaitsFor})...), nil
}

func count(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
