package httpsource

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// networkFault turns an error of the transport into a fault that holds neither
// the query of the URL nor a secret.
func (c *Client) networkFault(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var f *fault.Error
	if errors.As(err, &f) {
		if f.Retry() == fault.Never {
			return f
		}
		return &again{f, f.ResumeAt, f.Code != fault.EgressTimeout && f.Code != fault.SourceRead}
	}
	code, message, sure := classify(err)
	return &again{fault.New(code, "%s", message), time.Time{}, sure}
}

// classify sorts an error; sure says that the request did not get through.
func classify(err error) (code fault.Code, message string, sure bool) {
	var (
		dns    *net.DNSError
		op     *net.OpError
		verify *tls.CertificateVerificationError
		header tls.RecordHeaderError
		alert  tls.AlertError
		host   x509.HostnameError
		ca     x509.UnknownAuthorityError
		timed  net.Error
	)
	switch {
	case errors.As(err, &dns):
		return fault.EgressDNS, "the host name of the source is not known", true
	case errors.As(err, &verify), errors.As(err, &header), errors.As(err, &alert), errors.As(err, &host), errors.As(err, &ca),
		errors.Is(err, http.ErrSchemeMismatch):
		return fault.EgressTLS, "no secure connection to the source could be made", true
	case errors.As(err, &op) && op.Op == "dial":
		return fault.EgressUnreachable, "the source's host does not answer", true
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timed) && timed.Timeout():
		return fault.EgressTimeout, "the source took too long to answer", false
	}
	return fault.SourceRead, "the connection to the source broke before its answer was complete", false
}
