package notify_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mailServer is a small SMTP server on loopback that keeps what it is given.
type mailServer struct {
	address string
	roots   *x509.CertPool
	// offersTLS and refuse say how it behaves: refuse answers a command that begins so with a 5xx that quotes everything.
	offersTLS bool
	secure    bool
	refuse    string
	config    *tls.Config

	mu       sync.Mutex
	logins   []string
	from     string
	to       []string
	mails    []*mail.Message
	raw      []string
	plainTLS []bool // whether each mail came over TLS
}

func newMailServer(t *testing.T, change func(*mailServer)) *mailServer {
	t.Helper()
	s := &mailServer{}
	s.config, s.roots = certificate(t)
	change(s)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if s.secure {
					conn = tls.Server(conn, s.config)
				}
				s.serve(conn, s.secure)
			})
		}
	})
	return s
}

func (s *mailServer) serve(conn net.Conn, secure bool) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 test ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		if s.refuse != "" && strings.HasPrefix(strings.ToUpper(line), s.refuse) {
			say("550 refused: %s", line)
			continue
		}
		switch verb {
		case "EHLO", "HELO":
			if s.offersTLS && !secure {
				say("250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN")
			} else {
				say("250-test\r\n250 AUTH PLAIN")
			}
		case "STARTTLS":
			say("220 go on")
			up := tls.Server(conn, s.config)
			if up.Handshake() != nil {
				return
			}
			conn, in, secure = up, bufio.NewReader(up), true
		case "AUTH":
			plain, _ := base64.StdEncoding.DecodeString(line[strings.LastIndexByte(line, ' ')+1:])
			s.keep(func() { s.logins = append(s.logins, string(plain)) })
			say("235 welcome")
		case "MAIL":
			s.keep(func() { s.from = line })
			say("250 ok")
		case "RCPT":
			s.keep(func() { s.to = append(s.to, line) })
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				l, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(l, "."))
			}
			m, err := mail.ReadMessage(strings.NewReader(text.String()))
			s.keep(func() {
				s.raw = append(s.raw, text.String())
				if err == nil {
					s.mails = append(s.mails, m)
				}
				s.plainTLS = append(s.plainTLS, secure)
			})
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what")
		}
	}
}

func (s *mailServer) keep(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, roots
}
