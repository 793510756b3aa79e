package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/stretchr/testify/require"
)

// newClient runs clients create.
func (p *program) newClient(name string) (id, secret string) {
	p.t.Helper()
	r := p.run("clients", "create", "--name", name, "--scopes", "all", "--json")
	require.Equal(p.t, exitOK, r.code, r.stderr)
	var made struct{ ClientID, ClientSecret string }
	require.NoError(p.t, json.Unmarshal([]byte(r.stdout), &made), r.stdout)
	require.NotEmpty(p.t, made.ClientID)
	require.NotEmpty(p.t, made.ClientSecret)
	return made.ClientID, made.ClientSecret
}

func TestDemoOnce(t *testing.T) {
	t.Parallel()
	p := newProgram(t).with("CONNECTOR_MASTER_KEYS", "", "CONNECTOR_LISTEN", "")
	r := p.run("demo", "--once", "--rows", "5000")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Contains(t, r.stdout, "read 5,000 = filtered 0 + pushed 5,000 + errored 0")
	require.Contains(t, r.stdout, "DEMO_EVENTS has 5,000 rows of 12 columns, each value as in the file")
	left, err := filepath.Glob(filepath.Join(p.dir, "celonis-connector-demo-*"))
	require.NoError(t, err)
	require.Empty(t, left, "the demo leaves its files behind")
}

func TestDemoOfARealLog(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "data", "receipt.csv"))
	require.NoError(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the event log receipt.csv is not beside the repository: %v", err)
	}
	r := newProgram(t).run("demo", "--once", "--file", path)
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Contains(t, r.stdout, "each value as in the file")
}

func TestDemoStaysUpUntilInterrupted(t *testing.T) {
	t.Parallel()
	c := newProgram(t).start("demo", "--rows", "10")
	c.stdout.await(t, "The service stays up", c.done)
	c.signal(syscall.SIGINT)
	require.Equal(t, exitOK, c.wait().code)
}

// Two demos at once, and a demo beside a service, do not get into each other's way.
func TestDemosTakeTheirOwnPorts(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	first, err := demoPort("", taken.Addr().String())
	require.NoError(t, err)
	defer first.Close()
	second, err := demoPort("", first.Addr().String())
	require.NoError(t, err)
	defer second.Close()
	require.NotEqual(t, first.Addr(), second.Addr())

	p := newProgram(t).with("CONNECTOR_LISTEN", "")
	for range 2 {
		c := p.start("demo", "--rows", "10")
		c.stdout.await(t, "The service stays up", c.done)
		require.Regexp(t, `service +http://127\.0\.0\.1:[0-9]+,`, c.stdout.String())
		defer c.signal(syscall.SIGINT)
	}
}

func TestDemoOnTheAskedPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	r := newProgram(t).with("CONNECTOR_LISTEN", taken.Addr().String()).run("demo", "--once", "--rows", "10")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "CONNECTOR_LISTEN")
	require.Contains(t, r.stderr, taken.Addr().String())
	require.Contains(t, r.stderr, "in use")
}

func TestDemoWithoutAFile(t *testing.T) {
	t.Parallel()
	r := newProgram(t).run("demo", "--once", "--file", "nowhere.csv")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "nowhere.csv")
}

// What a shell gets: the code that the help promises, and a sentence that says why.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	weak := "k1:" + strings.Repeat("QUFB", 10) + "QUE="
	for name, c := range map[string]struct {
		args []string
		env  []string
		code int
		says []string
	}{
		"no command":         {code: exitOK},
		"help":               {args: []string{"push", "--help"}, code: exitOK},
		"unknown command":    {args: []string{"pusch"}, code: exitUsage, says: []string{`unknown command "pusch"`}},
		"unknown flag":       {args: []string{"serve", "--rolle", "api"}, code: exitUsage, says: []string{"--rolle"}},
		"unknown role":       {args: []string{"serve", "--role", "chef"}, code: exitUsage, says: []string{`unknown role "chef"`, "worker"}},
		"missing argument":   {args: []string{"push", "--connection", "c", "--table", "t"}, code: exitUsage, says: []string{"accepts 1 arg"}},
		"missing flag":       {args: []string{"push", "f.csv", "--table", "t"}, code: exitUsage, says: []string{`"connection" not set`}},
		"too many events":    {args: []string{"demo", "--rows", "50000001"}, code: exitUsage, says: []string{"--rows"}},
		"name without kind":  {args: []string{"push", "orders", "--connection", "c", "--table", "t"}, code: exitConnection, says: []string{`no connection "c"`, "hint"}},
		"role without Redis": {args: []string{"serve", "--role", "worker"}, code: exitUsage, says: []string{"--role worker", "CONNECTOR_REDIS_URL"}},
		"no key": {
			args: []string{"serve"}, env: []string{"CONNECTOR_MASTER_KEYS", ""}, code: exitFailed,
			says: []string{"no master key is set", "keyring.invalid", "connector keys generate"},
		},
		"bad key": {
			args: []string{"serve"}, env: []string{"CONNECTOR_MASTER_KEYS", "k1:short"}, code: exitFailed,
			says: []string{"keyring.invalid", "connector keys generate"},
		},
		"weak key": {
			args: []string{"serve"}, env: []string{"CONNECTOR_MASTER_KEYS", weak}, code: exitFailed,
			says: []string{"keyring.weak_key", "connector keys generate"},
		},
		"keys twice": {
			args: []string{"serve"}, env: []string{"CONNECTOR_MASTER_KEYS_FILE", "keys"}, code: exitFailed,
			says: []string{"exclude each other"},
		},
		"bad number": {
			args: []string{"serve"}, env: []string{"CONNECTOR_WORKERS", "none"}, code: exitFailed, says: []string{"Workers"},
		},
		"number out of range": {
			args: []string{"serve"}, env: []string{"CONNECTOR_LEASE", "1ms"}, code: exitFailed, says: []string{"CONNECTOR_LEASE"},
		},
		"bad host": {
			args: []string{"serve"}, env: []string{"CONNECTOR_ALLOWED_HOSTS", "ftp://x"}, code: exitFailed, says: []string{"egress.allow_list_invalid", "entry 1"},
		},
		"database that does not answer": {
			args: []string{"serve"}, env: []string{"CONNECTOR_DATABASE_URL", "postgres://u:hidden-word@127.0.0.1:1/x"}, code: exitFailed,
			says: []string{"store.unavailable"},
		},
		"bad Redis address": {
			args: []string{"serve"}, env: []string{"CONNECTOR_REDIS_URL", "http://u:hidden-word@127.0.0.1:1"}, code: exitFailed,
			says: []string{"queue.url_invalid"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newProgram(t).with(c.env...).run(c.args...)
			require.Equal(t, c.code, r.code, r.stderr)
			for _, s := range c.says {
				require.Contains(t, r.stderr, s)
			}
			require.NotContains(t, r.stdout+r.stderr, "hidden-word")
			require.NotContains(t, r.stderr, "goroutine ")
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	for _, arg := range []string{"version", "--version"} {
		r := p.run(arg)
		require.Equal(t, exitOK, r.code)
		require.Regexp(t, `^connector (version )?\S+ go1\.`, r.stdout)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	made := p.run("keys", "generate")
	require.Equal(t, exitOK, made.code)
	entry := strings.TrimSpace(made.stdout)
	_, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	require.NotEqual(t, entry, strings.TrimSpace(p.run("keys", "generate").stdout), "two keys are the same")

	sim := apptest.NewSim(t)
	first := p.with("CONNECTOR_MASTER_KEYS", entry, "CONNECTOR_ALLOWED_HOSTS", sim.URL)
	first.connect("pool", sim, "")
	status := first.run("keys", "status")
	require.Equal(t, exitOK, status.code, status.stderr)
	id, key, _ := strings.Cut(entry, ":")
	require.Regexp(t, id+` +1 +1 +1 +loaded, seals`, status.stdout, "the canary, the connection's key and that of the audit's digests")
	require.NotContains(t, status.stdout+status.stderr, key)

	// A new key in front seals from now on; the old one still opens.
	second := strings.TrimSpace(p.run("keys", "generate").stdout)
	both := first.with("CONNECTOR_MASTER_KEYS", second+","+entry).run("keys", "status", "--json")
	require.Equal(t, exitOK, both.code, both.stderr)
	var list struct{ Keys []app.KeyStatus }
	require.NoError(t, json.Unmarshal([]byte(both.stdout), &list))
	require.Len(t, list.Keys, 2)
	require.True(t, list.Keys[0].Primary)
	require.Equal(t, app.KeyStatus{ID: id, Loaded: true, Rows: 3, Sealed: map[string]int64{"canary": 1, "connection": 1, "workspaceKey": 1}}, list.Keys[1])

	// It may go once nothing is sealed under it any more.
	rotating := first.with("CONNECTOR_MASTER_KEYS", second+","+entry)
	held := rotating.run("keys", "retire", id)
	require.Equal(t, exitFailed, held.code)
	require.Contains(t, held.stderr, "keyring.key_in_use")
	require.Contains(t, held.stderr, "1 canary, 1 connection")
	for _, want := range []string{"2 secrets were sealed anew", "0 secrets were sealed anew"} {
		turned := rotating.run("keys", "rotate")
		require.Equal(t, exitOK, turned.code, turned.stderr)
		require.Contains(t, turned.stdout, want)
		require.NotContains(t, turned.stdout+turned.stderr, key)
	}
	log := printed[struct{ Events []auditLine }](t, rotating, "audit", "list", "--kind", "masterKey").Events
	require.Len(t, log, 2, "one of the workspace and one of the service's own key; a rotation without work leaves none")
	for i, workspace := range []string{"*", "default"} {
		primary, _, _ := strings.Cut(second, ":")
		require.Equal(t, []any{workspace, "shell", audit.Resealed, primary}, []any{log[i].Workspace, log[i].Actor, log[i].Action, log[i].Name})
	}
	require.Regexp(t, `default +[0-9]+ +\S+ +shell +resealed +masterKey`, rotating.run("audit", "list").stdout)
	require.Equal(t, exitUsage, rotating.run("audit", "list", "--kind", "cabbage").code)
	require.Equal(t, exitOK, rotating.run("audit", "verify").code)
	require.Equal(t, exitOK, rotating.run("keys", "retire", id).code)
	alone := first.with("CONNECTOR_MASTER_KEYS", second).run("keys", "status")
	require.Equal(t, exitOK, alone.code, alone.stderr)
	require.NotContains(t, alone.stdout, id)
}

func TestClients(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	id, secret := p.newClient("integration")
	again := p.run("clients", "create", "--name", "integration", "--scopes", "all")
	require.Equal(t, exitFailed, again.code)
	require.Contains(t, again.stderr, "access.client_exists")
	wrong := p.run("clients", "create", "--name", "other", "--scopes", "everything:do")
	require.Equal(t, exitFailed, wrong.code)
	require.Contains(t, wrong.stderr, "everything:do")

	list := p.run("clients", "list")
	require.Regexp(t, id+` +integration +enabled`, list.stdout)
	require.NotContains(t, list.stdout, secret)
	require.Equal(t, exitOK, p.run("clients", "disable", id).code)
	require.Regexp(t, id+` +integration +disabled`, p.run("clients", "list").stdout)
	require.Equal(t, exitFailed, p.run("clients", "disable", "nobody").code)
}

func TestServeTellsHowToMakeAClient(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	c := p.serve("all")
	c.stdout.await(t, "connector clients create --name me --scopes all", c.done)
	p.client(c.url).Call(200, "GET", "/v1/me", nil, nil)
	c.signal(syscall.SIGTERM)
	require.Equal(t, exitOK, c.wait().code)
	require.NotContains(t, p.serve("all").stdout.String(), "clients create", "a client exists")
}

// A key that does not fit the database must show before anything is served.
func TestServeRefusesAKeyThatDoesNotFit(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.newClient("one")
	other, err := crypto.GenerateEntry()
	require.NoError(t, err)
	r := p.with("CONNECTOR_MASTER_KEYS", other).run("serve")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "keyring.does_not_fit")
	require.Contains(t, r.stderr, "hint")
	require.NotContains(t, r.stdout, "listens on")
}

func TestServeOnATakenPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	r := newProgram(t).with("CONNECTOR_LISTEN", taken.Addr().String()).run("serve")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "CONNECTOR_LISTEN")
	require.Contains(t, r.stderr, taken.Addr().String())
	require.Contains(t, r.stderr, "in use")
}

func TestPushExitCodes(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	p := newProgram(t, sim.URL)
	p.connect("pool", sim, "")
	p.connect("wrong key", sim, "not-the-key-of-anything-here")
	good := p.file("good.csv", "id,amount\n1,2.5\n2,3.5\n")
	bad := p.file("bad.csv", "id,amount\n1,2.5\n2,3.5\n3\n")
	typed := p.file("typed.json", `[{"to":"ID","from":"id","type":"integer","required":true}]`)
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
		rows int
	}{
		{"good", []string{good, "--connection", "pool"}, exitOK, []string{"2 rows pushed", "read 2 = filtered 0 + pushed 2 + errored 0"}, 2},
		{"mapped", []string{good, "--connection", "pool", "--mapping", typed}, exitOK, []string{"2 rows pushed"}, 2},
		{"csv chunks", []string{good, "--connection", "pool", "--csv-chunks"}, exitOK, []string{"2 rows pushed"}, 2},
		{"delta", []string{good, "--connection", "pool", "--mode", "delta", "--key", "id"}, exitOK, []string{"2 rows pushed"}, 2},
		{"bad records", []string{bad, "--connection", "pool", "--max-errors", "50%"}, exitRecords, []string{"errored 1", "1 records are bad"}, 2},
		{"too many bad records", []string{bad, "--connection", "pool", "--max-errors", "0"}, exitFailed, []string{"run.too_many_errors", "hint"}, -1},
		{"wrong key", []string{good, "--connection", "wrong key"}, exitConnection, []string{"celonis.unauthorized", "hint"}, -1},
		{"no such connection", []string{good, "--connection", "nobody"}, exitConnection, []string{`no connection "nobody"`, "hint"}, -1},
		{"no such file", []string{"nowhere.csv", "--connection", "pool"}, exitFailed, []string{"nowhere.csv"}, -1},
		{"unknown mode", []string{good, "--connection", "pool", "--mode", "append"}, exitFailed, []string{"/import/mode"}, -1},
		{"delta without keys", []string{good, "--connection", "pool", "--mode", "delta"}, exitFailed, []string{"/import/keys"}, -1},
		{"bad threshold", []string{good, "--connection", "pool", "--max-errors", "many"}, exitUsage, []string{"--max-errors"}, -1},
		{"unknown kind of file", []string{p.file("orders", "a\n1\n"), "--connection", "pool"}, exitUsage, []string{"--format"}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := "T_" + strings.ReplaceAll(strings.ToUpper(c.name), " ", "_")
			own := *p
			own.t = t
			r := own.run(append([]string{"push", "--table", table}, c.args...)...)
			require.Equal(t, c.code, r.code, "%s%s", r.stdout, r.stderr)
			for _, s := range c.says {
				require.Contains(t, r.stdout+r.stderr, s)
			}
			if c.rows < 0 {
				sim.RequireNoTable(table)
				return
			}
			require.Equal(t, c.rows, sim.MustTable(table).Rows())
		})
	}
}

func TestPushAsJSON(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	p := newProgram(t, sim.URL)
	p.connect("pool", sim, "")
	for name, c := range map[string]struct {
		content string
		code    int
		state   flows.State
		fault   string
	}{
		"good.csv":     {"id\n1\n", exitOK, flows.Succeeded, ""},
		"header.csv":   {"id\n", exitFailed, flows.Failed, "source.empty"},
		"good.ndjson":  {"{\"id\":1}\n", exitOK, flows.Succeeded, ""},
		"good.json":    {"[{\"id\":1}]", exitOK, flows.Succeeded, ""},
		"good.parquet": {parquetText(t), exitOK, flows.Succeeded, ""},
		"cut.parquet":  {parquetText(t)[:60], exitFailed, flows.Failed, "source.truncated"},
	} {
		r := p.run("push", p.file(name, c.content), "--connection", "pool", "--table", "AS_JSON", "--json")
		require.Equal(t, c.code, r.code, r.stderr)
		var said pushReport
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &said), r.stdout)
		require.Equal(t, c.state, said.State)
		require.True(t, said.Ledger.Balanced())
		require.Empty(t, r.stderr)
		if c.fault != "" {
			require.NotNil(t, said.Error)
			require.EqualValues(t, c.fault, said.Error.Code)
		}
	}
}

// parquetText is a Parquet file of one record.
func parquetText(t *testing.T) string {
	t.Helper()
	schema := columns.Schema{{Name: "id", Type: columns.Integer}}
	encoder, err := columns.NewParquetEncoder(schema, columns.ParquetOptions{})
	require.NoError(t, err)
	b := columns.NewBatch(schema)
	b.Columns[0].AppendInt(1)
	b.Rows = 1
	require.NoError(t, encoder.Append(b))
	var out strings.Builder
	require.NoError(t, encoder.Finish(&out))
	return out.String()
}

// Ctrl-C ends the run, not only the shell's interest in it.
func TestInterruptedPush(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	p := newProgram(t, sim.URL).with("CONNECTOR_CHUNK_BYTES", "65536")
	p.connect("pool", sim, "")
	file := written(t, filepath.Join(p.dir, "events.csv"), func(w io.Writer) error { return eventlog.Write(w, eventlog.CSV, 20_000, 1) })
	trap := sim.Trap(apptest.Upload, "CUT", 3)
	c := p.start("push", file, "--connection", "pool", "--table", "CUT")
	apptest.Receive(t, trap.Came(), "the third chunk is under way")
	c.signal(syscall.SIGINT)
	r := c.wait()
	trap.Release()
	require.Equal(t, exitInterrupted, r.code, r.stderr)
	require.Contains(t, r.stdout, "canceled")
	sim.RequireNoTable("CUT")
	p.inside(func(ctx context.Context, a *app.App) {
		f, err := a.Flows.GetByName(ctx, app.Workspace, "shell: CUT")
		require.NoError(t, err)
		runs, err := a.Flows.ListRuns(ctx, app.Workspace, f.ID, flows.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, runs, 1)
		require.Equal(t, flows.Canceled, runs[0].State)
	})
}
