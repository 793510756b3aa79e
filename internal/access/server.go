package access

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// TokenState is what RFC 7662 tells of a token.
type TokenState struct {
	// Active is false for every token that is not good, or not the caller's to ask about; then nothing else is told.
	Active    bool
	ID        string
	Principal Principal
	Issuer    string
	Audience  string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Introspect tells of a token. A caller with the scope ClientsRead may ask
// about every token of its workspace, others about their own.
func (s *Service) Introspect(ctx context.Context, by Principal, raw string) (TokenState, error) {
	t, err := s.parse(ctx, raw)
	if err == nil {
		var p Principal
		if p, err = s.principal(ctx, t); err == nil {
			return s.state(by, t, p), nil
		}
	}
	if fault.Has(err, fault.AccessUnauthenticated) {
		return TokenState{}, nil
	}
	return TokenState{}, err
}

func (s *Service) state(by Principal, t verifiedToken, p Principal) TokenState {
	own := by.ClientID == p.ClientID
	if by.Workspace != p.Workspace || (!own && !by.Has(ClientsRead)) {
		return TokenState{}
	}
	state := TokenState{Active: true, ID: t.id, Principal: p, Issuer: s.deps.Issuer, Audience: s.deps.Issuer, IssuedAt: t.issued, ExpiresAt: t.ends}
	if t.outside != nil {
		state.Issuer, state.Audience = s.deps.Outside.Issuer, s.deps.Outside.Audience
	}
	return state
}

// RevokeToken ends a token of the client's own before its time, at once here
// and within CacheFor in other processes. What is no token, or has ended, needs
// no end. Faults: AccessForbidden for a token of another client,
// AccessNotRevocable for one of another house.
func (s *Service) RevokeToken(ctx context.Context, l Login, raw string) error {
	t, err := s.parse(ctx, raw)
	if fault.Has(err, fault.AccessUnauthenticated) {
		return nil
	}
	switch {
	case err != nil:
		return err
	case t.outside != nil:
		return fault.New(fault.AccessNotRevocable, "the token was not issued here")
	case t.client != l.ID:
		return fault.New(fault.AccessForbidden, "the token was issued to another client")
	}
	defer s.revoked.forget(t.id)
	return s.deps.Repository.RevokeToken(ctx, RevokedToken{ID: t.id, ClientID: t.client, ExpiresAt: t.ends}, s.deps.Now())
}

// Key is a public key of RFC 7517 that tokens are checked with.
type Key struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}

// PublicKeys lists the keys of all tokens that are good, in order of their ids.
func (s *Service) PublicKeys() []Key {
	keys := make([]Key, 0, len(s.verify))
	for _, id := range slices.Sorted(maps.Keys(s.verify)) {
		keys = append(keys, Key{"OKP", "Ed25519", base64.RawURLEncoding.EncodeToString(s.verify[id]), id, "sig", "EdDSA"})
	}
	return keys
}

// Issuer is what stands in tokens as issuer and audience.
func (s *Service) Issuer() string { return s.deps.Issuer }
