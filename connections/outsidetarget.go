package connections

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// outsideTargetOf opens a stored outside connection, and checks again what the
// operator or the OAuth client may have taken away since it was written.
func (s *Service) outsideTargetOf(ctx context.Context, c *Connection) (OutsideTarget, error) {
	t := OutsideTarget{ID: c.ID, Revision: c.Revision, APIType: c.APIType, AuthType: c.AuthType, Outside: *c.Outside, HTTP: c.HTTP}
	if err := s.deps.Domains.openOutside(&t); err != nil {
		return OutsideTarget{}, err
	}
	if err := s.used(ctx, c); err != nil {
		return OutsideTarget{}, err
	}
	fields, needed := secretsOf(c.APIType, c.AuthType)
	for i, field := range fields {
		if _, stored := c.Secrets[field]; !stored && i >= needed {
			continue
		}
		plain, err := openField(s.deps.Sealer, c, field)
		if err != nil {
			return OutsideTarget{}, err
		}
		t.put(field, plain)
	}
	if c.AuthType != OAuth2 {
		return t, nil
	}
	client, err := s.deps.OAuthClients.OAuthClient(ctx, c.Workspace, c.OAuthClientID)
	if err != nil {
		return OutsideTarget{}, err
	}
	if err := outsideHostsValid(client, t.Outside); err != nil {
		return OutsideTarget{}, err.err
	}
	t.OAuth, err = s.outsideOAuth(ctx, client, t.TokenURL, c.Scopes)
	return t, err
}

func (t *OutsideTarget) put(field SecretField, plain crypto.Secret) {
	switch field {
	case AccessKeyID:
		t.AccessKeyID = plain
	case SecretAccessKey:
		t.SecretAccessKey = plain
	default:
		t.Secret = plain
	}
}

// draftTarget is the target of a plan that is not stored.
func (s *Service) draftTarget(ctx context.Context, p plan) (OutsideTarget, error) {
	t := OutsideTarget{APIType: p.apiType, AuthType: p.authType, Outside: *p.outside, HTTP: p.http}
	if err := s.deps.Domains.openOutside(&t); err != nil {
		return OutsideTarget{}, err
	}
	for field, plain := range p.secrets {
		t.put(field, plain)
	}
	var err error
	if p.client != nil {
		t.OAuth, err = s.outsideOAuth(ctx, p.client, t.TokenURL, p.scopes)
	}
	return t, err
}

func (s *Service) outsideOAuth(ctx context.Context, c *OAuthClient, tokenURL string, scopes []string) (*OutsideOAuth, error) {
	if err := s.usedClient(ctx, c); err != nil {
		return nil, err
	}
	secret, err := openClientSecret(s.deps.Sealer, c)
	if err != nil {
		return nil, err
	}
	return &OutsideOAuth{
		Client: c.ID, Revision: c.Revision, ClientID: c.ClientID, ClientSecret: secret, AuthMethod: c.AuthMethod,
		TokenURL: tokenURL, Scopes: scopes, ValidDomains: c.ValidDomains,
	}, nil
}

// misplaced is a member that leads where the OAuth client's secret, or a token, may not go.
type misplaced struct {
	pointer string
	err     error
}

// outsideHostsValid finds the member whose host is none of the client's valid domains; nil when there is none.
func outsideHostsValid(c *OAuthClient, o Outside) *misplaced {
	for _, m := range []struct{ pointer, url string }{{"/tokenUrl", o.TokenURL}, {"/baseUrl", o.BaseURL}} {
		if u, err := url.Parse(m.url); err == nil && u.Host != "" && !slices.Contains(c.ValidDomains, u.Host) {
			return &misplaced{m.pointer, domainNotValid(c, u.Host)}
		}
	}
	return nil
}

// checkOutsideOAuth: an oauth2 connection names an OAuth client of its
// workspace whose valid domains hold the hosts of tokenUrl and baseUrl, and
// scopes that the client has, or none.
func (s *Service) checkOutsideOAuth(ctx context.Context, f *findings, d oauthDraft, p *plan) error {
	p.grant = ClientCredentials
	for _, scope := range d.Scopes {
		p.scopes = append(p.scopes, strings.TrimSpace(scope))
	}
	client, err := s.namedClient(ctx, f, d)
	if client == nil {
		return err
	}
	p.client = client
	if m := outsideHostsValid(client, *p.outside); m != nil && !f.has(m.pointer) {
		f.add(m.pointer, m.err)
	}
	if slices.Contains(p.scopes, AllScopes) {
		p.scopes = client.AllowedScopes
		return nil
	}
	for i, scope := range p.scopes {
		if !slices.Contains(client.AllowedScopes, scope) {
			f.add("/scopes/"+strconv.Itoa(i), fault.New(fault.OAuthScopeNotAllowed, "the scope %q is not one of the allowed scopes of OAuth client %q", clip(scope), client.Name).
				WithHint("add it to the OAuth client's allowedScopes"))
		}
	}
	return nil
}

// testOutsideDraft tests an outside connection that is not stored.
func (s *Service) testOutsideDraft(ctx context.Context, workspace string, p plan) (TestResult, error) {
	target, err := s.draftTarget(asTest(ctx), p)
	if err != nil {
		return TestResult{}, err
	}
	if err := s.deps.Repository.NoteDraftTest(ctx, workspace, p.name); err != nil {
		return TestResult{}, err
	}
	return s.deps.Outside.TestOutside(ctx, target), nil
}

// noOutside stands where no outside connection can be tested.
type noOutside struct{ now func() time.Time }

// TestOutside implements OutsideTester.
func (n noOutside) TestOutside(_ context.Context, t OutsideTarget) TestResult {
	return TestResult{At: n.now(), Steps: []Step{{
		Step: "answer", Code: fault.Unavailable, Detail: "connections of apiType " + quote(string(t.APIType)) + " cannot be tested here",
	}}}
}
