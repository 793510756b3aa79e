package store_test

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSQLiteFilesAreTheOwnersOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data ?#% 100%25")
	path := filepath.Join(dir, "connector ü?#%41.db")
	s := open(t, store.Config{Path: path})
	require.Equal(t, "sqlite", s.Dialect())
	newFlow(t, s)
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestSQLiteNarrowsTheModeOfAnOldFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connector.db")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	open(t, store.Config{Path: path})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestSQLiteKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connector.db")
	s, err := store.Open(t.Context(), store.Config{Path: path})
	require.NoError(t, err)
	flow := newFlow(t, s)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice is once")
	got, err := open(t, store.Config{Path: path}).Flow(t.Context(), workspace, flow.ID)
	require.NoError(t, err)
	require.Equal(t, flow, got)
}

const (
	childPath = "STORE_TEST_CHILD_PATH"
	childRuns = 20
	children  = 4
)

// TestSQLiteChild is the body of a process of TestSQLiteServesManyProcesses.
func TestSQLiteChild(t *testing.T) {
	path := os.Getenv(childPath)
	if path == "" {
		t.Skip("runs only as a child process")
	}
	s := open(t, store.Config{Path: path})
	flow := newFlow(t, s)
	for range childRuns {
		run := newRun(t, s, flow)
		held, err := s.ClaimRun(t.Context(), run.ID, flows.Claim{Now: now, Until: now.Add(time.Minute)})
		require.NoError(t, err)
		require.NoError(t, s.SettleRun(t.Context(), held.Token(), flows.Settlement{State: flows.Failed, Now: now}))
	}
}

func TestSQLiteServesManyProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connector.db")
	var done sync.WaitGroup
	for range children {
		done.Go(func() {
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSQLiteChild$", "-test.v")
			c.Env = append(os.Environ(), childPath+"="+path)
			output, err := c.CombinedOutput()
			assert.NoError(t, err, string(output))
			assert.Contains(t, string(output), "--- PASS: TestSQLiteChild")
		})
	}
	done.Wait()
	s := open(t, store.Config{Path: path})
	found, err := s.Flows(t.Context(), workspace, flows.Page{})
	require.NoError(t, err)
	require.Len(t, found, children)
	for _, f := range found {
		runs, err := s.Runs(t.Context(), workspace, f.ID, flows.Page{})
		require.NoError(t, err)
		require.Len(t, runs, childRuns)
	}
}

func TestSQLiteOpenedByManyAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connector.db")
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			s, err := store.Open(t.Context(), store.Config{Path: path, MaxConns: 1})
			if assert.NoError(t, err) {
				assert.NoError(t, s.Ping(t.Context()))
				assert.NoError(t, s.Close())
			}
		})
	}
	done.Wait()
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notADatabase := filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(notADatabase, []byte(strings.Repeat("not a database ", 1000)), 0o600))
	for name, test := range map[string]struct {
		config store.Config
		retry  fault.Retry
	}{
		"Nothing":      {store.Config{}, fault.Never},
		"OtherScheme":  {store.Config{URL: "mysql://root:geheim@localhost/db"}, fault.Never},
		"BrokenURL":    {store.Config{URL: "postgres://u:geheim@host:port/db"}, fault.Never},
		"NobodyThere":  {store.Config{URL: "postgres://u:geheim@127.0.0.1:1/db"}, fault.Later},
		"Folder":       {store.Config{Path: dir}, fault.Later},
		"NotADatabase": {store.Config{Path: notADatabase}, fault.Later},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), test.config)
			require.Equal(t, fault.StoreUnavailable, fault.CodeOf(err), "%v", err)
			require.Equal(t, test.retry, fault.RetryOf(err))
			require.NotContains(t, err.Error(), "geheim")
		})
	}
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "connector.db")})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = s.Flow(t.Context(), workspace, "flow")
	require.Equal(t, fault.StoreUnavailable, fault.CodeOf(err))
}

// A caller's deadline holds while another process has the write lock.
func TestSQLiteBusyEndsWithTheDeadline(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connector.db")
	s := open(t, store.Config{Path: path})
	flow := newFlow(t, s)
	tx, err := rawSQLite(t, path+"?_txlock=immediate").Begin()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = s.InsertRun(ctx, draftRun(t, flow))
	require.Equal(t, fault.StoreUnavailable, fault.CodeOf(err), "%v", err)
	require.Equal(t, fault.Later, fault.RetryOf(err))
	_, err = s.Flow(t.Context(), workspace, flow.ID)
	require.NoError(t, err, "readers go on")
	require.NoError(t, tx.Rollback())
	newRun(t, s, flow)
}

func TestTimesComeFromTheClock(t *testing.T) {
	t.Parallel()
	s := open(t, store.Config{Path: filepath.Join(t.TempDir(), "connector.db"), Now: func() time.Time { return now }})
	flow := newFlow(t, s)
	run := newRun(t, s, flow)
	claimed, err := s.ClaimRun(t.Context(), run.ID, flows.Claim{Now: now.Add(-time.Hour), Until: now.Add(time.Minute)})
	require.NoError(t, err)
	require.NoError(t, s.SaveCheckpoint(t.Context(), claimed.Token(), flows.Checkpoint{}, []flows.RecordError{{Record: 1}}))
	found, err := s.RecordErrors(t.Context(), flows.ErrorQuery{Workspace: workspace, FlowID: flow.ID})
	require.NoError(t, err)
	require.Equal(t, now, found[0].CreatedAt)
	saved, err := s.Run(t.Context(), workspace, run.ID)
	require.NoError(t, err)
	require.Equal(t, now, saved.UpdatedAt)
}

// The sweep runs every few seconds and must not read the history of all runs.
func TestSQLiteSweepReadsOnlyLiveRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connector.db")
	open(t, store.Config{Path: path})
	rows, err := rawSQLite(t, path).Query("EXPLAIN QUERY PLAN "+store.SweepText, 1, 1, 1)
	require.NoError(t, err)
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan.WriteString(detail + "\n")
	}
	require.NoError(t, rows.Err())
	require.Contains(t, plan.String(), "SCAN runs USING INDEX runs_due")
}

// Lists of runs and what runs came to are read along an index, however many runs there have been.
func TestSQLiteReadsTheHistoryAlongAnIndex(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connector.db")
	open(t, store.Config{Path: path})
	raw := rawSQLite(t, path)
	at := time.UnixMicro(1)
	for _, c := range []struct {
		query flows.RunQuery
		index string
	}{
		{flows.RunQuery{Workspace: "w"}, "runs_history (workspace=?)"},
		{flows.RunQuery{Workspace: "w", From: at, To: at, State: flows.Failed, Page: flows.Page{After: "1_a"}}, "runs_history (workspace=? AND"},
		{flows.RunQuery{Workspace: "w", FlowID: "f"}, "runs_flow_history (workspace=? AND flow_id=?)"},
		{flows.RunQuery{Workspace: "w", FlowID: "f", From: at}, "runs_flow_history (workspace=? AND flow_id=? AND created_at>?)"},
	} {
		text, args, err := store.HistoryText(c.query)
		require.NoError(t, err)
		plan := planOf(t, raw, text, args)
		require.Contains(t, plan, c.index)
		require.NotContains(t, plan, "TEMP B-TREE", "nothing is sorted")
	}
	for state, index := range map[flows.State]string{flows.Succeeded: "runs_succeeded", flows.Failed: "runs_failed"} {
		for _, text := range store.StreakTexts(state) {
			require.Contains(t, planOf(t, raw, text, []any{"w", "f", 1, 1}), "USING COVERING INDEX "+index)
		}
	}
}

func planOf(t *testing.T, raw *sql.DB, text string, args []any) string {
	t.Helper()
	rows, err := raw.Query("EXPLAIN QUERY PLAN "+text, args[:min(len(args), strings.Count(text, "$"))]...)
	require.NoError(t, err)
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan.WriteString(detail + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}
