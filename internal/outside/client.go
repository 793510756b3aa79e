// Package outside speaks to the systems that flows read from and that are not
// Celonis: it logs in to REST APIs and web servers as a connection says, reads
// buckets of blob stores, and makes the test calls of outside connections.
package outside

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	userAgent = "celonis-connector"
	// defaultQuiet is how long a host may send nothing, where its connection does not say.
	defaultQuiet = time.Minute
	maxRedirects = 5
)

// Config is what Logins need; only Transport must be given.
type Config struct {
	// Transport is the egress transport to systems outside; nothing else may leave the process.
	Transport http.RoundTripper
	Now       func() time.Time
	// Known hears of every access token, to keep it out of logs until release.
	Known func(crypto.Secret) (release func())
}

// Logins make HTTP clients that log in as connections say, and keep access
// tokens and limits for all of the process. It is safe for concurrent use.
type Logins struct {
	cfg     Config
	flights singleflight.Group

	mu     sync.Mutex
	tokens map[string]token
	limits map[string]*limit
}

// NewLogins makes Logins.
func NewLogins(cfg Config) *Logins {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Known == nil {
		cfg.Known = func(crypto.Secret) func() { return func() {} }
	}
	return &Logins{cfg: cfg, tokens: map[string]token{}, limits: map[string]*limit{}}
}

// Anonymous gives a client that logs in nowhere. A host that sends nothing for
// a minute is given up with fault EgressTimeout; redirects to another scheme,
// host or port are not followed: fault EgressRefused.
func (l *Logins) Anonymous() *http.Client {
	return client(&patient{quiet: defaultQuiet, next: l.cfg.Transport})
}

// Client gives a client that logs in as a connection of type HTTP says, with
// its headers and its limits. It calls nothing that is not below the origin of
// the base URL (fault EgressRefused). Getting an access token may fail with
// SourceUnauthorized and SourceUnavailable. The login is in no error.
func (l *Logins) Client(t connections.OutsideTarget) (*http.Client, error) {
	base, err := url.Parse(t.BaseURL)
	if err != nil || base.Host == "" {
		return nil, fault.New(fault.ConnectionDomain, "the connection's base URL is no URL")
	}
	quiet := defaultQuiet
	var chain http.RoundTripper = l.cfg.Transport
	if h := t.HTTP; h != nil {
		if h.TimeoutSeconds != nil {
			quiet = time.Duration(*h.TimeoutSeconds) * time.Second
		}
	}
	chain = &patient{quiet: quiet, next: chain}
	if t.HTTP != nil {
		chain = &limiting{limit: l.limitOf(t.ID, t.HTTP), next: chain}
	}
	return client(&loggingIn{logins: l, target: t, origin: originOf(base), next: chain}), nil
}

func client(chain http.RoundTripper) *http.Client {
	return &http.Client{Transport: chain, CheckRedirect: sameOrigin}
}

func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// sameOrigin lets a redirect lead only to where the call went: another host
// would get the request's login.
func sameOrigin(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if originOf(next.URL) != originOf(first) {
		return fault.New(fault.EgressRefused, "the host %q redirects elsewhere, which is not followed", first.Hostname()).
			WithHint("give the address that it leads to, where that is the right one")
	}
	if len(via) > maxRedirects {
		return fault.New(fault.EgressRefused, "the host %q redirects more than %d times", first.Hostname(), maxRedirects)
	}
	return nil
}

// loggingIn adds the login and the connection's headers to requests for its own origin.
type loggingIn struct {
	logins *Logins
	target connections.OutsideTarget
	origin string
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A token that is no longer taken is replaced once.
func (t *loggingIn) RoundTrip(r *http.Request) (*http.Response, error) {
	if originOf(r.URL) != t.origin {
		return nil, fault.New(fault.EgressRefused, "the login of %q is not sent to %q", t.origin, r.URL.Host)
	}
	if t.target.OAuth == nil {
		return t.next.RoundTrip(t.dress(r, crypto.Secret{}))
	}
	token, err := t.logins.token(r.Context(), t.target)
	if err != nil {
		return nil, err
	}
	res, err := t.next.RoundTrip(t.dress(r, token))
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		return res, err
	}
	again := r
	if r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return res, nil
		}
		body, err := r.GetBody()
		if err != nil {
			return res, nil
		}
		again = r.Clone(r.Context())
		again.Body = body
	}
	_ = res.Body.Close()
	t.logins.drop(t.target, token)
	if token, err = t.logins.token(r.Context(), t.target); err != nil {
		return nil, err
	}
	return t.next.RoundTrip(t.dress(again, token))
}

// dress gives a request with headers and login.
func (t *loggingIn) dress(r *http.Request, token crypto.Secret) *http.Request {
	r = r.Clone(r.Context())
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", userAgent)
	}
	if t.target.HTTP != nil {
		for _, h := range t.target.HTTP.Headers {
			if r.Header.Get(h.Name) == "" {
				r.Header.Set(h.Name, h.Value)
			}
		}
	}
	switch t.target.AuthType {
	case connections.Basic:
		r.SetBasicAuth(t.target.Username, t.target.Secret.Reveal())
	case connections.Bearer:
		r.Header.Set("Authorization", "Bearer "+t.target.Secret.Reveal())
	case connections.HeaderAuth:
		r.Header.Set(t.target.HeaderName, t.target.Secret.Reveal())
	case connections.OAuth2:
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	return r
}

// limit is what a connection allows of calls.
type limit struct {
	settings string
	pace     *rate.Limiter
	slots    chan struct{}
}

// limitOf gives the limit of a connection, the same one as long as its settings are.
func (l *Logins) limitOf(id string, h *connections.HTTPSettings) *limit {
	made := newLimit(h)
	if id == "" {
		return made
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.limits[id]; known != nil && known.settings == made.settings {
		return known
	}
	l.limits[id] = made
	return made
}
