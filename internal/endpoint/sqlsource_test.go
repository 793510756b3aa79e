package endpoint_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource"
)

// oneTarget is the only outside connection.
type oneTarget struct{ target connections.OutsideTarget }

// OutsideTarget implements endpoint.OutsideTargets.
func (o oneTarget) OutsideTarget(context.Context, string, string) (connections.OutsideTarget, error) {
	return o.target, nil
}

// sqliteSource opens the source of a flow whose database holds three orders.
func sqliteSource(t *testing.T, export flows.Export, window *flows.Window) (*engine.Stream, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orders.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("CREATE TABLE orders (id INTEGER, at TEXT); INSERT INTO orders VALUES (1, '2024-01-01T00:00:00Z'), (10, '2024-01-03T00:00:00.5Z'), (9, '2024-01-02T00:00:00Z')")
	require.NoError(t, err)
	target := connections.OutsideTarget{APIType: connections.SQL, Outside: connections.Outside{Dialect: connections.SQLite, Database: path}}
	b := endpoint.NewBuilder(endpoint.Deps{Outside: oneTarget{target}, Databases: &sqlsource.Databases{}, Now: time.Now, TempDir: t.TempDir()})
	export.Type, export.ConnectionID = flows.ExportSQL, "c"
	f := &flows.Flow{Spec: flows.Spec{Export: export}}
	source, err := b.Source(f, &flows.Run{Options: flows.RunOptions{Window: window}, StartedAt: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.(interface{ Close() error }).Close()) })
	return source.Open(t.Context(), nil)
}

func following(field string, kind flows.MarkType) *flows.DeltaSpec {
	return &flows.DeltaSpec{Mode: flows.ReadDelta, Field: field, Type: kind}
}

// TestSQLWatermarks: where the next run begins.
func TestSQLWatermarks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		export flows.Export
		window *flows.Window
		want   string
	}{
		{"everything", flows.Export{Query: "SELECT * FROM orders"}, nil, ""},
		{"integers by their size", flows.Export{Query: "SELECT * FROM orders", Delta: following("id", flows.MarkInteger)}, &flows.Window{}, "10"},
		{"times with all their digits", flows.Export{Query: "SELECT * FROM orders", Delta: following("/at", "")}, &flows.Window{From: "2024-01-01T00:00:00Z"}, "2024-01-03T00:00:00.5Z"},
		{"partitions", flows.Export{Query: "SELECT * FROM orders", PartitionBy: "id", Partitions: 2, Delta: following("id", flows.MarkInteger)}, &flows.Window{}, "10"},
		{"the run's start", flows.Export{Query: "SELECT * FROM orders WHERE at > {{watermark}}", Delta: following("", "")}, &flows.Window{}, "2025-01-01T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stream, err := sqliteSource(t, c.export, c.window)
			require.NoError(t, err)
			require.Equal(t, c.want, stream.Watermark)
			require.True(t, stream.Typed)
			require.NoError(t, stream.Reader.Close())
		})
	}
	_, err := sqliteSource(t, flows.Export{Query: "SELECT * FROM orders", Delta: following("id", flows.MarkInteger)}, &flows.Window{From: "10"})
	var empty *engine.Empty
	require.True(t, errors.As(err, &empty), "%v", err)
	require.Equal(t, "10", empty.Watermark)
	_, err = sqliteSource(t, flows.Export{Query: "SELECT id, 'soon' AS at FROM orders", Delta: following("at", "")}, &flows.Window{})
	require.Equal(t, fault.SourceWatermark, fault.CodeOf(err), "%v", err)
	_, err = sqliteSource(t, flows.Export{Query: "DELETE FROM orders"}, nil)
	require.Equal(t, fault.SourceQuery, fault.CodeOf(err), "%v", err)
}
