package scimgate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
	"github.com/stretchr/testify/require"
)

// team is a Celonis team in memory. fail, when set, is asked before every call.
type team struct {
	mu      sync.Mutex
	byID    map[string]scim.Resource
	made    int
	creates int
	fail    func(what string) error
}

func (d *team) Directory(context.Context, string, string) (scimgate.Directory, error) { return d, nil }

func (d *team) enter(what string) error {
	if d.fail == nil {
		return nil
	}
	return d.fail(what)
}

func (d *team) Get(_ context.Context, k scim.Kind, id string) (scim.Resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter("get"); err != nil {
		return nil, err
	}
	r, ok := d.byID[string(k)+id]
	if !ok {
		return nil, fault.New(fault.CelonisNotFound, "none")
	}
	return r.Clone(), nil
}

func (d *team) Find(_ context.Context, k scim.Kind, name string) (scim.Resource, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter("find"); err != nil {
		return nil, false, err
	}
	for key, r := range d.byID {
		if strings.HasPrefix(key, string(k)) && strings.EqualFold(r.Text(k.NameAttribute()), name) {
			return r.Clone(), true, nil
		}
	}
	return nil, false, nil
}

func (d *team) Create(_ context.Context, k scim.Kind, r scim.Resource) (scim.Resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter("create"); err != nil {
		return nil, err
	}
	d.made++
	d.creates++
	r = r.Clone()
	r.Set("id", fmt.Sprintf("celonis-%d", d.made))
	d.byID[string(k)+r.Text("id")] = r
	return r.Clone(), d.enter("created")
}

func (d *team) Update(ctx context.Context, k scim.Kind, id string, change func(scim.Resource) (scim.Resource, error)) (scim.Resource, bool, error) {
	was, err := d.Get(ctx, k, id)
	if err != nil {
		return nil, false, err
	}
	want, err := change(was.Clone())
	if err != nil {
		return nil, false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter("update"); err != nil {
		return nil, false, err
	}
	d.byID[string(k)+id] = want.Clone()
	return want, len(scim.Differences(was, want)) > 0, nil
}

func (d *team) Delete(_ context.Context, k scim.Kind, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter("delete"); err != nil {
		return err
	}
	if _, ok := d.byID[string(k)+id]; !ok {
		return fault.New(fault.CelonisNotFound, "none")
	}
	delete(d.byID, string(k)+id)
	return nil
}

func (d *team) Page(ctx context.Context, k scim.Kind, q scim.SearchRequest) (int, []scim.Resource, error) {
	var all []scim.Resource
	err := d.Each(ctx, k, q, func(r scim.Resource) error { all = append(all, r); return nil })
	from := min(max(q.StartIndex-1, 0), len(all))
	return len(all), all[from:min(from+*q.Count, len(all))], err
}

func (d *team) Each(_ context.Context, k scim.Kind, _ scim.SearchRequest, take func(scim.Resource) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter("list"); err != nil {
		return err
	}
	var keys []string
	for key := range d.byID {
		if strings.HasPrefix(key, string(k)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := take(d.byID[key].Clone()); err != nil {
			return err
		}
	}
	return nil
}

// plain seals nothing.
type plain struct{}

func (plain) Seal(s crypto.Secret, _ crypto.AAD) (string, error) { return s.Reveal(), nil }
func (plain) Open(e string, _ crypto.AAD) (crypto.Secret, error) { return crypto.NewSecret(e), nil }

// memory is a Store without a database.
type memory struct {
	mu      sync.Mutex
	list    []scimgate.Operation
	aliases []scimgate.Alias
	events  []audit.Event
}

func (m *memory) QueueSCIM(_ context.Context, o *scimgate.Operation, a *scimgate.Alias, e audit.Event, limit int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) >= limit {
		return fault.New(fault.ScimQueueFull, "full")
	}
	m.list, m.events = append(m.list, *o), append(m.events, e)
	if a != nil {
		m.aliases = append(m.aliases, *a)
	}
	return nil
}

func (m *memory) SCIMOperations(_ context.Context, q scimgate.OperationQuery) ([]scimgate.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []scimgate.Operation
	for _, o := range m.list {
		if (q.Kind == "" || q.Kind == o.Kind) && (q.ResourceID == "" || q.ResourceID == o.ResourceID) && (q.State == "" || q.State == o.State) {
			out = append(out, o)
		}
	}
	return out, nil
}

func (m *memory) SCIMAliases(context.Context, string, string) ([]scimgate.Alias, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.aliases), nil
}

func (m *memory) NoteEvent(_ context.Context, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, e)
	return nil
}

func (m *memory) TakeSCIM(_ context.Context, now, until time.Time, limit int) (out []scimgate.Operation, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := map[string]bool{}
	for i := range m.list {
		o := &m.list[i]
		due := o.State == scimgate.Pending && !o.NextAt.After(now) && !o.LeasedUntil.After(now) && !held[o.ResourceID] && len(out) < limit
		held[o.ResourceID] = held[o.ResourceID] || o.State == scimgate.Pending || o.Verb == scimgate.Create
		if due {
			o.LeasedUntil = until
			o.Attempts++
			out = append(out, *o)
		}
	}
	return out, nil
}

func (m *memory) EndSCIM(_ context.Context, o *scimgate.Operation, end scimgate.End) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.list, func(p scimgate.Operation) bool { return p.ID == o.ID })
	if end.Event != nil {
		m.events = append(m.events, *end.Event)
	}
	if end.Done {
		m.list = slices.Delete(m.list, i, i+1)
		for j := range m.aliases {
			if m.aliases[j].ID == o.ResourceID && end.CelonisID != "" {
				m.aliases[j].CelonisID = end.CelonisID
			}
		}
		return nil
	}
	p := &m.list[i]
	p.LeasedUntil, p.NextAt, p.Code = time.Time{}, end.Next, end.Code
	if end.Failed {
		p.State = scimgate.Failed
	}
	if end.Free {
		p.Attempts--
	}
	if end.Envelope != "" {
		p.Envelope = end.Envelope
	}
	return nil
}

func (m *memory) SCIMOperation(_ context.Context, _, id string) (*scimgate.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.list, func(p scimgate.Operation) bool { return p.ID == id })
	if i < 0 {
		return nil, fault.New(fault.ScimOperationNotFound, "none")
	}
	o := m.list[i]
	return &o, nil
}

func (m *memory) RetrySCIM(ctx context.Context, workspace, id string, _ time.Time) (*scimgate.Operation, error) {
	return m.SCIMOperation(ctx, workspace, id)
}

func (m *memory) DiscardSCIM(_ context.Context, _, id string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = slices.DeleteFunc(m.list, func(p scimgate.Operation) bool { return p.ID == id })
	return nil
}

// bundle is a gateway over a team and a store in memory, with a clock that stands.
type bundle struct {
	*scimgate.Service
	t     *testing.T
	team  *team
	store *memory
	mu    sync.Mutex
	now   time.Time
	ids   int
}

func setup(t *testing.T) *bundle {
	b := &bundle{t: t, team: &team{byID: map[string]scim.Resource{}}, store: &memory{}, now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	b.Service = scimgate.New(scimgate.Deps{
		Directories: b.team, Store: b.store, Sealer: plain{},
		Now: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
		NewID: func() string {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.ids++
			return fmt.Sprintf("ours-%03d", b.ids)
		},
	})
	return b
}

func (b *bundle) down(err error) { b.team.fail = func(string) error { return err } }
func (b *bundle) up()            { b.team.fail = nil }

// pass lets time go on.
func (b *bundle) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// deliver makes an attempt of everything that is due after a while.
func (b *bundle) deliver() int {
	b.t.Helper()
	b.pass(10 * time.Minute)
	n, err := b.Deliver(b.t.Context())
	require.NoError(b.t, err)
	return n
}

func (b *bundle) write(k scim.Kind, id string) scimgate.Write {
	return scimgate.Write{Place: scimgate.Place{Workspace: "w", ConnectionID: "c"}, Kind: k, ID: id}
}

func (b *bundle) read(text string) scim.Resource {
	b.t.Helper()
	r, err := scim.ParseResource([]byte(text))
	require.NoError(b.t, err)
	return r
}

// create makes a resource and gives its id.
func (b *bundle) create(k scim.Kind, body string) string {
	b.t.Helper()
	a, err := b.Create(b.t.Context(), b.write(k, ""), b.read(body))
	require.NoError(b.t, err)
	return a.Resource.Text("id")
}

func (b *bundle) patch(k scim.Kind, id, operations string) (scimgate.Answer, error) {
	b.t.Helper()
	p, err := scim.ParsePatch([]byte(`{"Operations":[` + operations + `]}`))
	require.NoError(b.t, err)
	return b.Patch(b.t.Context(), b.write(k, id), p)
}

// states gives how the operations stand, by resource and verb.
func (b *bundle) states() map[string]scimgate.State {
	out := map[string]scimgate.State{}
	for _, o := range b.store.list {
		out[o.ResourceID+" "+string(o.Verb)] = o.State
	}
	return out
}
