package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// fakeChats is an agent that repeats the question, and one thread.
type fakeChats struct{ who connections.Chatter }

var _ httpapi.Chats = (*fakeChats)(nil)

const threadID = "0199f3a0-2222-7b54-9a3e-2f6c1d0b8e11"

func (f *fakeChats) Ask(_ context.Context, who connections.Chatter, _ string, q connections.ChatQuestion) (*connections.ChatAnswer, error) {
	f.who = who
	if q.Agent == "pkg.busy" {
		return nil, fault.New(fault.ChatConversationBusy, "the agent is still busy with the conversation").WithResumeAt(epoch().Add(5 * time.Second))
	}
	return &connections.ChatAnswer{ConversationID: "c-1", Text: q.Message, Structured: json.RawMessage(`{"n":1}`), NewConversation: true}, nil
}

func (f *fakeChats) Threads(_ context.Context, _, id string, _ connections.Page) ([]connections.ChatThread, error) {
	return []connections.ChatThread{{ID: threadID, Agent: "pkg.a", Name: "daily", ConversationID: "c-1", Messages: 2, CreatedAt: epoch(), UpdatedAt: epoch()}},
		none(fault.ConnectionNotFound, id, connectionID)
}

func (f *fakeChats) DeleteThread(_ context.Context, _, id, thread string) error {
	if err := none(fault.ConnectionNotFound, id, connectionID); err != nil {
		return err
	}
	return none(fault.ChatThreadNotFound, thread, threadID)
}

func TestAnAgentIsAsked(t *testing.T) {
	t.Parallel()
	chats := &fakeChats{}
	s := setup(t, func(d *httpapi.Deps) { d.Chats = chats })
	path := "/v1/connections/" + connectionID + "/chat"
	res := s.ask("POST "+path, `{"agent":"pkg.a","message":"hello","thread":"daily"}`)
	require.Equal(t, http.StatusOK, res.status, "%s", res.body)
	require.JSONEq(t, `{"conversationId":"c-1","text":"hello","structuredOutput":{"n":1},"newConversation":true,"thread":"daily"}`, string(res.body))
	require.NotEmpty(t, chats.who.Workspace)
	require.NotEmpty(t, chats.who.Client)
	require.NotContains(t, s.log.String(), "hello")

	again := s.ask("POST "+path, `{"agent":"pkg.a","message":"hello"}`, "Idempotency-Key", "k")
	require.Equal(t, http.StatusOK, again.status)
	require.Equal(t, "true", s.ask("POST "+path, `{"agent":"pkg.a","message":"hello"}`, "Idempotency-Key", "k").header.Get("Idempotency-Replayed"))

	busy := s.ask("POST "+path, `{"agent":"pkg.busy","message":"hello"}`)
	require.Equal(t, http.StatusConflict, busy.status)
	require.Equal(t, "5", busy.header.Get("Retry-After"))
}

func TestAQuestionHasBounds(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, c := range map[string]struct{ body, code, pointer string }{
		"an unknown member": {`{"agent":"pkg.a","message":"m","prompt":"x"}`, "request.unknown_field", "/prompt"},
		"of another type":   {`{"agent":"pkg.a","message":1}`, "request.wrong_type", "/message"},
	} {
		res := s.ask("POST /v1/connections/"+connectionID+"/chat", c.body)
		require.Equal(t, http.StatusBadRequest, res.status/100*100, name)
		p := res.problem(t)
		require.Equal(t, c.code, p.Errors[0].Code, name)
		require.Equal(t, c.pointer, p.Errors[0].Pointer, name)
	}
	res := s.ask("POST /v1/connections/"+connectionID+"/chat", `{"message":"`+strings.Repeat("x", int(httpapi.MaxBody))+`"}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, res.status)
}

func TestThreadsAreListedAndForgotten(t *testing.T) {
	t.Parallel()
	s := setup(t)
	path := "/v1/connections/" + connectionID + "/chat/threads"
	res := s.ask("GET "+path, "")
	require.Equal(t, http.StatusOK, res.status)
	require.JSONEq(t, `{"items":[{"id":"`+threadID+`","agent":"pkg.a","name":"daily","conversationId":"c-1","messages":2,"createdAt":"2026-03-01T08:30:00.123456Z","updatedAt":"2026-03-01T08:30:00.123456Z"}],"next":null}`, string(res.body))
	require.Equal(t, http.StatusNoContent, s.ask("DELETE "+path+"/"+threadID, "").status)
	for _, id := range []string{unknownID, "a%20b"} {
		gone := s.ask("DELETE "+path+"/"+id, "")
		require.Equal(t, http.StatusNotFound, gone.status)
		require.Equal(t, "chat.thread_not_found", gone.problem(t).Code)
	}
}
