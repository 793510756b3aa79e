package connections_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestCreateSealsAndTestsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t, func(d *connections.Draft) { d.Name = "  Prod pool "; d.AppKey = crypto.NewSecret("\n " + key + " \n") })
	require.Equal(t, "Prod pool", c.Name)
	require.EqualValues(t, 1, c.Revision)
	require.Equal(t, connections.Online, c.Status)
	require.True(t, c.LastTest.OK)
	require.Equal(t, b.now, c.CreatedAt)
	require.Len(t, b.tester.targets, 1)
	got := b.tester.targets[0]
	require.Equal(t, key, got.Key.Reveal(), "surrounding white space is trimmed")
	require.Equal(t, "https://"+host, got.BaseURL)
	require.Equal(t, pool, got.PoolID)

	stored, err := b.Get(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, connections.Online, stored.Status)
	require.Equal(t, b.now, stored.Secrets[connections.AppKey].UpdatedAt)
	text := fmt.Sprintf("%+v", stored)
	require.NotContains(t, text, key)
	require.True(t, strings.HasPrefix(stored.Secrets[connections.AppKey].Envelope, "v1."))

	target, err := b.Target(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, got, target)
}

func TestCreateIsStoredWhateverTheTestFinds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tester.ok = false
	c := b.create(t)
	require.Equal(t, connections.Offline, c.Status)
	d := draft()
	d.Name = "Another"
	skipped, err := b.Create(t.Context(), workspace, d, connections.CreateOptions{SkipTest: true})
	require.NoError(t, err)
	require.Equal(t, connections.Untested, skipped.Status)
	require.Nil(t, skipped.LastTest)
	require.Len(t, b.tester.targets, 1)

	b.store.saveErr = fault.New(fault.StoreUnavailable, "the database does not answer")
	d.Name = "A third"
	unsaved, err := b.Create(t.Context(), workspace, d, connections.CreateOptions{})
	require.NoError(t, err, "the connection is stored, so the create is no failure")
	require.Equal(t, connections.Untested, unsaved.Status)

	d.Name = "PROD POOL"
	_, err = b.Create(t.Context(), workspace, d, connections.CreateOptions{})
	require.True(t, fault.Has(err, fault.ConnectionNameTaken), err)
}

func TestPoolAddressesAreRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	address := "https://" + host + "/integration/ui/pools/" + pool + "/data-models"
	require.Equal(t, pool, b.create(t, func(d *connections.Draft) { d.Name, d.Domain, d.PoolID = "1", address, "" }).PoolID)
	require.Equal(t, pool, b.create(t, func(d *connections.Draft) { d.Name, d.PoolID = "2", address }).PoolID)
	require.Equal(t, pool, b.create(t, func(d *connections.Draft) { d.Name, d.PoolID = "3", strings.ToUpper(pool) }).PoolID)
	intelligence := b.create(t, func(d *connections.Draft) {
		d.Name, d.APIType, d.Domain, d.PoolID = "4", connections.Intelligence, address, ""
	})
	require.Empty(t, intelligence.PoolID)
	require.Equal(t, host, intelligence.Domain)
}

func TestEveryFaultOfADraftIsToldAtOnce(t *testing.T) {
	t.Parallel()
	const otherPool = "99999999-3b1c-4a53-9a47-2f1f5d7c9b10"
	for name, c := range map[string]struct {
		change func(*connections.Draft)
		want   []string
		hint   string
	}{
		"nothing given": {func(d *connections.Draft) { *d = connections.Draft{} },
			[]string{"/name request.field_missing", "/apiType request.field_missing", "/domain request.field_missing", "/authType request.field_missing"}, ""},
		"all wrong": {func(d *connections.Draft) {
			*d = connections.Draft{Name: strings.Repeat("n", 101), APIType: connections.DataPush, Domain: "evilcelonis.cloud", AuthType: connections.Token,
				AppKey: crypto.NewSecret(key), APIKey: crypto.NewSecret("****"), PoolID: "pool-1"}
		}, []string{"/name request.field_invalid", "/domain connection.domain_invalid", "/poolId connection.pool_id_invalid", "/appKey request.field_invalid", "/apiKey secret.mask"}, "imitation"},
		"blank name":           {func(d *connections.Draft) { d.Name = " " }, []string{"/name request.field_missing"}, ""},
		"control in name":      {func(d *connections.Draft) { d.Name = "a\nb" }, []string{"/name request.field_invalid"}, ""},
		"api type":             {func(d *connections.Draft) { d.APIType = "datapush" }, []string{"/apiType request.field_invalid"}, ""},
		"no pool":              {func(d *connections.Draft) { d.PoolID = "" }, []string{"/poolId request.field_missing"}, "Data Integration"},
		"pool of intelligence": {func(d *connections.Draft) { d.APIType = connections.Intelligence }, []string{"/poolId request.field_invalid"}, ""},
		"pool of another team": {func(d *connections.Draft) { d.PoolID = "https://other.eu-1.celonis.cloud/integration/ui/pools/" + pool }, []string{"/poolId connection.pool_id_invalid"}, ""},
		"two pools":            {func(d *connections.Draft) { d.Domain = host + "/integration/ui/pools/" + otherPool }, []string{"/poolId connection.pool_id_invalid"}, ""},
		"no key":               {func(d *connections.Draft) { d.AppKey = crypto.Secret{} }, []string{"/appKey request.field_missing"}, ""},
		"the other key":        {func(d *connections.Draft) { d.AuthType = connections.Token }, []string{"/appKey request.field_invalid", "/apiKey request.field_missing"}, ""},
	} {
		b := setup(t)
		d := draft()
		c.change(&d)
		_, err := b.Create(t.Context(), workspace, d, connections.CreateOptions{})
		require.True(t, fault.Has(err, fault.RequestInvalid), "%s: %v", name, err)
		require.Equal(t, c.want, pointers(err), name)
		require.Contains(t, fault.From(err).Hint, c.hint, name)
		require.Empty(t, b.store.rows)
		_, err = b.TestDraft(t.Context(), workspace, d)
		require.Equal(t, c.want, pointers(err), name)
		require.Empty(t, b.tester.targets, "an invalid draft is not tested")
	}
}

func TestKeysThatAreNoKeys(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]fault.Code{
		" \n ":                     fault.SecretInvalid,
		"****":                     fault.SecretMask,
		"\u2022\u2022\u2022\u2022": fault.SecretMask,
		"\u25cf\u25cf\u25cf\u25cf": fault.SecretMask,
		"[redacted]":               fault.SecretMask,
		"<REDACTED>":               fault.SecretMask,
		"xxxxxxxxxx":               fault.SecretMask,
		"XXXXxxxx":                 fault.SecretMask,
		"abcd********wxyz":         fault.SecretMask,
		"\u2022\u20221234":         fault.SecretMask,
		"........":                 fault.SecretMask,
		"Bearer " + key:            fault.SecretInvalid,
		"appkey " + key:            fault.SecretInvalid,
		"Authorization: " + key:    fault.SecretInvalid,
		"AppKey: " + key:           fault.SecretInvalid,
		key[:8] + " " + key[8:]:    fault.SecretInvalid,
		key[:8] + "\r\n" + key[8:]: fault.SecretInvalid,
		key + "\u00a0" + key:       fault.SecretInvalid,
		key + "\u2013":             fault.SecretInvalid,
		strings.Repeat("ab", 3000): fault.SecretInvalid,
	} {
		b := setup(t)
		d := draft()
		d.AppKey = crypto.NewSecret(given)
		_, err := b.Create(t.Context(), workspace, d, connections.CreateOptions{})
		require.Equal(t, []string{"/appKey " + string(want)}, pointers(err), "%q", given)
		text, _ := json.Marshal(fault.From(err).Fields)
		require.NotContains(t, err.Error()+string(text)+fault.From(err).Hint, key, "%q", given)
	}
	b := setup(t)
	require.Equal(t, connections.Online, b.create(t, func(d *connections.Draft) { d.AppKey = crypto.NewSecret("BearerOfGifts0x=") }).Status)
}

func TestUpdateKeepsASecretThatIsLeftOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t)
	d := kept(c)
	d.Name = "Renamed"
	got, err := b.Update(t.Context(), workspace, c.ID, d, c.Revision)
	require.NoError(t, err)
	require.Equal(t, "Renamed", got.Name)
	require.EqualValues(t, 2, got.Revision)
	require.Equal(t, connections.Online, got.Status, "a new name needs no new test")
	require.Len(t, b.tester.targets, 1)
	require.Equal(t, c.Secrets, got.Secrets)

	same, err := b.Update(t.Context(), workspace, c.ID, kept(got), 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, same.Revision, "an update that changes nothing is none")

	d = kept(got)
	d.Domain = "https://" + strings.ToUpper(host) + "/"
	same, err = b.Update(t.Context(), workspace, c.ID, d, 0)
	require.NoError(t, err, "the same domain in another form demands no secret")
	require.EqualValues(t, 2, same.Revision)
}

func TestUpdateTestsAgain(t *testing.T) {
	t.Parallel()
	const otherPool = "99999999-3b1c-4a53-9a47-2f1f5d7c9b10"
	for name, change := range map[string]func(*connections.Draft){
		"secret": func(d *connections.Draft) { d.AppKey = crypto.NewSecret("another-key-altogether") },
		"pool":   func(d *connections.Draft) { d.PoolID = otherPool },
		"domain": func(d *connections.Draft) { d.Domain, d.AppKey = "other.eu-1.celonis.cloud", crypto.NewSecret(key) },
		"auth type": func(d *connections.Draft) {
			d.AuthType, d.APIKey = connections.Token, crypto.NewSecret("api-key-of-a-user")
		},
		"api type": func(d *connections.Draft) { d.APIType, d.PoolID = connections.Intelligence, "" },
	} {
		b := setup(t)
		c := b.create(t)
		b.tester.ok = false
		d := kept(c)
		change(&d)
		got, err := b.Update(t.Context(), workspace, c.ID, d, 0)
		require.NoError(t, err, name)
		require.Equal(t, connections.Offline, got.Status, name)
		require.Len(t, b.tester.targets, 2, name)
		require.Len(t, got.Secrets, 1, name)
		target, err := b.Target(t.Context(), workspace, c.ID)
		require.NoError(t, err, name)
		require.Equal(t, b.tester.targets[1], target, name)
	}
}

func TestUpdateDemandsTheSecretForANewHostOrKind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t)
	for name, x := range map[string]struct {
		change func(*connections.Draft)
		want   []string
	}{
		"domain":        {func(d *connections.Draft) { d.Domain = "other.eu-1.celonis.cloud" }, []string{"/appKey connection.secret_required"}},
		"allowed host":  {func(d *connections.Draft) { d.Domain = "127.0.0.1:9000" }, []string{"/appKey connection.secret_required"}},
		"auth type":     {func(d *connections.Draft) { d.AuthType = connections.Token }, []string{"/apiKey connection.secret_required"}},
		"broken domain": {func(d *connections.Draft) { d.Domain = "evil.com" }, []string{"/domain connection.domain_invalid", "/appKey connection.secret_required"}},
		"mask": {func(d *connections.Draft) {
			d.Domain, d.AppKey = "other.eu-1.celonis.cloud", crypto.NewSecret("[redacted]")
		},
			[]string{"/appKey secret.mask"}},
	} {
		d := kept(c)
		x.change(&d)
		_, err := b.Update(t.Context(), workspace, c.ID, d, 0)
		require.Equal(t, x.want, pointers(err), name)
	}
	require.Len(t, b.tester.targets, 1, "no key went anywhere")
	after, err := b.Get(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, c.Secrets, after.Secrets)
	require.Equal(t, host, after.Domain)
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t)
	d := kept(c)
	d.Name = "Mine"
	_, err := b.Update(t.Context(), workspace, c.ID, d, 7)
	require.True(t, fault.Has(err, fault.RequestStale), err)
	require.NotEmpty(t, fault.From(err).Hint)

	// Another update comes between the read and the write, once.
	interfere := func() {
		b.store.mu.Lock()
		row := b.store.rows[c.ID]
		row.Revision++
		b.store.rows[c.ID] = row
		b.store.mu.Unlock()
	}
	b.store.beforeUpdate = func() { b.store.beforeUpdate = nil; interfere() }
	_, err = b.Update(t.Context(), workspace, c.ID, d, 1)
	require.True(t, fault.Has(err, fault.RequestStale), "with a revision the first one wins")
	b.store.beforeUpdate = func() { b.store.beforeUpdate = nil; interfere() }
	got, err := b.Update(t.Context(), workspace, c.ID, d, 0)
	require.NoError(t, err, "without one the last one wins")
	require.Equal(t, "Mine", got.Name)
	b.store.beforeUpdate = interfere
	d.Name = "Never"
	_, err = b.Update(t.Context(), workspace, c.ID, d, 0)
	require.True(t, fault.Has(err, fault.RequestStale), err)
}

func TestATestOfAConnectionThatChangesMeanwhileIsNotStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t)
	b.tester.ok = false
	b.tester.during = func() {
		row := b.store.rows[c.ID]
		row.Revision++
		b.store.rows[c.ID] = row
	}
	r, err := b.Test(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.False(t, r.OK)
	after, _ := b.Get(t.Context(), workspace, c.ID)
	require.Equal(t, connections.Online, after.Status)
}

func TestATestThatItsCallerLeavesSaysNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.tester.ok, b.tester.during = false, cancel
	_, err := b.Test(ctx, workspace, c.ID)
	require.ErrorIs(t, err, context.Canceled)
	after, _ := b.Get(t.Context(), workspace, c.ID)
	require.Equal(t, connections.Online, after.Status)
}

func TestTestDraftStoresNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, err := b.TestDraft(t.Context(), workspace, draft())
	require.NoError(t, err)
	require.True(t, r.OK)
	require.Equal(t, key, b.tester.targets[0].Key.Reveal())
	require.Empty(t, b.store.rows)
	require.Equal(t, []string{"Prod pool"}, b.store.noted, "the use of a key is on record")
}

func TestTargetFaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.Target(t.Context(), workspace, "none")
	require.True(t, fault.Has(err, fault.ConnectionNotFound))
	c, moved := b.create(t), b.create(t, func(d *connections.Draft) { d.Name = "moved" })
	_, err = b.Target(t.Context(), "another workspace", c.ID)
	require.True(t, fault.Has(err, fault.ConnectionNotFound))

	// A ciphertext that was moved to another row does not open there.
	row := b.store.rows[moved.ID]
	row.Secrets = c.Secrets
	b.store.rows[moved.ID] = row
	_, err = b.Target(t.Context(), workspace, moved.ID)
	require.True(t, fault.Has(err, fault.SecretUnsealed), err)
	require.NotContains(t, err.Error(), key)
	_, err = b.Test(t.Context(), workspace, moved.ID)
	require.True(t, fault.Has(err, fault.SecretUnsealed), err)

	// The operator no longer allows a host.
	row = b.store.rows[c.ID]
	row.Domain = "127.0.0.1:9999"
	b.store.rows[c.ID] = row
	_, err = b.Target(t.Context(), workspace, c.ID)
	require.True(t, fault.Has(err, fault.ConnectionDomain), err)

	// The keyring lacks the key.
	fresh := setup(t)
	fresh.store.rows = b.store.rows
	row.Domain = host
	b.store.rows[c.ID] = row
	_, err = fresh.Target(t.Context(), workspace, c.ID)
	require.True(t, fault.Has(err, fault.KeyringUnknown), err)
	require.True(t, errors.Is(err, crypto.ErrUnknownKey))
}

func TestDeleteListAndUsers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t)
	list, err := b.List(t.Context(), workspace, connections.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 1)
	b.store.users[c.ID] = []connections.Usage{{FlowID: "f", Name: "Flow"}}
	users, err := b.UsedBy(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, b.store.users[c.ID], users)
	require.True(t, fault.Has(b.Delete(t.Context(), workspace, c.ID, 0), fault.ConnectionInUse))
	delete(b.store.users, c.ID)
	require.NoError(t, b.Delete(t.Context(), workspace, c.ID, 1))
	_, err = b.UsedBy(t.Context(), workspace, c.ID)
	require.True(t, fault.Has(err, fault.ConnectionNotFound))
}
