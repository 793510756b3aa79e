package celonis

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/google/uuid"
)

// newChain builds the transport, outermost first:
//
//  1. identifying  one request id for all tries of a call, user agent, Accept
//  2. retrying     repeats what may be repeated; reads every answer whole
//  3. limiting     calls at once and calls a second
//  4. extending    the headers that the connection sets
//  5. authorizing  the key or bearing an access token, for the connection's own host only
//  6. bounding     answers have an end, and are drained when closed
//  7. Config.Transport, the egress
//
// Each clones the request before it changes it.
func newChain(cfg Config, authorize func(next http.RoundTripper) http.RoundTripper) http.RoundTripper {
	t := authorize(&bounding{next: cfg.Transport})
	if h := cfg.Target.HTTP; h != nil && len(h.Headers) > 0 {
		t = &extending{headers: h.Headers, next: t}
	}
	t = &limiting{limits: cfg.Limits, next: t}
	t = &retrying{policy: cfg.Retry, logger: cfg.Logger, now: cfg.Now, next: t}
	return &identifying{userAgent: cfg.UserAgent, next: t}
}

// authorization gives what adds the connection's credentials to a request.
func authorization(cfg Config, base *url.URL, redact *redactor) func(next http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		if cfg.Target.OAuth == nil {
			s, _ := schemeOf(cfg.Target.AuthType)
			return &authorizing{base: base, scheme: s, key: cfg.Target.Key, next: next}
		}
		at := login{base: origin(base), oauth: cfg.Target.OAuth}
		return &bearing{base: at.base, source: &source{cfg.Tokens, at, redact}, next: next}
	}
}

const requestIDHeader = "X-Request-Id"

type identifying struct {
	userAgent string
	next      http.RoundTripper
}

func (t *identifying) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(requestIDHeader, uuid.NewString())
	r.Header.Set("User-Agent", t.userAgent)
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json, application/problem+json;q=0.9, */*;q=0.5")
	}
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	// What comes back names the request as it was before it got the key.
	res.Request = r
	return res, nil
}

// errAnswerTooLong says that an answer went over maxAnswer.
var errAnswerTooLong = errors.New("the answer is too long")

type bounding struct{ next http.RoundTripper }

func (t *bounding) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	left := int64(maxAnswer)
	if info, ok := r.Context().Value(triesKey{}).(tries); ok {
		left = max(left, info.large)
		if info.most > 0 {
			left = info.most
		}
	}
	res.Body = &boundedBody{body: res.Body, left: left}
	return res, nil
}

type boundedBody struct {
	body io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errAnswerTooLong
	}
	// One byte more than allowed is asked for, to tell an end from an overflow.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, errAnswerTooLong
	}
	return n, err
}

// Close reads a short rest, so that the connection can be used again.
func (b *boundedBody) Close() error {
	const rest = 64 << 10
	_, _ = io.CopyN(io.Discard, b.body, rest)
	return b.body.Close()
}
