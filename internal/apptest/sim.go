package apptest

import (
	"strings"
	"sync"
	"testing"

	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// The routes of the simulator that tests stop at.
const (
	Create = "push.jobs.create"
	Upload = "push.chunks.upsert"
	Submit = "push.jobs.submit"
	Get    = "push.jobs.get"
)

// Sim is a simulator on a port of loopback, with one team, one pool and a key of each kind.
type Sim struct {
	*celonissim.Server
	// URL is its address, Host the same without the scheme.
	URL, Host string
	// Pool is the pool's id, Source that of its data connection.
	Pool, Source string
	// AppKey and APIKey have every permission.
	AppKey, APIKey string

	t     testing.TB
	mu    sync.Mutex
	traps []*Trap
}

// NewSim starts a simulator without submit limits; change may turn its options.
func NewSim(t testing.TB, change ...func(*celonissim.Options)) *Sim {
	t.Helper()
	o := celonissim.DefaultOptions()
	o.QueueDelay, o.RunDelay = 0, 0
	o.Limits.SubmitsOff = true
	s := &Sim{t: t}
	o.OnRequest = s.pass
	for _, c := range change {
		c(&o)
	}
	team := o.Teams[0]
	s.AppKey, s.APIKey, s.Pool = team.Credentials[0].Key, team.Credentials[1].Key, team.Pools[0].ID
	s.Source = team.Pools[0].DataSources[0].ID
	s.Server = celonissim.New(o)
	url, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	s.URL, s.Host = url, strings.TrimPrefix(url, "http://")
	t.Cleanup(func() {
		s.releaseAll()
		require.NoError(t, s.Close())
	})
	return s
}

// Trap holds one request before the simulator does anything for it.
type Trap struct {
	route string
	left  int
	table string
	came  chan struct{}
	free  chan struct{}
	once  sync.Once
}

// Trap holds the n-th request, from now on and from 1, of a route whose push
// job fills the table; a job that is being made has none yet, so "" fits every table.
func (s *Sim) Trap(route, table string, n int) *Trap {
	trap := &Trap{route: route, table: table, left: n, came: make(chan struct{}), free: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traps = append(s.traps, trap)
	return trap
}

// Came is closed when the request is there.
func (t *Trap) Came() <-chan struct{} { return t.came }

// Release lets the request go on, or never be held.
func (t *Trap) Release() { t.once.Do(func() { close(t.free) }) }

func (s *Sim) pass(r celonissim.Request) {
	var hit []*Trap
	s.mu.Lock()
	for _, t := range s.traps {
		if t.route != r.Route || t.table != "" && t.table != r.Table {
			continue
		}
		if t.left--; t.left == 0 {
			hit = append(hit, t)
		}
	}
	s.mu.Unlock()
	for _, t := range hit {
		close(t.came)
		<-t.free
	}
}

func (s *Sim) releaseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.traps {
		t.Release()
	}
}

// MustTable gives a table of the pool that must be there.
func (s *Sim) MustTable(name string) *celonissim.Table {
	s.t.Helper()
	table, ok := s.Table(s.Pool, name)
	require.True(s.t, ok, "the simulator has no table %s", name)
	return table
}

// RequireNoTable demands that nothing of a table is visible.
func (s *Sim) RequireNoTable(name string) {
	s.t.Helper()
	_, ok := s.Table(s.Pool, name)
	require.False(s.t, ok, "the simulator has the table %s", name)
}

// Column gives a column's values in the order of their arrival; null is "<null>".
func Column(table *celonissim.Table, name string) []string {
	out := make([]string, table.Rows())
	for i := range out {
		text, null := table.Value(name, i)
		if null {
			text = "<null>"
		}
		out[i] = text
	}
	return out
}
