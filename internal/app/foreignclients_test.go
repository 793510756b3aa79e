package app_test

import (
	"context"
	"net"
	"net/http"
	"os"
	process "os/exec"
	"path/filepath"
	"testing"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// atItsAddress starts a service that knows its public address.
func atItsAddress(t *testing.T) *service {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg := settings(t)
	cfg.Listen = free.Addr().String()
	cfg.PublicURL = "http://" + cfg.Listen + "/"
	require.NoError(t, free.Close())
	return start(t, cfg, app.API)
}

// TestOAuthLibrariesOfOtherHouses has strict libraries from npm take the whole
// way: discovery, token, introspection, revocation.
func TestOAuthLibrariesOfOtherHouses(t *testing.T) {
	t.Parallel()
	node, err := process.LookPath("node")
	if err != nil {
		t.Skip("skipped: node is not on this machine")
	}
	npm, err := process.LookPath("npm")
	if err != nil {
		t.Skip("skipped: npm is not on this machine")
	}
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "check.mjs"} {
		data, err := os.ReadFile(filepath.Join("..", "access", "foreign", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	install := process.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("skipped: the npm registry cannot be reached: %v\n%s", err, out)
	}
	s := atItsAddress(t)
	c := s.newClient("foreign", "flows:read", "flows:run")
	check := process.CommandContext(t.Context(), node, "check.mjs", s.app.URL(), c.ID, c.ClientSecret)
	check.Dir = folder
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "complete")
}

// TestGoOAuthLibrary is the same with the library that most programs in Go use.
func TestGoOAuthLibrary(t *testing.T) {
	t.Parallel()
	s := start(t, settings(t), app.API)
	c := s.newClient("go", "flows:read")
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams, oauth2.AuthStyleAutoDetect} {
		own := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, own)
		conf := clientcredentials.Config{ClientID: c.ID, ClientSecret: c.ClientSecret, TokenURL: s.app.URL() + "/oauth/token", Scopes: []string{"flows:read"}, AuthStyle: style}
		res, err := conf.Client(ctx).Get(s.app.URL() + "/v1/flows")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)

		conf.Scopes = []string{"audit:read"}
		_, err = conf.Token(ctx)
		var refused *oauth2.RetrieveError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "invalid_scope", refused.ErrorCode)
	}
}
