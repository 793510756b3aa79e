package store

import (
	"context"
	"database/sql"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scimgate"
)

var _ scimgate.Store = (*Store)(nil)

const scimColumns = `workspace, id, connection_id, kind, resource_id, verb, state, attempts, envelope, code, actor, request_id,
	next_at, leased_until, created_at, updated_at`

func scanSCIM(r row) (o scimgate.Operation, err error) {
	return o, r.Scan(&o.Workspace, &o.ID, &o.ConnectionID, &o.Kind, &o.ResourceID, &o.Verb, &o.State, &o.Attempts, &o.Envelope, &o.Code,
		&o.Actor, &o.RequestID, moment{&o.NextAt}, moment{&o.LeasedUntil}, moment{&o.CreatedAt}, moment{&o.UpdatedAt})
}

// QueueSCIM implements scimgate.Store.
func (s *Store) QueueSCIM(ctx context.Context, o *scimgate.Operation, a *scimgate.Alias, e audit.Event, limit int) (err error) {
	defer s.explain(&err, "QueueSCIM")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		// The lock makes the writes of a connection take turns, and keeps it from being deleted.
		found, err := exists(ctx, tx, q("SELECT 1 FROM connections WHERE workspace = $1 AND id = $2"+s.dialect.lockRow, o.Workspace, o.ConnectionID))
		if err != nil {
			return err
		}
		if !found {
			return noConnection(o.ConnectionID)
		}
		waiting, err := countSCIM(ctx, tx, o.Workspace, o.ConnectionID)
		if err != nil {
			return err
		}
		if waiting >= int64(limit) {
			return fault.New(fault.ScimQueueFull, "%d SCIM operations of the connection wait already", waiting)
		}
		_, err = exec(ctx, tx, q("INSERT INTO scim_operations (key_id, "+scimColumns+") VALUES "+placeholders(1, 17), keyOf(o.Envelope),
			o.Workspace, o.ID, o.ConnectionID, o.Kind, o.ResourceID, o.Verb, o.State, o.Attempts, o.Envelope, o.Code, clean(o.Actor),
			clean(o.RequestID), micros(o.NextAt), micros(o.LeasedUntil), micros(o.CreatedAt), micros(o.UpdatedAt)))
		if err != nil {
			return err
		}
		if a != nil {
			_, err = exec(ctx, tx, q("INSERT INTO scim_aliases (workspace, connection_id, id, kind, celonis_id, created_at) VALUES "+placeholders(1, 6),
				a.Workspace, a.ConnectionID, a.ID, a.Kind, a.CelonisID, micros(a.CreatedAt)))
			if err != nil {
				return err
			}
		}
		return s.note(ctx, tx, e)
	})
}

func countSCIM(ctx context.Context, tx *sql.Tx, workspace, connectionID string) (int64, error) {
	count := func(r row) (n int64, err error) { return n, r.Scan(&n) }
	n, _, err := first(ctx, tx, count, q("SELECT COUNT(*) FROM scim_operations WHERE workspace = $1 AND connection_id = $2", workspace, connectionID))
	return n, err
}

// SCIMOperations implements scimgate.Store.
func (s *Store) SCIMOperations(ctx context.Context, ask scimgate.OperationQuery) (_ []scimgate.Operation, err error) {
	defer s.explain(&err, "SCIMOperations")
	list := q("SELECT "+scimColumns+" FROM scim_operations WHERE workspace = $1 AND connection_id = $2", ask.Workspace, ask.ConnectionID)
	for _, c := range []struct{ condition, value string }{
		{"kind = $", string(ask.Kind)}, {"resource_id = $", ask.ResourceID}, {"state = $", string(ask.State)}, {"id > $", ask.After},
	} {
		if c.value != "" {
			list.and(c.condition, c.value)
		}
	}
	if ask.Limit == 0 {
		ask.Limit = scimgate.MaxQueued
	}
	list.limit("id", ask.Limit)
	return all(ctx, s.read, scanSCIM, list)
}

// SCIMAliases implements scimgate.Store.
func (s *Store) SCIMAliases(ctx context.Context, workspace, connectionID string) (_ []scimgate.Alias, err error) {
	defer s.explain(&err, "SCIMAliases")
	scan := func(r row) (a scimgate.Alias, err error) {
		return a, r.Scan(&a.Workspace, &a.ConnectionID, &a.ID, &a.Kind, &a.CelonisID, moment{&a.CreatedAt})
	}
	return all(ctx, s.read, scan, q(`SELECT workspace, connection_id, id, kind, celonis_id, created_at FROM scim_aliases
		WHERE workspace = $1 AND connection_id = $2 ORDER BY id`, workspace, connectionID))
}

// SCIMOperation implements scimgate.OperationStore.
func (s *Store) SCIMOperation(ctx context.Context, workspace, id string) (_ *scimgate.Operation, err error) {
	defer s.explain(&err, "SCIMOperation")
	return scimOperation(ctx, s.read, workspace, id, "")
}

func scimOperation(ctx context.Context, db executor, workspace, id, lock string) (*scimgate.Operation, error) {
	return one(ctx, db, scanSCIM, q("SELECT "+scimColumns+" FROM scim_operations WHERE workspace = $1 AND id = $2"+lock, workspace, id),
		fault.New(fault.ScimOperationNotFound, "there is no SCIM operation %q", id))
}
