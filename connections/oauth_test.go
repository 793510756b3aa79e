package connections_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const (
	clientSecret = "canary-client-secret-0123456789"
	pushScope    = "integration.data-pools:data_push"
)

// clientMemory is an OAuthClientRepository in memory.
type clientMemory struct {
	rows  map[string]connections.OAuthClient
	users map[string][]connections.ConnectionUse
}

var _ connections.OAuthClientRepository = (*clientMemory)(nil)

func (m *clientMemory) CreateOAuthClient(_ context.Context, c *connections.OAuthClient) error {
	m.rows[c.ID] = *c
	return nil
}

func (m *clientMemory) OAuthClient(_ context.Context, workspace, id string) (*connections.OAuthClient, error) {
	c, ok := m.rows[id]
	if !ok || c.Workspace != workspace {
		return nil, fault.New(fault.OAuthClientNotFound, "there is no OAuth client %q", id)
	}
	return &c, nil
}

func (m *clientMemory) OAuthClients(context.Context, string, connections.Page) ([]connections.OAuthClient, error) {
	return nil, nil
}

func (m *clientMemory) UpdateOAuthClient(_ context.Context, c *connections.OAuthClient) error {
	if m.rows[c.ID].Revision != c.Revision-1 {
		return fault.New(fault.RequestStale, "stale")
	}
	m.rows[c.ID] = *c
	return nil
}

func (m *clientMemory) DeleteOAuthClient(_ context.Context, _, id string, _ int64) error {
	if len(m.users[id]) > 0 {
		return fault.New(fault.OAuthClientInUse, "in use")
	}
	delete(m.rows, id)
	return nil
}

func (m *clientMemory) OAuthClientUsers(_ context.Context, _, id string) ([]connections.ConnectionUse, error) {
	return m.users[id], nil
}

// oauthBundle is both services on memories with one keyring.
type oauthBundle struct {
	*bundle
	clients *connections.OAuthClientService
	memory  *clientMemory
}

func setupOAuth(t testing.TB) *oauthBundle {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	ring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	b := &oauthBundle{bundle: setup(t), memory: &clientMemory{rows: map[string]connections.OAuthClient{}, users: map[string][]connections.ConnectionUse{}}}
	domains := policy(t, "http://127.0.0.1:9000")
	now := func() time.Time { return b.now }
	b.clients = connections.NewOAuthClientService(connections.OAuthClientDeps{Repository: b.memory, Sealer: ring, Domains: domains, Now: now})
	b.Service = connections.NewService(connections.Deps{
		Repository: b.store, OAuthClients: b.memory, Sealer: ring, Tester: b.tester, Domains: domains, Now: now,
	})
	return b
}

func clientDraft(change ...func(*connections.OAuthClientDraft)) connections.OAuthClientDraft {
	d := connections.OAuthClientDraft{
		Name: "Acme", ClientID: "client-at-celonis", ClientSecret: crypto.NewSecret(clientSecret),
		ValidDomains: []string{"https://" + host + "/ui", "127.0.0.1:9000", host}, AllowedScopes: []string{"studio", pushScope},
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func (b *oauthBundle) client(t testing.TB, change ...func(*connections.OAuthClientDraft)) *connections.OAuthClient {
	t.Helper()
	c, err := b.clients.Create(t.Context(), workspace, clientDraft(change...))
	require.NoError(t, err)
	return c
}

func TestOAuthClientIsStoredSealed(t *testing.T) {
	t.Parallel()
	b := setupOAuth(t)
	c := b.client(t)
	require.Equal(t, []string{host, "127.0.0.1:9000"}, c.ValidDomains, "bare hosts, each once")
	require.Equal(t, []string{pushScope, "studio"}, c.AllowedScopes)
	require.Equal(t, connections.ClientSecretBasic, c.AuthMethod)
	text, err := json.Marshal(c)
	require.NoError(t, err)
	require.NotContains(t, string(text), clientSecret)
	require.Len(t, b.client(t, func(d *connections.OAuthClientDraft) { d.AllowedScopes = []string{"all"} }).AllowedScopes, 36)
}

func TestEveryFaultOfAnOAuthClientIsToldAtOnce(t *testing.T) {
	t.Parallel()
	b := setupOAuth(t)
	for name, x := range map[string]struct {
		change func(*connections.OAuthClientDraft)
		want   []string
	}{
		"nothing": {func(d *connections.OAuthClientDraft) { *d = connections.OAuthClientDraft{} }, []string{
			"/name request.field_missing", "/clientId request.field_missing", "/validDomains request.field_missing",
			"/allowedScopes request.field_missing", "/clientSecret request.field_missing"}},
		"blank in the client id":      {func(d *connections.OAuthClientDraft) { d.ClientID = "client at celonis" }, []string{"/clientId request.field_invalid"}},
		"line break in the client id": {func(d *connections.OAuthClientDraft) { d.ClientID = "client\nat" }, []string{"/clientId request.field_invalid"}},
		"look-alike in the client id": {func(d *connections.OAuthClientDraft) { d.ClientID = "cli\u0435nt" }, []string{"/clientId request.field_invalid"}},
		"domains": {func(d *connections.OAuthClientDraft) {
			d.ValidDomains = []string{host, "evilcelonis.cloud", "10.0.0.1", "u@" + host}
		},
			[]string{"/validDomains/1 connection.domain_invalid", "/validDomains/2 connection.domain_invalid", "/validDomains/3 connection.domain_invalid"}},
		"too many domains": {func(d *connections.OAuthClientDraft) { d.ValidDomains = slices.Repeat([]string{host}, 21) }, []string{"/validDomains request.field_invalid"}},
		"scopes": {func(d *connections.OAuthClientDraft) {
			d.AllowedScopes = []string{"audit.log", pushScope, "nope.at.all"}
		},
			[]string{"/allowedScopes/0 oauth.scope_unknown", "/allowedScopes/2 oauth.scope_unknown"}},
		"method":              {func(d *connections.OAuthClientDraft) { d.AuthMethod = "client_secret_jwt" }, []string{"/authMethod request.field_invalid"}},
		"mask":                {func(d *connections.OAuthClientDraft) { d.ClientSecret = crypto.NewSecret("********") }, []string{"/clientSecret secret.mask"}},
		"redacted":            {func(d *connections.OAuthClientDraft) { d.ClientSecret = crypto.NewSecret("[redacted]") }, []string{"/clientSecret secret.mask"}},
		"blank in the secret": {func(d *connections.OAuthClientDraft) { d.ClientSecret = crypto.NewSecret("can ary") }, []string{"/clientSecret secret.invalid"}},
	} {
		_, err := b.clients.Create(t.Context(), workspace, clientDraft(x.change))
		require.True(t, fault.Has(err, fault.RequestInvalid), name)
		require.ElementsMatch(t, x.want, pointers(err), name)
		require.Contains(t, fault.From(err).Message, "the OAuth client is not valid")
	}
	_, err := b.clients.Create(t.Context(), workspace, clientDraft(func(d *connections.OAuthClientDraft) { d.ClientSecret = crypto.NewSecret("bullet\u2022\u2022") }))
	require.Contains(t, fault.From(err).Fields[0].Detail, "not a client secret")
}

func TestAStoredClientSecretGoesToNoNewHost(t *testing.T) {
	t.Parallel()
	b := setupOAuth(t)
	c := b.client(t)
	for name, change := range map[string]func(*connections.OAuthClientDraft){
		"new host": func(d *connections.OAuthClientDraft) {
			d.ValidDomains = append(d.ValidDomains, "other.eu-1.celonis.cloud")
		},
		"other host":    func(d *connections.OAuthClientDraft) { d.ValidDomains = []string{"other.eu-1.celonis.cloud"} },
		"new client id": func(d *connections.OAuthClientDraft) { d.ClientID = "another" },
	} {
		d := c.Draft()
		change(&d)
		_, err := b.clients.Update(t.Context(), workspace, c.ID, d, 0)
		require.Equal(t, []string{"/clientSecret connection.secret_required"}, pointers(err), name)
		d.ClientSecret = crypto.NewSecret("the-same-secret-given-again")
		got, err := b.clients.Update(t.Context(), workspace, c.ID, d, 0)
		require.NoError(t, err, name)
		require.NotEqual(t, c.Secret, got.Secret)
		b.memory.rows[c.ID] = *c
	}
	d := c.Draft()
	d.ValidDomains, d.Name, d.AuthMethod = []string{host}, "Renamed", connections.ClientSecretPost
	got, err := b.clients.Update(t.Context(), workspace, c.ID, d, c.Revision)
	require.NoError(t, err, "fewer hosts, another name and method need no secret")
	require.Equal(t, c.Secret, got.Secret)
	require.EqualValues(t, 2, got.Revision)
	same, err := b.clients.Update(t.Context(), workspace, c.ID, got.Draft(), 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, same.Revision, "an update that changes nothing is none")
	_, err = b.clients.Update(t.Context(), workspace, c.ID, got.Draft(), 1)
	require.True(t, fault.Has(err, fault.RequestStale))
	_, err = b.clients.UsedBy(t.Context(), "another workspace", c.ID)
	require.True(t, fault.Has(err, fault.OAuthClientNotFound))
}

// oauthDraft is a connection by the OAuth client.
func oauthDraft(c *connections.OAuthClient, change ...func(*connections.Draft)) connections.Draft {
	d := connections.Draft{Name: "By OAuth", APIType: connections.DataPush, Domain: host, AuthType: connections.OAuth2, PoolID: pool,
		OAuthClientID: c.ID, Scopes: []string{pushScope}}
	for _, f := range change {
		f(&d)
	}
	return d
}

func TestConnectionByOAuth(t *testing.T) {
	t.Parallel()
	b := setupOAuth(t)
	client := b.client(t)
	for _, api := range []connections.APIType{connections.DataPush, connections.Intelligence} {
		c, err := b.Create(t.Context(), workspace, oauthDraft(client, func(d *connections.Draft) {
			d.Name, d.APIType = string(api), api
			if api == connections.Intelligence {
				d.PoolID, d.Scopes = "", []string{"all"}
			}
		}), connections.CreateOptions{})
		require.NoError(t, err)
		require.Equal(t, connections.Online, c.Status)
		require.Empty(t, c.Secrets)
		require.Equal(t, connections.ClientCredentials, c.Grant)
		target, err := b.Target(t.Context(), workspace, c.ID)
		require.NoError(t, err)
		require.True(t, target.Key.IsZero())
		require.Equal(t, clientSecret, target.OAuth.ClientSecret.Reveal())
		require.Equal(t, []string{"https://" + host, "http://127.0.0.1:9000"}, target.OAuth.ValidOrigins)
		require.Equal(t, []crypto.Secret{target.OAuth.ClientSecret}, target.Secrets())
		if api == connections.Intelligence {
			require.Equal(t, client.AllowedScopes, target.OAuth.Scopes, "all stands for what the client has")
		}
	}
	r, err := b.TestDraft(t.Context(), workspace, oauthDraft(client))
	require.NoError(t, err)
	require.True(t, r.OK)
	require.Equal(t, clientSecret, b.tester.targets[len(b.tester.targets)-1].OAuth.ClientSecret.Reveal())
	_, err = b.TestDraft(t.Context(), "another workspace", oauthDraft(client))
	require.Equal(t, []string{"/oauthClientId oauth_client.not_found"}, pointers(err))
}

func TestFaultsOfAConnectionByOAuth(t *testing.T) {
	t.Parallel()
	b := setupOAuth(t)
	client := b.client(t)
	for name, x := range map[string]struct {
		change func(*connections.Draft)
		want   []string
		detail string
	}{
		"no client":      {func(d *connections.Draft) { d.OAuthClientID = "" }, []string{"/oauthClientId request.field_missing"}, ""},
		"unknown client": {func(d *connections.Draft) { d.OAuthClientID = "nope" }, []string{"/oauthClientId oauth_client.not_found"}, ""},
		"no scopes":      {func(d *connections.Draft) { d.Scopes = nil }, []string{"/scopes request.field_missing"}, ""},
		"domain outside of the valid ones": {func(d *connections.Draft) { d.Domain = "other.eu-1.celonis.cloud" },
			[]string{"/domain oauth_client.domain_not_valid"}, `"other.eu-1.celonis.cloud" is not one of the valid domains of OAuth client "Acme"`},
		"scope that the client lacks": {func(d *connections.Draft) { d.Scopes = []string{pushScope, "audit.log:read"} },
			[]string{"/scopes/1 oauth.scope_not_allowed"}, `"audit.log:read" is not one of the allowed scopes`},
		"unknown scope": {func(d *connections.Draft) { d.Scopes = []string{"data_push"} }, []string{"/scopes/0 oauth.scope_unknown"}, "no scope"},
		"keys have no place": {func(d *connections.Draft) { d.AppKey, d.APIKey = crypto.NewSecret(key), crypto.NewSecret(key) },
			[]string{"/appKey request.field_invalid", "/apiKey request.field_invalid"}, "which takes an oauthClientId"},
		"unknown grant": {func(d *connections.Draft) { d.Grant = "password" }, []string{"/grant request.field_invalid"}, ""},
		"oauth for a key": {func(d *connections.Draft) { d.AuthType, d.AppKey = connections.Custom, crypto.NewSecret(key) },
			[]string{"/oauthClientId request.field_invalid", "/scopes request.field_invalid"}, ""},
	} {
		_, err := b.Create(t.Context(), workspace, oauthDraft(client, x.change), connections.CreateOptions{})
		require.Equal(t, x.want, pointers(err), name)
		require.Contains(t, fault.From(err).Fields[0].Detail, x.detail, name)
	}
	require.Empty(t, b.tester.targets, "no secret went anywhere")
}

func TestChangesOfAConnectionByOAuth(t *testing.T) {
	t.Parallel()
	b := setupOAuth(t)
	client, other := b.client(t), b.client(t)
	made, err := b.Create(t.Context(), workspace, oauthDraft(client, func(d *connections.Draft) { d.Grant = connections.AuthorizationCode }), connections.CreateOptions{SkipTest: true})
	require.NoError(t, err)
	for name, x := range map[string]struct {
		change     func(*connections.Draft)
		authorized bool
	}{
		"name":    {func(d *connections.Draft) { d.Name = "Renamed" }, true},
		"pool":    {func(d *connections.Draft) { d.PoolID = strings.Replace(pool, pool[:8], "99999999", 1) }, true},
		"client":  {func(d *connections.Draft) { d.OAuthClientID = other.ID }, false},
		"scopes":  {func(d *connections.Draft) { d.Scopes = []string{"all"} }, false},
		"domain":  {func(d *connections.Draft) { d.Domain = "127.0.0.1:9000" }, false},
		"grant":   {func(d *connections.Draft) { d.Grant = connections.ClientCredentials }, false},
		"to keys": {func(d *connections.Draft) { d.AuthType, d.AppKey = connections.Custom, crypto.NewSecret(key) }, false},
	} {
		row := *made
		row.AuthorizedAt, row.Status = b.now, connections.Online
		b.store.rows[made.ID] = row
		tests := len(b.tester.targets)
		d := row.Draft()
		x.change(&d)
		got, err := b.Update(t.Context(), workspace, made.ID, d, 0)
		require.NoError(t, err, name)
		require.Equal(t, x.authorized, !got.AuthorizedAt.IsZero(), name)
		require.Equal(t, name != "name", len(b.tester.targets) > tests, name)
	}
	c, err := b.Create(t.Context(), workspace, oauthDraft(client, func(d *connections.Draft) { d.Name = "switch" }), connections.CreateOptions{})
	require.NoError(t, err)
	d := c.Draft()
	d.AuthType = connections.Token
	_, err = b.Update(t.Context(), workspace, c.ID, d, 0)
	require.Equal(t, []string{"/apiKey connection.secret_required"}, pointers(err), "what belongs to the old auth type is no fault of the patch")
	d.APIKey = crypto.NewSecret(key)
	got, err := b.Update(t.Context(), workspace, c.ID, d, 0)
	require.NoError(t, err)
	require.Empty(t, got.OAuthClientID)
	require.Empty(t, got.Scopes)
	require.Empty(t, got.Grant)
	back := got.Draft()
	back.AuthType, back.OAuthClientID, back.Scopes = connections.OAuth2, client.ID, []string{pushScope}
	got, err = b.Update(t.Context(), workspace, c.ID, back, 0)
	require.NoError(t, err)
	require.Empty(t, got.Secrets, "the key is forgotten")
}

func TestATargetObeysWhatTheClientLost(t *testing.T) {
	t.Parallel()
	b := setupOAuth(t)
	client := b.client(t)
	c, err := b.Create(t.Context(), workspace, oauthDraft(client), connections.CreateOptions{})
	require.NoError(t, err)
	for code, change := range map[fault.Code]func(*connections.OAuthClient){
		fault.OAuthClientDomain:    func(c *connections.OAuthClient) { c.ValidDomains = []string{"127.0.0.1:9000"} },
		fault.OAuthScopeNotAllowed: func(c *connections.OAuthClient) { c.AllowedScopes = []string{"studio"} },
		fault.SecretUnsealed:       func(c *connections.OAuthClient) { c.Secret = b.client(t).Secret },
	} {
		row := *client
		change(&row)
		b.memory.rows[client.ID] = row
		_, err := b.Target(t.Context(), workspace, c.ID)
		require.True(t, fault.Has(err, code), "%s: %v", code, err)
		require.NotContains(t, err.Error(), clientSecret)
		require.NotEmpty(t, fault.From(err).Hint)
	}
}
