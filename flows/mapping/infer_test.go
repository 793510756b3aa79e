package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// inferred gives the type of a column that holds the cells.
func inferred(t *testing.T, typed bool, cells ...cell) string {
	t.Helper()
	records := make([][]cell, len(cells))
	for i, c := range cells {
		records[i] = []cell{c}
	}
	rules, err := mapping.Infer([]string{"f"}, []*columns.Raw{block([]string{"f"}, records...)}, mapping.InferOptions{Typed: typed})
	require.NoError(t, err)
	require.Equal(t, rules[0].Type == "string", rules[0].Length > 0)
	return rules[0].Type
}

func texts(values ...string) (cells []cell) {
	for _, v := range values {
		cells = append(cells, text(v))
	}
	return cells
}

func TestInferText(t *testing.T) {
	t.Parallel()
	rows := []struct {
		want string
		in   []cell
	}{
		{"string", nil},
		{"string", []cell{null, null}},
		{"string", texts("", "  ")},
		{"integer", append(texts("1", "-20", "0", "9223372036854775807", " 7 ", ""), null)},
		{"float", texts("1", "1.5", "-0.25", ".5")},
		{"float", texts("1e-7", "1.5E10", "2e+3")},
		{"string", texts("1E5")},
		{"string", texts("007", "12")},
		{"string", texts("-007")},
		{"string", texts("+49", "12")},
		{"string", texts("-+1")},
		{"string", texts("-")},
		{"string", texts("00.5")},
		{"string", texts("9223372036854775808")},
		{"integer", texts("9007199254740993")},
		{"string", texts("9007199254740993", "1.5")},
		{"string", texts("1.5", "9007199254740993")},
		{"float", texts("9007199254740992", "1.5")},
		{"string", texts("NaN", "1.5")},
		{"string", texts("1.5e999")},
		{"boolean", texts("true", "FALSE", "True")},
		{"string", texts("yes", "no")},
		{"integer", texts("0", "1")},
		{"string", texts("true", "1")},
		{"date", texts("2024-05-01", "1999-12-31")},
		{"string", texts("2024-05-01", "2024-02-30")},
		{"string", texts("2024-05-01", "0001-01-01")},
		{"datetime", texts("2011-10-11 13:45:40.276000+02:00", "2011-12-06 01:06:40+01:00")},
		{"datetime", texts("2024-05-01", "2024-05-01T10:00:00Z")},
		{"datetime", texts("2024-05-01 00:00:00")},
		{"time", texts("10:00", "23:59:59.5")},
		{"string", texts("10:00", "36:00")},
		{"string", texts("10:00", "2024-05-01")},
		{"string", texts("20240501", "x")},
		{"integer", texts("20240501")},
	}
	for _, row := range rows {
		require.Equal(t, row.want, inferred(t, false, row.in...), "%v", row.in)
	}
}

func TestInferTyped(t *testing.T) {
	t.Parallel()
	rows := []struct {
		want string
		in   []cell
	}{
		{"integer", []cell{number("1"), number("-2"), null}},
		{"float", []cell{number("1"), number("1.0")}},
		{"float", []cell{number("1e3")}},
		{"string", []cell{number("18446744073709551616")}},
		{"string", []cell{number("1e400")}},
		{"boolean", []cell{truth("true"), truth("false")}},
		{"string", []cell{truth("true"), number("1")}},
		{"string", []cell{text("12")}},
		{"string", []cell{text("true")}},
		{"string", []cell{text("12"), number("12")}},
		{"datetime", []cell{text("2024-05-01T10:00:00Z"), text("")}},
		{"date", []cell{text("2024-05-01")}},
		{"time", []cell{text("10:00:00")}},
		{"string", []cell{nested("{}")}},
		{"string", []cell{nested("[1]"), number("1")}},
	}
	for _, row := range rows {
		require.Equal(t, row.want, inferred(t, true, row.in...), "%v", row.in)
	}
}

func TestInferRules(t *testing.T) {
	t.Parallel()
	names := []string{"case:id", "/path", "n", "never"}
	first := csv([]string{"case:id", "/path", "n"}, []string{"a", "b", "1"})
	second := csv([]string{"n", "case:id"}, []string{"2.5", strings.Repeat("x", 100)})
	rules, err := mapping.Infer(names, []*columns.Raw{first, second}, mapping.InferOptions{})
	require.NoError(t, err)
	require.Equal(t, []flows.Rule{
		{To: "case:id", From: "case:id", Type: "string", Length: 400},
		{To: "/path", From: "/~1path", Type: "string", Length: mapping.MinLength},
		{To: "n", From: "n", Type: "float"},
		{To: "never", From: "never", Type: "string", Length: mapping.MinLength},
	}, rules)
	plan, err := mapping.Compile(rules, names, mapping.Options{NamesComplete: true})
	require.NoError(t, err)
	require.Equal(t, names, plan.Want())
	out, errs := apply(plan, first)
	require.Empty(t, errs)
	require.Equal(t, []any{"b"}, values(&out.Columns[1]))
}

func TestInferCollisions(t *testing.T) {
	t.Parallel()
	_, err := mapping.Infer([]string{"Name", "x", "NAME", "_CELONIS_CHANGE_DATE"}, nil, mapping.InferOptions{})
	require.True(t, fault.Has(err, fault.MappingColumns))
	require.Equal(t, []string{"/mapping mapping.columns_collide", "/mapping mapping.columns_collide"}, pointers(err))
	require.Contains(t, fault.From(err).Message, `columns "Name" and "NAME" differ only by case`)
	require.Contains(t, fault.From(err).Hint, "give the flow a mapping")
}

func TestLengths(t *testing.T) {
	t.Parallel()
	sample := block([]string{"short", "long", "doc"},
		[]cell{text("x"), text(strings.Repeat("y", 20_000)), nested(`{"a":"` + strings.Repeat("z", 70) + `"}`)},
		[]cell{null, null, text("no document")},
	)
	rules := []flows.Rule{
		{To: "short"},
		{To: "LONG", From: "long", Type: "string"},
		{To: "A", From: "/doc/a"},
		{To: "given", From: "long", Length: 7},
		{To: "n", From: "long", Type: "integer"},
		{To: "d", From: "short", Default: scalar(strings.Repeat("d", 100))},
		{To: "absent", From: "nowhere"},
		{To: "broken", From: "/a~"},
	}
	got := mapping.Lengths(rules, []*columns.Raw{sample})
	lengths := make([]int, len(got))
	for i, rule := range got {
		lengths[i] = rule.Length
	}
	require.Equal(t, []int{255, 65_000, 280, 7, 0, 400, 255, 255}, lengths)
	require.Zero(t, rules[0].Length, "the rules given are left alone")
}

func TestInferredRulesTakeTheirSample(t *testing.T) {
	t.Parallel()
	values := rapid.OneOf(
		rapid.SampledFrom([]string{"", " ", "0", "1", "-1.5", "1e-3", "007", "true", "2024-05-01", "2024-05-01 10:00", "10:00", "NaN", "9223372036854775808"}),
		rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,5})?`),
		rapid.String(),
	)
	kinds := map[bool][]columns.Kind{false: {columns.Null, columns.Text}, true: {columns.Null, columns.Text, columns.Text}}
	rapid.Check(t, func(t *rapid.T) {
		typed := rapid.Bool().Draw(t, "typed")
		names := []string{"a", "b", "c"}
		var records [][]cell
		for r := range rapid.IntRange(0, 6).Draw(t, "rows") {
			var record []cell
			for c := range names {
				record = append(record, cell{rapid.SampledFrom(kinds[typed]).Draw(t, fmt.Sprint("kind", r, c)), values.Draw(t, fmt.Sprint("value", r, c))})
			}
			records = append(records, record)
		}
		raw := block(names, records...)
		rules, err := mapping.Infer(names, []*columns.Raw{raw}, mapping.InferOptions{Typed: typed})
		require.NoError(t, err)
		plan, err := mapping.Compile(rules, names, mapping.Options{NamesComplete: true})
		require.NoError(t, err)
		out, errs := apply(plan, raw)
		require.Empty(t, errs)
		require.Equal(t, raw.Rows, out.Rows)
	})
}
