package celonis

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	tokenPath     = "/oauth2/token"
	authorizePath = "/oauth2/authorize"
	discoveryPath = "/.well-known/openid-configuration"
	// maxDiscovery bounds the discovery document, in bytes.
	maxDiscovery = 256 << 10
	// discoveryLife and noDiscoveryLife are how long is remembered what a host
	// said of its endpoints, and that it said nothing.
	discoveryLife   = time.Hour
	noDiscoveryLife = 5 * time.Minute
	// maxRedirects bounds the redirects of the token endpoint.
	maxRedirects = 3
)

// discovery is where a host's endpoints are.
type discovery struct {
	token, authorize string
	// found tells that the host said so; else they are the usual places.
	found bool
	// note says what of the host's own words was not followed, "" for nothing.
	note  string
	until time.Time
}

// where says how the token endpoint was found, for people.
func (d discovery) where() string {
	if d.found {
		return "found by discovery"
	}
	return "the usual place"
}

// httpClient makes a client that sends the secret to the valid origins only,
// whatever redirects say.
func (t *Tokens) httpClient(o *connections.OAuthTarget) *http.Client {
	var chain http.RoundTripper = &bounding{next: t.cfg.Transport}
	chain = &confined{origins: o.ValidOrigins, next: chain}
	chain = &retrying{policy: t.cfg.Retry, logger: t.cfg.Logger, now: t.cfg.Now, next: chain}
	return &http.Client{Transport: &identifying{userAgent: t.cfg.UserAgent, next: chain}, CheckRedirect: carry}
}

// confined lets requests out to the valid origins only: every redirect passes here too.
type confined struct {
	origins []string
	next    http.RoundTripper
}

func (t *confined) RoundTrip(r *http.Request) (*http.Response, error) {
	if !slices.Contains(t.origins, origin(r.URL)) {
		return nil, notSent{fault.New(fault.OAuthClientDomain, "the way to a token leads to %q, which is not one of the OAuth client's valid domains", origin(r.URL)).
			WithHint("the client's secret goes only to its valid domains: check the connection's domain, or add the host to the OAuth client's validDomains")}
	}
	return t.next.RoundTrip(r)
}

// carry follows a redirect that keeps method and body, and carries the
// credentials of the header along: net/http drops them where the host changes,
// and confined decides which host may have them.
func carry(next *http.Request, via []*http.Request) error {
	if next.Method != via[0].Method || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	if basic := via[0].Header.Get("Authorization"); basic != "" {
		next.Header.Set("Authorization", basic)
	}
	return nil
}

// origin is scheme and host, without a default port.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// discover finds the endpoints of a host by OpenID Connect discovery. A host
// that has none, or answers with a page or with nonsense, has them at the usual
// place; only a host that does not answer at all is an error. far hears how far
// the call came.
func (t *Tokens) discover(ctx context.Context, l login, far *progress) (discovery, error) {
	key := l.base + " " + strings.Join(l.oauth.ValidOrigins, " ")
	t.mu.Lock()
	known, ok := t.discovered[key]
	t.mu.Unlock()
	if ok && far == nil && t.cfg.Now().Before(known.until) {
		return known, nil
	}
	found, err := t.askEndpoints(ctx, l, far)
	if err != nil {
		return discovery{}, err
	}
	life := noDiscoveryLife
	if found.found {
		life = discoveryLife
	}
	found.until = t.cfg.Now().Add(life)
	t.mu.Lock()
	t.discovered[key] = found
	t.mu.Unlock()
	return found, nil
}

// undiscover forgets what a host said, when what it said proved to be wrong.
func (t *Tokens) undiscover(l login) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.discovered, l.base+" "+strings.Join(l.oauth.ValidOrigins, " "))
}

func (t *Tokens) askEndpoints(ctx context.Context, l login, far *progress) (discovery, error) {
	usual := discovery{token: l.base + tokenPath, authorize: l.base + authorizePath}
	ctx = withTries(ctx, tries{repeatable: true})
	if far != nil {
		ctx = far.trace(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.base+discoveryPath, nil)
	if err != nil {
		return usual, fault.Wrap(err, fault.ConnectionDomain, "the connection's base URL is not a URL of scheme and host")
	}
	client := t.httpClient(l.oauth)
	client.CheckRedirect = stay
	res, err := client.Do(req)
	if err != nil {
		return usual, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDiscovery))
	var said struct {
		Token     string `json:"token_endpoint"`
		Authorize string `json:"authorization_endpoint"`
	}
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(body, &said) != nil {
		return usual, nil
	}
	return l.endpoints(usual, said.Token, said.Authorize), nil
}

// endpoints takes of what a host says what leads to valid origins. The
// authorization endpoint gets no secret, but the browser of a person.
func (l login) endpoints(usual discovery, token, authorize string) discovery {
	if token == "" {
		return usual
	}
	if !l.allows(token) {
		usual.note = "the token endpoint that the host names is not on a valid domain of the OAuth client and is not used"
		return usual
	}
	usual.token, usual.found = token, true
	if l.allows(authorize) {
		usual.authorize = authorize
	}
	return usual
}

func (l login) allows(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.User == nil && u.Fragment == "" && slices.Contains(l.oauth.ValidOrigins, origin(u))
}

// exchange gets a token from Celonis. far, when not nil, hears how far the
// first call came; then nothing that is stored is used.
func (t *Tokens) exchange(ctx context.Context, l login, far *progress) (*accessToken, error) {
	x := &exchanging{tokens: t, login: l, redact: newRedactor(l.oauth.ClientSecret), renew: far != nil}
	ends, err := t.discover(ctx, l, far)
	if err != nil {
		return nil, x.networkFault(ctx, err)
	}
	x.ends = ends
	if l.oauth.Grant == connections.AuthorizationCode {
		return x.fromGrant(ctx)
	}
	ctx = withTries(ctx, tries{repeatable: true})
	config := clientcredentials.Config{
		ClientID: l.oauth.ClientID, ClientSecret: l.oauth.ClientSecret.Reveal(), TokenURL: ends.token,
		Scopes: l.oauth.Scopes, AuthStyle: authStyle(l.oauth.AuthMethod),
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.httpClient(l.oauth)))
	if err != nil {
		return nil, x.fault(ctx, err)
	}
	return x.accessToken(token)
}

func authStyle(m connections.AuthMethod) oauth2.AuthStyle {
	if m == connections.ClientSecretPost {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// accessToken reads the answer of the token endpoint.
func (x *exchanging) accessToken(token *oauth2.Token) (*accessToken, error) {
	if !strings.EqualFold(token.Type(), string(schemeBearer)) {
		return nil, fault.New(fault.CelonisAnswer, "celonis gave a token of the type %q, not a bearer token", x.redact.words(token.Type())).
			WithHint("%s", domainHint)
	}
	value := crypto.NewSecret(token.AccessToken)
	if err := checkKey(value); err != nil {
		return nil, fault.New(fault.CelonisAnswer, "celonis gave a token that no header can carry")
	}
	made := x.tokens.made(value, lifeOf(token))
	made.from = x.ends
	made.scopes = x.login.oauth.Scopes
	if granted, ok := token.Extra("scope").(string); ok && strings.TrimSpace(granted) != "" {
		// Without the member, the granted scopes are the asked ones (RFC 6749, section 5.1).
		made.scopes = strings.Fields(granted)
	}
	return made, nil
}

// lifeOf gives how long a token lives by its answer; 0 when that does not say.
func lifeOf(token *oauth2.Token) time.Duration {
	var seconds float64
	switch v := token.Extra("expires_in").(type) {
	case float64:
		seconds = v
	case string:
		n, err := strconv.ParseFloat(v, 64)
		if err == nil {
			seconds = n
		}
	case int64:
		seconds = float64(v)
	}
	if seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, longestLife.Seconds()) * float64(time.Second))
}

// exchanging is one exchange on its way, for its faults.
type exchanging struct {
	tokens *Tokens
	login  login
	ends   discovery
	redact *redactor
	// renew wants a token from Celonis, not a stored one.
	renew bool
}

// networkFault turns an error of the transport into a fault without the secret.
func (x *exchanging) networkFault(ctx context.Context, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return transportFault(ctx, x.redact, err)
}
