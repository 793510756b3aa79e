package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
)

var (
	_ flows.RunFileStore = (*Store)(nil)
	_ flows.FileSweeper  = (*Store)(nil)
)

const (
	// inUseAgain is after how long a file is looked at again whose time is over and that a flow reads.
	inUseAgain = 24 * time.Hour
	// removalsKept is how long a process may be away and still hear of the files that are gone.
	removalsKept = 30 * 24 * time.Hour
)

// AddRunFile implements flows.RunFileStore. It holds the run's row, so that
// publish is called only while the worker has the run (I2).
func (s *Store) AddRunFile(ctx context.Context, t flows.Token, f *flows.File, publish func() error) (err error) {
	defer s.explain(&err, "AddRunFile")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		flowID, err := one(ctx, tx, scanText, q("SELECT flow_id FROM runs WHERE "+held+s.dialect.lockParent, t.Workspace, t.RunID, t.Fence), lost(t))
		if err != nil {
			return err
		}
		f.Workspace, f.RunID, f.FlowID = t.Workspace, t.RunID, *flowID
		insert := insertFile(f)
		insert.text += " ON CONFLICT DO NOTHING"
		n, err := exec(ctx, tx, insert)
		if err != nil || n == 0 {
			return err
		}
		if err := publish(); err != nil {
			return err
		}
		return s.note(ctx, tx, fileEvent(audit.Created, f))
	})
}

// dropFilesOf takes the files of a deleted flow away. One that another flow
// reads stays, and is nobody's until its time is over.
func (s *Store) dropFilesOf(ctx context.Context, tx *sql.Tx, workspace, flowID string) error {
	ids, err := all(ctx, tx, scanText, q("SELECT id FROM files WHERE workspace = $1 AND flow_id = $2"+s.dialect.lockRow, workspace, flowID))
	if err != nil || len(ids) == 0 {
		return err
	}
	used, err := usedFiles(ctx, tx, workspace, "fileId")
	if err != nil {
		return err
	}
	for _, id := range ids {
		if used[id] {
			_, err = exec(ctx, tx, q("UPDATE files SET flow_id = '', run_id = '' WHERE workspace = $1 AND id = $2", workspace, id))
		} else if _, err = exec(ctx, tx, q("DELETE FROM files WHERE workspace = $1 AND id = $2", workspace, id)); err == nil {
			err = s.letGo(ctx, tx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// SweepFiles implements flows.FileSweeper.
func (s *Store) SweepFiles(ctx context.Context, now time.Time, limit int) (removed int64, err error) {
	defer s.explain(&err, "SweepFiles")
	over, err := all(ctx, s.read, scanFile, q("SELECT "+fileColumns+` FROM files WHERE expires_at > 0 AND expires_at <= $1 AND removed_at = 0
		ORDER BY expires_at LIMIT $2`, micros(now), limitOf(limit)))
	if err != nil {
		return 0, err
	}
	for i := range over {
		gone, err := s.expire(ctx, &over[i], now)
		if err != nil {
			return removed, err
		}
		if gone {
			removed++
		}
	}
	_, err = exec(ctx, s.write, q("DELETE FROM file_removals WHERE removed_at < $1", micros(now.Add(-removalsKept))))
	return removed, err
}

// expire marks one file as removed, unless a flow reads it: then it is looked at again later.
func (s *Store) expire(ctx context.Context, f *flows.File, now time.Time) (gone bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		gone = false
		there, err := exists(ctx, tx, q("SELECT 1 FROM files WHERE workspace = $1 AND id = $2 AND removed_at = 0 AND expires_at = $3"+s.dialect.lockRow,
			f.Workspace, f.ID, micros(f.ExpiresAt)))
		if err != nil || !there {
			return err
		}
		used, err := usedFiles(ctx, tx, f.Workspace, f.ID)
		if err != nil {
			return err
		}
		if used[f.ID] {
			_, err = exec(ctx, tx, q("UPDATE files SET expires_at = $3 WHERE workspace = $1 AND id = $2", f.Workspace, f.ID, micros(now.Add(inUseAgain))))
			return err
		}
		if _, err := exec(ctx, tx, q("UPDATE files SET removed_at = $3 WHERE workspace = $1 AND id = $2", f.Workspace, f.ID, micros(now))); err != nil {
			return err
		}
		if err := s.letGo(ctx, tx, f.ID); err != nil {
			return err
		}
		gone = true
		return s.note(ctx, tx, fileEvent(audit.Deleted, f))
	})
	return gone, err
}

// RemovedFiles implements flows.FileSweeper.
func (s *Store) RemovedFiles(ctx context.Context, after flows.RemovedFile, limit int) (_ []flows.RemovedFile, err error) {
	defer s.explain(&err, "RemovedFiles")
	scan := func(r row) (f flows.RemovedFile, err error) { return f, r.Scan(&f.ID, moment{&f.RemovedAt}) }
	return all(ctx, s.read, scan, q(`SELECT id, removed_at FROM file_removals WHERE (removed_at, id) > ($1, $2) ORDER BY removed_at, id LIMIT $3`,
		micros(after.RemovedAt), after.ID, limitOf(limit)))
}

// DeadPushes implements flows.FileSweeper.
func (s *Store) DeadPushes(ctx context.Context, pushIDs []string) (dead map[string]bool, err error) {
	dead = map[string]bool{}
	if len(pushIDs) == 0 {
		return dead, nil
	}
	defer s.explain(&err, "DeadPushes")
	running := q("SELECT push_job_id FROM runs WHERE " + live)
	running.in("push_job_id", pushIDs)
	alive, err := all(ctx, s.read, scanText, running)
	if err != nil {
		return nil, err
	}
	files := q("SELECT id FROM files WHERE removed_at = 0")
	files.in("id", pushIDs)
	made, err := all(ctx, s.read, scanText, files)
	if err != nil {
		return nil, err
	}
	for _, id := range pushIDs {
		dead[id] = false
	}
	for _, id := range made {
		dead[id] = true
	}
	for _, id := range alive {
		delete(dead, id)
	}
	return dead, nil
}
