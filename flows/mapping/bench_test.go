package mapping_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
)

const benchRows = 8192

var benchRules = []flows.Rule{
	{To: "case_id", Length: 40},
	{To: "activity", Length: 100},
	{To: "resource", Length: 100},
	{To: "time", Type: "datetime"},
	{To: "start", Type: "datetime"},
	{To: "day", Type: "date"},
	{To: "amount", Type: "float"},
	{To: "quantity", Type: "integer"},
	{To: "price", Type: "float"},
	{To: "open", Type: "boolean"},
	{To: "note", Length: 255},
	{To: "sequence", Type: "integer"},
}

// benchBlock is records of 12 columns: texts, instants, a day, numbers, a boolean.
func benchBlock() *columns.Raw {
	names := make([]string, len(benchRules))
	for i, rule := range benchRules {
		names[i] = rule.To
	}
	records := make([][]string, benchRows)
	for r := range records {
		note := ""
		if r%3 == 0 {
			note = "checked by hand"
		}
		records[r] = []string{
			fmt.Sprintf("case-%d", 10000+r/6), "Confirmation of receipt", fmt.Sprintf("Resource%02d", r%48),
			fmt.Sprintf("2011-10-%02d 13:%02d:40.%03d000+02:00", 1+r%28, r%60, r%1000),
			fmt.Sprintf("2011-09-%02dT08:%02d:00Z", 1+r%28, r%60),
			fmt.Sprintf("2011-12-%02d", 1+r%28), fmt.Sprintf("%d.%02d", r*7%10000, r%100), fmt.Sprint(r % 500),
			fmt.Sprintf("%d.%d", r%100, r%10), []string{"true", "false"}[r%2], note, fmt.Sprint(1_000_000 + r),
		}
	}
	return csv(names, records...)
}

func benchmarkApply(b *testing.B, rules []flows.Rule, raw *columns.Raw) {
	plan := compile(b, mapping.Options{}, rules...)
	a, out := plan.NewApplier(), columns.NewBatch(plan.Schema())
	require.Empty(b, a.Apply(raw, out, nil))
	b.ReportAllocs()
	b.SetBytes(int64(len(raw.Data)))
	for b.Loop() {
		out.Reset()
		a.Apply(raw, out, nil)
	}
	b.ReportMetric(float64(b.N)*float64(raw.Rows)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func BenchmarkApply(b *testing.B) { benchmarkApply(b, benchRules, benchBlock()) }

// BenchmarkColumn measures each column of BenchmarkApply by itself.
func BenchmarkColumn(b *testing.B) {
	raw := benchBlock()
	for _, rule := range benchRules {
		b.Run(rule.To, func(b *testing.B) { benchmarkApply(b, []flows.Rule{rule}, raw) })
	}
	b.Run("format", func(b *testing.B) {
		benchmarkApply(b, []flows.Rule{{To: "start", Type: "datetime", Format: "yyyy-MM-dd'T'HH:mm:ssX"}}, raw)
	})
}

func BenchmarkPointer(b *testing.B) {
	records := make([][]cell, benchRows)
	for r := range records {
		records[r] = []cell{nested(fmt.Sprintf(`{"id":%d,"customer":{"name":"a \"b\"","city":"Munich"},"lines":[1,2,3]}`, r))}
	}
	benchmarkApply(b, []flows.Rule{{To: "ID", From: "/o/id", Type: "integer"}, {To: "NAME", From: "/o/customer/name"}}, block([]string{"o"}, records...))
}

func TestGoodRecordsAllocateNothing(t *testing.T) {
	raw := benchBlock()
	plan := compile(t, mapping.Options{}, benchRules...)
	a, out := plan.NewApplier(), columns.NewBatch(plan.Schema())
	a.Apply(raw, out, nil)
	require.Zero(t, testing.AllocsPerRun(5, func() {
		out.Reset()
		a.Apply(raw, out, nil)
	}))
}
