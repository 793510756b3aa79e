package connections

import (
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
	"github.com/google/uuid"
)

const (
	// MaxChatMessage is the longest question to an agent, in bytes.
	MaxChatMessage = 32_000
	// MaxChatThreads is how many threads a connection keeps; the one that was asked in longest ago makes room.
	MaxChatThreads = 1000
	// DefaultChatsPerMinute is how many questions a caller may ask in a minute.
	DefaultChatsPerMinute = 30

	maxAgentName, maxThreadName, maxConversationID = 200, 100, 200
)

// ChatQuestion is what a caller asks an agent of Celonis. It begins a
// conversation, unless it names one, or a thread that has one.
type ChatQuestion struct {
	// Agent is "<package key>.<asset key>".
	Agent   string
	Message string
	// Of ConversationID and Thread at most one is set.
	ConversationID, Thread string
}

// ChatAnswer is what an agent says.
type ChatAnswer struct {
	ConversationID string
	Text           string
	// Structured is JSON, nil when the agent has no schema for it.
	Structured json.RawMessage
	// NewConversation says that the conversation began with the question.
	NewConversation bool
}

// ChatThread is a conversation that is kept under a name of its caller's choice, for one agent of a connection.
type ChatThread struct {
	ID, Workspace, ConnectionID string
	Agent, Name                 string
	ConversationID              string
	// Messages counts the questions of the conversation.
	Messages             int64
	CreatedAt, UpdatedAt time.Time
}

// ChatStore keeps threads. Every method looks only into the workspace named.
type ChatStore interface {
	// ChatThread finds a thread by its agent and name; fault ChatThreadNotFound.
	ChatThread(ctx context.Context, workspace, connectionID, agent, name string) (*ChatThread, error)
	// ChatThreads lists a connection's threads, in order of id.
	ChatThreads(ctx context.Context, workspace, connectionID string, page Page) ([]ChatThread, error)
	// NoteChat puts on record that an agent was asked, and keeps the conversation under the thread's name; without a name
	// nothing is kept. A conversation that the thread has not had before counts its messages from 1.
	NoteChat(ctx context.Context, t ChatThread) error
	// DeleteChatThread forgets a thread; fault ChatThreadNotFound.
	DeleteChatThread(ctx context.Context, workspace, connectionID, id string) error
}

// Agents asks the agents of Celonis. Faults: those of celonis.Client.Ask, and
// CelonisBudgetSpent when the team has no request left.
type Agents interface {
	Ask(ctx context.Context, t Target, q ChatQuestion) (ChatAnswer, error)
}

// ChatTargets gives what is asked through; *Service is one.
type ChatTargets interface {
	Get(ctx context.Context, workspace, id string) (*Connection, error)
	Pass(ctx context.Context, workspace, id string) (revision int64, err error)
	Target(ctx context.Context, workspace, id string) (Target, error)
}

var _ ChatTargets = (*Service)(nil)

// ChatDeps are what a ChatService stands on; Logger, PerMinute, Now and NewID may be left out.
type ChatDeps struct {
	Connections ChatTargets
	// Opened opens the secrets in place of Connections, where that is not the one to do it.
	Opened interface {
		Target(ctx context.Context, workspace, id string) (Target, error)
	}
	Store     ChatStore
	Agents    Agents
	Logger    *slog.Logger
	PerMinute int
	Now       func() time.Time
	NewID     func() string
}

// ChatService lets callers ask agents. It is safe for concurrent use.
type ChatService struct {
	deps    ChatDeps
	callers pace.Keys
}

// NewChatService makes a ChatService.
func NewChatService(d ChatDeps) *ChatService {
	if d.Opened == nil {
		d.Opened = d.Connections
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.PerMinute == 0 {
		d.PerMinute = DefaultChatsPerMinute
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return &ChatService{deps: d}
}

// Chatter is who asks: an API client of a workspace, or the shell.
type Chatter struct{ Workspace, Client string }

// Ask asks an agent, once. A thread whose conversation Celonis no longer knows
// begins another. Faults: RequestInvalid with every fault of q,
// ConnectionNotFound, ConnectionAPIType, ConnectionOffline, ChatRateLimited and those of Agents.
func (s *ChatService) Ask(ctx context.Context, who Chatter, connectionID string, q ChatQuestion) (*ChatAnswer, error) {
	if fields := q.check(); len(fields) > 0 {
		return nil, fault.New(fault.RequestInvalid, "invalid fields of the question: %d", len(fields)).WithFields(fields...)
	}
	target, err := s.open(ctx, who, connectionID)
	if err != nil {
		return nil, err
	}
	thread := ChatThread{Workspace: who.Workspace, ConnectionID: connectionID, Agent: q.Agent, Name: q.Thread}
	began := q.ConversationID == ""
	if q.Thread != "" {
		kept, err := s.deps.Store.ChatThread(ctx, who.Workspace, connectionID, q.Agent, q.Thread)
		if err != nil && !fault.Has(err, fault.ChatThreadNotFound) {
			return nil, err
		}
		if kept != nil {
			thread, q.ConversationID, began = *kept, kept.ConversationID, false
		}
	}
	a, err := s.deps.Agents.Ask(ctx, target, q)
	if fault.Has(err, fault.ChatConversationNotFound) && q.Thread != "" {
		q.ConversationID, began = "", true
		a, err = s.deps.Agents.Ask(ctx, target, q)
	}
	if err != nil && !fault.Has(err, fault.ChatAnswerLost) {
		return nil, err
	}
	a.NewConversation = began || a.ConversationID != q.ConversationID
	return s.keep(ctx, thread, a, err)
}

// keep puts on record that an agent was asked, whether its answer came or was lost.
func (s *ChatService) keep(ctx context.Context, t ChatThread, a ChatAnswer, lost error) (*ChatAnswer, error) {
	if lost != nil {
		t.Name = ""
	} else {
		t.ConversationID = a.ConversationID
	}
	if t.ID == "" {
		t.ID, t.CreatedAt = s.deps.NewID(), s.deps.Now()
	}
	t.UpdatedAt = s.deps.Now()
	// The agent was asked: that is on record although the caller has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	err := s.deps.Store.NoteChat(ctx, t)
	if lost != nil {
		return nil, lost
	}
	if err != nil {
		// An answer that was paid for is given all the same; its thread goes on where it stood.
		s.deps.Logger.WarnContext(ctx, "an answer of an agent is not on record", "connection", t.ConnectionID, "error", err)
	}
	return &a, nil
}

// noteTime bounds the write that ends a question whose caller may have gone.
const noteTime = 10 * time.Second

// open lets a caller use a connection and opens it.
func (s *ChatService) open(ctx context.Context, who Chatter, connectionID string) (Target, error) {
	c, err := s.deps.Connections.Get(ctx, who.Workspace, connectionID)
	if err != nil {
		return Target{}, err
	}
	if c.APIType != Intelligence {
		return Target{}, fault.New(fault.ConnectionAPIType, "the connection %q is of apiType %q, and agents are asked through %q", c.Name, c.APIType, Intelligence)
	}
	now := s.deps.Now()
	if wait := s.callers.Take(who.Workspace+"/"+who.Client, s.deps.PerMinute, now); wait > 0 {
		return Target{}, fault.New(fault.ChatRateLimited, "more than %d questions in a minute", s.deps.PerMinute).
			WithHint("wait a few seconds; each question counts among the team's requests of the day").WithResumeAt(now.Add(wait))
	}
	if _, err := s.deps.Connections.Pass(ctx, who.Workspace, connectionID); err != nil {
		return Target{}, err
	}
	return s.deps.Opened.Target(audit.For(ctx, audit.ForChat), who.Workspace, connectionID)
}

// Threads lists a connection's threads; fault ConnectionNotFound.
func (s *ChatService) Threads(ctx context.Context, workspace, connectionID string, page Page) ([]ChatThread, error) {
	if _, err := s.deps.Connections.Get(ctx, workspace, connectionID); err != nil {
		return nil, err
	}
	return s.deps.Store.ChatThreads(ctx, workspace, connectionID, page)
}

// DeleteThread forgets a thread; its name begins anew then. Faults: ConnectionNotFound, ChatThreadNotFound.
func (s *ChatService) DeleteThread(ctx context.Context, workspace, connectionID, id string) error {
	if _, err := s.deps.Connections.Get(ctx, workspace, connectionID); err != nil {
		return err
	}
	return s.deps.Store.DeleteChatThread(ctx, workspace, connectionID, id)
}

// agentName is the form of an agent's name: package key and asset key with a dot between.
var agentName = regexp.MustCompile(`^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+$`)

// CheckAgent says what is wrong with an agent's name, "" for nothing.
func CheckAgent(name string) string {
	if len(name) > maxAgentName || !agentName.MatchString(name) {
		return "must be <package key>.<asset key>, as in the address of the agent's page in Celonis Studio"
	}
	return ""
}

// check finds every fault of a question.
func (q ChatQuestion) check() (fields []fault.Field) {
	wrong := func(pointer, detail string) {
		fields = append(fields, fault.Field{Pointer: pointer, Code: fault.RequestFieldInvalid, Detail: detail})
	}
	lacks := func(pointer, detail string) {
		fields = append(fields, fault.Field{Pointer: pointer, Code: fault.RequestFieldMissing, Detail: detail})
	}
	if q.Agent == "" {
		lacks("/agent", "must name an agent")
	} else if detail := CheckAgent(q.Agent); detail != "" {
		wrong("/agent", detail)
	}
	switch {
	case q.Message == "":
		lacks("/message", "must be the question")
	case len(q.Message) > MaxChatMessage:
		wrong("/message", "must have at most 32000 bytes")
	case !utf8.ValidString(q.Message):
		wrong("/message", "must be UTF-8")
	}
	if q.ConversationID != "" && q.Thread != "" {
		wrong("/thread", "must be left out where conversationId is given: a thread knows its conversation")
	}
	if len(q.ConversationID) > maxConversationID {
		wrong("/conversationId", "must have at most 200 characters")
	}
	if len(q.Thread) > maxThreadName || !utf8.ValidString(q.Thread) {
		wrong("/thread", "must have at most 100 characters")
	}
	return fields
}
