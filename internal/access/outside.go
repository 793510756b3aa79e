package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// MaxSkew bounds how far the clock of another house may be from ours.
	MaxSkew = time.Minute
	// outsideTimeout bounds a request for the other house's addresses or keys.
	outsideTimeout = 10 * time.Second
	// outsidePause is the least time between two such requests to one address: tokens with made-up keys cause no more.
	outsidePause = 10 * time.Second
)

// Outside are the tokens of an OpenID Connect provider that are accepted
// beside our own. They are good until they expire: revoking is the provider's.
// It is safe for concurrent use.
type Outside struct {
	OutsideConfig
	client *http.Client

	// turn is held by the one who finds the provider's keys.
	turn     chan struct{}
	verifier atomic.Pointer[oidc.IDTokenVerifier]
}

// OutsideConfig says which tokens are accepted, and what they open.
type OutsideConfig struct {
	// Issuer is the provider's address, as its tokens name it.
	Issuer string
	// Audience must be among those of a token.
	Audience string
	// ScopesClaim holds the scopes: a text with blanks between, or a list.
	ScopesClaim string
	// ScopePrefix is cut off the claim's values; those without it, and those that are no scopes then, are ignored.
	ScopePrefix string
	// WorkspaceClaim names the claim that holds the workspace; "" puts every token into Workspace.
	WorkspaceClaim string
	Workspace      string
	// Transport reaches the provider.
	Transport http.RoundTripper
	Now       func() time.Time
}

// NewOutside checks the configuration; it reaches out only once there is a token.
func NewOutside(c OutsideConfig) (*Outside, error) {
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, errors.New("the issuer of outside tokens must be a plain https address")
	case c.Audience == "":
		return nil, errors.New("outside tokens need an audience that is ours: without one, tokens made for others would open this service")
	case c.ScopesClaim == "":
		return nil, errors.New("outside tokens need a claim that holds the scopes")
	case (c.WorkspaceClaim == "") == (c.Workspace == ""):
		return nil, errors.New("outside tokens need either a workspace or a claim that holds it")
	}
	o := &Outside{OutsideConfig: c, turn: make(chan struct{}, 1)}
	o.client = &http.Client{
		Transport: &paced{next: c.Transport, now: c.Now, last: map[string]time.Time{}}, Timeout: outsideTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return o, nil
}

// asymmetric are the algorithms that are taken: none with a shared secret, so
// that a public key can never be passed off as one.
func asymmetric() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

// issued reports whether a token says that it is of this house; its signature
// is another matter. A nil Outside issued nothing.
func (o *Outside) issued(raw string) bool {
	if o == nil {
		return false
	}
	_, rest, _ := strings.Cut(raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var c struct {
		Issuer string `json:"iss"`
	}
	return err == nil && json.Unmarshal(text, &c) == nil && c.Issuer == o.Issuer
}

// ready finds the provider's keys, once.
func (o *Outside) ready(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	if v := o.verifier.Load(); v != nil {
		return v, nil
	}
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if v := o.verifier.Load(); v != nil {
		return v, nil
	}
	background := oidc.ClientContext(context.WithoutCancel(ctx), o.client)
	provider, err := oidc.NewProvider(background, o.Issuer)
	if err != nil {
		return nil, err
	}
	v := provider.VerifierContext(background, &oidc.Config{
		ClientID: o.Audience, SupportedSigningAlgs: asymmetric(), SkipExpiryCheck: true, // times are checked with MaxSkew
	})
	o.verifier.Store(v)
	return v, nil
}

// times are the claims that bound when a token is good.
type times struct {
	ID        string  `json:"jti"`
	Party     string  `json:"azp"`
	Client    string  `json:"client_id"`
	Expires   float64 `json:"exp"`
	NotBefore float64 `json:"nbf"`
	Issued    float64 `json:"iat"`
}

func (t times) check(now time.Time) error {
	at := func(seconds float64) time.Time { return time.UnixMicro(int64(seconds * 1e6)) }
	const end = 1e11 // a second of the year 5138: beyond, microseconds would overflow
	switch {
	case t.Expires <= 0 || t.Expires > end || t.NotBefore > end || t.Issued > end:
		return fault.New(fault.AccessUnauthenticated, "the token does not say when it ends")
	case !now.Before(at(t.Expires).Add(MaxSkew)):
		return fault.New(fault.AccessUnauthenticated, "the token has ended").WithHint("get a new one from its issuer")
	case now.Add(MaxSkew).Before(at(t.NotBefore)), now.Add(MaxSkew).Before(at(t.Issued)):
		return fault.New(fault.AccessUnauthenticated, "the token is not good yet")
	}
	return nil
}

// verify checks a token of this house. Faults: AccessUnauthenticated;
// Unavailable when the house cannot be reached and was not before.
func (o *Outside) verify(ctx context.Context, raw string, now time.Time) (verifiedToken, error) {
	verifier, err := o.ready(ctx)
	if err != nil {
		return verifiedToken{}, fault.Wrap(err, fault.Unavailable, "the issuer of the token cannot be reached")
	}
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return verifiedToken{}, fault.Wrap(err, fault.AccessUnauthenticated, "the token is not valid")
	}
	var all map[string]any
	var t times
	if err := errors.Join(token.Claims(&all), token.Claims(&t)); err != nil {
		return verifiedToken{}, fault.Wrap(err, fault.AccessUnauthenticated, "the token's claims cannot be read")
	}
	if err := t.check(now); err != nil {
		return verifiedToken{}, err
	}
	p, err := o.principal(token.Subject, t, all)
	if err != nil {
		return verifiedToken{}, err
	}
	return verifiedToken{
		id: t.ID, client: p.ClientID, workspace: p.Workspace, scopes: p.Scopes, outside: p,
		issued: time.Unix(int64(t.Issued), 0), ends: time.Unix(int64(t.Expires), 0).Add(MaxSkew),
	}, nil
}

// principal reads who the token belongs to and what it opens.
func (o *Outside) principal(subject string, t times, all map[string]any) (*Principal, error) {
	name := subject
	for _, party := range []string{t.Client, t.Party} {
		if party != "" {
			name = party
		}
	}
	if subject == "" {
		return nil, fault.New(fault.AccessUnauthenticated, "the token has no subject")
	}
	workspace := o.Workspace
	if o.WorkspaceClaim != "" {
		if workspace, _ = all[o.WorkspaceClaim].(string); workspace == "" {
			return nil, fault.New(fault.AccessUnauthenticated, "the token has no claim %q that names a workspace", o.WorkspaceClaim)
		}
	}
	// The subject is the provider's word, of any form and length; ours must stand in paths and records.
	sum := sha256.Sum256([]byte(o.Issuer + "\x00" + subject))
	return &Principal{ClientID: "oidc-" + hex.EncodeToString(sum[:16]), Name: name, Workspace: workspace, Scopes: o.scopes(all[o.ScopesClaim])}, nil
}

// scopes gives what is ours of a claim.
func (o *Outside) scopes(claim any) []Scope {
	var words []string
	switch v := claim.(type) {
	case string:
		words = strings.Fields(v)
	case []any:
		for _, item := range v {
			if word, ok := item.(string); ok {
				words = append(words, word)
			}
		}
	}
	given := make(map[Scope]bool, len(words))
	for _, word := range words {
		if scope, ok := strings.CutPrefix(word, o.ScopePrefix); ok {
			given[Scope(scope)] = true
		}
	}
	var scopes []Scope
	for _, s := range AllScopes() {
		if given[s] {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// paced lets a request to an address through once in outsidePause.
type paced struct {
	next http.RoundTripper
	now  func() time.Time
	mu   sync.Mutex
	last map[string]time.Time
}

// RoundTrip implements http.RoundTripper.
func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	now := p.now()
	last, asked := p.last[r.URL.String()]
	if asked && now.Sub(last) < outsidePause {
		p.mu.Unlock()
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, fmt.Errorf("asked less than %s ago", outsidePause)
	}
	p.last[r.URL.String()] = now
	p.mu.Unlock()
	return p.next.RoundTrip(r)
}
