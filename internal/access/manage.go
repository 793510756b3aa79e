package access

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// Operator is the person at the service's own shell, who may give every scope.
func Operator(workspace string) Principal {
	return Principal{Name: "shell", Workspace: workspace, Scopes: AllScopes()}
}

// CreateClient stores a new API client for an operator; it is Create with a
// secret that does not expire.
func (s *Service) CreateClient(ctx context.Context, workspace, name string, scopes []string) (Client, crypto.Secret, error) {
	c, secret, err := s.Create(ctx, Operator(workspace), Draft{Name: name, Scopes: scopes}, time.Time{})
	if err != nil {
		return Client{}, crypto.Secret{}, err
	}
	return *c, secret, nil
}

// Create stores a new API client in the giver's workspace and gives its
// secret, which is not kept and cannot be had again; the zero time is a secret
// that does not expire. Faults: RequestInvalid with fields, AccessScopeNotHeld,
// AccessClientExists.
func (s *Service) Create(ctx context.Context, by Principal, d Draft, expires time.Time) (*Client, crypto.Secret, error) {
	now := s.deps.Now()
	var found findings
	name, scopes := d.check(&found)
	checkExpiry(&found, expires, now)
	if err := found.fault(); err != nil {
		return nil, crypto.Secret{}, err
	}
	if err := by.holds(scopes); err != nil {
		return nil, crypto.Secret{}, err
	}
	kept, secret, err := s.makeSecret(now, expires)
	if err != nil {
		return nil, crypto.Secret{}, err
	}
	c := &Client{
		ID: s.deps.NewID(), Workspace: by.Workspace, Revision: 1, Name: name, Scopes: scopes, Disabled: !d.enabled(),
		Secrets: []ClientSecret{kept}, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.deps.Repository.CreateClient(ctx, c); err != nil {
		return nil, crypto.Secret{}, err
	}
	return c, secret, nil
}

// makeSecret draws a secret and gives the form in which it is kept beside it.
func (s *Service) makeSecret(now, expires time.Time) (ClientSecret, crypto.Secret, error) {
	secret, err := crypto.MachineSecret(secretPrefix)
	if err != nil {
		return ClientSecret{}, crypto.Secret{}, fault.Wrap(err, fault.Internal, "a client secret cannot be made")
	}
	hash, err := hex.DecodeString(crypto.HashMachineSecret(secret))
	if err != nil {
		return ClientSecret{}, crypto.Secret{}, fault.Wrap(err, fault.Internal, "a client secret cannot be hashed")
	}
	return ClientSecret{ID: s.deps.NewID(), Hash: hash, CreatedAt: now, ExpiresAt: expires}, secret, nil
}

// Get reads a client of the workspace; fault AccessClientNotFound.
func (s *Service) Get(ctx context.Context, workspace, id string) (*Client, error) {
	c, err := s.deps.Repository.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Workspace != workspace {
		return nil, fault.New(fault.AccessClientNotFound, "there is no API client %q", id)
	}
	return c, nil
}

// List gives a part of the API clients of a workspace in order of creation.
func (s *Service) List(ctx context.Context, workspace string, page Page) ([]Client, error) {
	return s.deps.Repository.Clients(ctx, workspace, page)
}

// Update changes name, scopes and whether the client is enabled, where it has
// the revision still; 0 is any. Scopes that it loses are lost to its tokens
// too, at once here and within CacheFor in other processes. Faults:
// RequestInvalid with fields, AccessScopeNotHeld, AccessClientNotFound,
// AccessClientExists, RequestStale.
func (s *Service) Update(ctx context.Context, by Principal, id string, d Draft, revision int64) (*Client, error) {
	c, err := s.Get(ctx, by.Workspace, id)
	if err != nil {
		return nil, err
	}
	if revision != 0 && c.Revision != revision {
		return nil, fault.New(fault.RequestStale, "the API client was changed meanwhile")
	}
	var found findings
	name, scopes := d.check(&found)
	if err := found.fault(); err != nil {
		return nil, err
	}
	if err := by.holds(raised(c, scopes, d.enabled())); err != nil {
		return nil, err
	}
	if name == c.Name && slices.Equal(scopes, c.Scopes) && d.enabled() != c.Disabled {
		return c, nil
	}
	c.Revision, c.Name, c.Scopes, c.Disabled, c.UpdatedAt = c.Revision+1, name, scopes, !d.enabled(), s.deps.Now()
	defer s.clients.forget(id)
	if err := s.deps.Repository.UpdateClient(ctx, c); err != nil {
		return nil, err
	}
	return c, nil
}

// raised gives the scopes that a change gives to a client: those that it did
// not have, and all of them when it could not use any.
func raised(was *Client, scopes []Scope, enabled bool) []Scope {
	if was.Disabled && enabled {
		return scopes
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(s Scope) bool { return slices.Contains(was.Scopes, s) })
}

// Delete removes a client with its secrets and ends its tokens, at once here
// and within CacheFor in other processes; revision 0 is any. Faults:
// AccessClientNotFound, RequestStale.
func (s *Service) Delete(ctx context.Context, workspace, id string, revision int64) error {
	defer s.clients.forget(id)
	return s.deps.Repository.DeleteClient(ctx, workspace, id, revision)
}

// SetDisabled ends an API client for an operator or lets it in again; fault
// AccessClientNotFound. Its tokens end at once here, and within CacheFor in
// other processes.
func (s *Service) SetDisabled(ctx context.Context, workspace, id string, disabled bool) error {
	c, err := s.Get(ctx, workspace, id)
	if err != nil {
		return err
	}
	d := c.Draft()
	enabled := !disabled
	d.Enabled = &enabled
	_, err = s.Update(ctx, Operator(workspace), id, d, 0)
	return err
}

// AddSecret makes one more secret for a client, which is not kept and cannot
// be had again. The giver must have every scope of the client: whoever has its
// secret has its rights. Faults: RequestInvalid with fields,
// AccessClientNotFound, AccessScopeNotHeld, AccessSecretsFull.
func (s *Service) AddSecret(ctx context.Context, by Principal, id string, expires time.Time) (ClientSecret, crypto.Secret, error) {
	c, err := s.Get(ctx, by.Workspace, id)
	if err != nil {
		return ClientSecret{}, crypto.Secret{}, err
	}
	now := s.deps.Now()
	var found findings
	checkExpiry(&found, expires, now)
	if err := found.fault(); err != nil {
		return ClientSecret{}, crypto.Secret{}, err
	}
	if err := by.holds(c.Scopes); err != nil {
		return ClientSecret{}, crypto.Secret{}, err
	}
	kept, secret, err := s.makeSecret(now, expires)
	if err != nil {
		return ClientSecret{}, crypto.Secret{}, err
	}
	defer s.clients.forget(id)
	if err := s.deps.Repository.AddClientSecret(ctx, by.Workspace, id, kept); err != nil {
		return ClientSecret{}, crypto.Secret{}, err
	}
	return kept, secret, nil
}

// DeleteSecret removes a secret and ends the tokens that it got, at once here
// and within CacheFor in other processes. Faults: AccessClientNotFound,
// AccessSecretNotFound.
func (s *Service) DeleteSecret(ctx context.Context, workspace, id, secretID string) error {
	defer s.clients.forget(id)
	return s.deps.Repository.DeleteClientSecret(ctx, workspace, id, secretID)
}
