package picker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/connections/picker"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const (
	workspace = "ws"
	id        = "c1"
	ownPool   = "own-pool"
)

// known holds one connection.
type known struct {
	connections.Connection
	targetErr error
}

func (k *known) Get(_ context.Context, ws, asked string) (*connections.Connection, error) {
	if ws != workspace || asked != id {
		return nil, fault.New(fault.ConnectionNotFound, "none")
	}
	c := k.Connection
	return &c, nil
}

func (k *known) Target(context.Context, string, string) (connections.Target, error) {
	return connections.Target{PoolID: k.PoolID}, k.targetErr
}

// listed is a Source that counts, and waits when gate is set.
type listed struct {
	mu      sync.Mutex
	asked   []picker.Query
	options []picker.Option
	err     error
	began   chan struct{}
	gate    chan struct{}
}

func (l *listed) Options(ctx context.Context, _ connections.Target, q picker.Query) ([]picker.Option, error) {
	l.mu.Lock()
	l.asked = append(l.asked, q)
	began, gate := l.began, l.gate
	l.mu.Unlock()
	if gate != nil {
		began <- struct{}{}
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return l.options, l.err
}

func (l *listed) calls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.asked)
}

type bundle struct {
	*picker.Service
	known  *known
	source *listed
	now    time.Time
}

func setup(t *testing.T, change ...func(*picker.Deps)) *bundle {
	t.Helper()
	b := &bundle{
		known:  &known{Connection: connections.Connection{ID: id, Workspace: workspace, Revision: 1, PoolID: ownPool}},
		source: &listed{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	d := picker.Deps{Connections: b.known, Source: b.source, Now: func() time.Time { return b.now }}
	for _, c := range change {
		c(&d)
	}
	b.Service = picker.New(d)
	return b
}

func ask(kind picker.Kind) picker.Ask {
	return picker.Ask{Workspace: workspace, Connection: id, Query: picker.Query{Kind: kind}, Limit: 50}
}

func (b *bundle) must(t *testing.T, a picker.Ask) picker.Page {
	t.Helper()
	p, err := b.Options(t.Context(), a)
	require.NoError(t, err)
	require.Nil(t, p.Error)
	return p
}

func values(p picker.Page) []string {
	out := []string{}
	for _, o := range p.Items {
		out = append(out, o.Value)
	}
	return out
}

func TestOrderSearchAndLabels(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.source.options = []picker.Option{
		{Value: "3", Label: "beta"}, {Value: "1", Label: "Alpha"}, {Value: "2", Label: "alpha"}, {Value: "Zed"},
		{Value: "4", Label: "\u00c4pfel"}, {Value: "3", Label: "beta"}, {Value: "T", Label: "T", Schema: "b"}, {Value: "T", Label: "T", Schema: "a"},
	}
	all := b.must(t, ask(picker.Pools))
	require.Equal(t, []string{"1", "2", "3", "T", "T", "Zed", "4"}, values(all), "by label whatever its case, repeats once")
	require.Equal(t, "Zed", all.Items[5].Label, "an item without a name shows its value")
	require.Equal(t, "a", all.Items[3].Schema)
	for search, want := range map[string][]string{
		"ALPHA": {"1", "2"}, " zE ": {"Zed"}, "\u00e4PF": {"4"}, "3": {"3"}, "nothing": {}, "": {"1", "2", "3", "T", "T", "Zed", "4"},
	} {
		a := ask(picker.Pools)
		a.Search = search
		require.Equal(t, want, values(b.must(t, a)), search)
	}
	require.Equal(t, 1, b.source.calls(), "searches read the remembered list")
}

func TestPaging(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := []string{}
	for i := range 23 {
		v := fmt.Sprintf("t%02d", i)
		want = append(want, v)
		b.source.options = append([]picker.Option{{Value: v, Label: "same " + v[:2]}}, b.source.options...)
	}
	var got []string
	a := ask(picker.Pools)
	a.Limit, a.Search = 5, "same"
	for {
		p := b.must(t, a)
		got = append(got, values(p)...)
		if p.Next == "" {
			break
		}
		require.Len(t, p.Items, 5)
		a.Cursor = p.Next
	}
	require.Equal(t, want, got)

	a.Cursor = ""
	a.Cursor = b.must(t, a).Next
	b.source.options, a.Fresh = b.source.options[:20], true // the three smallest are gone
	require.Equal(t, "t05", values(b.must(t, a))[0], "a list that changed gives no item twice")

	for _, cursor := range []string{"?", "e30", "WyJhIl0", strings.Repeat("A", 10)} {
		a.Cursor = cursor
		_, err := b.Options(t.Context(), a)
		require.True(t, fault.Has(err, fault.RequestCursor), "%s: %v", cursor, err)
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		name   string
		query  picker.Query
		faults []string
	}{
		{"nothing needed", picker.Query{Kind: picker.Pools}, nil},
		{"own pool", picker.Query{Kind: picker.Tables}, nil},
		{"columns", picker.Query{Kind: picker.Columns, Table: " T ", Schema: "s"}, nil},
		{"no table", picker.Query{Kind: picker.Columns}, []string{"/table request.field_missing"}},
		{"no model", picker.Query{Kind: picker.KPIs}, []string{"/knowledgeModel request.field_missing"}},
		{"blank", picker.Query{Kind: picker.Fields, KnowledgeModel: "  ", Record: "\t"},
			[]string{"/knowledgeModel request.field_missing", "/record request.field_missing"}},
		{"no place", picker.Query{Kind: picker.Pools, Pool: "p", Record: "r"},
			[]string{"/pool request.field_invalid", "/record request.field_invalid"}},
		{"too long", picker.Query{Kind: picker.Tables, Pool: strings.Repeat("p", 513)}, []string{"/pool request.field_invalid"}},
	} {
		_, err := b.Options(t.Context(), picker.Ask{Workspace: workspace, Connection: id, Query: c.query, Limit: 1})
		var got []string
		if err != nil {
			for _, f := range fault.From(err).Fields {
				got = append(got, f.Pointer+" "+string(f.Code))
			}
			require.True(t, fault.Has(err, fault.RequestInvalid), "%s: %v", c.name, err)
		}
		require.Equal(t, c.faults, got, c.name)
	}
	require.Equal(t, []picker.Query{
		{Kind: picker.Pools}, {Kind: picker.Tables, Pool: ownPool}, {Kind: picker.Columns, Pool: ownPool, Table: "T", Schema: "s"},
	}, b.source.asked)

	b.known.PoolID = ""
	_, err := b.Options(t.Context(), ask(picker.DataJobs))
	require.Equal(t, "/pool", fault.From(err).Fields[0].Pointer)
	_, err = b.Options(t.Context(), ask("Pools"))
	require.True(t, fault.Has(err, fault.RequestNotFound))
	require.Contains(t, fault.From(err).Hint, "knowledgeModels, records")
	other := ask(picker.Pools)
	other.Workspace = "other"
	_, err = b.Options(t.Context(), other)
	require.True(t, fault.Has(err, fault.ConnectionNotFound))
}

func TestEveryKindHasItsNeeds(t *testing.T) {
	t.Parallel()
	for _, k := range picker.Kinds() {
		_, ok := picker.Needs(k)
		require.True(t, ok, k)
	}
}

func TestCacheKeepsForAMinuteAndByRevision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.source.options = []picker.Option{{Value: "v"}}
	for _, step := range []struct {
		name   string
		change func()
		ask    picker.Ask
		calls  int
	}{
		{"first", func() {}, ask(picker.Pools), 1},
		{"again", func() {}, ask(picker.Pools), 1},
		{"another list", func() {}, ask(picker.Tables), 2},
		{"almost a minute", func() { b.now = b.now.Add(59 * time.Second) }, ask(picker.Pools), 2},
		{"over", func() { b.now = b.now.Add(time.Second) }, ask(picker.Pools), 3},
		{"changed connection", func() { b.known.Revision++ }, ask(picker.Pools), 4},
		{"fresh", func() {}, func() picker.Ask { a := ask(picker.Pools); a.Fresh = true; return a }(), 5},
		{"after fresh", func() {}, ask(picker.Pools), 5},
	} {
		step.change()
		b.must(t, step.ask)
		require.Equal(t, step.calls, b.source.calls(), step.name)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, func(d *picker.Deps) { d.MaxItems = 5 })
	b.source.options = []picker.Option{{Value: "a"}, {Value: "b"}}
	pools := func(name string) picker.Ask { a := ask(picker.Tables); a.Pool = name; return a }
	for i, name := range []string{"p1", "p2", "p3"} {
		b.now = b.now.Add(time.Second)
		b.must(t, pools(name))
		require.Equal(t, i+1, b.source.calls())
	}
	b.must(t, pools("p3"))
	b.must(t, pools("p2"))
	require.Equal(t, 3, b.source.calls(), "the two newest are remembered")
	b.must(t, pools("p1"))
	require.Equal(t, 4, b.source.calls(), "the oldest had to go")
	b.source.options = make([]picker.Option, 6)
	for i := range b.source.options {
		b.source.options[i].Value = fmt.Sprint(i)
	}
	require.Len(t, b.must(t, pools("huge")).Items, 6, "a list over the bound is answered, not remembered")
	b.must(t, pools("huge"))
	require.Equal(t, 6, b.source.calls())
}

func TestOneReadingForAllWhoAsk(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.source.options = []picker.Option{{Value: "v"}}
	b.source.began, b.source.gate = make(chan struct{}, 10), make(chan struct{})

	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := b.Options(leaving, ask(picker.Pools))
		left <- err
	}()
	<-b.source.began
	leave()
	require.ErrorIs(t, <-left, context.Canceled)

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p, err := b.Options(context.Background(), ask(picker.Pools))
			if err != nil || len(p.Items) != 1 {
				t.Errorf("%v %v", p, err)
			}
		})
	}
	close(b.source.gate)
	wg.Wait()
	require.Equal(t, 1, b.source.calls(), "the first asker's leaving does not end the reading")
}

func TestFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.source.err = fault.New(fault.CelonisForbidden, "the key may not").WithHint("grant it")
	p, err := b.Options(t.Context(), ask(picker.Pools))
	require.NoError(t, err)
	require.Equal(t, picker.Page{Error: fault.New(fault.CelonisForbidden, "the key may not").WithHint("grant it")}, p)

	b.source.err, b.source.options = nil, []picker.Option{{Value: "v"}}
	require.Equal(t, []string{"v"}, values(b.must(t, ask(picker.Pools))), "a failure is not remembered")

	b.source.err = errors.New("a stranger")
	_, err = b.Options(t.Context(), ask(picker.Tables))
	require.Error(t, err, "what is no fault of Celonis is ours")

	b.known.targetErr = fault.New(fault.KeyringUnknown, "no key")
	_, err = b.Options(t.Context(), ask(picker.DataModels))
	require.True(t, fault.Has(err, fault.KeyringUnknown))
}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "WyJhIiwiYiIsIiIsIiJd", "e30", "////"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		b := setup(t)
		b.source.options = []picker.Option{{Value: "v"}}
		a := ask(picker.Pools)
		a.Cursor = cursor
		if _, err := b.Options(t.Context(), a); err != nil && !fault.Has(err, fault.RequestCursor) {
			t.Fatal(err)
		}
	})
}
