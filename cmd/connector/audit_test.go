package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/audit"
)

func TestAuditVerifyAndHead(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	type reports struct{ Workspaces []audit.Report }
	type heads struct{ Heads []headLine }
	require.Empty(t, printed[reports](t, p, "audit", "verify").Workspaces)

	for _, name := range []string{"first", "second"} {
		printed[newSecret](t, p, "clients", "create", "--name", name, "--scopes", "flows:read")
	}
	head := printed[heads](t, p, "audit", "head").Heads
	require.Len(t, head, 1)
	require.True(t, strings.HasPrefix(head[0].Head, "2:"), head[0].Head)
	printed[newSecret](t, p, "clients", "create", "--name", "third", "--scopes", "flows:read")

	whole := printed[reports](t, p, "audit", "verify", "--head", head[0].Head).Workspaces
	require.Len(t, whole, 1)
	require.EqualValues(t, 3, whole[0].Events)
	require.Contains(t, p.run("audit", "verify", "--workspace", "default").stdout, "default: whole, 3 events")
	require.Equal(t, exitUsage, p.run("audit", "verify", "--head", "nonsense").code)

	raw, err := sql.Open("sqlite", filepath.Join(p.dir, "data", "connector.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, raw.Close()) }()
	_, err = raw.Exec("UPDATE audit_events SET actor = 'nobody' WHERE seq = 2")
	require.ErrorContains(t, err, "append-only")
	for _, text := range []string{"DROP TRIGGER audit_events_update", "UPDATE audit_events SET actor = 'nobody' WHERE seq = 2"} {
		_, err = raw.Exec(text)
		require.NoError(t, err)
	}
	r := p.run("audit", "verify")
	require.Equal(t, exitTampered, r.code, r.stdout)
	require.Contains(t, r.stdout, "default: BROKEN at event 2 (changed)")
}
