package outside

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// unknownWait is how long a host is left alone that asks to wait and does not say until when, longestWait the most that
	// it is believed.
	unknownWait = 30 * time.Second
	longestWait = time.Hour
)

// StatusFault turns an answer that is no success into a fault; nil for 2xx.
// what names what was asked for, without a query: there may be secrets in it.
// Faults: SourceUnauthorized, SourceForbidden, SourceNotFound,
// SourceRateLimited with when to come again, SourceUnavailable, SourceRefused.
func StatusFault(res *http.Response, what string, now time.Time) error {
	status := res.StatusCode
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusUnauthorized, status == http.StatusProxyAuthRequired:
		return fault.New(fault.SourceUnauthorized, "%s refuses the login with status %d", what, status).
			WithHint("check the connection's authType and its secret")
	case status == http.StatusForbidden:
		return fault.New(fault.SourceForbidden, "%s may not be read: status %d", what, status).
			WithHint("give whoever the connection logs in as the right to read it")
	case status == http.StatusNotFound, status == http.StatusGone:
		return fault.New(fault.SourceNotFound, "%s is not there: status %d", what, status).WithHint("check the address")
	case status == http.StatusTooManyRequests:
		return fault.New(fault.SourceRateLimited, "%s asks to wait: status %d", what, status).WithResumeAt(now.Add(RetryAfter(res.Header, now)))
	case status >= http.StatusInternalServerError, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		f := fault.New(fault.SourceUnavailable, "%s answers with status %d", what, status)
		if res.Header.Get("Retry-After") != "" {
			f = f.WithResumeAt(now.Add(RetryAfter(res.Header, now)))
		}
		return f
	}
	return fault.New(fault.SourceRefused, "%s answers with status %d", what, status).WithHint("check the address")
}

// RetryAfter reads how long a host wants to be left alone: seconds or a date.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	wait := unknownWait
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds <= longestWait.Seconds() {
		wait = time.Duration(seconds * float64(time.Second))
	} else if at, err := http.ParseTime(text); err == nil {
		wait = max(at.Sub(now), 0)
	}
	return min(wait, longestWait)
}

// LooksLikeHTML reports whether an answer is a web page: by how its body
// begins, or by its content type where the body does not contradict it.
func LooksLikeHTML(contentType string, head []byte) bool {
	head = bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"))
	kind, _, err := mime.ParseMediaType(contentType)
	if err == nil && (kind == "text/html" || kind == "application/xhtml+xml") && (len(head) == 0 || head[0] == '<') {
		return true
	}
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

// HTMLFault says that an answer is a web page.
func HTMLFault(what string) error {
	return fault.New(fault.SourceHTML, "%s is a web page, not a file of records", what).
		WithHint("it is often a page to sign in: check the address, and the connection's login")
}

// NetworkFault gives the fault of a call that got no answer. Faults pass; any
// other error, whose text may hold the address with its query, is told in words of our own.
func NetworkFault(err error, host string) error {
	var known *fault.Error
	var broken *url.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &broken):
		err = broken.Err
	}
	return fault.Wrap(err, fault.SourceRead, "the connection to %q broke off", host)
}
