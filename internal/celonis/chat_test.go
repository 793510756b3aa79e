package celonis_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const agent = "pkg.copilot"

func TestAskGoesOnWithAConversation(t *testing.T) {
	t.Parallel()
	s := startSim(t)
	s.AddAgent(celonissim.Agent{ID: agent})
	first, err := s.client.Ask(t.Context(), celonis.Question{Agent: agent, Message: "how many orders are late?"})
	require.NoError(t, err)
	require.Equal(t, "how many orders are late?", first.Text)
	require.Nil(t, first.Structured)
	next, err := s.client.Ask(t.Context(), celonis.Question{Agent: agent, Message: "and why?", ConversationID: first.ConversationID})
	require.NoError(t, err)
	require.Equal(t, first.ConversationID, next.ConversationID)
	asked := s.AgentQuestions(agent)
	require.Len(t, asked, 2)
	require.Equal(t, []string{"how many orders are late?"}, asked[1].Before)
}

func TestAskReadsStructuredOutput(t *testing.T) {
	t.Parallel()
	s := startSim(t)
	s.AddAgent(celonissim.Agent{ID: agent, Schema: &celonissim.AgentSchema{Type: "object", Properties: map[string]celonissim.AgentSchema{"n": {Type: "integer"}}}})
	r, err := s.client.Ask(t.Context(), celonis.Question{Agent: agent, Message: "four"})
	require.NoError(t, err)
	require.JSONEq(t, `{"n":4}`, string(r.Structured))
}

func TestAskSortsWhatWentWrong(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	problem := func(status int, detail string) trip {
		return func(r *http.Request) (*http.Response, error) {
			return answer(r, status, "application/problem+json", `{"type":"about:blank","title":"No","status":0,"detail":"`+detail+`","instance":"/x"}`), nil
		}
	}
	for name, c := range map[string]struct {
		transport    trip
		conversation string
		code         fault.Code
		retry        fault.Retry
		resume       time.Duration
	}{
		"bad request":             {problem(400, "no"), "", fault.CelonisRejected, fault.Never, 0},
		"the key":                 {problem(401, "no"), "", fault.CelonisUnauthorized, fault.Never, 0},
		"permission":              {problem(403, "no"), "", fault.CelonisForbidden, fault.Never, 0},
		"not enabled":             {func(r *http.Request) (*http.Response, error) { return answer(r, 403, "", ""), nil }, "", fault.CelonisAPIDisabled, fault.Never, 0},
		"unknown agent":           {problem(404, "no"), "", fault.ChatAgentNotFound, fault.Never, 0},
		"unknown conversation":    {problem(404, "no"), "gone", fault.ChatConversationNotFound, fault.Never, 0},
		"busy":                    {problem(409, "no"), "c", fault.ChatConversationBusy, fault.Wait, 5 * time.Second},
		"too large":               {problem(413, "no"), "", fault.CelonisTooLarge, fault.Never, 0},
		"rate":                    {problem(429, "no"), "", fault.CelonisRateLimited, fault.Wait, time.Minute},
		"an error of its own":     {problem(500, "no"), "", fault.CelonisServer, fault.Later, 0},
		"unavailable":             {problem(503, "no"), "", fault.CelonisServer, fault.Later, 0},
		"a gateway's time-out":    {problem(504, "no"), "", fault.ChatAnswerLost, fault.Never, 0},
		"a bad gateway":           {problem(502, "no"), "", fault.ChatAnswerLost, fault.Never, 0},
		"a web page":              {func(r *http.Request) (*http.Response, error) { return answer(r, 200, "text/html", "<html>"), nil }, "", fault.ChatAnswerLost, fault.Never, 0},
		"no conversation":         {func(r *http.Request) (*http.Response, error) { return answer(r, 200, "", `{"text":"x"}`), nil }, "", fault.ChatAnswerLost, fault.Never, 0},
		"a cut":                   {func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") }, "", fault.ChatAnswerLost, fault.Never, 0},
		"no budget, nothing left": {func(*http.Request) (*http.Response, error) { return nil, fault.New(fault.CelonisBudgetSpent, "spent") }, "", fault.CelonisBudgetSpent, fault.Wait, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			times := 0
			client := newClient(t, celonis.Config{Now: func() time.Time { return now }, Transport: trip(func(r *http.Request) (*http.Response, error) {
				times++
				return c.transport(r)
			})})
			_, err := client.Ask(t.Context(), celonis.Question{Agent: agent, Message: "what now, my friend of many orders?", ConversationID: c.conversation})
			require.True(t, fault.Has(err, c.code), "%v", err)
			require.Equal(t, c.retry, fault.RetryOf(err))
			require.Equal(t, 1, times, "a question is asked once")
			if c.resume > 0 {
				require.Equal(t, now.Add(c.resume), fault.From(err).ResumeAt)
			}
		})
	}
}

func TestALostAnswerIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	s := startSim(t)
	s.AddAgent(celonissim.Agent{ID: agent})
	s.AddFault(celonissim.Fault{Route: "intelligence.ask", Cut: celonissim.CutBeforeAnswer, Times: 1})
	_, err := s.client.Ask(t.Context(), celonis.Question{Agent: agent, Message: "hello"})
	require.True(t, fault.Has(err, fault.ChatAnswerLost), "%v", err)
	require.Len(t, s.AgentQuestions(agent), 1)
}

func TestAQuestionThatItsCallerGaveUpIsInDoubt(t *testing.T) {
	t.Parallel()
	s := startSim(t)
	asked, release := make(chan struct{}), make(chan struct{})
	s.AddAgent(celonissim.Agent{ID: agent, Answer: func(celonissim.AgentQuestion) celonissim.AgentAnswer {
		close(asked)
		<-release
		return celonissim.AgentAnswer{Text: "late"}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := s.client.Ask(ctx, celonis.Question{Agent: agent, Message: "hello"})
	close(release)
	require.True(t, fault.Has(err, fault.ChatAnswerLost), "%v", err)
}

func TestAskRepeatsNothingOfAQuestion(t *testing.T) {
	t.Parallel()
	const secretive = "is Maria Musterfrau of cost center 4711 paid too late?"
	log := &logBuffer{}
	for _, status := range []int{400, 404, 409, 500, 502} {
		client := newClient(t, celonis.Config{Logger: log.logger(), Transport: trip(func(r *http.Request) (*http.Response, error) {
			return answer(r, status, "application/problem+json", `{"title":"No","detail":"cannot answer `+secretive+` today; Maria Musterfrau of cost center"}`), nil
		})})
		_, err := client.Ask(t.Context(), celonis.Question{Agent: agent, Message: secretive})
		require.Error(t, err)
		for _, text := range []string{err.Error(), fault.From(err).Message, log.String()} {
			require.NotContains(t, text, "Musterfrau", "%d", status)
		}
		if status == 400 {
			require.Contains(t, fault.From(err).Message, "today")
		}
	}
	require.False(t, strings.Contains(log.String(), "4711"))
}
