package store_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/store"
)

// recorded is a database with a record of six events after two older ones, and a connection past the store.
type recorded struct {
	*store.Store
	raw    *sql.DB
	anchor audit.Anchor
}

func forBoth(t *testing.T, test func(*testing.T, func(*testing.T) (*store.Store, *sql.DB))) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T) (*store.Store, *sql.DB) {
			path := filepath.Join(t.TempDir(), "connector.db")
			return open(t, store.Config{Path: path}), rawSQLite(t, path)
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, postgresPair)
	})
}

func record(t *testing.T, s *store.Store, raw *sql.DB) recorded {
	t.Helper()
	for i := range 2 {
		_, err := raw.Exec(`INSERT INTO audit_events (id, workspace, at, actor, request_id, action, kind, object_id, name, fields)
			VALUES ($1, $2, 5, 'old', '', 'created', 'flow', 'f', 'n', '[]')`, fmt.Sprintf("000%d", i), workspace)
		require.NoError(t, err)
	}
	r := recorded{Store: s, raw: raw}
	for i := range 6 {
		note(t, s, fmt.Sprintf("n%d", i+1))
		if i == 3 {
			h, ok, err := s.AuditHead(t.Context(), workspace)
			require.NoError(t, err)
			require.True(t, ok)
			r.anchor = audit.Anchor{Seq: h.Seq, Hash: h.Hash}
		}
	}
	return r
}

func note(t *testing.T, s *store.Store, name string) {
	t.Helper()
	ctx := audit.As(t.Context(), audit.Actor{ID: "anna", RequestID: "r", From: "192.0.2.1"})
	require.NoError(t, s.NoteEvent(ctx, audit.Event{Workspace: workspace, Action: audit.Updated, Kind: audit.Flow, ObjectID: "f", Name: name, Fields: []string{"name"}}))
}

func (r recorded) verify(t *testing.T, anchor *audit.Anchor) audit.Report {
	t.Helper()
	report, err := audit.Verify(t.Context(), r.Store, workspace, anchor)
	require.NoError(t, err)
	return report
}

// unguarded takes the triggers away and gives what brings them and the rows back.
func (r recorded) unguarded(t *testing.T) {
	t.Helper()
	if r.Dialect() == "postgres" {
		for _, table := range []string{"audit_events", "audit_heads"} {
			_, err := r.raw.Exec("ALTER TABLE " + table + " DISABLE TRIGGER USER")
			require.NoError(t, err)
		}
		return
	}
	for _, name := range []string{"audit_events_update", "audit_events_delete", "audit_heads_delete", "audit_heads_update"} {
		_, err := r.raw.Exec("DROP TRIGGER " + name)
		require.NoError(t, err)
	}
}

func TestAuditIsAppendOnlyInSQL(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, pair func(*testing.T) (*store.Store, *sql.DB)) {
		s, raw := pair(t)
		r := record(t, s, raw)
		for _, text := range []string{
			"UPDATE audit_events SET name = 'x' WHERE seq = 3", "DELETE FROM audit_events WHERE seq = 3", "DELETE FROM audit_events WHERE seq = 0",
			"DELETE FROM audit_heads", "UPDATE audit_heads SET seq = 2", "UPDATE audit_heads SET genesis = 'x'",
		} {
			_, err := raw.Exec(text)
			require.ErrorContains(t, err, "audit_", text)
		}
		if s.Dialect() == "postgres" {
			_, err := raw.Exec("TRUNCATE audit_events")
			require.ErrorContains(t, err, "append-only")
		}
		report := r.verify(t, &r.anchor)
		require.Nil(t, report.Broken)
		require.Equal(t, []int64{6, 2}, []int64{report.Events, report.Older})
	})
}

func TestAuditTamperingIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change string
		anchor bool
		damage audit.Damage
		seq    int64
	}{
		"a value":            {"UPDATE audit_events SET name = 'x' WHERE seq = 3", false, audit.Altered, 3},
		"the actor":          {"UPDATE audit_events SET actor = 'bob' WHERE seq = 1", false, audit.Altered, 1},
		"the address":        {"UPDATE audit_events SET client_ip = '' WHERE seq = 6", false, audit.Altered, 6},
		"the time":           {"UPDATE audit_events SET at = at + 1 WHERE seq = 2", false, audit.Altered, 2},
		"a hash":             {"UPDATE audit_events SET hash = '00' WHERE seq = 4", false, audit.Altered, 4},
		"a link":             {"UPDATE audit_events SET prev_hash = '00' WHERE seq = 4", false, audit.Altered, 4},
		"moved":              {"UPDATE audit_events SET workspace = 'elsewhere' WHERE seq = 4", false, audit.Missing, 4},
		"gone":               {"DELETE FROM audit_events WHERE seq = 4", false, audit.Missing, 4},
		"the first is gone":  {"DELETE FROM audit_events WHERE seq = 1", false, audit.Missing, 1},
		"all are gone":       {"DELETE FROM audit_events WHERE seq > 0", false, audit.Truncated, 1},
		"reordered":          {"UPDATE audit_events SET seq = 99 WHERE seq = 3; UPDATE audit_events SET seq = 3 WHERE seq = 4; UPDATE audit_events SET seq = 4 WHERE seq = 99", false, audit.Reordered, 3},
		"the tail":           {"DELETE FROM audit_events WHERE seq > 4", false, audit.Truncated, 5},
		"tail, older head":   {"DELETE FROM audit_events WHERE seq > 4; UPDATE audit_heads SET seq = 4", false, audit.HeadChanged, 4},
		"head set back":      {"UPDATE audit_heads SET seq = 4, hash = (SELECT hash FROM audit_events WHERE seq = 4)", false, audit.HeadChanged, 4},
		"head gone":          {"DELETE FROM audit_heads", false, audit.HeadChanged, 0},
		"an older event":     {"UPDATE audit_events SET actor = 'x' WHERE id = '0001'", false, audit.OlderChanged, 0},
		"older event gone":   {"DELETE FROM audit_events WHERE id = '0000'", false, audit.OlderChanged, 0},
		"older event put in": {"UPDATE audit_events SET seq = 0 WHERE seq = 6", false, audit.OlderChanged, 0},
		"a twin":             {"DROP INDEX audit_events_seq; UPDATE audit_events SET seq = 3 WHERE seq = 4", false, audit.Inserted, 3},
		"tail and head cut":  {"DELETE FROM audit_events WHERE seq > 3; UPDATE audit_heads SET seq = 3, hash = (SELECT hash FROM audit_events WHERE seq = 3)", true, audit.Truncated, 4},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			forBoth(t, func(t *testing.T, pair func(*testing.T) (*store.Store, *sql.DB)) {
				s, raw := pair(t)
				r := record(t, s, raw)
				require.Nil(t, r.verify(t, &r.anchor).Broken)
				r.unguarded(t)
				for text := range strings.SplitSeq(c.change, ";") {
					_, err := raw.Exec(text)
					require.NoError(t, err)
				}
				var anchor *audit.Anchor
				if c.anchor {
					require.Nil(t, r.verify(t, nil).Broken, "without an anchor this cannot be found")
					anchor = &r.anchor
				}
				report := r.verify(t, anchor)
				require.NotNil(t, report.Broken)
				require.Equal(t, []any{c.damage, c.seq}, []any{report.Broken.Damage, report.Broken.Seq}, report.Broken.Detail)
			})
		})
	}
}

// Whoever can write to the database can make a whole new chain; an anchor that
// was kept elsewhere still finds it.
func TestAuditRewrittenChainMissesTheAnchor(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, pair func(*testing.T) (*store.Store, *sql.DB)) {
		s, raw := pair(t)
		r := record(t, s, raw)
		r.unguarded(t)
		h, _, err := s.AuditHead(t.Context(), workspace)
		require.NoError(t, err)
		_, err = raw.Exec("DELETE FROM audit_events WHERE seq > 0")
		require.NoError(t, err)
		_, err = raw.Exec("UPDATE audit_heads SET seq = 0, hash = genesis")
		require.NoError(t, err)
		for range h.Seq {
			note(t, s, "another")
		}
		require.Nil(t, r.verify(t, nil).Broken)
		report := r.verify(t, &r.anchor)
		require.NotNil(t, report.Broken)
		require.Equal(t, audit.AnchorMissed, report.Broken.Damage)
		require.Equal(t, r.anchor.Seq, report.Broken.Seq)
	})
}

func TestAuditChainHasNoGapUnderConcurrency(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, pair func(*testing.T) (*store.Store, *sql.DB)) {
		s, raw := pair(t)
		const writers, each = 8, 25
		var done sync.WaitGroup
		for range writers {
			done.Go(func() {
				for range each {
					assert.NoError(t, s.NoteEvent(t.Context(), audit.Event{Workspace: workspace, Action: audit.Updated, Kind: audit.Flow, Name: "n"}))
				}
			})
		}
		done.Wait()
		report := recorded{Store: s, raw: raw}.verify(t, nil)
		require.Nil(t, report.Broken)
		require.EqualValues(t, writers*each, report.Events)
	})
}
