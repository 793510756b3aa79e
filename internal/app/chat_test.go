package app_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
)

// agentSaid is the answer of an agent as the API gives it.
type agentSaid struct {
	ConversationID   string `json:"conversationId"`
	Text             string `json:"text"`
	StructuredOutput any    `json:"structuredOutput"`
	NewConversation  bool   `json:"newConversation"`
	Thread           string `json:"thread"`
}

const copilot = "pkg.copilot"

func (s *service) chat(connection string, body map[string]any) (a agentSaid) {
	s.t.Helper()
	if body["agent"] == nil {
		body["agent"] = copilot
	}
	s.Call(http.StatusOK, "POST", "/v1/connections/"+connection+"/chat", body, &a)
	return a
}

func TestAskingAnAgent(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot, Schema: &celonissim.AgentSchema{Type: "object", Properties: map[string]celonissim.AgentSchema{"size": {Type: "integer"}}}})
	s := begin(t, sim)
	insight := s.insight(sim)

	first := s.chat(insight, map[string]any{"message": "which orders are late?"})
	require.Equal(t, agentSaid{ConversationID: first.ConversationID, Text: "which orders are late?", StructuredOutput: map[string]any{"size": 22.0}, NewConversation: true}, first)
	next := s.chat(insight, map[string]any{"message": "and why?", "conversationId": first.ConversationID})
	require.Equal(t, first.ConversationID, next.ConversationID)
	require.False(t, next.NewConversation)

	daily := s.chat(insight, map[string]any{"message": "one", "thread": "daily"})
	require.True(t, daily.NewConversation)
	require.Equal(t, "daily", daily.Thread)
	again := s.chat(insight, map[string]any{"message": "two", "thread": "daily"})
	require.Equal(t, daily.ConversationID, again.ConversationID)
	require.False(t, again.NewConversation)
	require.Equal(t, []string{"one"}, sim.AgentQuestions(copilot)[3].Before)

	// Celonis forgets; a thread begins anew and says so, a conversation that the caller keeps does not.
	sim.EndConversations()
	anew := s.chat(insight, map[string]any{"message": "three", "thread": "daily"})
	require.True(t, anew.NewConversation)
	require.NotEqual(t, daily.ConversationID, anew.ConversationID)
	require.Equal(t, anew.ConversationID, s.chat(insight, map[string]any{"message": "four", "thread": "daily"}).ConversationID)
	path := "/v1/connections/" + insight + "/chat"
	require.Equal(t, "chat.conversation_not_found", s.Problem(http.StatusUnprocessableEntity, "POST", path, map[string]any{"agent": copilot, "message": "x", "conversationId": first.ConversationID}).Code)

	var threads struct {
		Items []struct {
			ID, Agent, Name, ConversationID string
			Messages                        int
		}
	}
	s.Call(http.StatusOK, "GET", path+"/threads", nil, &threads)
	require.Len(t, threads.Items, 1)
	require.Equal(t, 2, threads.Items[0].Messages)
	require.Equal(t, anew.ConversationID, threads.Items[0].ConversationID)
	s.Call(http.StatusNoContent, "DELETE", path+"/threads/"+threads.Items[0].ID, nil, nil)
	require.True(t, s.chat(insight, map[string]any{"message": "five", "thread": "daily"}).NewConversation)

	var left struct{ Intelligence struct{ Used, Runs int } }
	s.Call(http.StatusOK, "GET", "/v1/teams/"+sim.Host+"/budget", nil, &left)
	require.Equal(t, sim.KnowledgeRequests(), left.Intelligence.Used, "every question counts for the team, and nothing else")
	require.Zero(t, left.Intelligence.Runs)

	var events struct {
		Items []struct {
			Action, Kind, Name, ObjectID string
		}
	}
	s.Call(http.StatusOK, "GET", "/v1/audit?kind=conversation", nil, &events)
	require.Len(t, events.Items, 8, "seven questions were answered, one thread was forgotten")
	require.Equal(t, "asked", events.Items[0].Action)
	require.Equal(t, copilot, events.Items[0].Name)
	for _, words := range []string{"which orders are late", "and why?"} {
		require.NotContains(t, s.log.String(), words)
		require.NotContains(t, string(s.Send("GET", "/v1/audit/export", nil).Body), words)
	}
}

func TestAgentsThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	insight, pool := s.insight(sim), s.Connect("pool", sim)
	path := "/v1/connections/" + insight + "/chat"
	ask := map[string]any{"agent": copilot, "message": "hello"}

	require.Equal(t, "connection.wrong_api_type", s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/connections/"+pool+"/chat", ask).Code)
	require.Equal(t, "chat.agent_not_found", s.Problem(http.StatusUnprocessableEntity, "POST", path, map[string]any{"agent": "pkg.gone", "message": "x"}).Code)
	for pointer, body := range map[string]map[string]any{
		"/agent":   {"agent": "no-dot", "message": "x"},
		"/message": {"agent": copilot, "message": ""},
		"/thread":  {"agent": copilot, "message": "x", "thread": "t", "conversationId": "c"},
	} {
		p := s.Problem(http.StatusUnprocessableEntity, "POST", path, body)
		require.Equal(t, pointer, p.Errors[0].Pointer)
	}
	before := len(sim.AgentQuestions(copilot))

	sim.AddFault(celonissim.Fault{Route: "intelligence.ask", Cut: celonissim.CutBeforeAnswer, Times: 1})
	lost := s.Send("POST", path, ask, "Idempotency-Key", "lost")
	require.Equal(t, http.StatusBadGateway, lost.Status)
	require.Equal(t, "chat.answer_lost", lost.Problem(t).Code)
	repeat := s.Send("POST", path, ask, "Idempotency-Key", "lost")
	require.Equal(t, http.StatusBadGateway, repeat.Status)
	require.Equal(t, "true", repeat.Header.Get("Idempotency-Replayed"))
	require.Equal(t, lost.Problem(t), repeat.Problem(t))
	require.Len(t, sim.AgentQuestions(copilot), before+1, "it is not repeated unasked, not by a repeat with its key either")

	sim.AddFault(celonissim.Fault{Route: "intelligence.ask", Status: http.StatusTooManyRequests, Times: 1})
	require.Equal(t, "celonis.rate_limited", s.Problem(http.StatusBadGateway, "POST", path, ask).Code)
	// The team is on record as refused until then, so nobody else asks in vain.
	require.Equal(t, "celonis.budget_spent", s.Problem(http.StatusConflict, "POST", path, ask).Code)
}

func TestOneAnswerForOneIdempotencyKey(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	sim.AddAgent(celonissim.Agent{ID: copilot})
	s := begin(t, sim)
	path := "/v1/connections/" + s.insight(sim) + "/chat"
	ask := map[string]any{"agent": copilot, "message": "hello", "thread": "t"}
	first := s.Send("POST", path, ask, "Idempotency-Key", "k")
	again := s.Send("POST", path, ask, "Idempotency-Key", "k")
	require.Equal(t, http.StatusOK, first.Status)
	require.JSONEq(t, string(first.Body), string(again.Body))
	require.Len(t, sim.AgentQuestions(copilot), 1)
}

// settleThread keeps a conversation with an agent under a name, through a connection of its own, and gives its id.
func settleThread(t *testing.T, s *service, sim *apptest.Sim) string {
	t.Helper()
	sim.AddAgent(celonissim.Agent{ID: copilot})
	insight := s.insight(sim)
	s.chat(insight, map[string]any{"message": canary, "thread": canary})
	var threads struct{ Items []struct{ ID string } }
	s.Call(http.StatusOK, "GET", "/v1/connections/"+insight+"/chat/threads", nil, &threads)
	require.Len(t, threads.Items, 1)
	return threads.Items[0].ID
}
