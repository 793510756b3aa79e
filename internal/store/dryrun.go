package store

import (
	"context"
	"database/sql"
)

// isDry is true of a run that sends nothing.
const isDry = `options LIKE '%"dryRun":true%'`

// endBatches drops the batches of a run that has pushed them; those that a dry
// run has only read go to the run that was to push them.
func endBatches(ctx context.Context, tx *sql.Tx, runID string) error {
	dry, err := exists(ctx, tx, q("SELECT 1 FROM runs WHERE id = $1 AND "+isDry, runID))
	if err != nil {
		return err
	}
	if dry {
		return releaseBatches(ctx, tx, runID)
	}
	_, err = exec(ctx, tx, q("DELETE FROM record_batches WHERE run_id = $1", runID))
	return err
}
