package connections_test

import (
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestACloneHasTheSecretSealedForItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t)
	copied, err := b.Clone(t.Context(), workspace, c.ID, " Copy ")
	require.NoError(t, err)
	require.NotEqual(t, c.ID, copied.ID)
	require.Equal(t, "Copy", copied.Name)
	require.EqualValues(t, 1, copied.Revision)
	require.Equal(t, connections.Online, copied.Status, "it is tested at once")
	was, is := c.Draft(), copied.Draft()
	was.Name = "Copy"
	require.Equal(t, was, is)
	require.NotEqual(t, c.Secrets[connections.AppKey].Envelope, copied.Secrets[connections.AppKey].Envelope)
	target, err := b.Target(t.Context(), workspace, copied.ID)
	require.NoError(t, err)
	require.Equal(t, key, target.Key.Reveal())

	_, err = b.Clone(t.Context(), workspace, c.ID, "copy")
	require.True(t, fault.Has(err, fault.ConnectionNameTaken), err)
	_, err = b.Clone(t.Context(), workspace, c.ID, "")
	require.Equal(t, []string{"/name request.field_missing"}, pointers(err))
	_, err = b.Clone(t.Context(), "another workspace", c.ID, "stolen")
	require.True(t, fault.Has(err, fault.ConnectionNotFound), err)
	row := b.store.rows[c.ID]
	row.Secrets = nil
	b.store.rows[c.ID] = row
	_, err = b.Clone(t.Context(), workspace, c.ID, "without")
	require.True(t, fault.Has(err, fault.ConnectionSecretRequired), err)
}
