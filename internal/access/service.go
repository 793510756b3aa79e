package access

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/google/uuid"
)

const (
	// TokenLifetime is how long a token lasts.
	TokenLifetime = 15 * time.Minute
	// CacheFor is how long a client's row may be remembered: a disabled
	// client's tokens end within this time.
	CacheFor = 5 * time.Second
	// touchEvery bounds how often LastUsedAt is written for a client.
	touchEvery = time.Minute
	// MaxName bounds a client's name, in characters.
	MaxName = 100

	secretPrefix  = "ccs_"
	signingLabel  = "access/token-signing"
	defaultIssuer = "celonis-connector"
)

// Keys gives key material by the ids of master keys; *crypto.Keyring is one.
type Keys interface {
	PrimaryID() string
	IDs() []string
	Derive(keyID, label string, n int) ([]byte, error)
}

var _ Keys = (*crypto.Keyring)(nil)

// Deps are what a Service needs. Issuer, Now and NewID may be left out.
type Deps struct {
	Repository Repository
	Keys       Keys
	// Issuer stands in tokens as issuer and audience; services that share
	// keys and clients must give the same. "celonis-connector" when empty.
	Issuer string
	Now    func() time.Time
	// NewID makes ids that grow with time; UUIDs of version 7 when nil.
	NewID func() string
}

// Service makes API clients, checks their secrets and issues and verifies
// their tokens. It is safe for concurrent use.
type Service struct {
	deps     Deps
	signer   signer
	verify   map[string]ed25519.PublicKey
	clients  *clientCache
	verified *tokenCache
}

// New makes a Service. It returns an error when a signing key cannot be derived.
func New(d Deps) (*Service, error) {
	if d.Issuer == "" {
		d.Issuer = defaultIssuer
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	s := &Service{deps: d, verify: map[string]ed25519.PublicKey{}, verified: newTokenCache(d.Now)}
	s.clients = newClientCache(d.Repository.Client, d.Now)
	for _, id := range d.Keys.IDs() {
		seed, err := d.Keys.Derive(id, signingLabel, ed25519.SeedSize)
		if err != nil {
			return nil, fmt.Errorf("derive the token key of master key %q: %w", id, err)
		}
		private := ed25519.NewKeyFromSeed(seed)
		clear(seed)
		s.verify[id] = private.Public().(ed25519.PublicKey)
		if id == d.Keys.PrimaryID() {
			s.signer = signer{id, private}
		}
	}
	return s, nil
}

// CreateClient stores a new API client and gives its secret, which is not kept
// and cannot be had again. Faults: RequestFieldInvalid for a bad name or
// scope, AccessClientExists.
func (s *Service) CreateClient(ctx context.Context, workspace, name string, scopes []string) (Client, crypto.Secret, error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n < 1 || n > MaxName {
		return Client{}, crypto.Secret{}, fault.New(fault.RequestFieldInvalid, "the name of an API client must have 1 to %d characters", MaxName)
	}
	granted, err := ParseScopes(scopes)
	if err != nil {
		return Client{}, crypto.Secret{}, err
	}
	if len(granted) == 0 {
		return Client{}, crypto.Secret{}, fault.New(fault.RequestFieldInvalid, "an API client needs a scope").
			WithHint("the scopes are %s, or %s for every one", JoinScopes(AllScopes()), All)
	}
	secret, err := crypto.MachineSecret(secretPrefix)
	if err != nil {
		return Client{}, crypto.Secret{}, fault.Wrap(err, fault.Internal, "a client secret cannot be made")
	}
	hash, err := hex.DecodeString(crypto.HashMachineSecret(secret))
	if err != nil {
		return Client{}, crypto.Secret{}, fault.Wrap(err, fault.Internal, "a client secret cannot be hashed")
	}
	c := Client{
		ID: s.deps.NewID(), Workspace: workspace, Name: name, Scopes: granted,
		SecretHash: hash, CreatedAt: s.deps.Now(),
	}
	if err := s.deps.Repository.CreateClient(ctx, &c); err != nil {
		return Client{}, crypto.Secret{}, err
	}
	return c, secret, nil
}

// Clients lists the API clients of a workspace in order of creation.
func (s *Service) Clients(ctx context.Context, workspace string) ([]Client, error) {
	return s.deps.Repository.Clients(ctx, workspace)
}

// SetDisabled ends an API client or lets it in again; fault AccessClientNotFound.
// Its tokens end at once here, and within CacheFor in other processes.
func (s *Service) SetDisabled(ctx context.Context, workspace, id string, disabled bool) error {
	if err := s.deps.Repository.SetClientDisabled(ctx, workspace, id, disabled); err != nil {
		return err
	}
	s.clients.forget(id)
	return nil
}

// Authenticate checks a client's secret. Unknown client, wrong secret and
// disabled client are the same fault, AccessUnauthenticated, so that an answer
// does not tell which ids exist.
func (s *Service) Authenticate(ctx context.Context, clientID string, secret crypto.Secret) (Client, error) {
	c, err := s.deps.Repository.Client(ctx, clientID)
	if fault.Has(err, fault.AccessClientNotFound) {
		c, err = &Client{Disabled: true}, nil
	}
	if err != nil {
		return Client{}, err
	}
	if !crypto.VerifyMachineSecret(secret, hex.EncodeToString(c.SecretHash)) || c.Disabled {
		return Client{}, fault.New(fault.AccessUnauthenticated, "the client is unknown or disabled, or its secret is wrong")
	}
	return *c, nil
}
