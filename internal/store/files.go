package store

import (
	"context"
	"database/sql"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// CreateFile implements flows.FileStore.
func (s *Store) CreateFile(ctx context.Context, f *flows.File) (err error) {
	defer s.explain(&err, "CreateFile")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, q(`INSERT INTO files (workspace, id, name, bytes, sha256, created_at) VALUES `+placeholders(1, 6),
			f.Workspace, f.ID, clean(f.Name), f.Bytes, f.SHA256, micros(f.CreatedAt)))
		if err != nil {
			return err
		}
		// The digest of a file is that of its content.
		return s.note(ctx, tx, audit.Event{Workspace: f.Workspace, Action: audit.Created, Kind: audit.File, ObjectID: f.ID, Name: f.Name, After: f.SHA256})
	})
}

// File implements flows.FileStore; fault FileNotFound.
func (s *Store) File(ctx context.Context, workspace, id string) (_ *flows.File, err error) {
	defer s.explain(&err, "File")
	scan := func(r row) (f flows.File, err error) {
		return f, r.Scan(&f.Workspace, &f.ID, &f.Name, &f.Bytes, &f.SHA256, moment{&f.CreatedAt})
	}
	return one(ctx, s.read, scan,
		q("SELECT workspace, id, name, bytes, sha256, created_at FROM files WHERE workspace = $1 AND id = $2", workspace, id),
		fault.New(fault.FileNotFound, "there is no file %q", id))
}
