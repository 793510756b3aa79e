package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// printed runs a command and reads the JSON that it prints.
func printed[T any](t *testing.T, p *program, args ...string) (v T) {
	t.Helper()
	r := p.run(append(args, "--json")...)
	require.Equal(t, exitOK, r.code, r.stderr)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &v), r.stdout)
	return v
}

func TestClientsRotate(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	first := printed[newSecret](t, p, "clients", "create", "--name", "loader", "--preset", "operator", "--expires-in", "24h")
	require.NotNil(t, first.ExpiresAt)
	second := printed[newSecret](t, p, "clients", "rotate", first.ClientID)
	require.NotEqual(t, first.ClientSecret, second.ClientSecret)
	require.Nil(t, second.ExpiresAt)

	secrets := func() (ids []string) {
		list := printed[[]listedClient](t, p, "clients", "list")
		require.Len(t, list, 1)
		require.Equal(t, []any{first.ClientID, "loader", true}, []any{list[0].ClientID, list[0].Name, list[0].Enabled})
		for _, s := range list[0].Secrets {
			ids = append(ids, s.ID)
		}
		return ids
	}
	require.Equal(t, []string{first.SecretID, second.SecretID}, secrets())
	full := p.run("clients", "rotate", first.ClientID)
	require.Equal(t, exitFailed, full.code)
	require.Contains(t, full.stderr, "--drop-oldest")
	third := printed[newSecret](t, p, "clients", "rotate", first.ClientID, "--drop-oldest")
	require.Equal(t, []string{second.SecretID, third.SecretID}, secrets())
}

func TestClientsSwitchAndDelete(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	made := printed[newSecret](t, p, "clients", "create", "--name", "loader", "--scopes", "flows:read,flows:run", "--workspace", "acme")
	require.Equal(t, exitFailed, p.run("clients", "disable", made.ClientID).code, "it is of another workspace")
	require.False(t, printed[listedClient](t, p, "clients", "disable", made.ClientID, "--workspace", "acme").Enabled)
	require.True(t, printed[listedClient](t, p, "clients", "enable", made.ClientID, "--workspace", "acme").Enabled)
	require.Empty(t, printed[[]listedClient](t, p, "clients", "list"))
	require.Equal(t, map[string]string{"deleted": made.ClientID}, printed[map[string]string](t, p, "clients", "delete", made.ClientID, "--workspace", "acme"))
	require.Equal(t, exitFailed, p.run("clients", "delete", made.ClientID, "--workspace", "acme").code)

	for _, args := range [][]string{{"--scopes", "all", "--preset", "operator"}, {}, {"--preset", "root"}} {
		r := p.run(append([]string{"clients", "create", "--name", "x"}, args...)...)
		require.NotEqual(t, exitOK, r.code)
	}
	require.Contains(t, p.run("clients", "create", "--help").stdout, "directorySync")
}
