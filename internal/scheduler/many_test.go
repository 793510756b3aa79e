package scheduler_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/scheduler"
	database "github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/testservers"
)

const manyFlows = 10_000

// ids counts how often each id was pushed, by any scheduler.
type ids struct {
	mu     sync.Mutex
	pushed map[string]int
}

func (i *ids) PushAll(_ context.Context, list []string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, id := range list {
		i.pushed[id]++
	}
	return nil
}
func (i *ids) Ping(context.Context) error                  { return nil }
func (i *ids) PublishCancel(context.Context, string) error { return nil }

// fires adds up what the schedulers say they did.
type fires struct {
	mu sync.Mutex
	flows.Fired
}

func (f *fires) SchedulesFired(more flows.Fired) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Schedules += more.Schedules
	f.Runs += more.Runs
}

// Ten thousand flows that are due in the same minute are fired once each by
// three schedulers, each with a database handle of its own as a process has.
func TestTenThousandFlowsDueInTheSameMinute(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes ten thousand flows")
	}
	for name, open := range map[string]func(t *testing.T) (c database.Config, driver, dsn string){
		"SQLite": func(t *testing.T) (database.Config, string, string) {
			path := filepath.Join(t.TempDir(), "connector.db")
			return database.Config{Path: path}, "sqlite", path
		},
		"PostgreSQL": func(t *testing.T) (database.Config, string, string) {
			dsn := testservers.PostgreSQL(t)
			return database.Config{URL: dsn}, "pgx", dsn
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, driver, dsn := open(t)
			s := openStore(t, c)
			raw, err := sql.Open(driver, dsn)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, raw.Close()) })
			due := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
			makeFlows(t, s, raw, due.Add(-time.Minute))
			queue, seen := fireTogether(t, c, due)
			require.Equal(t, flows.Fired{Schedules: manyFlows, Runs: manyFlows}, seen.Fired)
			require.Len(t, queue.pushed, manyFlows)
			for _, times := range queue.pushed {
				require.Equal(t, 1, times)
			}
			var runs, ofFlows, first, last int64
			require.NoError(t, raw.QueryRow("SELECT COUNT(*), COUNT(DISTINCT flow_id), MIN(fire_at), MAX(fire_at) FROM runs").Scan(&runs, &ofFlows, &first, &last))
			require.Equal(t, []int64{manyFlows, manyFlows, due.UnixMicro(), due.UnixMicro()}, []int64{runs, ofFlows, first, last})
		})
	}
}

// fireTogether lets three schedulers fire and sweep at the same time.
func fireTogether(t *testing.T, c database.Config, due time.Time) (*ids, *fires) {
	t.Helper()
	queue, seen := &ids{pushed: map[string]int{}}, &fires{}
	began := time.Now()
	var done sync.WaitGroup
	for range 3 {
		s := openStore(t, c)
		process := &scheduler.Scheduler{
			Store: s, Schedules: s, Queue: queue, Cancels: queue, Observer: seen, Repush: time.Hour,
			Now: func() time.Time { return due.Add(time.Second) }, Log: slog.New(slog.DiscardHandler),
		}
		done.Go(func() {
			for range 2 {
				assert.NoError(t, process.Fire(t.Context()))
				t.Logf("fired after %v", time.Since(began).Round(time.Millisecond))
				assert.NoError(t, process.Sweep(t.Context()))
				t.Logf("swept after %v", time.Since(began).Round(time.Millisecond))
			}
		})
	}
	done.Wait()
	t.Logf("%d flows fired and pushed in %v", manyFlows, time.Since(began).Round(time.Millisecond))
	return queue, seen
}

func openStore(t *testing.T, c database.Config) *database.Store {
	t.Helper()
	s, err := database.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// clones copies the first flow and its schedule so often that there are n.
func clones(n int) []string {
	count := fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", n-1)
	return []string{
		count + `INSERT INTO flows (workspace, id, revision, enabled, name, name_key, connection_id, spec, created_at, updated_at)
			SELECT workspace, 'flow-' || i, revision, enabled, name || i, name_key || i, connection_id, spec, created_at, updated_at FROM flows, n`,
		count + `INSERT INTO flow_schedules (workspace, flow_id, cron, time_zone, overlap, misfire, pushes, next_fire_at)
			SELECT workspace, 'flow-' || i, cron, time_zone, overlap, misfire, pushes, next_fire_at FROM flow_schedules, n`,
	}
}

// makeFlows stores flows that fire at each full hour from a moment on.
func makeFlows(t *testing.T, s *database.Store, raw *sql.DB, now time.Time) {
	t.Helper()
	c := &connections.Connection{ID: uuid.NewString(), Workspace: "ws", Revision: 1, Name: "pool", APIType: connections.DataPush,
		AuthType: connections.Custom, Status: connections.Untested, CreatedAt: now, UpdatedAt: now}
	require.NoError(t, s.CreateConnection(t.Context(), c))
	require.NoError(t, s.CreateFlow(t.Context(), &flows.Flow{
		ID: uuid.NewString(), Workspace: "ws", Revision: 1, Enabled: true, CreatedAt: now, UpdatedAt: now, Spec: flows.Spec{
			Name: "flow", Export: flows.Export{Type: flows.ExportRecords},
			Import:    flows.Import{Type: flows.ImportDataPush, ConnectionID: c.ID, Table: "T"},
			MaxErrors: &flows.Threshold{}, Schedule: &flows.Schedule{Cron: "0 * * * *", TimeZone: "UTC"}}}))
	for _, text := range clones(manyFlows) {
		_, err := raw.ExecContext(t.Context(), text)
		require.NoError(t, err)
	}
}
