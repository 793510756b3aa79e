package notify_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/notify"
	"github.com/stretchr/testify/require"
)

func dialTo(address string) notify.Dial {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

const signingSecret = "canary-signing-secret"

// webhook gives a sender and a notification for a URL.
func webhook(t *testing.T, url string) (*notify.Sender, *flows.Notification) {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	ring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	n := &flows.Notification{ID: "n", Workspace: "w", Name: "N", Type: flows.ByWebhook, Enabled: true, URL: url}
	envelope, err := ring.Seal(crypto.NewSecret(signingSecret), crypto.AAD{Workspace: "w", Kind: flows.SealedNotification, ID: "n", Field: flows.NotificationSecret})
	require.NoError(t, err)
	n.Secret = &flows.SealedText{Envelope: envelope}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &notify.Sender{Transport: transport, Sealer: ring, PublicURL: "https://c.example.com",
		Now: func() time.Time { return time.Unix(1767225600, 0) }}, n
}

func TestAWebhookIsSigned(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	s, n := webhook(t, server.URL+"/hook?token=1")
	require.NoError(t, s.SendNotice(t.Context(), n, aNotice()))
	require.Equal(t, http.MethodPost, got.Method)
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Equal(t, aNotice().ID, got.Header.Get("Webhook-Id"))
	mac := hmac.New(sha256.New, []byte(signingSecret))
	mac.Write([]byte("1767225600." + string(body)))
	require.Equal(t, "t=1767225600,v1="+hex.EncodeToString(mac.Sum(nil)), got.Header.Get("Webhook-Signature"))
	var notice map[string]any
	require.NoError(t, json.Unmarshal(body, &notice))
	require.Equal(t, "runFailed", notice["event"])
	require.Equal(t, "https://c.example.com/v1/runs/r1", notice["link"])
}

func TestWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	var called int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/elsewhere":
			called++
		case "/cut":
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}
	}))
	defer server.Close()
	for path, code := range map[string]fault.Code{"/redirect": fault.NotificationRefused, "/cut": fault.EgressUnreachable, "/500": fault.NotificationRefused} {
		s, n := webhook(t, server.URL+path+"?token=hidden")
		err := s.SendNotice(t.Context(), n, aNotice())
		require.True(t, fault.Has(err, code), "%s: %v", path, err)
		require.NotContains(t, err.Error(), "hidden")
		require.NotContains(t, err.Error(), signingSecret)
	}
	require.Zero(t, called)
	s, n := webhook(t, "")
	n.Type = flows.ByEmail
	require.True(t, fault.Has(s.SendNotice(t.Context(), n, aNotice()), fault.NotificationMail))
}

// outbox keeps one delivery.
type outbox struct {
	mu   sync.Mutex
	due  []flows.NoticeDelivery
	ends []flows.DeliveryEnd
}

func (o *outbox) TakeDeliveries(_ context.Context, _, _ time.Time, limit int) ([]flows.NoticeDelivery, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(limit, len(o.due))
	out := o.due[:n]
	o.due = o.due[n:]
	return out, nil
}

func (o *outbox) EndDelivery(_ context.Context, _ *flows.NoticeDelivery, end flows.DeliveryEnd) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends = append(o.ends, end)
	return nil
}

type sender struct{ err error }

func (s sender) SendNotice(context.Context, *flows.Notification, flows.Notice) error { return s.err }

func TestWhatFollowsAnAttempt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	refused := fault.New(fault.NotificationRefused, "the receiver answered 500")
	for name, c := range map[string]struct {
		err       error
		disabled  bool
		attempts  int
		age       time.Duration
		ok        bool
		low, high time.Duration // of the pause; 0 ends the delivery
		givenUp   bool
	}{
		"taken":             {ok: true, attempts: 1},
		"refused":           {err: refused, attempts: 1, low: 5 * time.Second, high: 15 * time.Second},
		"refused again":     {err: refused, attempts: 4, age: time.Minute, low: 40 * time.Second, high: 2 * time.Minute},
		"refused for hours": {err: refused, attempts: 60, age: 20 * time.Hour, low: 30 * time.Minute, high: 90 * time.Minute},
		"refused for a day": {err: refused, attempts: 60, age: 24 * time.Hour, givenUp: true},
		"not wanted now":    {disabled: true, attempts: 1, err: errors.New("must not be sent")},
	} {
		box := &outbox{due: []flows.NoticeDelivery{{
			Notification: flows.Notification{Enabled: !c.disabled}, Notice: flows.Notice{Event: flows.RunFailed}, Attempts: c.attempts, CreatedAt: now.Add(-c.age),
		}}}
		d := notify.Dispatcher{Store: box, Sender: sender{c.err}, Pace: notify.DefaultPace(), Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
		attempts, err := d.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, attempts)
		end := box.ends[0]
		if c.disabled {
			require.Equal(t, flows.DeliveryEnd{}, end, name)
			continue
		}
		require.Equal(t, c.ok, end.Outcome.OK, name)
		require.Equal(t, c.givenUp, end.Outcome.GivenUp, name)
		if c.high == 0 {
			require.True(t, end.Next.IsZero(), name)
			continue
		}
		require.GreaterOrEqual(t, end.Next.Sub(now), c.low, name)
		require.LessOrEqual(t, end.Next.Sub(now), c.high, name)
	}
}

func TestAStopWritesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	box := &outbox{due: []flows.NoticeDelivery{{Notification: flows.Notification{Enabled: true}}}}
	stopping := stopper{cancel}
	d := notify.Dispatcher{Store: box, Sender: stopping, Pace: notify.DefaultPace(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	_, _ = d.Deliver(ctx)
	require.Empty(t, box.ends, "the lease ends by itself, and the notice goes out again")
}

type stopper struct{ stop func() }

func (s stopper) SendNotice(context.Context, *flows.Notification, flows.Notice) error {
	s.stop()
	return errors.New("cut")
}
