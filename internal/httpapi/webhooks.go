package httpapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

// Webhooks takes what other systems send to the URLs of flows; *flows.Service is one.
type Webhooks interface {
	// Webhook finds the flow of a token; fault WebhookNotFound.
	Webhook(ctx context.Context, token crypto.Secret) (*flows.Webhook, error)
	// VerifyDelivery proves the sender, and says how the delivery is told from others.
	VerifyDelivery(h *flows.Webhook, d flows.HookDelivery) (*flows.Once, error)
	// TakeDelivery stores the records before it returns.
	TakeDelivery(ctx context.Context, h *flows.Webhook, p flows.Post) (*flows.Receipt, error)
	WebhookState(ctx context.Context, workspace, flowID string) (*flows.WebhookState, error)
	RotateWebhook(ctx context.Context, workspace, flowID string, overlap time.Duration) (*flows.Flow, error)
}

var _ Webhooks = (*flows.Service)(nil)

const (
	hooksPrefix = "/hooks/"
	hookPath    = hooksPrefix + "{token}"
	// storeRetry is when a sender should come again after the database was away.
	storeRetry = 10 * time.Second
)

// webhookView is the state of a webhook: that there is a secret, and which URLs take deliveries.
type webhookView struct {
	Secret struct {
		Set       bool       `json:"set"`
		UpdatedAt *time.Time `json:"updatedAt"`
	} `json:"secret"`
	URLs []webhookURLView `json:"urls"`
}

type webhookURLView struct {
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt"`
}

// hookReceiptView answers a delivery. Batch and run are null when it had no records.
type hookReceiptView struct {
	BatchID  *string `json:"batchId"`
	Records  int64   `json:"records"`
	RunID    *string `json:"runId"`
	Repeated bool    `json:"repeated"`
}

// challengeView echoes a challenge.
type challengeView struct {
	Challenge string `json:"challenge"`
}

func hasWebhook(f *flows.Flow) bool { return f.Export.Type == flows.ExportWebhook }

// webhookOf gives the state that a flow's reply shows, nil for a flow without a webhook.
func (a *api) webhookOf(r *call, f *flows.Flow) (*webhookView, error) {
	if !hasWebhook(f) {
		return nil, nil
	}
	state, err := a.Webhooks.WebhookState(r.ctx(), r.who.Workspace, f.ID)
	if err != nil {
		return nil, err
	}
	view := &webhookView{URLs: make([]webhookURLView, len(state.URLs))}
	view.Secret.Set, view.Secret.UpdatedAt = !state.SecretAt.IsZero(), momentOrNull(state.SecretAt)
	for i, u := range state.URLs {
		view.URLs[i] = webhookURLView{moment(u.CreatedAt), momentOrNull(u.ExpiresAt)}
	}
	return view, nil
}

// withURL shows the URL in the one answer that tells it; kept is the answer without it, nil where nothing is told.
func (a *api) withURL(r *call, f *flows.Flow, view flowView) (told flowView, kept any) {
	if f.Hook == nil || f.Hook.Token.IsZero() || view.Export.Webhook == nil {
		return view, nil
	}
	told = view
	w := *view.Export.Webhook
	w.URL = a.base(r.Request) + hooksPrefix + f.Hook.Token.Reveal()
	told.Export.Webhook = &w
	return told, view
}

// rotateBody is what a rotation takes.
type rotateBody struct {
	OverlapSeconds int64 `json:"overlapSeconds" validate:"min=0,max=86400"`
}

func (a *api) rotateWebhook(r *call) (reply, error) {
	id, _, err := a.expectedFlow(r)
	if err != nil {
		return reply{}, err
	}
	sent, err := r.body()
	if err != nil {
		return reply{}, err
	}
	var body rotateBody
	if len(sent) > 0 {
		if body, err = readJSON[rotateBody](a, r, nil); err != nil {
			return reply{}, err
		}
	}
	if body.OverlapSeconds < 0 || body.OverlapSeconds > int64(flows.MaxWebhookOverlap/time.Second) {
		return reply{}, invalid(a.valid.Struct(body))
	}
	return a.flowReply(r)(a.Webhooks.RotateWebhook(r.ctx(), r.who.Workspace, id, time.Duration(body.OverlapSeconds)*time.Second))
}

// takeDelivery answers a delivery. What it stores is in the database before the
// answer begins. The token stands in no log, no answer and no label.
func (a *api) takeDelivery(c *gin.Context) {
	h, err := a.Webhooks.Webhook(c.Request.Context(), crypto.NewSecret(c.Param("token")))
	if err == nil {
		err = a.deliver(c, h)
	}
	if err == nil {
		return
	}
	if fault.Has(err, fault.StoreUnavailable) && fault.From(err).ResumeAt.IsZero() {
		err = fault.From(err).WithResumeAt(a.Now().Add(storeRetry))
	}
	if h != nil && fault.Describe(fault.CodeOf(err)).Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", hookChallenge(h.Flow.Export.Webhook.Auth.Type))
	}
	a.fail(c, err)
}

// hookChallenge names the scheme that a sender must use.
func hookChallenge(t flows.WebhookAuthType) string {
	scheme := map[flows.WebhookAuthType]string{flows.HookBasic: "Basic", flows.HookToken: "Token", flows.HookHMAC: "Signature"}[t]
	return scheme + ` realm="` + realm + `"`
}

// noteHookSecret puts on record that the secret of a webhook is opened.
func (a *api) noteHookSecret(c *gin.Context, h *flows.Webhook) error {
	if h.Envelope == "" {
		return nil
	}
	ctx := audit.As(c.Request.Context(), audit.Actor{ID: audit.System, RequestID: exchangeOf(c).requestID, From: exchangeOf(c).address})
	return a.Uses.Used(audit.For(ctx, audit.ForWebhook),
		audit.Event{Workspace: h.Flow.Workspace, Kind: audit.Flow, ObjectID: h.Flow.ID, Name: h.Flow.Name})
}

func (a *api) deliver(c *gin.Context, h *flows.Webhook) error {
	w := h.Flow.Export.Webhook
	if err := a.takeHook(h.Flow.ID, w.RequestsPerMinute, a.Now()); err != nil {
		return err
	}
	sent, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, w.MaxBody))
	if err != nil {
		return bodyFault(err)
	}
	if err := a.noteHookSecret(c, h); err != nil {
		return err
	}
	once, err := a.Webhooks.VerifyDelivery(h, flows.HookDelivery{Header: c.Request.Header.Values, Body: sent})
	if err != nil {
		return err
	}
	d := delivered{media: c.GetHeader("Content-Type"), coding: c.GetHeader("Content-Encoding"), body: sent, itemsPath: h.Flow.Export.ItemsPath, most: w.MaxBody}
	if err := d.unpack(); err != nil {
		return err
	}
	if w.Challenge {
		if text, is := d.challenge(); is {
			return respond(c, http.StatusOK, challengeView{text})
		}
	}
	ndjson, count, err := d.records()
	if err != nil {
		return err
	}
	receipt, err := a.Webhooks.TakeDelivery(c.Request.Context(), h, flows.Post{NDJSON: ndjson, Records: count, Once: once})
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	if receipt.Repeated || receipt.Records == 0 {
		status = http.StatusOK
	}
	return respond(c, status, hookReceiptView{orNull(receipt.BatchID), receipt.Records, orNull(receipt.RunID), receipt.Repeated})
}

func respond(c *gin.Context, status int, body any) error {
	text, err := encode(body)
	if err != nil {
		return err
	}
	write(c, status, mediaJSON, text)
	return nil
}

// tokenLength is that of a webhook's token in a path.
const tokenLength = 43

// shownPath is a path as it may stand in logs and answers: what follows the
// prefix of webhooks, or looks like the token of one, is left out.
func shownPath(path string) string {
	if at := strings.Index(strings.ToLower(path), hooksPrefix); at >= 0 {
		return shorten(path[:at]) + hookPath
	}
	if len(path) < tokenLength {
		return path
	}
	parts, changed := strings.Split(path, "/"), false
	for i, part := range parts {
		if len(part) >= tokenLength && plausibleID(part[:tokenLength]) {
			parts[i], changed = "{...}", true
		}
	}
	if !changed {
		return shorten(path)
	}
	return shorten(strings.Join(parts, "/"))
}
