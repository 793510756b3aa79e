package access_test

import (
	"context"
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
	touched map[string]time.Time
	down    error
}

var _ access.Repository = (*memory)(nil)

func newMemory() *memory {
	return &memory{clients: map[string]access.Client{}, touched: map[string]time.Time{}}
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
	defer m.mu.Unlock()
	m.reads++
	if m.down != nil {
		return nil, m.down
	}
	c, ok := m.clients[id]
	if !ok {
		return nil, fault.New(fault.AccessClientNotFound, "none")
	}
	return &c, nil
}

func (m *memory) Clients(_ context.Context, workspace string) ([]access.Client, error) {
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

func (m *memory) TouchClient(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.touched[id] = at
	return m.down
}

func (m *memory) SetClientDisabled(_ context.Context, _, id string, disabled bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.clients[id]
	c.Disabled = disabled
	m.clients[id] = c
	return m.down
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

func keyring(t *testing.T, entries ...string) *crypto.Keyring {
	t.Helper()
	k, err := crypto.ParseKeyring(strings.Join(entries, ","))
	require.NoError(t, err)
	return k
}

func entry(t *testing.T) string {
	t.Helper()
	e, err := crypto.GenerateEntry()
	require.NoError(t, err)
	return e
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{
		repo:  newMemory(),
		clock: &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)},
		keys:  keyring(t, entry(t)),
	}
	b.Service = b.withKeys(t, b.keys)
	return b
}

func (b *bundle) withKeys(t *testing.T, k *crypto.Keyring) *access.Service {
	t.Helper()
	s, err := access.New(access.Deps{Repository: b.repo, Keys: k, Now: b.clock.Now})
	require.NoError(t, err)
	return s
}

func (b *bundle) client(t *testing.T, scopes ...string) (access.Client, crypto.Secret) {
	t.Helper()
	c, secret, err := b.CreateClient(t.Context(), "default", "loader", scopes)
	require.NoError(t, err)
	return c, secret
}

func (b *bundle) token(t *testing.T, scopes ...string) (access.Client, string) {
	t.Helper()
	c, _ := b.client(t, scopes...)
	token, err := b.IssueToken(t.Context(), c, nil)
	require.NoError(t, err)
	return c, token.AccessToken.Reveal()
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
		{"no name", "  ", []string{"all"}, fault.RequestFieldInvalid, nil},
		{"name too long", strings.Repeat("ü", access.MaxName+1), []string{"all"}, fault.RequestFieldInvalid, nil},
		{"no scope", "a", nil, fault.RequestFieldInvalid, nil},
		{"unknown scope", "a", []string{"flows:read", "flows:fly"}, fault.RequestFieldInvalid, nil},
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
			require.Len(t, c.SecretHash, 32)
			require.GreaterOrEqual(t, len(secret.Reveal()), 43, "256 bits in base64")
			require.NotContains(t, string(c.SecretHash), secret.Reveal())
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
	require.Equal(t, c, got)

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
	c, _ := b.client(t, "flows:read", "flows:run")
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
		token, err := b.IssueToken(t.Context(), c, tt.requested)
		require.Equal(t, tt.code, fault.CodeOf(err), tt.name)
		if tt.code != "" {
			continue
		}
		require.Equal(t, access.TokenLifetime, token.ExpiresIn)
		p, err := b.VerifyToken(t.Context(), token.AccessToken.Reveal())
		require.NoError(t, err)
		require.Equal(t, access.Principal{ClientID: c.ID, Name: "loader", Workspace: "default", Scopes: tt.want}, p, tt.name)
	}
	require.Equal(t, b.clock.Now(), b.repo.touched[c.ID])
}

func TestLastUsedIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := b.client(t, "all")
	c.LastUsedAt = b.clock.Now()
	b.clock.add(59 * time.Second)
	_, err := b.IssueToken(t.Context(), c, nil)
	require.NoError(t, err)
	require.NotContains(t, b.repo.touched, c.ID)
	b.clock.add(time.Second)
	_, err = b.IssueToken(t.Context(), c, nil)
	require.NoError(t, err)
	require.Contains(t, b.repo.touched, c.ID)
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
	for range 10 {
		_, err := b.VerifyToken(t.Context(), raw)
		require.NoError(t, err)
	}
	require.Equal(t, 1, b.repo.reads)

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

	c, _, err := before.CreateClient(t.Context(), "default", "loader", []string{"all"})
	require.NoError(t, err)
	token, err := before.IssueToken(t.Context(), c, nil)
	require.NoError(t, err)
	_, err = after.VerifyToken(t.Context(), token.AccessToken.Reveal())
	require.NoError(t, err)
	_, err = retired.VerifyToken(t.Context(), token.AccessToken.Reveal())
	require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))

	token, err = after.IssueToken(t.Context(), c, nil)
	require.NoError(t, err)
	_, err = retired.VerifyToken(t.Context(), token.AccessToken.Reveal())
	require.NoError(t, err, "the primary key signs")
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
				_, _ = b.Clients(t.Context(), "default")
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
