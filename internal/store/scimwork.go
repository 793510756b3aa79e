package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
)

// Of a resource only the oldest operation that waits is due, so that they are sent in order; and none behind a create that failed.
const dueSCIM = `WITH due AS MATERIALIZED (
	SELECT o.workspace, o.id FROM scim_operations o WHERE o.state = 'pending' AND o.next_at <= $1 AND o.leased_until <= $1 AND NOT EXISTS (
		SELECT 1 FROM scim_operations b WHERE b.workspace = o.workspace AND b.connection_id = o.connection_id AND b.kind = o.kind
		AND b.resource_id = o.resource_id AND b.id < o.id AND (b.state = 'pending' OR b.verb = 'create'))
	ORDER BY o.next_at, o.id LIMIT $3`

const takeDueSCIM = `) UPDATE scim_operations SET leased_until = $2, attempts = attempts + 1
	WHERE (workspace, id) IN (SELECT workspace, id FROM due) RETURNING ` + scimColumns

// TakeSCIM implements scimgate.DeliveryStore.
func (s *Store) TakeSCIM(ctx context.Context, now, until time.Time, limit int) (_ []scimgate.Operation, err error) {
	defer s.explain(&err, "TakeSCIM")
	return all(ctx, s.write, scanSCIM, q(dueSCIM+s.dialect.skipLocked+takeDueSCIM, micros(now), micros(until), limitOf(limit)))
}

// EndSCIM implements scimgate.DeliveryStore. I2: the attempt's number and its lease are held against the row.
func (s *Store) EndSCIM(ctx context.Context, o *scimgate.Operation, end scimgate.End) (err error) {
	defer s.explain(&err, "EndSCIM")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		changed, err := exec(ctx, tx, endSCIM(o, end))
		if err != nil || changed == 0 {
			return err
		}
		if end.Done {
			err = doneSCIM(ctx, tx, o, end)
		} else if end.Away {
			_, err = exec(ctx, tx, q(`UPDATE scim_operations SET next_at = $3 WHERE workspace = $1 AND connection_id = $2 AND state = 'pending'
				AND next_at < $3`, o.Workspace, o.ConnectionID, micros(end.Next)))
		}
		if err != nil {
			return err
		}
		if end.Event == nil {
			return nil
		}
		return s.note(ctx, tx, *end.Event)
	})
}

func endSCIM(o *scimgate.Operation, end scimgate.End) query {
	const held = " WHERE workspace = $1 AND id = $2 AND attempts = $3 AND leased_until = $4 AND state = 'pending'"
	if end.Done {
		return q("DELETE FROM scim_operations"+held, o.Workspace, o.ID, o.Attempts, micros(o.LeasedUntil))
	}
	state, attempts := scimgate.Pending, o.Attempts
	if end.Failed {
		state = scimgate.Failed
	}
	if end.Free {
		attempts--
	}
	const change = "UPDATE scim_operations SET state = $5, next_at = $6, leased_until = 0, code = $7, updated_at = $8, attempts = $9"
	kept := q(change+held, o.Workspace, o.ID, o.Attempts, micros(o.LeasedUntil), state, micros(end.Next), end.Code, micros(end.Now), attempts)
	if end.Envelope != "" {
		kept.text = change + ", envelope = $10, key_id = $11" + held
		kept.args = append(kept.args, end.Envelope, keyOf(end.Envelope))
	}
	return kept
}

// doneSCIM binds the alias of what was made, and lets the other operations of
// the connection be sent now: Celonis takes them again.
func doneSCIM(ctx context.Context, tx *sql.Tx, o *scimgate.Operation, end scimgate.End) error {
	if end.CelonisID != "" {
		_, err := exec(ctx, tx, q("UPDATE scim_aliases SET celonis_id = $4 WHERE workspace = $1 AND connection_id = $2 AND id = $3",
			o.Workspace, o.ConnectionID, o.ResourceID, end.CelonisID))
		if err != nil {
			return err
		}
	}
	_, err := exec(ctx, tx, q(`UPDATE scim_operations SET next_at = $3 WHERE workspace = $1 AND connection_id = $2 AND state = 'pending'
		AND next_at > $3`, o.Workspace, o.ConnectionID, micros(end.Now)))
	return err
}

// RetrySCIM implements scimgate.OperationStore.
func (s *Store) RetrySCIM(ctx context.Context, workspace, id string, now time.Time) (out *scimgate.Operation, err error) {
	defer s.explain(&err, "RetrySCIM")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		o, err := scimOperation(ctx, tx, workspace, id, s.dialect.lockRow)
		if err != nil {
			return err
		}
		if o.State != scimgate.Failed {
			return fault.New(fault.ScimOperationState, "the SCIM operation waits already")
		}
		o.State, o.NextAt, o.UpdatedAt, o.Attempts = scimgate.Pending, now, now, 0
		_, err = exec(ctx, tx, q(`UPDATE scim_operations SET state = $3, next_at = $4, leased_until = 0, attempts = 0, updated_at = $4, created_at = $4
			WHERE workspace = $1 AND id = $2`, workspace, id, o.State, micros(now)))
		if err != nil {
			return err
		}
		o.CreatedAt, out = now, o
		return s.note(ctx, tx, scimEvent(audit.Retried, o))
	})
	return out, err
}

// DiscardSCIM implements scimgate.OperationStore.
func (s *Store) DiscardSCIM(ctx context.Context, workspace, id string, now time.Time) (err error) {
	defer s.explain(&err, "DiscardSCIM")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		o, err := scimOperation(ctx, tx, workspace, id, s.dialect.lockRow)
		if err != nil {
			return err
		}
		if o.LeasedUntil.After(now) {
			return fault.New(fault.ScimOperationState, "the SCIM operation is being sent").WithResumeAt(o.LeasedUntil)
		}
		if _, err := exec(ctx, tx, q("DELETE FROM scim_operations WHERE workspace = $1 AND id = $2", workspace, id)); err != nil {
			return err
		}
		return s.note(ctx, tx, scimEvent(audit.Discarded, o))
	})
}

func scimEvent(action audit.Action, o *scimgate.Operation) audit.Event {
	kind := audit.ScimUser
	if o.Kind == scim.KindGroup {
		kind = audit.ScimGroup
	}
	return audit.Event{Workspace: o.Workspace, Action: action, Kind: kind, ObjectID: o.ResourceID, Name: string(o.Verb) + " " + o.ConnectionID}
}

// scimKeepsConnection refuses to delete a connection while operations of it
// wait or have failed: they would be lost without a word.
func scimKeepsConnection(ctx context.Context, tx *sql.Tx, workspace, id string) error {
	n, err := countSCIM(ctx, tx, workspace, id)
	if err != nil || n == 0 {
		return err
	}
	return fault.New(fault.ConnectionInUse, "%d SCIM operations of connection %q are not done", n, id).
		WithHint("they are listed by GET /v1/connections/%s/scim-operations; wait for them, or discard them", id)
}
