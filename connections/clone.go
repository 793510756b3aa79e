package connections

import (
	"context"

	"github.com/celonis-connector/connector/crypto"
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
	d := c.Draft()
	d.Name = name
	key, err := openSecret(s.deps.Sealer, c)
	if err != nil {
		return nil, err
	}
	given := map[SecretField]*crypto.Secret{AppKey: &d.AppKey, APIKey: &d.APIKey, AccessKeyID: &d.AccessKeyID, SecretAccessKey: &d.SecretAccessKey}
	if field, needed := SecretFor(c.AuthType); needed {
		*given[field] = key
	}
	if d.AccessKeyID, d.SecretAccessKey, err = openIngestion(s.deps.Sealer, c); err != nil {
		return nil, err
	}
	for field, sealed := range c.Secrets {
		if to, ok := given[field]; ok && sealed.Ref != "" {
			*to = crypto.NewRef(sealed.Ref)
		}
	}
	if d.AccessKeyID, d.SecretAccessKey, err = openIngestion(s.deps.Sealer, c); err != nil {
		return nil, err
	}
	return s.Create(ctx, workspace, d, CreateOptions{})
}
