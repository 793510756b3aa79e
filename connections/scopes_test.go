package connections_test

import (
	"slices"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestCatalogIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var groups []string
	for _, s := range connections.CelonisScopes() {
		require.NotEmpty(t, s.Group)
		require.NotEmpty(t, s.Grants, s.Scope)
		require.NotEmpty(t, s.API, s.Scope)
		require.Regexp(t, `^[a-z-]+(\.[a-z-]+)*(:[a-z_]+)?$`, s.Scope)
		require.False(t, seen[s.Scope], s.Scope)
		seen[s.Scope] = true
		if len(groups) == 0 || groups[len(groups)-1] != s.Group {
			require.NotContains(t, groups, s.Group, "a group stands together")
			groups = append(groups, s.Group)
		}
	}
	require.Len(t, seen, 36)
	require.Len(t, groups, 16)
}

func TestScopesForAnOperation(t *testing.T) {
	t.Parallel()
	for op, want := range map[connections.Operation][]string{
		connections.PushRows:            {"integration.data-pools:data_push", "integration.data-pools"},
		connections.ListPools:           {"integration.data-pools:read", "integration.data-pools"},
		connections.ReadKnowledgeModels: {"intelligence.knowledge-models:read", "studio"},
		connections.ProvisionUsers:      {"user-provisioning.scim"},
		connections.ReadAuditLog:        {"audit.log:read"},
	} {
		require.Equal(t, want, connections.ScopesFor(op))
	}
}

func TestParseCelonisScopes(t *testing.T) {
	t.Parallel()
	got, err := connections.ParseCelonisScopes([]string{"studio", " audit.log:read ", "studio"})
	require.NoError(t, err)
	require.Equal(t, []string{"audit.log:read", "studio"}, got, "each once, in the catalog's order")
	all, err := connections.ParseCelonisScopes([]string{"studio", "all"})
	require.NoError(t, err)
	require.Len(t, all, 36)
	none, err := connections.ParseCelonisScopes(nil)
	require.NoError(t, err)
	require.Empty(t, none)

	for word, want := range map[string]string{
		"audit.log":                               `"audit.log" is an older spelling: the scope is now "audit.log:read"`,
		"team.login-history":                      `"team.login-history" is an older spelling: the scope is now "team.login-history:read"`,
		"team.user-group-info":                    `is now "team.user-group-info:read"`,
		"platform-adoption.tracking-events":       `is now "platform-adoption.tracking-events:read"`,
		"integration.data-pool:data_push":         `"integration.data-pools:data_push" may be meant`,
		"integration.data-pools:data-push":        `"integration.data-pools:data_push" may be meant`,
		"INTEGRATION.data-pools:data_push":        `"integration.data-pools:data_push" may be meant`,
		"user-provisioning":                       `"user-provisioning.scim" may be meant`,
		"scim":                                    `"user-provisioning.scim" may be meant`,
		"intelligence.knowledge-model:read":       `"intelligence.knowledge-models:read" may be meant`,
		"studio integration.data-pools:data_push": "must be one scope: give each scope as an item of its own",
		"a,b":                  "must be one scope",
		"":                     "must not be empty",
		"something completely": "must be one scope",
		"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz": `there is no scope "zzz`,
	} {
		_, err := connections.ParseCelonisScopes([]string{"studio", word})
		require.True(t, fault.Has(err, fault.OAuthScopeUnknown), word)
		require.Equal(t, []string{"/1 oauth.scope_unknown"}, pointers(err))
		require.Contains(t, fault.From(err).Fields[0].Detail, want)
		require.Contains(t, fault.From(err).Hint, "/v1/celonis-scopes")
	}
	_, err = connections.ParseCelonisScopes([]string{"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"})
	require.NotContains(t, err.Error(), "may be meant")
}

// FuzzParseCelonisScopes: what parses is of the catalog, and parses to the same again.
func FuzzParseCelonisScopes(f *testing.F) {
	for _, seed := range []string{"all", "studio", "audit.log", "", "a b", "integration.data-pools:", "\u00e4\u00f6", ":::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		scopes, err := connections.ParseCelonisScopes([]string{word})
		if err != nil {
			require.NotEmpty(t, fault.From(err).Fields)
			return
		}
		again, err := connections.ParseCelonisScopes(scopes)
		require.NoError(t, err)
		require.Equal(t, scopes, again)
		for _, s := range scopes {
			require.True(t, slices.ContainsFunc(connections.CelonisScopes(), func(c connections.CelonisScope) bool { return c.Scope == s }))
		}
	})
}
