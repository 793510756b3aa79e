package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/telemetry"
	"github.com/stretchr/testify/require"
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{t, cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue gives a certificate for this machine, for servers and for clients, with its key.
func (a *authority) issue(serial int64, ends time.Time) (cert, key []byte) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	require.NoError(a.t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// pair is the files of a server.
type pair struct {
	t           *testing.T
	dir         string
	cert, key   string
	writes      int
	authorities *authority
}

func newPair(t *testing.T) *pair {
	dir := t.TempDir()
	p := &pair{t: t, dir: dir, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), authorities: newAuthority(t)}
	p.renew(1)
	return p
}

// write writes a file, with a time that differs from that of every earlier one.
func (p *pair) write(name string, content []byte) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(name, content, 0o600))
	p.writes++
	at := time.Now().Add(time.Duration(p.writes) * time.Second)
	require.NoError(p.t, os.Chtimes(name, at, at))
}

func (p *pair) renew(serial int64) {
	p.t.Helper()
	cert, key := p.authorities.issue(serial, time.Now().Add(time.Hour))
	p.write(p.cert, cert)
	p.write(p.key, key)
}

func (p *pair) settings() config.Config {
	cfg := settings(p.t)
	cfg.TLSCertFile, cfg.TLSKeyFile = p.cert, p.key
	return cfg
}

// caller is a client that trusts the authority; change may turn its TLS.
func (p *pair) caller(change ...func(*tls.Config)) *http.Client {
	trusted := x509.NewCertPool()
	trusted.AddCert(p.authorities.cert)
	settings := &tls.Config{RootCAs: trusted}
	for _, c := range change {
		c(settings)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
}

// serves starts a service and gives its address.
func serves(t *testing.T, cfg config.Config) (url string, log *logBuffer) {
	t.Helper()
	log = &logBuffer{}
	s := &service{t: t, cfg: cfg, log: log}
	s.open()
	t.Cleanup(s.stop)
	return s.app.URL(), log
}

// told is an answer with the number of the certificate that it came under.
type told struct {
	*http.Response
	body   string
	serial int64
}

func call(t *testing.T, c *http.Client, address string) told {
	t.Helper()
	res, err := c.Get(address)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return told{res, string(body), res.TLS.PeerCertificates[0].SerialNumber.Int64()}
}

// TestTLS: the API speaks https only, HTTP/2 too, and nothing older than TLS 1.2.
func TestTLS(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	url, _ := serves(t, p.settings())
	require.True(t, strings.HasPrefix(url, "https://127.0.0.1:"), url)
	res := call(t, p.caller(), url+"/healthz")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, 2, res.ProtoMajor)
	require.GreaterOrEqual(t, res.TLS.Version, uint16(tls.VersionTLS13))
	require.Equal(t, "max-age=31536000", res.Header.Get("Strict-Transport-Security"))
	require.Contains(t, call(t, p.caller(), url+"/.well-known/oauth-authorization-server").body, `"issuer":"https://127.0.0.1:`)

	older := call(t, p.caller(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), url+"/healthz")
	require.Equal(t, uint16(tls.VersionTLS12), older.TLS.Version)
	_, err := p.caller(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }).Get(url + "/healthz")
	require.ErrorContains(t, err, "protocol version")
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	refused, err := plain.Get("http" + strings.TrimPrefix(url, "https") + "/healthz")
	if err == nil {
		require.Equal(t, http.StatusBadRequest, refused.StatusCode)
		require.NoError(t, refused.Body.Close())
	}
}

// TestTLSReload: a renewed pair is taken by the next handshake; a broken one is
// told and leaves the one before in use.
func TestTLSReload(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	url, log := serves(t, p.settings())
	require.EqualValues(t, 1, call(t, p.caller(), url+"/healthz").serial)
	p.renew(2)
	require.EqualValues(t, 2, call(t, p.caller(), url+"/healthz").serial)
	require.Contains(t, log.String(), "a new TLS certificate is in use")

	tlsDetail := func() string {
		res := call(t, p.caller(), url+"/readyz")
		apptest.Eventually(t, func() bool { // each part must have been looked at once
			res = call(t, p.caller(), url+"/readyz")
			return res.StatusCode == http.StatusOK
		}, func() string { return res.body })
		var ready struct {
			Parts []struct {
				Name, Detail string
				OK           bool
			}
		}
		require.NoError(t, json.Unmarshal([]byte(res.body), &ready))
		for _, part := range ready.Parts {
			if part.Name == "tls" {
				require.True(t, part.OK)
				return part.Detail
			}
		}
		require.Fail(t, "no part tls")
		return ""
	}
	require.Empty(t, tlsDetail())
	other, _ := p.authorities.issue(3, time.Now().Add(time.Hour))
	ended, endedKey := p.authorities.issue(4, time.Now().Add(-time.Hour))
	for _, broken := range []func(){
		func() { p.write(p.cert, []byte("no certificate")) },
		func() { p.write(p.cert, other) }, // its key is another
		func() { require.NoError(t, os.Remove(p.key)) },
		func() { p.write(p.cert, ended); p.write(p.key, endedKey) },
	} {
		broken()
		require.EqualValues(t, 2, call(t, p.caller(), url+"/healthz").serial)
		require.Contains(t, tlsDetail(), "the one before stays in use")
	}
	require.Contains(t, log.String(), "the certificate ended on")
	p.renew(5)
	require.EqualValues(t, 5, call(t, p.caller(), url+"/healthz").serial)
	require.Empty(t, tlsDetail())
}

// TestTLSOfCallers: with authorities for callers, a certificate must be shown.
func TestTLSOfCallers(t *testing.T) {
	t.Parallel()
	p, callers := newPair(t), newAuthority(t)
	cfg := p.settings()
	cfg.TLSClientCAFile = filepath.Join(p.dir, "callers.crt")
	p.write(cfg.TLSClientCAFile, callers.pem)
	url, _ := serves(t, cfg)
	with := func(a *authority) func(*tls.Config) {
		return func(c *tls.Config) {
			cert, key := a.issue(9, time.Now().Add(time.Hour))
			shown, err := tls.X509KeyPair(cert, key)
			require.NoError(t, err)
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
		}
	}
	require.Equal(t, http.StatusOK, call(t, p.caller(with(callers)), url+"/healthz").StatusCode)
	for _, c := range []*http.Client{p.caller(), p.caller(with(p.authorities))} {
		_, err := c.Get(url + "/healthz")
		require.Error(t, err)
	}
}

// TestTLSThatCannotStart: wrong files end the start with the variable's name.
func TestTLSThatCannotStart(t *testing.T) {
	t.Parallel()
	for _, says := range []string{"CONNECTOR_TLS_CERT_FILE", "CONNECTOR_TLS_CLIENT_CA_FILE", "the certificate ended"} {
		p := newPair(t)
		cfg := p.settings()
		switch says {
		case "CONNECTOR_TLS_CERT_FILE":
			cfg.TLSCertFile = filepath.Join(p.dir, "none")
		case "CONNECTOR_TLS_CLIENT_CA_FILE":
			cfg.TLSClientCAFile = p.key
		default:
			cert, key := p.authorities.issue(1, time.Now().Add(-time.Hour))
			p.write(p.cert, cert)
			p.write(p.key, key)
		}
		a, err := app.New(t.Context(), cfg, slog.New(slog.DiscardHandler), telemetry.NewRedactor())
		require.NoError(t, err)
		require.ErrorContains(t, a.Start(t.Context(), app.AllRoles()), says)
		require.NoError(t, a.Stop(t.Context()))
	}
}

// TestOpenWithoutTLSIsTold warns of an API that others can reach in the clear, and of no other.
func TestOpenWithoutTLSIsTold(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for name, c := range map[string]struct {
		change func(*config.Config)
		warned bool
	}{
		"loopback":            {func(*config.Config) {}, false},
		"everywhere":          {func(c *config.Config) { c.Listen = "0.0.0.0:0" }, true},
		"everywhere with TLS": {func(c *config.Config) { c.Listen, c.TLSCertFile, c.TLSKeyFile = "0.0.0.0:0", p.cert, p.key }, false},
		"behind a proxy":      {func(c *config.Config) { c.Listen, c.PublicURL = "0.0.0.0:0", "https://connector.test" }, false},
	} {
		cfg := settings(t)
		c.change(&cfg)
		_, log := serves(t, cfg)
		require.Equal(t, c.warned, strings.Contains(log.String(), "without TLS"), name)
	}
}
