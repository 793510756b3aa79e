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

// maxToken bounds a token that is looked at, in bytes; ours have about 700,
// those of other houses some thousands.
const maxToken = 16 << 10

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

// claims are those of RFC 9068, and ours: the workspace, and the secret that
// the token was got with.
type claims struct {
	jwt.RegisteredClaims
	ClientID  string `json:"client_id"`
	Scope     string `json:"scope"`
	Workspace string `json:"ws"`
	SecretID  string `json:"sid"`
}

// verifiedToken is what a good signature covers.
type verifiedToken struct {
	id        string
	client    string
	secret    string
	workspace string
	scopes    []Scope
	issued    time.Time
	ends      time.Time
	// outside is who a token of another house belongs to; nil for ours.
	outside *Principal
}

// IssueToken makes a token for a client that Authenticate gave. No requested
// scope means all that the client has. Faults: RequestFieldInvalid for a word
// that is no scope, AccessForbidden for a scope that the client does not have.
func (s *Service) IssueToken(ctx context.Context, l Login, requested []string) (Token, error) {
	scopes := l.Scopes
	if len(requested) > 0 {
		var err error
		if scopes, err = ParseScopes(requested); err != nil {
			return Token{}, err
		}
	}
	for _, scope := range scopes {
		if !slices.Contains(l.Scopes, scope) {
			return Token{}, fault.New(fault.AccessForbidden, "the client does not have the scope %q", scope)
		}
	}
	if err := s.touch(ctx, l); err != nil {
		return Token{}, err
	}
	now := s.deps.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.deps.Issuer, Audience: jwt.ClaimStrings{s.deps.Issuer}, Subject: l.ID, ID: s.deps.NewID(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(TokenLifetime)),
		},
		ClientID: l.ID, Workspace: l.Workspace, SecretID: l.SecretID, Scope: JoinScopes(scopes),
	})
	token.Header["kid"], token.Header["typ"] = s.signer.keyID, "at+jwt"
	signed, err := token.SignedString(s.signer.private)
	if err != nil {
		return Token{}, fault.Wrap(err, fault.Internal, "a token cannot be signed")
	}
	return Token{AccessToken: crypto.NewSecret(signed), ExpiresIn: TokenLifetime, Scopes: scopes}, nil
}

// VerifyToken tells who a token belongs to. Fault AccessUnauthenticated when
// it is neither ours nor of the house that is trusted, has ended or was
// revoked, or its client or secret is gone or disabled.
func (s *Service) VerifyToken(ctx context.Context, raw string) (Principal, error) {
	t, err := s.parse(ctx, raw)
	if err != nil {
		return Principal{}, err
	}
	return s.principal(ctx, t)
}

// principal holds a token against what its client is now.
func (s *Service) principal(ctx context.Context, t verifiedToken) (Principal, error) {
	if t.outside != nil {
		return *t.outside, nil
	}
	c, _, err := s.clients.get(ctx, t.client)
	if fault.Has(err, fault.AccessClientNotFound) {
		return Principal{}, fault.New(fault.AccessUnauthenticated, "the token's client is gone")
	}
	if err != nil {
		return Principal{}, err
	}
	if c.Disabled || c.Workspace != t.workspace {
		return Principal{}, fault.New(fault.AccessUnauthenticated, "the token's client is disabled")
	}
	if c.secret(t.secret, s.deps.Now()) == nil {
		return Principal{}, fault.New(fault.AccessUnauthenticated, "the secret that the token was got with has ended")
	}
	revoked, _, err := s.revoked.get(ctx, t.id)
	if err != nil {
		return Principal{}, err
	}
	if revoked {
		return Principal{}, fault.New(fault.AccessUnauthenticated, "the token was revoked")
	}
	return Principal{ClientID: c.ID, Name: c.Name, Workspace: c.Workspace, Scopes: common(t.scopes, c.Scopes)}, nil
}

// parse checks form, signature and times of a token. What the signature covers
// never changes, so a token that was good is remembered until it ends.
func (s *Service) parse(ctx context.Context, raw string) (verifiedToken, error) {
	if len(raw) > maxToken {
		return verifiedToken{}, fault.New(fault.AccessUnauthenticated, "the token is not valid")
	}
	t, ok := s.verified.get(raw)
	if ok {
		return t, nil
	}
	var err error
	if s.deps.Outside.issued(raw) {
		t, err = s.deps.Outside.verify(ctx, raw, s.deps.Now())
	} else {
		t, err = s.parseOwn(raw)
	}
	if err != nil {
		return verifiedToken{}, err
	}
	s.verified.put(raw, t)
	return t, nil
}

func (s *Service) parseOwn(raw string) (verifiedToken, error) {
	var c claims
	_, err := jwt.ParseWithClaims(raw, &c, s.publicKey,
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithTimeFunc(s.deps.Now),
		jwt.WithIssuer(s.deps.Issuer), jwt.WithAudience(s.deps.Issuer),
		jwt.WithExpirationRequired(), jwt.WithStrictDecoding())
	if errors.Is(err, jwt.ErrTokenExpired) {
		return verifiedToken{}, errEnded()
	}
	if err != nil {
		return verifiedToken{}, fault.Wrap(err, fault.AccessUnauthenticated, "the token is not valid")
	}
	t := verifiedToken{id: c.ID, client: c.Subject, secret: c.SecretID, workspace: c.Workspace, ends: c.ExpiresAt.Time}
	if c.IssuedAt != nil {
		t.issued = c.IssuedAt.Time
	}
	for word := range strings.FieldsSeq(c.Scope) {
		t.scopes = append(t.scopes, Scope(word))
	}
	return t, nil
}

func errEnded() error {
	return fault.New(fault.AccessUnauthenticated, "the token has ended").WithHint("get a new one with POST /oauth/token")
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
