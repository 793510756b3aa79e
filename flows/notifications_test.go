package flows_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// shelf keeps notifications in memory, and knows one flow.
type shelf struct {
	flows.FlowStore
	rows map[string]flows.Notification
	sent []flows.Notice
	fail error
}

func (s *shelf) Flow(_ context.Context, _, id string) (*flows.Flow, error) {
	if id != "flow" {
		return nil, fault.New(fault.FlowNotFound, "there is no flow %q", id)
	}
	return &flows.Flow{ID: id}, nil
}

func (s *shelf) CreateNotification(_ context.Context, n *flows.Notification) error {
	s.rows[n.ID] = *n
	return nil
}

func (s *shelf) Notification(_ context.Context, _, id string) (*flows.Notification, error) {
	n, ok := s.rows[id]
	if !ok {
		return nil, fault.New(fault.NotificationNotFound, "there is no notification %q", id)
	}
	return &n, nil
}

func (s *shelf) Notifications(context.Context, string, flows.Page) ([]flows.Notification, error) {
	return nil, nil
}

func (s *shelf) UpdateNotification(_ context.Context, n *flows.Notification) error {
	s.rows[n.ID] = *n
	return nil
}

func (s *shelf) DeleteNotification(context.Context, string, string, int64) error { return nil }
func (s *shelf) NoteNotificationTest(context.Context, *flows.Notification) error { return nil }

func (s *shelf) SendNotice(_ context.Context, _ *flows.Notification, n flows.Notice) error {
	s.sent = append(s.sent, n)
	return s.fail
}

func notificationService(t testing.TB) (*flows.NotificationService, *shelf, *crypto.Keyring) {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	ring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	s := &shelf{rows: map[string]flows.Notification{}}
	return flows.NewNotificationService(flows.NotificationDeps{
		Notifications: s, Flows: s, Sealer: ring, Sender: s, Email: true, NewID: func() string { return "n" },
		Now: func() time.Time { return time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC) },
		AllowURL: func(text string) error {
			if text != "https://ops.example.com/hook" {
				return fault.New(fault.ConnectionDomain, "the host may not be reached")
			}
			return nil
		},
	}), s, ring
}

// TestNotificationFormAgreesWithTheChecks: what a generic validator says of a body, the API says too.
func TestNotificationFormAgreesWithTheChecks(t *testing.T) {
	t.Parallel()
	require.NoError(t, flows.NotificationForm().Check())
	schema := compiled(t, flows.NotificationForm())
	hook := object{"name": "N", "type": "webhook", "events": []string{"runFailed"}, "url": "https://ops.example.com/hook", "secret": "0123456789abcdef"}
	mail := object{"name": "N", "type": "email", "events": []string{"runFailed"}, "to": []string{"ops@example.com"}}
	for _, c := range []struct {
		name    string
		body    object
		pointer string
	}{
		{"webhook", hook, ""},
		{"webhook of flows", with(hook, object{"flowIds": []string{"flow"}, "enabled": false}), ""},
		{"email", mail, ""},
		{"no name", with(hook, object{"name": nil}), "/name"},
		{"blank name", with(hook, object{"name": " "}), "/name"},
		{"no type", with(hook, object{"type": nil}), "/type"},
		{"another type", with(hook, object{"type": "pigeon"}), "/type"},
		{"no events", with(hook, object{"events": []string{}}), "/events"},
		{"unknown event", with(hook, object{"events": []string{"x"}}), "/events/0"},
		{"an event twice", with(hook, object{"events": []string{"runFailed", "runFailed"}}), "/events"},
		{"no url", with(hook, object{"url": nil}), "/url"},
		{"no secret", with(hook, object{"secret": nil}), "/secret"},
		{"short secret", with(hook, object{"secret": "short"}), "/secret"},
		{"blank in the secret", with(hook, object{"secret": "0123456789 abcdef"}), "/secret"},
		{"masked secret", with(hook, object{"secret": "****************"}), "/secret"},
		{"webhook with receivers", with(hook, object{"to": []string{"a@example.com"}}), "/to"},
		{"no receivers", with(mail, object{"to": nil}), "/to"},
		{"email with a url", with(mail, object{"url": "https://ops.example.com/hook"}), "/url"},
		{"email with a secret", with(mail, object{"secret": "0123456789abcdef"}), "/secret"},
	} {
		text, err := json.Marshal(c.body)
		require.NoError(t, err)
		var d flows.NotificationDraft
		require.NoError(t, json.Unmarshal(text, &d))
		s, _, _ := notificationService(t)
		_, err = s.Create(t.Context(), "w", d)
		valid := schema.Validate(decoded(t, text))
		if c.pointer == "" {
			require.NoError(t, err, c.name)
			require.NoError(t, valid, c.name)
			continue
		}
		require.True(t, fault.Has(err, fault.RequestInvalid), "%s: %v", c.name, err)
		require.Equal(t, c.pointer, fault.From(err).Fields[0].Pointer, c.name)
		require.Error(t, valid, c.name)
	}
}

func decoded(t testing.TB, text []byte) (v any) {
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

func TestWhatTheServiceKnowsOfANotification(t *testing.T) {
	t.Parallel()
	s, store, ring := notificationService(t)
	draft := func(change func(*flows.NotificationDraft)) flows.NotificationDraft {
		d := flows.NotificationDraft{Name: "N", Type: flows.ByWebhook, Events: []flows.NotificationEvent{flows.RunFailed},
			URL: "https://ops.example.com/hook", Secret: crypto.NewSecret("0123456789abcdef")}
		change(&d)
		return d
	}
	for pointer, d := range map[string]flows.NotificationDraft{
		"/url":       draft(func(d *flows.NotificationDraft) { d.URL = "https://169.254.169.254/" }),
		"/flowIds/0": draft(func(d *flows.NotificationDraft) { d.FlowIDs = []string{"nobody's"} }),
		"/secret":    draft(func(d *flows.NotificationDraft) { d.Secret = crypto.NewRef("env:X") }),
	} {
		_, err := s.Create(t.Context(), "w", d)
		require.True(t, fault.Has(err, fault.RequestInvalid), "%s: %v", pointer, err)
		require.Equal(t, pointer, fault.From(err).Fields[0].Pointer)
		require.NotContains(t, err.Error(), "0123456789abcdef")
	}
	n, err := s.Create(t.Context(), "w", draft(func(d *flows.NotificationDraft) { d.FlowIDs = []string{"flow"} }))
	require.NoError(t, err)
	require.True(t, n.Enabled)
	sealed := *n.Secret
	plain, err := n.OpenSecret(ring)
	require.NoError(t, err)
	require.Equal(t, "0123456789abcdef", plain.Reveal())
	elsewhere := *n
	elsewhere.ID = "another"
	_, err = elsewhere.OpenSecret(ring)
	require.True(t, fault.Has(err, fault.SecretUnsealed), "an envelope is bound to its place")

	n, err = s.Update(t.Context(), "w", "n", draft(func(d *flows.NotificationDraft) { d.Secret = crypto.Secret{} }), 1)
	require.NoError(t, err)
	require.Equal(t, sealed, *n.Secret)
	_, err = s.Update(t.Context(), "w", "n", draft(func(*flows.NotificationDraft) {}), 1)
	require.True(t, fault.Has(err, fault.RequestStale))
	n, err = s.Update(t.Context(), "w", "n", flows.NotificationDraft{Name: "N", Type: flows.ByEmail, Events: n.Events, To: []string{"Ops <ops@example.com>"}}, 0)
	require.NoError(t, err)
	require.Nil(t, n.Secret, "an e-mail keeps no secret")
	require.Equal(t, []string{"ops@example.com"}, n.To)

	store.fail = errors.New("with a token in it")
	outcome, err := s.SendSample(t.Context(), "w", "n")
	require.NoError(t, err)
	require.False(t, outcome.OK)
	require.NotContains(t, outcome.Error, "token")
	for range 19 {
		_, err = s.SendSample(t.Context(), "w", "n")
		require.NoError(t, err)
	}
	_, err = s.SendSample(t.Context(), "w", "n")
	require.True(t, fault.Has(err, fault.ConnectionTestLimited), "%v", err)
	require.Len(t, store.sent, 20)
}

func FuzzPlainAddress(f *testing.F) {
	for _, seed := range []string{"ops@example.com", "Ops <ops@example.com>", "a@b\r\nBcc: c@d", "\"a b\"@example.com", "a@[127.0.0.1]", "a,b@c", "<a@b>,<c@d>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, err := flows.PlainAddress(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, address)
		require.Regexp(t, `^[!-~]+@[!-~]+$`, address)
		require.NotRegexp(t, `[<>",;:\s\\]`, address)
	})
}
