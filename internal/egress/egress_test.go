package egress_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/egress"
	"github.com/celonis-connector/connector/internal/fault"
)

const team = "acme.eu-1.celonis.cloud"

// world is a name service and a network in one: it answers for names and
// leads every address to one server, noting who was dialed.
type world struct {
	mu     sync.Mutex
	names  map[string][][]string // what each lookup of a name answers, the last for ever
	dialed []string
	asked  []string
	dial   func(ctx context.Context, address netip.AddrPort) (net.Conn, error)
}

func (w *world) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, host)
	answers := w.names[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		w.names[host] = answers[1:]
	}
	var addrs []netip.Addr
	for _, a := range answers[0] {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

func (w *world) Dial(ctx context.Context, _ string, address netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	w.dialed = append(w.dialed, address.String())
	w.mu.Unlock()
	return w.dial(ctx, address)
}

// policy leads to the world; the server of the world is srv.
func (w *world) policy(srv *httptest.Server, list string) egress.Policy {
	if w.dial == nil {
		w.dial = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", srv.Listener.Addr().String())
		}
	}
	allowed, err := egress.ParseAllowed(list)
	if err != nil {
		panic(err)
	}
	p := egress.Policy{Resolver: w, Dial: w.Dial, Allowed: allowed}
	if srv != nil && srv.TLS != nil {
		p.RootCAs = x509.NewCertPool()
		p.RootCAs.AddCert(srv.Certificate())
	}
	return p
}

func celonis(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{team, "sim.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	srv := httptest.NewUnstartedServer(handler)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func get(t *testing.T, c *http.Client, address string) (string, error) {
	t.Helper()
	resp, err := c.Get(address)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func client(t *testing.T, p egress.Policy) *http.Client {
	t.Helper()
	e := egress.New(p)
	t.Cleanup(e.CloseIdle)
	return e.Client(0)
}

func TestCelonisHostsAreCalled(t *testing.T) {
	t.Parallel()
	w := &world{names: map[string][][]string{team: {{"3.64.10.1"}}}}
	c := client(t, w.policy(celonis(t, hello), ""))
	for range 3 {
		body, err := get(t, c, "https://"+team+"/api")
		require.NoError(t, err)
		require.Equal(t, "hello", body)
	}
	require.Equal(t, []string{"3.64.10.1:443"}, w.dialed, "one connection serves all calls")
}

func TestHostsThatAreNotCalled(t *testing.T) {
	t.Parallel()
	w := &world{}
	p := w.policy(celonis(t, hello), "http://sim.test:9000")
	w.names = map[string][][]string{}
	c := client(t, p)
	for _, address := range []string{
		"http://" + team, "https://" + team + ":8443", "https://evilcelonis.cloud", "https://celonis.cloud.evil.com",
		"https://acme.celonis.cloud.evil.com", "https://acme_celonis.cloud", "https://-.celonis.cloud", "https://a..celonis.cloud",
		"https://127.0.0.1", "https://[::1]", "http://169.254.169.254/latest/meta-data", "https://2130706433", "https://0x7f.1",
		"https://[::ffff:127.0.0.1]", "https://localhost", "https://user:pass@evil.com", "http://sim.test", "http://sim.test:9001",
		"https://sim.test:9000", "https://xn--clonis-cva.cloud",
	} {
		_, err := get(t, c, address)
		require.True(t, fault.Has(err, fault.EgressRefused), "%s: %v", address, err)
	}
	require.Empty(t, w.dialed)
	require.Empty(t, w.asked, "a name that is refused is not even resolved")
}

func TestAddressesThatAreNotDialed(t *testing.T) {
	t.Parallel()
	srv := celonis(t, hello)
	for _, address := range []string{"127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fe80::1", "fd00::1",
		"64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:127.0.0.1", "224.0.0.1"} {
		w := &world{names: map[string][][]string{team: {{address}}}}
		_, err := get(t, client(t, w.policy(srv, "")), "https://"+team)
		require.True(t, fault.Has(err, fault.EgressRefused), address)
		require.NotContains(t, fault.From(err).Message, address)
		require.Empty(t, w.dialed)
	}
}

func TestGoodAddressIsPickedAmongBadOnes(t *testing.T) {
	t.Parallel()
	w := &world{names: map[string][][]string{team: {{"10.0.0.1", "64:ff9b::a00:1", "3.64.10.1", "::1"}}}}
	body, err := get(t, client(t, w.policy(celonis(t, hello), "")), "https://"+team)
	require.NoError(t, err)
	require.Equal(t, "hello", body)
	require.Equal(t, []string{"3.64.10.1:443"}, w.dialed)
}

// TestRebinding: the name leads to a good address first and into the machine
// afterwards; each dial looks anew, and dials what it looked at.
func TestRebinding(t *testing.T) {
	t.Parallel()
	w := &world{names: map[string][][]string{team: {{"3.64.10.1"}, {"127.0.0.1"}, {"3.64.10.2"}}}}
	e := egress.New(w.policy(celonis(t, hello), ""))
	c := e.Client(0)
	for i, refused := range []bool{false, true, false} {
		_, err := get(t, c, "https://"+team)
		require.Equal(t, refused, fault.Has(err, fault.EgressRefused), "call %d: %v", i, err)
		e.CloseIdle()
	}
	require.Equal(t, []string{"3.64.10.1:443", "3.64.10.2:443"}, w.dialed)
	require.Len(t, w.asked, 3)
}

func TestListedHosts(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(hello))
	t.Cleanup(plain.Close)
	w := &world{names: map[string][][]string{
		"sim.test": {{"127.0.0.1"}}, "lan.test": {{"192.168.1.5"}}, "meta.test": {{"169.254.169.254"}},
	}}
	c := client(t, w.policy(plain, "http://sim.test:9000, http://LAN.test, http://meta.test:80, http://127.0.0.1:9000, http://169.254.1.1:9000, http://[::1]:9000"))
	for _, address := range []string{"http://sim.test:9000", "http://SIM.test.:9000/x", "http://lan.test", "http://127.0.0.1:9000",
		"http://169.254.1.1:9000", "http://[::1]:9000"} {
		body, err := get(t, c, address)
		require.NoError(t, err, address)
		require.Equal(t, "hello", body)
	}
	for _, address := range []string{"http://meta.test", "http://127.0.0.1:9001", "http://169.254.169.254", "http://127.0.0.2:9000"} {
		_, err := get(t, c, address)
		require.True(t, fault.Has(err, fault.EgressRefused), address)
	}

	secure := celonis(t, hello)
	w = &world{names: map[string][][]string{"sim.test": {{"10.0.0.9"}}}}
	body, err := get(t, client(t, w.policy(secure, "https://sim.test:8443")), "https://sim.test:8443")
	require.NoError(t, err)
	require.Equal(t, "hello", body)
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var seen []string
	w := &world{names: map[string][][]string{team: {{"3.64.10.1"}}, "other.celonis.cloud": {{"3.64.10.9"}}}}
	c := client(t, w.policy(celonis(t, func(rw http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Host+r.URL.Path)
		to, ok := map[string]string{
			"/same": "/end", "/absolute": "https://" + team + ":443/end", "/other": "https://other.celonis.cloud/end",
			"/plain": "http://" + team + "/end", "/evil": "https://evil.test/?k=1", "/loop": "/loop",
		}[r.URL.Path]
		if ok {
			http.Redirect(rw, r, to, http.StatusFound)
			return
		}
		hello(rw, r)
	}), ""))
	for path, followed := range map[string]bool{"/same": true, "/absolute": true, "/other": false, "/plain": false, "/evil": false, "/loop": false} {
		_, err := get(t, c, "https://"+team+path)
		require.Equal(t, followed, err == nil, "%s: %v", path, err)
		require.Equal(t, !followed, fault.Has(err, fault.EgressRefused), path)
	}
	for _, s := range seen {
		require.Contains(t, s, team)
	}
}

func TestFaultsOfDialing(t *testing.T) {
	t.Parallel()
	names := map[string][][]string{team: {{"3.64.10.1", "3.64.10.2"}}}
	failing := func(err error) *world {
		return &world{names: names, dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: err}
		}}
	}
	hanging := &world{names: names, dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	messages := map[string]bool{}
	for name, c := range map[string]struct {
		world *world
		code  fault.Code
	}{
		"refused":     {failing(syscall.ECONNREFUSED), fault.EgressUnreachable},
		"no route":    {failing(syscall.EHOSTUNREACH), fault.EgressUnreachable},
		"reset":       {failing(syscall.ECONNRESET), fault.EgressUnreachable},
		"hangs":       {hanging, fault.EgressTimeout},
		"no such":     {&world{}, fault.EgressDNS},
		"syscall t/o": {failing(syscall.ETIMEDOUT), fault.EgressTimeout},
	} {
		p := c.world.policy(nil, "")
		p.DialTimeout = 50 * time.Millisecond
		_, err := get(t, client(t, p), "https://"+team)
		require.True(t, fault.Has(err, c.code), "%s: %v", name, err)
		require.Equal(t, fault.Later, fault.RetryOf(err))
		messages[fault.From(err).Message] = true
		if c.code != fault.EgressDNS {
			require.Len(t, c.world.dialed, 2, "each address is tried")
		}
	}
	require.Len(t, messages, 3, "the ways of not answering read alike: %v", messages)
}

func TestFaultsOfTLS(t *testing.T) {
	t.Parallel()
	secure, plain := celonis(t, hello), httptest.NewServer(http.HandlerFunc(hello))
	t.Cleanup(plain.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	for name, c := range map[string]struct {
		to      net.Addr
		host    string
		trusted bool
		code    fault.Code
	}{
		"unknown authority": {secure.Listener.Addr(), team, false, fault.EgressTLS},
		"other name":        {secure.Listener.Addr(), "other.celonis.cloud", true, fault.EgressTLS},
		"no TLS":            {plain.Listener.Addr(), team, true, fault.EgressTLS},
		"silence":           {silent.Addr(), team, true, fault.EgressTimeout},
	} {
		w := &world{names: map[string][][]string{c.host: {{"3.64.10.1"}}}}
		w.dial = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", c.to.String())
		}
		p := w.policy(secure, "")
		p.TLSTimeout = 100 * time.Millisecond
		if !c.trusted {
			p.RootCAs = x509.NewCertPool()
		}
		_, err := get(t, client(t, p), "https://"+c.host)
		require.True(t, fault.Has(err, c.code), "%s: %v", name, err)
	}
}

func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	srv := celonis(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(rw, "he")
			_ = http.NewResponseController(rw).Flush()
		}
		<-stop
	})
	t.Cleanup(func() { close(stop) })
	w := &world{names: map[string][][]string{team: {{"3.64.10.1"}}}}
	p := w.policy(srv, "")
	p.HeaderTimeout = 50 * time.Millisecond
	e := egress.New(p)
	_, err := get(t, e.Client(0), "https://"+team+"/head")
	require.True(t, fault.Has(err, fault.EgressTimeout), "%v", err)
	body, err := get(t, e.Client(100*time.Millisecond), "https://"+team+"/body")
	require.Equal(t, "he", body)
	require.True(t, fault.Has(err, fault.EgressTimeout), "%v", err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+team, nil)
	require.NoError(t, err)
	_, err = e.Client(0).Do(r)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, fault.Has(err, fault.Internal), "a call given up is no fault of the host")
}

func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	w := &world{names: map[string][][]string{team: {{"3.64.10.1"}}}}
	e := egress.New(w.policy(celonis(t, hello), ""))
	require.Nil(t, e.Transport().Proxy)
	_, err := get(t, e.Client(0), "https://"+team)
	require.NoError(t, err)
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	allowed, err := egress.ParseAllowed("http://localhost:9000,https://sim.test,http://plain.test,https://[fd00::5]:8443")
	require.NoError(t, err)
	e := egress.New(egress.Policy{Allowed: allowed})
	for domain, want := range map[string]string{
		team: "https://" + team, "Acme.EU-1.Celonis.Cloud": "https://" + team, team + ":443": "https://" + team, "celonis.cloud": "https://celonis.cloud",
		"localhost:9000": "http://localhost:9000", "sim.test": "https://sim.test", "plain.test": "http://plain.test",
		"plain.test:80": "http://plain.test", "[fd00::5]:8443": "https://[fd00::5]:8443",
	} {
		u, err := e.Origin(domain)
		require.NoError(t, err, domain)
		require.Equal(t, want, u.String())
	}
	for _, domain := range []string{"", "localhost", "localhost:9001", "evilcelonis.cloud", team + ":80", "user@" + team, team + "/path",
		"https://" + team, "127.0.0.1", "sim.test:80", ".celonis.cloud", "a b.celonis.cloud", "evil.com#.celonis.cloud", "evil.com/.celonis.cloud"} {
		_, err := e.Origin(domain)
		require.True(t, fault.Has(err, fault.EgressRefused), domain)
	}
}

func TestParseAllowedRefuses(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"localhost:9000", "ftp://x:21", "http://", "http://x:0", "http://x:70000", "http://u:PASSWORD@x:1", "http://x/path",
		"http://x?q=1", "http://x#f", "http://*.x:80", "http://ok:1, http://[fe80::1%25eth0]:1", "http://x:port", "://"} {
		_, err := egress.ParseAllowed(list)
		require.True(t, fault.Has(err, fault.EgressAllowList), list)
		require.NotContains(t, err.Error(), "PASSWORD")
	}
	none, err := egress.ParseAllowed(" , ")
	require.NoError(t, err)
	require.Empty(t, none)
}

// FuzzParseAllowed: what parses prints in the form that parses to the same.
func FuzzParseAllowed(f *testing.F) {
	for _, seed := range []string{"http://a:1", "https://[::1]:443,http://B", "http://1.2.3.4", "https://x.:0080", "http://..", "http://a..b", "http://.a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		endpoints, err := egress.ParseAllowed(list)
		if err != nil {
			require.True(t, fault.Has(err, fault.EgressAllowList))
			return
		}
		for _, e := range endpoints {
			again, err := egress.ParseAllowed(e.String())
			require.NoError(t, err)
			require.Equal(t, []egress.Endpoint{e}, again)
		}
	})
}

// FuzzOrigin: no text gives an origin outside of Celonis.
func FuzzOrigin(f *testing.F) {
	for _, seed := range []string{team, "evil.com/" + team, "a@celonis.cloud", "celonis.cloud:443", "[::1]"} {
		f.Add(seed)
	}
	e := egress.New(egress.Policy{})
	f.Fuzz(func(t *testing.T, domain string) {
		u, err := e.Origin(domain)
		if err != nil {
			return
		}
		again, err := url.Parse(u.String())
		require.NoError(t, err)
		require.Equal(t, "https", again.Scheme)
		require.Regexp(t, `^([a-z0-9-]+\.)*celonis\.cloud$`, again.Host, fmt.Sprintf("%q", domain))
	})
}
