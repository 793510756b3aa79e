package storetest

import (
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/stretchr/testify/require"
)

func (b *bundle) client(workspace, name string) *access.Client {
	return &access.Client{ID: b.id(), Workspace: workspace, Name: name, Scopes: []access.Scope{access.FlowsRead, access.FlowsRun},
		SecretHash: []byte{0, 1, 2, 0xff}, CreatedAt: b.now}
}

var clientTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		c := b.client(b.workspace, "CI Läufer")
		require.NoError(b, b.s.CreateClient(b.ctx, c))
		got, err := b.s.Client(b.ctx, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
		_, err = b.s.Client(b.ctx, b.id())
		b.fault(fault.AccessClientNotFound, err)
	},
	"NameIsUniqueCaseInsensitively": func(b *bundle) {
		require.NoError(b, b.s.CreateClient(b.ctx, b.client(b.workspace, "Läufer")))
		b.fault(fault.AccessClientExists, b.s.CreateClient(b.ctx, b.client(b.workspace, "LÄUFER")))
		require.NoError(b, b.s.CreateClient(b.ctx, b.client(b.other, "Läufer")))
	},
	"ListsInOrderOfCreation": func(b *bundle) {
		want := []access.Client{*b.client(b.workspace, "b"), *b.client(b.workspace, "a")}
		for _, c := range want {
			require.NoError(b, b.s.CreateClient(b.ctx, &c))
		}
		require.NoError(b, b.s.CreateClient(b.ctx, b.client(b.other, "c")))
		got, err := b.s.Clients(b.ctx, b.workspace)
		require.NoError(b, err)
		require.Equal(b, want, got)
	},
	"TouchNeverGoesBack": func(b *bundle) {
		c := b.client(b.workspace, "touched")
		require.NoError(b, b.s.CreateClient(b.ctx, c))
		require.NoError(b, b.s.TouchClient(b.ctx, c.ID, b.now.Add(time.Hour)))
		require.NoError(b, b.s.TouchClient(b.ctx, c.ID, b.now))
		require.NoError(b, b.s.TouchClient(b.ctx, b.id(), b.now))
		got, err := b.s.Client(b.ctx, c.ID)
		require.NoError(b, err)
		require.Equal(b, b.now.Add(time.Hour), got.LastUsedAt)
	},
	"Disable": func(b *bundle) {
		c := b.client(b.workspace, "disabled")
		require.NoError(b, b.s.CreateClient(b.ctx, c))
		for _, disabled := range []bool{true, false} {
			require.NoError(b, b.s.SetClientDisabled(b.ctx, b.workspace, c.ID, disabled))
			got, err := b.s.Client(b.ctx, c.ID)
			require.NoError(b, err)
			require.Equal(b, disabled, got.Disabled)
		}
		b.fault(fault.AccessClientNotFound, b.s.SetClientDisabled(b.ctx, b.workspace, b.id(), true))
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
