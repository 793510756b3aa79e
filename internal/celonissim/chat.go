package celonissim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Agent is a Process Copilot that can be asked; ID is "<package key>.<asset key>".
type Agent struct {
	ID, Name string
	// Answer gives what the agent says. It may wait; until it returns its conversation is busy. Nil repeats the question, with
	// a structured output made from Schema where there is one.
	Answer func(AgentQuestion) AgentAnswer
	// Schema is the JSON schema of structured outputs; nil gives none.
	Schema *AgentSchema
	// Delay is how long an answer takes.
	Delay time.Duration
}

// AgentSchema is the part of a JSON schema that made-up outputs keep to.
type AgentSchema struct {
	// Type is object, string, integer, number, boolean or array of Items.
	Type       string
	Properties map[string]AgentSchema
	Items      *AgentSchema
}

// AgentQuestion is what an agent is asked.
type AgentQuestion struct {
	Agent, Conversation, Message string
	// Before are the questions of the conversation before this one.
	Before []string
	// N counts the agent's questions from 1.
	N int
}

// AgentAnswer is what an agent says. A Status other than 0 and 200 is a refusal, in the words of Detail.
type AgentAnswer struct {
	Status       int
	Text, Detail string
	// Structured is the structured output; nil is none.
	Structured any
}

// chatState is a team's agents and their conversations.
type chatState struct {
	agents        []Agent
	conversations map[string]*conversation
	asked         []AgentQuestion
}

type conversation struct {
	agent string
	asked []string
	busy  bool
}

// maxChatMessage is the longest message that is taken, in bytes.
const maxChatMessage = 100_000

// AddAgent adds an agent to the first team, or replaces the one of its id.
func (s *Server) AddAgent(a Agent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.teams[0].chat
	c.agents = append(slices.DeleteFunc(c.agents, func(b Agent) bool { return b.ID == a.ID }), a)
}

// AgentQuestions lists what an agent of the first team was asked, in order; a question that was refused before it came to
// the agent is not among them.
func (s *Server) AgentQuestions(agent string) []AgentQuestion {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.teams[0].chat.asked), func(q AgentQuestion) bool { return q.Agent != agent })
}

// EndConversations forgets every conversation of every team, as their expiry does.
func (s *Server) EndConversations() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.teams {
		clear(t.chat.conversations)
	}
}

func (s *Server) routeChat(rt *router) {
	allowed := func(c *Credential) bool { return c.Intelligence }
	rt.handle(routeAsk, "POST /intelligence/api/ai/agents/{agent}/conversations", needs(APIIntelligence, allowed, s.limited(s.askAgent)))
}

// routeAsk is the name of the route of questions to agents.
const routeAsk = "intelligence.ask"

// chatProblem is the form of the Chat API's errors.
type chatProblem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
}

func writeChatProblem(w http.ResponseWriter, r *http.Request, status int, detail string) {
	writeJSONAs(w, status, "application/problem+json",
		chatProblem{"about:blank", http.StatusText(status), status, detail, r.URL.Path})
}

func (s *Server) askAgent(w http.ResponseWriter, r *http.Request, c caller) {
	var body struct {
		Message        *string `json:"message"`
		ConversationID string  `json:"conversationId"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 2*maxChatMessage))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&body)
	if err == nil && decoder.Decode(new(any)) != io.EOF {
		err = errors.New("more than one value")
	}
	switch {
	case err != nil:
		writeChatProblem(w, r, http.StatusBadRequest, "The request body is not valid: "+err.Error())
		return
	case body.Message == nil || *body.Message == "" || len(*body.Message) > maxChatMessage:
		writeChatProblem(w, r, http.StatusBadRequest, "message must not be empty or longer than 100000")
		return
	}
	agent, q, status := s.takeQuestion(c.team, r.PathValue("agent"), body.ConversationID, *body.Message)
	switch status {
	case http.StatusNotFound:
		writeChatProblem(w, r, status, "The agent or the conversation was not found.")
		return
	case http.StatusConflict:
		writeChatProblem(w, r, status, "The conversation is busy with another message.")
		return
	}
	answer := agent.answer(q)
	pause(r.Context(), agent.Delay)
	s.endQuestion(c.team, q)
	if answer.Status != 0 && answer.Status != http.StatusOK {
		writeChatProblem(w, r, answer.Status, orText(answer.Detail, "The agent cannot answer."))
		return
	}
	out := map[string]any{"conversationId": q.Conversation, "text": answer.Text}
	if answer.Structured != nil {
		out["structuredOutput"] = answer.Structured
	}
	writeJSON(w, http.StatusOK, out)
}

// takeQuestion takes a question; the status is 404 for what is not there, 409 for a conversation that is busy, else 0.
func (s *Server) takeQuestion(t *team, agent, id, message string) (Agent, AgentQuestion, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(t.chat.agents, func(a Agent) bool { return a.ID == agent })
	if i < 0 {
		return Agent{}, AgentQuestion{}, http.StatusNotFound
	}
	if t.chat.conversations == nil {
		t.chat.conversations = map[string]*conversation{}
	}
	if id == "" {
		id = uuid.NewString()
		t.chat.conversations[id] = &conversation{agent: agent}
	}
	held := t.chat.conversations[id]
	switch {
	case held == nil || held.agent != agent:
		return Agent{}, AgentQuestion{}, http.StatusNotFound
	case held.busy:
		return Agent{}, AgentQuestion{}, http.StatusConflict
	}
	q := AgentQuestion{Agent: agent, Conversation: id, Message: message, Before: slices.Clone(held.asked), N: 1}
	for _, before := range t.chat.asked {
		if before.Agent == agent {
			q.N++
		}
	}
	held.busy, held.asked = true, append(held.asked, message)
	t.chat.asked = append(t.chat.asked, q)
	return t.chat.agents[i], q, 0
}

func (s *Server) endQuestion(t *team, q AgentQuestion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := t.chat.conversations[q.Conversation]; held != nil {
		held.busy = false
	}
}

func (a Agent) answer(q AgentQuestion) AgentAnswer {
	if a.Answer != nil {
		return a.Answer(q)
	}
	out := AgentAnswer{Text: q.Message}
	if a.Schema != nil {
		out.Structured = a.Schema.made(q.Message)
	}
	return out
}

// made makes a value of the schema: texts repeat the question, numbers are its length.
func (x AgentSchema) made(message string) any {
	switch x.Type {
	case "integer":
		return len(message)
	case "number":
		return float64(len(message)) / 2
	case "boolean":
		return len(message)%2 == 0
	case "array":
		if x.Items == nil {
			return []any{}
		}
		return []any{x.Items.made(message)}
	case "object":
		object := map[string]any{}
		for name, p := range x.Properties {
			object[name] = p.made(message)
		}
		return object
	}
	return message
}
