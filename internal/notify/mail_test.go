package notify_test

import (
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/notify"
	"github.com/stretchr/testify/require"
)

const markedPassword = "canary-smtp+password=="

func mailerTo(t *testing.T, s *mailServer, scheme, suffix string) *notify.Mailer {
	t.Helper()
	server, err := notify.ParseServer(crypto.NewSecret(scheme + "://user:" + markedPassword + "@" + s.address + suffix))
	require.NoError(t, err)
	m, err := notify.NewMailer(server, "Connector <connector@example.com>", (&net.Dialer{}).DialContext)
	require.NoError(t, err)
	m.RootCAs = s.roots
	return m
}

func aNotice() flows.Notice {
	return flows.Notice{
		ID: "0199f3a0-0001-7b54-9a3e-2f6c1d0b8e11", Event: flows.RunFailed, At: time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC), Workspace: "default",
		Flow:  &flows.NamedThing{ID: "f1", Name: "Genehmigungen f\u00fcr\r\nBcc: thief@example.com"},
		Run:   &flows.NoticeRun{ID: "r1", Trigger: flows.Manual, State: flows.Failed},
		Error: flows.NoticeErrorOf(fault.CelonisForbidden, "give the key the permission"), Link: "https://c.example.com/v1/runs/r1",
	}
}

func TestMailGoesOutOverTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		scheme string
		server func(*mailServer)
	}{
		"STARTTLS": {"smtp", func(s *mailServer) { s.offersTLS = true }},
		"TLS":      {"smtps", func(s *mailServer) { s.secure = true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newMailServer(t, c.server)
			require.NoError(t, mailerTo(t, s, c.scheme, "").Send(t.Context(), []string{"ops@example.com", "b@example.com"}, notify.Compose(aNotice())))
			s.mu.Lock()
			defer s.mu.Unlock()
			require.Equal(t, []bool{true}, s.plainTLS)
			require.Equal(t, []string{"\x00user\x00" + markedPassword}, s.logins)
			require.Contains(t, s.from, "MAIL FROM:<connector@example.com>")
			require.Equal(t, []string{"RCPT TO:<ops@example.com>", "RCPT TO:<b@example.com>"}, s.to)
			m := s.mails[0]
			require.Equal(t, "<connector@example.com>", m.Header.Get("From"))
			require.Equal(t, "<ops@example.com>, <b@example.com>", m.Header.Get("To"))
			require.Empty(t, m.Header.Get("Bcc"), "a flow's name begins no header")
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			require.NoError(t, err)
			require.Contains(t, subject, "Genehmigungen f\u00fcr")
			require.NotContains(t, m.Header.Get("Subject"), "\u00fc")
			body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			require.NoError(t, err)
			for _, want := range []string{"r1", "celonis.forbidden", "give the key the permission", "https://c.example.com/v1/runs/r1"} {
				require.Contains(t, string(body), want)
			}
			for line := range strings.Lines(string(body)) {
				require.False(t, strings.HasPrefix(line, "Bcc:"))
			}
			require.NotContains(t, s.raw[0], markedPassword)
		})
	}
}

func TestMailWithoutTLSOnlyWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, func(*mailServer) {})
	require.NoError(t, mailerTo(t, s, "smtp", "").Send(t.Context(), []string{"a@example.com"}, notify.Message{}), "loopback needs none")

	_, port, err := net.SplitHostPort(s.address)
	require.NoError(t, err)
	for suffix, allowed := range map[string]bool{"": false, "?tls=optional": true} {
		server, err := notify.ParseServer(crypto.NewSecret("smtp://mail.example.com:" + port + suffix))
		require.NoError(t, err)
		m, err := notify.NewMailer(server, "connector@example.com", dialTo(s.address))
		require.NoError(t, err)
		err = m.Send(t.Context(), []string{"a@example.com"}, notify.Message{})
		require.Equal(t, allowed, err == nil, "%v", err)
		if !allowed {
			require.True(t, fault.Has(err, fault.EgressTLS))
		}
	}
}

func TestAStrangersCertificateIsRefused(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, func(s *mailServer) { s.offersTLS = true })
	m := mailerTo(t, s, "smtp", "")
	m.RootCAs = nil
	require.True(t, fault.Has(m.Send(t.Context(), []string{"a@example.com"}, notify.Message{}), fault.EgressTLS))
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(t, s.logins, "the password stays here")
}

func TestARefusalQuotesNothing(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"AUTH", "MAIL", "RCPT", "DATA"} {
		s := newMailServer(t, func(s *mailServer) { s.refuse = command })
		err := mailerTo(t, s, "smtp", "").Send(t.Context(), []string{"a@example.com"}, notify.Message{})
		require.True(t, fault.Has(err, fault.NotificationMail), "%s: %v", command, err)
		require.Contains(t, err.Error(), "550")
		require.NotContains(t, err.Error(), "refused: "+command)
	}
}

func TestServersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "mail.example.com", "http://mail.example.com", "smtp://", "smtp://h/path", "smtp://user:" + markedPassword + "@h?x=1", "smtp://%zz:" + markedPassword + "@h"} {
		_, err := notify.ParseServer(crypto.NewSecret(address))
		require.ErrorContains(t, err, "CONNECTOR_SMTP_URL", address)
		require.NotContains(t, err.Error(), markedPassword)
	}
	s, err := notify.ParseServer(crypto.NewSecret("smtps://mail.example.com"))
	require.NoError(t, err)
	require.Equal(t, "465", s.Port)
	_, err = notify.NewMailer(s, "no address", nil)
	require.ErrorContains(t, err, "CONNECTOR_SMTP_FROM")
}
