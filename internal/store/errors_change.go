package store

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// free is true of an error that may be edited, resolved or retried.
const free = " AND state = 'open' AND retry_run_id = ''"

// EditError implements flows.ErrorStore.
func (s *Store) EditError(ctx context.Context, e flows.ErrorEdit) (edited *flows.RecordError, err error) {
	defer s.explain(&err, "EditError")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		n, err := exec(ctx, tx, q(`UPDATE record_errors SET edited = $4, revision = revision + 1, updated_at = $5
			WHERE workspace = $1 AND id = $2 AND revision = $3`+free, e.Workspace, e.ID, e.Revision, notNil(e.Record), micros(e.Now)))
		if err != nil {
			return err
		}
		if edited, err = recordError(ctx, tx, e.Workspace, e.ID); err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.RequestStale, "error %q has changed since it was read", e.ID)
		}
		return s.note(ctx, tx, audit.Event{Workspace: e.Workspace, Action: audit.Updated, Kind: audit.RecordError, ObjectID: e.ID, Fields: []string{"record"}})
	})
	if err != nil {
		return nil, err
	}
	return edited, nil
}

// ResolveErrors implements flows.ErrorStore.
func (s *Store) ResolveErrors(ctx context.Context, ask flows.ErrorQuery, by flows.ResolvedBy, now time.Time) (n int64, err error) {
	defer s.explain(&err, "ResolveErrors")
	change := q(`UPDATE record_errors SET state = 'resolved', resolved_by = $1, resolved_at = $2, updated_at = $2,
		revision = revision + 1`, by, micros(now))
	change.narrow(ask)
	change.text += free
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if n, err = exec(ctx, tx, change); err != nil || n == 0 {
			return err
		}
		return s.note(ctx, tx, errorsEvent(audit.Resolved, ask))
	})
	return n, err
}

// retryable is true of an error that has a record to retry.
const retryable = " AND (edited IS NOT NULL OR form <> '" + formRaw + "')"

// RetryErrors implements flows.ErrorStore; fault FlowNotFound.
func (s *Store) RetryErrors(ctx context.Context, ask flows.ErrorQuery, run *flows.Run) (taken, left int64, err error) {
	defer s.explain(&err, "RetryErrors")
	ask.State = flows.ErrorOpen
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		take := q("UPDATE record_errors SET retry_run_id = $1, revision = revision + 1", run.ID)
		take.narrow(ask)
		take.text += free + retryable
		if taken, err = exec(ctx, tx, take); err != nil {
			return err
		}
		count := q("SELECT COUNT(*) FROM record_errors")
		count.narrow(ask)
		count.text += free
		rest, err := one(ctx, tx, func(r row) (n int64, err error) { return n, r.Scan(&n) }, count, nil)
		if err != nil {
			return err
		}
		left = *rest
		if taken == 0 {
			return nil
		}
		if err := insertRun(ctx, tx, run); err != nil {
			return err
		}
		_, err = exec(ctx, tx, q(`INSERT INTO error_retries (run_id, seq, workspace, flow_id, error_id)
			SELECT retry_run_id, ROW_NUMBER() OVER (ORDER BY id), workspace, flow_id, id FROM record_errors WHERE retry_run_id = $1`, run.ID))
		if err != nil {
			return err
		}
		return s.note(ctx, tx, errorsEvent(audit.Retried, ask))
	})
	if s.is(err, orphan) {
		err = noFlow(run.FlowID)
	}
	return taken, left, err
}

// RetryRecords implements flows.RetryStore.
func (s *Store) RetryRecords(ctx context.Context, t flows.Token, skip int64, limit int) (records [][]byte, err error) {
	defer s.explain(&err, "RetryRecords")
	holds, err := exists(ctx, s.read, q("SELECT 1 FROM runs WHERE "+held, t.Workspace, t.RunID, t.Fence))
	if err != nil {
		return nil, err
	}
	if !holds {
		return nil, lost(t)
	}
	scan := func(r row) (record []byte, err error) { return record, r.Scan(&record) }
	return all(ctx, s.read, scan, q(`SELECT COALESCE(e.edited, CASE WHEN e.form = '`+formJSON+`' THEN e.data ELSE e.object END)
		FROM error_retries r JOIN record_errors e ON e.id = r.error_id WHERE r.run_id = $1 AND r.seq > $2
		ORDER BY r.seq LIMIT `+strconv.Itoa(limitOf(limit)), t.RunID, skip))
}
