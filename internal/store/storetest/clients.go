package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/stretchr/testify/require"
)

func (b *bundle) secret() access.ClientSecret {
	return access.ClientSecret{ID: b.id(), Hash: []byte{0, 1, 2, 0xff}, CreatedAt: b.now, ExpiresAt: b.now.Add(time.Hour)}
}

// client is one with a secret and every field set, not stored yet.
func (b *bundle) client(workspace, name string) *access.Client {
	return &access.Client{ID: b.id(), Workspace: workspace, Revision: 1, Name: name, Scopes: []access.Scope{access.FlowsRead, access.FlowsRun},
		Secrets: []access.ClientSecret{b.secret()}, CreatedAt: b.now, UpdatedAt: b.now.Add(time.Microsecond)}
}

func (b *bundle) newClient(workspace, name string) *access.Client {
	b.Helper()
	c := b.client(workspace, name)
	require.NoError(b, b.s.CreateClient(b.ctx, c))
	return c
}

func (b *bundle) storedClient(id string) *access.Client {
	b.Helper()
	c, err := b.s.Client(b.ctx, id)
	require.NoError(b, err)
	return c
}

var clientTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		c := b.newClient(b.workspace, "CI Läufer")
		require.Equal(b, c, b.storedClient(c.ID))
		_, err := b.s.Client(b.ctx, b.id())
		b.fault(fault.AccessClientNotFound, err)
	},
	"NameIsUniqueCaseInsensitively": func(b *bundle) {
		b.newClient(b.workspace, "Läufer")
		b.fault(fault.AccessClientExists, b.s.CreateClient(b.ctx, b.client(b.workspace, "LÄUFER")))
		b.newClient(b.other, "Läufer")
	},
	"ListsByPages": func(b *bundle) {
		var want []string
		for _, name := range []string{"e", "d", "c", "b", "a"} {
			c := b.newClient(b.workspace, name)
			require.NoError(b, b.s.AddClientSecret(b.ctx, b.workspace, c.ID, b.secret()))
			want = append(want, c.ID)
		}
		b.newClient(b.other, "e")
		require.Equal(b, want, pages(b, func(after string, limit int) ([]access.Client, error) {
			return b.s.Clients(b.ctx, b.workspace, access.Page{Limit: limit, After: after})
		}, func(c access.Client) string {
			require.Len(b, c.Secrets, 2)
			return c.ID
		}))
	},
	"UpdateStoresEveryField": func(b *bundle) {
		c := b.newClient(b.workspace, "before")
		b.newClient(b.workspace, "taken")
		c.Revision, c.Name, c.Scopes, c.Disabled, c.UpdatedAt = 2, "after", []access.Scope{access.AuditRead}, true, b.now.Add(time.Hour)
		require.NoError(b, b.s.UpdateClient(b.ctx, c))
		require.Equal(b, c, b.storedClient(c.ID))
		b.fault(fault.RequestStale, b.s.UpdateClient(b.ctx, c))
		c.Revision, c.Name = 3, "TAKEN"
		b.fault(fault.AccessClientExists, b.s.UpdateClient(b.ctx, c))
		b.fault(fault.AccessClientNotFound, b.s.UpdateClient(b.ctx, b.client(b.workspace, "unknown")))
	},
	"DeleteTakesTheSecretsAlong": func(b *bundle) {
		c := b.newClient(b.workspace, "gone")
		b.fault(fault.RequestStale, b.s.DeleteClient(b.ctx, b.workspace, c.ID, 7))
		require.NoError(b, b.s.DeleteClient(b.ctx, b.workspace, c.ID, 1))
		b.fault(fault.AccessClientNotFound, b.s.DeleteClient(b.ctx, b.workspace, c.ID, 0))
		_, err := b.s.Client(b.ctx, c.ID)
		b.fault(fault.AccessClientNotFound, err)
		again := b.client(b.workspace, "gone")
		again.Secrets[0].ID = c.Secrets[0].ID
		require.NoError(b, b.s.CreateClient(b.ctx, again))
	},
	"TwoSecretsAtMost": func(b *bundle) {
		c := b.newClient(b.workspace, "rotated")
		second := b.secret()
		second.ExpiresAt = time.Time{}
		require.NoError(b, b.s.AddClientSecret(b.ctx, b.workspace, c.ID, second))
		require.Equal(b, []access.ClientSecret{c.Secrets[0], second}, b.storedClient(c.ID).Secrets)
		b.fault(fault.AccessSecretsFull, b.s.AddClientSecret(b.ctx, b.workspace, c.ID, b.secret()))

		third := b.secret()
		third.CreatedAt = c.Secrets[0].ExpiresAt
		require.NoError(b, b.s.AddClientSecret(b.ctx, b.workspace, c.ID, third), "the first has expired by then")
		require.Equal(b, []access.ClientSecret{second, third}, b.storedClient(c.ID).Secrets)

		require.NoError(b, b.s.DeleteClientSecret(b.ctx, b.workspace, c.ID, second.ID))
		b.fault(fault.AccessSecretNotFound, b.s.DeleteClientSecret(b.ctx, b.workspace, c.ID, second.ID))
		other := b.newClient(b.workspace, "other")
		b.fault(fault.AccessSecretNotFound, b.s.DeleteClientSecret(b.ctx, b.workspace, other.ID, third.ID))
		require.NoError(b, b.s.DeleteClientSecret(b.ctx, b.workspace, c.ID, third.ID))
		require.Empty(b, b.storedClient(c.ID).Secrets)
		b.fault(fault.AccessClientNotFound, b.s.AddClientSecret(b.ctx, b.workspace, b.id(), b.secret()))
		b.fault(fault.AccessClientNotFound, b.s.DeleteClientSecret(b.ctx, b.workspace, b.id(), third.ID))
	},
	"TwoSecretsAtMostWhenManyAreMadeAtOnce": func(b *bundle) {
		c := b.newClient(b.workspace, "hurried")
		var wg sync.WaitGroup
		var made atomic.Int32
		for range 6 {
			secret := b.secret()
			wg.Go(func() {
				if b.s.AddClientSecret(b.ctx, b.workspace, c.ID, secret) == nil {
					made.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(b, 1, made.Load())
		require.Len(b, b.storedClient(c.ID).Secrets, 2)
	},
	"TouchNeverGoesBack": func(b *bundle) {
		c := b.newClient(b.workspace, "touched")
		second := b.secret()
		require.NoError(b, b.s.AddClientSecret(b.ctx, b.workspace, c.ID, second))
		late := access.Use{ClientID: c.ID, SecretID: second.ID, At: b.now.Add(time.Hour)}
		early := late
		early.At = b.now
		for _, use := range []access.Use{late, early, {ClientID: b.id(), SecretID: b.id(), At: b.now}} {
			require.NoError(b, b.s.TouchClient(b.ctx, use))
		}
		got := b.storedClient(c.ID)
		require.Equal(b, []time.Time{late.At, {}, late.At}, []time.Time{got.LastUsedAt, got.Secrets[0].LastUsedAt, got.Secrets[1].LastUsedAt})
	},
	"RevokedTokens": func(b *bundle) {
		first := access.RevokedToken{ID: b.id(), ClientID: b.id(), ExpiresAt: b.now.Add(time.Minute)}
		second := access.RevokedToken{ID: b.id(), ClientID: b.id(), ExpiresAt: b.now.Add(time.Hour)}
		revoked := func() (got []bool) {
			for _, id := range []string{first.ID, second.ID, b.id()} {
				is, err := b.s.TokenRevoked(b.ctx, id)
				require.NoError(b, err)
				got = append(got, is)
			}
			return got
		}
		for range 2 {
			require.NoError(b, b.s.RevokeToken(b.ctx, first, b.now))
		}
		require.Equal(b, []bool{true, false, false}, revoked())
		require.NoError(b, b.s.RevokeToken(b.ctx, second, first.ExpiresAt))
		require.Equal(b, []bool{true, true, false}, revoked())
		require.NoError(b, b.s.RevokeToken(b.ctx, second, first.ExpiresAt.Add(time.Microsecond)))
		require.Equal(b, []bool{false, true, false}, revoked())
	},
}

func (b *bundle) key() store.IdempotencyKey {
	return store.IdempotencyKey{Workspace: b.workspace, Client: "client", Key: "key ü", Route: "POST /v1/flows", BodyHash: "hash",
		Now: b.now, Expires: b.now.Add(24 * time.Hour)}
}

// begin takes a key that is free.
func (b *bundle) begin(k store.IdempotencyKey) {
	b.Helper()
	answer, err := b.s.BeginIdempotent(b.ctx, k)
	require.NoError(b, err)
	require.Nil(b, answer)
}

func (b *bundle) beginFault(k store.IdempotencyKey, code fault.Code) {
	b.Helper()
	_, err := b.s.BeginIdempotent(b.ctx, k)
	b.fault(code, err)
}

var idempotencyTests = map[string]func(*bundle){
	"TheAnswerIsRepeated": func(b *bundle) {
		k := b.key()
		b.begin(k)
		answer := store.IdempotentResponse{Status: 201, Header: map[string]string{"Location": "/v1/flows/1"}, Body: []byte("{\x00}")}
		require.NoError(b, b.s.FinishIdempotent(b.ctx, k, answer))
		again := k
		again.Now = b.now.Add(time.Hour)
		got, err := b.s.BeginIdempotent(b.ctx, again)
		require.NoError(b, err)
		require.Equal(b, &answer, got)
	},
	"AnotherRequestIsRefused": func(b *bundle) {
		k := b.key()
		b.begin(k)
		body, route := k, k
		body.BodyHash, route.Route = "other", "POST /v1/connections"
		b.beginFault(body, fault.RequestIdempotencyReuse)
		b.beginFault(route, fault.RequestIdempotencyReuse)
		require.NoError(b, b.s.FinishIdempotent(b.ctx, k, store.IdempotentResponse{Status: 200}))
		b.beginFault(body, fault.RequestIdempotencyReuse)
	},
	"AnUnansweredRequestIsBusyForAWhile": func(b *bundle) {
		first := b.key()
		b.begin(first)
		second := first
		second.Now = b.now.Add(store.IdempotentFor - time.Microsecond)
		b.beginFault(second, fault.RequestIdempotencyBusy)
		second.Now = b.now.Add(store.IdempotentFor)
		b.begin(second)
		require.NoError(b, b.s.FinishIdempotent(b.ctx, first, store.IdempotentResponse{Status: 500}), "the first one is too late")
		require.NoError(b, b.s.ForgetIdempotent(b.ctx, first))
		b.beginFault(second, fault.RequestIdempotencyBusy)
	},
	"AnExpiredKeyIsFree": func(b *bundle) {
		k := b.key()
		b.begin(k)
		require.NoError(b, b.s.FinishIdempotent(b.ctx, k, store.IdempotentResponse{Status: 201, Body: []byte("old")}))
		later := k
		later.Now, later.Expires, later.BodyHash = k.Expires, k.Expires.Add(time.Hour), "other"
		b.begin(later)
		b.beginFault(later, fault.RequestIdempotencyBusy)
	},
	"AForgottenKeyIsFree": func(b *bundle) {
		k := b.key()
		b.begin(k)
		require.NoError(b, b.s.ForgetIdempotent(b.ctx, k))
		b.begin(k)
		require.NoError(b, b.s.FinishIdempotent(b.ctx, k, store.IdempotentResponse{Status: 201}))
		require.NoError(b, b.s.ForgetIdempotent(b.ctx, k), "an answer stays")
		answer, err := b.s.BeginIdempotent(b.ctx, k)
		require.NoError(b, err)
		require.Equal(b, 201, answer.Status)
	},
	"KeysOfOthersAreOthers": func(b *bundle) {
		k := b.key()
		b.begin(k)
		client, workspace := k, k
		client.Client, workspace.Workspace = "another", b.other
		b.begin(client)
		b.begin(workspace)
	},
}
