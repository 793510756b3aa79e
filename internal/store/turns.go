package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// inTurn is true of the runs that need not wait for others: one that was
// running already, else one whose flow is not paused and has no run that is
// running or has begun before, and whose connections bear another run. The
// text added to a workspace leaves a database without statistics only the index
// of the flow's few live runs, in place of one of the whole workspace's.
const inTurn = `(runs.state = 'running' OR (
	NOT EXISTS (SELECT 1 FROM flows f WHERE f.workspace = runs.workspace AND f.id = runs.flow_id AND f.paused)
	AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.workspace = runs.workspace AND o.flow_id = runs.flow_id AND o.state = 'running')
	AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.workspace || '' = runs.workspace AND o.flow_id = runs.flow_id
		AND o.state IN ('queued', 'running', 'waiting') AND o.fence > 0 AND o.id < runs.id)
	AND NOT EXISTS (SELECT 1 FROM flow_connections fc JOIN connections c ON c.workspace = fc.workspace AND c.id = fc.connection_id
		WHERE fc.workspace = runs.workspace AND fc.flow_id = runs.flow_id AND c.max_runs > 0 AND c.max_runs <= (
			SELECT COUNT(*) FROM flow_connections oc JOIN runs o ON o.workspace = oc.workspace AND o.flow_id = oc.flow_id
			WHERE oc.workspace = c.workspace AND oc.connection_id = c.id AND o.state = 'running'))))`

// isDue is true of the runs that a claim at $1 may take as far as their state goes.
const isDue = `(runs.state = 'queued' OR (runs.state = 'waiting' AND runs.resume_at <= $1) OR (runs.state = 'running' AND runs.lease_until <= $1))`

// holdLimits holds the connections of the run that bear only so many runs, so that two claims do not both count themselves in.
func (s *Store) holdLimits(ctx context.Context, tx *sql.Tx, runID string) error {
	_, err := exists(ctx, tx, q(`SELECT 1 FROM connections WHERE max_runs > 0 AND (workspace, id) IN (
		SELECT fc.workspace, fc.connection_id FROM flow_connections fc JOIN runs r ON r.workspace = fc.workspace AND r.flow_id = fc.flow_id
		WHERE r.id = $1) ORDER BY id`+s.dialect.lockParent, runID))
	return err
}

// claimConflict says why a run was not claimed. One that must wait for others
// is not taken for pushed any more: it is pushed when its turn has come.
func (s *Store) claimConflict(ctx context.Context, runID string) error {
	state, err := one(ctx, s.write, scanText, q(`UPDATE runs SET queued_at = CASE WHEN state IN ('queued', 'waiting') THEN 0 ELSE queued_at END
		WHERE id = $1 RETURNING state`, runID), noRun(runID))
	if err != nil {
		return err
	}
	return fault.New(fault.RunStateConflict, "run %q is %s and cannot be claimed now", runID, *state)
}

// The workspaces with live runs are found one by one in the index, however many runs each of them has.
const waiters = `WITH RECURSIVE w (workspace) AS (
	SELECT MIN(workspace) FROM runs WHERE ` + live + `
	UNION ALL SELECT (SELECT MIN(r.workspace) FROM runs r WHERE r.state IN ('queued', 'running', 'waiting') AND r.workspace > w.workspace)
	FROM w WHERE w.workspace IS NOT NULL)
	SELECT w.workspace, (SELECT COUNT(*) FROM runs r WHERE r.workspace = w.workspace AND r.state = 'running'),
	COALESCE((SELECT runs.id FROM runs WHERE runs.workspace = w.workspace AND runs.state IN ('queued', 'running', 'waiting')
		AND ` + isDue + ` AND ` + inTurn + ` ORDER BY runs.id LIMIT 1), '')
	FROM w WHERE w.workspace IS NOT NULL`

// Waiters implements flows.WorkStore.
func (s *Store) Waiters(ctx context.Context, now time.Time) (_ []flows.Waiter, err error) {
	defer s.explain(&err, "Waiters")
	scan := func(r row) (w flows.Waiter, err error) { return w, r.Scan(&w.Workspace, &w.Running, &w.RunID) }
	found, err := all(ctx, s.read, scan, q(waiters, micros(now)))
	if err != nil {
		return nil, err
	}
	list := found[:0]
	for _, w := range found {
		if w.RunID != "" {
			list = append(list, w)
		}
	}
	return list, nil
}
