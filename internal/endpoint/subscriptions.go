package endpoint

import (
	"context"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/listener"
)

// Subscriptions opens the way to the subscriptions of teams, within their
// budget of requests to the Intelligence API.
type Subscriptions struct {
	*Builder
	// Gate keeps calls from connections that are offline.
	Gate flows.Gate
}

var _ listener.Celonis = Subscriptions{}

// Open implements listener.Celonis. Faults: ConnectionNotFound,
// ConnectionOffline, ConnectionAPIType and those of Targets.
func (s Subscriptions) Open(ctx context.Context, workspace, connectionID string) (listener.Calls, error) {
	if _, err := s.Gate.Pass(ctx, workspace, connectionID); err != nil {
		return nil, err
	}
	target, err := s.Targets.Target(ctx, workspace, connectionID)
	if err != nil {
		return nil, err
	}
	if target.APIType != connections.Intelligence {
		return nil, fault.New(fault.ConnectionAPIType, "the connection of the export is of apiType %q, not %q", target.APIType, connections.Intelligence)
	}
	base, err := url.Parse(target.BaseURL)
	if err != nil {
		return nil, fault.Wrap(err, fault.ConnectionDomain, "the connection's base URL is not a URL")
	}
	ticket := s.Quota.Begin(base.Host, uuid.NewString())
	client, err := celonis.New(celonis.Config{
		Target: target, Transport: &rationed{ticket, s.Transport}, Logger: s.Log, Now: s.Now, Shared: s.Limits, Tokens: s.Tokens,
	})
	if err != nil {
		return nil, err
	}
	return &subscriptionCalls{client: client, ticket: ticket}, nil
}

// subscriptionCalls are the requests of one look.
type subscriptionCalls struct {
	client *celonis.Client
	ticket *budget.Ticket
}

var _ listener.Calls = (*subscriptionCalls)(nil)

// told hands a refusal for the rate on to the team's budget.
func (c *subscriptionCalls) told(ctx context.Context, err error) error {
	if fault.Has(err, fault.CelonisRateLimited) {
		if marked := c.ticket.Refused(ctx, fault.From(err).ResumeAt); marked != nil {
			return marked
		}
	}
	return err
}

// List implements listener.Calls.
func (c *subscriptionCalls) List(ctx context.Context) ([]flows.RemoteSubscription, error) {
	list, err := c.client.EventSubscriptions(ctx)
	if err != nil {
		return nil, c.told(ctx, err)
	}
	out := make([]flows.RemoteSubscription, len(list))
	for i, s := range list {
		out[i] = flows.RemoteSubscription{
			ID: s.ID, Name: string(s.Name), Status: strings.ToLower(string(s.Status)), KnowledgeModelID: string(s.KnowledgeModelID), TriggerID: string(s.TriggerID),
			CallbackURI: string(s.CallbackInfo.URI), LastSuccess: s.LastSuccess(),
		}
	}
	return out, nil
}

func draftOf(d listener.Draft) celonis.SubscriptionDraft {
	return celonis.SubscriptionDraft{Name: d.Name, URI: d.URI, Authorization: d.Authorization, SkipErrors: d.SkipErrors}
}

// Make implements listener.Calls.
func (c *subscriptionCalls) Make(ctx context.Context, plan flows.SubscriptionPlan, d listener.Draft) (string, error) {
	id, err := c.client.Subscribe(ctx, plan.KnowledgeModelID, plan.TriggerID, draftOf(d))
	return id, c.told(ctx, err)
}

// Change implements listener.Calls.
func (c *subscriptionCalls) Change(ctx context.Context, id string, d listener.Draft) error {
	return c.told(ctx, c.client.ChangeSubscription(ctx, id, draftOf(d)))
}

// Delete implements listener.Calls.
func (c *subscriptionCalls) Delete(ctx context.Context, id string) error {
	return c.told(ctx, c.client.Unsubscribe(ctx, id))
}

// Pause implements listener.Calls.
func (c *subscriptionCalls) Pause(ctx context.Context, id string) error {
	return c.told(ctx, c.client.PauseSubscription(ctx, id))
}

// Resume implements listener.Calls.
func (c *subscriptionCalls) Resume(ctx context.Context, id string) error {
	return c.told(ctx, c.client.ResumeSubscription(ctx, id))
}

// ResumeFromLatest implements listener.Calls.
func (c *subscriptionCalls) ResumeFromLatest(ctx context.Context, id string) error {
	return c.told(ctx, c.client.ResumeFromLatest(ctx, id))
}

// Replay implements listener.Calls.
func (c *subscriptionCalls) Replay(ctx context.Context, id string, fromOffset int64) error {
	return c.told(ctx, c.client.Replay(ctx, id, fromOffset))
}

// Undelivered implements listener.Calls.
func (c *subscriptionCalls) Undelivered(ctx context.Context, id string) ([]flows.EventRecord, error) {
	body, err := c.client.UndeliveredEvents(ctx, id)
	if err != nil {
		return nil, c.told(ctx, err)
	}
	events, _, err := flows.ReadEvents(body)
	return events, err
}

// Close implements listener.Calls.
func (c *subscriptionCalls) Close(ctx context.Context) error { return c.ticket.End(ctx) }
