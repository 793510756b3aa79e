package access

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/google/uuid"
)

const (
	// TokenLifetime is how long a token lasts.
	TokenLifetime = 15 * time.Minute
	// CacheFor is how long a client's row may be remembered: a disabled
	// client's tokens end within this time.
	CacheFor = 5 * time.Second
	// touchEvery bounds how often LastUsedAt is written for a secret.
	touchEvery = time.Minute
	// MaxName bounds a client's name, in characters.
	MaxName = 100

	secretPrefix = "ccs_"
	signingLabel = "access/token-signing"
	// DefaultIssuer stands in tokens as issuer and audience of a service that has no address of its own.
	DefaultIssuer = "celonis-connector"
)

// Keys gives key material by the ids of master keys; *crypto.Keyring is one.
type Keys interface {
	PrimaryID() string
	IDs() []string
	Derive(keyID, label string, n int) ([]byte, error)
}

var _ Keys = (*crypto.Keyring)(nil)

// Deps are what a Service needs. Issuer, Outside, Now and NewID may be left out.
type Deps struct {
	Repository Repository
	Keys       Keys
	// Issuer stands in tokens as issuer and audience; services that share
	// keys and clients must give the same. DefaultIssuer when empty.
	Issuer string
	// Outside accepts tokens of another house; nil accepts none.
	Outside *Outside
	Now     func() time.Time
	// NewID makes ids that grow with time; UUIDs of version 7 when nil.
	NewID func() string
}

// Service makes API clients, checks their secrets and issues and verifies
// their tokens. It is safe for concurrent use.
type Service struct {
	deps     Deps
	signer   signer
	verify   map[string]ed25519.PublicKey
	clients  *recent[*Client]
	revoked  *recent[bool]
	verified *tokenCache
}

// New makes a Service. It returns an error when a signing key cannot be derived.
func New(d Deps) (*Service, error) {
	if d.Issuer == "" {
		d.Issuer = DefaultIssuer
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	s := &Service{deps: d, verify: map[string]ed25519.PublicKey{}, verified: newTokenCache(d.Now)}
	s.clients = newRecent(d.Repository.Client, d.Now)
	s.revoked = newRecent(d.Repository.TokenRevoked, d.Now)
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
