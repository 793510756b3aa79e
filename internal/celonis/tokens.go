package celonis

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/sync/singleflight"
)

const (
	// earlyLeast and earlyMost bound how long before its end a token is no
	// longer used; between them it is a tenth of the token's life.
	earlyLeast = 10 * time.Second
	earlyMost  = time.Minute
	// unknownLife is how long a token is used that does not say how long it lives.
	unknownLife = time.Minute
	// longestLife bounds what a token says of itself.
	longestLife = 24 * time.Hour
	// forgetAfter is how long after its end a token is still kept out of logs.
	forgetAfter = 5 * time.Minute
	// exchangeTimeout bounds getting a token, discovery included.
	exchangeTimeout = 30 * time.Second
)

// TokensConfig is what Tokens need; only Transport must be given.
type TokensConfig struct {
	// Transport is the egress transport; nothing else may leave the process.
	Transport http.RoundTripper
	Logger    *slog.Logger
	Now       func() time.Time
	UserAgent string
	// Retry is the policy for exchanges that may be repeated; zero fields take the defaults.
	Retry RetryPolicy
	// Grants keeps what users granted; nil serves no connection that a user authorizes.
	Grants Grants
	// Known hears of every secret that Celonis gives, to keep it out of logs until release.
	Known func(crypto.Secret) (release func())
}

// Tokens gets access tokens from Celonis and keeps them, in memory only, for
// every client of the process. It is safe for concurrent use.
type Tokens struct {
	cfg     TokensConfig
	flights singleflight.Group

	mu   sync.Mutex
	kept map[string]*accessToken
	// refused are tokens that Celonis no longer takes although they have not ended.
	refused    map[string]crypto.Secret
	discovered map[string]discovery
}

// NewTokens makes Tokens without any.
func NewTokens(cfg TokensConfig) *Tokens {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = defaultUserAgent
	}
	if cfg.Known == nil {
		cfg.Known = func(crypto.Secret) func() { return func() {} }
	}
	if cfg.Retry.Timeout == 0 {
		cfg.Retry.Timeout = testTry
	}
	if cfg.Retry.Tries == 0 {
		cfg.Retry.Tries = testTries
	}
	if cfg.Retry.MaxWait == 0 {
		cfg.Retry.MaxWait = time.Second
	}
	cfg.Retry = cfg.Retry.withDefaults()
	return &Tokens{cfg: cfg, kept: map[string]*accessToken{}, refused: map[string]crypto.Secret{}, discovered: map[string]discovery{}}
}

// accessToken is a token and what Celonis said of it. It does not change.
type accessToken struct {
	value crypto.Secret
	// useUntil is a while before the token ends.
	useUntil time.Time
	// life is how long Celonis says the token lives, 0 when it does not.
	life time.Duration
	// scopes are the granted ones.
	scopes []string
	// from says where the token came from.
	from   discovery
	redact *redactor
}

// login is a way to tokens: the host of a connection and as whom.
type login struct {
	// base is the connection's origin.
	base  string
	oauth *connections.OAuthTarget
}

// key tells tokens apart that are not the same: by workspace, connection where
// a user granted them, state of the OAuth client, host and scopes.
func (l login) key() string {
	connection := ""
	if l.oauth.Grant == connections.AuthorizationCode {
		connection = l.oauth.ConnectionID
	}
	return strings.Join([]string{
		l.oauth.Workspace, connection, l.oauth.Client, strconv.FormatInt(l.oauth.Revision, 10), string(l.oauth.Grant), l.base,
		strings.Join(l.oauth.Scopes, " "),
	}, "\x00")
}

// token gives a token that is good for a while, a kept one where there is one.
// Those who need a new one at the same time share one exchange, which goes on
// for the others when one of them leaves.
func (t *Tokens) token(ctx context.Context, l login) (*accessToken, error) {
	if kept := t.find(l); kept != nil {
		return kept, nil
	}
	done := t.flights.DoChan(l.key(), func() (any, error) { return t.fly(l) })
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*accessToken), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fly makes an exchange that is no caller's alone: it has a time of its own,
// and no trace of a caller's request. A panic is one exchange's fault, not the process's end.
func (t *Tokens) fly(l login) (made *accessToken, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "internal error").WithRetry(fault.Never)
			t.cfg.Logger.Error("an exchange for a token panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	// Another exchange may have ended since.
	if kept := t.find(l); kept != nil {
		return kept, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	if made, err = t.exchange(ctx, l, nil); err != nil {
		return nil, err
	}
	t.keep(l, made)
	return made, nil
}

// find gives the kept token when it is good for a while, else nil.
func (t *Tokens) find(l login) *accessToken {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kept := t.kept[l.key()]; kept != nil && t.cfg.Now().Before(kept.useUntil) {
		return kept
	}
	return nil
}

func (t *Tokens) keep(l login, made *accessToken) {
	now := t.cfg.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, old := range t.kept {
		if !now.Before(old.useUntil) {
			delete(t.kept, key)
		}
	}
	t.kept[l.key()] = made
	delete(t.refused, l.key())
}

// drop forgets a token that Celonis refused, unless another took its place already.
func (t *Tokens) drop(l login, refused *accessToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept[l.key()] == refused {
		delete(t.kept, l.key())
	}
	t.refused[l.key()] = refused.value
}

// wasRefused reports whether a token is the one that Celonis refused last.
func (t *Tokens) wasRefused(l login, value crypto.Secret) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused[l.key()].Equal(value)
}

// made reads a token answer. A token that does not say how long it lives is
// used for a short time: Celonis's live 15 minutes.
func (t *Tokens) made(value crypto.Secret, life time.Duration) *accessToken {
	now := t.cfg.Now()
	a := &accessToken{value: value, life: min(life, longestLife), redact: newRedactor(value)}
	known := unknownLife
	switch {
	case a.life > 0:
		known = a.life
		a.useUntil = now.Add(a.life - min(max(a.life/10, earlyLeast), earlyMost))
	default:
		a.useUntil = now.Add(unknownLife)
	}
	time.AfterFunc(known+forgetAfter, t.cfg.Known(value))
	return a
}

// source gives the tokens of one login to one client, whose redactor learns each.
type source struct {
	tokens *Tokens
	login  login
	redact *redactor
}

func (s *source) token(ctx context.Context) (*accessToken, error) {
	a, err := s.tokens.token(ctx, s.login)
	return a, s.learn(a, err)
}

func (s *source) learn(a *accessToken, err error) error {
	if err != nil {
		// Nothing has left for the API yet.
		return notSent{err}
	}
	s.redact.also(a.redact)
	return nil
}

// renew gives another token than the refused one.
func (s *source) renew(ctx context.Context, refused *accessToken) (*accessToken, error) {
	s.tokens.drop(s.login, refused)
	return s.token(ctx)
}

// bearing adds an access token to requests for the connection's own host, and
// to no others. A token that Celonis no longer takes is replaced once: a
// request that was answered 401 did nothing, so that an upload is safe too.
type bearing struct {
	base   string
	source *source
	next   http.RoundTripper
}

func (t *bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	if origin(r.URL) != t.base {
		return nil, fault.New(fault.EgressRefused, "the token of %q is not sent to %q", t.base, r.URL.Host)
	}
	token, err := t.source.token(r.Context())
	if err != nil {
		return nil, err
	}
	res, err := t.send(r, token)
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		return res, err
	}
	again, replayable := replay(r)
	if !replayable {
		return res, nil
	}
	_ = res.Body.Close()
	if token, err = t.source.renew(r.Context(), token); err != nil {
		return nil, err
	}
	return t.send(again, token)
}

func (t *bearing) send(r *http.Request, token *accessToken) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", string(schemeBearer)+" "+token.value.Reveal())
	return t.next.RoundTrip(r)
}

// replay gives a request with its body from the start; false for a body that
// can be read only once.
func replay(r *http.Request) (*http.Request, bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, false
	}
	again := r.Clone(r.Context())
	again.Body = body
	return again, true
}
