package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

const selectClient = `SELECT id, workspace, name, scopes, secret_hash, disabled, created_at, last_used_at FROM clients`

func scanClient(r row) (access.Client, error) {
	var c access.Client
	err := r.Scan(&c.ID, &c.Workspace, &c.Name, document{&c.Scopes}, &c.SecretHash, &c.Disabled,
		moment{&c.CreatedAt}, moment{&c.LastUsedAt})
	return c, err
}

// CreateClient implements access.Repository.
func (s *Store) CreateClient(ctx context.Context, c *access.Client) (err error) {
	defer s.explain(&err, "CreateClient")
	scopes, err := jsonText(c.Scopes)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, q(`INSERT INTO clients (id, workspace, name, name_key, scopes, secret_hash, disabled, created_at,
			last_used_at) VALUES `+placeholders(1, 9), c.ID, c.Workspace, c.Name, nameKey(c.Name), scopes, notNil(c.SecretHash),
			c.Disabled, micros(c.CreatedAt), micros(c.LastUsedAt)))
		if s.is(err, duplicate) {
			return fault.Wrap(err, fault.AccessClientExists, "the workspace has an API client named %q", c.Name)
		}
		if err != nil {
			return err
		}
		return s.note(ctx, tx, audit.Event{Workspace: c.Workspace, Action: audit.Created, Kind: audit.APIClient, ObjectID: c.ID, Name: c.Name})
	})
}

func noClient(id string) *fault.Error {
	return fault.New(fault.AccessClientNotFound, "there is no API client %q", id)
}

// Client implements access.Repository.
func (s *Store) Client(ctx context.Context, id string) (_ *access.Client, err error) {
	defer s.explain(&err, "Client")
	return one(ctx, s.read, scanClient, q(selectClient+" WHERE id = $1", id), noClient(id))
}

// Clients implements access.Repository.
func (s *Store) Clients(ctx context.Context, workspace string) (_ []access.Client, err error) {
	defer s.explain(&err, "Clients")
	return all(ctx, s.read, scanClient, q(selectClient+" WHERE workspace = $1 ORDER BY id", workspace))
}

// TouchClient implements access.Repository. LastUsedAt never goes back.
func (s *Store) TouchClient(ctx context.Context, id string, at time.Time) (err error) {
	defer s.explain(&err, "TouchClient")
	_, err = exec(ctx, s.write, q("UPDATE clients SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2", id, micros(at)))
	return err
}

// SetClientDisabled implements access.Repository.
func (s *Store) SetClientDisabled(ctx context.Context, workspace, id string, disabled bool) (err error) {
	defer s.explain(&err, "SetClientDisabled")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		name, err := one(ctx, tx, scanText, q("UPDATE clients SET disabled = $3 WHERE workspace = $1 AND id = $2 RETURNING name", workspace, id, disabled),
			noClient(id))
		if err != nil {
			return err
		}
		e := audit.Event{Workspace: workspace, Action: audit.Enabled, Kind: audit.APIClient, ObjectID: id, Name: *name}
		if disabled {
			e.Action = audit.Disabled
		}
		return s.note(ctx, tx, e)
	})
}
