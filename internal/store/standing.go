package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
)

// SaveConnectionTest implements connections.Repository. A result for an older
// revision is dropped without a fault. The standing and the runs that follow
// from it are one transaction: a run that begins to wait meanwhile sees either
// the connection online or its own row taken along (SettleRun).
func (s *Store) SaveConnectionTest(ctx context.Context, c *connections.Connection) (resumed []string, err error) {
	defer s.explain(&err, "SaveConnectionTest")
	lastTest, err := testText(c.LastTest)
	if err != nil {
		return nil, err
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		resumed = nil
		n, err := exec(ctx, tx, q(`UPDATE connections SET status = $4, last_test = $5, refusals = $6, next_probe_at = $7, online_at = $8
			WHERE workspace = $1 AND id = $2 AND revision = $3`, c.Workspace, c.ID, c.Revision, c.Status, lastTest,
			c.Refusals, micros(c.NextProbeAt), micros(c.OnlineAt)))
		if err != nil {
			return err
		}
		if n == 0 {
			found, err := exists(ctx, tx, q("SELECT 1 FROM connections WHERE workspace = $1 AND id = $2", c.Workspace, c.ID))
			if err == nil && !found {
				err = noConnection(c.ID)
			}
			return err
		}
		if err := s.note(ctx, tx, connectionEvent(audit.Tested, c)); err != nil {
			return err
		}
		if err := s.noteStanding(ctx, tx, c, s.now()); err != nil {
			return err
		}
		if c.Status == connections.Online {
			resumed, err = s.resumeRuns(ctx, tx, c)
		}
		return err
	})
	return resumed, err
}

// resumeRuns makes the runs that wait for a connection due now, and marks them
// as pushed to the queue, which the caller does.
func (s *Store) resumeRuns(ctx context.Context, tx *sql.Tx, c *connections.Connection) ([]string, error) {
	ids, err := all(ctx, tx, scanText, q(`UPDATE runs SET resume_at = $3, queued_at = $3, waits_for = ''
		WHERE workspace = $1 AND waits_for = $2 AND waits_for <> '' AND state = 'waiting' RETURNING id`, c.Workspace, c.ID, micros(s.now())))
	slices.Sort(ids)
	return ids, err
}

const dueProbes = `WITH due AS MATERIALIZED (
	SELECT workspace, id FROM connections WHERE status = 'offline' AND next_probe_at > 0 AND next_probe_at <= $1
	ORDER BY next_probe_at LIMIT $3`

const takeDueProbes = `) UPDATE connections SET next_probe_at = $2 WHERE (workspace, id) IN (SELECT workspace, id FROM due)
	RETURNING workspace, id`

// TakeProbes implements connections.Repository. Two callers at once get different connections.
func (s *Store) TakeProbes(ctx context.Context, now, until time.Time, limit int) (_ []connections.Connection, err error) {
	defer s.explain(&err, "TakeProbes")
	type place struct{ workspace, id string }
	scan := func(r row) (p place, err error) { return p, r.Scan(&p.workspace, &p.id) }
	places, err := all(ctx, s.write, scan, q(dueProbes+s.dialect.skipLocked+takeDueProbes, micros(now), micros(until), limitOf(limit)))
	if err != nil {
		return nil, err
	}
	list := make([]connections.Connection, 0, len(places))
	for _, p := range places {
		c, err := s.Connection(ctx, p.workspace, p.id)
		if err != nil {
			return nil, err
		}
		list = append(list, *c)
	}
	return list, nil
}

// isOffline holds the connection's row until the transaction ends and reports whether the connection is offline.
func (s *Store) isOffline(ctx context.Context, tx *sql.Tx, workspace, id string) (bool, error) {
	return exists(ctx, tx, q("SELECT 1 FROM connections WHERE workspace = $1 AND id = $2 AND status = $3"+s.dialect.lockParent,
		workspace, id, connections.Offline))
}

// awaited settles what a run waits for: a connection that came online meanwhile is not waited for.
func (s *Store) awaited(ctx context.Context, tx *sql.Tx, t flows.Token, e flows.Settlement) (flows.Settlement, error) {
	if e.WaitsFor == "" {
		return e, nil
	}
	offline, err := s.isOffline(ctx, tx, t.Workspace, e.WaitsFor)
	if err == nil && !offline {
		e.WaitsFor, e.ResumeAt = "", e.Now
	}
	return e, err
}
