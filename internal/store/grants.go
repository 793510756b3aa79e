package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

var (
	_ connections.GrantRepository         = (*Store)(nil)
	_ connections.AuthorizationRepository = (*Store)(nil)
)

// SaveGrant implements connections.GrantRepository. Fault ConnectionNotFound
// when the connection has gone.
func (s *Store) SaveGrant(ctx context.Context, g *connections.StoredGrant) (err error) {
	defer s.explain(&err, "SaveGrant")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		c, err := s.currentConnection(ctx, tx, g.Workspace, g.ConnectionID)
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, q(`INSERT INTO oauth_grants (workspace, connection_id, version, key_id, envelope, claimed_by,
			claimed_until, granted_at) VALUES ($1, $2, 1, $3, $4, '', 0, $5)
			ON CONFLICT (workspace, connection_id) DO UPDATE SET version = oauth_grants.version + 1, key_id = excluded.key_id,
			envelope = excluded.envelope, claimed_by = '', claimed_until = 0, granted_at = excluded.granted_at`,
			g.Workspace, g.ConnectionID, keyOf(g.Envelope), g.Envelope, micros(g.GrantedAt)))
		if err != nil {
			return err
		}
		return s.note(ctx, tx, connectionEvent(audit.Authorized, c))
	})
}

// Grant implements connections.GrantRepository.
func (s *Store) Grant(ctx context.Context, workspace, connectionID string) (_ *connections.StoredGrant, err error) {
	defer s.explain(&err, "Grant")
	scan := func(r row) (g connections.StoredGrant, err error) {
		return g, r.Scan(&g.Workspace, &g.ConnectionID, &g.Version, &g.Envelope, moment{&g.GrantedAt})
	}
	return one(ctx, s.read, scan, q(`SELECT workspace, connection_id, version, envelope, granted_at FROM oauth_grants
		WHERE workspace = $1 AND connection_id = $2`, workspace, connectionID),
		fault.New(fault.ConnectionUnauthorized, "no user has authorized the connection, or the authorization has ended").
			WithHint("authorize the connection: POST /v1/connections/{id}/authorize"))
}

// ClaimGrant implements connections.GrantRepository.
func (s *Store) ClaimGrant(ctx context.Context, c connections.GrantClaim) (done bool, err error) {
	defer s.explain(&err, "ClaimGrant")
	n, err := exec(ctx, s.write, q(`UPDATE oauth_grants SET claimed_by = $4, claimed_until = $5
		WHERE workspace = $1 AND connection_id = $2 AND version = $3 AND claimed_until <= $6`,
		c.Workspace, c.ConnectionID, c.Version, c.By, micros(c.Until), micros(c.Now)))
	return n > 0, err
}

// ofClaim is the condition under which a claim still holds.
const ofClaim = ` WHERE workspace = $1 AND connection_id = $2 AND version = $3 AND claimed_by = $4 AND claimed_until = $5`

func claimArgs(c connections.GrantClaim, more ...any) []any {
	return append([]any{c.Workspace, c.ConnectionID, c.Version, c.By, micros(c.Until)}, more...)
}

// ReplaceGrant implements connections.GrantRepository.
func (s *Store) ReplaceGrant(ctx context.Context, c connections.GrantClaim, envelope string) (done bool, err error) {
	defer s.explain(&err, "ReplaceGrant")
	n, err := exec(ctx, s.write, q(`UPDATE oauth_grants SET version = version + 1, key_id = $6, envelope = $7, claimed_by = '',
		claimed_until = 0`+ofClaim, claimArgs(c, keyOf(envelope), envelope)...))
	return n > 0, err
}

// ReleaseGrant implements connections.GrantRepository.
func (s *Store) ReleaseGrant(ctx context.Context, c connections.GrantClaim) (err error) {
	defer s.explain(&err, "ReleaseGrant")
	_, err = exec(ctx, s.write, q("UPDATE oauth_grants SET claimed_by = '', claimed_until = 0"+ofClaim, claimArgs(c)...))
	return err
}

// DeleteGrant implements connections.GrantRepository.
func (s *Store) DeleteGrant(ctx context.Context, c connections.GrantClaim) (done bool, err error) {
	defer s.explain(&err, "DeleteGrant")
	n, err := exec(ctx, s.write, q("DELETE FROM oauth_grants"+ofClaim, claimArgs(c)...))
	return n > 0, err
}

// SaveAuthorization implements connections.AuthorizationRepository. Fault
// ConnectionNotFound when the connection has gone.
func (s *Store) SaveAuthorization(ctx context.Context, a *connections.StoredAuthorization) (err error) {
	defer s.explain(&err, "SaveAuthorization")
	_, err = exec(ctx, s.write, q(`INSERT INTO oauth_states (state_hash, workspace, connection_id, revision, key_id, envelope,
		expires_at) VALUES `+placeholders(1, 7), a.StateHash, a.Workspace, a.ConnectionID, a.Revision, keyOf(a.Envelope), a.Envelope,
		micros(a.ExpiresAt)))
	if s.is(err, orphan) {
		return noConnection(a.ConnectionID)
	}
	return err
}

// TakeAuthorization implements connections.AuthorizationRepository. Of two
// callers with the same state one gets it.
func (s *Store) TakeAuthorization(ctx context.Context, stateHash string) (_ *connections.StoredAuthorization, err error) {
	defer s.explain(&err, "TakeAuthorization")
	scan := func(r row) (a connections.StoredAuthorization, err error) {
		return a, r.Scan(&a.StateHash, &a.Workspace, &a.ConnectionID, &a.Revision, &a.Envelope, moment{&a.ExpiresAt})
	}
	return one(ctx, s.write, scan, q(`DELETE FROM oauth_states WHERE state_hash = $1
		RETURNING state_hash, workspace, connection_id, revision, envelope, expires_at`, stateHash),
		fault.New(fault.OAuthState, "no authorization is under way with this state: it was used, or is none of ours").
			WithHint("begin anew: POST /v1/connections/{id}/authorize"))
}

// SweepAuthorizations forgets the authorizations that ended before now, and
// tells how many there were.
func (s *Store) SweepAuthorizations(ctx context.Context, now time.Time) (n int64, err error) {
	defer s.explain(&err, "SweepAuthorizations")
	return exec(ctx, s.write, q("DELETE FROM oauth_states WHERE expires_at <= $1", micros(now)))
}
