package store

import (
	"context"
	"strings"

	"github.com/celonis-connector/connector/connections"
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

// KeyUsage counts the sealed rows of every master key in use, the canary among
// them, by key id; what is no envelope counts under "".
func (s *Store) KeyUsage(ctx context.Context) (_ map[string]int64, err error) {
	defer s.explain(&err, "KeyUsage")
	type use struct {
		key  string
		rows int64
	}
	scan := func(r row) (u use, err error) { return u, r.Scan(&u.key, &u.rows) }
	list, err := all(ctx, s.read, scan, q(`SELECT key_id, COUNT(*) FROM (SELECT key_id FROM connection_secrets
		UNION ALL SELECT key_id FROM keyring_canary) used GROUP BY key_id`))
	if err != nil {
		return nil, err
	}
	usage := make(map[string]int64, len(list))
	for _, u := range list {
		usage[u.key] = u.rows
	}
	return usage, nil
}

// SealedRow is a secret as it is stored, with all that its envelope is bound to.
type SealedRow struct {
	Workspace    string
	ConnectionID string
	Field        connections.SecretField
	Envelope     string
}

// SealedUnderOthers lists at most limit secrets that are not sealed under the key: the work of a rotation.
func (s *Store) SealedUnderOthers(ctx context.Context, keyID string, limit int) (_ []SealedRow, err error) {
	defer s.explain(&err, "SealedUnderOthers")
	scan := func(r row) (v SealedRow, err error) {
		return v, r.Scan(&v.Workspace, &v.ConnectionID, &v.Field, &v.Envelope)
	}
	return all(ctx, s.read, scan, q(`SELECT workspace, connection_id, field, envelope FROM connection_secrets
		WHERE key_id <> $1 ORDER BY workspace, connection_id, field LIMIT $2`, keyID, limitOf(limit)))
}

// Reseal replaces the envelope of a secret where it is still r's, and tells
// whether it was. The connection's revision stays: the secret is the same.
func (s *Store) Reseal(ctx context.Context, r SealedRow, envelope string) (done bool, err error) {
	defer s.explain(&err, "Reseal")
	n, err := exec(ctx, s.write, q(`UPDATE connection_secrets SET key_id = $5, envelope = $6
		WHERE workspace = $1 AND connection_id = $2 AND field = $3 AND envelope = $4`,
		r.Workspace, r.ConnectionID, r.Field, r.Envelope, keyOf(envelope), envelope))
	return n > 0, err
}
