package access_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
)

// memory is a Repository that counts its reads.
type memory struct {
	mu      sync.Mutex
	clients map[string]access.Client
	reads   int
	touches int
	revoked map[string]bool
	down    error
	// gate holds reads of clients until it is closed; nil holds none.
	gate chan struct{}
}

var _ access.Repository = (*memory)(nil)

func newMemory() *memory {
	return &memory{clients: map[string]access.Client{}, revoked: map[string]bool{}}
}

func (m *memory) CreateClient(_ context.Context, c *access.Client) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.clients {
		if other.Workspace == c.Workspace && strings.EqualFold(other.Name, c.Name) {
			return fault.New(fault.AccessClientExists, "taken")
		}
	}
	m.clients[c.ID] = *c
	return m.down
}

func (m *memory) Client(_ context.Context, id string) (*access.Client, error) {
	m.mu.Lock()
	m.reads++
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		<-gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(id)
}

func (m *memory) find(id string) (*access.Client, error) {
	if m.down != nil {
		return nil, m.down
	}
	c, ok := m.clients[id]
	if !ok {
		return nil, fault.New(fault.AccessClientNotFound, "none")
	}
	c.Secrets = slices.Clone(c.Secrets)
	return &c, nil
}

func (m *memory) Clients(_ context.Context, workspace string, _ access.Page) ([]access.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []access.Client
	for _, c := range m.clients {
		if c.Workspace == workspace {
			list = append(list, c)
		}
	}
	return list, m.down
}

func (m *memory) UpdateClient(_ context.Context, c *access.Client) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, err := m.find(c.ID)
	if err != nil {
		return err
	}
	if was.Revision != c.Revision-1 {
		return fault.New(fault.RequestStale, "changed")
	}
	m.clients[c.ID] = *c
	return nil
}

func (m *memory) DeleteClient(_ context.Context, workspace, id string, _ int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.find(id)
	if err == nil && c.Workspace == workspace {
		delete(m.clients, id)
	}
	return err
}

func (m *memory) AddClientSecret(_ context.Context, _, id string, secret access.ClientSecret) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.find(id)
	if err != nil {
		return err
	}
	if len(c.Secrets) >= access.MaxSecrets {
		return fault.New(fault.AccessSecretsFull, "full")
	}
	c.Secrets = append(c.Secrets, secret)
	m.clients[id] = *c
	return nil
}

func (m *memory) DeleteClientSecret(_ context.Context, _, id, secretID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.find(id)
	if err != nil {
		return err
	}
	c.Secrets = slices.DeleteFunc(c.Secrets, func(s access.ClientSecret) bool { return s.ID == secretID })
	m.clients[id] = *c
	return nil
}

func (m *memory) TouchClient(_ context.Context, use access.Use) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.touches++
	if c, err := m.find(use.ClientID); err == nil {
		c.LastUsedAt = use.At
		for i := range c.Secrets {
			if c.Secrets[i].ID == use.SecretID {
				c.Secrets[i].LastUsedAt = use.At
			}
		}
		m.clients[use.ClientID] = *c
	}
	return m.down
}

func (m *memory) RevokeToken(_ context.Context, t access.RevokedToken, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revoked[t.ID] = true
	return m.down
}

func (m *memory) TokenRevoked(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revoked[id], m.down
}

func (m *memory) change(id string, f func(*access.Client)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.clients[id]
	f(&c)
	m.clients[id] = c
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bundle is a service with what stands behind it.
type bundle struct {
	*access.Service
	repo  *memory
	clock *clock
	keys  *crypto.Keyring
}

func keyring(t testing.TB, entries ...string) *crypto.Keyring {
	t.Helper()
	k, err := crypto.ParseKeyring(strings.Join(entries, ","))
	require.NoError(t, err)
	return k
}

func entry(t testing.TB) string {
	t.Helper()
	e, err := crypto.GenerateEntry()
	require.NoError(t, err)
	return e
}

func setup(t testing.TB) *bundle {
	t.Helper()
	b := &bundle{
		repo:  newMemory(),
		clock: &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)},
		keys:  keyring(t, entry(t)),
	}
	b.Service = b.withKeys(t, b.keys)
	return b
}

func (b *bundle) withKeys(t testing.TB, k *crypto.Keyring) *access.Service {
	t.Helper()
	s, err := access.New(access.Deps{Repository: b.repo, Keys: k, Now: b.clock.Now})
	require.NoError(t, err)
	return s
}

func (b *bundle) client(t testing.TB, scopes ...string) (access.Client, crypto.Secret) {
	t.Helper()
	c, secret, err := b.CreateClient(t.Context(), "default", "loader", scopes)
	require.NoError(t, err)
	return c, secret
}

func (b *bundle) token(t testing.TB, scopes ...string) (access.Client, string) {
	t.Helper()
	c, secret := b.client(t, scopes...)
	return c, b.issue(t, b.Service, c, secret)
}

// issue takes the way of a client, from its secret to a token.
func (b *bundle) issue(t testing.TB, s *access.Service, c access.Client, secret crypto.Secret) string {
	t.Helper()
	login, err := s.Authenticate(t.Context(), c.ID, secret)
	require.NoError(t, err)
	token, err := s.IssueToken(t.Context(), login, nil)
	require.NoError(t, err)
	return token.AccessToken.Reveal()
}

func TestCreateClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		client string
		scopes []string
		code   fault.Code
		want   []access.Scope
	}{
		{"one scope", "a", []string{"flows:read"}, "", []access.Scope{access.FlowsRead}},
		{"in the catalogue's order, once each", "a", []string{"flows:run", "flows:read", "flows:run"}, "", []access.Scope{access.FlowsRead, access.FlowsRun}},
		{"all", "a", []string{"all"}, "", access.AllScopes()},
		{"no name", "  ", []string{"all"}, fault.RequestInvalid, nil},
		{"name too long", strings.Repeat("ü", access.MaxName+1), []string{"all"}, fault.RequestInvalid, nil},
		{"no scope", "a", nil, fault.RequestInvalid, nil},
		{"unknown scope", "a", []string{"flows:read", "flows:fly"}, fault.RequestInvalid, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c, secret, err := b.CreateClient(t.Context(), "default", tt.client, tt.scopes)
			if tt.code != "" {
				require.Equal(t, tt.code, fault.CodeOf(err))
				require.Empty(t, b.repo.clients)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, c.Scopes)
			require.Len(t, c.Secrets, 1)
			require.Len(t, c.Secrets[0].Hash, 32)
			require.GreaterOrEqual(t, len(secret.Reveal()), 43, "256 bits in base64")
			require.NotContains(t, string(c.Secrets[0].Hash), secret.Reveal())
		})
	}
	t.Run("the name is taken", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.client(t, "all")
		_, _, err := b.CreateClient(t.Context(), "default", "LOADER", []string{"all"})
		require.Equal(t, fault.AccessClientExists, fault.CodeOf(err))
	})
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, secret := b.client(t, "all")

	got, err := b.Authenticate(t.Context(), c.ID, secret)
	require.NoError(t, err)
	require.Equal(t, access.Login{Client: c, SecretID: c.Secrets[0].ID}, got)

	_, wrong := b.Authenticate(t.Context(), c.ID, crypto.NewSecret("ccs_wrong"))
	_, empty := b.Authenticate(t.Context(), c.ID, crypto.Secret{})
	_, unknown := b.Authenticate(t.Context(), "nobody", secret)
	_, unknownEmpty := b.Authenticate(t.Context(), "nobody", crypto.Secret{})
	require.NoError(t, b.SetDisabled(t.Context(), "default", c.ID, true))
	_, disabled := b.Authenticate(t.Context(), c.ID, secret)
	for name, err := range map[string]error{
		"wrong": wrong, "empty": empty, "unknown": unknown, "unknown and empty": unknownEmpty, "disabled": disabled,
	} {
		require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err), name)
		require.EqualError(t, err, wrong.Error(), "%s must not tell more than the others", name)
		require.NotContains(t, err.Error(), secret.Reveal(), name)
	}

	b.repo.down = fault.New(fault.StoreUnavailable, "down")
	_, err = b.Authenticate(t.Context(), c.ID, secret)
	require.Equal(t, fault.StoreUnavailable, fault.CodeOf(err))
}

func TestIssueToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, secret := b.client(t, "flows:read", "flows:run")
	login, err := b.Authenticate(t.Context(), c.ID, secret)
	require.NoError(t, err)
	for _, tt := range []struct {
		name      string
		requested []string
		code      fault.Code
		want      []access.Scope
	}{
		{"all that the client has", nil, "", c.Scopes},
		{"a part", []string{"flows:run"}, "", []access.Scope{access.FlowsRun}},
		{"more than it has", []string{"flows:run", "flows:write"}, fault.AccessForbidden, nil},
		{"no scope at all", []string{"nonsense"}, fault.RequestFieldInvalid, nil},
	} {
		token, err := b.IssueToken(t.Context(), login, tt.requested)
		require.Equal(t, tt.code, fault.CodeOf(err), tt.name)
		if tt.code != "" {
			continue
		}
		require.Equal(t, access.TokenLifetime, token.ExpiresIn)
		p, err := b.VerifyToken(t.Context(), token.AccessToken.Reveal())
		require.NoError(t, err)
		require.Equal(t, access.Principal{ClientID: c.ID, Name: "loader", Workspace: "default", Scopes: tt.want}, p, tt.name)
	}
	got, err := b.Get(t.Context(), "default", c.ID)
	require.NoError(t, err)
	require.Equal(t, []time.Time{b.clock.Now(), b.clock.Now()}, []time.Time{got.LastUsedAt, got.Secrets[0].LastUsedAt})
}

func TestLastUsedIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, secret := b.client(t, "all")
	for _, tt := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {0, 1}, {30 * time.Second, 1}, {29 * time.Second, 1}, {time.Second, 2}, {time.Second, 2}} {
		b.clock.add(tt.wait)
		b.issue(t, b.Service, c, secret)
		require.Equal(t, tt.want, b.repo.touches)
	}
}

func TestTokenEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, raw := b.token(t, "all")
	b.clock.add(access.TokenLifetime - time.Second)
	_, err := b.VerifyToken(t.Context(), raw)
	require.NoError(t, err)
	b.clock.add(time.Second)
	for range 2 {
		_, err = b.VerifyToken(t.Context(), raw)
		require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))
		require.Contains(t, err.Error(), "ended")
	}
}

func TestClientIsReadOnceInFiveSeconds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, raw := b.token(t, "all")
	before := b.repo.reads
	for range 10 {
		_, err := b.VerifyToken(t.Context(), raw)
		require.NoError(t, err)
	}
	require.Equal(t, before+1, b.repo.reads, "the first, since the use of the secret was written")

	// Another process disables the client: this one knows within CacheFor.
	b.repo.change(c.ID, func(c *access.Client) { c.Disabled = true })
	b.clock.add(access.CacheFor)
	_, err := b.VerifyToken(t.Context(), raw)
	require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))
}

func TestClientChangesReachItsTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, raw := b.token(t, "flows:read", "flows:run")

	require.NoError(t, b.SetDisabled(t.Context(), "default", c.ID, true))
	_, err := b.VerifyToken(t.Context(), raw)
	require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))
	require.NoError(t, b.SetDisabled(t.Context(), "default", c.ID, false))
	_, err = b.VerifyToken(t.Context(), raw)
	require.NoError(t, err)

	b.repo.change(c.ID, func(c *access.Client) { c.Scopes = []access.Scope{access.FlowsRun} })
	b.clock.add(access.CacheFor)
	p, err := b.VerifyToken(t.Context(), raw)
	require.NoError(t, err)
	require.Equal(t, []access.Scope{access.FlowsRun}, p.Scopes)
	require.False(t, p.Has(access.FlowsRead))

	b.repo.change(c.ID, func(c *access.Client) { c.Workspace = "other" })
	b.clock.add(access.CacheFor)
	_, err = b.VerifyToken(t.Context(), raw)
	require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err), "a token works in the workspace that it was made for")

	delete(b.repo.clients, c.ID)
	b.clock.add(access.CacheFor)
	_, err = b.VerifyToken(t.Context(), raw)
	require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))

	b.repo.down = fault.New(fault.StoreUnavailable, "down")
	_, err = b.VerifyToken(t.Context(), raw)
	require.Equal(t, fault.StoreUnavailable, fault.CodeOf(err), "a lost database is no reason to tell a client that its token is bad")
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	older, newer := entry(t), entry(t)
	before := b.withKeys(t, keyring(t, older))
	after := b.withKeys(t, keyring(t, newer, older))
	retired := b.withKeys(t, keyring(t, newer))

	c, secret, err := before.CreateClient(t.Context(), "default", "loader", []string{"all"})
	require.NoError(t, err)
	raw := b.issue(t, before, c, secret)
	_, err = after.VerifyToken(t.Context(), raw)
	require.NoError(t, err)
	_, err = retired.VerifyToken(t.Context(), raw)
	require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))

	_, err = retired.VerifyToken(t.Context(), b.issue(t, after, c, secret))
	require.NoError(t, err, "the primary key signs")
	require.Len(t, after.PublicKeys(), 2)
	require.Len(t, retired.PublicKeys(), 1)
}

func TestServiceIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, secret := b.client(t, "all")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				got, err := b.Authenticate(t.Context(), c.ID, secret)
				if err != nil {
					continue // disabled just now
				}
				token, err := b.IssueToken(t.Context(), got, nil)
				if err == nil {
					_, _ = b.VerifyToken(t.Context(), token.AccessToken.Reveal())
				}
				_, _ = b.List(t.Context(), "default", access.Page{})
				_ = b.SetDisabled(t.Context(), "default", c.ID, false)
				b.clock.add(time.Second)
			}
		})
	}
	wg.Wait()
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	for _, d := range access.Catalogue() {
		resource, action, ok := strings.Cut(string(d.Scope), ":")
		require.True(t, ok && resource != "" && action != "", d.Scope)
		require.NotEmpty(t, d.Description)
	}
}
