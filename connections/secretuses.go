package connections

import (
	"context"

	"github.com/celonis-connector/connector/internal/audit"
)

// used puts on record that the secrets of a stored connection are opened; an
// error means that they must stay closed.
func (s *Service) used(ctx context.Context, c *Connection) error {
	if len(c.Secrets) == 0 {
		return nil
	}
	return s.deps.SecretUses.Used(ctx, audit.Event{Workspace: c.Workspace, Kind: audit.Connection, ObjectID: c.ID, Name: c.Name})
}

// usedClient is used for the secret of an OAuth client.
func (s *Service) usedClient(ctx context.Context, c *OAuthClient) error {
	return s.deps.SecretUses.Used(ctx, audit.Event{Workspace: c.Workspace, Kind: audit.OAuthClient, ObjectID: c.ID, Name: c.Name})
}

// used is Service.used for the tokens that a user granted a connection.
func (g *Grants) used(ctx context.Context, workspace, connectionID string) error {
	return g.deps.SecretUses.Used(ctx, audit.Event{Workspace: workspace, Kind: audit.Connection, ObjectID: connectionID})
}

// asTest says that a test is what secrets are opened for, unless it is a probe.
func asTest(ctx context.Context) context.Context {
	if audit.By(ctx).ID == audit.Probe {
		return ctx
	}
	return audit.For(ctx, audit.ForTest)
}
