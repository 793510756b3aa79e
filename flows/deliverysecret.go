package flows

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// SealedDelivery is the kind of row that the envelopes of an import's secrets are bound to; their field is the slot.
const SealedDelivery = "delivery"

// DeliverySecret is a secret that the deliveries of an import of type webhook are signed with, sealed.
type DeliverySecret struct {
	// Slot tells a flow's secrets apart.
	Slot     string
	Envelope string
	// CreatedAt is when it was given, ExpiresAt when an older one ends; zero for the newest.
	CreatedAt, ExpiresAt time.Time
}

// DeliveryChange is what a write brings to the secrets of a flow's import.
type DeliveryChange struct {
	// Secret is a new one, beside which the one before goes on until OldUntil; nil keeps those that are there.
	Secret   *DeliverySecret
	OldUntil time.Time
}

// DeliverySecretStore keeps the secrets of imports, which writes of flows bring in Flow.Delivery.
type DeliverySecretStore interface {
	// DeliverySecrets gives those that are good at now, the newest first.
	DeliverySecrets(ctx context.Context, workspace, flowID string, now time.Time) ([]DeliverySecret, error)
}

func deliveryPlace(workspace, flowID, slot string) crypto.AAD {
	return crypto.AAD{Workspace: workspace, Kind: SealedDelivery, ID: flowID, Field: slot}
}

// setDelivery takes the secret out of the flow's spec and seals it; was is the
// flow's spec before, nil for a new one. lax takes an import that lacks its
// secret: it sends nothing until it has one. Fault RequestInvalid.
func (s *Service) setDelivery(f *Flow, was *Spec, lax bool) error {
	f.Delivery = nil
	if f.Import.Type != ImportWebhook {
		return nil
	}
	w := *f.Import.Webhook
	secret := w.Secret
	w.Secret = crypto.Secret{}
	f.Import.Webhook = &w
	if secret.IsZero() {
		if kept := was != nil && was.Import.Type == ImportWebhook; !kept && !lax {
			return fault.New(fault.RequestInvalid, "invalid fields of the flow: 1").
				WithFields(missing("/import/webhook/secret", "must be given: deliveries are signed with it"))
		}
		return nil
	}
	slot, now := s.NewID(), s.Now()
	envelope, err := s.Sealer.Seal(secret, deliveryPlace(f.Workspace, f.ID, slot))
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the secret cannot be sealed")
	}
	f.Delivery = &DeliveryChange{
		Secret:   &DeliverySecret{Slot: slot, Envelope: envelope, CreatedAt: now},
		OldUntil: now.Add(time.Duration(*w.SecretOverlap) * time.Second),
	}
	return nil
}

// DeliveryState tells of the secrets of a flow's import, the newest first, without their envelopes.
func (s *Service) DeliveryState(ctx context.Context, workspace, flowID string) ([]DeliverySecret, error) {
	list, err := s.DeliverySecrets.DeliverySecrets(ctx, workspace, flowID, s.Now())
	for i := range list {
		list[i].Envelope = ""
	}
	return list, err
}

// DeliveryKey is a secret that is open. It lives as long as the attempt of a run (I4).
type DeliveryKey struct {
	Secret    crypto.Secret
	ExpiresAt time.Time
}

// DeliveryKeys opens the secrets of imports.
type DeliveryKeys struct {
	Secrets DeliverySecretStore
	Sealer  Sealer
	// Used puts on record that the secrets of a flow are opened.
	Used func(ctx context.Context, f *Flow) error
	Now  func() time.Time
}

// DeliveryKeys opens what the deliveries of a flow are signed with, the newest
// first. Faults: WebhookSecretMissing, SecretUnsealed, KeyringUnknown.
func (d *DeliveryKeys) DeliveryKeys(ctx context.Context, f *Flow) ([]DeliveryKey, error) {
	list, err := d.Secrets.DeliverySecrets(ctx, f.Workspace, f.ID, d.Now())
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.WebhookSecretMissing, "the import has no secret to sign deliveries with").WithRetry(fault.Never).
			WithHint("give it in import.webhook.secret of the flow")
	}
	if err := d.Used(ctx, f); err != nil {
		return nil, err
	}
	keys := make([]DeliveryKey, len(list))
	for i, sealed := range list {
		secret, err := d.Sealer.Open(sealed.Envelope, deliveryPlace(f.Workspace, f.ID, sealed.Slot))
		switch {
		case errors.Is(err, crypto.ErrUnknownKey):
			return nil, fault.Wrap(err, fault.KeyringUnknown, "the master key that sealed the secret of the import is not in the keyring")
		case err != nil:
			return nil, fault.Wrap(err, fault.SecretUnsealed, "the secret of the import cannot be opened")
		}
		keys[i] = DeliveryKey{Secret: secret, ExpiresAt: sealed.ExpiresAt}
	}
	return keys, nil
}

// SignDelivery gives the value of a delivery's signature header: its time, and
// a signature for each key that is good by then.
func (w *WebhookImport) SignDelivery(keys []DeliveryKey, at time.Time, body []byte) string {
	s := signing{algorithm: w.Algorithm, payload: timestampMark + "." + bodyMark}
	t := strconv.FormatInt(at.Unix(), 10)
	var b strings.Builder
	b.WriteString("t=" + t)
	for _, key := range keys {
		if key.ExpiresAt.IsZero() || key.ExpiresAt.After(at) {
			fmt.Fprintf(&b, ",v1=%s", hex.EncodeToString(s.sum(key.Secret, t, body)))
		}
	}
	return b.String()
}
