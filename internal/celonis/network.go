package celonis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"

	"github.com/celonis-connector/connector/internal/fault"
)

// classify sorts a transport error into a code and a sentence.
func classify(err error) (fault.Code, string) {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Code, f.Message
	}
	switch {
	case errors.Is(err, errAnswerTooLong):
		return fault.CelonisAnswer, "celonis's answer is longer than the limit"
	case isTLS(err):
		return fault.EgressTLS, "no secure connection to celonis could be made"
	case isDNS(err):
		return fault.EgressDNS, "the host name of the domain is not known"
	case isTimeout(err):
		return fault.EgressTimeout, "celonis took too long to answer"
	case isDial(err):
		return fault.EgressUnreachable, "the domain's host does not answer"
	}
	return fault.CelonisDisconnected, "the connection to celonis broke before its answer was complete"
}

func isTLS(err error) bool {
	var (
		verify    *tls.CertificateVerificationError
		header    tls.RecordHeaderError
		alert     tls.AlertError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &verify) || errors.As(err, &header) || errors.As(err, &alert) ||
		errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

func isDNS(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &n) && n.Timeout())
}

func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// hintOf says what to do about a network fault.
func hintOf(code fault.Code) string {
	switch code {
	case fault.EgressDNS:
		return domainHint
	case fault.EgressTLS:
		return "check the connection's domain; a proxy on the way that replaces certificates must be trusted by this machine"
	case fault.EgressUnreachable, fault.EgressTimeout:
		return "check that this machine may reach the domain on port 443, and Celonis's status page"
	}
	return ""
}

// transportFault turns an error of the transport into what callers get: the
// caller's own cancellation as it is, all else as a fault without the key.
func (c *Client) transportFault(ctx context.Context, err error) error {
	return transportFault(ctx, c.redact, err)
}

func transportFault(ctx context.Context, redact *redactor, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	code, message := classify(err)
	e := fault.Wrap(redact.quiet(err), code, "%s", redact.words(message))
	var given *fault.Error
	if errors.As(err, &given) {
		e = e.WithRetry(given.Retry()).WithResumeAt(given.ResumeAt)
		if given.Hint != "" {
			return e.WithHint("%s", redact.words(given.Hint))
		}
	}
	if hint := hintOf(code); hint != "" {
		e = e.WithHint("%s", hint)
	}
	return e
}
