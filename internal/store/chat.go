package store

import (
	"context"
	"database/sql"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

var _ connections.ChatStore = (*Store)(nil)

const selectThread = `SELECT workspace, id, connection_id, agent, name, conversation_id, messages, created_at, updated_at FROM chat_threads
	WHERE workspace = $1 AND connection_id = $2`

func scanThread(r row) (t connections.ChatThread, err error) {
	return t, r.Scan(&t.Workspace, &t.ID, &t.ConnectionID, &t.Agent, &t.Name, &t.ConversationID, &t.Messages, moment{&t.CreatedAt}, moment{&t.UpdatedAt})
}

// ChatThread implements connections.ChatStore.
func (s *Store) ChatThread(ctx context.Context, workspace, connectionID, agent, name string) (_ *connections.ChatThread, err error) {
	defer s.explain(&err, "ChatThread")
	return one(ctx, s.read, scanThread, q(selectThread+" AND agent = $3 AND name = $4", workspace, connectionID, clean(agent), clean(name)),
		fault.New(fault.ChatThreadNotFound, "there is no thread %q with the agent %q", name, agent))
}

// ChatThreads implements connections.ChatStore.
func (s *Store) ChatThreads(ctx context.Context, workspace, connectionID string, page connections.Page) (_ []connections.ChatThread, err error) {
	defer s.explain(&err, "ChatThreads")
	list := q(selectThread, workspace, connectionID)
	list.and("id > $", page.After)
	list.limit("id", limitOf(page.Limit))
	return all(ctx, s.read, scanThread, list)
}

const keepThread = `INSERT INTO chat_threads (workspace, id, connection_id, agent, name, conversation_id, messages, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)
	ON CONFLICT (workspace, connection_id, agent, name) DO UPDATE SET conversation_id = excluded.conversation_id, updated_at = excluded.updated_at,
		messages = CASE WHEN chat_threads.conversation_id = excluded.conversation_id THEN chat_threads.messages + 1 ELSE 1 END`

// NoteChat implements connections.ChatStore.
func (s *Store) NoteChat(ctx context.Context, t connections.ChatThread) (err error) {
	defer s.explain(&err, "NoteChat")
	t.Name, t.ConversationID = clean(t.Name), clean(t.ConversationID)
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if t.Name != "" {
			_, err := exec(ctx, tx, q(keepThread, t.Workspace, t.ID, t.ConnectionID, t.Agent, t.Name, t.ConversationID, micros(t.CreatedAt), micros(t.UpdatedAt)))
			if s.is(err, orphan) {
				return fault.Wrap(err, fault.ConnectionNotFound, "there is no connection %q", t.ConnectionID)
			}
			if err != nil {
				return err
			}
			if err := dropOldThreads(ctx, tx, t); err != nil {
				return err
			}
		}
		return s.note(ctx, tx, conversationEvent(audit.Asked, t))
	})
}

// dropOldThreads makes room for the newest threads of a connection.
func dropOldThreads(ctx context.Context, tx *sql.Tx, t connections.ChatThread) error {
	_, err := exec(ctx, tx, q(`DELETE FROM chat_threads WHERE workspace = $1 AND connection_id = $2 AND id IN (SELECT id FROM chat_threads
		WHERE workspace = $1 AND connection_id = $2 ORDER BY updated_at DESC, id DESC LIMIT 1000 OFFSET $3)`,
		t.Workspace, t.ConnectionID, connections.MaxChatThreads))
	return err
}

func conversationEvent(action audit.Action, t connections.ChatThread) audit.Event {
	return audit.Event{Workspace: t.Workspace, Action: action, Kind: audit.Conversation, ObjectID: t.ConversationID, Name: t.Agent}
}

// DeleteChatThread implements connections.ChatStore.
func (s *Store) DeleteChatThread(ctx context.Context, workspace, connectionID, id string) (err error) {
	defer s.explain(&err, "DeleteChatThread")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		t, err := one(ctx, tx, scanThread, q(`DELETE FROM chat_threads WHERE workspace = $1 AND connection_id = $2 AND id = $3
			RETURNING workspace, id, connection_id, agent, name, conversation_id, messages, created_at, updated_at`, workspace, connectionID, id),
			fault.New(fault.ChatThreadNotFound, "there is no thread %q", id))
		if err != nil {
			return err
		}
		return s.note(ctx, tx, conversationEvent(audit.Deleted, *t))
	})
}
