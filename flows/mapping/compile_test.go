package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

func scalar(s string) *flows.Scalar { return (*flows.Scalar)(&s) }

func pointers(err error) (out []string) {
	for _, f := range fault.From(err).Fields {
		out = append(out, fmt.Sprintf("%s %s", f.Pointer, f.Code))
	}
	return out
}

func TestCompile(t *testing.T) {
	t.Parallel()
	names := []string{"case:concept:name", "concept:name", "time:timestamp", "unused"}
	plan, err := mapping.Compile([]flows.Rule{
		{To: "CASE_ID", From: "case:concept:name", Type: "string", Required: true, Length: 40},
		{To: "ACTIVITY", From: "concept:name"},
		{To: "EVENTTIME", From: "time:timestamp", Type: "datetime"},
		{To: "AGAIN", From: "/concept:name", Type: "string", Length: 65_000},
	}, names, mapping.Options{NamesComplete: true, Keys: []string{"CASE_ID", "EVENTTIME"}})
	require.NoError(t, err)
	require.Equal(t, []string{"case:concept:name", "concept:name", "time:timestamp"}, plan.Want())
	require.Equal(t, columns.Schema{
		{Name: "CASE_ID", Type: columns.String, Length: 40},
		{Name: "ACTIVITY", Type: columns.String, Length: mapping.MinLength},
		{Name: "EVENTTIME", Type: columns.DateTime},
		{Name: "AGAIN", Type: columns.String, Length: 65_000},
	}, plan.Schema())
}

func TestCompileReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := mapping.Compile([]flows.Rule{
		{To: "A", From: "missing"},
		{To: "a", From: "here"},
		{To: "A", From: "here"},
		{To: "", From: "here"},
		{To: "N", From: "here", Type: "number"},
		{To: "L", From: "here", Length: 65_001},
		{To: "F", From: "here", Type: "date", Format: "dd.MM.YYYY"},
		{To: "D", From: "here", Type: "integer", Default: scalar("many")},
		{To: "_celonis_change_date", From: "here"},
		{To: strings.Repeat("x", 129), From: "here"},
		{To: "gone"},
		{To: "P", From: "/a~"},
	}, []string{"here"}, mapping.Options{NamesComplete: true, Keys: []string{"A", "Z"}})
	require.Equal(t, fault.FlowInvalid, fault.CodeOf(err))
	require.Equal(t, []string{
		"/mapping/0/from mapping.field_not_found",
		"/mapping/3/to mapping.rule_invalid",
		"/mapping/4/type mapping.rule_invalid",
		"/mapping/5/length mapping.rule_invalid",
		"/mapping/6/format mapping.rule_invalid",
		"/mapping/7/default mapping.rule_invalid",
		"/mapping/9/to mapping.rule_invalid",
		"/mapping/10/to mapping.field_not_found",
		"/mapping/11/from mapping.rule_invalid",
		"/mapping/1/to mapping.columns_collide",
		"/mapping/2/to mapping.columns_collide",
		"/mapping/8/to mapping.columns_collide",
		"/import/keys/1 mapping.key_not_found",
	}, pointers(err))
	require.Contains(t, fault.From(err).Message, "; and 3 more")
}

func TestCompileWithoutRules(t *testing.T) {
	t.Parallel()
	_, err := mapping.Compile(nil, []string{"a"}, mapping.Options{})
	require.True(t, fault.Has(err, fault.MappingRule))
	require.Equal(t, "/mapping", fault.From(err).Fields[0].Pointer)
}

func TestMissingFieldsNameNearOnes(t *testing.T) {
	t.Parallel()
	names := []string{"case:concept:name", "concept:name", "time:timestamp", "org:resource"}
	rows := []struct{ from, hint string }{
		{"Time:Timestamp", `did you mean "time:timestamp" in place of "Time:Timestamp"`},
		{"time:timestmp", `did you mean "time:timestamp"`},
		{"timestamp", `did you mean "time:timestamp"`},
		{"concept_name", `did you mean "concept:name" or "case:concept:name"`},
		{"q", `the names are "case:concept:name", "concept:name", "time:timestamp", "org:resource"`},
	}
	for _, row := range rows {
		_, err := mapping.Compile([]flows.Rule{{To: "X", From: row.from}}, names, mapping.Options{NamesComplete: true})
		require.True(t, fault.Has(err, fault.MappingField), row.from)
		f := fault.From(err)
		require.Equal(t, fmt.Sprintf("the source has no field %q", row.from), f.Message)
		require.Contains(t, f.Hint, row.hint)
	}
	_, err := mapping.Compile([]flows.Rule{{To: "X", From: "q"}, {To: "Y", From: "/r/s"}}, nil, mapping.Options{NamesComplete: true})
	require.True(t, fault.Has(err, fault.MappingField))
	require.Equal(t, `the source has no field "q"; the source has no field "r"`, fault.From(err).Message)

	many := make([]string, 25)
	for i := range many {
		many[i] = fmt.Sprintf("column%d", i)
	}
	_, err = mapping.Compile([]flows.Rule{{To: "X", From: "q"}}, many, mapping.Options{NamesComplete: true})
	require.Contains(t, fault.From(err).Hint, `"column19" and 5 more`)
}

func TestAbsentFieldsOfOpenSources(t *testing.T) {
	t.Parallel()
	plan, err := mapping.Compile([]flows.Rule{{To: "seen"}, {To: "later"}}, []string{"seen"}, mapping.Options{})
	require.NoError(t, err)
	out, errs := apply(plan, block([]string{"seen"}, []cell{text("x")}))
	require.Empty(t, errs)
	require.Equal(t, []any{nil}, values(&out.Columns[1]))
}

func TestColumnsThatDifferByCase(t *testing.T) {
	t.Parallel()
	_, err := mapping.Compile([]flows.Rule{{To: "Straße"}, {To: "STRAßE"}, {To: "x"}, {To: "x"}}, nil, mapping.Options{})
	require.True(t, fault.Has(err, fault.MappingColumns))
	require.Equal(t, `columns "Straße" and "STRAßE" differ only by case; column "x" is made by rule 3 and rule 4`, fault.From(err).Message)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	rows := []struct {
		rule flows.Rule
		want any
	}{
		{flows.Rule{Type: "string", Default: scalar("")}, ""},
		{flows.Rule{Default: scalar("n/a")}, "n/a"},
		{flows.Rule{Type: "integer", Default: scalar("-1")}, int64(-1)},
		{flows.Rule{Type: "float", Format: "comma", Default: scalar("1.234")}, 1.234},
		{flows.Rule{Type: "boolean", Default: scalar("true")}, int64(1)},
		{flows.Rule{Type: "date", Format: "dd.MM.yyyy", Default: scalar("2024-05-01")}, on("2024-05-01")},
		{flows.Rule{Type: "datetime", Default: scalar("2024-05-01T10:00:00+02:00")}, at("2024-05-01T08:00:00Z")},
		{flows.Rule{Type: "time", Default: scalar("13:45")}, millisAt1345},
	}
	for _, row := range rows {
		row.rule.Required = true
		check(t, row.rule, []conversion{{in: null, want: row.want}})
		if row.rule.Type != "string" && row.rule.Type != "" {
			check(t, row.rule, []conversion{{in: text(" "), want: row.want}})
		}
	}
	wrong := []flows.Rule{
		{Type: "integer", Default: scalar("1.5")},
		{Type: "integer", Default: scalar("")},
		{Type: "float", Default: scalar("NaN")},
		{Type: "boolean", Default: scalar("maybe")},
		{Type: "date", Format: "dd.MM.yyyy", Default: scalar("01.05.2024")},
		{Type: "datetime", Default: scalar("1399-01-01")},
		{Type: "time", Default: scalar("25:00")},
		{Type: "string", Length: 3, Default: scalar("four")},
	}
	for _, rule := range wrong {
		rule.To = "F"
		_, err := mapping.Compile([]flows.Rule{rule}, nil, mapping.Options{})
		require.True(t, fault.Has(err, fault.MappingRule), "%v", rule)
		require.Equal(t, "/mapping/0/default", fault.From(err).Fields[0].Pointer)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: "CASE_ID"}, {Name: "EVENTTIME"}}
	require.NoError(t, mapping.CheckKeys(schema, nil))
	require.NoError(t, mapping.CheckKeys(schema, []string{"EVENTTIME", "CASE_ID"}))
	err := mapping.CheckKeys(schema, []string{"CASE_ID", "case_id", "X"})
	require.True(t, fault.Has(err, fault.MappingKey))
	require.Equal(t, []string{"/import/keys/1 mapping.key_not_found", "/import/keys/2 mapping.key_not_found"}, pointers(err))
	require.Contains(t, fault.From(err).Hint, `did you mean "CASE_ID"`)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	require.Empty(t, mapping.Check(flows.Spec{Import: flows.Import{Keys: []string{"ANY"}}}))
	spec := flows.Spec{Mapping: []flows.Rule{{To: "A"}}, Import: flows.Import{Keys: []string{"A"}}}
	require.Empty(t, mapping.Check(spec))
	spec.Import.Keys = []string{"B"}
	fields := mapping.Check(spec)
	require.Len(t, fields, 1)
	require.Equal(t, "/import/keys/0", fields[0].Pointer)
}
