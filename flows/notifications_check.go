package flows

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// check gives a draft as it would be stored, or the fault RequestInvalid with
// every fault of it. current is what is stored, nil for a new notification.
func (s *NotificationService) check(ctx context.Context, workspace string, d NotificationDraft, current *Notification) (NotificationDraft, error) {
	found := s.valid.Struct(d)
	said := func(pointer string) bool {
		return slices.ContainsFunc(found, func(f fault.Field) bool { return f.Pointer == pointer })
	}
	add := func(pointer string, code fault.Code, detail string) {
		if !said(pointer) {
			found = append(found, fault.Field{Pointer: pointer, Code: code, Detail: detail})
		}
	}
	if d.Enabled == nil {
		yes := true
		d.Enabled = &yes
	}
	d.Name, d.URL = strings.TrimSpace(d.Name), strings.TrimSpace(d.URL)
	if d.Name == "" {
		add("/name", fault.RequestFieldMissing, "must be given")
	}
	switch d.Type {
	case ByWebhook:
		s.checkWebhook(&d, current, add)
	case ByEmail:
		s.checkEmail(&d, add)
	}
	for i, id := range d.FlowIDs {
		_, err := s.Flows.Flow(ctx, workspace, id)
		switch {
		case fault.Has(err, fault.FlowNotFound):
			if current == nil || !slices.Contains(current.FlowIDs, id) { // one that is gone since may stay
				add("/flowIds/"+strconv.Itoa(i), fault.FlowNotFound, fault.From(err).Message)
			}
		case err != nil:
			return d, err
		}
	}
	if len(found) > 0 {
		return d, fault.New(fault.RequestInvalid, "the notification has %d faults", len(found)).WithFields(found...)
	}
	return d, nil
}

// adding tells of a fault.
type adding func(pointer string, code fault.Code, detail string)

func (s *NotificationService) checkWebhook(d *NotificationDraft, current *Notification, add adding) {
	if d.URL == "" {
		add("/url", fault.RequestFieldMissing, "must be given for the type \"webhook\"")
	} else if err := s.AllowURL(d.URL); err != nil {
		add("/url", fault.CodeOf(err), fault.From(err).Message)
	}
	if len(d.To) > 0 {
		add("/to", fault.RequestFieldInvalid, "must not be given for the type \"webhook\"")
	}
	if d.Secret.IsZero() {
		if current == nil || current.Secret == nil {
			add("/secret", fault.RequestFieldMissing, "must be given for the type \"webhook\"")
		}
		return
	}
	if code, why := wrongNotificationSecret(d.Secret); why != "" {
		add("/secret", code, why)
	}
}

// wrongNotificationSecret says why a secret cannot sign; "" when it can. It quotes nothing of it.
func wrongNotificationSecret(secret crypto.Secret) (fault.Code, string) {
	if _, isRef := secret.Ref(); isRef {
		return fault.SecretRefRefused, "a reference is not taken here"
	}
	text := secret.Reveal()
	switch {
	case strings.Contains(text, "***") || strings.ContainsAny(text, "\u2022\u25cf"):
		return fault.SecretMask, "the value is a mask, not a secret"
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fault.SecretInvalid, "must hold only printable ASCII, without blanks"
	case len(text) < minNotificationSecret || len(text) > maxNotificationSecret:
		return fault.SecretInvalid, fmt.Sprintf("must have %d to %d characters", minNotificationSecret, maxNotificationSecret)
	}
	return "", ""
}

func (s *NotificationService) checkEmail(d *NotificationDraft, add adding) {
	if !s.Email {
		add("/type", fault.RequestFieldInvalid, "the service sends no e-mail: the operator has not set CONNECTOR_SMTP_URL")
	}
	if d.URL != "" {
		add("/url", fault.RequestFieldInvalid, "must not be given for the type \"email\"")
	}
	if !d.Secret.IsZero() {
		add("/secret", fault.RequestFieldInvalid, "must not be given for the type \"email\"")
	}
	if len(d.To) == 0 {
		add("/to", fault.RequestFieldMissing, "must be given for the type \"email\"")
	}
	d.To = slices.Clone(d.To)
	for i, text := range d.To {
		address, err := PlainAddress(text)
		if err != nil {
			add("/to/"+strconv.Itoa(i), fault.RequestFieldInvalid, "must be an e-mail address, such as ops@example.com")
			continue
		}
		d.To[i] = address
	}
}

// PlainAddress gives the bare address of an e-mail address with or without a
// name: one that is fit for a header and for SMTP as it is. Fault RequestFieldInvalid.
func PlainAddress(text string) (string, error) {
	a, err := mail.ParseAddress(strings.TrimSpace(text))
	if err != nil || strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>",;:\()[]`, r) }) {
		return "", fault.New(fault.RequestFieldInvalid, "%q is no e-mail address", text)
	}
	return a.Address, nil
}
