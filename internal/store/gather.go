package store

import (
	"cmp"
	"context"
	"database/sql"
	"math"

	"github.com/celonis-connector/connector/flows"
)

// full is true of a run that only gathers and has enough with the batch: $2 records and $3 bytes are the batch's, $4 and
// $5 the most. A run that was claimed before waits for something else than records.
const full = `(state = 'waiting' AND fence = 0 AND waits_for = '' AND (gathered_records + $2 >= $4 OR gathered_bytes + $3 >= $5))`

const gatherBatch = `UPDATE runs SET gathered_records = gathered_records + $2, gathered_bytes = gathered_bytes + $3,
	state = CASE WHEN ` + full + ` THEN 'queued' ELSE state END,
	resume_at = CASE WHEN ` + full + ` THEN 0 ELSE resume_at END
	WHERE id = $1 RETURNING ` + runColumns

// gather adds the batch to what the run has gathered, and makes the run due when that is enough.
func gather(ctx context.Context, tx *sql.Tx, runID string, b *flows.RecordBatch) (*flows.Run, error) {
	const boundless = int64(math.MaxInt64)
	return one(ctx, tx, scanRun, q(gatherBatch, runID, b.Records, int64(len(b.Data)),
		cmp.Or(b.Full.Records, boundless), cmp.Or(b.Full.Bytes, boundless)), noRun(runID))
}
