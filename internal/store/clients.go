package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// selectClients gives a row for each secret of a client, and one for a client
// without; joinClientSecrets makes them one again. source is clients or a part of it.
func selectClients(source string) string {
	return `SELECT c.id, c.workspace, c.revision, c.name, c.scopes, c.disabled, c.created_at, c.updated_at, c.last_used_at,
		s.id, s.hash, COALESCE(s.created_at, 0), COALESCE(s.expires_at, 0), COALESCE(s.last_used_at, 0)
		FROM ` + source + ` c LEFT JOIN client_secrets s ON s.client_id = c.id`
}

func scanClient(r row) (access.Client, error) {
	var c access.Client
	var s access.ClientSecret
	var secret sql.NullString
	err := r.Scan(&c.ID, &c.Workspace, &c.Revision, &c.Name, document{&c.Scopes}, &c.Disabled, moment{&c.CreatedAt}, moment{&c.UpdatedAt},
		moment{&c.LastUsedAt}, &secret, &s.Hash, moment{&s.CreatedAt}, moment{&s.ExpiresAt}, moment{&s.LastUsedAt})
	if secret.Valid {
		s.ID = secret.String
		c.Secrets = []access.ClientSecret{s}
	}
	return c, err
}

// joinClientSecrets makes one client of neighbors with the same id.
func joinClientSecrets(rows []access.Client) []access.Client {
	list := rows[:0]
	for _, c := range rows {
		if n := len(list); n > 0 && list[n-1].ID == c.ID {
			list[n-1].Secrets = append(list[n-1].Secrets, c.Secrets...)
			continue
		}
		list = append(list, c)
	}
	return list
}

func noClient(id string) *fault.Error {
	return fault.New(fault.AccessClientNotFound, "there is no API client %q", id)
}

func clientEvent(action audit.Action, c *access.Client) audit.Event {
	return audit.Event{Workspace: c.Workspace, Action: action, Kind: audit.APIClient, ObjectID: c.ID, Name: c.Name}
}

// clientFault tells a taken name from other errors.
func (s *Store) clientFault(err error, c *access.Client) error {
	if s.is(err, duplicate) {
		return fault.Wrap(err, fault.AccessClientExists, "the workspace has an API client named %q", c.Name)
	}
	return err
}

// CreateClient implements access.Repository.
func (s *Store) CreateClient(ctx context.Context, c *access.Client) (err error) {
	defer s.explain(&err, "CreateClient")
	scopes, err := jsonText(c.Scopes)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, q(`INSERT INTO clients (id, workspace, revision, name, name_key, scopes, disabled, created_at, updated_at,
			last_used_at) VALUES `+placeholders(1, 10), c.ID, c.Workspace, c.Revision, c.Name, nameKey(c.Name), scopes,
			c.Disabled, micros(c.CreatedAt), micros(c.UpdatedAt), micros(c.LastUsedAt)))
		if err != nil {
			return s.clientFault(err, c)
		}
		for _, secret := range c.Secrets {
			if err := insertClientSecret(ctx, tx, c.Workspace, c.ID, secret); err != nil {
				return err
			}
		}
		return s.noteClient(ctx, tx, clientEvent(audit.Created, c), nil, c)
	})
}

// Client implements access.Repository.
func (s *Store) Client(ctx context.Context, id string) (_ *access.Client, err error) {
	defer s.explain(&err, "Client")
	return s.client(ctx, s.read, q(selectClients("clients")+" WHERE c.id = $1 ORDER BY s.id", id), id)
}

func (s *Store) client(ctx context.Context, db executor, q query, id string) (*access.Client, error) {
	rows, err := all(ctx, db, scanClient, q)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, noClient(id)
	}
	return &joinClientSecrets(rows)[0], nil
}

// Clients implements access.Repository.
func (s *Store) Clients(ctx context.Context, workspace string, page access.Page) (_ []access.Client, err error) {
	defer s.explain(&err, "Clients")
	part := "(SELECT * FROM clients WHERE workspace = $1 AND id > $2 ORDER BY id LIMIT $3)"
	rows, err := all(ctx, s.read, scanClient, q(selectClients(part)+" ORDER BY c.id, s.id", workspace, page.After, limitOf(page.Limit)))
	return joinClientSecrets(rows), err
}

// currentClient reads a client in a transaction and holds its row.
func (s *Store) currentClient(ctx context.Context, tx *sql.Tx, workspace, id string) (*access.Client, error) {
	found, err := exists(ctx, tx, q("SELECT 1 FROM clients WHERE workspace = $1 AND id = $2"+s.dialect.lockParent, workspace, id))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, noClient(id)
	}
	return s.client(ctx, tx, q(selectClients("clients")+" WHERE c.id = $1 ORDER BY s.id", id), id)
}

// UpdateClient implements access.Repository.
func (s *Store) UpdateClient(ctx context.Context, c *access.Client) (err error) {
	defer s.explain(&err, "UpdateClient")
	scopes, err := jsonText(c.Scopes)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		was, err := s.currentClient(ctx, tx, c.Workspace, c.ID)
		if err != nil {
			return err
		}
		if was.Revision != c.Revision-1 {
			return fault.New(fault.RequestStale, "the API client was changed meanwhile")
		}
		_, err = exec(ctx, tx, q("UPDATE clients SET revision = $2, name = $3, name_key = $4, scopes = $5, disabled = $6, updated_at = $7 WHERE id = $1",
			c.ID, c.Revision, c.Name, nameKey(c.Name), scopes, c.Disabled, micros(c.UpdatedAt)))
		if err != nil {
			return s.clientFault(err, c)
		}
		return s.noteClientUpdate(ctx, tx, was, c)
	})
}

// noteClientUpdate tells of a switch by its own word when nothing else changed.
func (s *Store) noteClientUpdate(ctx context.Context, tx *sql.Tx, was, is *access.Client) error {
	fields, err := audit.Changed(was.Draft(), is.Draft())
	if err != nil || len(fields) == 0 {
		return err
	}
	e := clientEvent(audit.Updated, is)
	e.Fields = fields
	if len(fields) == 1 && was.Disabled != is.Disabled {
		e.Action, e.Fields = audit.Enabled, nil
		if is.Disabled {
			e.Action = audit.Disabled
		}
	}
	// The secrets are not part of what is written here.
	now := *is
	now.Secrets = was.Secrets
	return s.noteClient(ctx, tx, e, was, &now)
}

// DeleteClient implements access.Repository.
func (s *Store) DeleteClient(ctx context.Context, workspace, id string, revision int64) (err error) {
	defer s.explain(&err, "DeleteClient")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		c, err := s.currentClient(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		if revision != 0 && c.Revision != revision {
			return fault.New(fault.RequestStale, "the API client was changed meanwhile")
		}
		for _, text := range []string{"DELETE FROM client_secrets WHERE client_id = $1", "DELETE FROM clients WHERE id = $1"} {
			if _, err := exec(ctx, tx, q(text, id)); err != nil {
				return err
			}
		}
		return s.noteClient(ctx, tx, clientEvent(audit.Deleted, c), c, nil)
	})
}

// noteSecrets says that the secrets of a client are others now.
func (s *Store) noteSecrets(ctx context.Context, tx *sql.Tx, was *access.Client) error {
	is, err := s.currentClient(ctx, tx, was.Workspace, was.ID)
	if err != nil {
		return err
	}
	e := clientEvent(audit.Updated, is)
	e.Fields = []string{"secrets"}
	return s.noteClient(ctx, tx, e, was, is)
}

// noteClient tells what became of an API client; was or is may be nil. Its
// secrets stand in the digest by their ids and ends: 256 random bits have no second value.
func (s *Store) noteClient(ctx context.Context, tx *sql.Tx, e audit.Event, was, is *access.Client) error {
	state := func(c *access.Client) any {
		if c == nil {
			return nil
		}
		secrets := map[string]int64{}
		for _, secret := range c.Secrets {
			secrets[secret.ID] = micros(secret.ExpiresAt)
		}
		return map[string]any{"client": c.Draft(), "secrets": secrets}
	}
	if err := digests(&e, state(was), state(is)); err != nil {
		return err
	}
	return s.note(ctx, tx, e)
}

func insertClientSecret(ctx context.Context, tx *sql.Tx, workspace, clientID string, secret access.ClientSecret) error {
	_, err := exec(ctx, tx, q("INSERT INTO client_secrets (id, workspace, client_id, hash, created_at, expires_at, last_used_at) VALUES "+placeholders(1, 7),
		secret.ID, workspace, clientID, notNil(secret.Hash), micros(secret.CreatedAt), micros(secret.ExpiresAt), micros(secret.LastUsedAt)))
	return err
}

// AddClientSecret implements access.Repository. The client's row is held, so
// that two at once cannot make one too many.
func (s *Store) AddClientSecret(ctx context.Context, workspace, clientID string, secret access.ClientSecret) (err error) {
	defer s.explain(&err, "AddClientSecret")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		c, err := s.currentClient(ctx, tx, workspace, clientID)
		if err != nil {
			return err
		}
		ended, err := exec(ctx, tx, q("DELETE FROM client_secrets WHERE client_id = $1 AND expires_at > 0 AND expires_at <= $2",
			clientID, micros(secret.CreatedAt)))
		if err != nil {
			return err
		}
		if len(c.Secrets)-int(ended) >= access.MaxSecrets {
			return fault.New(fault.AccessSecretsFull, "the API client has %d secrets already", access.MaxSecrets).
				WithHint("delete the one that is no longer used")
		}
		if err := insertClientSecret(ctx, tx, workspace, clientID, secret); err != nil {
			return err
		}
		return s.noteSecrets(ctx, tx, c)
	})
}

// DeleteClientSecret implements access.Repository.
func (s *Store) DeleteClientSecret(ctx context.Context, workspace, clientID, secretID string) (err error) {
	defer s.explain(&err, "DeleteClientSecret")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		c, err := s.currentClient(ctx, tx, workspace, clientID)
		if err != nil {
			return err
		}
		n, err := exec(ctx, tx, q("DELETE FROM client_secrets WHERE client_id = $1 AND id = $2", clientID, secretID))
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.AccessSecretNotFound, "the API client has no secret %q", secretID)
		}
		return s.noteSecrets(ctx, tx, c)
	})
}

// TouchClient implements access.Repository.
func (s *Store) TouchClient(ctx context.Context, use access.Use) (err error) {
	defer s.explain(&err, "TouchClient")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, q("UPDATE clients SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2", use.ClientID, micros(use.At)))
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, q("UPDATE client_secrets SET last_used_at = $3 WHERE client_id = $1 AND id = $2 AND last_used_at < $3",
			use.ClientID, use.SecretID, micros(use.At)))
		return err
	})
}

// RevokeToken implements access.Repository.
func (s *Store) RevokeToken(ctx context.Context, t access.RevokedToken, now time.Time) (err error) {
	defer s.explain(&err, "RevokeToken")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := exec(ctx, tx, q("DELETE FROM revoked_tokens WHERE expires_at < $1", micros(now))); err != nil {
			return err
		}
		n, err := exec(ctx, tx, q("INSERT INTO revoked_tokens (id, client_id, expires_at) VALUES "+placeholders(1, 3)+" ON CONFLICT (id) DO NOTHING",
			t.ID, t.ClientID, micros(t.ExpiresAt)))
		if err != nil || n == 0 {
			return err
		}
		c, err := s.client(ctx, tx, q(selectClients("clients")+" WHERE c.id = $1 ORDER BY s.id", t.ClientID), t.ClientID)
		if fault.Has(err, fault.AccessClientNotFound) { // its tokens ended with it
			return nil
		}
		if err != nil {
			return err
		}
		return s.note(ctx, tx, clientEvent(audit.Revoked, c))
	})
}

// TokenRevoked implements access.Repository.
func (s *Store) TokenRevoked(ctx context.Context, id string) (_ bool, err error) {
	defer s.explain(&err, "TokenRevoked")
	return exists(ctx, s.read, q("SELECT 1 FROM revoked_tokens WHERE id = $1", id))
}
