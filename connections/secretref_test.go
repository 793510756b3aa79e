package connections_test

import (
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// places are secrets that are kept elsewhere.
type places map[string]string

func (p places) Resolve(ref string) (crypto.Secret, error) {
	value, ok := p[ref]
	if !ok {
		return crypto.Secret{}, fault.New(fault.SecretRefMissing, "there is no %q", ref)
	}
	return crypto.NewSecret(value), nil
}

func TestASecretThatIsKeptElsewhere(t *testing.T) {
	t.Parallel()
	kept := places{"env:KEY": key + "\n", "env:BAD": "two words", "env:MASK": "****"}
	b := setup(t, func(d *connections.Deps) { d.SecretRefs = kept })
	c := b.create(t, func(d *connections.Draft) { d.AppKey = crypto.NewRef("env:KEY") })
	require.Equal(t, "env:KEY", c.Secrets[connections.AppKey].Ref)
	require.Equal(t, key, b.tester.targets[0].Key.Reveal())
	stored, err := b.Get(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, c.Secrets, stored.Secrets)

	// It is looked up at each use.
	kept["env:KEY"] = "another-key-altogether"
	target, err := b.Target(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, "another-key-altogether", target.Key.Reveal())
	delete(kept, "env:KEY")
	_, err = b.Target(t.Context(), workspace, c.ID)
	require.True(t, fault.Has(err, fault.SecretRefMissing), err)
	kept["env:KEY"] = key

	for ref, want := range map[string]fault.Code{"env:NONE": fault.SecretRefMissing, "env:BAD": fault.SecretInvalid, "env:MASK": fault.SecretMask} {
		d := draft()
		d.AppKey = crypto.NewRef(ref)
		_, err := b.TestDraft(t.Context(), workspace, d)
		require.Equal(t, []string{"/appKey " + string(want)}, pointers(err), ref)
	}

	// A reference is a secret like any other: a new host demands it again.
	d := c.Draft()
	d.Domain = "other.eu-1.celonis.cloud"
	_, err = b.Update(t.Context(), workspace, c.ID, d, 0)
	require.Equal(t, []string{"/appKey connection.secret_required"}, pointers(err))
	d.AppKey = crypto.NewRef("env:KEY")
	changed, err := b.Update(t.Context(), workspace, c.ID, d, 0)
	require.NoError(t, err)
	require.Equal(t, "env:KEY", changed.Secrets[connections.AppKey].Ref)

	copied, err := b.Clone(t.Context(), workspace, c.ID, "copy")
	require.NoError(t, err)
	require.Equal(t, "env:KEY", copied.Secrets[connections.AppKey].Ref)

	d.AppKey = crypto.NewSecret(key)
	plain, err := b.Update(t.Context(), workspace, c.ID, d, 0)
	require.NoError(t, err)
	require.Empty(t, plain.Secrets[connections.AppKey].Ref)
}

func TestReferencesAreOffUnlessConfigured(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := draft()
	d.AppKey = crypto.NewRef("env:HOME")
	_, err := b.Create(t.Context(), workspace, d, connections.CreateOptions{})
	require.Equal(t, []string{"/appKey secret.ref_not_allowed"}, pointers(err))
	require.Contains(t, fault.From(err).Hint, "CONNECTOR_SECRET_ENV_PREFIX")
}
