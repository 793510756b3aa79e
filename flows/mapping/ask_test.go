package mapping_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// oracle answers by a function and keeps what it was asked.
type oracle struct {
	answer func(question string) (mapping.Answer, error)
	asked  []string
}

func (o *oracle) Ask(_ context.Context, questions []string) ([]mapping.Answer, error) {
	out := []mapping.Answer{}
	for _, q := range questions {
		o.asked = append(o.asked, q)
		a := mapping.TextAnswer(q)
		if o.answer != nil {
			var err error
			if a, err = o.answer(q); err != nil {
				return nil, err
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func asks(prompt string, o *oracle) mapping.Shape {
	return mapping.Shape{Agents: map[string]mapping.Agent{"a": {Prompt: prompt, Asker: o}}}
}

func byAgent(r flows.Rule) flows.Rule {
	r.Lookup = &flows.RuleLookup{Table: "a", Default: r.Default}
	r.Default = nil
	return r
}

func TestAnAgentIsAskedOncePerBlockAndQuestion(t *testing.T) {
	t.Parallel()
	o := &oracle{}
	out := shape(t, columns.FormatCSV, "v,c\nx,DE\ny,DE\nx,DE\nx,FR\n,DE\n\" \",DE\n", asks("{value} in {c}", o), byAgent(flows.Rule{To: "G", From: "v", Length: 20}))
	require.Equal(t, []string{"x in DE", "y in DE", "x in FR"}, o.asked)
	require.Equal(t, [][]any{{"x in DE"}, {"y in DE"}, {"x in DE"}, {"x in FR"}, {nil}, {nil}}, out.rows)
	require.Empty(t, out.errors)
}

func TestPrompts(t *testing.T) {
	t.Parallel()
	const record = `{"v":"x","n":12.50,"b":true,"o":{"p/q":[1,{"r":"deep"}]},"z":null}`
	for prompt, want := range map[string]string{
		"{value}":                        "x",
		"{{{value}}} and {{value}}":      "{x} and {value}",
		"{value}{n}{b}{z}{none}":         "x12.5true",
		"{value}: {/o/p~1q/1/r}":         "x: deep",
		"{value}: {/o/p~1q}":             `x: [1,{"r":"deep"}]`,
		"{value} and {value} of {v}":     "x and x of x",
		"is {value} an \u00fcber-vendor": "is x an \u00fcber-vendor",
	} {
		o := &oracle{}
		out := shape(t, columns.FormatNDJSON, record+"\n", asks(prompt, o), byAgent(flows.Rule{To: "G", From: "v", Length: 100}))
		require.Empty(t, out.errors, prompt)
		require.Equal(t, []string{want}, o.asked, prompt)
	}
	for prompt, wrong := range map[string]string{
		"no value": "no {value}", "{value": "no name and }", "{value} }": "has no {", "{} {value}": "no name", "{a{value}}": "no name", "{value} {/~2}": "field",
	} {
		_, err := mapping.Compile([]flows.Rule{byAgent(flows.Rule{To: "G", From: "v"})}, nil, mapping.Options{Shape: asks(prompt, nil)})
		require.True(t, fault.Has(err, fault.MappingLookup), "%s: %v", prompt, err)
		require.Contains(t, fault.From(err).Fields[0].Detail, wrong, prompt)
	}
}

func TestAPromptReadsTheElementOfAList(t *testing.T) {
	t.Parallel()
	o := &oracle{}
	s := asks("{value} of {/items/of} by {who}", o)
	s.Expand = "/items"
	out := shape(t, columns.FormatNDJSON, `{"who":"w","items":[{"s":"a","of":1},{"s":"b","of":2}]}`+"\n", s, byAgent(flows.Rule{To: "G", From: "/items/s", Length: 100}))
	require.Equal(t, [][]any{{"a of 1 by w"}, {"b of 2 by w"}}, out.rows)
}

func TestWhatAnswersMakeOfRecords(t *testing.T) {
	t.Parallel()
	o := &oracle{answer: func(q string) (mapping.Answer, error) {
		switch q {
		case "refused":
			return mapping.Answer{Code: fault.LookupRefused, Message: "it would not say"}, nil
		case "none":
			return mapping.TextAnswer(" \n"), nil
		case "unasked":
			return mapping.Answer{Unasked: true}, nil
		case "number":
			return mapping.Answer{Text: "42", Kind: columns.Number}, nil
		}
		return mapping.TextAnswer(" " + q + " "), nil
	}}
	standard := flows.Scalar("7")
	text := "v\nrefused\nnone\nunasked\nnumber\n13\nwords\n"
	out := shape(t, columns.FormatCSV, text, asks("{value}", o), byAgent(flows.Rule{To: "N", From: "v", Type: "integer", Default: &standard}))
	require.Equal(t, [][]any{{int64(7)}, {nil}, {int64(42)}, {int64(13)}}, out.rows)
	require.Len(t, out.errors, 2)
	require.Equal(t, fault.LookupRefused, out.errors[0].Code)
	require.Equal(t, "it would not say", out.errors[0].Message)
	require.Equal(t, fault.ValueType, out.errors[1].Code)
	require.Equal(t, []string{"refused", "words"}, out.kept)
	out = shape(t, columns.FormatCSV, "v\nunasked\nnone\n", asks("{value}", o), byAgent(flows.Rule{To: "T", From: "v", Length: 20}))
	require.Equal(t, [][]any{{"[not asked]"}, {nil}}, out.rows)
}

func TestNobodyIsAskedForRecordsThatAreBadOrFiltered(t *testing.T) {
	t.Parallel()
	o := &oracle{}
	s := asks("{value}", o)
	s.Filter = `record["n"] != "9"`
	shape(t, columns.FormatCSV, "n,v\nx,bad\n1,good\n9,filtered\n", s, flows.Rule{To: "N", From: "n", Type: "integer"}, byAgent(flows.Rule{To: "G", From: "v", Length: 20}))
	require.Equal(t, []string{"good"}, o.asked)
}

func TestAnAgentThatCannotBeAskedStopsTheApplier(t *testing.T) {
	t.Parallel()
	spent := errors.New("spent")
	o := &oracle{answer: func(string) (mapping.Answer, error) { return mapping.Answer{}, spent }}
	plan := compile(t, mapping.Options{Shape: asks("{value}", o)}, byAgent(flows.Rule{To: "G", From: "v"}))
	applier, out := plan.NewApplier(), columns.NewBatch(plan.Schema())
	require.Empty(t, applier.Apply(csv([]string{"v"}, []string{"a"}, []string{"b"}), out, nil), "no record is blamed")
	require.ErrorIs(t, applier.Stopped(), spent)
	survey := plan.NewSurvey(mapping.InferOptions{}).Within(t.Context())
	survey.Add(csv([]string{"v"}, []string{"a"}))
	require.ErrorIs(t, survey.Stopped(), spent)

	plan = compile(t, mapping.Options{Shape: mapping.Shape{Agents: map[string]mapping.Agent{"a": {Prompt: "{value}"}}}}, byAgent(flows.Rule{To: "G", From: "v"}))
	applier = plan.NewApplier()
	applier.Apply(csv([]string{"v"}, []string{"a"}), columns.NewBatch(plan.Schema()), nil)
	require.Error(t, applier.Stopped())
}

func TestASampleAsksNobody(t *testing.T) {
	t.Parallel()
	o := &oracle{}
	rules := []flows.Rule{byAgent(flows.Rule{To: "G", From: "v"}), {To: "W", From: "w"}, byAgent(flows.Rule{To: "N", From: "v", Type: "integer"})}
	out := mapping.LengthsOf(rules, mapping.Sample{Raw: []*columns.Raw{csv([]string{"v", "w"}, []string{"x", strings.Repeat("w", 500)})}}, mapping.Options{Shape: asks("{value}", o)})
	require.Empty(t, o.asked)
	require.Equal(t, flows.AnswerLength, out[0].Length)
	require.Greater(t, out[1].Length, 500)
	require.NotNil(t, out[0].Lookup, "the rules are left as they are")
}

func TestAnAgentIsToldNothingThatIsProtected(t *testing.T) {
	t.Parallel()
	hidden := flows.Rule{To: "H", From: "/p/name", Protect: &flows.Protection{Method: flows.ProtectSHA256}}
	own := byAgent(flows.Rule{To: "G", From: "v", Protect: &flows.Protection{Method: flows.ProtectTokenise}})
	for name, c := range map[string]struct {
		prompt string
		rules  []flows.Rule
		at     int
	}{
		"the value":         {"{value}", []flows.Rule{hidden, byAgent(flows.Rule{To: "G", From: "/p/name"})}, 1},
		"what holds it":     {"{value}", []flows.Rule{hidden, byAgent(flows.Rule{To: "G", From: "p"})}, 1},
		"a part of it":      {"{value}", []flows.Rule{byAgent(flows.Rule{To: "G", From: "/p/name/first"}), hidden}, 0},
		"a field":           {"{value} {/p/name}", []flows.Rule{hidden, byAgent(flows.Rule{To: "G", From: "v"})}, 1},
		"by an expression":  {"{value}", []flows.Rule{hidden, byAgent(flows.Rule{To: "G", Expr: `upper(record["/p/name"])`})}, 1},
		"any field":         {"{value}", []flows.Rule{hidden, byAgent(flows.Rule{To: "G", Expr: `record["/p/" + "name"]`})}, 1},
		"the answer's rule": {"{value}", []flows.Rule{own}, 0},
	} {
		_, err := mapping.Compile(c.rules, nil, mapping.Options{Shape: asks(c.prompt, nil)})
		require.True(t, fault.Has(err, fault.MappingLookup), "%s: %v", name, err)
		require.Equal(t, fmt.Sprintf("/mapping/%d/lookup/table", c.at), fault.From(err).Fields[0].Pointer, name)
	}
	_, err := mapping.Compile([]flows.Rule{hidden, byAgent(flows.Rule{To: "G", From: "v"})}, nil, mapping.Options{Shape: asks("{value} {w}", nil)})
	require.NoError(t, err)
}

func TestPointedAnswers(t *testing.T) {
	t.Parallel()
	const out = ` {"a":{"b":[10,"x"]},"t":"text","big":12345678901234567890,"yes":true,"nothing":null}`
	for pointer, want := range map[string]mapping.Answer{
		"/t":       {Text: "text", Kind: columns.Text},
		"/a/b/0":   {Text: "10", Kind: columns.Number},
		"/a/b/1":   {Text: "x", Kind: columns.Text},
		"/a":       {Text: `{"b":[10,"x"]}`, Kind: columns.JSON},
		"/big":     {Text: "12345678901234567890", Kind: columns.Number},
		"/yes":     {Text: "true", Kind: columns.Bool},
		"/nothing": {}, "/none": {}, "/t/deeper": {}, "/a/b/7": {}, "/~2": {},
	} {
		require.Equal(t, want, mapping.PointedAnswer([]byte(out), pointer), pointer)
	}
	require.Equal(t, mapping.Answer{}, mapping.PointedAnswer([]byte(`[1]`), "/0"), "a schema's value is an object")
	require.Equal(t, mapping.Answer{}, mapping.PointedAnswer(nil, "/a"))
}

func FuzzPrompts(f *testing.F) {
	for _, seed := range []string{"{value}", "{{{value}}}", "{value} {a} {/b/c}", "{", "}{value}", "{value}{"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, prompt string) {
		o := &oracle{}
		plan, err := mapping.Compile([]flows.Rule{byAgent(flows.Rule{To: "G", From: "v", Length: 60_000})}, nil, mapping.Options{Shape: asks(prompt, o)})
		if err != nil {
			return
		}
		plan.NewApplier().Apply(csv([]string{"v"}, []string{"x"}), columns.NewBatch(plan.Schema()), nil)
		require.LessOrEqual(t, len(o.asked), 1)
	})
}
