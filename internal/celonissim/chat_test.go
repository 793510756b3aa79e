package celonissim_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

const chatPath = "/intelligence/api/ai/agents/"

// chatAnswer is what the simulator answers to a question.
type chatAnswer struct {
	status         int
	ConversationID string `json:"conversationId"`
	Text           string `json:"text"`
	Structured     any    `json:"structuredOutput"`
	Title          string `json:"title"`
	Detail         string `json:"detail"`
	Instance       string `json:"instance"`
}

func (s *sim) chat(agent, body string) (a chatAnswer) {
	s.t.Helper()
	res := s.do(http.MethodPost, chatPath+agent+"/conversations", body)
	require.NoError(s.t, json.Unmarshal([]byte(res.body), &a), res.body)
	a.status = res.status
	return a
}

func TestAgentsAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.AddAgent(celonissim.Agent{ID: "pkg.echo"})
	s.AddAgent(celonissim.Agent{ID: "pkg.shaped", Schema: &celonissim.AgentSchema{Type: "object", Properties: map[string]celonissim.AgentSchema{
		"what": {}, "size": {Type: "integer"}, "half": {Type: "number"}, "even": {Type: "boolean"}, "list": {Type: "array", Items: &celonissim.AgentSchema{}},
	}}})

	first := s.chat("pkg.echo", `{"message":"hello"}`)
	require.Equal(t, chatAnswer{status: 200, ConversationID: first.ConversationID, Text: "hello"}, first)
	require.NotEmpty(t, first.ConversationID)
	next := s.chat("pkg.echo", `{"message":"more","conversationId":"`+first.ConversationID+`"}`)
	require.Equal(t, first.ConversationID, next.ConversationID)
	asked := s.AgentQuestions("pkg.echo")
	require.Len(t, asked, 2)
	require.Equal(t, []string{"hello"}, asked[1].Before)
	require.Equal(t, 2, asked[1].N)

	shaped := s.chat("pkg.shaped", `{"message":"four"}`)
	require.Equal(t, map[string]any{"what": "four", "size": 4.0, "half": 2.0, "even": true, "list": []any{"four"}}, shaped.Structured)
}

func TestAgentsRefuse(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.AddAgent(celonissim.Agent{ID: "pkg.echo"})
	s.AddAgent(celonissim.Agent{ID: "pkg.no", Answer: func(celonissim.AgentQuestion) celonissim.AgentAnswer {
		return celonissim.AgentAnswer{Status: http.StatusServiceUnavailable, Detail: "The model is asleep."}
	}})
	for name, c := range map[string]struct {
		agent, body string
		status      int
	}{
		"an unknown agent":        {"pkg.gone", `{"message":"x"}`, 404},
		"an unknown conversation": {"pkg.echo", `{"message":"x","conversationId":"gone"}`, 404},
		"an unknown member":       {"pkg.echo", `{"message":"x","thread":"y"}`, 400},
		"no message":              {"pkg.echo", `{}`, 400},
		"an empty message":        {"pkg.echo", `{"message":""}`, 400},
		"no JSON":                 {"pkg.echo", `message=x`, 400},
		"two values":              {"pkg.echo", `{"message":"x"}{}`, 400},
		"its own words":           {"pkg.no", `{"message":"x"}`, 503},
	} {
		got := s.chat(c.agent, c.body)
		require.Equal(t, c.status, got.status, name)
		require.NotEmpty(t, got.Detail, name)
		require.Equal(t, chatPath+c.agent+"/conversations", got.Instance, name)
	}
	other := s.chat("pkg.echo", `{"message":"x"}`)
	require.Equal(t, 404, s.chat("pkg.no", `{"message":"x","conversationId":"`+other.ConversationID+`"}`).status, "a conversation is its agent's")
	s.EndConversations()
	require.Equal(t, 404, s.chat("pkg.echo", `{"message":"x","conversationId":"`+other.ConversationID+`"}`).status)
}

func TestAConversationIsBusyWhileItsAgentThinks(t *testing.T) {
	t.Parallel()
	s := start(t)
	thinking, release := make(chan struct{}), make(chan struct{})
	s.AddAgent(celonissim.Agent{ID: "pkg.slow", Answer: func(q celonissim.AgentQuestion) celonissim.AgentAnswer {
		if len(q.Before) == 1 {
			close(thinking)
			<-release
		}
		return celonissim.AgentAnswer{Text: q.Message}
	}})
	id := s.chat("pkg.slow", `{"message":"one"}`).ConversationID
	done := make(chan chatAnswer)
	go func() { done <- s.chat("pkg.slow", `{"message":"two","conversationId":"`+id+`"}`) }()
	<-thinking
	require.Equal(t, 409, s.chat("pkg.slow", `{"message":"three","conversationId":"`+id+`"}`).status)
	require.Equal(t, 200, s.chat("pkg.slow", `{"message":"elsewhere"}`).status)
	close(release)
	require.Equal(t, 200, (<-done).status)
	require.Len(t, s.AgentQuestions("pkg.slow"), 3, "what was refused is not counted")
}

func TestChatNeedsItsScopeAndCountsForTheTeam(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) { o.Limits.KnowledgePerDay = 1 })
	s.AddAgent(celonissim.Agent{ID: "pkg.echo"})
	s.auth = "AppKey " + weakKey
	require.Equal(t, 403, s.chat("pkg.echo", `{"message":"x"}`).status)
	s.auth = "AppKey " + appKey
	require.Equal(t, 200, s.chat("pkg.echo", `{"message":"x"}`).status)
	require.Equal(t, 429, s.chat("pkg.echo", `{"message":"x"}`).status)
	require.Len(t, s.AgentQuestions("pkg.echo"), 1)
}
