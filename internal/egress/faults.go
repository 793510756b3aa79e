package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// The messages name the host and say the same for every way in which it does
// not answer: a builder who tries hosts and ports learns nothing of what
// listens there. The cause, for the operator's log, tells all.

func lookupFault(host string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Wrap(err, fault.EgressDNS, "the name of the host %q cannot be resolved", host).
		WithHint("check the host's spelling, and the name servers of this machine")
}

// hiddenFault is for a name that leads to no public address, whether it leads
// to another or to none.
func hiddenFault(host string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Wrap(err, fault.EgressDNS, "the name of the host %q leads to no public address", host).
		WithHint("check the host's spelling; the operator can list a private host in CONNECTOR_ALLOWED_HOSTS")
}

// dialFault is for a host that does not take a connection. Of an inner one it
// says the same whether the port is closed or nothing comes back from it.
func dialFault(host string, inner bool, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if isTimeout(err) && !inner {
		return timeout(host, err)
	}
	return fault.Wrap(err, fault.EgressUnreachable, "the host %q cannot be reached", host).
		WithHint("check that this machine may open connections to the host")
}

func handshakeFault(host string, err error) error {
	var certificate *tls.CertificateVerificationError
	var name x509.HostnameError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case isTimeout(err):
		return timeout(host, err)
	case errors.As(err, &certificate), errors.As(err, &name):
		return fault.Wrap(err, fault.EgressTLS, "the certificate of the host %q is not trusted", host).
			WithHint("check the host's spelling; behind a proxy that opens TLS, its authority must be among the trusted ones of this machine")
	}
	return fault.Wrap(err, fault.EgressTLS, "the TLS handshake with the host %q failed", host).
		WithHint("check that the host speaks TLS 1.2 or later on this port")
}

func timeout(host string, cause error) error {
	return fault.Wrap(cause, fault.EgressTimeout, "the host %q did not answer in time", host)
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// faults bounds an exchange, and gives time-outs as faults too; what the dialer
// refused is a fault already. Every other error is passed on: whether a broken
// call may be made again is known to who makes it.
//
// http.Client.Timeout is not used because it puts a text of its own in place
// of the fault.
type faults struct {
	next  http.RoundTripper
	total time.Duration
}

// RoundTrip is http.RoundTripper.
func (f faults) RoundTrip(r *http.Request) (*http.Response, error) {
	host, cancel := r.URL.Hostname(), context.CancelFunc(func() {})
	if f.total > 0 {
		var ctx context.Context
		ctx, cancel = context.WithTimeout(r.Context(), f.total)
		r = r.WithContext(ctx)
	}
	resp, err := f.next.RoundTrip(r)
	if err != nil {
		cancel()
		return nil, timeoutOr(host, err)
	}
	resp.Body = faultBody{resp.Body, host, cancel}
	return resp, nil
}

type faultBody struct {
	io.ReadCloser
	host   string
	cancel context.CancelFunc
}

// Read is io.Reader.
func (b faultBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = timeoutOr(b.host, err)
	}
	return n, err
}

// Close is io.Closer.
func (b faultBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

func timeoutOr(host string, err error) error {
	var known *fault.Error
	if !errors.As(err, &known) && isTimeout(err) {
		return timeout(host, err)
	}
	return err
}

// sameOrigin lets a redirect lead only to where the call went: another host
// would get the request's credentials.
func sameOrigin(next *http.Request, via []*http.Request) error {
	const most = 5
	first := via[0].URL
	if endpointOf(next.URL) != endpointOf(first) {
		return fault.New(fault.EgressRefused, "the host %q redirects elsewhere, which is not followed", first.Hostname())
	}
	if len(via) > most {
		return fault.New(fault.EgressRefused, "the host %q redirects more than %d times", first.Hostname(), most)
	}
	return nil
}
