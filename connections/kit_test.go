package connections_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const (
	workspace = "ws"
	host      = "acme.eu-1.celonis.cloud"
	key       = "NGE1YjZjN2QtY2FuYXJ5LWtleQ=="
)

// memory is a Repository in memory.
type memory struct {
	mu    sync.Mutex
	rows  map[string]connections.Connection
	users map[string][]connections.Usage
	// beforeUpdate is called before an update looks at the row, when not nil.
	beforeUpdate func()
	saveErr      error
	// noted are the names of unsaved connections that were tested.
	noted []string
	// waiting are the runs that wait for any connection.
	waiting []string
}

var _ connections.Repository = (*memory)(nil)

func (m *memory) find(workspace, id string) (connections.Connection, error) {
	c, ok := m.rows[id]
	if !ok || c.Workspace != workspace {
		return c, fault.New(fault.ConnectionNotFound, "no connection %q", id)
	}
	return c, nil
}

func (m *memory) taken(c *connections.Connection) error {
	for _, other := range m.rows {
		if other.ID != c.ID && other.Workspace == c.Workspace && strings.EqualFold(other.Name, c.Name) {
			return fault.New(fault.ConnectionNameTaken, "the name %q is taken", c.Name)
		}
	}
	return nil
}

func (m *memory) CreateConnection(_ context.Context, c *connections.Connection) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.taken(c); err != nil {
		return err
	}
	m.rows[c.ID] = *c
	return nil
}

func (m *memory) Connection(_ context.Context, workspace, id string) (*connections.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.find(workspace, id)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

func (m *memory) ConnectionByName(context.Context, string, string) (*connections.Connection, error) {
	return nil, fault.New(fault.ConnectionNotFound, "none")
}

func (m *memory) Connections(_ context.Context, workspace string, _ connections.Page) ([]connections.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := []connections.Connection{}
	for _, c := range m.rows {
		if c.Workspace == workspace {
			list = append(list, c)
		}
	}
	return list, nil
}

func (m *memory) UpdateConnection(_ context.Context, c *connections.Connection) error {
	if m.beforeUpdate != nil {
		m.beforeUpdate()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	row, err := m.find(c.Workspace, c.ID)
	if err != nil {
		return err
	}
	if row.Revision != c.Revision-1 {
		return fault.New(fault.RequestStale, "stale")
	}
	if err := m.taken(c); err != nil {
		return err
	}
	m.rows[c.ID] = *c
	return nil
}

func (m *memory) DeleteConnection(_ context.Context, workspace, id string, revision int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.find(workspace, id)
	switch {
	case err != nil:
		return err
	case revision != 0 && c.Revision != revision:
		return fault.New(fault.RequestStale, "stale")
	case len(m.users[id]) > 0:
		return fault.New(fault.ConnectionInUse, "in use")
	}
	delete(m.rows, id)
	return nil
}

func (m *memory) SaveConnectionTest(_ context.Context, c *connections.Connection) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saveErr != nil {
		return nil, m.saveErr
	}
	row, err := m.find(c.Workspace, c.ID)
	if err != nil {
		return nil, err
	}
	if row.Revision != c.Revision {
		return nil, fault.New(fault.RequestStale, "stale")
	}
	row.Status, row.LastTest, row.Recovery = c.Status, c.LastTest, c.Recovery
	m.rows[c.ID] = row
	if c.Status == connections.Online {
		return m.waiting, nil
	}
	return nil, nil
}

func (m *memory) TakeProbes(_ context.Context, now, until time.Time, limit int) ([]connections.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var taken []connections.Connection
	for id, c := range m.rows {
		if c.Status == connections.Offline && !c.NextProbeAt.IsZero() && !c.NextProbeAt.After(now) && len(taken) < limit {
			c.NextProbeAt = until
			m.rows[id] = c
			taken = append(taken, c)
		}
	}
	return taken, nil
}

func (m *memory) NoteDraftTest(_ context.Context, _, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noted = append(m.noted, name)
	return nil
}

func (m *memory) ConnectionUsers(_ context.Context, _, id string) ([]connections.Usage, error) {
	return m.users[id], nil
}

// asked is a Tester that notes what it was asked.
type asked struct {
	targets []connections.Target
	ok      bool
	during  func()
}

func (a *asked) Test(_ context.Context, t connections.Target) connections.TestResult {
	a.targets = append(a.targets, t)
	if a.during != nil {
		a.during()
	}
	return connections.TestResult{OK: a.ok, Steps: []connections.Step{{Step: "auth", OK: a.ok}}, At: time.Unix(1, 0)}
}

// bundle is a service on a memory, with a tester that says ok.
type bundle struct {
	*connections.Service
	store  *memory
	tester *asked
	runs   *told
	now    time.Time
}

func setup(t testing.TB, change ...func(*connections.Deps)) *bundle {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	ring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	b := &bundle{
		store:  &memory{rows: map[string]connections.Connection{}, users: map[string][]connections.Usage{}},
		tester: &asked{ok: true}, runs: &told{}, now: time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC),
	}
	deps := connections.Deps{
		Repository: b.store, Sealer: ring, Tester: b.tester, Domains: policy(t, "http://127.0.0.1:9000"), Now: func() time.Time { return b.now },
		Runs: b.runs, Roll: func() float64 { return 0 },
	}
	for _, c := range change {
		c(&deps)
	}
	b.Service = connections.NewService(deps)
	return b
}

func draft() connections.Draft {
	return connections.Draft{Name: "Prod pool", APIType: connections.DataPush, Domain: host, AuthType: connections.Custom, AppKey: crypto.NewSecret(key), PoolID: pool}
}

// kept is what a merge patch that leaves the secret out gives.
func kept(c *connections.Connection) connections.Draft {
	return connections.Draft{Name: c.Name, APIType: c.APIType, Domain: c.Domain, AuthType: c.AuthType, PoolID: c.PoolID}
}

func (b *bundle) create(t testing.TB, change ...func(*connections.Draft)) *connections.Connection {
	t.Helper()
	d := draft()
	for _, c := range change {
		c(&d)
	}
	c, err := b.Create(t.Context(), workspace, d, connections.CreateOptions{})
	require.NoError(t, err)
	return c
}

// pointers lists "pointer code" of every fault of a body.
func pointers(err error) []string {
	list := []string{}
	for _, f := range fault.From(err).Fields {
		list = append(list, f.Pointer+" "+string(f.Code))
	}
	return list
}
