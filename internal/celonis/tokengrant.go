package celonis

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/oauth2"
)

// Grants keeps what users granted to connections; *connections.Grants does.
type Grants interface {
	Read(ctx context.Context, workspace, connectionID string) (connections.HeldGrant, error)
	Claim(ctx context.Context, h *connections.HeldGrant) (bool, error)
	Replace(ctx context.Context, h connections.HeldGrant, t connections.GrantedTokens) (bool, error)
	Release(ctx context.Context, h connections.HeldGrant) error
	Refuse(ctx context.Context, h connections.HeldGrant) (bool, error)
}

var (
	_ Grants                    = (*connections.Grants)(nil)
	_ connections.CodeExchanger = (*Tokens)(nil)
)

const (
	// claimPause is the pause between two looks at a grant that another process exchanges.
	claimPause = 100 * time.Millisecond
	// keepTimeout bounds storing what an exchange gave.
	keepTimeout = 10 * time.Second
)

// fromGrant gives a token of what a user granted: the one that was stored by
// whoever exchanged last, unless it is nearly over or the refused one; else one
// from an exchange of the refresh token. Of all processes one exchanges at a
// time, and stores what it got before it is used.
func (x *exchanging) fromGrant(ctx context.Context) (*accessToken, error) {
	grants, o := x.tokens.cfg.Grants, x.login.oauth
	if grants == nil || o.ConnectionID == "" {
		return nil, fault.New(fault.ConnectionUnauthorized, "no user has authorized the connection").
			WithHint("store the connection, then authorize it: POST /v1/connections/{id}/authorize")
	}
	for {
		held, err := grants.Read(ctx, o.Workspace, o.ConnectionID)
		if err != nil {
			return nil, err
		}
		if token := x.shared(held); token != nil {
			return token, nil
		}
		claimed, err := grants.Claim(ctx, &held)
		if err != nil {
			return nil, err
		}
		if claimed {
			token, again, err := x.refresh(ctx, held)
			if !again {
				return token, err
			}
		}
		select {
		case <-time.After(claimPause):
		case <-ctx.Done():
			return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "another process has been exchanging the connection's tokens for too long")
		}
	}
}

// shared gives the stored access token when it is good for a while.
func (x *exchanging) shared(h connections.HeldGrant) *accessToken {
	now := x.tokens.cfg.Now()
	if h.Access.IsZero() || !now.Before(h.EndsAt) || x.renew || x.tokens.wasRefused(x.login, h.Access) {
		return nil
	}
	token := x.tokens.made(h.Access, h.EndsAt.Sub(now))
	token.useUntil, token.life, token.scopes, token.from = h.EndsAt, 0, h.Scopes, x.ends
	return token
}

// refresh exchanges the refresh token under a claim; again says that the grant
// was replaced meanwhile and must be read anew.
func (x *exchanging) refresh(ctx context.Context, h connections.HeldGrant) (_ *accessToken, again bool, _ error) {
	defer x.known(h.Refresh)()
	config := x.config("")
	// A refresh token is good once: an exchange is not repeated by itself, and
	// goes on when its caller leaves, so that what it gives is kept.
	ctx, cancel := context.WithTimeout(withTries(context.WithoutCancel(ctx), tries{}), exchangeTimeout)
	defer cancel()
	answer, err := config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, x.tokens.httpClient(x.login.oauth)),
		&oauth2.Token{RefreshToken: h.Refresh.Reveal()}).Token()
	keep, done := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer done()
	if err != nil {
		again, err = x.refused(keep, h, x.fault(ctx, err))
		return nil, again, err
	}
	token, granted, err := x.granted(answer)
	if err != nil {
		return nil, false, err
	}
	stored, err := x.tokens.cfg.Grants.Replace(keep, h, granted)
	if err != nil {
		return nil, false, err
	}
	return token, !stored, nil
}

// refused gives the claim back after a refusal. What Celonis no longer accepts
// is forgotten, unless another process has replaced it.
func (x *exchanging) refused(ctx context.Context, h connections.HeldGrant, err error) (again bool, _ error) {
	if !fault.Has(err, fault.CelonisOAuthRefresh) {
		if releaseErr := x.tokens.cfg.Grants.Release(ctx, h); releaseErr != nil {
			x.tokens.cfg.Logger.WarnContext(ctx, "the claim on a grant stays until it ends", "connection", h.Claim.ConnectionID, "error", releaseErr)
		}
		return false, err
	}
	forgotten, forgetErr := x.tokens.cfg.Grants.Refuse(ctx, h)
	if forgetErr != nil {
		return false, forgetErr
	}
	return !forgotten, err
}

// granted reads an answer with tokens of a user's grant.
func (x *exchanging) granted(answer *oauth2.Token) (*accessToken, connections.GrantedTokens, error) {
	refresh := crypto.NewSecret(answer.RefreshToken)
	time.AfterFunc(longestLife, x.known(refresh))
	token, err := x.accessToken(answer)
	if err != nil {
		return nil, connections.GrantedTokens{}, err
	}
	return token, connections.GrantedTokens{Refresh: refresh, Access: token.value, EndsAt: token.useUntil, Scopes: token.scopes}, nil
}

// known keeps a token out of logs and faults until release.
func (x *exchanging) known(secret crypto.Secret) (release func()) {
	if secret.IsZero() {
		return func() {}
	}
	x.redact.also(newRedactor(secret))
	return x.tokens.cfg.Known(secret)
}

// config is the login in the form of x/oauth2.
func (x *exchanging) config(redirect string) *oauth2.Config {
	o := x.login.oauth
	return &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), RedirectURL: redirect, Scopes: o.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: x.ends.authorize, TokenURL: x.ends.token, AuthStyle: authStyle(o.AuthMethod)},
	}
}

// begin finds the endpoints for a target with OAuth.
func (t *Tokens) begin(ctx context.Context, target connections.Target) (*exchanging, error) {
	if target.OAuth == nil {
		return nil, fault.New(fault.OAuthGrant, "the connection has no OAuth client")
	}
	x := &exchanging{tokens: t, login: login{base: target.BaseURL, oauth: target.OAuth}, redact: newRedactor(target.OAuth.ClientSecret)}
	var err error
	if x.ends, err = t.discover(ctx, x.login, nil); err != nil {
		return nil, x.networkFault(ctx, err)
	}
	return x, nil
}

// AuthorizationURL implements connections.CodeExchanger.
func (t *Tokens) AuthorizationURL(ctx context.Context, target connections.Target, r connections.AuthorizationRequest) (string, error) {
	x, err := t.begin(ctx, target)
	if err != nil {
		return "", err
	}
	return x.config(r.RedirectURI).AuthCodeURL(r.State.Reveal(), oauth2.S256ChallengeOption(r.Verifier.Reveal())), nil
}

// Redeem implements connections.CodeExchanger.
func (t *Tokens) Redeem(ctx context.Context, target connections.Target, r connections.Redemption) (connections.GrantedTokens, error) {
	// A code is good once: its exchange is not repeated by itself, and goes on when the browser leaves.
	ctx, cancel := context.WithTimeout(withTries(context.WithoutCancel(ctx), tries{}), exchangeTimeout)
	defer cancel()
	x, err := t.begin(ctx, target)
	if err != nil {
		return connections.GrantedTokens{}, err
	}
	defer x.known(r.Code)()
	defer x.known(r.Verifier)()
	answer, err := x.config(r.RedirectURI).Exchange(context.WithValue(ctx, oauth2.HTTPClient, t.httpClient(target.OAuth)),
		r.Code.Reveal(), oauth2.VerifierOption(r.Verifier.Reveal()))
	if err != nil {
		return connections.GrantedTokens{}, x.fault(ctx, err)
	}
	_, granted, err := x.granted(answer)
	if err == nil && granted.Refresh.IsZero() {
		return connections.GrantedTokens{}, fault.New(fault.CelonisOAuthGrant, "celonis gave no refresh token, so that the connection would end within minutes").
			WithHint("%s: the client must allow refresh tokens", clientPlace)
	}
	return granted, err
}
