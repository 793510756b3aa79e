package celonis_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/connections/picker"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const pickModel = "pkg.p2p model"

func pickTeam() celonissim.Team {
	t := celonissim.DefaultOptions().Teams[0]
	t.Credentials = []celonissim.Credential{
		{Name: "all", Kind: celonissim.AppKey, Key: "all-key-00000000", ListPools: true, Intelligence: true},
		{Name: "none", Kind: celonissim.AppKey, Key: "none-key-0000000"},
	}
	t.Pools = []celonissim.Pool{{ID: "11111111-2222-3333-4444-555555555555", Name: "Pool",
		DataSources: []celonissim.Named{{ID: "ds", Name: "ERP"}}, DataModels: []celonissim.Named{{ID: "dm", Name: "Model"}},
		DataJobs: []celonissim.Named{{ID: "dj", Name: "Job"}}}}
	m := t.KnowledgeModels[0]
	m.ID = pickModel
	for i := range 120 {
		m.Filters = append(m.Filters, celonissim.Described{ID: fmt.Sprintf("F%03d", i), Name: "Filter"})
	}
	t.KnowledgeModels = []celonissim.KnowledgeModel{m}
	return t
}

// pick asks a simulator for a list.
func pick(t *testing.T, o celonissim.Options, key string, q picker.Query) ([]picker.Option, error) {
	t.Helper()
	sim := celonissim.New(o)
	base, err := sim.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p := celonis.NewPicker(celonis.PickerConfig{Transport: transport})
	return p.Options(t.Context(), connections.Target{BaseURL: base, AuthType: connections.Custom, Key: crypto.NewSecret(key)}, q)
}

func TestPickerLists(t *testing.T) {
	t.Parallel()
	pool := "11111111-2222-3333-4444-555555555555"
	for _, c := range []struct {
		query picker.Query
		want  []picker.Option
	}{
		{picker.Query{Kind: picker.Pools}, []picker.Option{{Value: pool, Label: "Pool"}}},
		{picker.Query{Kind: picker.Tables, Pool: pool}, []picker.Option{}},
		{picker.Query{Kind: picker.DataConnections, Pool: pool}, []picker.Option{{Value: "ds", Label: "ERP", Type: "OTHER", Schema: pool + "_ds"}}},
		{picker.Query{Kind: picker.DataModels, Pool: pool}, []picker.Option{{Value: "dm", Label: "Model"}}},
		{picker.Query{Kind: picker.DataJobs, Pool: pool}, []picker.Option{{Value: "dj", Label: "Job"}}},
		{picker.Query{Kind: picker.KnowledgeModels}, []picker.Option{{Value: pickModel, Label: "Simulated knowledge model"}}},
		{picker.Query{Kind: picker.Records, KnowledgeModel: pickModel},
			[]picker.Option{{Value: "PURCHASE_ORDER", Label: "Purchase order", Description: "One purchase order item"}}},
		{picker.Query{Kind: picker.Fields, KnowledgeModel: pickModel, Record: "PURCHASE_ORDER"}, []picker.Option{
			{Value: "ORDER_ID", Label: "Order id", Type: "string"}, {Value: "NET_VALUE", Label: "Net value", Type: "float", Format: ",.2f", Unit: "EUR"},
			{Value: "CREATED", Label: "Created at", Type: "datetime"}}},
		{picker.Query{Kind: picker.KPIs, KnowledgeModel: pickModel},
			[]picker.Option{{Value: "ORDER_COUNT", Label: "Orders", Description: "How many orders there are", Format: ",d"}}},
		{picker.Query{Kind: picker.Triggers, KnowledgeModel: pickModel}, []picker.Option{{Value: "LATE_ORDER", Label: "Order is late", Record: "PURCHASE_ORDER"}}},
	} {
		got, err := pick(t, celonissim.Options{Teams: []celonissim.Team{pickTeam()}}, "all-key-00000000", c.query)
		require.NoError(t, err, c.query)
		if c.query.Kind == picker.DataConnections {
			require.NotEmpty(t, got[0].Schema)
			got[0].Schema = c.want[0].Schema
		}
		require.Equal(t, c.want, got, c.query)
	}
}

func TestPickerReadsListsToTheirEnd(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*celonissim.Options){
		"as documented":      func(*celonissim.Options) {},
		"capped below":       func(o *celonissim.Options) { o.Limits.PageSize = 7 },
		"large pages":        func(o *celonissim.Options) { o.Limits.PageSize = 5000 },
		"refuses large ones": func(o *celonissim.Options) { o.Answers.LargePages = celonissim.LargePagesRefused },
	} {
		o := celonissim.Options{Teams: []celonissim.Team{pickTeam()}}
		change(&o)
		got, err := pick(t, o, "all-key-00000000", picker.Query{Kind: picker.Filters, KnowledgeModel: pickModel})
		require.NoError(t, err, name)
		require.Len(t, got, 121, name)
	}
}

func TestPickerFaults(t *testing.T) {
	t.Parallel()
	disabled := pickTeam()
	disabled.Disabled = []celonissim.API{celonissim.APIIntelligence}
	for _, c := range []struct {
		name  string
		team  celonissim.Team
		key   string
		query picker.Query
		code  fault.Code
		says  string
	}{
		{"unknown model", pickTeam(), "all-key-00000000", picker.Query{Kind: picker.KPIs, KnowledgeModel: "no.km"}, fault.CelonisNotFound, `no knowledge model "no.km"`},
		{"unknown record", pickTeam(), "all-key-00000000", picker.Query{Kind: picker.Fields, KnowledgeModel: pickModel, Record: "NO"}, fault.CelonisNotFound, `no record "NO"`},
		{"fields of an unknown model", pickTeam(), "all-key-00000000", picker.Query{Kind: picker.Fields, KnowledgeModel: "no.km", Record: "NO"}, fault.CelonisNotFound, `no knowledge model "no.km"`},
		{"unknown pool", pickTeam(), "all-key-00000000", picker.Query{Kind: picker.DataModels, Pool: "nope"}, fault.CelonisPoolNotFound, "nope"},
		{"a path as an id", pickTeam(), "all-key-00000000", picker.Query{Kind: picker.Records, KnowledgeModel: ".."}, fault.CelonisNotFound, ".."},
		{"no permission", pickTeam(), "none-key-0000000", picker.Query{Kind: picker.Triggers, KnowledgeModel: pickModel}, fault.CelonisForbidden, "triggers"},
		{"no permission on pools", pickTeam(), "none-key-0000000", picker.Query{Kind: picker.Pools}, fault.CelonisForbidden, "pools"},
		{"unknown key", pickTeam(), "unknown-key-0000", picker.Query{Kind: picker.Pools}, fault.CelonisUnauthorized, "key"},
		{"no api", disabled, "all-key-00000000", picker.Query{Kind: picker.KnowledgeModels}, fault.CelonisAPIDisabled, "not enabled"},
	} {
		_, err := pick(t, celonissim.Options{Teams: []celonissim.Team{c.team}}, c.key, c.query)
		require.Equal(t, c.code, fault.CodeOf(err), "%s: %v", c.name, err)
		require.Contains(t, fault.From(err).Message, c.says, c.name)
		require.NotContains(t, err.Error(), c.key)
	}
}

// canned answers every request with one body, noting the paths.
type canned struct {
	paths []string
	body  func(r *http.Request) string
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.paths = append(c.paths, r.URL.RequestURI())
	w := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
	w.Body = http.NoBody
	if body := c.body(r); body != "" {
		w.Body = readCloser{strings.NewReader(body)}
	}
	return w, nil
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestPickerBearsLooseAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  picker.Kind
		body  string
		want  []picker.Option
		calls int
	}{
		"quoted sizes and odd words": {picker.KPIs, `{"page":"0","pageSize":"2","total":"1","sort":["a"],"content":[
			{"id":"a","name":null,"description":7,"format":{"x":1},"unit":true}]}`, []picker.Option{{Value: "a", Description: "7", Unit: "true"}}, 1},
		"no content":    {picker.Filters, `{"page":0,"content":null}`, []picker.Option{}, 1},
		"empty":         {picker.Filters, `{}`, []picker.Option{}, 1},
		"without an id": {picker.Filters, `{"content":[{"name":"nameless"}]}`, []picker.Option{}, 1},
		"no paging": {picker.Triggers, `{"pageSize":1,"content":[{"id":"t","name":"T","record":"R"}]}`,
			[]picker.Option{{Value: "t", Label: "T", Record: "R"}}, 2},
	} {
		transport := &canned{body: func(*http.Request) string { return c.body }}
		got, err := celonis.NewPicker(celonis.PickerConfig{Transport: transport}).Options(t.Context(),
			connections.Target{BaseURL: "https://acme.eu-1.celonis.cloud", AuthType: connections.Token, Key: crypto.NewSecret("some-key-000000")},
			picker.Query{Kind: c.kind, KnowledgeModel: "a/b c"})
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
		require.Len(t, transport.paths, c.calls, name)
		require.Contains(t, transport.paths[0], "/knowledge-models/a%2Fb%20c/", name)
	}
}
