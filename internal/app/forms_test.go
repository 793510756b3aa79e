package app_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// property is what a front end reads of a property of a form. Nothing here
// knows what the form is of.
type property struct {
	Type       any                  `json:"type"`
	Enum       []any                `json:"enum"`
	Default    any                  `json:"default"`
	Properties map[string]*property `json:"properties"`
	Required   []string             `json:"required"`
	WriteOnly  bool                 `json:"writeOnly"`
	UI         struct {
		Order    int    `json:"order"`
		Label    string `json:"label"`
		Help     string `json:"help"`
		View     string `json:"view"`
		Secret   bool   `json:"secret"`
		Upload   string `json:"upload"`
		Example  any    `json:"example"`
		ShowWhen []struct {
			Field string `json:"field"`
			In    []any  `json:"in"`
		} `json:"showWhen"`
		OptionsFrom *struct {
			Path   string            `json:"path"`
			Params map[string]string `json:"params"`
			Value  string            `json:"value"`
			Where  map[string]any    `json:"where"`
		} `json:"optionsFrom"`
	} `json:"x-ui"`
}

// renderer draws forms from their metadata alone. typed are the values that a
// person types or chooses, by the property's name.
type renderer struct {
	*service
	typed map[string]any
	valid *jsonschema.Schema
}

// render reads a form and fills it: what is always needed, what was typed, and
// then what else is shown until the schema is content.
func (s *service) render(kind string, typed map[string]any) map[string]any {
	s.t.Helper()
	a := s.Send("GET", "/v1/forms/"+kind, nil)
	require.Equal(s.t, http.StatusOK, a.Status, "%s", a.Body)
	var form property
	require.NoError(s.t, json.Unmarshal(a.Body, &form))
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(a.Body)))
	require.NoError(s.t, err)
	c := jsonschema.NewCompiler()
	require.NoError(s.t, c.AddResource("form.json", doc))
	r := &renderer{service: s, typed: typed}
	r.valid, err = c.Compile("form.json")
	require.NoError(s.t, err)

	filled := r.fill(&form)
	if r.faults(filled) != nil {
		r.complete(&form, filled)
	}
	require.NoError(s.t, r.faults(filled), "the form %s cannot be filled: %v", kind, filled)
	return filled
}

func (r *renderer) faults(filled map[string]any) error {
	text, err := json.Marshal(filled)
	require.NoError(r.t, err)
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	require.NoError(r.t, err)
	return r.valid.Validate(instance)
}

// inOrder lists the names of an object's properties as they are shown.
func inOrder(p *property) []string {
	return slices.SortedFunc(maps.Keys(p.Properties), func(a, b string) int {
		return cmp.Compare(p.Properties[a].UI.Order, p.Properties[b].UI.Order)
	})
}

func (r *renderer) fill(of *property) map[string]any {
	out := map[string]any{}
	for _, name := range inOrder(of) {
		p := of.Properties[name]
		require.NotEmpty(r.t, p.UI.Label, name)
		require.NotEmpty(r.t, p.UI.Help, name)
		require.Equal(r.t, p.UI.Secret, p.WriteOnly, name)
		value, typed := r.typed[name]
		switch {
		case p.UI.View != "simple" || !shown(p, out):
		case p.Properties != nil && slices.Contains(of.Required, name):
			out[name] = r.fill(p)
		case typed:
			out[name] = value
		case slices.Contains(of.Required, name):
			out[name] = r.guess(name, p, out)
		}
	}
	return out
}

// complete fills shown properties, also of inner objects, until nothing is wrong any more.
func (r *renderer) complete(of *property, out map[string]any) {
	root := out
	var walk func(of *property, out map[string]any)
	walk = func(of *property, out map[string]any) {
		for _, name := range inOrder(of) {
			p := of.Properties[name]
			if inner, ok := out[name].(map[string]any); ok && p.Properties != nil {
				walk(p, inner)
				continue
			}
			if _, there := out[name]; there || p.UI.View != "simple" || p.Properties != nil || !shown(p, out) || r.faults(root) == nil {
				continue
			}
			before := leaves(r.faults(root))
			if value := r.guess(name, p, out); value != nil {
				if out[name] = value; leaves(r.faults(root)) >= before {
					delete(out, name) // nothing asked for it
				}
			}
		}
	}
	walk(of, out)
}

// leaves counts the single faults that a validator finds.
func leaves(err error) int {
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return 0
	}
	if len(e.Causes) == 0 {
		return 1
	}
	n := 0
	for _, cause := range e.Causes {
		n += leaves(cause)
	}
	return n
}

func shown(p *property, siblings map[string]any) bool {
	for _, when := range p.UI.ShowWhen {
		if !slices.Contains(when.In, siblings[when.Field]) {
			return false
		}
	}
	return true
}

// guess finds a value: of a list, an upload, a choice, the default or the example.
func (r *renderer) guess(name string, p *property, siblings map[string]any) any {
	switch {
	case p.UI.Upload != "":
		return r.Upload("typed.csv", strings.NewReader(fmt.Sprint(r.typed["file contents"])))
	case p.UI.OptionsFrom != nil && !strings.Contains(p.UI.OptionsFrom.Path, "{id}"):
		return r.firstOption(p, siblings)
	case p.UI.Secret:
		require.Fail(r.t, "nobody typed the secret "+name)
	case p.Default != nil:
		return p.Default
	case len(p.Enum) > 0:
		return p.Enum[0]
	}
	return p.UI.Example
}

// firstOption reads the list that a property takes its values from.
func (r *renderer) firstOption(p *property, siblings map[string]any) any {
	from := p.UI.OptionsFrom
	path := from.Path
	for name, value := range siblings {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(fmt.Sprint(value)))
	}
	query := url.Values{"limit": {"100"}}
	for parameter, field := range from.Params {
		query.Set(parameter, fmt.Sprint(siblings[field]))
	}
	var list struct {
		Items []map[string]any `json:"items"`
	}
	r.Call(http.StatusOK, "GET", path+"?"+query.Encode(), nil, &list)
	best, at := any(nil), -1
	for _, item := range list.Items {
		if rank := rankOf(item, from.Where); rank >= 0 && (at < 0 || rank < at) {
			best, at = item[from.Value], rank
		}
	}
	return best
}

// rankOf tells how early in the lists of wanted values those of an item stand, -1 when it does not fit.
func rankOf(item, where map[string]any) (rank int) {
	for member, value := range where {
		wanted, isList := value.([]any)
		if !isList {
			wanted = []any{value}
		}
		at := slices.Index(wanted, item[member])
		if at < 0 {
			return -1
		}
		rank += at
	}
	return rank
}

// choices reads the values that a form offers for a property.
func (s *service) choices(kind, name string) []any {
	s.t.Helper()
	var form property
	s.Call(http.StatusOK, "GET", "/v1/forms/"+kind, nil, &form)
	require.NotEmpty(s.t, form.Properties[name].Enum)
	return form.Properties[name].Enum
}

// TestFormsMakeEveryKindOfConnection fills the forms as a front end would that
// has never heard of Celonis, and creates what comes out.
func TestFormsMakeEveryKindOfConnection(t *testing.T) {
	t.Parallel()
	var client celonissim.OAuthClient
	sim := apptest.NewSim(t, func(o *celonissim.Options) { client = o.Teams[0].OAuthClients[0] })
	s := begin(t, sim)
	s.Call(http.StatusCreated, "POST", "/v1/oauth-clients", s.render("oauthClient", map[string]any{
		"clientId": client.ID, "clientSecret": client.Secret, "validDomains": []string{sim.Host}, "allowedScopes": []string{"all"},
	}), nil)
	for _, apiType := range s.choices("connection", "apiType") {
		for _, authType := range s.choices("connection", "authType") {
			celonis := slices.Contains([]any{"dataPush", "intelligence"}, apiType) && slices.Contains([]any{"custom", "token", "oauth2"}, authType)
			if !celonis {
				continue // what leads elsewhere has its own tests
			}
			name := fmt.Sprint(apiType, " ", authType)
			body := s.render("connection", map[string]any{
				"name": name, "apiType": apiType, "authType": authType, "domain": sim.URL + "/ui",
				"appKey": sim.AppKey, "apiKey": sim.APIKey, "poolId": sim.Pool, "scopes": []string{"all"},
			})
			var made apptest.Connection
			s.Call(http.StatusCreated, "POST", "/v1/connections", body, &made)
			require.Equal(t, "online", made.Status, "%s: %+v", name, made.LastTest)
		}
	}
}

// TestFormsMakeAFlow goes on where the connection stands: the flow's form takes
// the connection from a list and the file from an upload.
func TestFormsMakeAFlow(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	s.Call(http.StatusCreated, "POST", "/v1/connections", draft(sim, "insight", map[string]any{"apiType": "intelligence", "poolId": nil}), nil)
	s.Connect("pool", sim)
	flow := s.Flow(s.render("flow", map[string]any{
		"name": "drawn", "format": "csv", "table": "DRAWN", "file contents": "A,B\n1,x\n2,y\n",
	}))
	apptest.RequireWhole(t, s.Do(flow), 2)
	require.Equal(t, []string{"x", "y"}, apptest.Column(sim.MustTable("DRAWN"), "B"))
}

func TestFormsForTheEye(t *testing.T) {
	t.Parallel()
	s := start(t, settings(t))
	for kind, ask := range map[string][]string{
		"connection":  {"domain", "poolId", "appKey", "apiKey"},
		"oauthClient": {"clientId", "clientSecret"},
		"import":      {"table"},
	} {
		var form struct {
			Properties map[string]struct {
				UI struct {
					HowTo []string `json:"howTo"`
				} `json:"x-ui"`
			}
		}
		s.Call(http.StatusOK, "GET", "/v1/forms/"+kind, nil, &form)
		for _, name := range ask {
			require.NotEmpty(t, form.Properties[name].UI.HowTo, "%s of %s says where in Celonis it is found", name, kind)
		}
	}
	s.Problem(http.StatusNotFound, "GET", "/v1/forms/secret", nil)
}

func TestScopeAdvice(t *testing.T) {
	t.Parallel()
	var client celonissim.OAuthClient
	sim := apptest.NewSim(t, func(o *celonissim.Options) { client = o.Teams[0].OAuthClients[0] })
	s := begin(t, sim)
	var stored struct {
		ID string `json:"id"`
	}
	s.Call(http.StatusCreated, "POST", "/v1/oauth-clients", map[string]any{
		"name": "client", "clientId": client.ID, "clientSecret": client.Secret, "validDomains": []string{sim.Host}, "allowedScopes": []string{"all"},
	}, &stored)
	var made apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections", draft(sim, "oauth", map[string]any{
		"authType": "oauth2", "appKey": nil, "oauthClientId": stored.ID, "scopes": []string{"integration.data-pools"},
	}), &made)
	flow := s.fileFlow(made.ID, "T", "csv", "A\n1\n")
	var advice struct {
		Applies bool `json:"applies"`
		Needed  []struct {
			Operation string `json:"operation"`
			Flows     []struct {
				FlowID string `json:"flowId"`
			} `json:"flows"`
		} `json:"needed"`
		Missing   []string `json:"missing"`
		Suggested []string `json:"suggested"`
		Broader   []struct {
			Scope string `json:"scope"`
		} `json:"broader"`
	}
	s.Call(http.StatusOK, "GET", "/v1/connections/"+made.ID+"/scope-advice", nil, &advice)
	require.True(t, advice.Applies)
	require.Equal(t, flow, advice.Needed[0].Flows[0].FlowID)
	require.Empty(t, advice.Missing)
	require.Equal(t, "integration.data-pools", advice.Broader[0].Scope)

	var tested apptest.TestResult
	s.Call(http.StatusOK, "POST", "/v1/connections/"+made.ID+"/test", nil, &tested)
	require.True(t, tested.OK)
	at := slices.IndexFunc(tested.Steps, func(step apptest.Step) bool { return step.Step == "scope" })
	require.Contains(t, tested.Steps[at].Hint, "integration.data-pools is broader than needed")

	s.Call(http.StatusOK, "PATCH", "/v1/connections/"+made.ID, map[string]any{"scopes": advice.Suggested}, &made)
	require.Equal(t, "online", made.Status, "what is suggested is enough")
	apptest.RequireWhole(t, s.Do(flow), 1)
}
