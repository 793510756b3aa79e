package store

import (
	"context"
	"slices"
	"time"
)

const dueRuns = `WITH due AS MATERIALIZED (
	SELECT id FROM runs WHERE ` + live + ` AND queued_at <= $2 AND ` + isDue + ` AND ` + inTurn + `
	AND (runs.state = 'running' OR NOT EXISTS (SELECT 1 FROM runs b WHERE b.workspace || '' = runs.workspace AND b.flow_id = runs.flow_id
		AND b.id < runs.id AND b.state IN ('queued', 'running', 'waiting') AND (b.state = 'queued' OR (b.state = 'waiting' AND b.resume_at <= $1))))
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
