// Package access says who calls the API: API clients with their scopes, and
// the short-lived tokens they get for their secrets. It knows no SQL and no
// HTTP; what it keeps stands behind Repository.
package access

import (
	"context"
	"time"
)

// Client is a program that may call the API.
type Client struct {
	// ID is a UUIDv7, the client_id of RFC 6749.
	ID        string
	Workspace string
	Name      string
	Scopes    []Scope
	// SecretHash is the SHA-256 of the client's secret, 32 bytes (crypto.HashMachineSecret, not in hexadecimal).
	// The secret has 256 random bits, so a slow hash would only help an attacker
	// who wants to keep the service busy.
	SecretHash []byte
	// Disabled ends the client: no new tokens, and the ones it has die within CacheFor.
	Disabled  bool
	CreatedAt time.Time
	// LastUsedAt is when the client last got a token; zero when it never did.
	LastUsedAt time.Time
}

// Repository keeps API clients.
type Repository interface {
	// CreateClient stores c; fault AccessClientExists when its workspace has the name already (case-insensitively).
	CreateClient(ctx context.Context, c *Client) error
	// Client finds a client by its id, which is unique over all workspaces; fault AccessClientNotFound.
	Client(ctx context.Context, id string) (*Client, error)
	// Clients lists the clients of a workspace in order of creation.
	Clients(ctx context.Context, workspace string) ([]Client, error)
	// TouchClient sets LastUsedAt; an unknown id changes nothing and is no error.
	TouchClient(ctx context.Context, id string, at time.Time) error
	// SetClientDisabled sets Disabled; fault AccessClientNotFound.
	SetClientDisabled(ctx context.Context, workspace, id string, disabled bool) error
}
