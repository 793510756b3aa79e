package celonis

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	agentsPath = "/intelligence/api/ai/agents/"
	// chatTimeout bounds one question; agents think for as long as a minute.
	chatTimeout = 3 * time.Minute
	// busyWait is when a conversation that is busy is worth another question.
	busyWait = 5 * time.Second
	// maxEcho is the longest piece of a question, in bytes, that a fault may repeat.
	maxEcho = 24
	// askedMark stands for what a fault would repeat of a question.
	askedMark = "[question]"
)

// Question is a message to a Process Copilot agent.
type Question struct {
	// Agent is "<package key>.<asset key>".
	Agent, Message string
	// ConversationID goes on with a conversation; "" begins one.
	ConversationID string
}

// Reply is what an agent says.
type Reply struct {
	ConversationID string
	Text           string
	// Structured is JSON, nil when the agent has no schema for it.
	Structured json.RawMessage
}

// Ask asks an agent, once: an agent may act on what it is told, so a question
// whose answer was lost is not repeated. No fault repeats the question. Faults:
//
//   - ChatAnswerLost: the agent may have been asked
//   - ChatConversationBusy and CelonisRateLimited, with when to come again, egress faults and CelonisServer: it was not, or in vain
//   - ChatAgentNotFound, ChatConversationNotFound, CelonisRejected, CelonisTooLarge and the faults of a key: Celonis refused it
func (c *Client) Ask(ctx context.Context, q Question) (*Reply, error) {
	id, err := segment(q.Agent)
	if err != nil {
		return nil, unknownAgent(err, q)
	}
	var body struct {
		ConversationID string          `json:"conversationId"`
		Text           text            `json:"text"`
		Structured     json.RawMessage `json:"structuredOutput"`
	}
	sent := map[string]string{"message": q.Message}
	if q.ConversationID != "" {
		sent["conversationId"] = q.ConversationID
	}
	var far progress
	err = c.do(ctx, call{
		op: operation{areaChat, "ask the agent"}, method: http.MethodPost, path: agentsPath + id + "/conversations",
		json: sent, out: &body, timeout: chatTimeout, progress: &far,
	})
	if err == nil && body.ConversationID == "" {
		err = fault.New(fault.CelonisAnswer, "celonis's answer to the question names no conversation")
	}
	if err != nil {
		return nil, withoutQuestion(c.chatFault(q, err, &far), q.Message)
	}
	r := &Reply{ConversationID: body.ConversationID, Text: string(body.Text)}
	if s := strings.TrimSpace(string(body.Structured)); s != "" && s != "null" {
		r.Structured = json.RawMessage(s)
	}
	return r, nil
}

// chatFault sorts what became of a question that was not answered.
func (c *Client) chatFault(q Question, err error, far *progress) error {
	status := statusOf(err)
	switch {
	case fault.Has(err, fault.CelonisRateLimited):
		return err
	case status == 0 && !mayHaveLeft(err, far):
		return err
	case status == http.StatusNotFound:
		return unknownAgent(err, q)
	case status == http.StatusConflict:
		e := fault.Wrap(err, fault.ChatConversationBusy, "the agent is still busy with the conversation").
			WithHint("a conversation takes one message after the other: ask again in a few seconds")
		if at := fault.From(err).ResumeAt; !at.IsZero() {
			return e.WithResumeAt(at)
		}
		return e.WithResumeAt(c.now().Add(busyWait))
	case status == 0, status < http.StatusBadRequest, status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status == http.StatusRequestTimeout:
		return fault.Wrap(err, fault.ChatAnswerLost, "the agent may have been asked, and its answer did not arrive").
			WithHint("ask again only if it does no harm to ask twice: agents may act on what they are told")
	case fault.Has(err, fault.CelonisTooLarge):
		return fault.From(err).WithHint("ask a shorter question")
	}
	return err
}

// OwnError reports whether Celonis answered a request with an error of its own
// (status 500), which may lie in the request; one that is not available is none.
func OwnError(err error) bool { return statusOf(err) == http.StatusInternalServerError }

// mayHaveLeft reports whether a question without an answer may have reached the agent.
func mayHaveLeft(err error, far *progress) bool {
	return !isNotSent(err) && (far.connected.Load() || fault.Has(err, fault.CelonisDisconnected) || fault.Has(err, fault.CelonisAnswer))
}

func unknownAgent(err error, q Question) error {
	if q.ConversationID != "" {
		return fault.Wrap(err, fault.ChatConversationNotFound, "celonis knows no such conversation with the agent %q", q.Agent).
			WithHint("it may have ended: leave conversationId out to begin anew; or the agent is unknown, or not shared with the connection's key")
	}
	return fault.Wrap(err, fault.ChatAgentNotFound, "celonis knows no agent %q, or does not show it to the connection's key", q.Agent).
		WithHint("an agent is named <package key>.<asset key>, as in the address of its page in Celonis Studio; it must be published")
}

// withoutQuestion takes the question out of a fault's sentence: Celonis may repeat it, and faults are logged.
func withoutQuestion(err error, question string) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	question = strings.Join(strings.Fields(question), " ")
	clean := *e
	clean.Message = withoutPieces(e.Message, question)
	if e.Cause != nil {
		clean.Cause = &quietError{withoutPieces(e.Cause.Error(), question), e.Cause}
	}
	return &clean
}

// withoutPieces replaces what is repeated of a text in a sentence: all of it, or pieces that are longer than maxEcho.
func withoutPieces(sentence, of string) string {
	n := min(len(of), maxEcho)
	if n == 0 || len(of) < 4 {
		return sentence
	}
	var b strings.Builder
	for i := 0; i < len(sentence); {
		if i+n > len(sentence) || !strings.Contains(of, sentence[i:i+n]) {
			b.WriteByte(sentence[i])
			i++
			continue
		}
		end := i + n
		for end < len(sentence) && strings.Contains(of, sentence[i:end+1]) {
			end++
		}
		b.WriteString(askedMark)
		i = end
	}
	return strings.ToValidUTF8(b.String(), "")
}
