// Package access says who calls the API: API clients with their scopes, and
// the short-lived tokens they get for their secrets. It knows no SQL and no
// HTTP; what it keeps stands behind Repository.
package access

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/celonis-connector/connector/crypto"
)

// MaxSecrets bounds the secrets that a client has at once: the one in use, and
// the one that takes its place.
const MaxSecrets = 2

// Client is a program that may call the API.
type Client struct {
	// ID is a UUIDv7, the client_id of RFC 6749.
	ID        string
	Workspace string
	Revision  int64
	Name      string
	Scopes    []Scope
	// Secrets are in order of creation, at most MaxSecrets.
	Secrets []ClientSecret
	// Disabled ends the client: no new tokens, and the ones it has die within CacheFor.
	Disabled             bool
	CreatedAt, UpdatedAt time.Time
	// LastUsedAt is when the client last got a token; zero when it never did.
	LastUsedAt time.Time
}

// ClientSecret is one of a client's secrets, as it is kept.
type ClientSecret struct {
	ID string
	// Hash is the SHA-256 of the secret, 32 bytes (crypto.HashMachineSecret, not in hexadecimal). The secret has 256
	// random bits, so a slow hash would only help an attacker who wants to keep the service busy.
	Hash      []byte
	CreatedAt time.Time
	// ExpiresAt is when the secret and its tokens end; zero for never.
	ExpiresAt time.Time
	// LastUsedAt is when the secret last got a token; zero when it never did.
	LastUsedAt time.Time
}

// live reports whether the secret has not expired.
func (s *ClientSecret) live(now time.Time) bool {
	return s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt)
}

// secret finds a live secret by its id, nil when there is none.
func (c *Client) secret(id string, now time.Time) *ClientSecret {
	for i := range c.Secrets {
		if s := &c.Secrets[i]; s.ID == id && s.live(now) {
			return s
		}
	}
	return nil
}

// opens finds the live secret that was presented, nil when it is none of them.
// Every secret is compared, in constant time.
func (c *Client) opens(presented crypto.Secret, now time.Time) *ClientSecret {
	var found *ClientSecret
	for i := range c.Secrets {
		s := &c.Secrets[i]
		if crypto.VerifyMachineSecret(presented, hex.EncodeToString(s.Hash)) && s.live(now) {
			found = s
		}
	}
	return found
}

// Page is a part of a list.
type Page struct {
	// Limit bounds the clients given; 0 leaves it to the repository.
	Limit int
	// After is the id of the last client seen; "" starts anew.
	After string
}

// Use tells that a client got a token with one of its secrets.
type Use struct {
	ClientID, SecretID string
	At                 time.Time
}

// RevokedToken is a token that ended before its time.
type RevokedToken struct {
	// ID is the token's own, its "jti".
	ID       string
	ClientID string
	// ExpiresAt is when it would have ended; then it may be forgotten.
	ExpiresAt time.Time
}

// Clients keeps API clients.
type Clients interface {
	// CreateClient stores c with its secrets; fault AccessClientExists when its workspace has the name already (case-insensitively).
	CreateClient(ctx context.Context, c *Client) error
	// Client finds a client by its id, which is unique over all workspaces; fault AccessClientNotFound.
	Client(ctx context.Context, id string) (*Client, error)
	// Clients lists a part of the clients of a workspace in order of creation.
	Clients(ctx context.Context, workspace string, page Page) ([]Client, error)
	// UpdateClient stores c, but not its secrets, where its revision still is one less. Faults AccessClientNotFound,
	// AccessClientExists, RequestStale.
	UpdateClient(ctx context.Context, c *Client) error
	// DeleteClient removes a client with its secrets; revision 0 is any. Faults AccessClientNotFound, RequestStale.
	DeleteClient(ctx context.Context, workspace, id string, revision int64) error
}

// ClientSecrets keeps the secrets of clients.
type ClientSecrets interface {
	// AddClientSecret adds a secret, and removes those that expired before it was made. Faults AccessClientNotFound,
	// AccessSecretsFull when the client has MaxSecrets others.
	AddClientSecret(ctx context.Context, workspace, clientID string, secret ClientSecret) error
	// DeleteClientSecret removes a secret. Faults AccessClientNotFound, AccessSecretNotFound.
	DeleteClientSecret(ctx context.Context, workspace, clientID, secretID string) error
	// TouchClient sets LastUsedAt of client and secret; it never goes back, and what is not there is no error.
	TouchClient(ctx context.Context, use Use) error
}

// RevokedTokens keeps the tokens that ended before their time.
type RevokedTokens interface {
	// RevokeToken notes a token, and forgets those that would have ended before now; a second time changes nothing.
	RevokeToken(ctx context.Context, t RevokedToken, now time.Time) error
	// TokenRevoked reports whether a token was revoked.
	TokenRevoked(ctx context.Context, id string) (bool, error)
}

// Repository keeps everything that a Service needs.
type Repository interface {
	Clients
	ClientSecrets
	RevokedTokens
}
