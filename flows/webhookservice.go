package flows

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// SealedWebhook is the kind of row that a webhook's envelopes are bound to, WebhookSecret their field.
	SealedWebhook = "webhook"
	WebhookSecret = "secret"
	// WebhookMemory is how long a delivery is remembered.
	WebhookMemory = 24 * time.Hour
	// MaxWebhookOverlap bounds the time for which an older URL goes on after a rotation.
	MaxWebhookOverlap = 24 * time.Hour
	// hookTokenBytes are the random bytes of a token.
	hookTokenBytes = 32
)

// Sealer encrypts the secrets of webhooks and opens them, each bound to its place. *crypto.Keyring is one.
type Sealer interface {
	Seal(plain crypto.Secret, aad crypto.AAD) (string, error)
	Open(envelope string, aad crypto.AAD) (crypto.Secret, error)
}

var _ Sealer = (*crypto.Keyring)(nil)

// HookChange is what a write brings to a flow's webhook.
type HookChange struct {
	// Token is a new one, for the answer to the write; TokenHash is what is stored of it. Both are empty when the tokens stay.
	Token     crypto.Secret
	TokenHash string
	// Secret is stored in place of the one there is; nil keeps that, unless DropSecret.
	Secret     *connections.SealedSecret
	DropSecret bool
}

// WebhookState is what may be told of a flow's webhook.
type WebhookState struct {
	// SecretAt is when the secret was given; zero without one.
	SecretAt time.Time
	// URLs are those that take deliveries, the newest first.
	URLs []WebhookURL
}

// WebhookURL is what is known of a URL after it was told.
type WebhookURL struct {
	CreatedAt time.Time
	// ExpiresAt is when an older one ends; zero for the newest.
	ExpiresAt time.Time
}

// Webhook is a flow that takes deliveries.
type Webhook struct {
	Flow *Flow
	// Envelope is the sealed secret, "" without one.
	Envelope string
}

// Rotation puts a new token in the place of the one there is.
type Rotation struct {
	TokenHash string
	Now       time.Time
	// OldUntil is when the token before ends; those before that end at once.
	OldUntil time.Time
}

// WebhookStore keeps the tokens and secrets of webhooks, which writes of flows bring in Flow.Hook.
type WebhookStore interface {
	// WebhookByToken finds the flow by the hash of a token that is good at now; fault WebhookNotFound.
	WebhookByToken(ctx context.Context, hash string, now time.Time) (*Webhook, error)
	// WebhookState tells of the tokens that are good at now.
	WebhookState(ctx context.Context, workspace, flowID string, now time.Time) (*WebhookState, error)
	// RotateWebhook stores a token. Faults: FlowNotFound, FlowWebhookExport.
	RotateWebhook(ctx context.Context, workspace, flowID string, r Rotation) error
}

// newHookToken makes a token of 256 random bits and what is stored of it.
func newHookToken() (token crypto.Secret, hash string) {
	raw := make([]byte, hookTokenBytes)
	_, _ = rand.Read(raw) // never fails
	token = crypto.NewSecret(base64.RawURLEncoding.EncodeToString(raw))
	return token, hashHookToken(token)
}

func hashHookToken(token crypto.Secret) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return hex.EncodeToString(sum[:])
}

func (s *Service) hookPlace(f *Flow) crypto.AAD {
	return crypto.AAD{Workspace: f.Workspace, Kind: SealedWebhook, ID: f.ID, Field: WebhookSecret}
}

// setHook takes the secret out of the flow's spec and seals it, and makes a
// token for a flow that had no webhook; was is the flow's spec before, nil for a
// new one. lax takes a webhook that lacks its secret: it refuses every delivery
// until it has one. Fault RequestInvalid.
func (s *Service) setHook(f *Flow, was *Spec, lax bool) error {
	f.Hook = nil
	if f.Export.Type != ExportWebhook {
		return nil
	}
	w := *f.Export.Webhook
	secret := w.Auth.Secret
	w.Auth.Secret = crypto.Secret{}
	f.Export.Webhook = &w

	f.Hook = &HookChange{}
	kept := false
	if was == nil || was.Export.Type != ExportWebhook {
		f.Hook.Token, f.Hook.TokenHash = newHookToken()
	} else {
		kept = was.Export.Webhook.Auth.Type == w.Auth.Type
	}
	switch {
	case !secret.IsZero():
		envelope, err := s.Sealer.Seal(secret, s.hookPlace(f))
		if err != nil {
			return fault.Wrap(err, fault.Internal, "the secret cannot be sealed")
		}
		f.Hook.Secret = &connections.SealedSecret{Envelope: envelope, UpdatedAt: s.Now()}
	case w.Auth.Type == HookOpen:
		f.Hook.DropSecret = true
	case !kept && !lax:
		return fault.New(fault.RequestInvalid, "invalid fields of the flow: 1").
			WithFields(missing(webhookAuthPointer+"/"+WebhookSecret, "must be given for the type "+string(w.Auth.Type)))
	case !kept:
		f.Hook.DropSecret = true
	}
	return nil
}

// WebhookState tells what may be told of a flow's webhook.
func (s *Service) WebhookState(ctx context.Context, workspace, flowID string) (*WebhookState, error) {
	return s.Webhooks.WebhookState(ctx, workspace, flowID, s.Now())
}

// RotateWebhook makes a new URL for the flow; the one before goes on for the
// overlap. The flow comes back with the token in its Hook. Faults:
// FlowNotFound, FlowWebhookExport, RequestInvalid.
func (s *Service) RotateWebhook(ctx context.Context, workspace, flowID string, overlap time.Duration) (*Flow, error) {
	if overlap < 0 || overlap > MaxWebhookOverlap {
		return nil, fault.New(fault.RequestInvalid, "the overlap is not valid").
			WithFields(invalid("/overlapSeconds", "must be at most 86400"))
	}
	f, err := s.Flows.Flow(ctx, workspace, flowID)
	if err != nil {
		return nil, err
	}
	token, hash := newHookToken()
	now := s.Now()
	if err := s.Webhooks.RotateWebhook(ctx, workspace, flowID, Rotation{TokenHash: hash, Now: now, OldUntil: now.Add(overlap)}); err != nil {
		return nil, err
	}
	f.Hook = &HookChange{Token: token, TokenHash: hash}
	return f, nil
}

// Webhook finds the flow that a token belongs to. Every token is hashed and
// looked up alike, whatever it looks like. Fault WebhookNotFound.
func (s *Service) Webhook(ctx context.Context, token crypto.Secret) (*Webhook, error) {
	return s.Webhooks.WebhookByToken(ctx, hashHookToken(token), s.Now())
}

// VerifyDelivery proves the sender of a delivery and says how it is told from
// others; nil when nothing tells. Faults: WebhookUnauthenticated,
// WebhookSignature, WebhookStale, WebhookSecretMissing, WebhookDisabled.
func (s *Service) VerifyDelivery(h *Webhook, d HookDelivery) (*Once, error) {
	w := h.Flow.Export.Webhook
	secret, err := s.openHookSecret(h)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	mark, err := w.Auth.verify(secret, d, now)
	if err != nil {
		return nil, err
	}
	if !h.Flow.Enabled {
		return nil, fault.New(fault.WebhookDisabled, "the flow of this webhook is disabled")
	}
	if mark != "" {
		mark = "signature " + mark
	}
	if w.DeliveryHeader != "" {
		given, err := d.theHeader(w.DeliveryHeader, fault.RequestInvalid)
		if err != nil {
			return nil, err
		}
		mark = "delivery " + given
	}
	if mark == "" {
		return nil, nil
	}
	sum := sha256.Sum256([]byte(mark))
	return &Once{Scope: SealedWebhook + " " + h.Flow.ID, Key: hex.EncodeToString(sum[:]), Expires: now.Add(WebhookMemory)}, nil
}

// openHookSecret opens the secret for one call (I4).
func (s *Service) openHookSecret(h *Webhook) (crypto.Secret, error) {
	if h.Flow.Export.Webhook.Auth.Type == HookOpen {
		return crypto.Secret{}, nil
	}
	if h.Envelope == "" {
		return crypto.Secret{}, fault.New(fault.WebhookSecretMissing, "the secret of this webhook is not set").
			WithHint("give it in export.webhook.auth.secret of the flow")
	}
	secret, err := s.Sealer.Open(h.Envelope, s.hookPlace(h.Flow))
	switch {
	case errors.Is(err, crypto.ErrUnknownKey):
		return crypto.Secret{}, fault.Wrap(err, fault.KeyringUnknown, "the master key that sealed the secret of this webhook is not in the keyring")
	case err != nil:
		return crypto.Secret{}, fault.Wrap(err, fault.SecretUnsealed, "the secret of this webhook cannot be opened")
	}
	return secret, nil
}

// TakeDelivery stores the records of a delivery before it returns; once is what
// VerifyDelivery gave. No records are stored as none: the receipt then names neither batch nor run.
func (s *Service) TakeDelivery(ctx context.Context, h *Webhook, p Post) (*Receipt, error) {
	if p.Records == 0 {
		return &Receipt{}, nil
	}
	return s.takeRecords(ctx, h.Flow, p)
}
