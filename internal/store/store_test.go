package store_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/store/storetest"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const workspace = "workspace"

var now = time.Date(2026, time.March, 1, 12, 0, 0, 123456000, time.UTC)

func open(t testing.TB, c store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func openSQLite(t testing.TB) *store.Store {
	return open(t, store.Config{Path: filepath.Join(t.TempDir(), "connector.db")})
}

func openPostgres(t testing.TB) *store.Store {
	return open(t, store.Config{URL: testservers.PostgreSQL(t)})
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T) *store.Store { return openSQLite(t) })
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T) *store.Store { return openPostgres(t) })
}

// rawSQLite opens the file past the store.
func rawSQLite(t testing.TB, name string) *sql.DB {
	t.Helper()
	raw, err := sql.Open("sqlite", name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, raw.Close()) })
	return raw
}

func newID(t testing.TB) string {
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id.String()
}

func draftConnection(t testing.TB) *connections.Connection {
	id := newID(t)
	return &connections.Connection{ID: id, Workspace: workspace, Revision: 1, Name: id, APIType: connections.DataPush,
		Domain: "acme.eu-1.celonis.cloud", AuthType: connections.Custom, PoolID: id, Status: connections.Untested,
		Secrets: map[connections.SecretField]connections.SealedSecret{
			connections.AppKey: {Envelope: "v1.k1.bm9uY2U.Y2lwaGVy", UpdatedAt: now}}, CreatedAt: now, UpdatedAt: now}
}

func newConnection(t testing.TB, s *store.Store) *connections.Connection {
	t.Helper()
	c := draftConnection(t)
	require.NoError(t, s.CreateConnection(t.Context(), c))
	return c
}

func newFlow(t testing.TB, s *store.Store) *flows.Flow {
	t.Helper()
	c := newConnection(t, s)
	f := &flows.Flow{ID: newID(t), Workspace: workspace, Revision: 1, Enabled: true, CreatedAt: now, UpdatedAt: now,
		Spec: flows.Spec{Name: c.Name, Export: flows.Export{Type: flows.ExportRecords},
			Import: flows.Import{Type: flows.ImportDataPush, ConnectionID: c.ID, Table: "T", Mode: flows.Replace}}}
	require.NoError(t, s.CreateFlow(t.Context(), f))
	return f
}

func draftRun(t testing.TB, f *flows.Flow) *flows.Run {
	return &flows.Run{ID: newID(t), Workspace: workspace, FlowID: f.ID, FlowRevision: 1, Trigger: flows.Manual,
		State: flows.Queued, CreatedAt: now, UpdatedAt: now}
}

func newRun(t testing.TB, s *store.Store, f *flows.Flow) *flows.Run {
	t.Helper()
	r := draftRun(t, f)
	require.NoError(t, s.InsertRun(t.Context(), r))
	return r
}
