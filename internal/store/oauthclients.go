package store

import (
	"context"
	"database/sql"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

const selectOAuthClient = `SELECT id, workspace, revision, name, client_id, auth_method, valid_domains, allowed_scopes, envelope,
	secret_updated_at, created_at, updated_at FROM oauth_clients`

func scanOAuthClient(r row) (connections.OAuthClient, error) {
	var c connections.OAuthClient
	err := r.Scan(&c.ID, &c.Workspace, &c.Revision, &c.Name, &c.ClientID, &c.AuthMethod, document{&c.ValidDomains},
		document{&c.AllowedScopes}, &c.Secret.Envelope, moment{&c.Secret.UpdatedAt}, moment{&c.CreatedAt}, moment{&c.UpdatedAt})
	return c, err
}

var _ connections.OAuthClientRepository = (*Store)(nil)

// CreateOAuthClient implements connections.OAuthClientRepository.
func (s *Store) CreateOAuthClient(ctx context.Context, c *connections.OAuthClient) (err error) {
	defer s.explain(&err, "CreateOAuthClient")
	domains, scopes, err := oauthLists(c)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, q(`INSERT INTO oauth_clients (workspace, id, revision, name, name_key, client_id, auth_method,
			valid_domains, allowed_scopes, key_id, envelope, secret_updated_at, created_at, updated_at) VALUES `+placeholders(1, 14),
			c.Workspace, c.ID, c.Revision, c.Name, nameKey(c.Name), c.ClientID, c.AuthMethod, domains, scopes,
			keyOf(c.Secret.Envelope), c.Secret.Envelope, micros(c.Secret.UpdatedAt), micros(c.CreatedAt), micros(c.UpdatedAt)))
		if err != nil {
			return s.oauthClientFault(err, c)
		}
		return s.noteOAuthClient(ctx, tx, oauthClientEvent(audit.Created, c), nil, c)
	})
}

func oauthLists(c *connections.OAuthClient) (domains, scopes string, err error) {
	if domains, err = jsonText(c.ValidDomains); err != nil {
		return "", "", err
	}
	scopes, err = jsonText(c.AllowedScopes)
	return domains, scopes, err
}

func (s *Store) oauthClientFault(err error, c *connections.OAuthClient) error {
	if s.is(err, duplicate) {
		return fault.Wrap(err, fault.OAuthClientNameTaken, "the workspace has an OAuth client named %q", c.Name)
	}
	return err
}

func noOAuthClient(id string) *fault.Error {
	return fault.New(fault.OAuthClientNotFound, "there is no OAuth client %q", id)
}

// OAuthClient implements connections.OAuthClientRepository.
func (s *Store) OAuthClient(ctx context.Context, workspace, id string) (_ *connections.OAuthClient, err error) {
	defer s.explain(&err, "OAuthClient")
	return one(ctx, s.read, scanOAuthClient, q(selectOAuthClient+" WHERE workspace = $1 AND id = $2", workspace, id), noOAuthClient(id))
}

// OAuthClients implements connections.OAuthClientRepository.
func (s *Store) OAuthClients(ctx context.Context, workspace string, page connections.Page) (_ []connections.OAuthClient, err error) {
	defer s.explain(&err, "OAuthClients")
	return all(ctx, s.read, scanOAuthClient,
		q(selectOAuthClient+" WHERE workspace = $1 AND id > $2 ORDER BY id LIMIT $3", workspace, page.After, limitOf(page.Limit)))
}

// UpdateOAuthClient implements connections.OAuthClientRepository. The envelope
// of a secret that is the same stays as the row has it: it may have been resealed meanwhile.
func (s *Store) UpdateOAuthClient(ctx context.Context, c *connections.OAuthClient) (err error) {
	defer s.explain(&err, "UpdateOAuthClient")
	domains, scopes, err := oauthLists(c)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		was, err := s.currentOAuthClient(ctx, tx, c.Workspace, c.ID)
		if err != nil {
			return err
		}
		n, err := exec(ctx, tx, q(`UPDATE oauth_clients SET revision = $3, name = $4, name_key = $5, client_id = $6, auth_method = $7,
			valid_domains = $8, allowed_scopes = $9, key_id = CASE WHEN secret_updated_at = $12 THEN key_id ELSE $10 END,
			envelope = CASE WHEN secret_updated_at = $12 THEN envelope ELSE $11 END, secret_updated_at = $12, updated_at = $13
			WHERE workspace = $1 AND id = $2 AND revision = $14`,
			c.Workspace, c.ID, c.Revision, c.Name, nameKey(c.Name), c.ClientID, c.AuthMethod, domains, scopes,
			keyOf(c.Secret.Envelope), c.Secret.Envelope, micros(c.Secret.UpdatedAt), micros(c.UpdatedAt), c.Revision-1))
		if err != nil {
			return s.oauthClientFault(err, c)
		}
		if n == 0 {
			return missedOAuthClient(ctx, tx, c.Workspace, c.ID)
		}
		return s.noteOAuthClientUpdate(ctx, tx, was, c)
	})
}

// missedOAuthClient says why a change with a revision matched no row.
func missedOAuthClient(ctx context.Context, tx *sql.Tx, workspace, id string) error {
	found, err := exists(ctx, tx, q("SELECT 1 FROM oauth_clients WHERE workspace = $1 AND id = $2", workspace, id))
	switch {
	case err != nil:
		return err
	case !found:
		return noOAuthClient(id)
	}
	return fault.New(fault.RequestStale, "OAuth client %q has changed since it was read", id)
}

// DeleteOAuthClient implements connections.OAuthClientRepository. The foreign
// key of connection_oauth keeps a client that a connection uses, also against a connection made meanwhile.
func (s *Store) DeleteOAuthClient(ctx context.Context, workspace, id string, revision int64) (err error) {
	defer s.explain(&err, "DeleteOAuthClient")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		was, err := s.currentOAuthClient(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		n, err := exec(ctx, tx, q("DELETE FROM oauth_clients WHERE workspace = $1 AND id = $2 AND (revision = $3 OR $3 = 0)",
			workspace, id, revision))
		switch {
		case s.is(err, orphan):
			return fault.Wrap(err, fault.OAuthClientInUse, "OAuth client %q is used by a connection", id)
		case err != nil:
			return err
		case n == 0:
			return missedOAuthClient(ctx, tx, workspace, id)
		}
		return s.noteOAuthClient(ctx, tx, oauthClientEvent(audit.Deleted, was), was, nil)
	})
}

// currentOAuthClient reads an OAuth client in a transaction and holds its row.
func (s *Store) currentOAuthClient(ctx context.Context, tx *sql.Tx, workspace, id string) (*connections.OAuthClient, error) {
	return one(ctx, tx, scanOAuthClient, q(selectOAuthClient+" WHERE workspace = $1 AND id = $2"+s.dialect.lockParent, workspace, id), noOAuthClient(id))
}

// OAuthClientUsers implements connections.OAuthClientRepository.
func (s *Store) OAuthClientUsers(ctx context.Context, workspace, id string) (_ []connections.ConnectionUse, err error) {
	defer s.explain(&err, "OAuthClientUsers")
	scan := func(r row) (u connections.ConnectionUse, err error) { return u, r.Scan(&u.ConnectionID, &u.Name) }
	return all(ctx, s.read, scan, q(`SELECT c.id, c.name FROM connection_oauth o
		JOIN connections c ON c.workspace = o.workspace AND c.id = o.connection_id
		WHERE o.workspace = $1 AND o.oauth_client_id = $2 ORDER BY c.id`, workspace, id))
}

// dropStaleGrant removes what a user granted where c, which is not stored yet,
// differs from its row in what it was granted for. The row decides, not
// c.AuthorizedAt: a user may have authorized the connection since c was read.
func dropStaleGrant(ctx context.Context, tx *sql.Tx, c *connections.Connection) error {
	scopes, err := jsonText(c.Scopes)
	if err != nil {
		return err
	}
	for _, table := range []string{"oauth_grants", "oauth_states"} {
		_, err := exec(ctx, tx, q("DELETE FROM "+table+` WHERE workspace = $1 AND connection_id = $2 AND NOT EXISTS (
			SELECT 1 FROM connections c JOIN connection_oauth o ON o.workspace = c.workspace AND o.connection_id = c.id
			WHERE c.workspace = $1 AND c.id = $2 AND c.domain = $3 AND o.oauth_client_id = $4 AND o.grant_type = $5 AND o.scopes = $6)`,
			c.Workspace, c.ID, c.Domain, c.OAuthClientID, c.Grant, scopes))
		if err != nil {
			return err
		}
	}
	return nil
}

// saveConnectionOAuth stores what only a connection with OAuth has, in place of
// what is there.
func (s *Store) saveConnectionOAuth(ctx context.Context, tx *sql.Tx, c *connections.Connection) error {
	if err := deleteOf(ctx, tx, c.Workspace, c.ID, "connection_oauth"); err != nil {
		return err
	}
	if c.OAuthClientID == "" {
		return nil
	}
	scopes, err := jsonText(c.Scopes)
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, q("INSERT INTO connection_oauth (workspace, connection_id, oauth_client_id, grant_type, scopes) VALUES "+
		placeholders(1, 5), c.Workspace, c.ID, c.OAuthClientID, c.Grant, scopes))
	if s.is(err, orphan) {
		return fault.Wrap(err, fault.OAuthClientNotFound, "there is no OAuth client %q", c.OAuthClientID)
	}
	return err
}

// deleteOf removes a connection's rows of the tables.
func deleteOf(ctx context.Context, tx *sql.Tx, workspace, connectionID string, tables ...string) error {
	for _, table := range tables {
		_, err := exec(ctx, tx, q("DELETE FROM "+table+" WHERE workspace = $1 AND connection_id = $2", workspace, connectionID))
		if err != nil {
			return err
		}
	}
	return nil
}
