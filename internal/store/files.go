package store

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// CreateFile implements flows.FileStore.
func (s *Store) CreateFile(ctx context.Context, f *flows.File) (err error) {
	defer s.explain(&err, "CreateFile")
	_, err = exec(ctx, s.write, q(`INSERT INTO files (workspace, id, name, bytes, sha256, created_at) VALUES `+placeholders(1, 6),
		f.Workspace, f.ID, clean(f.Name), f.Bytes, f.SHA256, micros(f.CreatedAt)))
	return err
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
