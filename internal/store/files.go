package store

import (
	"context"
	"database/sql"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

const fileColumns = "workspace, id, name, bytes, sha256, created_at, flow_id, run_id, format, records, expires_at, removed_at"

func scanFile(r row) (f flows.File, err error) {
	return f, r.Scan(&f.Workspace, &f.ID, &f.Name, &f.Bytes, &f.SHA256, moment{&f.CreatedAt}, &f.FlowID, &f.RunID, &f.Format, &f.Rows,
		moment{&f.ExpiresAt}, moment{&f.RemovedAt})
}

func noFile(id string) *fault.Error { return fault.New(fault.FileNotFound, "there is no file %q", id) }

// CreateFile implements flows.FileStore.
func (s *Store) CreateFile(ctx context.Context, f *flows.File) (err error) {
	defer s.explain(&err, "CreateFile")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := exec(ctx, tx, insertFile(f)); err != nil {
			return err
		}
		return s.note(ctx, tx, fileEvent(audit.Created, f))
	})
}

func insertFile(f *flows.File) query {
	return q("INSERT INTO files ("+fileColumns+") VALUES "+placeholders(1, 12), f.Workspace, f.ID, clean(f.Name), f.Bytes, f.SHA256,
		micros(f.CreatedAt), f.FlowID, f.RunID, f.Format, f.Rows, micros(f.ExpiresAt), micros(f.RemovedAt))
}

// fileEvent tells of a file; its digest is that of its content.
func fileEvent(action audit.Action, f *flows.File) audit.Event {
	e := audit.Event{Workspace: f.Workspace, Action: action, Kind: audit.File, ObjectID: f.ID, Name: f.Name}
	if action == audit.Deleted {
		e.Before = f.SHA256
	} else {
		e.After = f.SHA256
	}
	return e
}

// File implements flows.FileStore; fault FileNotFound.
func (s *Store) File(ctx context.Context, workspace, id string) (_ *flows.File, err error) {
	defer s.explain(&err, "File")
	return one(ctx, s.read, scanFile, q("SELECT "+fileColumns+" FROM files WHERE workspace = $1 AND id = $2", workspace, id), noFile(id))
}

// Files implements flows.FileLister.
func (s *Store) Files(ctx context.Context, query flows.FileQuery) (_ []flows.File, err error) {
	defer s.explain(&err, "Files")
	list := q("SELECT "+fileColumns+" FROM files WHERE workspace = $1 AND removed_at = 0", query.Workspace)
	for _, c := range []struct{ condition, value string }{{"flow_id = $", query.FlowID}, {"run_id = $", query.RunID}, {"id < $", query.Page.After}} {
		if c.value != "" {
			list.and(c.condition, c.value)
		}
	}
	list.limit("id DESC", limitOf(query.Page.Limit))
	return all(ctx, s.read, scanFile, list)
}

// FilesOfRuns implements flows.FileLister.
func (s *Store) FilesOfRuns(ctx context.Context, workspace string, runIDs []string) (_ []flows.File, err error) {
	if len(runIDs) == 0 {
		return nil, nil
	}
	defer s.explain(&err, "FilesOfRuns")
	list := q("SELECT "+fileColumns+" FROM files WHERE workspace = $1", workspace)
	list.in("run_id", runIDs)
	list.text += " ORDER BY id"
	return all(ctx, s.read, scanFile, list)
}

// DeleteFile implements flows.FileStore. It holds the file's row, and a flow
// that is stored holds those of the files that it reads, so that none comes to
// read a file that is being deleted.
func (s *Store) DeleteFile(ctx context.Context, workspace, id string) (err error) {
	defer s.explain(&err, "DeleteFile")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		f, err := one(ctx, tx, scanFile, q("SELECT "+fileColumns+" FROM files WHERE workspace = $1 AND id = $2"+s.dialect.lockRow, workspace, id), noFile(id))
		if err != nil {
			return err
		}
		used, err := usedFiles(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		making, err := exists(ctx, tx, q("SELECT 1 FROM runs WHERE workspace = $1 AND id = $2 AND "+live, workspace, f.RunID))
		if err != nil {
			return err
		}
		if used[id] || making {
			return fault.New(fault.FileInUse, "a flow or a run that has not ended uses the file %q", f.Name).
				WithHint("give the flow another file, or delete it, and wait for its runs")
		}
		if _, err := exec(ctx, tx, q("DELETE FROM files WHERE workspace = $1 AND id = $2", workspace, id)); err != nil {
			return err
		}
		if err := s.letGo(ctx, tx, id); err != nil {
			return err
		}
		return s.note(ctx, tx, fileEvent(audit.Deleted, f))
	})
}

// letGo lists a file's bytes among those that may go.
func (s *Store) letGo(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := exec(ctx, tx, q("INSERT INTO file_removals (id, removed_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", id, micros(s.now())))
	return err
}

// usedFiles gives the files that flows read and that runs which have not ended
// read by an older revision; about is a file's id, or "fileId" for all files.
func usedFiles(ctx context.Context, tx *sql.Tx, workspace, about string) (map[string]bool, error) {
	scan := func(r row) (spec flows.Spec, err error) { return spec, r.Scan(document{&spec}) }
	specs, err := all(ctx, tx, scan, q(`SELECT spec FROM flows WHERE workspace = $1 AND spec LIKE $2
		UNION ALL SELECT v.spec FROM runs r JOIN flow_revisions v ON v.workspace = r.workspace AND v.flow_id = r.flow_id AND v.revision = r.flow_revision
		WHERE r.workspace = $1 AND r.`+live+` AND v.spec LIKE $2`, workspace, `%"`+about+`"%`))
	used := map[string]bool{}
	for _, spec := range specs {
		for _, id := range spec.FileIDs() {
			used[id] = true
		}
	}
	return used, err
}

// holdFiles holds the rows of the files that a flow reads.
func (s *Store) holdFiles(ctx context.Context, tx *sql.Tx, f *flows.Flow) error {
	for _, id := range f.FileIDs() {
		if _, err := exists(ctx, tx, q("SELECT 1 FROM files WHERE workspace = $1 AND id = $2"+s.dialect.lockParent, f.Workspace, id)); err != nil {
			return err
		}
	}
	return nil
}
