package endpoint

import (
	"context"
	"net/http"
	"net/url"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsink"
	"github.com/celonis-connector/connector/internal/httpsource"
)

// DeliveryKeys opens what the deliveries of a flow are signed with, for one attempt (I4).
type DeliveryKeys interface {
	DeliveryKeys(ctx context.Context, f *flows.Flow) ([]flows.DeliveryKey, error)
}

var _ DeliveryKeys = (*flows.DeliveryKeys)(nil)

// toHook makes the sink of an import of type webhook; r is nil for a look at a
// flow, which needs no secret.
func (b *Builder) toHook(ctx context.Context, f *flows.Flow, r *flows.Run) (engine.Sink, error) {
	u, err := url.Parse(f.Import.Webhook.URL)
	if err != nil || u.Host == "" {
		return nil, fault.New(fault.FlowInvalid, "the import's URL is no URL")
	}
	h := &hook{spec: f.Import, url: u}
	redact := httpsource.NewRedactor(&connections.OutsideTarget{})
	if r != nil && !r.Options.DryRun {
		if h.keys, err = b.DeliveryKeys.DeliveryKeys(ctx, f); err != nil {
			return nil, err
		}
		for _, key := range h.keys {
			redact.Learn(key.Secret.Reveal())
		}
	}
	h.sign = func(header http.Header, body []byte) {
		header.Set(f.Import.Webhook.Header, f.Import.Webhook.SignDelivery(h.keys, b.Now(), body))
	}
	sender := httpsink.New(httpsink.Config{HTTP: b.Logins.Anonymous(), Redact: redact, Log: b.Log, Now: b.Now})
	return &rowSink{spec: f.Import, fixed: fixedLengths(f.Mapping), to: h, sender: sender, file: b.answersOf(f, r), now: b.Now}, nil
}

// hook is a URL that takes signed rows.
type hook struct {
	spec flows.Import
	url  *url.URL
	keys []flows.DeliveryKey
	sign func(header http.Header, body []byte)
}

// restarts implements addressee: under another id a receiver cannot tell what it has.
func (h *hook) restarts() bool { return false }

// call implements addressee. Each try is signed anew, since receivers refuse what was signed long ago.
func (h *hook) call(_ rowRange, id string) (httpsink.Call, error) {
	c := httpsink.Call{Method: http.MethodPost, URL: h.url, Header: bodyHeader(mediaJSON)}
	c.Header.Set("User-Agent", "celonis-connector")
	for _, header := range h.spec.Webhook.Headers {
		c.Header.Set(header.Name, header.Value)
	}
	c.Header.Set(flows.DeliveryIDHeader, id)
	c.Dress = h.sign
	return c, nil
}
