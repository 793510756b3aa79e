package storetest

import (
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// events lists a workspace's events, the oldest first, as "actor action kind name fields".
func (b *bundle) events(q audit.Query) (list []string) {
	b.Helper()
	q.Workspace = b.workspace
	events, err := b.s.AuditEvents(b.ctx, q)
	require.NoError(b, err)
	for _, e := range events {
		line := e.Actor + " " + string(e.Action) + " " + string(e.Kind) + " " + e.Name
		for _, f := range e.Fields {
			line += " " + f
		}
		list = append([]string{line}, list...)
	}
	return list
}

var auditTests = map[string]func(*bundle){
	"ARotationIsOnRecordOnceAWorkspace": func(b *bundle) {
		b.ctx = audit.As(b.ctx, audit.Actor{ID: audit.Shell})
		vault := b.s.Rotation()
		seal := func(workspace, name, with string) int64 {
			c := b.connection(workspace, name)
			row := crypto.SealedRow{AAD: crypto.AAD{Workspace: workspace, Kind: connections.SealedKind, ID: c.ID, Field: string(connections.AppKey)},
				Envelope: c.Secrets[connections.AppKey].Envelope}
			if with != "" {
				row.Envelope = with
			}
			done, err := vault.Reseal(b.ctx, []crypto.Resealed{{SealedRow: row, Fresh: "v1.k2.x.y"}})
			require.NoError(b, err)
			return done
		}
		require.Zero(b, seal(b.workspace, "written meanwhile", "v1.k1.other.envelope"))
		require.Empty(b, b.events(audit.Query{Kind: audit.MasterKey}), "nothing was sealed anew")
		require.EqualValues(b, 1, seal(b.workspace, "first", ""))
		require.EqualValues(b, 1, seal(b.workspace, "second", ""))
		require.EqualValues(b, 1, seal(b.other, "other", ""))
		require.Equal(b, []string{"shell resealed masterKey k2"}, b.events(audit.Query{Kind: audit.MasterKey}))
		_, err := vault.Reseal(b.ctx, []crypto.Resealed{{SealedRow: crypto.SealedRow{AAD: crypto.AAD{Kind: "cabbage"}}}})
		b.fault(fault.Internal, err)
	},
	"ConnectionsAreOnRecord": func(b *bundle) {
		b.ctx = audit.As(b.ctx, audit.Actor{ID: "anna", RequestID: "r-1"})
		c := b.connection(b.workspace, "first")
		c.Revision, c.Name, c.PoolID, c.Scopes = 2, "renamed", "", nil
		require.NoError(b, b.s.UpdateConnection(b.ctx, c))
		c.Revision = 3
		c.Secrets = map[connections.SecretField]connections.SealedSecret{connections.APIKey: {Envelope: "v1.k1.a.b", UpdatedAt: b.now}}
		require.NoError(b, b.s.UpdateConnection(b.ctx, c))
		c.Revision = 7
		b.fault(fault.RequestStale, b.s.UpdateConnection(b.ctx, c))
		c.Revision = 3
		b.ctx = audit.As(b.ctx, audit.Actor{ID: audit.Probe})
		require.NoError(b, b.saveTest(c))
		require.NoError(b, b.s.NoteDraftTest(b.ctx, b.workspace, "draft"))
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0))
		require.Equal(b, []string{
			"anna created connection first", "anna updated connection renamed name poolId", "anna updated connection renamed apiKey appKey",
			"probe tested connection renamed", "probe tested connection draft", "probe deleted connection renamed",
		}, b.events(audit.Query{}))
		require.Len(b, b.events(audit.Query{ObjectID: c.ID}), 5)
		require.Len(b, b.events(audit.Query{Actor: "anna"}), 3)
		require.Empty(b, b.events(audit.Query{Kind: audit.Flow}))

		page, err := b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.workspace, Limit: 2})
		require.NoError(b, err)
		require.Equal(b, []audit.Action{audit.Deleted, audit.Tested}, []audit.Action{page[0].Action, page[1].Action})
		require.WithinDuration(b, time.Now(), page[0].At, time.Hour)
		page, err = b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.workspace, Limit: 10, After: page[1].ID})
		require.NoError(b, err)
		require.Len(b, page, 4)
		require.Equal(b, "r-1", page[3].RequestID)
		page, err = b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.other})
		require.NoError(b, err)
		require.Empty(b, page)
	},
	"FlowsAreOnRecord": func(b *bundle) {
		f := b.flow(b.workspace, "f")
		for _, change := range []func(){
			func() { f.Enabled = false }, func() { f.Enabled = true },
			func() { f.Name, f.Import.Table = "g", "OTHER" }, func() { f.Enabled, f.Mapping = false, nil },
		} {
			change()
			f.Revision++
			require.NoError(b, b.s.UpdateFlow(b.ctx, f))
		}
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
		require.Equal(b, []string{"system created flow f", "system disabled flow f", "system enabled flow f",
			"system updated flow g import name", "system updated flow g enabled mapping", "system deleted flow g"},
			b.events(audit.Query{Kind: audit.Flow}))
	},
	"ClientsAreOnRecord": func(b *bundle) {
		c := b.client(b.workspace, "loader")
		require.NoError(b, b.s.CreateClient(b.ctx, c))
		b.fault(fault.AccessClientExists, b.s.CreateClient(b.ctx, &access.Client{ID: b.id(), Workspace: b.workspace, Name: "LOADER"}))
		for _, change := range []func(){
			func() { c.Disabled = true },
			func() { c.Disabled = false },
			func() { c.Name, c.Scopes = "reader", []access.Scope{access.FlowsRead} },
			func() {}, // a touch that changes nothing leaves no line
		} {
			change()
			c.Revision++
			require.NoError(b, b.s.UpdateClient(b.ctx, c))
		}
		require.NoError(b, b.s.AddClientSecret(b.ctx, b.workspace, c.ID, b.secret()))
		require.NoError(b, b.s.TouchClient(b.ctx, access.Use{ClientID: c.ID, SecretID: c.Secrets[0].ID, At: b.now.Add(time.Hour)}))
		require.NoError(b, b.s.DeleteClientSecret(b.ctx, b.workspace, c.ID, c.Secrets[0].ID))
		require.NoError(b, b.s.DeleteClient(b.ctx, b.workspace, c.ID, 0))
		require.Equal(b, []string{"system created client loader", "system disabled client loader", "system enabled client loader",
			"system updated client reader name scopes", "system updated client reader secrets", "system updated client reader secrets",
			"system deleted client reader"}, b.events(audit.Query{}))
	},
	"OAuthClientsAreOnRecord": func(b *bundle) {
		c := &connections.OAuthClient{ID: b.id(), Workspace: b.workspace, Revision: 1, Name: "login", ClientID: "id", AuthMethod: connections.ClientSecretBasic,
			ValidDomains: []string{"acme.eu-1.celonis.cloud"}, AllowedScopes: []string{}, CreatedAt: b.now, UpdatedAt: b.now,
			Secret: connections.SealedSecret{Envelope: "v1.k1.a.b", UpdatedAt: b.now}}
		require.NoError(b, b.s.CreateOAuthClient(b.ctx, c))
		c.Revision, c.ClientID, c.Secret = 2, "other", connections.SealedSecret{Envelope: "v1.k1.c.d", UpdatedAt: b.now.Add(time.Hour)}
		require.NoError(b, b.s.UpdateOAuthClient(b.ctx, c))
		require.NoError(b, b.s.DeleteOAuthClient(b.ctx, b.workspace, c.ID, 0))
		require.Equal(b, []string{"system created oauthClient login", "system updated oauthClient login clientId clientSecret",
			"system deleted oauthClient login"}, b.events(audit.Query{Kind: audit.OAuthClient}))
	},
}
