package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/config"
	"github.com/stretchr/testify/require"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := config.Default()
	require.Equal(t, "127.0.0.1:8080", c.Listen)
	require.Equal(t, 30*time.Second, c.Lease)
	require.True(t, c.MasterKeys.IsZero(), "there is no default key")
	require.Equal(t, filepath.Join("connector-data", "connector.db"), c.SQLitePath())
}

func TestFromEnvironment(t *testing.T) {
	t.Setenv("CONNECTOR_MASTER_KEYS", "k1:c2VjcmV0")
	t.Setenv("CONNECTOR_ALLOWED_HOSTS", "http://127.0.0.1:9090,https://celonis.test:443")
	t.Setenv("CONNECTOR_LEASE", "5s")
	c, err := config.FromEnvironment()
	require.NoError(t, err)
	require.Equal(t, "k1:c2VjcmV0", c.MasterKeys.Reveal())
	require.Equal(t, []string{"http://127.0.0.1:9090", "https://celonis.test:443"}, c.AllowedHosts)
	require.Equal(t, 5*time.Second, c.Lease)
}

func TestBadSettingsNameTheirVariable(t *testing.T) {
	for name, value := range map[string]string{
		"CONNECTOR_WORKERS": "0", "CONNECTOR_LEASE": "10ms", "CONNECTOR_CHUNK_BYTES": "12",
		"CONNECTOR_UPLOADS": "1000", "CONNECTOR_SWEEP_INTERVAL": "0s", "CONNECTOR_MAX_UPLOAD_BYTES": "-1",
		"CONNECTOR_CLIENT_UPLOADS": "0", "CONNECTOR_ALL_UPLOADS": "3",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			_, err := config.FromEnvironment()
			require.ErrorContains(t, err, name)
		})
	}
}

func TestMasterKeysComeFromOnePlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte("k1:c2VjcmV0\n"), 0o600))
	t.Setenv("CONNECTOR_MASTER_KEYS_FILE", path)
	c, err := config.FromEnvironment()
	require.NoError(t, err)
	keys, err := c.Keys()
	require.NoError(t, err)
	require.Equal(t, "k1:c2VjcmV0", keys.Reveal())

	t.Setenv("CONNECTOR_MASTER_KEYS", "k2:b3RoZXI")
	_, err = config.FromEnvironment()
	require.ErrorContains(t, err, "exclude each other")
	require.NotContains(t, err.Error(), "b3RoZXI")
}

func TestTheReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	fresh, err := config.IntoReadme(string(text))
	require.NoError(t, err)
	require.Equal(t, fresh, string(text), "run go generate ./...")
}

func TestRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Rate{"0": {}, "50/200": {PerSecond: 50, Burst: 200}, "0.5/20": {PerSecond: 0.5, Burst: 20}} {
		var r config.Rate
		require.NoError(t, r.UnmarshalText([]byte(text)))
		require.Equal(t, want, r)
	}
	for _, text := range []string{"", "5", "fast", "-1/5", "NaN/3", "Inf/3", "5/0", "5/-1", "5/x", "1e9/5", "5/5/5", "0.0000001/1"} {
		var r config.Rate
		require.ErrorContains(t, r.UnmarshalText([]byte(text)), "is no rate", text)
	}
}
