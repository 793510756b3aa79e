package form_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/celonis-connector/connector/internal/form"
	"github.com/stretchr/testify/require"
)

// hidden reads itself from text, as a secret does.
type hidden struct{}

func (*hidden) UnmarshalText([]byte) error { return nil }

// either reads itself from any JSON.
type either struct{}

func (*either) UnmarshalJSON([]byte) error { return nil }

type base struct {
	Name string `json:"name" validate:"required,max=10"`
}

type item struct {
	Kind string `json:"kind" validate:"required,oneof=a b"`
	Size *int   `json:"size,omitempty" validate:"omitempty,min=1,max=9"`
}

type sample struct {
	base
	Key    hidden   `json:"key,omitzero"`
	Share  *float64 `json:"share,omitempty" validate:"omitempty,min=0.5"`
	On     *bool    `json:"on,omitempty"`
	Tags   []string `json:"tags,omitempty" validate:"min=1,max=3,unique,dive,required,max=5"`
	Items  []item   `json:"items,omitempty" validate:"dive"`
	Either either   `json:"either"`
	Gone   string   `json:"gone"`
	Not    string   `json:"-"`
	inner  string
}

func hints() []form.Hint {
	words := func(path string) form.Hint { return form.Hint{Path: path, Label: path, Help: "help"} }
	list := []form.Hint{words("/name"), words("/key"), words("/share"), words("/on"), words("/tags"), words("/tags/*"), words("/items"),
		words("/items/*/kind"), words("/items/*/size"), words("/either"), {Path: "/gone", Omit: true}}
	list[0].Default, list[0].Example, list[0].HowTo = "x", "y", []string{"look"}
	list[1].Secret, list[1].Example = true, "never shown as a value"
	list[2].View, list[2].ShowWhen = form.HTTP, []form.When{form.Is("name", "x")}
	list[9].Refine = form.Schema{"type": []string{"string", "integer"}}
	return list
}

func spec() form.Spec {
	return form.Spec{Title: "Sample", Help: "A sample.", Of: sample{inner: ""}, Hints: hints(),
		Rules: map[string][]form.Schema{"": {form.Need("key")}, "/items/*": {form.Absent("size")}}}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	require.NoError(t, spec().Check())
	text, err := json.Marshal(spec().Document())
	require.NoError(t, err)
	ui := func(order, path, more string) string {
		return `"title":"` + path + `","description":"help","x-ui":{"order":` + order + `,"label":"` + path + `","help":"help"` + more + `}`
	}
	simple := `,"view":"simple"`
	require.JSONEq(t, `{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Sample","description":"A sample.","type":"object",
		"additionalProperties":false,"required":["name"],"x-ui":{"label":"Sample","help":"A sample.","views":["simple","http"]},
		"allOf":[{"required":["key"],"properties":{"key":{"minLength":1,"minItems":1}}}],
		"properties":{
		"name":{"type":"string","minLength":1,"maxLength":10,"default":"x","examples":["y"],`+ui("1", "/name", simple+`,"example":"y","howTo":["look"]`)+`},
		"key":{"type":"string","writeOnly":true,`+ui("2", "/key", simple+`,"secret":true,"example":"never shown as a value"`)+`},
		"share":{"type":"number","minimum":0.5,`+ui("3", "/share", `,"view":"http","showWhen":[{"field":"name","in":["x"]}]`)+`},
		"on":{"type":"boolean",`+ui("4", "/on", simple)+`},
		"tags":{"type":"array","minItems":1,"maxItems":3,"uniqueItems":true,`+ui("5", "/tags", simple)+`,
			"items":{"type":"string","minLength":1,"maxLength":5,`+ui("6", "/tags/*", simple)+`}},
		"items":{"type":"array",`+ui("7", "/items", simple)+`,"items":{"type":"object","additionalProperties":false,"required":["kind"],
			"allOf":[{"properties":{"size":false}}],"properties":{
			"kind":{"type":"string","enum":["a","b"],`+ui("8", "/items/*/kind", simple)+`},
			"size":{"type":"integer","minimum":1,"maximum":9,`+ui("9", "/items/*/size", simple)+`}}}},
		"either":{"type":["string","integer"],`+ui("10", "/either", simple)+`}}}`, string(text))
}

func TestCheckTellsWhereTableAndStructDoNotFit(t *testing.T) {
	t.Parallel()
	type odd struct {
		Name string         `json:"name" validate:"email"`
		Map  map[string]int `json:"map"`
		Self either         `json:"self"`
	}
	oddSpec := form.Spec{Of: odd{}, Hints: []form.Hint{{Path: "/name", Label: "l", Help: "h"}, {Path: "/map", Label: "l", Help: "h"}, {Path: "/self", Label: "l", Help: "h"}}}
	for says, s := range map[string]form.Spec{
		"the property /on has no hint": func() form.Spec { s := spec(); s.Hints = append(s.Hints[:3:3], s.Hints[4:]...); return s }(),
		"the hint /nope has no property": func() form.Spec {
			s := spec()
			s.Hints = append(s.Hints, form.Hint{Path: "/nope", Label: "l", Help: "h"})
			return s
		}(),
		"/name has two hints":                  func() form.Spec { s := spec(); s.Hints = append(s.Hints, s.Hints[0]); return s }(),
		"the hint /name has no words":          func() form.Spec { s := spec(); s.Hints[0].Help = ""; return s }(),
		"the rules of /nope have no object":    func() form.Spec { s := spec(); s.Rules["/nope"] = []form.Schema{{}}; return s }(),
		`/name has the rule ["email"]`:         oddSpec,
		"/map is a map[string]int":             oddSpec,
		"/self reads itself and its hint does": oddSpec,
	} {
		require.ErrorContains(t, s.Check(), says)
		require.NotEmpty(t, s.Document(), "a form is drawn nevertheless")
	}
}

func TestUnder(t *testing.T) {
	t.Parallel()
	hints, rules := form.Spec{Hints: []form.Hint{{Path: "/a"}, {Path: "/b/*/c"}}, Rules: map[string][]form.Schema{"": nil, "/b/*": nil}}.Under("/in")
	require.Equal(t, "/in/a", hints[0].Path)
	require.Equal(t, "/in/b/*/c", hints[1].Path)
	require.Contains(t, rules, "/in")
	require.Contains(t, rules, "/in/b/*")
}

func TestPatternsInAnyCase(t *testing.T) {
	t.Parallel()
	p := regexp.MustCompile("^" + form.AnyOf([]string{"a.b/c", "x-y ["}) + "$")
	for text, want := range map[string]bool{"a.b/c": true, "A.B/C": true, "axb/c": false, "X-Y [": true, "a.b/cx": false} {
		require.Equal(t, want, p.MatchString(text), text)
	}
}
