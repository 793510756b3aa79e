package connections

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// HTTPSettings are the HTTP view of a connection: how its calls are made. A
// member that is absent leaves the service's own choice. They hold no secret
// and are answered by reads.
type HTTPSettings struct {
	// Headers go along with every call to Celonis.
	Headers []Header `json:"headers,omitempty" validate:"max=20,dive"`
	// TimeoutSeconds bounds one try of a call. Test calls and pickers take it where it is shorter than their own bound;
	// the bound of an upload follows from its size.
	TimeoutSeconds *int `json:"timeoutSeconds,omitempty" validate:"omitempty,min=1,max=300"`
	// Concurrency is how many calls one process has under way at a time, over all runs of the connection.
	Concurrency *int `json:"concurrency,omitempty" validate:"omitempty,min=1,max=20"`
	// RequestsPerSecond bounds the calls that one process begins, in the mean and over all runs of the connection.
	RequestsPerSecond *float64 `json:"requestsPerSecond,omitempty" validate:"omitempty,min=0.1,max=20"`
	// Retries is how often a call that may be repeated is repeated; tests and pickers repeat it once at most.
	Retries *int `json:"retries,omitempty" validate:"omitempty,min=0,max=10"`
}

// Header is a request header. Its value is stored and shown as it is, so names
// under which secrets travel are refused.
type Header struct {
	Name  string `json:"name" validate:"required,max=100"`
	Value string `json:"value" validate:"required,max=1024"`
}

// IsZero reports whether every choice is the service's own.
func (h *HTTPSettings) IsZero() bool {
	return h == nil || len(h.Headers) == 0 && h.TimeoutSeconds == nil && h.Concurrency == nil && h.RequestsPerSecond == nil && h.Retries == nil
}

// Equal reports whether both say the same.
func (h *HTTPSettings) Equal(o *HTTPSettings) bool {
	if h.IsZero() || o.IsZero() {
		return h.IsZero() && o.IsZero()
	}
	a, b := *h, *o
	if len(a.Headers) == 0 && len(b.Headers) == 0 {
		a.Headers, b.Headers = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// ownHeaders lists the headers that a connection cannot set: those that log
// in, those that this service or net/http sets, those that belong to one hop,
// and those that change what an answer is.
func ownHeaders() []string {
	return []string{
		"authorization", "proxy-authorization", "cookie", "cookie2", "set-cookie",
		"host", "accept", "accept-encoding", "content-length", "content-type", "content-encoding", "date", "x-request-id", "x-http-method-override",
		"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "expect", "http2-settings",
		"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
	}
}

// secretWords lists what the name of a header that carries a secret holds. Such
// a value would be stored in the clear and answered by reads; a key has its
// own, encrypted field.
func secretWords() []string {
	return []string{"auth", "cookie", "credential", "jwt", "key", "passw", "secret", "session", "signature", "token"}
}

// secretPrefixes lists the beginnings of values that log in.
func secretPrefixes() []string { return []string{"appkey ", "basic ", "bearer ", "digest "} }

// tokenExtra are the characters that the name of a header may hold beside letters and digits (RFC 9110).
const tokenExtra = "!#$%&'*+-.^_`|~"

// checkHTTP reads the HTTP view; what is all the service's own choice is nil.
func checkHTTP(f *findings, given *HTTPSettings) *HTTPSettings {
	if given.IsZero() {
		return nil
	}
	h := *given
	h.Headers = nil
	seen := map[string]bool{}
	for i, header := range given.Headers {
		at := fmt.Sprintf("/http/headers/%d", i)
		header.Value = strings.TrimSpace(header.Value)
		if reason := wrongHeaderName(header.Name, seen); reason != nil && !f.has(at+"/name") {
			f.add(at+"/name", reason)
		}
		if reason := wrongHeaderValue(header.Value); reason != nil && !f.has(at+"/value") {
			f.add(at+"/value", reason)
		}
		seen[strings.ToLower(header.Name)] = true
		h.Headers = append(h.Headers, header)
	}
	return &h
}

func wrongHeaderName(name string, seen map[string]bool) error {
	lower := strings.ToLower(name)
	for _, r := range lower {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(tokenExtra, r) {
			return fault.New(fault.RequestFieldInvalid, "must hold only letters, digits and %s", tokenExtra)
		}
	}
	for _, own := range ownHeaders() {
		if lower == own {
			return fault.New(fault.RequestFieldInvalid, "the header %q is set by the service and not by a connection", name)
		}
	}
	for _, word := range secretWords() {
		if strings.Contains(lower, word) {
			return fault.New(fault.RequestFieldInvalid, "the header %q looks as if it carried a secret: its name holds %q", name, word).
				WithHint("extra headers are stored and shown as they are; a key for Celonis belongs into appKey, apiKey or an OAuth client")
		}
	}
	if seen[lower] {
		return fault.New(fault.RequestFieldInvalid, "the header %q is given twice", name)
	}
	return nil
}

func wrongHeaderValue(value string) error {
	if value == "" {
		return fault.New(fault.RequestFieldMissing, "must be given")
	}
	for _, r := range value {
		if r < ' ' || r > '~' {
			return fault.New(fault.RequestFieldInvalid, "must hold only printable ASCII, on one line")
		}
	}
	lower := strings.ToLower(value)
	for _, prefix := range secretPrefixes() {
		if strings.HasPrefix(lower, prefix) {
			return fault.New(fault.RequestFieldInvalid, "begins with %q, as a value that logs in does", strings.TrimSpace(prefix)).
				WithHint("extra headers are stored and shown as they are; a key for Celonis belongs into appKey, apiKey or an OAuth client")
		}
	}
	return nil
}
