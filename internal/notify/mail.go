package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// Dial connects to host:port by the egress policy.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Mailer sends e-mail by one SMTP server.
type Mailer struct {
	host, port string
	// secure speaks TLS from the first byte; plain allows a session without TLS.
	secure, plain  bool
	user, password crypto.Secret
	from           string
	dial           Dial
	// RootCAs are the system's when nil.
	RootCAs *x509.CertPool
}

// Server is the SMTP server that an operator configured.
type Server struct {
	Host, Port     string
	secure, plain  bool
	user, password crypto.Secret
}

const serverHint = "for example smtp://user:password@mail.example.com:587 or smtps://user:password@mail.example.com:465"

// ParseServer reads smtp://user:password@host:port, which must offer STARTTLS
// unless it is on loopback or the address ends with ?tls=optional, or smtps://,
// which speaks TLS from the first byte. Its error holds nothing of the address.
func ParseServer(address crypto.Secret) (Server, error) {
	bad := func(why string) (Server, error) {
		return Server{}, fmt.Errorf("CONNECTOR_SMTP_URL %s; %s", why, serverHint)
	}
	u, err := url.Parse(address.Reveal())
	if err != nil {
		return bad("cannot be read")
	}
	s := Server{Host: u.Hostname(), Port: u.Port(), secure: u.Scheme == "smtps"}
	defaults := map[string]string{"smtp": "587", "smtps": "465"}
	switch {
	case defaults[u.Scheme] == "":
		return bad("has a scheme other than smtp and smtps")
	case s.Host == "" || u.Path != "" && u.Path != "/" || u.Fragment != "":
		return bad("is no scheme, user, host and port alone")
	case u.RawQuery != "" && u.RawQuery != "tls=optional":
		return bad("has a parameter other than tls=optional")
	}
	if s.Port == "" {
		s.Port = defaults[u.Scheme]
	}
	s.plain = u.RawQuery != "" || onLoopback(s.Host)
	if u.User != nil {
		password, _ := u.User.Password()
		s.user, s.password = crypto.NewSecret(u.User.Username()), crypto.NewSecret(password)
	}
	return s, nil
}

func onLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Password is what the service logs in with, for whoever keeps it out of logs.
func (s Server) Password() crypto.Secret { return s.password }

// NewMailer makes a Mailer; from is the sender's address.
func NewMailer(s Server, from string, dial Dial) (*Mailer, error) {
	address, err := flows.PlainAddress(from)
	if err != nil {
		return nil, errors.New("CONNECTOR_SMTP_FROM is no e-mail address")
	}
	return &Mailer{host: s.Host, port: s.Port, secure: s.secure, plain: s.plain, user: s.user, password: s.password, from: address, dial: dial}, nil
}

// Send hands a message over to the server for every receiver. Faults:
// NotificationMail and those of the egress.
func (m *Mailer) Send(ctx context.Context, to []string, msg Message) error {
	conn, err := m.dial(ctx, "tcp", net.JoinHostPort(m.host, m.port))
	if err != nil {
		return unreached(err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return refusal("hello", err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	client, err := m.session(ctx, conn)
	if err != nil {
		return err
	}
	defer client.Close()
	text, err := m.compose(to, msg)
	if err != nil {
		return err
	}
	return m.hand(client, to, text)
}

// session greets the server, makes the connection secure and logs in.
func (m *Mailer) session(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	settings := &tls.Config{ServerName: m.host, RootCAs: m.RootCAs, MinVersion: tls.VersionTLS12}
	if m.secure {
		secure := tls.Client(conn, settings)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, fault.Wrap(err, fault.EgressTLS, "TLS with the mail server failed")
		}
		conn = secure
	}
	client, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return nil, refusal("hello", err)
	}
	if offered, _ := client.Extension("STARTTLS"); offered && !m.secure {
		if err := client.StartTLS(settings); err != nil {
			return nil, fault.Wrap(err, fault.EgressTLS, "TLS with the mail server failed")
		}
	} else if !m.secure && !m.plain {
		return nil, fault.New(fault.EgressTLS, "the mail server offers no STARTTLS").
			WithHint("the operator takes an address with smtps://, or allows a session without TLS with ?tls=optional")
	}
	if m.user.IsZero() {
		return client, nil
	}
	if err := client.Auth(login{m}); err != nil {
		return nil, refusal("login", err)
	}
	return client, nil
}

// login is the mechanism PLAIN (RFC 4616). That of net/smtp refuses every
// server without TLS but "localhost"; here the session has decided already.
type login struct{ m *Mailer }

// Start implements smtp.Auth.
func (l login) Start(*smtp.ServerInfo) (string, []byte, error) {
	return "PLAIN", []byte("\x00" + l.m.user.Reveal() + "\x00" + l.m.password.Reveal()), nil
}

// Next implements smtp.Auth.
func (login) Next(_ []byte, more bool) ([]byte, error) {
	if more {
		return nil, errors.New("the server asks for more than PLAIN knows")
	}
	return nil, nil
}

func (m *Mailer) hand(client *smtp.Client, to []string, text []byte) error {
	if err := client.Mail(m.from); err != nil {
		return refusal("sender", err)
	}
	for _, address := range to {
		if err := client.Rcpt(address); err != nil {
			return refusal("receiver", err)
		}
	}
	w, err := client.Data()
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return refusal("message", err)
	}
	_ = client.Quit() // the server has the message
	return nil
}

// refusal tells what the server refused by its code. Its words may quote what was sent, a login for one, and go no further.
func refusal(what string, err error) error {
	var said *textproto.Error
	if errors.As(err, &said) {
		return fault.New(fault.NotificationMail, "the mail server refused the %s with %d", what, said.Code)
	}
	return fault.New(fault.NotificationMail, "the session with the mail server broke at the %s", what)
}

// compose writes the message. Addresses are bare and printable, and the subject
// is encoded, so that nothing that people wrote can begin a header.
func (m *Mailer) compose(to []string, msg Message) ([]byte, error) {
	receivers := make([]string, len(to))
	for i, text := range to {
		address, err := flows.PlainAddress(text)
		if err != nil {
			return nil, err
		}
		receivers[i] = "<" + address + ">"
	}
	_, domain, _ := strings.Cut(m.from, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", "<" + m.from + ">"}, {"To", strings.Join(receivers, ",\r\n ")}, {"Subject", mime.QEncoding.Encode("utf-8", msg.Subject)},
		{"Date", msg.At.UTC().Format(time.RFC1123Z)}, {"Message-ID", "<" + msg.ID + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(strings.ReplaceAll(msg.Body, "\n", "\r\n"))); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the message cannot be written")
	}
	if err := w.Close(); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the message cannot be written")
	}
	return b.Bytes(), nil
}
