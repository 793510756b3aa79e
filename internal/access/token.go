package access

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/golang-jwt/jwt/v5"
)

// maxToken bounds a token that is looked at, in bytes; ours have about 700.
const maxToken = 4096

// Token is an access token.
type Token struct {
	AccessToken crypto.Secret
	// ExpiresIn is how long the token lasts.
	ExpiresIn time.Duration
	Scopes    []Scope
}

// Principal is who a valid token belongs to.
type Principal struct {
	ClientID  string
	Name      string
	Workspace string
	// Scopes are those of the token that the client still has.
	Scopes []Scope
}

// Has reports whether the principal may do what the scope stands for.
func (p Principal) Has(scope Scope) bool { return slices.Contains(p.Scopes, scope) }

type signer struct {
	keyID   string
	private ed25519.PrivateKey
}

type claims struct {
	jwt.RegisteredClaims
	Workspace string `json:"ws"`
	Scope     string `json:"scope"`
}

// IssueToken makes a token for a client that Authenticate gave. No requested
// scope means all that the client has. Faults: RequestFieldInvalid for a word
// that is no scope, AccessForbidden for a scope that the client does not have.
func (s *Service) IssueToken(ctx context.Context, c Client, requested []string) (Token, error) {
	scopes := c.Scopes
	if len(requested) > 0 {
		var err error
		if scopes, err = ParseScopes(requested); err != nil {
			return Token{}, err
		}
	}
	for _, scope := range scopes {
		if !slices.Contains(c.Scopes, scope) {
			return Token{}, fault.New(fault.AccessForbidden, "the client does not have the scope %q", scope)
		}
	}
	now := s.deps.Now()
	if now.Sub(c.LastUsedAt) >= touchEvery {
		if err := s.deps.Repository.TouchClient(ctx, c.ID, now); err != nil {
			return Token{}, err
		}
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.deps.Issuer, Audience: jwt.ClaimStrings{s.deps.Issuer}, Subject: c.ID, ID: s.deps.NewID(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(TokenLifetime)),
		},
		Workspace: c.Workspace, Scope: JoinScopes(scopes),
	})
	token.Header["kid"] = s.signer.keyID
	signed, err := token.SignedString(s.signer.private)
	if err != nil {
		return Token{}, fault.Wrap(err, fault.Internal, "a token cannot be signed")
	}
	return Token{AccessToken: crypto.NewSecret(signed), ExpiresIn: TokenLifetime, Scopes: scopes}, nil
}

// VerifyToken tells who a token belongs to. Fault AccessUnauthenticated when
// it is not one of ours, has ended, or its client is gone or disabled.
func (s *Service) VerifyToken(ctx context.Context, raw string) (Principal, error) {
	t, err := s.parse(raw)
	if err != nil {
		return Principal{}, err
	}
	c, err := s.clients.get(ctx, t.client)
	if fault.Has(err, fault.AccessClientNotFound) {
		return Principal{}, fault.New(fault.AccessUnauthenticated, "the token's client is gone")
	}
	if err != nil {
		return Principal{}, err
	}
	if c.Disabled || c.Workspace != t.workspace {
		return Principal{}, fault.New(fault.AccessUnauthenticated, "the token's client is disabled")
	}
	return Principal{ClientID: c.ID, Name: c.Name, Workspace: c.Workspace, Scopes: common(t.scopes, c.Scopes)}, nil
}

// parse checks form, signature and times of a token. What the signature covers
// never changes, so a token that was good is remembered until it ends.
func (s *Service) parse(raw string) (verifiedToken, error) {
	if len(raw) > maxToken {
		return verifiedToken{}, fault.New(fault.AccessUnauthenticated, "the token is not valid")
	}
	if t, ok := s.verified.get(raw); ok {
		return t, nil
	}
	var c claims
	_, err := jwt.ParseWithClaims(raw, &c, s.publicKey,
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithTimeFunc(s.deps.Now),
		jwt.WithIssuer(s.deps.Issuer), jwt.WithAudience(s.deps.Issuer),
		jwt.WithExpirationRequired(), jwt.WithStrictDecoding())
	if errors.Is(err, jwt.ErrTokenExpired) {
		return verifiedToken{}, fault.New(fault.AccessUnauthenticated, "the token has ended").
			WithHint("get a new one with POST /oauth/token")
	}
	if err != nil {
		return verifiedToken{}, fault.Wrap(err, fault.AccessUnauthenticated, "the token is not valid")
	}
	t := verifiedToken{client: c.Subject, workspace: c.Workspace, ends: c.ExpiresAt.Time}
	for word := range strings.FieldsSeq(c.Scope) {
		t.scopes = append(t.scopes, Scope(word))
	}
	s.verified.put(raw, t)
	return t, nil
}

func (s *Service) publicKey(t *jwt.Token) (any, error) {
	id, _ := t.Header["kid"].(string)
	key, ok := s.verify[id]
	if !ok {
		return nil, errors.New("unknown key id")
	}
	return key, nil
}

// common gives the scopes that stand in both lists, without a copy when that is all of a.
func common(a, b []Scope) []Scope {
	for _, scope := range a {
		if !slices.Contains(b, scope) {
			return slices.DeleteFunc(slices.Clone(a), func(s Scope) bool { return !slices.Contains(b, s) })
		}
	}
	return a
}
