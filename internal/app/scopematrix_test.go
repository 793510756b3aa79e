package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// nowhere is an id that nothing has.
const nowhere = "0199f3a0-ffff-7b54-9a3e-2f6c1d0b8e11"

// carrying gives the service's own client with a token that carries the scopes only.
func (s *service) carrying(scopes ...string) *apptest.Client {
	s.t.Helper()
	login, err := s.app.Access.Authenticate(s.t.Context(), s.id, crypto.NewSecret(s.secret))
	require.NoError(s.t, err)
	token, err := s.app.Access.IssueToken(s.t.Context(), login, scopes)
	require.NoError(s.t, err)
	c := *s.Client
	c.Token = token.AccessToken.Reveal()
	return &c
}

// TestEveryRouteWantsExactlyItsScopes takes every operation of the contract:
// 401 without a token, 403 with every scope but one that it needs, and neither
// with the scopes that it needs and no other.
func TestEveryRouteWantsExactlyItsScopes(t *testing.T) {
	t.Parallel()
	s := start(t, settings(t), app.API)
	every := strings.Fields(access.JoinScopes(access.AllScopes()))
	without := map[string]*apptest.Client{}
	for _, scope := range every {
		without[scope] = s.carrying(slices.DeleteFunc(slices.Clone(every), func(other string) bool { return other == scope })...)
	}
	nobody := *s.Client
	nobody.Token = ""
	for _, op := range operations(t, s) {
		if op.public() {
			continue
		}
		path := op.fill(func(string) string { return nowhere })
		sent := op.bodies(t)
		a := sent[0].try(t, &nobody, op.method, path)
		require.Equal(t, http.StatusUnauthorized, a.Status, op)
		require.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer", op)
		for _, scope := range op.scopes() {
			a = sent[0].try(t, without[scope], op.method, path)
			require.Equal(t, []any{http.StatusForbidden, "access.insufficient_scope"}, []any{a.Status, code(a)}, "%s without %s", op, scope)
			require.Contains(t, a.Header.Get("WWW-Authenticate"), `scope="`+scope+`"`, op)
		}
		exactly := s.carrying(op.scopes()...)
		if len(op.scopes()) == 0 { // any token will do: one with the least
			exactly = s.carrying("audit:read")
		}
		for _, b := range sent {
			a = b.try(t, exactly, op.method, path)
			require.NotEqual(t, http.StatusUnauthorized, a.Status, op)
			require.NotEqual(t, "access.insufficient_scope", code(a), op)
			require.Less(t, a.Status, http.StatusInternalServerError, "%s: %s", op, a.Body)
		}
	}
}
