package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// secretView is what a read tells of a secret.
type secretView struct {
	apptest.Connection
	Secrets map[string]struct {
		Set bool   `json:"set"`
		Ref string `json:"ref"`
	} `json:"secrets"`
}

func TestSecretsInVariablesAndFiles(t *testing.T) {
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.SecretEnvPrefix, cfg.SecretFileDir = "CELONIS_TEST_", t.TempDir()
	t.Setenv("CELONIS_TEST_KEY", sim.AppKey)
	t.Setenv("CELONIS_TEST_EMPTY", "")
	t.Setenv("OTHER_KEY", sim.AppKey)
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte(sim.AppKey), 0o600))
	keyFile := filepath.Join(cfg.SecretFileDir, "team", "key")
	require.NoError(t, os.Mkdir(filepath.Dir(keyFile), 0o700))
	require.NoError(t, os.WriteFile(keyFile, []byte(sim.AppKey+"\n"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(cfg.SecretFileDir, "link")))
	s := start(t, cfg)

	for _, ref := range []string{"env:CELONIS_TEST_KEY", "file:team/key"} {
		var made secretView
		s.Call(http.StatusCreated, "POST", "/v1/connections", draft(sim, ref, map[string]any{"appKey": map[string]any{"ref": ref}}), &made)
		require.Equal(t, "online", made.Status)
		require.Equal(t, ref, made.Secrets["appKey"].Ref)
		require.True(t, made.Secrets["appKey"].Set)
		apptest.RequireWhole(t, s.Do(s.fileFlow(made.ID, "T", "csv", "ID\n1\n", set("", map[string]any{"name": ref}))), 1)

		// A change of the domain demands the reference again.
		p := s.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/connections/"+made.ID, map[string]any{"domain": "acme.eu-1.celonis.cloud"})
		require.Equal(t, "connection.secret_required", p.Errors[0].Code)
	}
	for ref, code := range map[string]string{
		"env:OTHER_KEY":             "secret.ref_not_allowed",
		"env:CONNECTOR_MASTER_KEYS": "secret.ref_not_allowed",
		"env:":                      "secret.ref_not_allowed",
		"env:CELONIS_TEST_NONE":     "secret.ref_not_found",
		"env:CELONIS_TEST_EMPTY":    "secret.invalid",
		"file:../outside":           "secret.ref_not_allowed",
		"file:team/../../outside":   "secret.ref_not_allowed",
		"file:" + outside:           "secret.ref_not_allowed",
		"file:":                     "secret.ref_not_allowed",
		"file:link":                 "secret.ref_not_found",
		"file:team":                 "secret.ref_not_found",
		"file:none":                 "secret.ref_not_found",
		"vault:key":                 "secret.ref_not_allowed",
		"key":                       "secret.ref_not_allowed",
	} {
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/connections/test", draft(sim, "bad", map[string]any{"appKey": map[string]any{"ref": ref}}))
		require.Len(t, p.Errors, 1, ref)
		require.Equal(t, "/appKey", p.Errors[0].Pointer, ref)
		require.Equal(t, code, p.Errors[0].Code, ref)
		require.NotContains(t, p.Errors[0].Detail, sim.AppKey)
	}
	for _, body := range []any{map[string]any{}, map[string]any{"ref": "env:X", "more": 1}, map[string]any{"ref": 5}, []string{"x"}} {
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/connections/test", draft(sim, "bad", map[string]any{"appKey": body}))
		require.Contains(t, p.Errors[0].Pointer, "/appKey")
	}

	// A key that is changed in its place is used from then on.
	var list struct{ Items []secretView }
	s.Call(http.StatusOK, "GET", "/v1/connections", nil, &list)
	require.NoError(t, os.WriteFile(keyFile, []byte("nobody-has-this-key"), 0o600))
	var result apptest.TestResult
	s.Call(http.StatusOK, "POST", "/v1/connections/"+list.Items[1].ID+"/test", nil, &result)
	require.Equal(t, "celonis.unauthorized", result.Last().Code)
}

func TestReferencesAreOffByDefault(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	for _, ref := range []string{"env:HOME", "file:key"} {
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/connections", draft(sim, "bad", map[string]any{"appKey": map[string]any{"ref": ref}}))
		require.Equal(t, "secret.ref_not_allowed", p.Errors[0].Code, ref)
	}
}
