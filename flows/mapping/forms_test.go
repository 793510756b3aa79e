package mapping_test

import (
	"strings"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/stretchr/testify/require"
)

// column makes a sample of one column V.
func column(values ...string) *columns.Raw {
	rows := make([][]string, len(values))
	for i, v := range values {
		rows[i] = []string{v}
	}
	return csv([]string{"V"}, rows...)
}

func TestInferRecognizesHowProgramsWriteDatesAndNumbers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []string
		want   string // type
		format string
		first  any // the first value as the column has it
	}{
		"SAP date":               {[]string{"20240115", "19991231", "00000000", "20240229"}, "date", "yyyyMMdd", at("2024-01-15T00:00:00Z") / 86_400_000},
		"SAP timestamp":          {[]string{"20240115103015", "20240116000000", "20240117235959"}, "datetime", "yyyyMMdd[HHmmss]", at("2024-01-15T10:30:15Z")},
		"two are too few":        {[]string{"20240115", "20240116"}, "integer", "", int64(20240115)},
		"numbers of 8 digits":    {[]string{"20240115", "20240116", "20241340"}, "integer", "", int64(20240115)},
		"Oracle date":            {[]string{"15-JAN-24", "01-feb-99"}, "date", "d-MMM-RR", at("2024-01-15T00:00:00Z") / 86_400_000},
		"Oracle year":            {[]string{"15-JAN-1955"}, "date", "d-MMM-yyyy", at("1955-01-15T00:00:00Z") / 86_400_000},
		"Oracle timestamp":       {[]string{"15-JAN-24 10.15.30.123456 PM", "16-JAN-24 01.00.00.000000 AM"}, "datetime", "d-MMM-RR[ h.mm.ss[.S] a]", at("2024-01-15T22:15:30.123Z")},
		"Oracle timestamp, yyyy": {[]string{"15-JAN-2024 10.15.30.123456789 AM"}, "datetime", "d-MMM-yyyy[ h.mm.ss[.S] a]", at("2024-01-15T10:15:30.123Z")},
		"ISO basic":              {[]string{"20240115T101530Z", "20240115T101530.5+0100"}, "datetime", "yyyyMMdd'T'HHmmss[.S][X]", at("2024-01-15T10:15:30Z")},
		"German":                 {[]string{"1.2.2024", "28.02.2024"}, "date", "d.M.yyyy", at("2024-02-01T00:00:00Z") / 86_400_000},
		"day first":              {[]string{"1/2/2024", "13/2/2024"}, "date", "d/M/yyyy", at("2024-02-01T00:00:00Z") / 86_400_000},
		"month first":            {[]string{"1/2/2024 9:30", "2/13/2024 10:00"}, "datetime", "M/d/yyyy[ H:mm[:ss[.S]]]", at("2024-01-02T09:30:00Z")},
		"month first, 12 hours":  {[]string{"1/2/2024 9:30 PM", "2/13/2024 10:00 AM"}, "datetime", "M/d/yyyy[ h:mm[:ss] a]", at("2024-01-02T21:30:00Z")},
		"day or month":           {[]string{"1/2/2024", "3/4/2024"}, "string", "", "1/2/2024"},
		"neither":                {[]string{"13/2/2024", "2/13/2024"}, "string", "", "13/2/2024"},
		"year of two digits":     {[]string{"13/02/24"}, "string", "", "13/02/24"},
		"decimal comma":          {[]string{"1.234,5", "12", "-0,75"}, "float", "comma", 1234.5},
		"comma or thousands":     {[]string{"1,234", "5,678"}, "string", "", "1,234"},
		"thousands":              {[]string{"1,234.50"}, "string", "", "1,234.50"},
		"all zeros":              {[]string{"00000000"}, "string", "", "00000000"},
		"not finite":             {[]string{"1.5", "NaN"}, "string", "", "1.5"},
		"beyond 64 bits":         {[]string{"1", "9223372036854775808"}, "string", "", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sample := column(c.values...)
			rules, err := mapping.Infer([]string{"V"}, []*columns.Raw{sample}, mapping.InferOptions{DecimalComma: true})
			require.NoError(t, err)
			require.Equal(t, c.want, rules[0].Type)
			require.Equal(t, c.format, rules[0].Format)
			plan := compile(t, mapping.Options{Exact: true}, rules...)
			out, errs := apply(plan, sample)
			require.Empty(t, errs, "a type must hold its own sample")
			require.Equal(t, c.first, values(&out.Columns[0])[0])
		})
	}
}

func TestDecimalCommaIsNotLookedForWhereCommasSeparate(t *testing.T) {
	t.Parallel()
	rules, err := mapping.Infer([]string{"V"}, []*columns.Raw{column("1,5", "2,5")}, mapping.InferOptions{})
	require.NoError(t, err)
	require.Equal(t, "string", rules[0].Type)
}

func TestExcelSerials(t *testing.T) {
	t.Parallel()
	plan := compile(t, mapping.Options{},
		flows.Rule{To: "DAY", From: "V", Type: "date", Format: "excel"}, flows.Rule{To: "AT", From: "V", Type: "datetime", Format: "excel"})
	out, errs := apply(plan, column("45306.4375", "1", "59", "61", "2958465", "60", "0", "2958466", "x", ""))
	require.Equal(t, []any{at("2024-01-15T00:00:00Z") / 86_400_000, at("1900-01-01T00:00:00Z") / 86_400_000, at("1900-02-28T00:00:00Z") / 86_400_000,
		at("1900-03-01T00:00:00Z") / 86_400_000, at("9999-12-31T00:00:00Z") / 86_400_000, nil}, values(&out.Columns[0]))
	require.Equal(t, at("2024-01-15T10:30:00Z"), values(&out.Columns[1])[0])
	require.Len(t, errs, 4)
	clock := compile(t, mapping.Options{}, flows.Rule{To: "T", From: "V", Type: "time", Format: "excel"})
	out, errs = apply(clock, column("0.75", "1.5"))
	require.Equal(t, []any{int64(64_800_000)}, values(&out.Columns[0]))
	require.Len(t, errs, 1)
}

func TestExactColumnsRefuseAnotherMeaning(t *testing.T) {
	t.Parallel()
	for typ, c := range map[string]struct{ good, bad string }{
		"integer":  {"0 -7 123456789012345678 -9223372036854775808", "007 +7 1.0 1e3 9223372036854775808 - 00 NaN"},
		"float":    {"0.5 -0.25 7 9007199254740992 1.5e10 1e+10", "00.5 +1 9007199254740993 1e5 NaN x"},
		"boolean":  {"true FALSE", "1 0 yes n"},
		"datetime": {"2024-01-15 2024-01-15T10:00", "x 12"},
	} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			plan := compile(t, mapping.Options{Exact: true}, flows.Rule{To: "V", Type: typ})
			good, bad := strings.Fields(c.good), strings.Fields(c.bad)
			out, errs := apply(plan, column(append(good, bad...)...))
			require.Equal(t, len(good), out.Rows)
			require.Len(t, errs, len(bad))
			for _, e := range errs {
				require.True(t, e.Widens)
			}
		})
	}
}

func TestApplyTypedConvertsAsText(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: "n", Type: columns.Integer}, {Name: "s", Type: columns.String, Length: 100}, {Name: "f", Type: columns.Float}, {Name: "d", Type: columns.Date}}
	src := columns.NewBatch(schema)
	for i, s := range []string{"2024-01-15", "bad\xff", strings.Repeat("x", 20), `{"a":[7]}`} {
		src.Columns[0].AppendInt(int64(i))
		src.Columns[1].AppendString([]byte(s))
		src.Columns[2].AppendFloat(float64(i) / 2)
		src.Columns[3].AppendInt(int64(i) * 400_000)
		src.Rows++
	}
	plan := compile(t, mapping.Options{}, flows.Rule{To: "N", From: "n", Type: "float"}, flows.Rule{To: "S", From: "s", Length: 15},
		flows.Rule{To: "F", From: "f", Type: "string"}, flows.Rule{To: "D", From: "d", Type: "datetime"}, flows.Rule{To: "GONE", Type: "integer"})
	out := columns.NewBatch(plan.Schema())
	errs := plan.NewApplier().ApplyTyped(src, out, nil)
	require.Equal(t, 2, out.Rows)
	require.Equal(t, []any{0.0, 3.0}, values(&out.Columns[0])[:2])
	require.Equal(t, []any{"2024-01-15", `{"a":[7]}`}, values(&out.Columns[1]))
	require.Equal(t, []any{"0", "1.5"}, values(&out.Columns[2]))
	require.Equal(t, []any{int64(0), int64(1_200_000) * 86_400_000}, values(&out.Columns[3]))
	require.Equal(t, []any{nil, nil}, values(&out.Columns[4]))
	require.Len(t, errs, 2)
	require.Equal(t, []int{1, 2}, []int{errs[0].Row, errs[1].Row})

	rules, err := mapping.InferTyped(schema, []*columns.Batch{src})
	require.NoError(t, err)
	require.Equal(t, []string{"integer", "string", "float", "date"}, []string{rules[0].Type, rules[1].Type, rules[2].Type, rules[3].Type})
	require.Equal(t, mapping.MinLength, rules[1].Length)
	require.Equal(t, mapping.MinLength, mapping.LengthsTyped([]flows.Rule{{To: "S", From: "s"}}, []*columns.Batch{src})[0].Length)
}
