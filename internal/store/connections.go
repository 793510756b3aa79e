package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

const connectionColumns = `c.id, c.workspace, c.revision, c.name, c.api_type, c.domain, c.auth_type, c.pool_id, c.status,
	c.last_test, c.http, c.created_at, c.updated_at, o.oauth_client_id, o.grant_type, o.scopes, COALESCE(g.granted_at, 0),
	c.refusals, c.next_probe_at, c.online_at, c.outside, c.max_runs`

// selectConnections gives a row for each secret of a connection, and one for a connection without; joinSecrets makes
// them one again. source is connections or a part of it.
func selectConnections(source string) string {
	return `SELECT ` + connectionColumns + `, s.field, s.envelope, COALESCE(s.updated_at, 0), COALESCE(s.ref, '') FROM ` + source + ` c
		LEFT JOIN connection_oauth o ON o.workspace = c.workspace AND o.connection_id = c.id
		LEFT JOIN oauth_grants g ON g.workspace = c.workspace AND g.connection_id = c.id
		LEFT JOIN connection_secrets s ON s.workspace = c.workspace AND s.connection_id = c.id`
}

func scanConnection(r row) (connections.Connection, error) {
	var c connections.Connection
	var field, envelope, oauthClient, grant sql.NullString
	var ref string
	var sealedAt time.Time
	err := r.Scan(&c.ID, &c.Workspace, &c.Revision, &c.Name, &c.APIType, &c.Domain, &c.AuthType, &c.PoolID, &c.Status,
		document{&c.LastTest}, document{&c.HTTP}, moment{&c.CreatedAt}, moment{&c.UpdatedAt}, &oauthClient, &grant, document{&c.Scopes},
		moment{&c.AuthorizedAt}, &c.Refusals, moment{&c.NextProbeAt}, moment{&c.OnlineAt}, document{&c.Outside}, &c.MaxRuns, &field, &envelope, moment{&sealedAt}, &ref)
	c.OAuthClientID, c.Grant = oauthClient.String, connections.Grant(grant.String)
	if field.Valid {
		c.Secrets = map[connections.SecretField]connections.SealedSecret{
			connections.SecretField(field.String): {Envelope: envelope.String, Ref: ref, UpdatedAt: sealedAt},
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
	settings, err := optionalText(c.HTTP)
	if err != nil {
		return err
	}
	outside, err := optionalText(c.Outside)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, q(`INSERT INTO connections (workspace, id, revision, name, name_key, api_type, domain,
			auth_type, pool_id, status, last_test, created_at, updated_at, http, refusals, next_probe_at,
			online_at, outside, max_runs) VALUES `+placeholders(1, 19),
			c.Workspace, c.ID, c.Revision, c.Name, nameKey(c.Name), c.APIType, c.Domain,
			c.AuthType, c.PoolID, c.Status, lastTest, micros(c.CreatedAt), micros(c.UpdatedAt), settings,
			c.Refusals, micros(c.NextProbeAt), micros(c.OnlineAt), outside, c.MaxRuns))
		if err != nil {
			return s.connectionFault(err, c)
		}
		if err := s.saveConnectionOAuth(ctx, tx, c); err != nil {
			return err
		}
		if err := insertSecrets(ctx, tx, c); err != nil {
			return err
		}
		return s.noteConnection(ctx, tx, connectionEvent(audit.Created, c), nil, c)
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
			updated_at, ref) VALUES `+placeholders(1, 7),
			c.Workspace, c.ID, field, keyOf(sealed.Envelope), sealed.Envelope, micros(sealed.UpdatedAt), sealed.Ref))
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
	settings, err := optionalText(c.HTTP)
	if err != nil {
		return err
	}
	outside, err := optionalText(c.Outside)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if err := dropStaleGrant(ctx, tx, c); err != nil {
			return err
		}
		was, err := s.currentConnection(ctx, tx, c.Workspace, c.ID)
		if err != nil {
			return err
		}
		n, err := exec(ctx, tx, q(`UPDATE connections SET revision = $3, name = $4, name_key = $5, api_type = $6, domain = $7,
			auth_type = $8, pool_id = $9, status = $10, last_test = $11, updated_at = $12, http = $14,
			refusals = $15, next_probe_at = $16, online_at = $17, outside = $18, max_runs = $19
			WHERE workspace = $1 AND id = $2 AND revision = $13`,
			c.Workspace, c.ID, c.Revision, c.Name, nameKey(c.Name), c.APIType, c.Domain,
			c.AuthType, c.PoolID, c.Status, lastTest, micros(c.UpdatedAt), c.Revision-1, settings,
			c.Refusals, micros(c.NextProbeAt), micros(c.OnlineAt), outside, c.MaxRuns))
		if err != nil {
			return s.connectionFault(err, c)
		}
		if n == 0 {
			return missedConnection(ctx, tx, c.Workspace, c.ID)
		}
		if err := s.saveConnectionOAuth(ctx, tx, c); err != nil {
			return err
		}
		if err := deleteOf(ctx, tx, c.Workspace, c.ID, "connection_secrets"); err != nil {
			return err
		}
		if err := insertSecrets(ctx, tx, c); err != nil {
			return err
		}
		if err := s.noteStanding(ctx, tx, c, s.now()); err != nil {
			return err
		}
		return s.noteConnectionUpdate(ctx, tx, was, c)
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
		was, err := s.currentConnection(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		if err := scimKeepsConnection(ctx, tx, workspace, id); err != nil {
			return err
		}
		err = deleteOf(ctx, tx, workspace, id, "connection_secrets", "connection_oauth", "oauth_grants", "oauth_states", "connection_standings", "chat_threads", "scim_aliases")
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, q("DELETE FROM connections WHERE workspace = $1 AND id = $2", workspace, id))
		if s.is(err, orphan) {
			return fault.Wrap(err, fault.ConnectionInUse, "connection %q is used by a flow", id)
		}
		if err != nil {
			return err
		}
		return s.noteConnection(ctx, tx, connectionEvent(audit.Deleted, was), was, nil)
	})
}

// ConnectionUsers implements connections.Repository; the flows come in order of creation.
func (s *Store) ConnectionUsers(ctx context.Context, workspace, id string) (_ []connections.Usage, err error) {
	defer s.explain(&err, "ConnectionUsers")
	scan := func(r row) (u connections.Usage, err error) { return u, r.Scan(&u.FlowID, &u.Name) }
	return all(ctx, s.read, scan,
		q(`SELECT f.id, f.name FROM flow_connections u JOIN flows f ON f.workspace = u.workspace AND f.id = u.flow_id
			WHERE u.workspace = $1 AND u.connection_id = $2 ORDER BY f.id`, workspace, id))
}
