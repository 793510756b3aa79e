package strictjson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi/strictjson"
)

type inner struct {
	A string `json:"a"`
	B *int   `json:"b,omitempty"`
}

type embedded struct {
	E bool `json:"e"`
}

type sample struct {
	embedded
	Text  string            `json:"text"`
	Small int8              `json:"small"`
	Real  float64           `json:"real"`
	List  []inner           `json:"list"`
	Words []string          `json:"words"`
	Inner *inner            `json:"inner"`
	Map   map[string]string `json:"map"`
	Any   any               `json:"any"`
	Out   string            `json:"-"`
	Plain string
}

// decode gives the faults as "pointer code detail" lines.
func decode(t *testing.T, body string, into any) []string {
	t.Helper()
	d, err := strictjson.Parse([]byte(body))
	require.NoError(t, err)
	return lines(d.Decode(into))
}

func lines(fields []fault.Field) []string {
	list := []string{}
	for _, f := range fields {
		list = append(list, f.Pointer+" "+string(f.Code)+" "+f.Detail)
	}
	return list
}

func TestDecodeFills(t *testing.T) {
	t.Parallel()
	var s sample
	body := `{"e":true,"text":"a\u00e9\n","small":-8,"real":1.5e3,"list":[{"a":"x","b":2},{"a":"y"}],` +
		`"words":["p","q"],"inner":{"a":"z","b":null},"map":{"k":"v"},"any":[1],"Plain":"w"}`
	require.Empty(t, decode(t, body, &s))
	two := 2
	require.Equal(t, sample{
		embedded: embedded{true}, Text: "aé\n", Small: -8, Real: 1500, List: []inner{{"x", &two}, {A: "y"}},
		Words: []string{"p", "q"}, Inner: &inner{A: "z"}, Map: map[string]string{"k": "v"}, Any: []any{1.0}, Plain: "w",
	}, s)
}

func TestDecodeTellsEveryFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"unknown names", `{"x":1,"list":[{"a":"1","c/~":2}]}`, []string{
			"/x request.unknown_field is not known here",
			"/list/0/c~1~0 request.unknown_field is not known here",
		}},
		{"a name in another case", `{"TEXT":"1","inner":{"A":""},"E":true}`, []string{
			`/TEXT request.unknown_field is not known here; "text" is`,
			`/inner/A request.unknown_field is not known here; "a" is`,
			`/E request.unknown_field is not known here; "e" is`,
		}},
		{"a field that JSON does not have", `{"Out":"","-":""}`, []string{
			"/Out request.unknown_field is not known here",
			"/- request.unknown_field is not known here",
		}},
		{"wrong types", `{"text":1,"small":"1","real":true,"list":{},"words":[1,null],"inner":[],"map":{"k":0},"e":"x"}`, []string{
			"/text request.wrong_type must be a string, not a number",
			"/small request.wrong_type must be a number, not a string",
			"/real request.wrong_type must be a number, not a boolean",
			"/list request.wrong_type must be an array, not an object",
			"/words/0 request.wrong_type must be a string, not a number",
			"/words/1 request.wrong_type must not be null",
			"/inner request.wrong_type must be an object, not an array",
			"/map/k request.wrong_type must be a string, not a number",
			"/e request.wrong_type must be a boolean, not a string",
		}},
		{"numbers", `{"small":1.5,"real":1e999,"inner":{"b":99999999999999999999}}`, []string{
			"/small request.wrong_type must be a whole number of at most 8 bits",
			"/real request.field_invalid is out of range",
			"/inner/b request.wrong_type must be a whole number of at most 64 bits",
		}},
		{"names given twice", `{"text":"a","inner":{"a":"1","a":"2"},"text":"b"}`, []string{
			"/inner/a request.field_invalid is given twice",
			"/text request.field_invalid is given twice",
		}},
		{"U+0000", `{"text":"a\u0000b"}`, []string{"/text request.field_invalid must not hold the character U+0000"}},
		{"not an object", `[1]`, []string{" request.wrong_type must be an object, not an array"}},
		{"null", ` null `, []string{" request.wrong_type must be an object, not null"}},
		{"null for what may be left out", `{"text":null,"list":null,"inner":null,"map":null}`, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, decode(t, tt.body, &sample{}))
		})
	}
}

func TestDecodeKeepsTheFaultsOfTypesThatReadThemselves(t *testing.T) {
	t.Parallel()
	var spec flows.Spec
	require.Equal(t, []string{
		"/mapping/0/default request.wrong_type must be a string, a number or a boolean",
		`/maxErrors request.field_invalid must be a count or a percentage such as "5%"`,
	}, decode(t, `{"mapping":[{"to":"A","default":[1]},{"to":"B","default":2.50}],"maxErrors":"many"}`, &spec))
	require.Equal(t, flows.Scalar("2.50"), *spec.Mapping[1].Default)

	var draft connections.Draft
	require.Equal(t, []string{"/appKey request.wrong_type must be a string, not a number"},
		decode(t, `{"appKey":5,"apiKey":"k"}`, &draft))
	require.Equal(t, "k", draft.APIKey.Reveal())
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	body := "{" + strings.TrimSuffix(strings.Repeat(`"x":1,`, 1000), ",") + "}"
	require.Len(t, decode(t, body, &sample{}), strictjson.MaxFaults)
	body = `{"words":[` + strings.TrimSuffix(strings.Repeat(`1,`, 1000), ",") + "]}"
	require.Len(t, decode(t, body, &sample{}), strictjson.MaxFaults)
}

func TestParseTellsWhereItIsNotJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"empty", " \n", "the body is empty"},
		{"a comma too much", "{\n  \"a\": 1,\n}", "line 3, column 1: "},
		{"cut", "{\"ä\": [1", "line 1, column 9: unexpected end of JSON input"},
		{"text after the end", "{}\n x", "line 2, column 2: "},
		{"not JSON", "<a>", "line 1, column 1: "},
		{"a string over two lines", "{\"a\":\"b\nc\"}", "line 1, column 8: "},
		{"not UTF-8", "{\"a\":\n\"\xff\"}", "line 2, column 2: not UTF-8"},
		{"too deep", strings.Repeat("[", strictjson.MaxDepth+2) + strings.Repeat("]", strictjson.MaxDepth+2), "nested deeper than 64"},
		{"far too deep", strings.Repeat("[", 1<<20), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := strictjson.Parse([]byte(tt.body))
			require.Equal(t, fault.RequestMalformed, fault.CodeOf(err))
			require.Contains(t, fault.From(err).Message, tt.want)
		})
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	one := 1
	for _, tt := range []struct {
		name, patch string
		want        sample
		faults      []string
	}{
		{"nothing", `{}`, sample{Text: "old", Words: []string{"a"}, Inner: &inner{"x", &one}}, nil},
		{"a value", `{"text":"new"}`, sample{Text: "new", Words: []string{"a"}, Inner: &inner{"x", &one}}, nil},
		{"removed", `{"text":null,"inner":{"b":null}}`, sample{Words: []string{"a"}, Inner: &inner{A: "x"}}, nil},
		{"a list is replaced", `{"words":["b","c"]}`, sample{Text: "old", Words: []string{"b", "c"}, Inner: &inner{"x", &one}}, nil},
		{"an object member by member", `{"inner":{"a":"y"}}`, sample{Text: "old", Words: []string{"a"}, Inner: &inner{"y", &one}}, nil},
		{"an object over a list", `{"words":{"a":1}}`, sample{Text: "old", Inner: &inner{"x", &one}},
			[]string{"/words request.wrong_type must be an array, not an object"}},
		{"a new member", `{"map":{"k":"v"}}`, sample{Text: "old", Words: []string{"a"}, Inner: &inner{"x", &one}, Map: map[string]string{"k": "v"}}, nil},
		{"unknown names, removed or not", `{"nope":null,"inner":{"no":1}}`, sample{Text: "old", Words: []string{"a"}, Inner: &inner{"x", &one}},
			[]string{"/inner/no request.unknown_field is not known here", "/nope request.unknown_field is not known here"}},
		{"not an object", `5`, sample{}, []string{" request.wrong_type must be an object, not a number"}},
		{"given twice", `{"text":"a","text":"b"}`, sample{Text: "a", Words: []string{"a"}, Inner: &inner{"x", &one}},
			[]string{"/text request.field_invalid is given twice"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target, err := strictjson.Parse([]byte(`{"text":"old","words":["a"],"inner":{"a":"x","b":1}}`))
			require.NoError(t, err)
			patch, err := strictjson.Parse([]byte(tt.patch))
			require.NoError(t, err)
			var got sample
			require.Equal(t, append([]string{}, tt.faults...), lines(patch.Merge(target).Decode(&got)))
			require.Equal(t, tt.want, got)
		})
	}
}

// TestMergedObjectsReachTypesThatReadThemselves merges into a value whose type takes the JSON of the whole object.
func TestMergedObjectsReachTypesThatReadThemselves(t *testing.T) {
	t.Parallel()
	target, err := strictjson.Parse([]byte(`{"raw":{"a":1,"b":{"c":"\"q\""}}}`))
	require.NoError(t, err)
	patch, err := strictjson.Parse([]byte(`{"raw":{"b":{"d":[true]},"e":"x"}}`))
	require.NoError(t, err)
	var got struct {
		Raw json.RawMessage `json:"raw"`
	}
	require.Empty(t, patch.Merge(target).Decode(&got))
	require.JSONEq(t, `{"a":1,"b":{"c":"\"q\"","d":[true]},"e":"x"}`, string(got.Raw))
}

func TestElements(t *testing.T) {
	t.Parallel()
	var got []string
	for e := range strictjson.Elements([]byte(" [ {\"a\":[1,{\"b\":\"]},\\\"\"}]} , 5,\n\"x\", null , [[]],{}] ")) {
		got = append(got, string(e))
	}
	require.Equal(t, []string{`{"a":[1,{"b":"]},\""}]}`, "5", `"x"`, "null", "[[]]", "{}"}, got)
	for range strictjson.Elements([]byte("[]")) {
		t.Fatal("an empty array has no element")
	}
}

// FuzzDecode holds Decode against encoding/json: what has no fault must read the same.
func FuzzDecode(f *testing.F) {
	f.Add(`{"e":true,"text":"a\u00e9\n","small":-8,"real":1.5e3,"list":[{"a":"x","b":2}],"words":["p"],"inner":{"a":"z"},"map":{"k":"v"},"any":[1]}`)
	f.Add(`{"text":"a","text":"b"}`)
	f.Add(`{"TEXT":"a","x":{}}`)
	f.Add(` [ ] `)
	f.Add(`{"real":-0.0e-7,"small":1e2}`)
	f.Add("{\"text\":\"\\ud83d\\ude00 \\ud800\"}")
	f.Fuzz(func(t *testing.T, body string) {
		d, err := strictjson.Parse([]byte(body))
		if err != nil {
			require.Equal(t, fault.RequestMalformed, fault.CodeOf(err))
			return
		}
		require.True(t, json.Valid([]byte(body)))
		var got, want sample
		found := d.Decode(&got)
		require.LessOrEqual(t, len(found), strictjson.MaxFaults)
		if len(found) > 0 {
			return
		}
		require.NoError(t, json.Unmarshal([]byte(body), &want))
		require.Equal(t, want, got)
	})
}

// FuzzMerge holds Merge against the algorithm of RFC 7396 on maps.
func FuzzMerge(f *testing.F) {
	f.Add(`{"a":"b","c":{"d":"e","f":"g"}}`, `{"a":"z","c":{"f":null}}`)
	f.Add(`{"a":[{"b":"c"}]}`, `{"a":[1]}`)
	f.Add(`{"a":"foo"}`, `"bar"`)
	f.Add(`{"e":null}`, `{"a":{"bb":{"ccc":null}}}`)
	f.Add(`["c"]`, `{"a":{"b":1}}`)
	f.Fuzz(func(t *testing.T, target, patch string) {
		d, err := strictjson.Parse([]byte(`{"v":` + target + `}`))
		if err != nil {
			return
		}
		p, err := strictjson.Parse([]byte(`{"v":` + patch + `}`))
		if err != nil {
			return
		}
		var got struct {
			V any `json:"v"`
		}
		if len(p.Merge(d).Decode(&got)) > 0 {
			return
		}
		var wantTarget, wantPatch any
		if json.Unmarshal([]byte(target), &wantTarget) != nil || json.Unmarshal([]byte(patch), &wantPatch) != nil {
			return
		}
		want := mergeMaps(map[string]any{"v": wantTarget}, map[string]any{"v": wantPatch})
		require.Equal(t, withoutNulls(want.(map[string]any)["v"]), withoutNulls(got.V))
	})
}

func mergeMaps(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	m, ok := target.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	for name, value := range p {
		if value == nil {
			delete(m, name)
			continue
		}
		m[name] = mergeMaps(m[name], value)
	}
	return m
}

// withoutNulls drops null members: Merge keeps them, and Decode reads them as absent.
func withoutNulls(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for name, value := range m {
		if value == nil {
			delete(m, name)
			continue
		}
		m[name] = withoutNulls(value)
	}
	return m
}

// FuzzElements holds Elements against encoding/json.
func FuzzElements(f *testing.F) {
	f.Add(`[{"a":"]"},[1,2],"\\\""]`)
	f.Add(` [ ] `)
	f.Add("[1 ,\n2]")
	f.Fuzz(func(t *testing.T, body string) {
		var want []json.RawMessage
		if json.Unmarshal([]byte(body), &want) != nil || strings.TrimSpace(body) == "null" {
			return
		}
		got := []json.RawMessage{}
		for e := range strictjson.Elements([]byte(body)) {
			got = append(got, e)
		}
		require.True(t, reflect.DeepEqual(want, got), "%q: %q", body, got)
	})
}
