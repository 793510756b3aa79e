package connections_test

import (
	"context"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const (
	dataPushScope   = "integration.data-pools:data_push"
	continuousScope = "integration.data-pools:continuous_data_push"
	readPoolScope   = "integration.data-pools:read"
	anyPoolScope    = "integration.data-pools"
	readModelScope  = "intelligence.knowledge-models:read"
)

func use(name string, ops ...connections.Operation) connections.OperationUse {
	return connections.OperationUse{Usage: connections.Usage{FlowID: "f-" + name, Name: name}, Operations: ops}
}

func TestAdviseScopes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                        string
		api                         connections.APIType
		asked                       []string
		uses                        []connections.OperationUse
		missing, suggested, broader []string
		instead                     [][]string
	}{
		{"just enough", connections.DataPush, []string{dataPushScope}, nil, nil, []string{dataPushScope}, nil, nil},
		{"with lists for forms", connections.DataPush, []string{dataPushScope, readPoolScope}, nil, nil, []string{dataPushScope}, nil, nil},
		{"too broad", connections.DataPush, []string{anyPoolScope}, nil, nil, []string{dataPushScope}, []string{anyPoolScope}, [][]string{{dataPushScope, readPoolScope}}},
		{"broad beside narrow", connections.DataPush, []string{anyPoolScope, dataPushScope}, nil, nil, []string{dataPushScope}, []string{anyPoolScope}, [][]string{{dataPushScope, readPoolScope}}},
		{"for nothing", connections.DataPush, []string{dataPushScope, "audit.log:read"}, nil, nil, []string{dataPushScope}, []string{"audit.log:read"}, [][]string{{}}},
		{"a flow's need", connections.DataPush, []string{dataPushScope}, []connections.OperationUse{use("a", connections.PushContinuously), use("b", connections.PushRows)},
			[]string{continuousScope}, []string{continuousScope, dataPushScope}, nil, nil},
		{"nothing asked", connections.DataPush, nil, nil, []string{dataPushScope}, []string{dataPushScope}, nil, nil},
		{"intelligence", connections.Intelligence, []string{"studio"}, nil, nil, []string{readModelScope}, []string{"studio"}, [][]string{{readModelScope}}},
		{"intelligence for something else", connections.Intelligence, []string{readModelScope}, []connections.OperationUse{use("a", connections.ReadAuditLog)},
			[]string{"audit.log:read"}, []string{"audit.log:read"}, []string{readModelScope}, [][]string{{}}},
	} {
		a := connections.AdviseScopes(&connections.Connection{APIType: c.api, AuthType: connections.OAuth2, Scopes: c.asked}, c.uses)
		require.True(t, a.Applies)
		require.Equal(t, append([]string{}, c.missing...), a.Missing, c.name)
		require.Equal(t, c.suggested, a.Suggested, c.name)
		require.Len(t, a.Broader, len(c.broader), c.name)
		for i, b := range a.Broader {
			require.Equal(t, connections.BroadScope{Scope: c.broader[i], Instead: c.instead[i]}, b, c.name)
		}
		after := connections.AdviseScopes(&connections.Connection{APIType: c.api, AuthType: connections.OAuth2, Scopes: a.Suggested}, c.uses)
		require.Empty(t, after.Missing, "%s: what is suggested is enough", c.name)
		require.Empty(t, after.Broader, "%s: and no more", c.name)
	}
}

func TestAdviceForKeys(t *testing.T) {
	t.Parallel()
	a := connections.AdviseScopes(&connections.Connection{APIType: connections.DataPush, AuthType: connections.Custom},
		[]connections.OperationUse{use("a", connections.PushRows), use("b", connections.PushRows)})
	require.False(t, a.Applies)
	require.Empty(t, a.Missing)
	require.Empty(t, a.Broader)
	require.Equal(t, []connections.Usage{{FlowID: "f-a", Name: "a"}, {FlowID: "f-b", Name: "b"}}, a.Needed[0].Flows)
}

// uses tells the same of every connection.
type uses []connections.OperationUse

func (u uses) OperationUses(context.Context, string, string) ([]connections.OperationUse, error) {
	return u, nil
}

// scoped is a Tester whose step scope is in order.
type scoped struct{}

func (scoped) Test(context.Context, connections.Target) connections.TestResult {
	return connections.TestResult{OK: true, Steps: []connections.Step{{Step: "auth", OK: true}, {Step: "scope", OK: true, Detail: "granted: " + anyPoolScope}}}
}

func TestTestsNoteTheAdvice(t *testing.T) {
	t.Parallel()
	ring, clients := keyring(t), &clientMemory{rows: map[string]connections.OAuthClient{}}
	p := policy(t, "http://127.0.0.1:9000")
	client, err := connections.NewOAuthClientService(connections.OAuthClientDeps{Repository: clients, Sealer: ring, Domains: p}).
		Create(t.Context(), workspace, clientDraft())
	require.NoError(t, err)
	s := connections.NewService(connections.Deps{
		Repository: &memory{rows: map[string]connections.Connection{}}, OAuthClients: clients, Sealer: ring, Tester: scoped{},
		Domains: p, Uses: uses{use("a", connections.PushContinuously)},
	})
	d := draft()
	d.AuthType, d.AppKey, d.OAuthClientID, d.Scopes = connections.OAuth2, d.APIKey, client.ID, []string{dataPushScope}
	c, err := s.Create(t.Context(), workspace, d, connections.CreateOptions{})
	require.NoError(t, err)
	require.True(t, c.LastTest.OK, "an advice fails no test")
	require.Contains(t, c.LastTest.Steps[1].Hint, "need "+continuousScope)
	require.Empty(t, c.LastTest.Steps[0].Hint)

	a, err := s.ScopeAdvice(t.Context(), workspace, c.ID)
	require.NoError(t, err)
	require.Equal(t, []string{continuousScope}, a.Missing)
	_, err = s.ScopeAdvice(t.Context(), "other", c.ID)
	require.True(t, fault.Has(err, fault.ConnectionNotFound))
}
