package app_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is the connector in this process, on a port of loopback, with its log.
type service struct {
	*apptest.Client
	t   testing.TB
	app *app.App
	cfg config.Config
	log *logBuffer
	// roles are those that open starts; nil is every one.
	roles []app.Role
	// made are the options that open makes the service with.
	made []app.Option
	// id and secret are those of the API client that Client has its token from.
	id, secret string
}

// settings are those of a small service with everything embedded.
func settings(t testing.TB, allowed ...string) config.Config {
	t.Helper()
	key, err := crypto.GenerateEntry()
	require.NoError(t, err)
	cfg := config.Default()
	cfg.Listen = "127.0.0.1:0"
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.MasterKeys = crypto.NewSecret(key)
	cfg.AllowedHosts = allowed
	cfg.SweepInterval = 20 * time.Millisecond
	cfg.SavedTests, cfg.UnsavedTests = 1000, 1000
	cfg.RateLimit, cfg.RateLimitRecords, cfg.RateLimitFiles, cfg.RateLimitAddress, cfg.RateLimitWrong = config.Rate{}, config.Rate{}, config.Rate{}, config.Rate{}, config.Rate{}
	cfg.LogLevel = "debug"
	return cfg
}

// start starts the roles, every one when none is named, with a configuration; the test's end stops it.
func start(t testing.TB, cfg config.Config, roles ...app.Role) *service {
	t.Helper()
	return startWith(t, cfg, nil, roles...)
}

// startWith is start with options of the service.
func startWith(t testing.TB, cfg config.Config, options []app.Option, roles ...app.Role) *service {
	t.Helper()
	s := &service{t: t, cfg: cfg, log: &logBuffer{}, roles: roles, made: options}
	s.open()
	c, secret, err := s.app.Access.CreateClient(t.Context(), app.Workspace, "tests", []string{"all"})
	require.NoError(t, err)
	s.id, s.secret = c.ID, secret.Reveal()
	s.Client = apptest.NewClient(t, s.app.URL(), s.id, s.secret)
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Log(s.log.telling())
		}
	})
	return s
}

// begin starts a service that may reach the simulators.
func begin(t testing.TB, sims ...*apptest.Sim) *service {
	t.Helper()
	urls := make([]string, len(sims))
	for i, sim := range sims {
		urls[i] = sim.URL
	}
	return start(t, settings(t, urls...))
}

func (s *service) open() {
	s.t.Helper()
	log, redactor, err := app.NewLog(s.cfg, s.log)
	require.NoError(s.t, err)
	ctx := context.WithoutCancel(s.t.Context())
	s.app, err = app.New(ctx, s.cfg, log, redactor, s.made...)
	require.NoError(s.t, err)
	roles := s.roles
	if roles == nil {
		roles = app.AllRoles()
	}
	require.NoError(s.t, s.app.Start(ctx, roles))
}

// stop ends the service as a signal would; it may be called again.
func (s *service) stop() {
	s.t.Helper()
	if s.app == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), s.cfg.StopTimeout)
	defer cancel()
	require.NoError(s.t, s.app.Stop(ctx))
	s.app = nil
}

// restart stops the service and starts another on the same data, with every role.
func (s *service) restart() {
	s.t.Helper()
	s.stop()
	s.roles = nil
	s.open()
	s.Client = s.At(s.app.URL())
}

// on gives the service for a subtest.
func (s *service) on(t testing.TB) *service {
	other := *s
	other.t, other.Client = t, s.For(t)
	return &other
}

// fileFlow uploads content and makes a flow from it to the table; change may turn the flow.
func (s *service) fileFlow(connection, table, format, content string, change ...func(spec map[string]any)) (flowID string) {
	s.t.Helper()
	fileID := s.Upload("input."+format, strings.NewReader(content))
	spec := apptest.FileFlow("flow to "+table, fileID, format, connection, table)
	for _, c := range change {
		c(spec)
	}
	return s.Flow(spec)
}

// part gives a member of a flow that is an object.
func part(spec map[string]any, name string) map[string]any { return spec[name].(map[string]any) }

// set changes members of a flow's part.
func set(name string, members map[string]any) func(map[string]any) {
	return func(spec map[string]any) {
		if name == "" {
			for k, v := range members {
				spec[k] = v
			}
			return
		}
		for k, v := range members {
			part(spec, name)[k] = v
		}
	}
}

// mapped gives a flow a mapping.
func mapped(rules ...map[string]any) func(map[string]any) {
	return set("", map[string]any{"mapping": rules})
}

// logBuffer keeps what the service logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var _ io.Writer = (*logBuffer)(nil)

// Write implements io.Writer.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// telling leaves out the lines about requests.
func (b *logBuffer) telling() string {
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, "msg=request ") {
			out.WriteString(line)
		}
	}
	return out.String()
}
