package store

import (
	"context"
	"database/sql"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

const selectFlow = "SELECT id, workspace, revision, enabled, spec, created_at, updated_at, paused FROM flows"

func scanFlow(r row) (flows.Flow, error) {
	var f flows.Flow
	err := r.Scan(&f.ID, &f.Workspace, &f.Revision, &f.Enabled, document{&f.Spec}, moment{&f.CreatedAt}, moment{&f.UpdatedAt}, &f.Paused)
	return f, err
}

// CreateFlow implements flows.FlowStore. Fault ConnectionNotFound when the
// workspace does not have the connection of the flow's import.
func (s *Store) CreateFlow(ctx context.Context, f *flows.Flow) (err error) {
	defer s.explain(&err, "CreateFlow")
	spec, err := jsonText(f.Spec)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, q(`INSERT INTO flows (workspace, id, revision, enabled, name, name_key, connection_id, spec,
			created_at, updated_at) VALUES `+placeholders(1, 10),
			f.Workspace, f.ID, f.Revision, f.Enabled, f.Name, nameKey(f.Name), orNull(f.Import.ConnectionID), spec,
			micros(f.CreatedAt), micros(f.UpdatedAt)))
		if err != nil {
			return s.flowFault(err, f)
		}
		if err := s.insertFlowConnections(ctx, tx, f); err != nil {
			return err
		}
		if err := s.holdFiles(ctx, tx, f); err != nil {
			return err
		}
		if err := insertRevision(ctx, tx, f, spec); err != nil {
			return err
		}
		if err := s.saveLinks(ctx, tx, f); err != nil {
			return err
		}
		if err := s.saveSchedule(ctx, tx, nil, f); err != nil {
			return err
		}
		if err := saveDelivery(ctx, tx, nil, f); err != nil {
			return err
		}
		if err := saveWebhook(ctx, tx, nil, f); err != nil {
			return err
		}
		if err := saveSubscription(ctx, tx, f); err != nil {
			return err
		}
		return s.noteFlow(ctx, tx, flowEvent(audit.Created, f), nil, f)
	})
}

// currentFlow reads a flow in a transaction and holds its row.
func (s *Store) currentFlow(ctx context.Context, tx *sql.Tx, workspace, id string) (*flows.Flow, error) {
	return one(ctx, tx, scanFlow, q(selectFlow+" WHERE workspace = $1 AND id = $2"+s.dialect.lockParent, workspace, id), noFlow(id))
}

func (s *Store) insertFlowConnections(ctx context.Context, tx *sql.Tx, f *flows.Flow) error {
	for _, id := range f.ConnectionIDs() {
		_, err := exec(ctx, tx, q("INSERT INTO flow_connections (workspace, flow_id, connection_id) VALUES ($1, $2, $3)", f.Workspace, f.ID, id))
		if err != nil {
			return s.flowFault(err, f)
		}
	}
	return nil
}

func insertRevision(ctx context.Context, tx *sql.Tx, f *flows.Flow, spec string) error {
	_, err := exec(ctx, tx, q(`INSERT INTO flow_revisions (workspace, flow_id, revision, enabled, spec, created_at, updated_at)
		VALUES `+placeholders(1, 7), f.Workspace, f.ID, f.Revision, f.Enabled, spec, micros(f.CreatedAt), micros(f.UpdatedAt)))
	return err
}

func (s *Store) flowFault(err error, f *flows.Flow) error {
	switch {
	case s.is(err, duplicate):
		return fault.Wrap(err, fault.FlowNameTaken, "the workspace has a flow named %q", f.Name)
	case s.is(err, orphan):
		return fault.Wrap(err, fault.ConnectionNotFound, "there is no connection %q", f.Import.ConnectionID)
	}
	return err
}

func noFlow(id string) *fault.Error { return fault.New(fault.FlowNotFound, "there is no flow %q", id) }

// Flow implements flows.FlowStore.
func (s *Store) Flow(ctx context.Context, workspace, id string) (_ *flows.Flow, err error) {
	defer s.explain(&err, "Flow")
	return one(ctx, s.read, scanFlow, q(selectFlow+" WHERE workspace = $1 AND id = $2", workspace, id), noFlow(id))
}

// FlowByName implements flows.FlowStore.
func (s *Store) FlowByName(ctx context.Context, workspace, name string) (_ *flows.Flow, err error) {
	defer s.explain(&err, "FlowByName")
	return one(ctx, s.read, scanFlow, q(selectFlow+" WHERE workspace = $1 AND name_key = $2", workspace, nameKey(name)), noFlow(name))
}

// FlowRevision implements flows.FlowStore; fault FlowNotFound when there was no such revision.
func (s *Store) FlowRevision(ctx context.Context, workspace, id string, revision int64) (_ *flows.Flow, err error) {
	defer s.explain(&err, "FlowRevision")
	return one(ctx, s.read, scanFlow, q(selectFlowRevision, workspace, id, revision), noFlow(id))
}

const selectFlowRevision = `SELECT flow_id, workspace, revision, enabled, spec, created_at, updated_at, FALSE FROM flow_revisions
	WHERE workspace = $1 AND flow_id = $2 AND revision = $3`

// Flows implements flows.FlowStore.
func (s *Store) Flows(ctx context.Context, workspace string, page flows.Page) (_ []flows.Flow, err error) {
	defer s.explain(&err, "Flows")
	return all(ctx, s.read, scanFlow,
		q(selectFlow+" WHERE workspace = $1 AND id > $2 ORDER BY id LIMIT $3", workspace, page.After, limitOf(page.Limit)))
}

// UpdateFlow implements flows.FlowStore. Fault ConnectionNotFound when the
// workspace does not have the connection of the flow's import.
func (s *Store) UpdateFlow(ctx context.Context, f *flows.Flow) (err error) {
	defer s.explain(&err, "UpdateFlow")
	spec, err := jsonText(f.Spec)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		was, err := s.currentFlow(ctx, tx, f.Workspace, f.ID)
		if err != nil {
			return err
		}
		n, err := exec(ctx, tx, q(`UPDATE flows SET revision = $3, enabled = $4, name = $5, name_key = $6, connection_id = $7,
			spec = $8, updated_at = $9, paused = $11 WHERE workspace = $1 AND id = $2 AND revision = $10`,
			f.Workspace, f.ID, f.Revision, f.Enabled, f.Name, nameKey(f.Name), orNull(f.Import.ConnectionID),
			spec, micros(f.UpdatedAt), f.Revision-1, f.Paused))
		if err != nil {
			return s.flowFault(err, f)
		}
		if n == 0 {
			return missedFlow(ctx, tx, f.Workspace, f.ID)
		}
		if _, err := exec(ctx, tx, q("DELETE FROM flow_connections WHERE workspace = $1 AND flow_id = $2", f.Workspace, f.ID)); err != nil {
			return err
		}
		if err := s.insertFlowConnections(ctx, tx, f); err != nil {
			return err
		}
		if err := s.holdFiles(ctx, tx, f); err != nil {
			return err
		}
		if err := insertRevision(ctx, tx, f, spec); err != nil {
			return err
		}
		if err := s.saveLinks(ctx, tx, f); err != nil {
			return err
		}
		if err := s.saveSchedule(ctx, tx, was, f); err != nil {
			return err
		}
		if err := saveDelivery(ctx, tx, was, f); err != nil {
			return err
		}
		if err := saveWebhook(ctx, tx, was, f); err != nil {
			return err
		}
		if err := saveSubscription(ctx, tx, f); err != nil {
			return err
		}
		return s.noteFlowUpdate(ctx, tx, was, f)
	})
}

// missedFlow says why a change with a revision matched no row.
func missedFlow(ctx context.Context, tx *sql.Tx, workspace, id string) error {
	found, err := exists(ctx, tx, q("SELECT 1 FROM flows WHERE workspace = $1 AND id = $2", workspace, id))
	switch {
	case err != nil:
		return err
	case !found:
		return noFlow(id)
	}
	return fault.New(fault.RequestStale, "flow %q has changed since it was read", id)
}

// DeleteFlow implements flows.FlowStore. It holds the flow's row first, so that
// no run can be inserted between the look for live runs and the deletion.
func (s *Store) DeleteFlow(ctx context.Context, workspace, id string, revision int64) (err error) {
	defer s.explain(&err, "DeleteFlow")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		found, err := exists(ctx, tx, q(`SELECT 1 FROM flows WHERE workspace = $1 AND id = $2
			AND (revision = $3 OR $3 = 0)`+s.dialect.lockRow, workspace, id, revision))
		if err != nil {
			return err
		}
		if !found {
			return missedFlow(ctx, tx, workspace, id)
		}
		busy, err := exists(ctx, tx, q("SELECT 1 FROM runs WHERE workspace = $1 AND flow_id = $2 AND "+live+" LIMIT 1", workspace, id))
		if err != nil {
			return err
		}
		if busy {
			return fault.New(fault.FlowInUse, "flow %q has a run that has not ended", id)
		}
		if err := checkFollowed(ctx, tx, workspace, id); err != nil {
			return err
		}
		was, err := s.currentFlow(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		if err := dropSubscription(ctx, tx, workspace, id, s.now()); err != nil {
			return err
		}
		if err := deleteFlow(ctx, tx, workspace, id); err != nil {
			return err
		}
		if err := s.dropFilesOf(ctx, tx, workspace, id); err != nil {
			return err
		}
		return s.noteFlow(ctx, tx, flowEvent(audit.Deleted, was), was, nil)
	})
}

func deleteFlow(ctx context.Context, tx *sql.Tx, workspace, id string) error {
	for _, table := range []string{"flow_standings", "lookup_answers", "record_batches", "error_retries", "record_errors", "runs", "flow_revisions", "flow_connections", "flow_schedules", "flow_links", "flow_watermarks", "webhook_tokens", "webhook_secrets", "delivery_secrets", "record_receipts"} {
		if _, err := exec(ctx, tx, q("DELETE FROM "+table+" WHERE workspace = $1 AND flow_id = $2", workspace, id)); err != nil {
			return err
		}
	}
	_, err := exec(ctx, tx, q("DELETE FROM flows WHERE workspace = $1 AND id = $2", workspace, id))
	return err
}
