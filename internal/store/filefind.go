package store

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// FindFile gives the uploaded file with a content: one of the given name before
// others, the newest of several. Fault FileNotFound.
func (s *Store) FindFile(ctx context.Context, workspace, sha256, name string) (_ *flows.File, err error) {
	defer s.explain(&err, "FindFile")
	return one(ctx, s.read, scanFile, q("SELECT "+fileColumns+` FROM files
		WHERE workspace = $1 AND sha256 = $2 AND removed_at = 0 AND expires_at = 0
		ORDER BY CASE WHEN name = $3 THEN 0 ELSE 1 END, id DESC LIMIT 1`, workspace, sha256, clean(name)),
		fault.New(fault.FileNotFound, "no uploaded file has the SHA-256 %q", sha256))
}
