package store

import "context"

// WorkspaceKeyKind is the kind of row that the envelope of a workspace's key is
// bound to; the id is the key's purpose, the field WorkspaceKeyField.
const (
	WorkspaceKeyKind  = "workspaceKey"
	WorkspaceKeyField = "key"
)

const selectWorkspaceKey = "SELECT envelope FROM workspace_keys WHERE workspace = $1 AND purpose = $2"

// WorkspaceKey gives the sealed key of a workspace for a purpose; ok is false while there is none.
func (s *Store) WorkspaceKey(ctx context.Context, workspace, purpose string) (envelope string, ok bool, err error) {
	defer s.explain(&err, "WorkspaceKey")
	return first(ctx, s.read, scanText, q(selectWorkspaceKey, workspace, purpose))
}

// InitWorkspaceKey stores the first key of a workspace for a purpose and gives
// the one that stands: another process may have been first.
func (s *Store) InitWorkspaceKey(ctx context.Context, workspace, purpose, envelope string) (standing string, err error) {
	defer s.explain(&err, "InitWorkspaceKey")
	_, err = exec(ctx, s.write, q(`INSERT INTO workspace_keys (workspace, purpose, key_id, envelope, created_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, workspace, purpose, keyOf(envelope), envelope, micros(s.now())))
	if err != nil {
		return "", err
	}
	standing, _, err = first(ctx, s.write, scanText, q(selectWorkspaceKey, workspace, purpose))
	return standing, err
}
