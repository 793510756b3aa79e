package connections

import (
	"context"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// lacksKey reports whether a connection has been stored without the secret that it needs.
func (c *Connection) lacksKey() bool {
	fields, needed := secretsOf(c.APIType, c.AuthType)
	for _, field := range fields[:needed] {
		if c.Secrets[field].Envelope == "" {
			return true
		}
	}
	return false
}

// Check gives a draft as it would be stored, without its secrets, and stores
// nothing. With an id it is an update of that connection; without one it is a
// new connection, whose secret may be missing. Faults: those of Update, and of
// Create with Keyless.
func (s *Service) Check(ctx context.Context, workspace, id string, d Draft) (Draft, error) {
	var current *Connection
	if id != "" {
		c, err := s.deps.Repository.Connection(ctx, workspace, id)
		if err != nil {
			return Draft{}, err
		}
		current = c
	}
	p, err := s.check(ctx, workspace, d, current)
	if current == nil {
		err = withoutSecretFaults(err)
	}
	if err != nil {
		return Draft{}, err
	}
	c := &Connection{}
	applyOAuth(c, p)
	c.Outside = p.outside
	c.Name, c.APIType, c.Domain, c.AuthType, c.PoolID, c.HTTP, c.MaxRuns = p.name, p.apiType, p.domain.Host, p.authType, p.poolID, p.http, p.maxRuns
	return c.Draft(), nil
}

// withoutSecretFaults drops the faults that say only that a secret is missing.
func withoutSecretFaults(err error) error {
	if !fault.Has(err, fault.RequestInvalid) {
		return err
	}
	f := fault.From(err)
	rest := slices.DeleteFunc(slices.Clone(f.Fields), func(x fault.Field) bool {
		return x.Code == fault.RequestFieldMissing && slices.Contains([]SecretField{AppKey, APIKey, Password, BearerToken, HeaderValue}, SecretField(strings.TrimPrefix(x.Pointer, "/")))
	})
	if len(rest) == 0 {
		return nil
	}
	return f.WithFields(rest...)
}

// Check gives a draft as it would be stored in the place of an OAuth client,
// and stores nothing. Faults: those of Update.
func (s *OAuthClientService) Check(ctx context.Context, workspace, id string, d OAuthClientDraft) (OAuthClientDraft, error) {
	current, err := s.deps.Repository.OAuthClient(ctx, workspace, id)
	if err != nil {
		return OAuthClientDraft{}, err
	}
	return s.check(d, current)
}
