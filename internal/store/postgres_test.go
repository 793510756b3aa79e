package store_test

import (
	"database/sql"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// postgresPair is a store and a connection past it to the same database.
func postgresPair(t *testing.T) (*store.Store, *sql.DB) {
	dsn := testservers.PostgreSQL(t)
	raw, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, raw.Close()) })
	return open(t, store.Config{URL: dsn}), raw
}

// A claim must wait for a batch that is on its way into its run, else the
// batch would be in a run that has looked for its batches already.
func TestPostgreSQLClaimWaitsForTheBatchOnItsWay(t *testing.T) {
	t.Parallel()
	s, raw := postgresPair(t)
	flow := newFlow(t, s)
	run := newRun(t, s, flow)

	// The lock lets AddRecords find its run and stops it before the batch is in.
	tx, err := raw.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE record_batches IN SHARE MODE")
	require.NoError(t, err)
	var done sync.WaitGroup
	done.Go(func() {
		taker, err := s.AddRecords(t.Context(), &flows.RecordBatch{ID: newID(t), Workspace: workspace, FlowID: flow.ID}, draftRun(t, flow))
		if assert.NoError(t, err) {
			assert.Equal(t, run.ID, taker.ID)
		}
	})
	awaitWaiting(t, raw, 1)
	var ids []string
	done.Go(func() {
		claimed, err := s.ClaimRun(t.Context(), run.ID, flows.Claim{Now: now, Until: now.Add(time.Minute)})
		if assert.NoError(t, err) {
			ids, err = s.AssignRecords(t.Context(), claimed.Token())
			assert.NoError(t, err)
		}
	})
	awaitWaiting(t, raw, 2)
	read, err := s.Run(t.Context(), workspace, run.ID)
	require.NoError(t, err)
	require.Equal(t, flows.Queued, read.State)
	require.NoError(t, tx.Commit())
	done.Wait()
	require.Len(t, ids, 1)
}

// awaitWaiting returns when n sessions wait for a lock of the database.
func awaitWaiting(t *testing.T, raw *sql.DB, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		var waiting int
		err := raw.QueryRow(`SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		return err == nil && waiting == n
	}, 20*time.Second, 5*time.Millisecond)
}

func TestPostgreSQLComesBackAfterItsConnectionsWereCut(t *testing.T) {
	t.Parallel()
	s, raw := postgresPair(t)
	flow := newFlow(t, s)
	for range 3 {
		_, err := raw.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		require.NoError(t, err)
		_, err = s.Flow(t.Context(), workspace, flow.ID)
		if err != nil {
			require.Equal(t, fault.StoreUnavailable, fault.CodeOf(err), "%v", err)
		}
		require.Eventually(t, func() bool {
			_, err := s.Flow(t.Context(), workspace, flow.ID)
			return err == nil
		}, 20*time.Second, 5*time.Millisecond)
	}
}

// A connection that is cut in the middle of a statement is a lost database, not a fault of the program.
func TestPostgreSQLLosesItsConnectionInAStatement(t *testing.T) {
	t.Parallel()
	s, raw := postgresPair(t)
	flow := newFlow(t, s)
	tx, err := raw.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE runs IN EXCLUSIVE MODE")
	require.NoError(t, err)
	result := make(chan error, 1)
	go func() { result <- s.InsertRun(t.Context(), draftRun(t, flow)) }()
	awaitWaiting(t, raw, 1)
	_, err = raw.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	require.NoError(t, err)
	require.Equal(t, fault.StoreUnavailable, fault.CodeOf(<-result))
	require.NoError(t, tx.Rollback())
}

func TestPostgreSQLManyProcessesOpenANewDatabase(t *testing.T) {
	t.Parallel()
	dsn := testservers.PostgreSQL(t)
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			s, err := store.Open(t.Context(), store.Config{URL: dsn, MaxConns: 2})
			if assert.NoError(t, err) {
				assert.NoError(t, s.Close())
			}
		})
	}
	done.Wait()
}

// What a list of runs and a flow's statistics read is found along an index, however many runs there have been.
func TestPostgreSQLReadsTheHistoryAlongAnIndex(t *testing.T) {
	t.Parallel()
	_, raw := postgresPair(t)
	conn, err := raw.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	// The table is empty: without this the planner would rather read it whole, and sort.
	_, err = conn.ExecContext(t.Context(), "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
	require.NoError(t, err)
	at := time.UnixMicro(1)
	texts := map[string]string{}
	for _, c := range []struct {
		query flows.RunQuery
		index string
	}{
		{flows.RunQuery{Workspace: "w", From: at, To: at, State: flows.Failed, Page: flows.Page{After: "1_a"}}, "runs_history"},
		{flows.RunQuery{Workspace: "w", FlowID: "f", From: at}, "runs_flow_history"},
	} {
		text, _, err := store.HistoryText(c.query)
		require.NoError(t, err)
		texts[text] = c.index
	}
	for state, index := range map[flows.State]string{flows.Succeeded: "runs_succeeded", flows.Failed: "runs_failed"} {
		for _, text := range store.StreakTexts(state) {
			texts[text] = index
		}
	}
	for text, index := range texts {
		args := []any{pgx.QueryExecModeSimpleProtocol}
		for n := 1; strings.Contains(text, "$"+strconv.Itoa(n)); n++ {
			args = append(args, "1")
		}
		rows, err := conn.QueryContext(t.Context(), "EXPLAIN "+text, args...)
		require.NoError(t, err, text)
		plan := ""
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			plan += line + "\n"
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
		require.Contains(t, plan, index+" ", text)
		require.NotContains(t, plan, "Sort ", text)
	}
}
