package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
)

// TestClientsOfBeforeKeepTheirSecret takes a database with a client from before
// clients had more than one secret to what it is now, and back.
func TestClientsOfBeforeKeepTheirSecret(t *testing.T) {
	t.Parallel()
	const before, now13 = 12, 13
	file, dsn := filepath.Join(t.TempDir(), "connector.db"), testservers.PostgreSQL(t)
	for name, tt := range map[string]struct {
		driver, source string
		dialect        goose.Dialect
		config         store.Config
	}{
		"SQLite":     {"sqlite", file, goose.DialectSQLite3, store.Config{Path: file}},
		"PostgreSQL": {"pgx", dsn, goose.DialectPostgres, store.Config{URL: dsn}},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := sql.Open(tt.driver, tt.source)
			require.NoError(t, err)
			defer db.Close()
			provider, err := goose.NewProvider(tt.dialect, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
			require.NoError(t, err)
			_, err = provider.UpTo(t.Context(), before)
			require.NoError(t, err)
			id, hash := newID(t), []byte{1, 2, 3}
			_, err = db.ExecContext(t.Context(), `INSERT INTO clients (id, workspace, name, name_key, scopes, secret_hash, disabled, created_at, last_used_at)
				VALUES ($1, 'default', 'loader', 'loader', '["flows:read"]', $2, FALSE, 1000, 2000)`, id, hash)
			require.NoError(t, err)
			_, err = provider.UpTo(t.Context(), now13)
			require.NoError(t, err)
			_, err = provider.DownTo(t.Context(), before)
			require.NoError(t, err)

			created, used := time.UnixMicro(1000).UTC(), time.UnixMicro(2000).UTC()
			got, err := open(t, tt.config).Client(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, &access.Client{ID: id, Workspace: "default", Revision: 1, Name: "loader", Scopes: []access.Scope{access.FlowsRead},
				Secrets:   []access.ClientSecret{{ID: id, Hash: hash, CreatedAt: created, LastUsedAt: used}},
				CreatedAt: created, UpdatedAt: created, LastUsedAt: used}, got)
		})
	}
}
