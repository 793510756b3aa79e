package celonis

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

const subscriptionsPath = "/intelligence/api/subscriptions"

// skipErrors is the one configuration of a subscription (Event Subscription API).
const skipErrors = "SKIP_ERRORS"

// EventSubscription is a subscription to a trigger as Celonis lists it.
type EventSubscription struct {
	ID   string `json:"id"`
	Name text   `json:"name"`
	// Status is active, failed, suspended, paused or rejected.
	Status           text `json:"status"`
	KnowledgeModelID text `json:"knowledgeModelId"`
	TriggerID        text `json:"triggerId"`
	CallbackInfo     struct {
		URI text `json:"uri"`
	} `json:"callbackInfo"`
	// LastSuccessEventOffset is a number, or null before the first event was delivered.
	LastSuccessEventOffset text `json:"lastSuccessEventOffset"`
}

// LastSuccess gives the offset of the last event that was delivered, -1 where Celonis tells none.
func (s EventSubscription) LastSuccess() int64 {
	n, err := strconv.ParseInt(string(s.LastSuccessEventOffset), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// SubscriptionDraft is what a subscription is made of.
type SubscriptionDraft struct {
	// Name has 1 to 1,024 characters.
	Name string
	// URI is where events are delivered, at most 1,024 characters; Authorization is the header that is sent along.
	URI, Authorization crypto.Secret
	SkipErrors         bool
}

// MarshalJSON writes a SubscriptionRequest of the Event Subscription API.
func (d SubscriptionDraft) MarshalJSON() ([]byte, error) {
	type callback struct {
		URI      string            `json:"uri"`
		Protocol string            `json:"protocol"`
		Headers  map[string]string `json:"headers"`
	}
	body := struct {
		Name           string   `json:"name"`
		CallbackInfo   callback `json:"callbackInfo"`
		Configurations []string `json:"configurations"`
	}{
		d.Name, callback{d.URI.Reveal(), "HTTPS", map[string]string{"Authorization": d.Authorization.Reveal()}}, []string{},
	}
	if d.SkipErrors {
		body.Configurations = append(body.Configurations, skipErrors)
	}
	return json.Marshal(body)
}

// EventSubscriptions lists every subscription that the key may see. Faults:
// CelonisAPIDisabled, CelonisForbidden, CelonisScopeMissing.
func (c *Client) EventSubscriptions(ctx context.Context) ([]EventSubscription, error) {
	list, err := readList(ctx, c, "list the subscriptions to events", subscriptionsPath, func(s EventSubscription) string { return s.ID })
	return list, c.subscriptionFault(err, "")
}

// Subscribe makes a subscription to a trigger and gives its id. It is not made
// twice by a lost answer: the call is not repeated. Faults: SubscriptionTrigger,
// SubscriptionTriggerFailed, SubscriptionCallback, SubscriptionCallbackURL, SubscriptionHeaders.
func (c *Client) Subscribe(ctx context.Context, model, trigger string, d SubscriptionDraft) (id string, err error) {
	path, err := partPath(model, "/triggers/")
	if err != nil {
		return "", err
	}
	part, err := segment(trigger)
	if err != nil {
		return "", err
	}
	c.hide(d)
	var answer json.RawMessage
	err = c.do(ctx, call{
		op: operation{areaIntelligence, "subscribe to the trigger"}, method: http.MethodPost, path: path + part + "/subscriptions", json: d, out: &answer,
	})
	if err != nil {
		return "", c.subscriptionFault(modelFault(err, model, ""), trigger)
	}
	if id = idOf(answer); id == "" {
		return "", fault.New(fault.CelonisAnswer, "the answer to the request to subscribe to the trigger has no id")
	}
	return id, nil
}

// idOf reads {"id": "..."}, or a bare string as older generations answer.
func idOf(answer json.RawMessage) string {
	var object struct {
		ID text `json:"id"`
	}
	var bare text
	if json.Unmarshal(answer, &object) == nil && object.ID != "" {
		return string(object.ID)
	}
	if json.Unmarshal(answer, &bare) == nil {
		return strings.TrimSpace(string(bare))
	}
	return ""
}

// ChangeSubscription gives a subscription another name, address, header or
// configuration. Faults: SubscriptionNotFound and those of Subscribe.
func (c *Client) ChangeSubscription(ctx context.Context, id string, d SubscriptionDraft) error {
	c.hide(d)
	return c.onSubscription(ctx, call{op: operation{areaIntelligence, "change the subscription"}, method: http.MethodPut, json: d}, id, "")
}

// Unsubscribe deletes a subscription; one that is gone is no fault.
func (c *Client) Unsubscribe(ctx context.Context, id string) error {
	err := c.onSubscription(ctx, call{op: operation{areaIntelligence, "delete the subscription"}, method: http.MethodDelete}, id, "")
	if fault.Has(err, fault.SubscriptionNotFound) {
		return nil
	}
	return err
}

// PauseSubscription keeps events back until ResumeSubscription; fault SubscriptionNotFound.
func (c *Client) PauseSubscription(ctx context.Context, id string) error {
	return c.onSubscription(ctx, call{op: operation{areaIntelligence, "pause the subscription"}, method: http.MethodPatch}, id, "/pause")
}

// ResumeSubscription goes on where a subscription stopped; fault SubscriptionNotFound.
func (c *Client) ResumeSubscription(ctx context.Context, id string) error {
	return c.onSubscription(ctx, call{op: operation{areaIntelligence, "resume the subscription"}, method: http.MethodPatch}, id, "/resume")
}

// ResumeFromLatest goes on with the latest event and leaves out what could not
// be delivered; fault SubscriptionNotFound.
func (c *Client) ResumeFromLatest(ctx context.Context, id string) error {
	return c.onSubscription(ctx, call{op: operation{areaIntelligence, "resume the subscription"}, method: http.MethodPatch}, id, "/resume-from-latest")
}

// Replay lets the events from an offset on be delivered again; fault SubscriptionNotFound.
func (c *Client) Replay(ctx context.Context, id string, fromOffset int64) error {
	return c.onSubscription(ctx, call{
		op: operation{areaIntelligence, "replay the subscription"}, method: http.MethodPatch,
		query: url.Values{"fromOffset": {strconv.FormatInt(fromOffset, 10)}},
	}, id, "/replay")
}

// UndeliveredEvents reads again the events that could not be delivered, at most
// 50 of them, as Celonis writes them; fault SubscriptionNotFound.
func (c *Client) UndeliveredEvents(ctx context.Context, id string) (json.RawMessage, error) {
	var answer json.RawMessage
	err := c.onSubscription(ctx, call{op: operation{areaIntelligence, "read the events that were not delivered"}, method: http.MethodPatch, out: &answer}, id, "/events")
	return bytes.TrimSpace(answer), err
}

// onSubscription makes a call that does no more when it is repeated.
func (c *Client) onSubscription(ctx context.Context, k call, id, rest string) error {
	part, err := segment(id)
	if err != nil {
		return err
	}
	k.path, k.repeatable = subscriptionsPath+"/"+part+rest, true
	return c.subscriptionFault(c.do(ctx, k), "")
}

// hide keeps the secrets of an address out of what is told of Celonis's answers.
func (c *Client) hide(d SubscriptionDraft) {
	for _, secret := range []crypto.Secret{d.URI, d.Authorization} {
		text := secret.Reveal()
		if text = text[strings.LastIndexAny(text, "/ ")+1:]; text != "" {
			c.redact.also(newRedactor(crypto.NewSecret(text)))
		}
	}
}

// subscriptionFault gives Celonis's error codes of subscriptions a code and a hint of ours.
func (c *Client) subscriptionFault(err error, trigger string) error {
	var status *statusError
	if !errors.As(err, &status) {
		return err
	}
	e := fault.From(err)
	known := map[string]struct {
		code       fault.Code
		what, hint string
	}{
		"SUBSCRIPTION_TRIGGER_NOTFOUND": {fault.SubscriptionTrigger, "celonis knows no trigger " + strconv.Quote(trigger) + " in the knowledge model",
			"pick the trigger anew: it may have been renamed in Celonis Studio, and the model must be published"},
		"SUBSCRIPTION_TRIGGER_FAILED": {fault.SubscriptionTriggerFailed, "celonis cannot watch the trigger",
			"look at the trigger in Celonis Studio: its filter or its record may be broken"},
		"SUBSCRIPTION_CALLBACK_FAILED": {fault.SubscriptionCallback, "celonis does not reach the address that it shall deliver events to",
			"CONNECTOR_PUBLIC_URL must lead to this service from the internet, over HTTPS with a certificate that is publicly trusted"},
		"SUBSCRIPTION_URI_ILLEGAL": {fault.SubscriptionCallbackURL, "celonis refused the address that it shall deliver events to",
			"CONNECTOR_PUBLIC_URL must be an address of the form https://host"},
		"SUBSCRIPTION_EMPTY_HEADER": {fault.SubscriptionHeaders, "celonis refused the headers that it shall send along", ""},
		"SUBSCRIPTION_SUBSCRIPTION_NOTFOUND": {fault.SubscriptionNotFound, "celonis knows no such subscription, or the key may not see it",
			"it may have been deleted in Celonis; it is made anew"},
	}
	if k, ok := known[status.code]; ok {
		return fault.Wrap(err, k.code, "%s", k.what).WithHint("%s", cmp.Or(k.hint, e.Hint))
	}
	if e.Code == fault.CelonisNotFound && strings.HasPrefix(status.path, subscriptionsPath+"/") {
		return fault.Wrap(err, fault.SubscriptionNotFound, "celonis knows no such subscription, or the key may not see it")
	}
	return c.scoped(err, connections.SubscribeToEvents)
}
