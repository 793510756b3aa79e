package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// Chats lets callers ask agents of Celonis; *connections.ChatService is one.
type Chats interface {
	Ask(ctx context.Context, who connections.Chatter, connectionID string, q connections.ChatQuestion) (*connections.ChatAnswer, error)
	Threads(ctx context.Context, workspace, connectionID string, page connections.Page) ([]connections.ChatThread, error)
	DeleteThread(ctx context.Context, workspace, connectionID, id string) error
}

var _ Chats = (*connections.ChatService)(nil)

// chatTime is how long an answer may take to be written: agents think.
const chatTime = 7 * time.Minute

// chatQuestion is what a caller asks; the service checks it.
type chatQuestion struct {
	Agent          string `json:"agent" validate:"required,max=200"`
	Message        string `json:"message" validate:"required,max=32000"`
	ConversationID string `json:"conversationId,omitempty" validate:"max=200"`
	Thread         string `json:"thread,omitempty" validate:"max=100"`
}

type chatAnswerView struct {
	ConversationID   string          `json:"conversationId"`
	Text             string          `json:"text"`
	StructuredOutput json.RawMessage `json:"structuredOutput,omitempty"`
	NewConversation  bool            `json:"newConversation"`
	Thread           string          `json:"thread,omitempty"`
}

type chatThreadView struct {
	ID             string    `json:"id"`
	Agent          string    `json:"agent"`
	Name           string    `json:"name"`
	ConversationID string    `json:"conversationId"`
	Messages       int64     `json:"messages"`
	CreatedAt      time.Time `json:"createdAt"`
	UpdatedAt      time.Time `json:"updatedAt"`
}

func viewThread(t *connections.ChatThread) chatThreadView {
	return chatThreadView{t.ID, t.Agent, t.Name, t.ConversationID, t.Messages, moment(t.CreatedAt), moment(t.UpdatedAt)}
}

func (a *api) askAgent(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	if _, err := a.Connections.Get(r.ctx(), r.who.Workspace, id); err != nil {
		return reply{}, err
	}
	ask, err := readJSON[chatQuestion](a, r, nil)
	if err != nil {
		return reply{}, err
	}
	// The body is read; the deadlines of a usual request would end the call before the agent has answered.
	conn, until := http.NewResponseController(r.Writer), time.Now().Add(chatTime)
	_ = conn.SetReadDeadline(until)  // a writer without deadlines has none to move
	_ = conn.SetWriteDeadline(until) // nor here
	q := connections.ChatQuestion(ask)
	answer, err := a.Chats.Ask(r.ctx(), connections.Chatter{Workspace: r.who.Workspace, Client: r.who.ClientID}, id, q)
	if err != nil {
		return reply{}, err
	}
	return ok(chatAnswerView{answer.ConversationID, answer.Text, answer.Structured, answer.NewConversation, q.Thread})
}

func (a *api) listChatThreads(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	items, err := a.Chats.Threads(r.ctx(), r.who.Workspace, id, connections.Page{Limit: p.ask(), After: p.after})
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(t *connections.ChatThread) string { return t.ID }, viewThread)
}

func (a *api) deleteChatThread(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	if _, err := a.Connections.Get(r.ctx(), r.who.Workspace, id); err != nil {
		return reply{}, err
	}
	thread := r.Param("threadId")
	if !plausibleID(thread) {
		return reply{}, fault.New(fault.ChatThreadNotFound, "there is no thread %q", shorten(thread))
	}
	if err := a.Chats.DeleteThread(r.ctx(), r.who.Workspace, id, thread); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}
