package connections

import (
	"context"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
)

// Clone stores a copy of a connection under another name and tests it at once.
// The copy goes to the same host, so its secret comes along, opened and sealed
// anew for the new row (I4); what a user granted to an OAuth connection does not.
// Faults: ConnectionNotFound, those of Create, and KeyringUnknown, SecretUnsealed
// and ConnectionSecretRequired when the secret cannot be opened.
func (s *Service) Clone(ctx context.Context, workspace, id, name string) (*Connection, error) {
	c, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return nil, err
	}
	if err := s.used(audit.For(ctx, audit.ForClone), c); err != nil {
		return nil, err
	}
	d := c.Draft()
	d.Name = name
	given := d.givenSecrets()
	fields, needed := secretsOf(c.APIType, c.AuthType)
	for i, field := range fields {
		sealed, stored := c.Secrets[field]
		if !stored && i >= needed {
			continue
		}
		if *given[field], err = openField(s.deps.Sealer, c, field); err != nil {
			return nil, err
		}
		if sealed.Ref != "" {
			*given[field] = crypto.NewRef(sealed.Ref)
		}
	}
	return s.Create(ctx, workspace, d, CreateOptions{})
}
