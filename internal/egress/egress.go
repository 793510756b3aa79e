// Package egress is the one way out: every connection that the service opens
// to a host which a user can name goes through its dialer. The host must be
// under celonis.cloud or on the operator's list (of what flows read from, any
// public host where the operator allows that), and the address that the name
// resolves to is checked at each dial, so that no name can lead into the
// service's own network.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Domain is the domain whose hosts may be called by HTTPS on port 443.
const Domain = "celonis.cloud"

// Resolver turns a host name into addresses; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Policy says what may be called and how long it may take. The zero Policy
// allows Domain only.
type Policy struct {
	// Allowed are the operator's further endpoints, see ParseAllowed.
	Allowed []Endpoint
	// Public lets Outside and DialDatabase reach every host whose address is public, beside the allowed endpoints.
	Public bool
	// Resolver is the system's when nil.
	Resolver Resolver
	// RootCAs are the system's when nil.
	RootCAs *x509.CertPool
	// DialTimeout bounds name, address and connection, TLSTimeout the
	// handshake, HeaderTimeout the wait for an answer's head after the request
	// is sent; 10 s, 10 s and 60 s when zero.
	DialTimeout, TLSTimeout, HeaderTimeout time.Duration
	// Dial connects to an address that was found good; a net.Dialer's when nil.
	Dial func(ctx context.Context, network string, address netip.AddrPort) (net.Conn, error)
}

// Egress dials by a policy. Any number of goroutines may use it.
type Egress struct {
	policy    Policy
	allowed   map[Endpoint]bool
	transport *http.Transport
	outside   *http.Transport
}

// New makes an Egress with one pool of connections.
func New(policy Policy) *Egress {
	for d, value := range map[*time.Duration]time.Duration{
		&policy.DialTimeout: 10 * time.Second, &policy.TLSTimeout: 10 * time.Second, &policy.HeaderTimeout: time.Minute,
	} {
		if *d == 0 {
			*d = value
		}
	}
	if policy.Resolver == nil {
		policy.Resolver = net.DefaultResolver
	}
	if policy.Dial == nil {
		policy.Dial = dialAddress
	}
	e := &Egress{policy: policy, allowed: map[Endpoint]bool{}}
	for _, endpoint := range policy.Allowed {
		e.allowed[endpoint] = true
	}
	e.transport = e.newTransport(rule{permits: e.permits, refuse: refused})
	e.outside = e.newTransport(e.outsideRule())
	return e
}

// newTransport makes a pool of connections to what a rule permits.
func (e *Egress) newTransport(r rule) *http.Transport {
	return &http.Transport{
		// No Proxy: a proxy would dial in our place, past every check.
		DialContext:           e.dialPlain(r),
		DialTLSContext:        e.dialTLS(r),
		ResponseHeaderTimeout: e.policy.HeaderTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   32,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        16 << 10,
		// HTTP/1.1 only: chunks go up in parallel, each on a connection of its
		// own, and one that breaks takes no other with it.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// Transport gives the transport that dials by the policy. Its errors of dialing
// are faults with an egress code.
func (e *Egress) Transport() *http.Transport { return e.transport }

// Client gives a client on the shared transport whose exchanges, from dialing
// to the answer's last byte, take at most total each (0 = no limit). It follows
// redirects only to the same scheme, host and port. Calls that were refused,
// not connected or too slow, and answers that came too slowly, give a fault
// with an egress code.
func (e *Egress) Client(total time.Duration) *http.Client {
	return &http.Client{Transport: faults{next: e.transport, total: total}, CheckRedirect: sameOrigin}
}

// CloseIdle closes the connections that no call uses.
func (e *Egress) CloseIdle() {
	e.transport.CloseIdleConnections()
	e.outside.CloseIdleConnections()
}

// Origin gives the base URL of a connection's domain: https for a host under
// Domain, the allowed endpoint's own for "host:port" of the operator's list. It
// returns fault EgressRefused for any other. Nothing is resolved or called.
func (e *Egress) Origin(domain string) (*url.URL, error) {
	for _, scheme := range []string{"https", "http"} {
		for _, text := range []string{domain, net.JoinHostPort(domain, defaultPort[scheme])} {
			host, port, err := net.SplitHostPort(text)
			if err == nil && e.permits(scheme, host, port) {
				return &url.URL{Scheme: scheme, Host: authority(scheme, canonicalHost(host), port)}, nil
			}
		}
	}
	return nil, refused(domain)
}

// permits reports whether the policy knows the endpoint, by name alone.
func (e *Egress) permits(scheme, host, port string) bool {
	return e.isListed(scheme, host, port) || scheme == "https" && port == defaultPort[scheme] && underDomain(canonicalHost(host))
}

func (e *Egress) isListed(scheme, host, port string) bool {
	return e.allowed[Endpoint{Scheme: scheme, Host: canonicalHost(host), Port: port}]
}

// underDomain reports whether host is Domain or a name below it, of plain
// letters, digits and hyphens: Celonis has no international names.
func underDomain(host string) bool {
	name, ok := strings.CutSuffix(host, Domain)
	if !ok || name != "" && !strings.HasSuffix(name, ".") || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.HasPrefix(label, "xn--") {
		return false
	}
	for _, c := range []byte(label) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// errNoAddress is the cause when no address of a name may be called.
var errNoAddress = errors.New("no address of the host may be called")

func refused(host string) *fault.Error {
	return fault.New(fault.EgressRefused, "the host %q may not be called", host).
		WithHint("hosts under %s may be called; others only when the operator lists them in CONNECTOR_ALLOWED_HOSTS", Domain)
}
