package store

import (
	"bytes"
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
)

// endConsumed closes a run that did not succeed and that has delivered rows one
// by one: what it has settled is done for good. Of the records that it held
// only those behind are left for another run, and of the errors that it retried
// those it has delivered are resolved.
func endConsumed(ctx context.Context, tx *sql.Tx, runID string, c flows.Checkpoint, now time.Time) error {
	const resolve = `UPDATE record_errors SET state = 'resolved', resolved_by = 'retry', resolved_at = $2,
		attempts = attempts + 1, retry_run_id = '', last_run_id = $1, revision = revision + 1, updated_at = $2
		WHERE retry_run_id = $1 AND id IN (SELECT error_id FROM error_retries WHERE run_id = $1 AND NOT failed AND seq <= $3)`
	if _, err := exec(ctx, tx, q(resolve, runID, micros(now), c.Consumed)); err != nil {
		return err
	}
	if err := settleErrors(ctx, tx, runID, false, now); err != nil {
		return err
	}
	if err := consumeBatches(ctx, tx, runID, c.Consumed); err != nil {
		return err
	}
	return releaseBatches(ctx, tx, runID)
}

// consumeBatches takes so many records off the beginning of a run's batches.
func consumeBatches(ctx context.Context, tx *sql.Tx, runID string, records int64) error {
	type batch struct {
		id   string
		held int64
	}
	scan := func(r row) (b batch, err error) { return b, r.Scan(&b.id, &b.held) }
	list, err := all(ctx, tx, scan, q("SELECT id, records FROM record_batches WHERE run_id = $1 ORDER BY created_at, id", runID))
	if err != nil {
		return err
	}
	for _, b := range list {
		switch {
		case records <= 0:
			return nil
		case records >= b.held:
			_, err = exec(ctx, tx, q("DELETE FROM record_batches WHERE run_id = $1 AND id = $2", runID, b.id))
		default:
			err = cutBatch(ctx, tx, runID, b.id, records)
		}
		if err != nil {
			return err
		}
		records -= b.held
	}
	return nil
}

// cutBatch takes records off the beginning of a batch.
func cutBatch(ctx context.Context, tx *sql.Tx, runID, id string, records int64) error {
	scan := func(r row) (data []byte, err error) { return data, r.Scan(&data) }
	data, found, err := first(ctx, tx, scan, q("SELECT data FROM record_batches WHERE run_id = $1 AND id = $2", runID, id))
	if err != nil || !found {
		return err
	}
	_, err = exec(ctx, tx, q("UPDATE record_batches SET data = $3, records = records - $4 WHERE run_id = $1 AND id = $2",
		runID, id, behindRecords(data, records), records))
	return err
}

// behindRecords gives what stands behind the first records of NDJSON; lines of blanks are none.
func behindRecords(data []byte, records int64) []byte {
	for len(data) > 0 && records > 0 {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		if len(bytes.TrimSpace(line)) > 0 {
			records--
		}
		data = rest
	}
	return bytes.TrimLeft(data, "\r\n")
}
