package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// chainVersion is the migration that chains the audit log. It is made here
// because the triggers that keep the log append-only are of each dialect.
const chainVersion = 17

// auditChain is the schema of the chain. Events that are there already keep
// the number 0: the genesis of their workspace's chain seals them.
func auditChain() []string {
	statements := []string{}
	for _, column := range []string{"seq BIGINT NOT NULL DEFAULT 0", "client_ip TEXT NOT NULL DEFAULT ''", "run_id TEXT NOT NULL DEFAULT ''",
		"worker TEXT NOT NULL DEFAULT ''", "purpose TEXT NOT NULL DEFAULT ''", "before_hash TEXT NOT NULL DEFAULT ''",
		"after_hash TEXT NOT NULL DEFAULT ''", "prev_hash TEXT NOT NULL DEFAULT ''", "hash TEXT NOT NULL DEFAULT ''"} {
		statements = append(statements, "ALTER TABLE audit_events ADD COLUMN "+column)
	}
	return append(statements,
		"CREATE INDEX audit_events_chain ON audit_events (workspace, seq, id)",
		"CREATE UNIQUE INDEX audit_events_seq ON audit_events (workspace, seq) WHERE seq > 0",
		"CREATE INDEX audit_events_at ON audit_events (workspace, at)",
		`CREATE TABLE audit_heads (
			workspace TEXT   NOT NULL PRIMARY KEY,
			seq       BIGINT NOT NULL,
			hash      TEXT   NOT NULL,
			genesis   TEXT   NOT NULL,
			older     BIGINT NOT NULL
		)`)
}

// The guards keep events from being changed or deleted, and a head from going back.
var (
	sqliteGuards = []string{
		`CREATE TRIGGER audit_events_update BEFORE UPDATE ON audit_events BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END`,
		`CREATE TRIGGER audit_events_delete BEFORE DELETE ON audit_events BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END`,
		`CREATE TRIGGER audit_heads_delete BEFORE DELETE ON audit_heads BEGIN SELECT RAISE(ABORT, 'audit_heads only moves on'); END`,
		`CREATE TRIGGER audit_heads_update BEFORE UPDATE ON audit_heads
			WHEN NEW.seq <> OLD.seq + 1 OR NEW.workspace <> OLD.workspace OR NEW.genesis <> OLD.genesis OR NEW.older <> OLD.older
			BEGIN SELECT RAISE(ABORT, 'audit_heads only moves on'); END`,
	}
	postgresGuards = []string{
		`CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$`,
		`CREATE TRIGGER audit_events_change BEFORE UPDATE OR DELETE ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_refuse()`,
		`CREATE TRIGGER audit_events_truncate BEFORE TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()`,
		`CREATE TRIGGER audit_heads_delete BEFORE DELETE ON audit_heads FOR EACH ROW EXECUTE FUNCTION audit_refuse()`,
		`CREATE TRIGGER audit_heads_truncate BEFORE TRUNCATE ON audit_heads FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()`,
		`CREATE TRIGGER audit_heads_update BEFORE UPDATE ON audit_heads FOR EACH ROW
			WHEN (NEW.seq <> OLD.seq + 1 OR NEW.workspace <> OLD.workspace OR NEW.genesis <> OLD.genesis OR NEW.older <> OLD.older)
			EXECUTE FUNCTION audit_refuse()`,
	}
)

func (s *Store) chainMigration() *goose.Migration {
	return goose.NewGoMigration(chainVersion, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		for _, text := range append(auditChain(), s.dialect.auditGuards...) {
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return fmt.Errorf("%w in %.60q", err, text)
			}
		}
		return nil
	}}, nil)
}

// genesisPage is how many older events are held while a chain begins.
const genesisPage = 1000

const auditHeadColumns = "workspace, seq, hash, genesis, older"

func scanAuditHead(r row) (h audit.Head, err error) {
	return h, r.Scan(&h.Workspace, &h.Seq, &h.Hash, &h.Genesis, &h.Older)
}

// chainHead reads the end of a workspace's chain and holds it until the
// transaction ends, so that the chain has no gap and no fork. The first event
// of a workspace begins the chain.
func (s *Store) chainHead(ctx context.Context, tx *sql.Tx, workspace string) (audit.Head, error) {
	read := q("SELECT "+auditHeadColumns+" FROM audit_heads WHERE workspace = $1"+s.dialect.lockRow, workspace)
	h, found, err := first(ctx, tx, scanAuditHead, read)
	if err != nil || found {
		return h, err
	}
	g := audit.NewGenesis(workspace)
	for after := ""; ; {
		older, err := auditOlder(ctx, tx, workspace, after, genesisPage)
		if err != nil {
			return h, err
		}
		for i := range older {
			if err := g.Add(&older[i]); err != nil {
				return h, err
			}
			after = older[i].ID
		}
		if len(older) < genesisPage {
			break
		}
	}
	_, err = exec(ctx, tx, q("INSERT INTO audit_heads ("+auditHeadColumns+") VALUES ($1, 0, $2, $2, $3) ON CONFLICT DO NOTHING", workspace, g.Hash(), g.Older()))
	if err != nil {
		return h, err
	}
	h, _, err = first(ctx, tx, scanAuditHead, read)
	return h, err
}

// NoteEvent implements audit.Sink.
func (s *Store) NoteEvent(ctx context.Context, e audit.Event) (err error) {
	defer s.explain(&err, "NoteEvent")
	return s.inTx(ctx, func(tx *sql.Tx) error { return s.note(ctx, tx, e) })
}

var (
	_ audit.Sink = (*Store)(nil)
	_ audit.Log  = (*Store)(nil)
)

// AuditHead implements audit.Log.
func (s *Store) AuditHead(ctx context.Context, workspace string) (_ audit.Head, _ bool, err error) {
	defer s.explain(&err, "AuditHead")
	return first(ctx, s.read, scanAuditHead, q("SELECT "+auditHeadColumns+" FROM audit_heads WHERE workspace = $1", workspace))
}

// AuditRows implements audit.Log.
func (s *Store) AuditRows(ctx context.Context, workspace string, after audit.Place, limit int) (_ []audit.Event, err error) {
	defer s.explain(&err, "AuditRows")
	return all(ctx, s.read, scanEvent, q("SELECT "+auditColumns+` FROM audit_events WHERE workspace = $1 AND seq > 0 AND (seq, id) > ($2, $3)
		ORDER BY seq, id LIMIT $4`, workspace, after.Seq, after.ID, limitOf(limit)))
}

// AuditOlder implements audit.Log.
func (s *Store) AuditOlder(ctx context.Context, workspace, afterID string, limit int) (_ []audit.Event, err error) {
	defer s.explain(&err, "AuditOlder")
	return auditOlder(ctx, s.read, workspace, afterID, limit)
}

func auditOlder(ctx context.Context, db executor, workspace, afterID string, limit int) ([]audit.Event, error) {
	return all(ctx, db, scanEvent, q("SELECT "+auditColumns+" FROM audit_events WHERE workspace = $1 AND seq <= 0 AND id > $2 ORDER BY id LIMIT $3",
		workspace, afterID, limitOf(limit)))
}

// AuditSeqOf implements audit.Log.
func (s *Store) AuditSeqOf(ctx context.Context, workspace, hash string) (seq int64, err error) {
	defer s.explain(&err, "AuditSeqOf")
	seq, _, err = first(ctx, s.read, func(r row) (n int64, err error) { return n, r.Scan(&n) },
		q("SELECT COALESCE(MAX(seq), 0) FROM audit_events WHERE workspace = $1 AND ($2 = '' OR hash = $2)", workspace, hash))
	return seq, err
}

// AuditWorkspaces lists the workspaces that have a record, in order.
func (s *Store) AuditWorkspaces(ctx context.Context) (_ []string, err error) {
	defer s.explain(&err, "AuditWorkspaces")
	return all(ctx, s.read, scanText, q("SELECT workspace FROM audit_heads UNION SELECT workspace FROM audit_events ORDER BY 1"))
}

// Fingerprint gives a digest of a sealed secret that shows a change of the
// value and cannot be guessed from it; place says what the envelope belongs to.
type Fingerprint func(workspace, kind, id, field, envelope string) string

// Fingerprints says how secrets are told apart in the audit log; call it
// before the first change. Without it, only the time at which a secret was given counts.
func (s *Store) Fingerprints(f Fingerprint) { s.fingerprint = f }

// digests puts what an object was and is into an event; nil for what there is not.
func digests(e *audit.Event, before, after any) error {
	for _, side := range []struct {
		object any
		to     *string
	}{{before, &e.Before}, {after, &e.After}} {
		if side.object == nil {
			continue
		}
		var err error
		if *side.to, err = audit.Hash(side.object); err != nil {
			return fault.Wrap(err, fault.Internal, "the object cannot be hashed for the audit log")
		}
	}
	return nil
}
