package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/telemetry"
	"github.com/stretchr/testify/require"
)

// asProgram makes the test binary be the program.
const asProgram = "CONNECTOR_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	go func() {
		// The parent holds the other end; when it dies the program must not outlive it.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(99)
	}()
	main()
}

// program is the connector in an environment of its own.
type program struct {
	t   *testing.T
	dir string
	env map[string]string
}

// newProgram gives the program a data folder and a master key, and allows the hosts.
func newProgram(t *testing.T, allowed ...string) *program {
	t.Helper()
	key, err := crypto.GenerateEntry()
	require.NoError(t, err)
	dir := t.TempDir()
	return &program{t: t, dir: dir, env: map[string]string{
		"CONNECTOR_DATA_DIR":       filepath.Join(dir, "data"),
		"CONNECTOR_MASTER_KEYS":    key,
		"CONNECTOR_ALLOWED_HOSTS":  strings.Join(allowed, ","),
		"CONNECTOR_LISTEN":         "127.0.0.1:0",
		"CONNECTOR_LEASE":          "1s",
		"CONNECTOR_SWEEP_INTERVAL": "100ms",
	}}
}

// with gives the program with some variables set otherwise; "" takes one away.
func (p *program) with(pairs ...string) *program {
	other := *p
	other.env = maps.Clone(p.env)
	for i := 0; i+1 < len(pairs); i += 2 {
		other.env[pairs[i]] = pairs[i+1]
		if pairs[i+1] == "" {
			delete(other.env, pairs[i])
		}
	}
	return &other
}

func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = p.dir
	cmd.Env = []string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + p.dir}
	for name, value := range p.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func (p *program) run(args ...string) result {
	p.t.Helper()
	c := p.start(args...)
	return c.wait()
}

// child is a running command.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	// url is where it serves, "" for a command that does not.
	url            string
	stdout, stderr *output
	done           chan struct{}
}

// start begins a command; the test ends it.
func (p *program) start(args ...string) *child {
	p.t.Helper()
	c := &child{t: p.t, cmd: p.command(args...), stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c.stdout, c.stderr
	stdin, err := c.cmd.StdinPipe()
	require.NoError(p.t, err)
	c.stdin = stdin
	require.NoError(p.t, c.cmd.Start())
	go func() { defer close(c.done); _ = c.cmd.Wait() }()
	p.t.Cleanup(func() {
		c.kill()
		if p.t.Failed() {
			p.t.Logf("connector %s\n%s%s", strings.Join(args, " "), c.stdout, telling(c.stderr.String()))
		}
	})
	return c
}

// telling leaves out the log's lines about requests, of which there are too many to find the others.
func telling(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "msg=request ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// serve starts the service and waits until it listens.
func (p *program) serve(roles string) *child {
	p.t.Helper()
	c := p.start("serve", "--role", roles)
	const mark = "connector listens on "
	line := c.stdout.await(p.t, mark, c.done)
	c.url, _, _ = strings.Cut(line[strings.Index(line, mark)+len(mark):], " ")
	return c
}

// kill ends the process as a crash would.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Signal(s))
}

// wait waits for the end of the process.
func (c *child) wait() result {
	c.t.Helper()
	apptest.Receive(c.t, c.done, "the process has ended")
	return result{c.cmd.ProcessState.ExitCode(), c.stdout.String(), c.stderr.String()}
}

// output keeps what a process writes, and tells of its lines.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func newOutput() *output { return &output{wrote: make(chan struct{}, 1)} }

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits for a whole line that holds the mark.
func (o *output) await(t *testing.T, mark string, ended <-chan struct{}) string {
	t.Helper()
	late := time.After(apptest.Patience)
	for {
		lines := bufio.NewScanner(strings.NewReader(o.String()))
		for lines.Scan() {
			if strings.Contains(lines.Text(), mark) {
				return lines.Text()
			}
		}
		select {
		case <-o.wrote:
		case <-ended:
			require.FailNow(t, "the process ended before it wrote "+mark)
		case <-late:
			require.FailNow(t, "the process does not write "+mark)
		}
	}
}

// client makes an API client with every scope by the program's own command.
func (p *program) client(url string) *apptest.Client {
	p.t.Helper()
	id, secret := p.newClient("tests")
	return apptest.NewClient(p.t, url, id, secret)
}

// inside opens the program's app in this process, for what the shell has no command for.
func (p *program) inside(work func(context.Context, *app.App)) {
	p.t.Helper()
	cfg := config.Default()
	cfg.DataDir = p.env["CONNECTOR_DATA_DIR"]
	cfg.MasterKeys = crypto.NewSecret(p.env["CONNECTOR_MASTER_KEYS"])
	cfg.DatabaseURL = crypto.NewSecret(p.env["CONNECTOR_DATABASE_URL"])
	cfg.AllowedHosts = strings.Split(p.env["CONNECTOR_ALLOWED_HOSTS"], ",")
	ctx := p.t.Context()
	a, err := app.New(ctx, cfg, slog.New(slog.DiscardHandler), telemetry.NewRedactor())
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, a.Stop(context.WithoutCancel(ctx))) }()
	work(ctx, a)
}

// connect stores a connection to the simulator; a key of "" is its App key.
func (p *program) connect(name string, sim *apptest.Sim, key string) {
	p.t.Helper()
	if key == "" {
		key = sim.AppKey
	}
	p.inside(func(ctx context.Context, a *app.App) {
		_, err := a.Connections.Create(ctx, app.Workspace, connections.Draft{
			Name: name, APIType: connections.DataPush, Domain: sim.Host, AuthType: connections.Custom,
			AppKey: crypto.NewSecret(key), PoolID: sim.Pool,
		}, connections.CreateOptions{SkipTest: true})
		require.NoError(p.t, err)
	})
}

// file writes a file for the program and gives its path.
func (p *program) file(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	require.NoError(p.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// written makes a file by a function that writes it.
func written(t *testing.T, path string, write func(io.Writer) error) string {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, errors.Join(write(f), f.Close()))
	return path
}
