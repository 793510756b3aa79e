package store

import (
	"context"
	"slices"
	"time"
)

const dueRuns = `WITH due AS MATERIALIZED (
	SELECT id FROM runs WHERE ` + live + ` AND queued_at <= $2 AND (state = 'queued'
		OR (state = 'waiting' AND resume_at <= $1) OR (state = 'running' AND lease_until <= $1))
	ORDER BY id LIMIT $3`

const markDueRuns = `) UPDATE runs SET queued_at = $1 WHERE id IN (SELECT id FROM due) RETURNING id`

// DueRuns implements flows.SweepStore; the oldest runs come first. A run that
// is still due is listed again when its mark is older than before; a claim and
// the end of an attempt take the mark away. Two callers at once get different runs.
func (s *Store) DueRuns(ctx context.Context, now, before time.Time, limit int) (_ []string, err error) {
	defer s.explain(&err, "DueRuns")
	ids, err := all(ctx, s.write, scanText, q(dueRuns+s.dialect.skipLocked+markDueRuns, micros(now), micros(before), limitOf(limit)))
	slices.Sort(ids)
	return ids, err
}
