package app

import (
	"context"
	"errors"
	"net/url"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/fault"
)

// chats lets callers ask agents of Celonis.
func (a *App) chats() *connections.ChatService {
	return connections.NewChatService(connections.ChatDeps{
		Connections: a.Connections, Opened: knownSecrets{targets: a.Connections, redactor: a.redactor}, Store: a.Store, Agents: agents{a},
		Logger: a.log, Now: a.now, NewID: newID,
	})
}

// agents asks through the Celonis client, within the team's requests to the Intelligence API.
type agents struct{ app *App }

var _ connections.Agents = agents{}

// Ask implements connections.Agents.
func (g agents) Ask(ctx context.Context, t connections.Target, q connections.ChatQuestion) (_ connections.ChatAnswer, err error) {
	base, err := url.Parse(t.BaseURL)
	if err != nil {
		return connections.ChatAnswer{}, fault.Wrap(err, fault.ConnectionDomain, "the connection's base URL is not a URL")
	}
	ticket := g.app.requests().Once(base.Host, "chat-"+newID())
	client, err := celonis.New(celonis.Config{
		Target: t, Transport: endpoint.Rationed(ticket, g.app.Egress.Transport()), Logger: g.app.log, Now: g.app.now, Shared: &g.app.limits, Tokens: g.app.Tokens,
	})
	if err != nil {
		return connections.ChatAnswer{}, err
	}
	r, err := client.Ask(ctx, celonis.Question{Agent: q.Agent, Message: q.Message, ConversationID: q.ConversationID})
	after := context.WithoutCancel(ctx)
	if fault.Has(err, fault.CelonisRateLimited) {
		err = errors.Join(err, ticket.Refused(after, fault.From(err).ResumeAt))
	}
	if ended := ticket.End(after); ended != nil {
		// The count of the day holds one request too many; the answer stands.
		g.app.log.WarnContext(ctx, "the requests of a question could not be given back", "error", ended)
	}
	if err != nil {
		return connections.ChatAnswer{}, err
	}
	return connections.ChatAnswer{ConversationID: r.ConversationID, Text: r.Text, Structured: r.Structured}, nil
}
