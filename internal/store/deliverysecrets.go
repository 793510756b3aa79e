package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
)

var _ flows.DeliverySecretStore = (*Store)(nil)

// deliverySecretField is what the record of changes names when the secret of an import is another.
const deliverySecretField = "deliverySecret"

// saveDelivery stores what a write of a flow brings to the secrets of its
// import, and forgets those of a flow that needs none any more. At most one older secret goes on.
func saveDelivery(ctx context.Context, tx *sql.Tx, was, f *flows.Flow) error {
	if f.Import.Type != flows.ImportWebhook {
		if was == nil || was.Import.Type != flows.ImportWebhook {
			return nil
		}
		_, err := exec(ctx, tx, q("DELETE FROM delivery_secrets WHERE workspace = $1 AND flow_id = $2", f.Workspace, f.ID))
		return err
	}
	d := f.Delivery
	if d == nil || d.Secret == nil {
		return nil
	}
	ending := "DELETE FROM delivery_secrets WHERE workspace = $1 AND flow_id = $2"
	if d.OldUntil.After(d.Secret.CreatedAt) {
		ending += " AND expires_at > 0"
	}
	if _, err := exec(ctx, tx, q(ending, f.Workspace, f.ID)); err != nil {
		return err
	}
	if _, err := exec(ctx, tx, q("UPDATE delivery_secrets SET expires_at = $3 WHERE workspace = $1 AND flow_id = $2", f.Workspace, f.ID, micros(d.OldUntil))); err != nil {
		return err
	}
	_, err := exec(ctx, tx, q(`INSERT INTO delivery_secrets (workspace, flow_id, slot, key_id, envelope, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		f.Workspace, f.ID, d.Secret.Slot, keyOf(d.Secret.Envelope), d.Secret.Envelope, micros(d.Secret.CreatedAt)))
	return err
}

// deliveryFields names what a write changes beside the flow's own members.
func deliveryFields(d *flows.DeliveryChange) []string {
	if d == nil || d.Secret == nil {
		return nil
	}
	return []string{deliverySecretField}
}

// DeliverySecrets implements flows.DeliverySecretStore.
func (s *Store) DeliverySecrets(ctx context.Context, workspace, flowID string, now time.Time) (_ []flows.DeliverySecret, err error) {
	defer s.explain(&err, "DeliverySecrets")
	scan := func(r row) (d flows.DeliverySecret, err error) {
		return d, r.Scan(&d.Slot, &d.Envelope, moment{&d.CreatedAt}, moment{&d.ExpiresAt})
	}
	return all(ctx, s.read, scan, q(`SELECT slot, envelope, created_at, expires_at FROM delivery_secrets
		WHERE workspace = $1 AND flow_id = $2 AND (expires_at = 0 OR expires_at > $3)
		ORDER BY CASE WHEN expires_at = 0 THEN 0 ELSE 1 END, created_at DESC`, workspace, flowID, micros(now)))
}
