package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// A push whose connection goes offline ends at once; the next one tries the connection anew.
func TestPushDoesNotWaitForAnOfflineConnection(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	p := newProgram(t, sim.URL)
	p.connect("pool", sim, "")
	file := p.file("orders.csv", "id\n1\n")
	push := func() result { return p.run("push", file, "--connection", "pool", "--table", "ORDERS", "--json") }
	refused := sim.AddFault(celonissim.Fault{Status: 403, Route: "push.*"})
	for _, when := range []string{"it goes offline", "it is offline"} {
		r := push()
		require.Equal(t, exitConnection, r.code, "%s: %s%s", when, r.stdout, r.stderr)
		require.Contains(t, r.stdout+r.stderr, "celonis.forbidden", when)
		require.Contains(t, r.stdout+r.stderr, "Data Push API", "%s: the hint", when)
	}
	sim.RequireNoTable("ORDERS")
	require.True(t, sim.RemoveFault(refused))
	r := push()
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Equal(t, 1, sim.MustTable("ORDERS").Rows())
}

func TestConfig(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	p := newProgram(t, sim.URL)
	p.connect("pool", sim, "")
	file := p.file("orders.csv", "id\n1\n")
	require.Equal(t, exitOK, p.run("push", file, "--connection", "pool", "--table", "ORDERS").code)
	exported := p.run("config", "export")
	require.Equal(t, exitOK, exported.code, exported.stderr)
	require.NotContains(t, exported.stdout, sim.AppKey)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(exported.stdout), &doc))

	other := newProgram(t, sim.URL)
	path := filepath.Join(other.dir, "config.json")
	require.NoError(t, os.WriteFile(path, []byte(exported.stdout), 0o600))
	look := other.run("config", "import", path)
	require.Equal(t, exitOK, look.code, look.stderr)
	require.Regexp(t, `create +connection +"pool"`, look.stdout)
	require.Regexp(t, `create +flow +"shell: ORDERS"`, look.stdout)
	require.Contains(t, look.stdout, "2 changes would be made")
	require.Contains(t, other.run("config", "import", path, "--apply").stdout, "2 changes made, 0 conflicts")
	require.Regexp(t, `unchanged +connection +"pool"`, other.run("config", "import", path).stdout)
	offline := other.run("push", file, "--connection", "pool", "--table", "ORDERS")
	require.Equal(t, exitConnection, offline.code, "%s%s", offline.stdout, offline.stderr)
	require.Contains(t, offline.stderr, "connection.secret_required", "it arrived without its key")

	doc["flows"].([]any)[0].(map[string]any)["import"].(map[string]any)["connection"] = "nobody"
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	conflict := other.run("config", "import", path)
	require.Equal(t, exitFailed, conflict.code)
	require.Contains(t, conflict.stdout, "names no connection")
	require.Equal(t, exitFailed, other.run("config", "import", file).code)
}
