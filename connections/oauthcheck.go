package connections

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// takes says what an auth type takes, for a sentence.
func takes(a AuthType) string {
	if field, ok := SecretFor(a); ok {
		return string(field)
	}
	return "an oauthClientId"
}

// withoutLeftovers takes out of a merged patch what belongs to the auth type
// that the connection had: the caller did not write it.
func withoutLeftovers(d Draft, current *Connection) Draft {
	d.OAuthClientID = strings.TrimSpace(d.OAuthClientID)
	if current == nil || current.AuthType != OAuth2 || d.AuthType == OAuth2 {
		return d
	}
	if d.OAuthClientID == current.OAuthClientID {
		d.OAuthClientID = ""
	}
	if slices.Equal(d.Scopes, current.Scopes) {
		d.Scopes = nil
	}
	if d.Grant == current.Grant {
		d.Grant = ""
	}
	return d
}

// oauthDraft is a draft and the workspace in which its OAuth client must be.
type oauthDraft struct {
	workspace string
	Draft
}

// checkOAuth: an oauth2 connection names an OAuth client of its workspace, a
// domain that the client's secret may go to, and scopes that the client has;
// no other connection has any of it. The error is one of the repository.
func (s *Service) checkOAuth(ctx context.Context, f *findings, d oauthDraft, p *plan) error {
	if f.has("/authType") {
		return nil
	}
	if d.AuthType != OAuth2 {
		refuseOAuth(f, d.Draft)
		return nil
	}
	p.grant = d.Grant
	if p.grant == "" {
		p.grant = ClientCredentials
	}
	p.scopes = checkScopes(f, d.Scopes)
	client, err := s.namedClient(ctx, f, d)
	if client == nil {
		return err
	}
	p.client = client
	checkClientAllows(f, d.Scopes, p)
	return nil
}

// namedClient finds the OAuth client that a draft names; nil when there is none, which is a finding or an error.
func (s *Service) namedClient(ctx context.Context, f *findings, d oauthDraft) (*OAuthClient, error) {
	if f.has("/oauthClientId") {
		return nil, nil
	}
	if d.OAuthClientID == "" {
		f.add("/oauthClientId", fault.New(fault.RequestFieldMissing, "must be given for authType %q", d.AuthType).
			WithHint("make an OAuth client with POST /v1/oauth-clients and give its id"))
		return nil, nil
	}
	client, err := s.deps.OAuthClients.OAuthClient(ctx, d.workspace, d.OAuthClientID)
	if fault.Has(err, fault.OAuthClientNotFound) {
		f.add("/oauthClientId", err)
		return nil, nil
	}
	return client, err
}

// refuseOAuth refuses the fields of OAuth where another auth type is chosen.
func refuseOAuth(f *findings, d Draft) {
	for _, field := range []struct {
		pointer string
		given   bool
	}{{"/oauthClientId", d.OAuthClientID != ""}, {"/scopes", len(d.Scopes) > 0}, {"/grant", d.Grant != ""}} {
		if field.given && !f.has(field.pointer) {
			f.add(field.pointer, fault.New(fault.RequestFieldInvalid, "must not be given for authType %q", d.AuthType))
		}
	}
}

func checkScopes(f *findings, given []string) []string {
	if len(given) == 0 {
		f.add("/scopes", fault.New(fault.RequestFieldMissing, "must be given for authType %q", OAuth2).
			WithHint("give the scopes that the connection asks for, or %q for every scope of the OAuth client", AllScopes))
		return nil
	}
	scopes, err := ParseCelonisScopes(given)
	f.addEach("/scopes", err)
	return scopes
}

// checkClientAllows: the OAuth client must have the domain and the scopes.
// "all" stands for the scopes that it has.
func checkClientAllows(f *findings, given []string, p *plan) {
	if p.domain.Host != "" && !slices.Contains(p.client.ValidDomains, p.domain.Host) {
		f.add("/domain", domainNotValid(p.client, p.domain.Host))
	}
	if slices.ContainsFunc(given, func(w string) bool { return strings.TrimSpace(w) == AllScopes }) {
		p.scopes = p.client.AllowedScopes
	}
	for i, word := range given {
		scope := strings.TrimSpace(word)
		if slices.Contains(p.scopes, scope) && !slices.Contains(p.client.AllowedScopes, scope) {
			f.add("/scopes/"+strconv.Itoa(i), scopeNotAllowed(p.client, scope))
		}
	}
}

func domainNotValid(c *OAuthClient, host string) error {
	return fault.New(fault.OAuthClientDomain, "the domain %q is not one of the valid domains of OAuth client %q", clip(host), c.Name).
		WithHint("the client's secret goes only to its valid domains: choose one of %s, or add the domain to the OAuth client", strings.Join(c.ValidDomains, ", "))
}

func scopeNotAllowed(c *OAuthClient, scope string) error {
	return fault.New(fault.OAuthScopeNotAllowed, "the scope %q is not one of the allowed scopes of OAuth client %q", scope, c.Name).
		WithHint("give the OAuth client the scope in Celonis (Admin & Settings > Applications > the OAuth client > Define scopes), then add it to allowedScopes here")
}

// applyOAuth writes the OAuth part of a plan into c, before the rest of it;
// changed tells whether anything of it is new. What a user granted does not
// outlive a change of what it was granted for, or of the host.
func applyOAuth(c *Connection, p plan) (changed bool) {
	id := ""
	if p.client != nil {
		id = p.client.ID
	}
	changed = c.OAuthClientID != id || c.Grant != p.grant || !slices.Equal(c.Scopes, p.scopes)
	if changed || c.Domain != p.domain.Host {
		c.AuthorizedAt = time.Time{}
	}
	c.OAuthClientID, c.Grant, c.Scopes = id, p.grant, p.scopes
	return changed
}

// oauthUse is how a connection uses an OAuth client.
type oauthUse struct {
	ConnectionID string
	Scopes       []string
	Grant        Grant
}

// storedOAuth opens the OAuth client of a stored connection, and checks again
// what the client may have lost since the connection was written.
func (s *Service) storedOAuth(ctx context.Context, c *Connection) (*OAuthTarget, error) {
	client, err := s.deps.OAuthClients.OAuthClient(ctx, c.Workspace, c.OAuthClientID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(client.ValidDomains, c.Domain) {
		return nil, domainNotValid(client, c.Domain)
	}
	for _, scope := range c.Scopes {
		if !slices.Contains(client.AllowedScopes, scope) {
			return nil, scopeNotAllowed(client, scope)
		}
	}
	return s.oauthTarget(ctx, client, oauthUse{c.ID, c.Scopes, c.Grant})
}

// oauthTarget opens an OAuth client's secret.
func (s *Service) oauthTarget(ctx context.Context, c *OAuthClient, use oauthUse) (*OAuthTarget, error) {
	if err := s.usedClient(ctx, c); err != nil {
		return nil, err
	}
	secret, err := openClientSecret(s.deps.Sealer, c)
	if err != nil {
		return nil, err
	}
	origins := make([]string, 0, len(c.ValidDomains))
	for _, host := range c.ValidDomains {
		domain, err := s.deps.Domains.Parse(host)
		if err != nil {
			// The operator no longer allows this host: nothing goes there.
			continue
		}
		origins = append(origins, domain.BaseURL)
	}
	return &OAuthTarget{
		Workspace: c.Workspace, ConnectionID: use.ConnectionID, Client: c.ID, Revision: c.Revision,
		ClientID: c.ClientID, ClientSecret: secret, AuthMethod: c.AuthMethod,
		Grant: use.Grant, Scopes: use.Scopes, ValidOrigins: origins,
	}, nil
}
