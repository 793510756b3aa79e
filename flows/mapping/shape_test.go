package mapping_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// keyOf hides by a key.
type keyOf string

func (k keyOf) MAC() hash.Hash { return hmac.New(sha256.New, []byte(k)) }

// shaped is what a plan makes of a text.
type shaped struct {
	rows           [][]any
	errors         []columns.RecordError
	kept           []string
	seen, filtered int64
}

// shape puts a text through rules.
func shape(t testing.TB, format columns.Format, text string, shape mapping.Shape, rules ...flows.Rule) shaped {
	t.Helper()
	asked, err := mapping.Compile(rules, nil, mapping.Options{Shape: shape})
	require.NoError(t, err)
	r, err := columns.Open(strings.NewReader(text), columns.ReadOptions{Format: format, Want: asked.Want(), Strict: asked.Want() == nil})
	require.NoError(t, err)
	defer r.Close()
	if asked.Dynamic() && format != columns.FormatCSV {
		require.NoError(t, r.Adapt(nil, true))
	}
	plan, err := mapping.Compile(rules, r.Names(), mapping.Options{Shape: shape, JSON: format != columns.FormatCSV, NamesComplete: format == columns.FormatCSV})
	require.NoError(t, err)
	return through(t, r, plan)
}

func through(t testing.TB, r *columns.Reader, plan *mapping.Plan) (out shaped) {
	t.Helper()
	applier, raw, batch := plan.NewApplier(), new(columns.Raw), columns.NewBatch(plan.Schema())
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		require.NoError(t, r.Decode(b, raw))
		batch.Reset()
		errs := applier.Apply(raw, batch, nil)
		errs = append(errs, applier.Undecoded(raw)...)
		seen, filtered := applier.Counts(raw)
		require.Equal(t, seen, filtered+int64(batch.Rows)+int64(len(errs)), "the ledger balances")
		for _, e := range errs {
			kept, _ := applier.Kept(e.Row, raw.Data[e.Place.Off:e.Place.Off+e.Place.Len])
			out.kept = append(out.kept, string(kept))
		}
		out.errors = append(out.errors, errs...)
		out.seen, out.filtered = out.seen+seen, out.filtered+filtered
		for row := range batch.Rows {
			var line []any
			for c := range batch.Columns {
				line = append(line, values(&batch.Columns[c])[row])
			}
			out.rows = append(out.rows, line)
		}
		r.Release(b)
	}
}

const orders = `{"id":1,"name":"Ada","n":3,"items":[{"sku":"a","q":2},{"sku":"b","q":0}],"when":"2024-05-06T07:08:09Z"}
{"id":2,"name":"Bob","n":null,"items":[]}
{"id":3,"name":"Cy\"d","n":12345678901234567890,"items":[{"sku":"c\nd","q":"x"}]}
{"id":4,"name":"Eve","n":1.5}
`

func TestFilterAndExpressions(t *testing.T) {
	t.Parallel()
	rules := []flows.Rule{
		{To: "ID", From: "id", Type: "integer"},
		{To: "LABEL", Expr: `upper(record["name"]) + "/" + string(n)`},
		{To: "FIRST", Expr: `record["/items/0/sku"]`},
		{To: "DAY", Expr: `addDays(when, 1)`, Type: "date"},
		{To: "AT", Expr: `date(when)`, Type: "datetime"},
		{To: "BIG", Expr: `n`, Type: "string", Default: scalar("none")},
	}

	got := shape(t, columns.FormatNDJSON, orders, mapping.Shape{Filter: `id != 4`}, rules...)
	day := int64(time.Date(2024, 5, 7, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC).UnixMilli()
	require.Equal(t, [][]any{
		{int64(1), "ADA/3", "a", day, at, "3"},
		{int64(2), nil, nil, nil, nil, "none"},
		{int64(3), `CY"D/12345678901234567890`, "c\nd", nil, nil, "12345678901234567890"},
	}, got.rows)
	require.Equal(t, []int64{4, 1}, []int64{got.seen, got.filtered})
	require.Empty(t, got.errors)
}

func TestAnExpressionThatFails(t *testing.T) {
	t.Parallel()
	text := "id,amount\n1,5\n2,five\n3,7\n4,\"1,5\"\n"
	got := shape(t, columns.FormatCSV, text, mapping.Shape{Filter: `float(amount) > 5`}, flows.Rule{To: "ID", From: "id", Type: "integer"})
	require.Equal(t, [][]any{{int64(3)}}, got.rows)
	require.Equal(t, []int64{4, 1}, []int64{got.seen, got.filtered})
	require.Len(t, got.errors, 2)
	require.Equal(t, []int{1, 3}, []int{got.errors[0].Row, got.errors[1].Row})
	require.Equal(t, fault.RecordExpression, got.errors[0].Code)
	require.Equal(t, `the filter "float(amount) > 5" has no value: float: the text is not a number at 1:1`, got.errors[0].Message)
	require.Equal(t, "2,five", got.kept[0])

	got = shape(t, columns.FormatCSV, text, mapping.Shape{}, flows.Rule{To: "N", Expr: `float(amount, ",") * 2`, Type: "float"})
	require.Equal(t, [][]any{{10.0}, {14.0}, {3.0}}, got.rows)
	require.Equal(t, "N", got.errors[0].Field)
	require.Equal(t, `the expression "float(amount, \",\") * 2" of column "N" has no value: float: the text is not a number at 1:1`, got.errors[0].Message)
}

func TestExpand(t *testing.T) {
	t.Parallel()
	rules := []flows.Rule{
		{To: "ID", From: "id", Type: "integer"}, {To: "SKU", From: "/items/sku"}, {To: "Q", From: "/items/q", Type: "integer"},
		{To: "BOTH", Expr: `record["/items/sku"] + "-" + name`},
	}
	got := shape(t, columns.FormatNDJSON, orders, mapping.Shape{Expand: "/items"}, rules...)
	require.Equal(t, [][]any{
		{int64(1), "a", int64(2), "a-Ada"}, {int64(1), "b", int64(0), "b-Ada"}, {int64(2), nil, nil, nil}, {int64(4), nil, nil, nil},
	}, got.rows)
	require.Equal(t, int64(5), got.seen)
	require.Len(t, got.errors, 1)
	require.Equal(t, 3, got.errors[0].Row, "records count as they are expanded")
	require.Equal(t, strings.Split(orders, "\n")[2], strings.TrimSpace(got.kept[0]), "the record is kept whole")

	got = shape(t, columns.FormatNDJSON, orders, mapping.Shape{Expand: "/items", DropEmpty: true, Filter: `record["/items/q"] != 0`}, rules[:2]...)
	require.Equal(t, [][]any{{int64(1), "a"}, {int64(3), "c\nd"}}, got.rows)
	require.Equal(t, []int64{5, 3}, []int64{got.seen, got.filtered})
}

func TestExpandOtherLists(t *testing.T) {
	t.Parallel()
	text := `{"a":{"b":[1,"x\ty",null,[2],true]}}` + "\n" + `not json` + "\n" + `{"a":{"b":7}}` + "\n" + `{"a":{"b":[3,4]}}` + "\n" + `{"a":5}` + "\n"
	got := shape(t, columns.FormatNDJSON, text, mapping.Shape{Expand: "/a/b"}, flows.Rule{To: "V", From: "/a/b"})
	require.Equal(t, [][]any{{"1"}, {"x\ty"}, {nil}, {"[2]"}, {"true"}, {"3"}, {"4"}}, got.rows)
	require.Equal(t, int64(10), got.seen)
	rows := map[int]fault.Code{}
	for _, e := range got.errors {
		rows[e.Row] = e.Code
	}
	require.Equal(t, map[int]fault.Code{5: fault.RecordMalformed, 6: fault.RecordExpand, 9: fault.RecordExpand}, rows)
	csv := shape(t, columns.FormatCSV, "id,list\n1,\"[1,2]\"\n2,\n", mapping.Shape{Expand: "/list"}, flows.Rule{To: "ID", From: "id"}, flows.Rule{To: "V", From: "/list", Type: "integer"})
	require.Equal(t, [][]any{{"1", int64(1)}, {"1", int64(2)}, {"2", nil}}, csv.rows)
}

func TestAnyFieldOfTheRecord(t *testing.T) {
	t.Parallel()
	text := `{"k":"a","a":1}` + "\n" + `{"k":"late","late":{"x":[5]}}` + "\n"
	got := shape(t, columns.FormatNDJSON, text, mapping.Shape{}, flows.Rule{To: "V", Expr: `record[k]`}, flows.Rule{To: "N", Expr: `len(record)`, Type: "integer"})
	require.Equal(t, [][]any{{"1", int64(2)}, {`{"x":[5]}`, int64(2)}}, got.rows)
	got = shape(t, columns.FormatNDJSON, `{"k":"/late/x/0"}`+"\n"+text[strings.Index(text, "\n")+1:], mapping.Shape{}, flows.Rule{To: "V", Expr: `record["/" + k + "/x/0"] ?? record[k]`})
	require.Equal(t, [][]any{{nil}, {"5"}}, got.rows)
}

func TestLookups(t *testing.T) {
	t.Parallel()
	tables := map[string]map[string]string{"c": {"DE": "Germany", "1": "one"}}
	got := shape(t, columns.FormatNDJSON, `{"c":"DE","n":1}`+"\n"+`{"c":"FR","n":2}`+"\n"+`{}`+"\n", mapping.Shape{Tables: tables},
		flows.Rule{To: "A", From: "c", Lookup: &flows.RuleLookup{Table: "c"}}, flows.Rule{To: "B", From: "n", Lookup: &flows.RuleLookup{Table: "c", Default: scalar("?")}},
		flows.Rule{To: "C", Expr: `lookup("c", c, "none")`})
	require.Equal(t, [][]any{{"Germany", "one", "Germany"}, {nil, "?", "none"}, {nil, nil, "none"}}, got.rows)
}

func TestProtectedValues(t *testing.T) {
	t.Parallel()
	hashed := flows.Protection{Method: flows.ProtectSHA256}
	token := flows.Protection{Method: flows.ProtectTokenise}
	rules := []flows.Rule{
		{To: "H", From: "name", Protect: &hashed}, {To: "T", From: "name", Protect: &token}, {To: "N", From: "n", Protect: &token},
		{To: "E", Expr: `lower(name)`, Protect: &token},
		{To: "F", From: "n", Type: "integer", Protect: &flows.Protection{Method: flows.ProtectFixed, Value: scalar("7")}},
		{To: "G", From: "name", Protect: &flows.Protection{Method: flows.ProtectFixed, Value: scalar("x")}},
	}
	run := func(key keyOf, text string) shaped {
		return shape(t, columns.FormatNDJSON, text, mapping.Shape{Protector: key}, rules...)
	}
	got := run("k", `{"name":"Ada","n":12}`+"\n"+`{"name":"Ada","n":"12"}`+"\n"+`{"name":null}`+"\n")
	require.Empty(t, got.errors)
	mac := hmac.New(sha256.New, []byte("k"))
	mac.Write([]byte("sha256\x00Ada"))
	require.Equal(t, hex.EncodeToString(mac.Sum(nil)), got.rows[0][0])
	require.Regexp(t, `^tok_[A-Z2-7]{32}$`, got.rows[0][1])
	require.Equal(t, got.rows[0], got.rows[1], "the same value gives the same token, however it is written")
	require.NotEqual(t, got.rows[0][1], got.rows[0][3])
	require.Equal(t, []any{int64(7), "x"}, got.rows[0][4:])
	require.Equal(t, []any{nil, nil, nil, nil, nil, nil}, got.rows[2])
	other := run("other", `{"name":"Ada","n":12}`+"\n")
	require.NotEqual(t, got.rows[0][1], other.rows[0][1], "each workspace has its own")

	none := shape(t, columns.FormatNDJSON, `{"name":"Ada"}`+"\n", mapping.Shape{}, rules[0])
	require.Empty(t, none.rows, "nothing leaves as it is")
	require.Len(t, none.errors, 1)
}

func TestNothingShowsAProtectedValue(t *testing.T) {
	t.Parallel()
	token := &flows.Protection{Method: flows.ProtectTokenise}
	const secret = "Mallory"
	for name, c := range map[string]struct {
		format columns.Format
		text   string
		shape  mapping.Shape
		rules  []flows.Rule
		kept   string
	}{
		"the same field elsewhere": {
			format: columns.FormatNDJSON, text: `{"id":1,"name":"Mallory","more":[1, 2]}`,
			rules: []flows.Rule{{To: "T", From: "name", Protect: token}, {To: "I", From: "name", Type: "integer"}},
			kept:  `{"id":1,"name":"[protected]","more":[1, 2]}`,
		},
		"a member": {
			format: columns.FormatNDJSON, text: `{"p":{"name":"Mallory","x":1},"n":"no number"}`,
			rules: []flows.Rule{{To: "T", From: "/p/name", Protect: token}, {To: "I", From: "n", Type: "integer"}},
			kept:  `{"p":{"name":"[protected]","x":1},"n":"no number"}`,
		},
		"written twice": {
			format: columns.FormatNDJSON, text: `{"name":"Mallory","n":"x","na\u006de":"Mallory2"}`,
			rules: []flows.Rule{{To: "T", From: "name", Protect: token}, {To: "I", From: "n", Type: "integer"}},
		},
		"an element": {
			format: columns.FormatNDJSON, text: `{"items":[{"who":"Mallory"},{"who":"Mallory3"}],"n":"x"}`, shape: mapping.Shape{Expand: "/items"},
			rules: []flows.Rule{{To: "T", From: "/items/who", Protect: token}, {To: "I", From: "n", Type: "integer"}},
			kept:  `{"items":[{"who":"[protected]"},{"who":"[protected]"}],"n":"x"}`,
		},
		"an expression": {
			format: columns.FormatNDJSON, text: `{"name":"Mallory"}`,
			rules: []flows.Rule{{To: "T", Expr: `int(name)`, Protect: token}}, kept: `{"name":"[protected]"}`,
		},
		"an expression's result": {
			format: columns.FormatNDJSON, text: `{"name":"Mallory"}`,
			rules: []flows.Rule{{To: "T", From: "name", Protect: token}, {To: "I", Expr: `name + "!"`, Type: "integer"}}, kept: `{"name":"[protected]"}`,
		},
		"the filter": {
			format: columns.FormatNDJSON, text: `{"name":"Mallory"}`, shape: mapping.Shape{Filter: `float(name) > 1`},
			rules: []flows.Rule{{To: "T", From: "name", Protect: token}}, kept: `{"name":"[protected]"}`,
		},
		"any field": {
			format: columns.FormatNDJSON, text: `{"k":"name","name":"Mallory","n":"x"}`,
			rules: []flows.Rule{{To: "T", Expr: `record[k]`, Protect: token}, {To: "I", From: "n", Type: "integer"}}, kept: "[protected]",
		},
		"no JSON": {
			format: columns.FormatNDJSON, text: `{"name":"ok"}` + "\n" + `{"name":"Mallory"`, rules: []flows.Rule{{To: "T", From: "name", Protect: token}}, kept: "[protected]",
		},
		"a cell": {
			format: columns.FormatCSV, text: "id,name,n\n1,Mallory,x\n", rules: []flows.Rule{{To: "T", From: "name", Protect: token}, {To: "I", From: "n", Type: "integer"}},
			kept: "1,[protected],x",
		},
		"a quoted cell": {
			format: columns.FormatCSV, text: "id,name,n\n1,\"Mallory, M.\",x\n", rules: []flows.Rule{{To: "T", From: "name", Protect: token}, {To: "I", From: "n", Type: "integer"}},
			kept: "1,\"[protected]\",x",
		},
		"a cell with quotes": {
			format: columns.FormatCSV, text: "id,name,n\n1,\"Mallory \"\"M\"\"\",x\n", rules: []flows.Rule{{To: "T", From: "name", Protect: token}, {To: "I", From: "n", Type: "integer"}},
			kept: "[protected]",
		},
		"too many cells": {
			format: columns.FormatCSV, text: "id,name\n1,a\n1,Mallory,x,y\n", rules: []flows.Rule{{To: "T", From: "name", Protect: token}}, kept: "[protected]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.shape.Protector = keyOf("k")
			got := shape(t, c.format, c.text, c.shape, c.rules...)
			require.NotEmpty(t, got.errors)
			for i, e := range got.errors {
				require.NotContains(t, e.Message, secret)
				require.NotContains(t, got.kept[i], secret)
				if c.kept != "" {
					require.Equal(t, c.kept, strings.TrimRight(got.kept[i], ""))
				}
			}
			for _, row := range got.rows {
				require.NotContains(t, row, secret)
			}
		})
	}
	mask := shape(t, columns.FormatNDJSON, `{"name":"[protected]"}`, mapping.Shape{Protector: keyOf("k")}, flows.Rule{To: "T", From: "name", Protect: token})
	require.Empty(t, mask.rows, "a mask is no value")
	require.ErrorContains(t, errors.New(mask.errors[0].Message), "put the value back")
}

func TestShapesOfATypedSource(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: "id", Type: columns.Integer}, {Name: "list", Type: columns.String, Length: 99}, {Name: "at", Type: columns.DateTime}, {Name: "f", Type: columns.Float}}
	b := columns.NewBatch(schema)
	for i, list := range []string{`[1,2]`, ``, `[3]`, `{}`} {
		b.Columns[0].AppendInt(int64(i))
		b.Columns[1].AppendString([]byte(list))
		b.Columns[2].AppendInt(1000)
		b.Columns[3].AppendFloat(1.5)
		b.Rows++
	}
	plan := compile(t, mapping.Options{Shape: mapping.Shape{Expand: "/list", Filter: "id < 3 or id == 3"}},
		flows.Rule{To: "ID", From: "id", Type: "integer"}, flows.Rule{To: "V", From: "/list", Type: "integer"}, flows.Rule{To: "AT", Expr: `date(at)`, Type: "datetime"}, flows.Rule{To: "F", Expr: `f * 2`, Type: "float"})
	out := columns.NewBatch(plan.Schema())
	a := plan.NewApplier()
	errs := a.ApplyTyped(b, out, nil)
	require.Equal(t, []any{int64(0), int64(0), int64(1), int64(2)}, values(&out.Columns[0]))
	require.Equal(t, []any{int64(1), int64(2), nil, int64(3)}, values(&out.Columns[1]))
	require.Equal(t, []any{int64(1000), int64(1000), int64(1000), int64(1000)}, values(&out.Columns[2]))
	require.Equal(t, 3.0, values(&out.Columns[3])[0])
	require.Len(t, errs, 1)
	require.Equal(t, 4, errs[0].Row)
	require.Equal(t, 3, a.SourceRow(errs[0].Row))
	seen, filtered := a.CountsTyped(b)
	require.Equal(t, []int64{5, 0}, []int64{seen, filtered})
}

func TestWhatIsWrongWithAShape(t *testing.T) {
	t.Parallel()
	spec := flows.Spec{
		Filter: "1 +\n  uper(x)", Expand: "items", ExpandEmpty: "drop",
		Lookups: []flows.LookupTable{{Name: "a"}, {Name: "a", Values: flows.LookupValues{"x": "y"}, Key: "k"}, {Name: "f", FileID: "id"}},
		Mapping: []flows.Rule{
			{To: "A", Expr: `upper(`}, {To: "B", Expr: `x`, From: "x", Format: "comma", Type: "integer"}, {To: "C", Lookup: &flows.RuleLookup{Table: "no"}},
			{To: "D", Type: "integer", Protect: &flows.Protection{Method: "sha256"}}, {To: "E", Length: 10, Protect: &flows.Protection{Method: "tokenise"}},
			{To: "F", Protect: &flows.Protection{Method: "fixed"}}, {To: "G", Type: "date", Protect: &flows.Protection{Method: "fixed", Value: scalar("x")}},
			{To: "H", Expr: `lookup("zzz", 1)`}, {To: "I", Protect: &flows.Protection{Method: "sha256", Value: scalar("x")}},
		},
	}
	got := map[string]string{}
	for _, f := range mapping.Check(spec) {
		got[f.Pointer] = f.Detail
	}
	require.Equal(t, map[string]string{
		"/lookups/0":               `the lookup table "a" has neither values nor a fileId nor an agent`,
		"/lookups/1/name":          `the lookup table "a" comes twice`,
		"/lookups/1":               `the lookup table "a" has format, key or value, which only a table of a file takes`,
		"/lookups/2":               `the lookup table "f" of a file needs format, key and value`,
		"/expand":                  `the list "items" cannot be expanded: a JSON Pointer begins with "/"`,
		"/filter":                  "the expression \"1 +\\n  uper(x)\" is not valid: there is no function \"uper\" at 2:3",
		"/mapping/0/expr":          `the expression "upper(" is not valid: unexpected token EOF at 1:6`,
		"/mapping/1/from":          `column "B" has a source and an expression; it takes one of them`,
		"/mapping/1/format":        `column "B" has a format and an expression; an expression reads with date(text, layout) or float(text, ",")`,
		"/mapping/2/lookup/table":  `there is no lookup table "no"`,
		"/mapping/3/type":          `column "D" is protected by sha256, which makes a string, and is an integer`,
		"/mapping/4/length":        `column "E" is declared with 10 bytes, and a value protected by tokenise has 36`,
		"/mapping/5/protect/value": `column "F" is protected by a fixed value and has none`,
		"/mapping/6/protect/value": `the fixed value "x" of column "G" is not a date`,
		"/mapping/7/expr":          `the expression "lookup(\"zzz\", 1)" is not valid: there is no lookup table "zzz" at 1:8`,
		"/mapping/8/protect/value": `column "I" takes a value only with the method "fixed"`,
	}, got)
	require.Empty(t, mapping.Check(flows.Spec{Filter: "x > 1"}))
	require.Len(t, mapping.Check(flows.Spec{Expand: "/x"}), 1)
	_, err := mapping.Compile([]flows.Rule{{To: "A", Expr: "b + c"}}, []string{"b"}, mapping.Options{NamesComplete: true})
	require.Equal(t, fault.MappingField, fault.CodeOf(err))
	require.Equal(t, "/mapping/0/expr", fault.From(err).Fields[0].Pointer)
}

func TestLengthsOfShapedRules(t *testing.T) {
	t.Parallel()
	raw := csv([]string{"a"}, []string{strings.Repeat("x", 100)}, []string{strings.Repeat("y", 9000)})
	rules := []flows.Rule{{To: "A", Expr: `a + a`}, {To: "T", From: "a", Protect: &flows.Protection{Method: "tokenise"}}, {To: "B", From: "a"}}
	got := mapping.LengthsOf(rules, mapping.Sample{Raw: []*columns.Raw{raw}}, mapping.Options{Shape: mapping.Shape{Filter: `len(a) < 1000`, Protector: keyOf("k")}})
	require.Equal(t, []int{800, 255, 400}, []int{got[0].Length, got[1].Length, got[2].Length})
}

func BenchmarkShapes(b *testing.B) {
	raw := csv([]string{"id", "name", "amount"})
	var records [][]string
	for range 1000 {
		records = append(records, []string{"4711", "create order", "12.5"})
	}
	raw = csv([]string{"id", "name", "amount"}, records...)
	plain := []flows.Rule{{To: "ID", From: "id", Type: "integer"}, {To: "NAME", From: "name", Length: 99}, {To: "AMOUNT", From: "amount", Type: "float"}}
	for name, c := range map[string]struct {
		shape mapping.Shape
		rules []flows.Rule
	}{
		"plain":   {rules: plain},
		"filter":  {shape: mapping.Shape{Filter: `record["name"] != ""`}, rules: plain},
		"expr":    {rules: append(plain[:2:2], flows.Rule{To: "AMOUNT", Expr: `float(amount) * 2`, Type: "float"})},
		"protect": {shape: mapping.Shape{Protector: keyOf("k")}, rules: append(plain[:2:2], flows.Rule{To: "A", From: "name", Protect: &flows.Protection{Method: "tokenise"}})},
	} {
		b.Run(name, func(b *testing.B) {
			plan := compile(b, mapping.Options{Shape: c.shape}, c.rules...)
			a, out := plan.NewApplier(), columns.NewBatch(plan.Schema())
			b.ReportAllocs()
			for b.Loop() {
				out.Reset()
				if errs := a.Apply(raw, out, nil); len(errs) > 0 {
					b.Fatal(errs[0].Message)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
	}
}
