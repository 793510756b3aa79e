package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
)

var _ flows.ErrorSweeper = (*Store)(nil)

// shortestRetention is the least time that a flow keeps errors for.
const shortestRetention = 24 * time.Hour

// SweepErrors implements flows.ErrorSweeper. An error that a run retries stays.
func (s *Store) SweepErrors(ctx context.Context, now time.Time, limit int) (deleted int64, err error) {
	defer s.explain(&err, "SweepErrors")
	list, err := all(ctx, s.read, scanFlow, q(`SELECT f.id, f.workspace, f.revision, f.enabled, f.spec, f.created_at, f.updated_at, f.paused FROM flows f
		WHERE EXISTS (SELECT 1 FROM record_errors e WHERE e.workspace = f.workspace AND e.flow_id = f.id AND e.updated_at < $1)`,
		micros(now.Add(-shortestRetention))))
	if err != nil {
		return 0, err
	}
	for i := range list {
		n, err := s.sweepFlow(ctx, &list[i], now, limit-int(deleted))
		if err != nil {
			return deleted, err
		}
		if deleted += n; deleted >= int64(limit) {
			break
		}
	}
	return deleted, nil
}

// sweepFlow deletes errors of one flow.
func (s *Store) sweepFlow(ctx context.Context, f *flows.Flow, now time.Time, limit int) (n int64, err error) {
	before := micros(now.Add(-f.ErrorRetention()))
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		states, err := all(ctx, tx, scanText, q(`DELETE FROM record_errors WHERE id IN (SELECT id FROM record_errors
			WHERE workspace = $1 AND flow_id = $2 AND updated_at < $3 AND retry_run_id = '' ORDER BY updated_at LIMIT $4) RETURNING state`,
			f.Workspace, f.ID, before, limit))
		if err != nil {
			return err
		}
		n = int64(len(states))
		if !slices.Contains(states, string(flows.ErrorOpen)) {
			return nil
		}
		e := flowEvent(audit.Deleted, f)
		e.Fields = []string{"openErrors"}
		return s.note(ctx, tx, e)
	})
	return n, err
}
