package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// rule says which endpoints a way out may call, by name alone, and how it
// refuses the others.
type rule struct {
	permits func(scheme, host, port string) bool
	refuse  func(host string) *fault.Error
	// hides makes a name that is not known read like one whose addresses may
	// not be called: any name may be asked for, those of the service's own
	// network too, and which of them exist is nobody's business.
	hides bool
}

// dialPlain connects for http.
func (e *Egress) dialPlain(r rule) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, _, err := e.connect(ctx, r, "http", address)
		return conn, err
	}
}

// dialTLS connects for https and shakes hands.
func (e *Egress) dialTLS(r rule) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) { return e.dialSecure(ctx, r, address) }
}

func (e *Egress) dialSecure(ctx context.Context, r rule, address string) (net.Conn, error) {
	conn, host, err := e.connect(ctx, r, "https", address)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, &tls.Config{
		ServerName: host, RootCAs: e.policy.RootCAs, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	})
	ctx, cancel := context.WithTimeout(ctx, e.policy.TLSTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, handshakeFault(host, err)
	}
	return secure, nil
}

// connect checks the endpoint, resolves its host, and dials the first address
// that may be called and answers. The address that was checked is the address
// that is dialed: the name is not asked again.
func (e *Egress) connect(ctx context.Context, r rule, scheme, address string) (_ net.Conn, host string, _ error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", r.refuse(address)
	}
	host = canonicalHost(host)
	if !r.permits(scheme, host, port) {
		return nil, "", r.refuse(host)
	}
	ctx, cancel := context.WithTimeout(ctx, e.policy.DialTimeout)
	defer cancel()
	good, err := e.resolve(ctx, r, host, e.isListed(scheme, host, port))
	if err != nil {
		return nil, "", err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, "", r.refuse(host)
	}
	conn, err := e.dialFirst(ctx, good, uint16(number))
	if err != nil {
		return nil, "", dialFault(host, isInner(good), err)
	}
	return conn, host, nil
}

// resolve gives the addresses of host that may be called.
func (e *Egress) resolve(ctx context.Context, r rule, host string, listed bool) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		// An address in place of a name is in the operator's list, or permits
		// would have refused it: the operator wants exactly this one.
		return []netip.Addr{addr}, nil
	}
	found, err := e.policy.Resolver.LookupNetIP(ctx, "ip", host)
	hidden := r.hides && !listed
	switch {
	case err != nil && hidden:
		return nil, hiddenFault(host, err)
	case err != nil:
		return nil, lookupFault(host, err)
	}
	most := public
	if listed {
		most = private
	}
	var good []netip.Addr
	for _, addr := range found {
		if reachOf(addr) <= most {
			good = append(good, addr.Unmap())
		}
	}
	switch {
	case len(good) == 0 && hidden:
		return nil, hiddenFault(host, errNoAddress)
	case len(good) == 0:
		// The same words as for a name that is not on the list: a builder does
		// not learn what a name resolves to.
		f := r.refuse(host)
		f.Cause = errNoAddress
		return nil, f
	}
	return good, nil
}

// isInner reports whether one of the addresses is of a private network.
func isInner(addrs []netip.Addr) bool {
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool { return reachOf(a) != public })
}

// dialFirst tries the addresses one after another; each gets its share of the
// time that is left.
func (e *Egress) dialFirst(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	var all []error
	for i, addr := range addrs {
		conn, err := e.dialShare(ctx, netip.AddrPortFrom(addr, port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		all = append(all, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(all...)
}

func (e *Egress) dialShare(ctx context.Context, address netip.AddrPort, shares int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(shares))
		defer cancel()
	}
	return e.policy.Dial(ctx, "tcp", address)
}

func dialAddress(ctx context.Context, network string, address netip.AddrPort) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address.String())
}
