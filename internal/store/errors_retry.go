package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/celonis-connector/connector/flows"
)

var (
	_ flows.RetryStore = (*Store)(nil)
	_ flows.TraceStore = (*Store)(nil)
)

// runHead is what a checkpoint's errors need to know of their run.
type runHead struct {
	flowID   string
	revision int64
	trigger  flows.Trigger
}

func scanHead(r row) (h runHead, err error) { return h, r.Scan(&h.flowID, &h.revision, &h.trigger) }

// keepErrors stores the errors of a checkpoint: those of a run that retries
// belong to the errors that it retries, and make no others.
func (s *Store) keepErrors(ctx context.Context, tx *sql.Tx, b errorBatch, trigger flows.Trigger) error {
	if trigger != flows.Retry {
		return s.insertErrors(ctx, tx, b)
	}
	for _, e := range b.errors {
		// A retry has one record a line, of which there may be several rows.
		seq := cmp.Or(e.Line, e.Record)
		_, err := exec(ctx, tx, q(`UPDATE error_retries SET failed = TRUE, code = $3, field = $4, message = $5, signature = $6
			WHERE run_id = $1 AND seq = $2`, b.token.RunID, seq, e.Code, clean(e.Field), clean(e.Message), e.Signature))
		if err != nil {
			return err
		}
	}
	return nil
}

// countErrorsAlone makes the ledger of run $1 count only the records that are in the error store.
const countErrorsAlone = `UPDATE runs SET records_filtered = 0, records_pushed = 0,
	records_read = ` + errorsOfRun + `, records_errored = ` + errorsOfRun + ` WHERE id = $1`

const errorsOfRun = `((SELECT COUNT(*) FROM record_errors WHERE run_id = $1)
	+ (SELECT COUNT(*) FROM error_retries WHERE run_id = $1 AND failed))`

// settleErrors ends what a run has to do with errors that others met. Of those
// that it retried, the ones that failed again get the new reason whatever came
// of the run; the others are resolved when its rows are in the table, and
// given back when they are not. Errors whose trace keys it has rows of are
// resolved in the first case, too.
func settleErrors(ctx context.Context, tx *sql.Tx, runID string, pushed bool, now time.Time) error {
	const failedAgain = `UPDATE record_errors SET code = r.code, field = r.field, message = r.message, signature = r.signature,
		attempts = attempts + 1, retry_run_id = '', last_run_id = $1, revision = revision + 1, updated_at = $2
		FROM error_retries r WHERE r.run_id = $1 AND r.failed AND r.error_id = record_errors.id AND record_errors.retry_run_id = $1`
	const resolve = `UPDATE record_errors SET state = 'resolved', resolved_by = 'retry', resolved_at = $2,
		attempts = attempts + 1, retry_run_id = '', last_run_id = $1, revision = revision + 1, updated_at = $2 WHERE retry_run_id = $1`
	const giveBack = `UPDATE record_errors SET retry_run_id = '', revision = revision + 1, updated_at = $2 WHERE retry_run_id = $1`
	const traced = `UPDATE record_errors SET state = 'resolved', resolved_by = 'auto', resolved_at = $2, traced_run_id = '',
		revision = revision + 1, updated_at = $2 WHERE traced_run_id = $1 AND traced_run_id <> ''` + free
	const untraced = `UPDATE record_errors SET traced_run_id = '' WHERE traced_run_id = $1 AND traced_run_id <> ''`

	at := micros(now)
	changes := []query{q(failedAgain, runID, at)}
	if pushed {
		changes = append(changes, q(resolve, runID, at), q(traced, runID, at))
	} else {
		changes = append(changes, q(giveBack, runID, at))
	}
	changes = append(changes, q(untraced, runID), q("DELETE FROM error_retries WHERE run_id = $1", runID))
	for _, change := range changes {
		if _, err := exec(ctx, tx, change); err != nil {
			return err
		}
	}
	return nil
}

// OpenTraces implements flows.TraceStore.
func (s *Store) OpenTraces(ctx context.Context, t flows.Token) (_ []string, err error) {
	defer s.explain(&err, "OpenTraces")
	return all(ctx, s.read, scanText, q(`SELECT DISTINCT trace_key FROM record_errors WHERE workspace = $1
		AND flow_id = (SELECT flow_id FROM runs WHERE workspace = $1 AND id = $2)
		AND state = 'open' AND trace_key <> '' AND run_id <> $2 LIMIT $3`, t.Workspace, t.RunID, flows.MaxTraceKeys))
}

// tracesAtOnce bounds the keys of one statement.
const tracesAtOnce = 200

// SaveTraces implements flows.TraceStore.
func (s *Store) SaveTraces(ctx context.Context, t flows.Token, keys []string) (err error) {
	defer s.explain(&err, "SaveTraces")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		flowID, err := one(ctx, tx, scanText, q("SELECT flow_id FROM runs WHERE "+held+s.dialect.lockRow, t.Workspace, t.RunID, t.Fence), lost(t))
		if err != nil {
			return err
		}
		for part := range slices.Chunk(keys, tracesAtOnce) {
			mark := q("UPDATE record_errors SET traced_run_id = $1 WHERE workspace = $2 AND flow_id = $3 AND run_id <> $1 AND trace_key <> ''"+free,
				t.RunID, t.Workspace, *flowID)
			among(&mark, "trace_key IN", part)
			if _, err := exec(ctx, tx, mark); err != nil {
				return err
			}
		}
		return nil
	})
}
