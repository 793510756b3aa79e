package outside

import (
	"context"
	"errors"
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
	exchangeTimeout = 30 * time.Second
	// earlyMost and a tenth of a token's life bound how long before its end it is no longer used.
	earlyMost = time.Minute
	// unknownLife is how long a token is used that does not say how long it lives.
	unknownLife = 5 * time.Minute
	longestLife = 24 * time.Hour
	// forgetAfter is how long after its end a token is still kept out of logs.
	forgetAfter = 5 * time.Minute
)

type token struct {
	value    crypto.Secret
	useUntil time.Time
}

// keyOf tells tokens apart that are not the same.
func keyOf(t connections.OutsideTarget) string {
	o := t.OAuth
	return strings.Join([]string{o.Client, strconv.FormatInt(o.Revision, 10), o.ClientID, o.TokenURL, strings.Join(o.Scopes, " ")}, "\x00")
}

// token gives an access token by client credentials, a kept one where there
// is one. Those who need a new one at the same time share one exchange.
func (l *Logins) token(ctx context.Context, t connections.OutsideTarget) (crypto.Secret, error) {
	key := keyOf(t)
	l.mu.Lock()
	kept, ok := l.tokens[key]
	l.mu.Unlock()
	if ok && l.cfg.Now().Before(kept.useUntil) {
		return kept.value, nil
	}
	done := l.flights.DoChan(key, func() (any, error) {
		// The exchange is no caller's alone and has a time of its own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
		defer cancel()
		return l.exchange(ctx, t.OAuth, key)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return crypto.Secret{}, r.Err
		}
		return r.Val.(crypto.Secret), nil
	case <-ctx.Done():
		return crypto.Secret{}, ctx.Err()
	}
}

// drop forgets a token that was refused, unless another took its place already.
func (l *Logins) drop(t connections.OutsideTarget, refused crypto.Secret) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key := keyOf(t); l.tokens[key].value.Equal(refused) {
		delete(l.tokens, key)
	}
}

func (l *Logins) exchange(ctx context.Context, o *connections.OutsideOAuth, key string) (crypto.Secret, error) {
	u, err := url.Parse(o.TokenURL)
	// The secret goes to the client's valid domains only, and redirects are not followed with it.
	if err != nil || !slices.Contains(o.ValidDomains, strings.TrimPrefix(originOf(u), u.Scheme+"://")) {
		return crypto.Secret{}, fault.New(fault.OAuthClientDomain, "the token URL's host is not one of the valid domains of the OAuth client")
	}
	style := oauth2.AuthStyleInHeader
	if o.AuthMethod == connections.ClientSecretPost {
		style = oauth2.AuthStyleInParams
	}
	config := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), TokenURL: o.TokenURL, Scopes: o.Scopes, AuthStyle: style}
	chain := &http.Client{
		Transport:     &patient{quiet: exchangeTimeout, next: l.cfg.Transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	got, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, chain))
	if err != nil {
		return crypto.Secret{}, exchangeFault(u.Hostname(), err)
	}
	value := crypto.NewSecret(got.AccessToken)
	if value.IsZero() || strings.ContainsFunc(got.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return crypto.Secret{}, fault.New(fault.SourceUnavailable, "the token endpoint of %q gave a token that no header can carry", u.Hostname())
	}
	now, life := l.cfg.Now(), unknownLife
	if !got.Expiry.IsZero() {
		life = min(time.Until(got.Expiry), longestLife)
	}
	time.AfterFunc(life+forgetAfter, l.cfg.Known(value))
	l.mu.Lock()
	defer l.mu.Unlock()
	for old, t := range l.tokens {
		if !now.Before(t.useUntil) {
			delete(l.tokens, old)
		}
	}
	l.tokens[key] = token{value, now.Add(life - min(life/10, earlyMost))}
	return value, nil
}

// exchangeFault tells why there is no token, without what the endpoint said beyond its code: servers echo.
func exchangeFault(host string, err error) error {
	var answer *oauth2.RetrieveError
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &answer) && answer.Response != nil:
		status := answer.Response.StatusCode
		if status == http.StatusTooManyRequests || status >= http.StatusInternalServerError {
			return fault.New(fault.SourceUnavailable, "the token endpoint of %q answered with status %d", host, status)
		}
		return fault.New(fault.SourceUnauthorized, "the token endpoint of %q refuses the OAuth client with status %d", host, status).
			WithHint("check client id, client secret, authentication method and scopes of the OAuth client, and the token URL")
	}
	return fault.New(fault.SourceUnavailable, "the token endpoint of %q gave no token", host).
		WithHint("check that the token URL is that of an OAuth 2.0 token endpoint")
}
