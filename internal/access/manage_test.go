package access_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
)

func fails(t *testing.T, code fault.Code, err error) {
	t.Helper()
	require.Equal(t, code, fault.CodeOf(err), "%v", err)
}

// TestRotation replaces a secret without a gap, as another process sees it too.
func TestRotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.withKeys(t, b.keys)
	c, first := b.client(t, "flows:read")
	old := b.issue(t, other, c, first)

	kept, second, err := b.AddSecret(t.Context(), access.Operator("default"), c.ID, b.clock.Now().Add(time.Hour))
	require.NoError(t, err)
	fresh := b.issue(t, other, c, second)
	b.issue(t, other, c, first)
	_, _, err = b.AddSecret(t.Context(), access.Operator("default"), c.ID, time.Time{})
	fails(t, fault.AccessSecretsFull, err)

	require.NoError(t, b.DeleteSecret(t.Context(), "default", c.ID, c.Secrets[0].ID))
	b.clock.add(access.CacheFor)
	for _, s := range []*access.Service{b.Service, other} {
		_, err = s.VerifyToken(t.Context(), old)
		fails(t, fault.AccessUnauthenticated, err)
		_, err = s.Authenticate(t.Context(), c.ID, first)
		fails(t, fault.AccessUnauthenticated, err)
		_, err = s.VerifyToken(t.Context(), fresh)
		require.NoError(t, err)
	}

	b.clock.add(kept.ExpiresAt.Sub(b.clock.Now()) - time.Second)
	last := b.issue(t, other, c, second)
	b.clock.add(time.Second)
	_, err = other.VerifyToken(t.Context(), last)
	fails(t, fault.AccessUnauthenticated, err)
	_, err = other.Authenticate(t.Context(), c.ID, second)
	fails(t, fault.AccessUnauthenticated, err)
}

func TestRevokedTokensEndEverywhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.withKeys(t, b.keys)
	c, secret := b.client(t, "flows:read")
	login, err := b.Authenticate(t.Context(), c.ID, secret)
	require.NoError(t, err)
	raw, stays := b.issue(t, b.Service, c, secret), b.issue(t, b.Service, c, secret)
	_, err = other.VerifyToken(t.Context(), raw)
	require.NoError(t, err)

	require.NoError(t, b.RevokeToken(t.Context(), login, raw))
	_, err = b.VerifyToken(t.Context(), raw)
	fails(t, fault.AccessUnauthenticated, err)
	b.clock.add(access.CacheFor)
	_, err = other.VerifyToken(t.Context(), raw)
	fails(t, fault.AccessUnauthenticated, err)
	_, err = other.VerifyToken(t.Context(), stays)
	require.NoError(t, err)
	require.Less(t, access.CacheFor, 10*time.Second, "the time within which every process knows")
}

func TestManagingClients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	by := access.Principal{Workspace: "default", Scopes: []access.Scope{access.FlowsRead, access.ClientsWrite}}
	c, _, err := b.Create(t.Context(), by, access.Draft{Name: "a", Scopes: []string{"flows:read"}}, time.Time{})
	require.NoError(t, err)
	_, err = b.Get(t.Context(), "elsewhere", c.ID)
	fails(t, fault.AccessClientNotFound, err)

	d := c.Draft()
	d.Scopes = []string{"flows:read", "flows:write"}
	_, err = b.Update(t.Context(), by, c.ID, d, 0)
	fails(t, fault.AccessScopeNotHeld, err)
	_, err = b.Update(t.Context(), access.Operator("default"), c.ID, d, 7)
	fails(t, fault.RequestStale, err)
	same, err := b.Update(t.Context(), by, c.ID, c.Draft(), 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, same.Revision, "nothing changed")
	wide, err := b.Update(t.Context(), access.Operator("default"), c.ID, d, 1)
	require.NoError(t, err)
	require.EqualValues(t, 2, wide.Revision)
	_, _, err = b.AddSecret(t.Context(), by, c.ID, time.Time{})
	fails(t, fault.AccessScopeNotHeld, err)
	_, _, err = b.AddSecret(t.Context(), access.Operator("default"), c.ID, b.clock.Now())
	fails(t, fault.RequestInvalid, err)

	d.Name = "renamed, with what it has"
	_, err = b.Update(t.Context(), by, c.ID, d, 0)
	require.NoError(t, err, "scopes that stay are not given anew")
	require.NoError(t, b.Delete(t.Context(), "default", c.ID, 0))
	_, err = b.Get(t.Context(), "default", c.ID)
	fails(t, fault.AccessClientNotFound, err)
}

func TestPresets(t *testing.T) {
	t.Parallel()
	for _, p := range access.Presets() {
		scopes, err := access.PresetScopes(p.Name)
		require.NoError(t, err)
		require.NotEmpty(t, scopes)
		require.Subset(t, access.AllScopes(), scopes)
		require.NotContains(t, scopes, access.ClientsWrite, "no preset makes others")
	}
	_, err := access.PresetScopes("root")
	fails(t, fault.RequestFieldInvalid, err)
}
