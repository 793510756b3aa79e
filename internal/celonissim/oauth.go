package celonissim

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The grants of the token endpoint.
const (
	GrantClientCredentials = "client_credentials"
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
)

// The ways in which an OAuth client proves itself.
const (
	MethodBasic = "client_secret_basic"
	MethodPost  = "client_secret_post"
)

// OAuthClient is an OAuth client that an admin of the team registered.
type OAuthClient struct {
	// Name appears in the journal in the place of tokens.
	Name string `json:"name"`
	// ID and Secret are generated when empty.
	ID     string `json:"clientId"`
	Secret string `json:"clientSecret"`
	// Method is the only way that is taken; empty takes both.
	Method string `json:"method"`
	// Scopes are those that the client may ask for.
	Scopes []string `json:"scopes"`
	// Grants are those allowed; empty is all of them.
	Grants []string `json:"grants"`
	// RedirectURIs are those that may be redirected to; empty is all of them.
	RedirectURIs []string `json:"redirectUris"`
	// Permissions are the client's on the platform: a call needs scope and
	// permission. Kind and Key are not looked at.
	Permissions Credential `json:"permissions"`
}

// Discovery is what the team's host answers where OpenID Connect discovery is looked for.
type Discovery string

const (
	// DiscoveryOn answers a document that names the endpoints.
	DiscoveryOn Discovery = ""
	// DiscoveryOff answers 404.
	DiscoveryOff Discovery = "off"
	// DiscoveryHTML answers 200 with a page.
	DiscoveryHTML Discovery = "html"
	// DiscoveryNonsense answers 200 with JSON that is no such document.
	DiscoveryNonsense Discovery = "nonsense"
)

// OAuth chooses how the token endpoint behaves. The zero value is the assumption thought most likely.
type OAuth struct {
	// TokenLifetime is DefaultTokenLifetime when 0.
	TokenLifetime time.Duration
	// NoExpiresIn and NoScope leave the member out of token answers.
	NoExpiresIn, NoScope bool
	// Withheld scopes are left out of a grant without a word.
	Withheld []string
	// Discovery is what discovery answers; TokenEndpoint replaces the one that
	// its document names.
	Discovery     Discovery
	TokenEndpoint string
	// Redirect makes the token endpoint answer 307 to this address.
	Redirect string
	// Denies makes the user refuse the consent.
	Denies bool
	// RefreshStays makes a refresh answer no new refresh token; the old one stays good.
	RefreshStays bool
}

// DefaultTokenLifetime is the documented one.
const DefaultTokenLifetime = 899 * time.Second

// oauthState is what the token endpoint of a team has given out.
type oauthState struct {
	clients []*OAuthClient
	access  map[string]*issuedToken
	refresh map[string]*issuedToken
	codes   map[string]*issuedCode
	// given lists every token ever given out.
	given []string
}

type issuedToken struct {
	client *OAuthClient
	scopes []string
	ends   time.Time
	// family is the authorization that tokens of a user come from.
	family string
	// used marks a refresh token that was exchanged.
	used bool
}

type issuedCode struct {
	client              *OAuthClient
	scopes              []string
	redirect, challenge string
	ends                time.Time
}

func newOAuthState(clients []OAuthClient) oauthState {
	st := oauthState{access: map[string]*issuedToken{}, refresh: map[string]*issuedToken{}, codes: map[string]*issuedCode{}}
	for _, c := range clients {
		st.add(c)
	}
	return st
}

func (st *oauthState) add(c OAuthClient) *OAuthClient {
	c.ID = orNew(c.ID)
	c.Secret = orText(c.Secret, NewClientSecret())
	c.Name = orText(c.Name, "OAuth client")
	c.Permissions.Name = c.Name
	st.clients = append(st.clients, &c)
	return &c
}

func (st *oauthState) client(id string) *OAuthClient {
	for _, c := range st.clients {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// issue gives out an access token, and a refresh token for a user's grant.
func (st *oauthState) issue(to issuedToken) (access, refresh string) {
	access = base64.RawURLEncoding.EncodeToString([]byte("access:" + uuid.NewString() + rand.Text()))
	st.access[access] = &to
	st.given = append(st.given, access)
	if to.family != "" {
		renewable := to
		refresh = base64.RawURLEncoding.EncodeToString([]byte("refresh:" + uuid.NewString() + rand.Text()))
		st.refresh[refresh] = &renewable
		st.given = append(st.given, refresh)
	}
	return access, refresh
}

// PlatformScopes lists every scope that the platform documents.
func PlatformScopes() []string {
	return []string{
		"action-engine.projects", "audit.log:read", "authorization.permissions:read", "integration.data-models:read",
		"integration.data-pools", "integration.data-pools:continuous_data_push", "integration.data-pools:data_push",
		"integration.data-pools:query", "integration.data-pools:read", "intelligence.conversations:write",
		"intelligence.knowledge-models:read", "intelligence.subscriptions:manage", "machine-learning", "mcp-asset.tools:execute",
		"on-prem-client", "orchestration-engine", "package-manager", "platform-adoption.tracking-events:read",
		"storage-manager.buckets", "knowledge-models.augmented-attributes:update", "knowledge-models:query",
		"knowledge-models:read", "skills:execute", "skills:read", "studio", "studio.packages:read", "tasks:read", "tasks:update",
		"triggers:manage", "triggers:read", "task-mining.clients:suspend", "task-mining.gateway", "task-mining.metadata:read",
		"team.user-group-info:read", "team.login-history:read", "user-provisioning.scim",
	}
}

// NewClientSecret makes a random client secret.
func NewClientSecret() string { return rand.Text() + rand.Text() }

func (c *OAuthClient) allowsGrant(grant string) bool {
	return len(c.Grants) == 0 || slices.Contains(c.Grants, grant)
}

func (c *OAuthClient) allowsRedirect(uri string) bool {
	return uri != "" && (len(c.RedirectURIs) == 0 || slices.Contains(c.RedirectURIs, uri))
}

// AddOAuthClient registers an OAuth client with the first team and gives it
// with its id and secret.
func (s *Server) AddOAuthClient(c OAuthClient) OAuthClient {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.teams[0].oauth.add(c)
}

// ChangeOAuthClient changes an OAuth client of the first team, as an admin
// would, and says whether there is one. Tokens given out stay good.
func (s *Server) ChangeOAuthClient(id string, change func(*OAuthClient)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.teams[0].oauth.client(id)
	if c != nil {
		change(c)
	}
	return c != nil
}

// SetOAuth changes how the token endpoint behaves from now on.
func (s *Server) SetOAuth(change func(*OAuth)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.opts.OAuth)
}

// RevokeTokens ends every access token of the first team's OAuth client, and
// gives how many there were. Refresh tokens stay good.
func (s *Server) RevokeTokens(clientID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return revoke(s.teams[0].oauth.access, func(t *issuedToken) bool { return t.client.ID == clientID })
}

// RevokeGrants ends what users allowed the first team's OAuth client: its
// refresh tokens. It gives how many there were.
func (s *Server) RevokeGrants(clientID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return revoke(s.teams[0].oauth.refresh, func(t *issuedToken) bool { return t.client.ID == clientID })
}

func revoke(tokens map[string]*issuedToken, which func(*issuedToken) bool) int {
	n := 0
	for value, t := range tokens {
		if which(t) {
			delete(tokens, value)
			n++
		}
	}
	return n
}

// GivenTokens lists every access and refresh token that was ever given out.
func (s *Server) GivenTokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, t := range s.teams {
		all = append(all, t.oauth.given...)
	}
	return all
}

// scopesOf lists the scopes of which a token needs one for a route; none means
// that any token will do.
func scopesOf(route string) []string {
	const pools = "integration.data-pools"
	for _, rule := range []struct {
		prefix string
		scopes []string
	}{
		{"push.", []string{pools + ":data_push", pools}},
		{"pools.create", []string{pools}},
		{"pools.update", []string{pools}},
		{"pools.delete", []string{pools}},
		{"pools.model", []string{"integration.data-models:read"}},
		{"pools.", []string{pools + ":read", pools}},
		{routeAsk, []string{"intelligence.conversations:write"}},
		{"subscriptions.", []string{"intelligence.subscriptions:manage"}},
		{"intelligence.", []string{"intelligence.knowledge-models:read", "studio"}},
		{"admin.audit", []string{"audit.log:read"}},
		{"admin.logins", []string{"team.login-history:read"}},
		{"admin.members", []string{"team.user-group-info:read"}},
		{"admin.permissions", []string{"authorization.permissions:read"}},
		{"admin.adoption", []string{"platform-adoption.tracking-events:read"}},
		{"pql.", []string{pools + ":query", pools}},
		{"mcp.", []string{"mcp-asset.tools:execute"}},
		{"scim.", []string{"user-provisioning.scim"}},
	} {
		if strings.HasPrefix(route, rule.prefix) {
			return rule.scopes
		}
	}
	return nil
}

// lacksScope reports whether a caller with a token has none of the scopes that a route needs.
func (c caller) lacksScope(route string) bool {
	needed := scopesOf(route)
	return c.token != nil && len(needed) > 0 &&
		!slices.ContainsFunc(needed, func(scope string) bool { return slices.Contains(c.token.scopes, scope) })
}
