package storetest

import (
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/stretchr/testify/require"
)

// keyringTests see every row of a database, so each has one of its own.
var keyringTests = map[string]func(*bundle){
	"TheFirstCanaryStands": func(b *bundle) {
		_, ok, err := b.s.Canary(b.ctx)
		require.NoError(b, err)
		require.False(b, ok)
		for _, envelope := range []string{"v1.k1.a.b", "v1.k2.c.d"} {
			standing, err := b.s.InitCanary(b.ctx, envelope)
			require.NoError(b, err)
			require.Equal(b, "v1.k1.a.b", standing)
		}
	},
	"SaveReplacesTheCanary": func(b *bundle) {
		for _, envelope := range []string{"v1.k1.a.b", "v1.k2.c.d"} {
			require.NoError(b, b.s.SaveCanary(b.ctx, envelope))
			got, ok, err := b.s.Canary(b.ctx)
			require.NoError(b, err)
			require.True(b, ok)
			require.Equal(b, envelope, got)
		}
		b.usage(map[string]int64{"k2": 1})
	},
	"RotationReachesEveryRow": func(b *bundle) {
		b.usage(map[string]int64{})
		require.NoError(b, b.s.SaveCanary(b.ctx, "v1.k1.a.b"))
		first, second := b.draft(b.workspace, "first"), b.draft(b.other, "second")
		second.Secrets[connections.APIKey] = connections.SealedSecret{Envelope: "no envelope", UpdatedAt: b.now}
		require.NoError(b, b.s.CreateConnection(b.ctx, first))
		require.NoError(b, b.s.CreateConnection(b.ctx, second))
		b.usage(map[string]int64{"k1": 3, "": 1})

		rows, err := b.s.SealedUnderOthers(b.ctx, "k2", 10)
		require.NoError(b, err)
		require.Len(b, rows, 3)
		for _, r := range rows {
			done, err := b.s.Reseal(b.ctx, r, "v1.k2.x.y")
			require.NoError(b, err)
			require.True(b, done)
			done, err = b.s.Reseal(b.ctx, r, "v1.k3.x.y")
			require.NoError(b, err)
			require.False(b, done, "the envelope is not the one that was read")
		}
		require.NoError(b, b.s.SaveCanary(b.ctx, "v1.k2.a.b"))
		b.usage(map[string]int64{"k2": 4})
		got, err := b.s.Connection(b.ctx, b.workspace, first.ID)
		require.NoError(b, err)
		first.Secrets[connections.AppKey] = connections.SealedSecret{Envelope: "v1.k2.x.y", UpdatedAt: b.now}
		require.Equal(b, first, got, "revision and times stay")
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, first.ID, 0))
		b.usage(map[string]int64{"k2": 3})
	},
	"SweepIdempotent": func(b *bundle) {
		short, long := b.key(), b.key()
		short.Key, short.Expires = "short", b.now.Add(time.Hour)
		b.begin(short)
		b.begin(long)
		for _, want := range []int64{1, 0} {
			removed, err := b.s.SweepIdempotent(b.ctx, b.now.Add(time.Hour))
			require.NoError(b, err)
			require.Equal(b, want, removed)
		}
		require.NoError(b, b.s.FinishIdempotent(b.ctx, long, store.IdempotentResponse{Status: 200}))
	},
}

func (b *bundle) usage(want map[string]int64) {
	b.Helper()
	got, err := b.s.KeyUsage(b.ctx)
	require.NoError(b, err)
	require.Equal(b, want, got)
}
