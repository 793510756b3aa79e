package storetest

import (
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
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
	"TheFirstKeyOfAWorkspaceStands": func(b *bundle) {
		_, ok, err := b.s.WorkspaceKey(b.ctx, b.workspace, "purpose")
		require.NoError(b, err)
		require.False(b, ok)
		for _, envelope := range []string{"v1.k1.a.b", "v1.k2.c.d"} {
			standing, err := b.s.InitWorkspaceKey(b.ctx, b.workspace, "purpose", envelope)
			require.NoError(b, err)
			require.Equal(b, "v1.k1.a.b", standing)
		}
		_, ok, err = b.s.WorkspaceKey(b.ctx, b.other, "purpose")
		require.NoError(b, err)
		require.False(b, ok)
		rows, err := b.s.SealedUnderOthers(b.ctx, "k2", crypto.SealedRow{}, 10)
		require.NoError(b, err)
		require.Equal(b, []crypto.SealedRow{{
			AAD:      crypto.AAD{Workspace: b.workspace, Kind: store.WorkspaceKeyKind, ID: "purpose", Field: store.WorkspaceKeyField},
			Envelope: "v1.k1.a.b",
		}}, rows)
	},
	"SaveReplacesTheCanary": func(b *bundle) {
		for _, envelope := range []string{"v1.k1.a.b", "v1.k2.c.d"} {
			require.NoError(b, b.s.SaveCanary(b.ctx, envelope))
			got, ok, err := b.s.Canary(b.ctx)
			require.NoError(b, err)
			require.True(b, ok)
			require.Equal(b, envelope, got)
		}
		b.usage(store.KeyUse{KeyID: "k2", Kind: store.CanaryKind, Rows: 1})
	},
	"RotationReachesEveryRow": func(b *bundle) {
		b.usage()
		require.NoError(b, b.s.SaveCanary(b.ctx, "v1.k1.a.b"))
		first, second := b.draft(b.workspace, "first"), b.draft(b.other, "second")
		second.Secrets[connections.APIKey] = connections.SealedSecret{Envelope: "no envelope", UpdatedAt: b.now}
		require.NoError(b, b.s.CreateConnection(b.ctx, first))
		require.NoError(b, b.s.CreateConnection(b.ctx, second))
		b.usage(store.KeyUse{KeyID: "", Kind: connections.SealedKind, Rows: 1}, store.KeyUse{KeyID: "k1", Kind: store.CanaryKind, Rows: 1},
			store.KeyUse{KeyID: "k1", Kind: connections.SealedKind, Rows: 2})

		var rows []crypto.SealedRow
		for after := (crypto.SealedRow{}); ; after = rows[len(rows)-1] {
			part, err := b.s.SealedUnderOthers(b.ctx, "k2", after, 1)
			require.NoError(b, err)
			if len(part) == 0 {
				break
			}
			rows = append(rows, part...)
		}
		require.Len(b, rows, 3)
		require.Equal(b, crypto.SealedRow{AAD: crypto.AAD{Workspace: b.workspace, Kind: "connection", ID: first.ID, Field: "appKey"},
			Envelope: "v1.k1.bm9uY2U.Y2lwaGVy"}, rows[0])
		fresh := make([]crypto.Resealed, len(rows))
		for i, r := range rows {
			fresh[i] = crypto.Resealed{SealedRow: r, Fresh: "v1.k2.x.y"}
		}
		for _, want := range []int64{3, 0} {
			done, err := b.s.Reseal(b.ctx, fresh)
			require.NoError(b, err)
			require.Equal(b, want, done, "an envelope that is not the one that was read stays")
		}
		none, err := b.s.SealedUnder(b.ctx, "k1", 10)
		require.NoError(b, err)
		require.Empty(b, none)
		under, err := b.s.SealedUnder(b.ctx, "k2", 2)
		require.NoError(b, err)
		require.Len(b, under, 2)
		require.NoError(b, b.s.SaveCanary(b.ctx, "v1.k2.a.b"))
		b.usage(store.KeyUse{KeyID: "k2", Kind: store.CanaryKind, Rows: 1}, store.KeyUse{KeyID: "k2", Kind: connections.SealedKind, Rows: 3})
		got, err := b.s.Connection(b.ctx, b.workspace, first.ID)
		require.NoError(b, err)
		first.Secrets[connections.AppKey] = connections.SealedSecret{Envelope: "v1.k2.x.y", UpdatedAt: b.now}
		require.Equal(b, first, got, "revision and times stay")
		_, err = b.s.Reseal(b.ctx, []crypto.Resealed{{SealedRow: crypto.SealedRow{AAD: crypto.AAD{Kind: "cabbage"}}}})
		b.fault(fault.Internal, err)
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

func (b *bundle) usage(want ...store.KeyUse) {
	b.Helper()
	got, err := b.s.KeyUsage(b.ctx)
	require.NoError(b, err)
	require.ElementsMatch(b, want, got)
}
