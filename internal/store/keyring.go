package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scimgate"
)

// keyOf reads the master key's id from an envelope "v1.<keyId>.<nonce>.<ciphertext>"; "" when it is none.
func keyOf(envelope string) string {
	parts := strings.Split(envelope, ".")
	if len(parts) != 4 || parts[0] != "v1" {
		return ""
	}
	return parts[1]
}

const selectCanary = "SELECT envelope FROM keyring_canary WHERE id = 1"

// Canary gives the sealed text that shows whether the master keys fit this database; ok is false while there is none.
func (s *Store) Canary(ctx context.Context) (envelope string, ok bool, err error) {
	defer s.explain(&err, "Canary")
	return first(ctx, s.read, scanText, q(selectCanary))
}

// InitCanary stores the canary of a new database and gives the one that stands:
// another process with another key may have been first.
func (s *Store) InitCanary(ctx context.Context, envelope string) (standing string, err error) {
	defer s.explain(&err, "InitCanary")
	_, err = exec(ctx, s.write, q("INSERT INTO keyring_canary (id, key_id, envelope) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
		keyOf(envelope), envelope))
	if err != nil {
		return "", err
	}
	standing, _, err = first(ctx, s.write, scanText, q(selectCanary))
	return standing, err
}

// SaveCanary stores the canary in place of the one there is: after a rotation.
func (s *Store) SaveCanary(ctx context.Context, envelope string) (err error) {
	defer s.explain(&err, "SaveCanary")
	_, err = exec(ctx, s.write, q(`INSERT INTO keyring_canary (id, key_id, envelope) VALUES (1, $1, $2)
		ON CONFLICT (id) DO UPDATE SET key_id = excluded.key_id, envelope = excluded.envelope`, keyOf(envelope), envelope))
	return err
}

// sealedTable is a table that keeps envelopes, each with the id of its master key in key_id.
type sealedTable struct {
	// kind is the noun of the row in what its envelopes are bound to.
	kind string
	// table has the columns workspace, key_id and envelope; id and field are SQL for the other parts of the place.
	table, id, field string
}

// sealedTables lists every table with envelopes but the canary's, in the order in which a rotation goes through them.
func sealedTables() []sealedTable {
	return []sealedTable{
		{connections.SealedKind, "connection_secrets", "connection_id", "field"},
		{connections.SealedOAuthClient, "oauth_clients", "id", fixedField(connections.ClientSecret)},
		{connections.SealedOAuthGrant, "oauth_grants", "connection_id", fixedField(connections.GrantTokens)},
		{connections.SealedOAuthState, "oauth_states", "state_hash", fixedField(connections.CodeVerifier)},
		{flows.SealedWebhook, "webhook_secrets", "flow_id", fixedField(flows.WebhookSecret)},
		{flows.SealedDelivery, "delivery_secrets", "flow_id", "slot"},
		{flows.SealedNotification, "notification_secrets", "notification_id", "CAST('" + flows.NotificationSecret + "' AS TEXT)"},
		{flows.SealedSubscription, "subscriptions", "id", fixedField(flows.SubscriptionSecrets)},
		{WorkspaceKeyKind, "workspace_keys", "purpose", fixedField(WorkspaceKeyField)},
		{scimgate.SealedOperation, "scim_operations", "id", "CAST('" + scimgate.SealedPayload + "' AS TEXT)"},
	}
}

// fixedField is the field of a table that has one secret a row, as SQL. A bare
// constant is no order for PostgreSQL.
func fixedField(f connections.SecretField) string { return "CAST('" + string(f) + "' AS TEXT)" }

// CanaryKind is the kind under which KeyUsage counts the canary.
const CanaryKind = "canary"

// KeyUse is how many rows of a kind a master key seals.
type KeyUse struct {
	// KeyID is "" for rows that hold no envelope.
	KeyID string
	Kind  string
	Rows  int64
}

// KeyUsage counts the sealed rows of every master key in use, the canary among them, by key and kind.
func (s *Store) KeyUsage(ctx context.Context) (_ []KeyUse, err error) {
	defer s.explain(&err, "KeyUsage")
	text := "SELECT key_id, '" + CanaryKind + "' AS kind, COUNT(*) FROM keyring_canary GROUP BY key_id"
	for _, t := range sealedTables() {
		text += " UNION ALL SELECT key_id, '" + t.kind + "', COUNT(*) FROM " + t.table + " GROUP BY key_id"
	}
	scan := func(r row) (u KeyUse, err error) { return u, r.Scan(&u.KeyID, &u.Kind, &u.Rows) }
	return all(ctx, s.read, scan, q(text+" ORDER BY 1, 2"))
}

var _ crypto.Vault = (*Store)(nil)

// SealedUnderOthers implements crypto.Vault.
func (s *Store) SealedUnderOthers(ctx context.Context, keyID string, after crypto.SealedRow, limit int) (_ []crypto.SealedRow, err error) {
	defer s.explain(&err, "SealedUnderOthers")
	return s.sealed(ctx, "key_id <> $1", keyID, after, limit)
}

// SealedUnder lists at most limit rows that are sealed under the key: what keeps it from being retired.
func (s *Store) SealedUnder(ctx context.Context, keyID string, limit int) (_ []crypto.SealedRow, err error) {
	defer s.explain(&err, "SealedUnder")
	return s.sealed(ctx, "key_id = $1", keyID, crypto.SealedRow{}, limit)
}

// sealed lists rows table by table, each in the order of its primary key.
func (s *Store) sealed(ctx context.Context, condition, keyID string, after crypto.SealedRow, limit int) ([]crypto.SealedRow, error) {
	rows := []crypto.SealedRow{}
	passed := after.Kind == ""
	for _, t := range sealedTables() {
		if !passed && t.kind != after.Kind {
			continue
		}
		part := q("SELECT workspace, "+t.id+", "+t.field+", envelope FROM "+t.table+" WHERE "+condition, keyID)
		if !passed {
			part.text += " AND (workspace, " + t.id + ", " + t.field + ") > ($2, $3, $4)"
			part.args = append(part.args, after.Workspace, after.ID, after.Field)
		}
		passed = true
		part.limit("workspace, "+t.id+", "+t.field, limitOf(limit)-len(rows))
		scan := func(r row) (crypto.SealedRow, error) {
			v := crypto.SealedRow{AAD: crypto.AAD{Kind: t.kind}}
			return v, r.Scan(&v.Workspace, &v.ID, &v.Field, &v.Envelope)
		}
		more, err := all(ctx, s.read, scan, part)
		if err != nil {
			return nil, err
		}
		if rows = append(rows, more...); len(rows) >= limitOf(limit) {
			break
		}
	}
	return rows, nil
}

// Reseal implements crypto.Vault, in one transaction. The revision of what the
// secrets belong to stays: they are the same. Rotation is the vault that leaves events.
func (s *Store) Reseal(ctx context.Context, rows []crypto.Resealed) (done int64, err error) {
	defer s.explain(&err, "Reseal")
	if len(rows) == 0 {
		return 0, nil
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		done, _, err = resealAll(ctx, tx, rows)
		return err
	})
	if err != nil {
		return 0, err
	}
	return done, nil
}

func reseal(ctx context.Context, tx *sql.Tx, r crypto.Resealed) (int64, error) {
	for _, t := range sealedTables() {
		if t.kind == r.Kind {
			return exec(ctx, tx, q("UPDATE "+t.table+" SET key_id = $5, envelope = $6 WHERE workspace = $1 AND "+t.id+" = $2 AND "+
				t.field+" = $3 AND envelope = $4", r.Workspace, r.ID, r.Field, r.Envelope, keyOf(r.Fresh), r.Fresh))
		}
	}
	return 0, fault.New(fault.Internal, "nothing of the kind %q is sealed", r.Kind)
}
