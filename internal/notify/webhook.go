// Package notify delivers notices of changes of state: as signed requests, and
// as plain e-mail.
package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// SignatureHeader carries t=<Unix seconds>,v1=<hex of HMAC-SHA256 over "t.body">.
	SignatureHeader = "Webhook-Signature"
	// IDHeader carries the notice's id, the same in each attempt.
	IDHeader = "Webhook-Id"
	// exchangeTime bounds one attempt.
	exchangeTime = 20 * time.Second
	// answerBytes bounds what is read of an answer.
	answerBytes = 64 << 10
)

// Sender delivers notices; every member but Mailer is needed.
type Sender struct {
	// Transport goes out by the egress policy.
	Transport http.RoundTripper
	Sealer    flows.NotificationSealer
	// Uses puts on record that a secret is opened; nil records nothing.
	Uses *audit.Uses
	// Mailer is nil where no e-mail can be sent.
	Mailer *Mailer
	// PublicURL is where callers reach the service, "" where that is not known.
	PublicURL string
	Now       func() time.Time
}

var _ flows.NoticeSender = (*Sender)(nil)

// SendNotice implements flows.NoticeSender. Faults: NotificationRefused,
// NotificationMail, SecretUnsealed and those of the egress.
func (s *Sender) SendNotice(ctx context.Context, n *flows.Notification, notice flows.Notice) error {
	if path := notice.Path(); s.PublicURL != "" && path != "" {
		notice.Link = s.PublicURL + path
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	if n.Type == flows.ByEmail {
		if s.Mailer == nil {
			return fault.New(fault.NotificationMail, "the service sends no e-mail").WithHint("the operator sets CONNECTOR_SMTP_URL and CONNECTOR_SMTP_FROM")
		}
		return s.Mailer.Send(ctx, n.To, Compose(notice))
	}
	return s.post(ctx, n, notice)
}

// post signs and sends a request. The plaintext of the secret lives in this call only (I4).
func (s *Sender) post(ctx context.Context, n *flows.Notification, notice flows.Notice) error {
	body, err := json.Marshal(notice)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the notice has no JSON form")
	}
	used := audit.Event{Workspace: n.Workspace, Kind: audit.Notification, ObjectID: n.ID, Name: n.Name}
	if err := s.Uses.Used(audit.For(ctx, audit.ForNotice), used); err != nil {
		return err
	}
	secret, err := n.OpenSecret(s.Sealer)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.NotificationRefused, "the URL cannot be called")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "celonis-connector")
	req.Header.Set(IDHeader, notice.ID)
	req.Header.Set(SignatureHeader, Sign(secret, s.Now(), body))
	client := http.Client{Transport: s.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return unreached(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, answerBytes)) // so that the connection can be used again
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return fault.New(fault.NotificationRefused, "the receiver answered %d: redirects are not followed", res.StatusCode)
	}
	return fault.New(fault.NotificationRefused, "the receiver answered %d", res.StatusCode)
}

// unreached gives the fault of a request without an answer. The error of
// net/http quotes the URL, which may hold a token, so it goes no further.
func unreached(err error) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.EgressTimeout, "the receiver took too long")
	}
	return fault.New(fault.EgressUnreachable, "the receiver gave no answer")
}

// Sign gives the value of SignatureHeader.
func Sign(secret crypto.Secret, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
