package connections_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// lobby is one connection, its threads and an agent.
type lobby struct {
	connection connections.Connection
	offline    bool
	threads    map[string]connections.ChatThread
	noted      []connections.ChatThread
	noteErr    error
	asked      []connections.ChatQuestion
	answer     func(q connections.ChatQuestion) (connections.ChatAnswer, error)
}

func (l *lobby) Get(_ context.Context, _, id string) (*connections.Connection, error) {
	if id != l.connection.ID {
		return nil, fault.New(fault.ConnectionNotFound, "none")
	}
	return &l.connection, nil
}

func (l *lobby) Pass(context.Context, string, string) (int64, error) {
	if l.offline {
		return 0, fault.New(fault.ConnectionOffline, "offline")
	}
	return 1, nil
}

func (l *lobby) Target(_ context.Context, _, id string) (connections.Target, error) {
	return connections.Target{ID: id}, nil
}

func (l *lobby) ChatThread(_ context.Context, _, _, agent, name string) (*connections.ChatThread, error) {
	if t, ok := l.threads[agent+name]; ok {
		return &t, nil
	}
	return nil, fault.New(fault.ChatThreadNotFound, "none")
}

func (l *lobby) ChatThreads(context.Context, string, string, connections.Page) ([]connections.ChatThread, error) {
	return nil, nil
}

func (l *lobby) NoteChat(_ context.Context, t connections.ChatThread) error {
	l.noted = append(l.noted, t)
	if t.Name != "" {
		l.threads[t.Agent+t.Name] = t
	}
	return l.noteErr
}

func (l *lobby) DeleteChatThread(context.Context, string, string, string) error { return nil }

func (l *lobby) Ask(_ context.Context, t connections.Target, q connections.ChatQuestion) (connections.ChatAnswer, error) {
	l.asked = append(l.asked, q)
	if l.answer != nil {
		return l.answer(q)
	}
	id := q.ConversationID
	if id == "" {
		id = "new of " + t.ID
	}
	return connections.ChatAnswer{ConversationID: id, Text: q.Message}, nil
}

func newLobby() (*lobby, *connections.ChatService) {
	l := &lobby{connection: connections.Connection{ID: "c", Name: "KPIs", APIType: connections.Intelligence}, threads: map[string]connections.ChatThread{}}
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	return l, connections.NewChatService(connections.ChatDeps{Connections: l, Store: l, Agents: l, PerMinute: 3, Now: func() time.Time { return now }})
}

var chatter = connections.Chatter{Workspace: workspace, Client: "me"}

func TestAThreadGoesOn(t *testing.T) {
	t.Parallel()
	l, s := newLobby()
	q := connections.ChatQuestion{Agent: "pkg.a", Message: "one", Thread: "daily"}
	first, err := s.Ask(t.Context(), chatter, "c", q)
	require.NoError(t, err)
	require.True(t, first.NewConversation)
	again, err := s.Ask(t.Context(), chatter, "c", q)
	require.NoError(t, err)
	require.False(t, again.NewConversation)
	require.Equal(t, first.ConversationID, l.asked[1].ConversationID)
	require.Equal(t, l.noted[0].ID, l.noted[1].ID)

	l.answer = func(q connections.ChatQuestion) (connections.ChatAnswer, error) {
		if q.ConversationID != "" {
			return connections.ChatAnswer{}, fault.New(fault.ChatConversationNotFound, "gone")
		}
		return connections.ChatAnswer{ConversationID: "fresh"}, nil
	}
	anew, err := s.Ask(t.Context(), chatter, "c", q)
	require.NoError(t, err)
	require.True(t, anew.NewConversation)
	require.Equal(t, "fresh", l.threads["pkg.adaily"].ConversationID)
}

func TestAConversationOfTheCallersOwnIsNotBegunAnew(t *testing.T) {
	t.Parallel()
	l, s := newLobby()
	a, err := s.Ask(t.Context(), chatter, "c", connections.ChatQuestion{Agent: "pkg.a", Message: "m", ConversationID: "mine"})
	require.NoError(t, err)
	require.False(t, a.NewConversation)
	require.Empty(t, l.threads)
	l.answer = func(connections.ChatQuestion) (connections.ChatAnswer, error) {
		return connections.ChatAnswer{}, fault.New(fault.ChatConversationNotFound, "gone")
	}
	_, err = s.Ask(t.Context(), chatter, "c", connections.ChatQuestion{Agent: "pkg.a", Message: "m", ConversationID: "mine"})
	require.True(t, fault.Has(err, fault.ChatConversationNotFound))
	require.Len(t, l.asked, 2)
	require.Len(t, l.noted, 1)
}

func TestALostAnswerIsOnRecordAndKeepsTheThread(t *testing.T) {
	t.Parallel()
	l, s := newLobby()
	l.threads["pkg.at"] = connections.ChatThread{ID: "t", Agent: "pkg.a", Name: "t", ConversationID: "stands"}
	l.answer = func(connections.ChatQuestion) (connections.ChatAnswer, error) {
		return connections.ChatAnswer{}, fault.New(fault.ChatAnswerLost, "lost")
	}
	_, err := s.Ask(t.Context(), chatter, "c", connections.ChatQuestion{Agent: "pkg.a", Message: "m", Thread: "t"})
	require.True(t, fault.Has(err, fault.ChatAnswerLost))
	require.Len(t, l.asked, 1)
	require.Len(t, l.noted, 1)
	require.Empty(t, l.noted[0].Name, "the thread stays as it is")
	require.Equal(t, "stands", l.threads["pkg.at"].ConversationID)
}

func TestAnAnswerIsGivenThoughItsRecordFails(t *testing.T) {
	t.Parallel()
	l, s := newLobby()
	l.noteErr = fault.New(fault.StoreUnavailable, "down")
	a, err := s.Ask(t.Context(), chatter, "c", connections.ChatQuestion{Agent: "pkg.a", Message: "m"})
	require.NoError(t, err)
	require.Equal(t, "m", a.Text)
}

func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	q := connections.ChatQuestion{Agent: "pkg.a", Message: "m"}
	l, s := newLobby()
	_, err := s.Ask(t.Context(), chatter, "other", q)
	require.True(t, fault.Has(err, fault.ConnectionNotFound))
	l.offline = true
	_, err = s.Ask(t.Context(), chatter, "c", q)
	require.True(t, fault.Has(err, fault.ConnectionOffline))
	l.offline = false
	for range 2 {
		_, err = s.Ask(t.Context(), chatter, "c", q)
		require.NoError(t, err)
	}
	_, err = s.Ask(t.Context(), chatter, "c", q)
	require.True(t, fault.Has(err, fault.ChatRateLimited), "%v", err)
	require.False(t, fault.From(err).ResumeAt.IsZero())
	_, err = s.Ask(t.Context(), connections.Chatter{Workspace: workspace, Client: "another"}, "c", q)
	require.NoError(t, err)
	l.connection.APIType = connections.DataPush
	_, err = s.Ask(t.Context(), chatter, "c", q)
	require.True(t, fault.Has(err, fault.ConnectionAPIType))
	require.Len(t, l.asked, 3)
	_, err = s.Threads(t.Context(), workspace, "other", connections.Page{})
	require.True(t, fault.Has(err, fault.ConnectionNotFound))
	require.True(t, fault.Has(s.DeleteThread(t.Context(), workspace, "other", "t"), fault.ConnectionNotFound))
}

func TestQuestionsAreChecked(t *testing.T) {
	t.Parallel()
	l, s := newLobby()
	long := strings.Repeat("x", connections.MaxChatMessage+1)
	_, err := s.Ask(t.Context(), chatter, "c", connections.ChatQuestion{Agent: "nodot", Message: long, ConversationID: strings.Repeat("c", 201), Thread: strings.Repeat("t", 101)})
	pointers := map[string]bool{}
	for _, f := range fault.From(err).Fields {
		pointers[f.Pointer] = true
	}
	require.Equal(t, map[string]bool{"/agent": true, "/message": true, "/conversationId": true, "/thread": true}, pointers)
	for agent, good := range map[string]bool{
		"pkg.agent": true, "a-b_c.D1": true, "a.b.c": true, "": false, "agent": false, ".a": false, "a.": false, "a/b.c": false, "a..b": false, "a b.c": false,
	} {
		require.Equal(t, good, connections.CheckAgent(agent) == "", agent)
	}
	require.Empty(t, l.asked)
}

func TestTheScopeToAskAgentsIsNotTooMuch(t *testing.T) {
	t.Parallel()
	const chats = "intelligence.conversations:write"
	c := &connections.Connection{APIType: connections.Intelligence, AuthType: connections.OAuth2, Scopes: []string{chats}}
	a := connections.AdviseScopes(c, nil)
	require.Empty(t, a.Broader, "callers ask through it")
	c.Scopes = []string{"intelligence.knowledge-models:read"}
	a = connections.AdviseScopes(c, []connections.OperationUse{{Operations: []connections.Operation{connections.AskProcessCopilot}}})
	require.Equal(t, []string{chats}, a.Missing, "a flow's lookup asks")
}
