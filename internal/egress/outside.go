package egress

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// OutsideTransport gives the transport to systems that are not Celonis: the
// operator's endpoints and, where the policy is Public, every public host by
// https. It has connections of its own; everything else is as of Transport.
func (e *Egress) OutsideTransport() *http.Transport { return e.outside }

// OutsideClient is Client on OutsideTransport: redirects are followed only to
// the same scheme, host and port, so that no login goes elsewhere.
func (e *Egress) OutsideClient(total time.Duration) *http.Client {
	return &http.Client{Transport: faults{next: e.outside, total: total}, CheckRedirect: sameOrigin}
}

// DialDatabase connects to host:port of a database: one that the operator
// lists as tcp://host:port or, where the policy is Public, one with a public
// address. Its errors are faults with an egress code.
func (e *Egress) DialDatabase(ctx context.Context, _, address string) (net.Conn, error) {
	conn, _, err := e.connect(ctx, e.outsideRule(), database, address)
	return conn, err
}

func (e *Egress) outsideRule() rule {
	return rule{permits: e.permitsOutside, refuse: refusedOutside, hides: true}
}

// permitsOutside reports whether what flows read from may be there, by name
// alone. An address in place of a name must be listed.
func (e *Egress) permitsOutside(scheme, host, port string) bool {
	if scheme == database {
		return e.isListed(scheme, host, port) || e.isPublicName(host)
	}
	return e.permits(scheme, host, port) || scheme == "https" && e.isPublicName(host)
}

func (e *Egress) isPublicName(host string) bool {
	host = canonicalHost(host)
	if _, err := netip.ParseAddr(host); err == nil || !e.policy.Public || len(host) > 253 || !strings.Contains(host, ".") {
		return false
	}
	if looksNumeric(host) || isPrivateName(host) {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

func refusedOutside(host string) *fault.Error {
	return fault.New(fault.EgressRefused, "the host %q may not be called", host).
		WithHint("the operator can list it in CONNECTOR_ALLOWED_HOSTS, or allow every public host with CONNECTOR_PUBLIC_SOURCES=true")
}
