package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

const connectionColumns = `c.id, c.workspace, c.revision, c.name, c.api_type, c.domain, c.auth_type, c.pool_id, c.status,
	c.last_test, c.created_at, c.updated_at`

// selectConnections gives a row for each secret of a connection, and one for a connection without; joinSecrets makes
// them one again. source is connections or a part of it.
func selectConnections(source string) string {
	return `SELECT ` + connectionColumns + `, s.field, s.envelope, COALESCE(s.updated_at, 0) FROM ` + source + ` c
		LEFT JOIN connection_secrets s ON s.workspace = c.workspace AND s.connection_id = c.id`
}

func scanConnection(r row) (connections.Connection, error) {
	var c connections.Connection
	var field, envelope sql.NullString
	var sealedAt time.Time
	err := r.Scan(&c.ID, &c.Workspace, &c.Revision, &c.Name, &c.APIType, &c.Domain, &c.AuthType, &c.PoolID, &c.Status,
		document{&c.LastTest}, moment{&c.CreatedAt}, moment{&c.UpdatedAt}, &field, &envelope, moment{&sealedAt})
	if field.Valid {
		c.Secrets = map[connections.SecretField]connections.SealedSecret{
			connections.SecretField(field.String): {Envelope: envelope.String, UpdatedAt: sealedAt},
		}
	}
	return c, err
}

// joinSecrets makes one connection of neighbors with the same id.
func joinSecrets(rows []connections.Connection) []connections.Connection {
	list := rows[:0]
	for _, c := range rows {
		if n := len(list); n > 0 && list[n-1].ID == c.ID {
			for field, sealed := range c.Secrets {
				list[n-1].Secrets[field] = sealed
			}
			continue
		}
		list = append(list, c)
	}
	return list
}

// CreateConnection implements connections.Repository.
func (s *Store) CreateConnection(ctx context.Context, c *connections.Connection) (err error) {
	defer s.explain(&err, "CreateConnection")
	lastTest, err := testText(c.LastTest)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, q(`INSERT INTO connections (workspace, id, revision, name, name_key, api_type, domain,
			auth_type, pool_id, status, last_test, created_at, updated_at) VALUES `+placeholders(1, 13),
			c.Workspace, c.ID, c.Revision, c.Name, nameKey(c.Name), c.APIType, c.Domain,
			c.AuthType, c.PoolID, c.Status, lastTest, micros(c.CreatedAt), micros(c.UpdatedAt)))
		if err != nil {
			return s.connectionFault(err, c)
		}
		return insertSecrets(ctx, tx, c)
	})
}

// testText stores the time of a test in UTC, as it comes back.
func testText(t *connections.TestResult) (any, error) {
	if t == nil {
		return nil, nil
	}
	utc := *t
	utc.At = t.At.UTC()
	return jsonText(utc)
}

func insertSecrets(ctx context.Context, tx *sql.Tx, c *connections.Connection) error {
	for field, sealed := range c.Secrets {
		_, err := exec(ctx, tx, q(`INSERT INTO connection_secrets (workspace, connection_id, field, key_id, envelope,
			updated_at) VALUES `+placeholders(1, 6),
			c.Workspace, c.ID, field, keyOf(sealed.Envelope), sealed.Envelope, micros(sealed.UpdatedAt)))
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) connectionFault(err error, c *connections.Connection) error {
	if s.is(err, duplicate) {
		return fault.Wrap(err, fault.ConnectionNameTaken, "the workspace has a connection named %q", c.Name)
	}
	return err
}

func noConnection(id string) *fault.Error {
	return fault.New(fault.ConnectionNotFound, "there is no connection %q", id)
}

// Connection implements connections.Repository.
func (s *Store) Connection(ctx context.Context, workspace, id string) (_ *connections.Connection, err error) {
	defer s.explain(&err, "Connection")
	return s.connection(ctx, id, q(selectConnections("connections")+" WHERE c.workspace = $1 AND c.id = $2", workspace, id))
}

// ConnectionByName implements connections.Repository.
func (s *Store) ConnectionByName(ctx context.Context, workspace, name string) (_ *connections.Connection, err error) {
	defer s.explain(&err, "ConnectionByName")
	return s.connection(ctx, name,
		q(selectConnections("connections")+" WHERE c.workspace = $1 AND c.name_key = $2", workspace, nameKey(name)))
}

func (s *Store) connection(ctx context.Context, asked string, q query) (*connections.Connection, error) {
	rows, err := all(ctx, s.read, scanConnection, q)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, noConnection(asked)
	}
	return &joinSecrets(rows)[0], nil
}

// Connections implements connections.Repository.
func (s *Store) Connections(ctx context.Context, workspace string, page connections.Page) (_ []connections.Connection, err error) {
	defer s.explain(&err, "Connections")
	part := "(SELECT * FROM connections WHERE workspace = $1 AND id > $2 ORDER BY id LIMIT $3)"
	rows, err := all(ctx, s.read, scanConnection,
		q(selectConnections(part)+" ORDER BY c.id", workspace, page.After, limitOf(page.Limit)))
	return joinSecrets(rows), err
}

// UpdateConnection implements connections.Repository.
func (s *Store) UpdateConnection(ctx context.Context, c *connections.Connection) (err error) {
	defer s.explain(&err, "UpdateConnection")
	lastTest, err := testText(c.LastTest)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		n, err := exec(ctx, tx, q(`UPDATE connections SET revision = $3, name = $4, name_key = $5, api_type = $6, domain = $7,
			auth_type = $8, pool_id = $9, status = $10, last_test = $11, updated_at = $12
			WHERE workspace = $1 AND id = $2 AND revision = $13`,
			c.Workspace, c.ID, c.Revision, c.Name, nameKey(c.Name), c.APIType, c.Domain,
			c.AuthType, c.PoolID, c.Status, lastTest, micros(c.UpdatedAt), c.Revision-1))
		if err != nil {
			return s.connectionFault(err, c)
		}
		if n == 0 {
			return missedConnection(ctx, tx, c.Workspace, c.ID)
		}
		_, err = exec(ctx, tx, q("DELETE FROM connection_secrets WHERE workspace = $1 AND connection_id = $2", c.Workspace, c.ID))
		if err != nil {
			return err
		}
		return insertSecrets(ctx, tx, c)
	})
}

// missedConnection says why a change with a revision matched no row.
func missedConnection(ctx context.Context, tx *sql.Tx, workspace, id string) error {
	found, err := exists(ctx, tx, q("SELECT 1 FROM connections WHERE workspace = $1 AND id = $2", workspace, id))
	switch {
	case err != nil:
		return err
	case !found:
		return noConnection(id)
	}
	return fault.New(fault.RequestStale, "connection %q has changed since it was read", id)
}

// DeleteConnection implements connections.Repository. The foreign key of flows
// keeps a connection that a flow uses, also against a flow made meanwhile.
func (s *Store) DeleteConnection(ctx context.Context, workspace, id string, revision int64) (err error) {
	defer s.explain(&err, "DeleteConnection")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		found, err := exists(ctx, tx, q(`SELECT 1 FROM connections WHERE workspace = $1 AND id = $2
			AND (revision = $3 OR $3 = 0)`+s.dialect.lockRow, workspace, id, revision))
		if err != nil {
			return err
		}
		if !found {
			return missedConnection(ctx, tx, workspace, id)
		}
		_, err = exec(ctx, tx, q("DELETE FROM connection_secrets WHERE workspace = $1 AND connection_id = $2", workspace, id))
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, q("DELETE FROM connections WHERE workspace = $1 AND id = $2", workspace, id))
		if s.is(err, orphan) {
			return fault.Wrap(err, fault.ConnectionInUse, "connection %q is used by a flow", id)
		}
		return err
	})
}

// SaveConnectionTest implements connections.Repository. A result for an older revision is dropped without a fault.
func (s *Store) SaveConnectionTest(ctx context.Context, c *connections.Connection) (err error) {
	defer s.explain(&err, "SaveConnectionTest")
	lastTest, err := testText(c.LastTest)
	if err != nil {
		return err
	}
	n, err := exec(ctx, s.write, q(`UPDATE connections SET status = $4, last_test = $5
		WHERE workspace = $1 AND id = $2 AND revision = $3`, c.Workspace, c.ID, c.Revision, c.Status, lastTest))
	if err != nil || n > 0 {
		return err
	}
	found, err := exists(ctx, s.read, q("SELECT 1 FROM connections WHERE workspace = $1 AND id = $2", c.Workspace, c.ID))
	if err == nil && !found {
		return noConnection(c.ID)
	}
	return err
}

// ConnectionUsers implements connections.Repository; the flows come in order of creation.
func (s *Store) ConnectionUsers(ctx context.Context, workspace, id string) (_ []connections.Usage, err error) {
	defer s.explain(&err, "ConnectionUsers")
	scan := func(r row) (u connections.Usage, err error) { return u, r.Scan(&u.FlowID, &u.Name) }
	return all(ctx, s.read, scan,
		q("SELECT id, name FROM flows WHERE workspace = $1 AND connection_id = $2 ORDER BY id", workspace, id))
}
