package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// authorized is a connection with a grant of version 1.
func (b *bundle) authorized(name string) (*connections.Connection, *connections.StoredGrant) {
	b.Helper()
	c := b.byOAuth(b.oauthClient(b.workspace, name), name)
	c.Grant = connections.AuthorizationCode
	require.NoError(b, b.s.CreateConnection(b.ctx, c))
	g := &connections.StoredGrant{Workspace: b.workspace, ConnectionID: c.ID, Version: 1, Envelope: "v1.k1.a.dG9rZW5z", GrantedAt: b.now}
	require.NoError(b, b.s.SaveGrant(b.ctx, g))
	c.AuthorizedAt = b.now
	return c, g
}

// claimOf asks for the grant's version as a process.
func (b *bundle) claimOf(g *connections.StoredGrant, process string) connections.GrantClaim {
	return connections.GrantClaim{Workspace: g.Workspace, ConnectionID: g.ConnectionID, Version: g.Version, By: process,
		Now: b.now, Until: b.now.Add(time.Minute)}
}

func (b *bundle) done(want bool, done bool, err error) {
	b.Helper()
	require.NoError(b, err)
	require.Equal(b, want, done)
}

var grantTests = map[string]func(*bundle){
	"AGrantMakesAConnectionAuthorized": func(b *bundle) {
		c, g := b.authorized("c")
		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
		stored, err := b.s.Grant(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, g, stored)
		_, err = b.s.Grant(b.ctx, b.other, c.ID)
		b.fault(fault.ConnectionUnauthorized, err)

		g.GrantedAt = b.now.Add(time.Hour)
		require.NoError(b, b.s.SaveGrant(b.ctx, g))
		stored, err = b.s.Grant(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.EqualValues(b, 2, stored.Version, "authorizing again is a new version")
		require.Equal(b, b.now.Add(time.Hour), stored.GrantedAt)
		b.fault(fault.ConnectionNotFound, b.s.SaveGrant(b.ctx, &connections.StoredGrant{Workspace: b.workspace, ConnectionID: b.id()}))
	},
	"OneProcessExchangesAtATime": func(b *bundle) {
		_, g := b.authorized("c")
		mine, theirs := b.claimOf(g, "mine"), b.claimOf(g, "theirs")
		done, err := b.s.ClaimGrant(b.ctx, mine)
		b.done(true, done, err)
		for _, late := range []connections.GrantClaim{theirs, mine} {
			done, err = b.s.ClaimGrant(b.ctx, late)
			b.done(false, done, err)
		}
		done, err = b.s.ReplaceGrant(b.ctx, theirs, "v1.k1.a.dGhlaXJz")
		b.done(false, done, err)
		done, err = b.s.DeleteGrant(b.ctx, theirs)
		b.done(false, done, err)
		require.NoError(b, b.s.ReleaseGrant(b.ctx, theirs))
		done, err = b.s.ReplaceGrant(b.ctx, mine, "v1.k2.a.bWluZQ")
		b.done(true, done, err)
		stored, err := b.s.Grant(b.ctx, b.workspace, g.ConnectionID)
		require.NoError(b, err)
		require.EqualValues(b, 2, stored.Version)
		require.Equal(b, "v1.k2.a.bWluZQ", stored.Envelope)
		require.Equal(b, g.GrantedAt, stored.GrantedAt)

		done, err = b.s.ClaimGrant(b.ctx, theirs)
		b.done(false, done, err)
		theirs.Version = 2
		done, err = b.s.ClaimGrant(b.ctx, theirs)
		b.done(true, done, err)
		mine.Version, mine.Now, mine.Until = 2, b.now.Add(time.Minute), b.now.Add(2*time.Minute)
		done, err = b.s.ClaimGrant(b.ctx, mine)
		b.done(true, done, err)
		done, err = b.s.ReplaceGrant(b.ctx, theirs, "v1.k1.a.bGF0ZQ")
		b.done(false, done, err)
		require.NoError(b, b.s.ReleaseGrant(b.ctx, mine))
		done, err = b.s.DeleteGrant(b.ctx, mine)
		b.done(false, done, err)
		mine.Until = b.now.Add(time.Hour)
		done, err = b.s.ClaimGrant(b.ctx, mine)
		b.done(true, done, err)
		done, err = b.s.DeleteGrant(b.ctx, mine)
		b.done(true, done, err)
		_, err = b.s.Grant(b.ctx, b.workspace, g.ConnectionID)
		b.fault(fault.ConnectionUnauthorized, err)
	},
	"ManyClaimOneGetsIt": func(b *bundle) {
		_, g := b.authorized("c")
		var won atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				c := b.claimOf(g, b.id())
				if done, err := b.s.ClaimGrant(b.ctx, c); err == nil && done {
					won.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(b, 1, won.Load())
	},
	"AChangeOfWhatWasGrantedForEndsIt": func(b *bundle) {
		for name, change := range map[string]func(*connections.Connection){
			"name":   func(c *connections.Connection) { c.Name, c.AuthorizedAt = "renamed", time.Time{} },
			"domain": func(c *connections.Connection) { c.Domain = "other.eu-1.celonis.cloud" },
			"scopes": func(c *connections.Connection) { c.Scopes = []string{"audit.log:read"} },
			"grant":  func(c *connections.Connection) { c.Grant = connections.ClientCredentials },
			"client": func(c *connections.Connection) { c.OAuthClientID = b.oauthClient(b.workspace, "another").ID },
			"key": func(c *connections.Connection) {
				c.AuthType, c.OAuthClientID, c.Grant, c.Scopes = connections.Token, "", "", nil
			},
		} {
			c, _ := b.authorized("for " + name)
			a := b.authorization(c)
			require.NoError(b, b.s.SaveAuthorization(b.ctx, a))
			c.Revision = 2
			change(c)
			require.NoError(b, b.s.UpdateConnection(b.ctx, c), name)
			_, grant := b.s.Grant(b.ctx, b.workspace, c.ID)
			_, state := b.s.TakeAuthorization(b.ctx, a.StateHash)
			if name == "name" {
				require.NoError(b, grant, "a user may have authorized the connection since it was read")
				require.NoError(b, state)
				continue
			}
			b.fault(fault.ConnectionUnauthorized, grant)
			b.fault(fault.OAuthState, state)
		}
	},
	"AStateIsGoodOnce": func(b *bundle) {
		c, _ := b.authorized("c")
		a, late := b.authorization(c), b.authorization(c)
		late.ExpiresAt = b.now
		require.NoError(b, b.s.SaveAuthorization(b.ctx, a))
		require.NoError(b, b.s.SaveAuthorization(b.ctx, late))
		got, err := b.s.TakeAuthorization(b.ctx, a.StateHash)
		require.NoError(b, err)
		require.Equal(b, a, got)
		_, err = b.s.TakeAuthorization(b.ctx, a.StateHash)
		b.fault(fault.OAuthState, err)
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0))
		_, err = b.s.TakeAuthorization(b.ctx, late.StateHash)
		b.fault(fault.OAuthState, err)
		b.fault(fault.ConnectionNotFound, b.s.SaveAuthorization(b.ctx, a))
	},
}

func (b *bundle) authorization(c *connections.Connection) *connections.StoredAuthorization {
	return &connections.StoredAuthorization{StateHash: b.id(), Workspace: b.workspace, ConnectionID: c.ID, Revision: c.Revision,
		Envelope: "v1.k1.a.dmVyaWZpZXI", ExpiresAt: b.now.Add(10 * time.Minute)}
}

// sealedTests see every row of a database.
var sealedTests = map[string]func(*bundle){
	"RotationReachesWhatOAuthSeals": func(b *bundle) {
		c, _ := b.authorized("c")
		require.NoError(b, b.s.SaveAuthorization(b.ctx, b.authorization(c)))
		for _, limit := range []int{1, 10} {
			rows, err := b.s.SealedUnder(b.ctx, "k1", limit)
			require.NoError(b, err)
			require.Len(b, rows, min(limit, 3))
		}
		kinds := map[string]int64{}
		usage, err := b.s.KeyUsage(b.ctx)
		require.NoError(b, err)
		for _, u := range usage {
			kinds[u.Kind] += u.Rows
		}
		require.Equal(b, map[string]int64{connections.SealedOAuthClient: 1, connections.SealedOAuthGrant: 1, connections.SealedOAuthState: 1}, kinds)
		n, err := b.s.SweepAuthorizations(b.ctx, b.now.Add(10*time.Minute))
		require.NoError(b, err)
		require.EqualValues(b, 1, n)
	},
}
