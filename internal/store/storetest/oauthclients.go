package storetest

import (
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// oauthDraft is an OAuth client with every field set, not stored yet.
func (b *bundle) oauthDraft(workspace, name string) *connections.OAuthClient {
	return &connections.OAuthClient{
		ID: b.id(), Workspace: workspace, Revision: 1, Name: name, ClientID: "client-at-celonis", AuthMethod: connections.ClientSecretPost,
		ValidDomains: []string{"acme.eu-1.celonis.cloud", "127.0.0.1:9000"}, AllowedScopes: []string{"audit.log:read", "studio"},
		Secret:    connections.SealedSecret{Envelope: "v1.k1.bm9uY2U.c2VjcmV0", UpdatedAt: b.now},
		CreatedAt: b.now, UpdatedAt: b.now.Add(time.Microsecond),
	}
}

func (b *bundle) oauthClient(workspace, name string) *connections.OAuthClient {
	b.Helper()
	c := b.oauthDraft(workspace, name)
	require.NoError(b, b.s.CreateOAuthClient(b.ctx, c))
	return c
}

// byOAuth is a connection that uses the OAuth client, not stored yet.
func (b *bundle) byOAuth(client *connections.OAuthClient, name string) *connections.Connection {
	c := b.draft(client.Workspace, name)
	c.AuthType, c.Secrets = connections.OAuth2, nil
	c.OAuthClientID, c.Grant, c.Scopes = client.ID, connections.ClientCredentials, []string{"studio"}
	return c
}

var oauthClientTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		c := b.oauthClient(b.workspace, "Acme")
		got, err := b.s.OAuthClient(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
		b.fault(fault.OAuthClientNameTaken, b.s.CreateOAuthClient(b.ctx, b.oauthDraft(b.workspace, "ACME")))
		b.oauthClient(b.other, "ACME")
		_, err = b.s.OAuthClient(b.ctx, b.workspace, b.id())
		b.fault(fault.OAuthClientNotFound, err)
	},
	"ListsByPages": func(b *bundle) {
		var want []string
		for _, name := range []string{"e", "d", "c", "b", "a"} {
			want = append(want, b.oauthClient(b.workspace, name).ID)
		}
		b.oauthClient(b.other, "e")
		require.Equal(b, want, pages(b, func(after string, limit int) ([]connections.OAuthClient, error) {
			return b.s.OAuthClients(b.ctx, b.workspace, connections.Page{Limit: limit, After: after})
		}, func(c connections.OAuthClient) string { return c.ID }))
	},
	"UpdateStoresEveryField": func(b *bundle) {
		c := b.oauthClient(b.workspace, "before")
		b.oauthClient(b.workspace, "taken")
		c.Revision, c.Name, c.ClientID, c.AuthMethod = 2, "after", "other", connections.ClientSecretBasic
		c.ValidDomains, c.AllowedScopes, c.UpdatedAt = []string{"x.eu-1.celonis.cloud"}, []string{"studio"}, b.now.Add(time.Hour)
		c.Secret = connections.SealedSecret{Envelope: "v1.k2.bm9uY2U.bmV3", UpdatedAt: b.now.Add(time.Hour)}
		require.NoError(b, b.s.UpdateOAuthClient(b.ctx, c))
		got, err := b.s.OAuthClient(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
		b.fault(fault.RequestStale, b.s.UpdateOAuthClient(b.ctx, c))
		c.Revision, c.Name = 3, "TAKEN"
		b.fault(fault.OAuthClientNameTaken, b.s.UpdateOAuthClient(b.ctx, c))
		b.fault(fault.OAuthClientNotFound, b.s.UpdateOAuthClient(b.ctx, b.oauthDraft(b.workspace, "unknown")))
	},
	"AnUpdateKeepsWhatARotationResealed": func(b *bundle) {
		c := b.oauthClient(b.workspace, "rotated")
		row := crypto.SealedRow{Envelope: c.Secret.Envelope, AAD: crypto.AAD{
			Workspace: b.workspace, Kind: connections.SealedOAuthClient, ID: c.ID, Field: string(connections.ClientSecret)}}
		done, err := b.s.Reseal(b.ctx, []crypto.Resealed{{SealedRow: row, Fresh: "v1.k2.bm9uY2U.c2VjcmV0"}})
		require.NoError(b, err)
		require.EqualValues(b, 1, done)
		c.Revision, c.Name = 2, "rotated meanwhile"
		require.NoError(b, b.s.UpdateOAuthClient(b.ctx, c))
		got, err := b.s.OAuthClient(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, "v1.k2.bm9uY2U.c2VjcmV0", got.Secret.Envelope)
		require.Equal(b, "rotated meanwhile", got.Name)
	},
	"AConnectionKeepsItsClient": func(b *bundle) {
		client := b.oauthClient(b.workspace, "used")
		first, second := b.byOAuth(client, "first"), b.byOAuth(client, "second")
		require.NoError(b, b.s.CreateConnection(b.ctx, first))
		require.NoError(b, b.s.CreateConnection(b.ctx, second))
		got, err := b.s.Connection(b.ctx, b.workspace, first.ID)
		require.NoError(b, err)
		require.Equal(b, first, got)
		users, err := b.s.OAuthClientUsers(b.ctx, b.workspace, client.ID)
		require.NoError(b, err)
		require.Equal(b, []connections.ConnectionUse{{ConnectionID: first.ID, Name: "first"}, {ConnectionID: second.ID, Name: "second"}}, users)
		b.fault(fault.OAuthClientInUse, b.s.DeleteOAuthClient(b.ctx, b.workspace, client.ID, 0))

		first.Revision, first.AuthType, first.OAuthClientID, first.Grant, first.Scopes = 2, connections.Custom, "", "", nil
		first.Secrets = map[connections.SecretField]connections.SealedSecret{connections.AppKey: {Envelope: "v1.k1.a.b", UpdatedAt: b.now}}
		require.NoError(b, b.s.UpdateConnection(b.ctx, first))
		got, err = b.s.Connection(b.ctx, b.workspace, first.ID)
		require.NoError(b, err)
		require.Equal(b, first, got)
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, second.ID, 0))
		b.fault(fault.RequestStale, b.s.DeleteOAuthClient(b.ctx, b.workspace, client.ID, 7))
		require.NoError(b, b.s.DeleteOAuthClient(b.ctx, b.workspace, client.ID, 1))
		b.fault(fault.OAuthClientNotFound, b.s.DeleteOAuthClient(b.ctx, b.workspace, client.ID, 0))
		b.fault(fault.OAuthClientNotFound, b.s.CreateConnection(b.ctx, b.byOAuth(client, "late")))
	},
	"OtherWorkspacesSeeNothing": func(b *bundle) {
		c := b.oauthClient(b.workspace, "mine")
		_, err := b.s.OAuthClient(b.ctx, b.other, c.ID)
		b.fault(fault.OAuthClientNotFound, err)
		foreign := *c
		foreign.Workspace, foreign.Revision = b.other, 2
		b.fault(fault.OAuthClientNotFound, b.s.UpdateOAuthClient(b.ctx, &foreign))
		b.fault(fault.OAuthClientNotFound, b.s.DeleteOAuthClient(b.ctx, b.other, c.ID, 0))
		require.NoError(b, b.s.CreateConnection(b.ctx, b.byOAuth(c, "mine")))
		users, err := b.s.OAuthClientUsers(b.ctx, b.other, c.ID)
		require.NoError(b, err)
		require.Empty(b, users)
		thief := b.byOAuth(c, "thief")
		thief.Workspace = b.other
		b.fault(fault.OAuthClientNotFound, b.s.CreateConnection(b.ctx, thief))
		list, err := b.s.OAuthClients(b.ctx, b.other, connections.Page{})
		require.NoError(b, err)
		require.Empty(b, list)
	},
}
