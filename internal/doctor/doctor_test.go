package doctor_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/doctor"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

func key(t *testing.T) string {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	return entry
}

func settings(t *testing.T, keys ...string) config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.MkdirAll(cfg.DataDir, 0o700))
	cfg.MasterKeys = crypto.NewSecret(strings.Join(keys, ","))
	return cfg
}

// said gives the findings of a part at a level, a line each.
func said(findings []doctor.Finding, part string, level doctor.Level) string {
	var lines []string
	for _, f := range findings {
		if f.Part == part && f.Level == level {
			lines = append(lines, f.Text+" -> "+f.Do)
		}
	}
	return strings.Join(lines, "\n")
}

// fill seals one secret under the first key of a configuration.
func fill(t *testing.T, cfg config.Config, name string) {
	t.Helper()
	keyring, err := app.Keyring(cfg)
	require.NoError(t, err)
	db, err := store.Open(t.Context(), store.Config{URL: cfg.DatabaseURL.Reveal(), Path: cfg.SQLitePath()})
	require.NoError(t, err)
	defer db.Close()
	canary, err := keyring.SealCanary()
	require.NoError(t, err)
	_, err = db.InitCanary(t.Context(), canary)
	require.NoError(t, err)
	envelope, err := keyring.Seal(crypto.NewSecret("x"), crypto.AAD{Workspace: "default", Kind: connections.SealedKind, ID: name, Field: "appKey"})
	require.NoError(t, err)
	_, err = db.InitWorkspaceKey(t.Context(), "default", name, envelope)
	require.NoError(t, err)
}

func TestHealthyAndEmbedded(t *testing.T) {
	t.Parallel()
	findings := doctor.Examine(t.Context(), settings(t, key(t)), "")
	for _, f := range findings {
		require.Equal(t, doctor.Good, f.Level, "%+v", f)
	}
	require.Contains(t, said(findings, "tls", doctor.Good), "loopback only")
}

// TestMissingKeysAreNamed: the key that is not there is told by its name, with what it seals.
func TestMissingKeysAreNamed(t *testing.T) {
	t.Parallel()
	first, second := key(t), key(t)
	firstID, _, _ := strings.Cut(first, ":")
	cfg := settings(t, first)
	fill(t, cfg, "one")
	cfg.MasterKeys = crypto.NewSecret(second + "," + first)
	fill(t, cfg, "two")
	findings := doctor.Examine(t.Context(), cfg, "")
	require.Empty(t, said(findings, "keys", doctor.Broken))
	require.Contains(t, said(findings, "keys", doctor.Warning), "2 stored secrets are sealed under older master keys")

	cfg.MasterKeys = crypto.NewSecret(second)
	broken := said(doctor.Examine(t.Context(), cfg, ""), "keys", doctor.Broken)
	require.Contains(t, broken, `the master key "`+firstID+`" is missing: 2 stored secrets`)
	require.Contains(t, broken, store.CanaryKind)
	require.Contains(t, broken, store.WorkspaceKeyKind)
	require.Contains(t, broken, "put the master key back")
	_, secret, _ := strings.Cut(second, ":")
	require.NotContains(t, broken, secret)

	_, other, _ := strings.Cut(key(t), ":")
	cfg.MasterKeys = crypto.NewSecret(firstID + ":" + other + "," + second)
	require.Contains(t, said(doctor.Examine(t.Context(), cfg, ""), "keys", doctor.Broken), "has another value")
}

// TestListedHostsAreTried: an entry that nobody answers at is told, the others are good.
func TestListedHostsAreTried(t *testing.T) {
	t.Parallel()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer open.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	cfg := settings(t, key(t))
	cfg.AllowedHosts = []string{"http://" + open.Addr().String(), "tcp://" + open.Addr().String(), "http://" + gone.Addr().String()}
	findings := doctor.Examine(t.Context(), cfg, "")
	good, bad := said(findings, "egress", doctor.Good), said(findings, "egress", doctor.Warning)
	require.Contains(t, good, "http://"+open.Addr().String()+" takes connections")
	require.Contains(t, good, "tcp://"+open.Addr().String()+" takes connections")
	require.Contains(t, bad, gone.Addr().String())
	require.Contains(t, bad, "CONNECTOR_ALLOWED_HOSTS")
}

func TestListeningIsLookedAt(t *testing.T) {
	t.Parallel()
	cfg := settings(t, key(t))
	cfg.Listen = "0.0.0.0:8080"
	require.Contains(t, said(doctor.Examine(t.Context(), cfg, ""), "tls", doctor.Warning), "in the clear")
	cfg.PublicURL = "https://connector.example.org"
	require.Contains(t, said(doctor.Examine(t.Context(), cfg, ""), "tls", doctor.Good), cfg.PublicURL)
	cfg.TLSCertFile, cfg.TLSKeyFile = filepath.Join(cfg.DataDir, "none.crt"), filepath.Join(cfg.DataDir, "none.key")
	require.Contains(t, said(doctor.Examine(t.Context(), cfg, ""), "tls", doctor.Broken), "CONNECTOR_TLS_CERT_FILE")
}

// TestServersAreLookedAt: the clocks and settings of a real PostgreSQL and Redis.
func TestServersAreLookedAt(t *testing.T) {
	t.Parallel()
	cfg := settings(t, key(t))
	cfg.DatabaseURL = crypto.NewSecret(testservers.PostgreSQL(t))
	cfg.RedisURL = crypto.NewSecret(testservers.Redis(t))
	findings := doctor.Examine(t.Context(), cfg, "")
	clocks := said(findings, "clock", doctor.Good)
	require.Contains(t, clocks, "PostgreSQL")
	require.Contains(t, clocks, "Redis")
	require.Contains(t, said(findings, "database", doctor.Good), "postgres answers")
	require.Contains(t, said(findings, "redis", doctor.Good), "answers")
}
