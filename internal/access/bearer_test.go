package access_test

import (
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestABearerOfIDAndSecret(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, secret := b.client(t, "scim:read", "scim:write")
	bearer := c.ID + "." + secret.Reveal()
	p, err := b.VerifyBearer(t.Context(), bearer)
	require.NoError(t, err)
	require.Equal(t, access.Principal{ClientID: c.ID, Name: c.Name, Workspace: "default", Scopes: c.Scopes}, p)
	kept, err := b.Get(t.Context(), "default", c.ID)
	require.NoError(t, err)
	require.Equal(t, b.clock.Now(), kept.LastUsedAt)

	for _, wrong := range []string{"", ".", c.ID, c.ID + ".", c.ID + ".ccs_", c.ID + "." + secret.Reveal() + "x", "x." + secret.Reveal(), secret.Reveal(), "." + secret.Reveal()} {
		_, err := b.VerifyBearer(t.Context(), wrong)
		require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err), wrong)
		require.NotContains(t, err.Error(), secret.Reveal())
	}
	_, _, is := access.SplitBearer(b.issue(t, b.Service, c, secret))
	require.False(t, is, "an access token is none")

	ends := b.clock.Now().Add(time.Hour)
	_, short, err := b.AddSecret(t.Context(), access.Operator("default"), c.ID, ends)
	require.NoError(t, err)
	_, err = b.VerifyBearer(t.Context(), c.ID+"."+short.Reveal())
	require.NoError(t, err)
	b.clock.add(2 * time.Hour)
	_, err = b.VerifyBearer(t.Context(), c.ID+"."+short.Reveal())
	require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err), "it ends with its secret")
	require.NoError(t, b.SetDisabled(t.Context(), "default", c.ID, true))
	_, err = b.VerifyBearer(t.Context(), bearer)
	require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))
}
