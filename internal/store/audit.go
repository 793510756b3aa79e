package store

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/google/uuid"
)

const auditColumns = `seq, id, workspace, at, actor, client_ip, request_id, run_id, worker, action, kind, object_id, name, purpose, fields,
	before_hash, after_hash, prev_hash, hash`

func scanEvent(r row) (e audit.Event, err error) {
	return e, r.Scan(&e.Seq, &e.ID, &e.Workspace, moment{&e.At}, &e.Actor, &e.From, &e.RequestID, &e.RunID, &e.Worker, &e.Action, &e.Kind,
		&e.ObjectID, &e.Name, &e.Purpose, document{&e.Fields}, &e.Before, &e.After, &e.PrevHash, &e.Hash)
}

// note adds an event to its workspace's chain in the transaction of the change
// that it tells of. Who acts stands in the context. Call it last: it holds the
// end of the chain until the transaction ends.
func (s *Store) note(ctx context.Context, tx *sql.Tx, e audit.Event) error {
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
	head, err := s.chainHead(ctx, tx, e.Workspace)
	if err != nil {
		return err
	}
	who := audit.By(ctx)
	e.Seq, e.ID, e.At, e.Name = head.Seq+1, id.String(), time.UnixMicro(micros(s.now())), clean(e.Name)
	e.Actor, e.From, e.RequestID, e.RunID, e.Worker = clean(who.ID), clean(who.From), clean(who.RequestID), who.RunID, clean(who.Worker)
	if e.PrevHash = head.Hash; head.Seq == 0 {
		e.PrevHash = head.Genesis
	}
	if e.Hash, err = e.Digest(e.PrevHash); err != nil {
		return err
	}
	_, err = exec(ctx, tx, q("INSERT INTO audit_events ("+auditColumns+") VALUES "+placeholders(1, 19),
		e.Seq, e.ID, e.Workspace, micros(e.At), e.Actor, e.From, e.RequestID, e.RunID, e.Worker, e.Action, e.Kind, e.ObjectID, e.Name,
		e.Purpose, fields, e.Before, e.After, e.PrevHash, e.Hash))
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, q("UPDATE audit_heads SET seq = $2, hash = $3 WHERE workspace = $1", e.Workspace, e.Seq, e.Hash))
	return err
}

// AuditEvents lists the events of a workspace, the newest first.
func (s *Store) AuditEvents(ctx context.Context, query audit.Query) (_ []audit.Event, err error) {
	defer s.explain(&err, "AuditEvents")
	list := q("SELECT "+auditColumns+" FROM audit_events WHERE workspace = $1", query.Workspace)
	for _, c := range []struct{ condition, value string }{
		{"action = $", string(query.Action)}, {"kind = $", string(query.Kind)}, {"object_id = $", query.ObjectID},
		{"actor = $", query.Actor}, {"request_id = $", query.RequestID},
	} {
		if c.value != "" {
			list.and(c.condition, c.value)
		}
	}
	if !query.From.IsZero() {
		list.and("at >= $", micros(query.From))
	}
	if !query.To.IsZero() {
		list.and("at < $", micros(query.To))
	}
	if query.After != "" {
		// What was seen last is looked up: events older than the chain have their ids only to stand in order.
		list.and("(seq, id) < (SELECT seq, id FROM audit_events WHERE workspace = $1 AND id = $", query.After)
		list.text += ")"
	}
	list.limit("seq DESC, id DESC", limitOf(query.Limit))
	return all(ctx, s.read, scanEvent, list)
}

// NoteDraftTest implements connections.Repository.
func (s *Store) NoteDraftTest(ctx context.Context, workspace, name string) (err error) {
	defer s.explain(&err, "NoteDraftTest")
	return s.NoteEvent(ctx, audit.Event{Workspace: workspace, Action: audit.Tested, Kind: audit.Connection, Name: name})
}

func connectionEvent(action audit.Action, c *connections.Connection) audit.Event {
	return audit.Event{Workspace: c.Workspace, Action: action, Kind: audit.Connection, ObjectID: c.ID, Name: c.Name}
}

// noteConnection tells what became of a connection; was or is may be nil.
func (s *Store) noteConnection(ctx context.Context, tx *sql.Tx, e audit.Event, was, is *connections.Connection) error {
	if err := digests(&e, s.connectionState(was), s.connectionState(is)); err != nil {
		return err
	}
	return s.note(ctx, tx, e)
}

// connectionState is what the digest of a connection is made of; nil for none.
func (s *Store) connectionState(c *connections.Connection) any {
	if c == nil {
		return nil
	}
	secrets := map[string]string{}
	for field, sealed := range c.Secrets {
		secrets[string(field)] = s.mark(c.Workspace, connections.SealedKind, c.ID, string(field), sealed)
	}
	return map[string]any{"connection": c.Draft(), "secrets": secrets}
}

// mark stands in for a secret in a digest.
func (s *Store) mark(workspace, kind, id, field string, sealed connections.SealedSecret) string {
	if s.fingerprint == nil {
		return strconv.FormatInt(micros(sealed.UpdatedAt), 10)
	}
	return s.fingerprint(workspace, kind, id, field, sealed.Envelope)
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
	return s.noteConnection(ctx, tx, e, was, is)
}

func oauthClientEvent(action audit.Action, c *connections.OAuthClient) audit.Event {
	return audit.Event{Workspace: c.Workspace, Action: action, Kind: audit.OAuthClient, ObjectID: c.ID, Name: c.Name}
}

// noteOAuthClient tells what became of an OAuth client; was or is may be nil.
func (s *Store) noteOAuthClient(ctx context.Context, tx *sql.Tx, e audit.Event, was, is *connections.OAuthClient) error {
	state := func(c *connections.OAuthClient) any {
		if c == nil {
			return nil
		}
		field := string(connections.ClientSecret)
		return map[string]any{"oauthClient": c.Draft(), "secrets": map[string]string{
			field: s.mark(c.Workspace, connections.SealedOAuthClient, c.ID, field, c.Secret)}}
	}
	if err := digests(&e, state(was), state(is)); err != nil {
		return err
	}
	return s.note(ctx, tx, e)
}

// noteOAuthClientUpdate names what an update changes.
func (s *Store) noteOAuthClientUpdate(ctx context.Context, tx *sql.Tx, was, is *connections.OAuthClient) error {
	fields, err := audit.Changed(was.Draft(), is.Draft())
	if err != nil {
		return err
	}
	if !was.Secret.UpdatedAt.Equal(is.Secret.UpdatedAt) {
		fields = append(fields, string(connections.ClientSecret))
	}
	slices.Sort(fields)
	e := oauthClientEvent(audit.Updated, is)
	e.Fields = fields
	return s.noteOAuthClient(ctx, tx, e, was, is)
}

func flowEvent(action audit.Action, f *flows.Flow) audit.Event {
	return audit.Event{Workspace: f.Workspace, Action: action, Kind: audit.Flow, ObjectID: f.ID, Name: f.Name}
}

// noteFlow tells what became of a flow; was or is may be nil.
func (s *Store) noteFlow(ctx context.Context, tx *sql.Tx, e audit.Event, was, is *flows.Flow) error {
	state := func(f *flows.Flow) any {
		if f == nil {
			return nil
		}
		return map[string]any{"flow": f.Spec, "enabled": f.Enabled, "paused": f.Paused}
	}
	if err := digests(&e, state(was), state(is)); err != nil {
		return err
	}
	return s.note(ctx, tx, e)
}

// noteFlowUpdate names what an update changes; a switch is an action of its own.
func (s *Store) noteFlowUpdate(ctx context.Context, tx *sql.Tx, was, is *flows.Flow) error {
	fields, err := audit.Changed(was.Spec, is.Spec)
	if err != nil {
		return err
	}
	fields = append(fields, webhookFields(is.Hook)...)
	fields = append(fields, deliveryFields(is.Delivery)...)
	if was.Paused != is.Paused {
		fields = append(fields, "paused")
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
	return s.noteFlow(ctx, tx, e, was, is)
}
