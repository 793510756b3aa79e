package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

var _ flows.LinkStore = (*Store)(nil)

// FlowLinks implements flows.LinkStore.
func (s *Store) FlowLinks(ctx context.Context, workspace string) (_ map[string][]string, err error) {
	defer s.explain(&err, "FlowLinks")
	return flowLinks(ctx, s.read, workspace)
}

func flowLinks(ctx context.Context, db executor, workspace string) (map[string][]string, error) {
	type link struct{ from, to string }
	scan := func(r row) (l link, err error) { return l, r.Scan(&l.from, &l.to) }
	list, err := all(ctx, db, scan, q("SELECT flow_id, target_id FROM flow_links WHERE workspace = $1 ORDER BY flow_id, position", workspace))
	if err != nil {
		return nil, err
	}
	links := map[string][]string{}
	for _, l := range list {
		links[l.from] = append(links[l.from], l.to)
	}
	return links, nil
}

// saveLinks stores what follows a flow. Two flows that are made to follow each
// other at the same time take turns at the first flow's row, so that one of
// them sees the cycle. Faults: FlowNotFound, FlowCycle.
func (s *Store) saveLinks(ctx context.Context, tx *sql.Tx, f *flows.Flow) error {
	if _, err := exec(ctx, tx, q("DELETE FROM flow_links WHERE workspace = $1 AND flow_id = $2", f.Workspace, f.ID)); err != nil {
		return err
	}
	if len(f.Then) == 0 {
		return nil
	}
	if _, err := exists(ctx, tx, q("SELECT 1 FROM flows WHERE workspace = $1 ORDER BY id LIMIT 1"+s.dialect.lockParent, f.Workspace)); err != nil {
		return err
	}
	for i, target := range f.Then {
		_, err := exec(ctx, tx, q("INSERT INTO flow_links (workspace, flow_id, target_id, position) VALUES ($1, $2, $3, $4)", f.Workspace, f.ID, target, i))
		if s.is(err, orphan) {
			return fault.Wrap(err, fault.FlowNotFound, "there is no flow %q", target)
		}
		if err != nil {
			return err
		}
	}
	links, err := flowLinks(ctx, tx, f.Workspace)
	if err != nil {
		return err
	}
	if path := flows.Cycle(links, f.ID); path != nil {
		return fault.New(fault.FlowCycle, "the flows follow each other in a cycle: %s", strings.Join(path, " then "))
	}
	return nil
}

// checkFollowed refuses to delete a flow that others name as what comes then.
func checkFollowed(ctx context.Context, tx *sql.Tx, workspace, id string) error {
	names, err := all(ctx, tx, scanText, q(`SELECT f.name FROM flow_links l JOIN flows f ON f.workspace = l.workspace AND f.id = l.flow_id
		WHERE l.workspace = $1 AND l.target_id = $2 ORDER BY f.name LIMIT 5`, workspace, id))
	if err != nil || len(names) == 0 {
		return err
	}
	return fault.New(fault.FlowInUse, "flow %q runs after %q", id, strings.Join(names, ", ")).
		WithHint("take it out of their \"then\" first")
}

// startFollowers queues the runs of the flows that come after one whose run
// succeeded, in the transaction that settles it: once for each, whatever dies.
func startFollowers(ctx context.Context, tx *sql.Tx, runID string, now time.Time) error {
	list, err := all(ctx, tx, scanFlow, q(`SELECT f.id, f.workspace, f.revision, f.enabled, f.spec, f.created_at, f.updated_at, f.paused FROM runs r
		JOIN flow_links l ON l.workspace = r.workspace AND l.flow_id = r.flow_id
		JOIN flows f ON f.workspace = l.workspace AND f.id = l.target_id
		WHERE r.id = $1 AND f.enabled AND r.options NOT LIKE '%"dryRun":true%' ORDER BY l.position`, runID))
	if err != nil {
		return err
	}
	for i := range list {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		run := list[i].QueuedRun(id.String(), flows.Followed, now)
		run.AfterRun = runID
		if err := insertRun(ctx, tx, run); err != nil {
			return err
		}
	}
	return nil
}
