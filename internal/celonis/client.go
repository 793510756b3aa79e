// Package celonis is the client of Celonis's APIs: one transport chain, one
// reader of every error form that Celonis uses, and one file for each API.
package celonis

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// DefaultConcurrency and DefaultPerSecond bound one client's calls. Celonis
	// allows 20 of each on its Intelligence API and names no number elsewhere.
	DefaultConcurrency = 16
	DefaultPerSecond   = 20
	// maxAnswer bounds the body of an answer, in bytes.
	maxAnswer = 8 << 20
	// callTimeout bounds one try of a call that carries no chunk.
	callTimeout = 60 * time.Second

	defaultUserAgent = "celonis-connector"

	domainHint = "check the connection's domain: team and realm, as in the browser's address bar"
)

// Config is what a Client needs. Only Target and Transport must be given.
type Config struct {
	// Target is where to go and as whom; its PoolID is not read.
	Target connections.Target
	// Transport is the egress transport; nothing else may leave the process.
	Transport http.RoundTripper
	// Logger hears of tries that are done again; nil is silent.
	Logger    *slog.Logger
	Now       func() time.Time
	UserAgent string
	// Retry is the policy for calls that may be repeated; zero fields take the defaults.
	Retry RetryPolicy
	// Limits may be shared by the clients of one connection; nil gives the client its own.
	Limits *Limits
	// Shared keeps the limits that connections set themselves; nil gives such a client its own.
	Shared *SharedLimits
	// Tokens are the process's access tokens, for targets with OAuth; nil gives the client its own.
	Tokens *Tokens
}

// RetryPolicy says how a call that may be repeated is repeated.
type RetryPolicy struct {
	// Tries is the most tries of one call, the first included (default 4).
	Tries uint
	// Base is the mean wait before the second try, which doubles from then on
	// (default 250 ms); Cap bounds the mean (default 8 s).
	Base, Cap time.Duration
	// MaxWait is the longest wait that Celonis may ask for before the call is
	// given back with the time to come again (default 20 s).
	MaxWait time.Duration
	// Timeout bounds one try (default 60 s).
	Timeout time.Duration
	// Upload bounds one try of an upload beside the time that its bytes take on a slow line (default 2 min).
	Upload time.Duration
}

// forUpload bounds one upload of so many bytes.
func (p RetryPolicy) forUpload(size int64) time.Duration {
	return p.Upload + time.Duration(size/slowestUpload)*time.Second
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.Tries == 0 {
		p.Tries = 4
	}
	if p.Base == 0 {
		p.Base = 250 * time.Millisecond
	}
	if p.Cap == 0 {
		p.Cap = 8 * time.Second
	}
	if p.MaxWait == 0 {
		p.MaxWait = 20 * time.Second
	}
	if p.Timeout == 0 {
		p.Timeout = callTimeout
	}
	if p.Upload == 0 {
		p.Upload = chunkTimeout
	}
	return p
}

// Client speaks to one Celonis team as one connection. It holds a plaintext
// key: make one for a run or a test and let it go (I4). It is safe for
// concurrent use.
type Client struct {
	base        *url.URL
	http        *http.Client
	redact      *redactor
	now         func() time.Time
	authType    connections.AuthType
	retry       RetryPolicy
	generations generations
}

// New makes a Client. Fault ConnectionDomain for a base URL that is none,
// ConnectionSecretRequired without a key, SecretInvalid for a key that no
// header can carry.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.Target.BaseURL)
	if err != nil || base.Host == "" || base.User != nil || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, fault.New(fault.ConnectionDomain, "the connection's base URL is not a URL of scheme and host")
	}
	if cfg.Transport == nil {
		return nil, fault.New(fault.Internal, "the Celonis client needs a transport")
	}
	if _, err := schemeOf(cfg.Target.AuthType); err != nil {
		return nil, err
	}
	secret := cfg.Target.Key
	if cfg.Target.AuthType == connections.OAuth2 {
		if cfg.Target.OAuth == nil {
			return nil, fault.New(fault.ConnectionSecretRequired, "the connection has no OAuth client")
		}
		secret = cfg.Target.OAuth.ClientSecret
	}
	if err := checkKey(secret); err != nil {
		return nil, err
	}
	cfg = cfg.withSettings().withDefaults()
	redact := newRedactor(secret)
	return &Client{
		base:   &url.URL{Scheme: base.Scheme, Host: base.Host},
		http:   &http.Client{Transport: newChain(cfg, authorization(cfg, base, redact)), CheckRedirect: stay},
		redact: redact,
		now:    cfg.Now,

		authType: cfg.Target.AuthType, retry: cfg.Retry,
	}, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = defaultUserAgent
	}
	if cfg.Limits == nil {
		cfg.Limits = NewLimits(DefaultConcurrency, DefaultPerSecond)
	}
	cfg.Retry = cfg.Retry.withDefaults()
	if cfg.Tokens == nil && cfg.Target.OAuth != nil {
		cfg.Tokens = NewTokens(TokensConfig{Transport: cfg.Transport, Logger: cfg.Logger, Now: cfg.Now, UserAgent: cfg.UserAgent})
	}
	return cfg
}

// stay leaves redirects unfollowed: no API call of Celonis needs one, and a
// key must not travel with one.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
