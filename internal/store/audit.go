package store

import (
	"context"
	"database/sql"
	"slices"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/google/uuid"
)

const auditColumns = "id, workspace, at, actor, request_id, action, kind, object_id, name, fields"

func scanEvent(r row) (e audit.Event, err error) {
	return e, r.Scan(&e.ID, &e.Workspace, moment{&e.At}, &e.Actor, &e.RequestID, &e.Action, &e.Kind, &e.ObjectID, &e.Name, document{&e.Fields})
}

// note adds an event in the transaction of the change that it tells of. Who
// acts stands in the context.
func (s *Store) note(ctx context.Context, tx executor, e audit.Event) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	if e.Fields == nil {
		e.Fields = []string{}
	}
	fields, err := jsonText(e.Fields)
	if err != nil {
		return err
	}
	who := audit.By(ctx)
	_, err = exec(ctx, tx, q("INSERT INTO audit_events ("+auditColumns+") VALUES "+placeholders(1, 10),
		id.String(), e.Workspace, micros(s.now()), who.ID, who.RequestID, e.Action, e.Kind, e.ObjectID, clean(e.Name), fields))
	return err
}

// AuditEvents lists the events of a workspace, the newest first.
func (s *Store) AuditEvents(ctx context.Context, query audit.Query) (_ []audit.Event, err error) {
	defer s.explain(&err, "AuditEvents")
	list := q("SELECT "+auditColumns+" FROM audit_events WHERE workspace = $1", query.Workspace)
	for _, c := range []struct{ condition, value string }{
		{"kind = $", string(query.Kind)}, {"object_id = $", query.ObjectID}, {"actor = $", query.Actor}, {"id < $", query.After},
	} {
		if c.value != "" {
			list.and(c.condition, c.value)
		}
	}
	list.limit("id DESC", limitOf(query.Limit))
	return all(ctx, s.read, scanEvent, list)
}

// NoteDraftTest implements connections.Repository.
func (s *Store) NoteDraftTest(ctx context.Context, workspace, name string) (err error) {
	defer s.explain(&err, "NoteDraftTest")
	return s.note(ctx, s.write, audit.Event{Workspace: workspace, Action: audit.Tested, Kind: audit.Connection, Name: name})
}

func connectionEvent(action audit.Action, c *connections.Connection) audit.Event {
	return audit.Event{Workspace: c.Workspace, Action: action, Kind: audit.Connection, ObjectID: c.ID, Name: c.Name}
}

// currentConnection reads a connection in a transaction and holds its row.
func (s *Store) currentConnection(ctx context.Context, tx *sql.Tx, workspace, id string) (*connections.Connection, error) {
	if _, err := exists(ctx, tx, q("SELECT 1 FROM connections WHERE workspace = $1 AND id = $2"+s.dialect.lockParent, workspace, id)); err != nil {
		return nil, err
	}
	rows, err := all(ctx, tx, scanConnection, q(selectConnections("connections")+" WHERE c.workspace = $1 AND c.id = $2", workspace, id))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, noConnection(id)
	}
	return &joinSecrets(rows)[0], nil
}

// noteConnectionUpdate names what an update changes; a secret counts when it was given anew, not when it was sealed anew.
func (s *Store) noteConnectionUpdate(ctx context.Context, tx *sql.Tx, was, is *connections.Connection) error {
	fields, err := audit.Changed(was.Draft(), is.Draft())
	if err != nil {
		return err
	}
	for field, secret := range is.Secrets {
		if before, ok := was.Secrets[field]; !ok || !before.UpdatedAt.Equal(secret.UpdatedAt) {
			fields = append(fields, string(field))
		}
	}
	for field := range was.Secrets {
		if _, kept := is.Secrets[field]; !kept {
			fields = append(fields, string(field))
		}
	}
	slices.Sort(fields)
	e := connectionEvent(audit.Updated, is)
	e.Fields = fields
	return s.note(ctx, tx, e)
}

func oauthClientEvent(action audit.Action, c *connections.OAuthClient) audit.Event {
	return audit.Event{Workspace: c.Workspace, Action: action, Kind: audit.OAuthClient, ObjectID: c.ID, Name: c.Name}
}

// noteOAuthClientUpdate names what an update changes.
func (s *Store) noteOAuthClientUpdate(ctx context.Context, tx *sql.Tx, was, is *connections.OAuthClient) error {
	plain := func(c *connections.OAuthClient) connections.OAuthClientDraft {
		return connections.OAuthClientDraft{Name: c.Name, ClientID: c.ClientID, AuthMethod: c.AuthMethod,
			ValidDomains: c.ValidDomains, AllowedScopes: c.AllowedScopes}
	}
	fields, err := audit.Changed(plain(was), plain(is))
	if err != nil {
		return err
	}
	if !was.Secret.UpdatedAt.Equal(is.Secret.UpdatedAt) {
		fields = append(fields, string(connections.ClientSecret))
	}
	slices.Sort(fields)
	e := oauthClientEvent(audit.Updated, is)
	e.Fields = fields
	return s.note(ctx, tx, e)
}

func flowEvent(action audit.Action, f *flows.Flow) audit.Event {
	return audit.Event{Workspace: f.Workspace, Action: action, Kind: audit.Flow, ObjectID: f.ID, Name: f.Name}
}

// noteFlowUpdate names what an update changes; a switch is an action of its own.
func (s *Store) noteFlowUpdate(ctx context.Context, tx *sql.Tx, was, is *flows.Flow) error {
	fields, err := audit.Changed(was.Spec, is.Spec)
	if err != nil {
		return err
	}
	e := flowEvent(audit.Updated, is)
	if was.Enabled != is.Enabled {
		e.Action = audit.Disabled
		if is.Enabled {
			e.Action = audit.Enabled
		}
		if len(fields) > 0 {
			fields = append(fields, "enabled")
			e.Action = audit.Updated
		}
	}
	slices.Sort(fields)
	e.Fields = fields
	return s.note(ctx, tx, e)
}
