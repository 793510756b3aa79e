package engine_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// ndjsonBlocks is a source over a text, cut into blocks of a size.
func ndjsonBlocks(text string, size int) engine.Source {
	return sourceFunc(func(_ context.Context, want []string) (*engine.Stream, error) {
		r, err := columns.Open(strings.NewReader(text), columns.ReadOptions{Format: columns.FormatNDJSON, BlockSize: size, Want: want, Strict: want == nil})
		if err != nil {
			return nil, err
		}
		return &engine.Stream{Reader: r, Typed: true}, nil
	})
}

type hides struct{}

func (hides) MAC() hash.Hash { return hmac.New(sha256.New, []byte("key")) }

// oneAKey takes the row of each key with the highest N.
type oneAKey struct{ *table }

func (oneAKey) Distinct() (keys []string, order string) { return []string{"KEY"}, "N" }

// drawnRecords are good and bad ones, with lists of any length.
func drawnRecords(t *rapid.T) string {
	var b strings.Builder
	for i := range rapid.IntRange(1, 300).Draw(t, "records") {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			b.WriteString("{\"id\": broken\n")
			continue
		case 1:
			fmt.Fprintf(&b, `{"id":%d,"n":"text","who":"someone","items":7}`, i)
		case 2:
			fmt.Fprintf(&b, `{"id":%d,"n":%d}`, i, i%7)
		default:
			items := make([]string, rapid.IntRange(0, 4).Draw(t, "items"))
			for j := range items {
				items[j] = fmt.Sprintf(`{"sku":"s%d","q":%d}`, j, (i+j)%5)
			}
			fmt.Fprintf(&b, `{"id":%d,"n":%d,"who":"w%d","items":[%s]}`, i, i%11, i%3, strings.Join(items, ","))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestAnyShapeBalances is the promise for filters, expressions, lists,
// protection and keys: every record is accounted for, and the table does not
// depend on how the work was split.
func TestAnyShapeBalances(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := drawnRecords(t)
		shape := mapping.Shape{
			Filter:    rapid.SampledFrom([]string{"", `n > 3`, `n != nil and float(n) < 8`, `record["/items/q"] != 0`, `who startsWith "w"`, `record["i" + "d"] != 5`}).Draw(t, "filter"),
			Expand:    rapid.SampledFrom([]string{"", "/items"}).Draw(t, "expand"),
			DropEmpty: rapid.Bool().Draw(t, "drop"), Protector: hides{}, Now: time.Unix(0, 0),
			Tables: map[string]map[string]string{"t": {"s1": "one"}},
		}
		rules := []flows.Rule{
			{To: "KEY", Expr: `string(id % 40) + "/" + (record["/items/sku"] ?? "none")`}, {To: "N", From: "n", Type: "integer"},
			{To: "WHO", From: "who", Protect: &flows.Protection{Method: flows.ProtectTokenise}},
			{To: "SKU", From: "/items/sku", Lookup: &flows.RuleLookup{Table: "t"}}, {To: "SUM", Expr: `int(n) + 1`, Type: "float"},
		}
		if shape.Expand == "" {
			rules[0].Expr, rules[3].From = `string(id % 40)`, "/items/0/sku"
		}
		distinct := rapid.Bool().Draw(t, "distinct")
		run := func(size int, opt engine.Options) (flows.Ledger, [][]string, []flows.RecordError) {
			to, journal := newTable(false), &memoryJournal{}
			job := engine.Job{Source: ndjsonBlocks(body, size), Sink: to, Journal: journal, Rules: rules, Shape: shape, MaxErrors: flows.Threshold{Count: 1 << 20}}
			if distinct {
				job.Sink = oneAKey{to}
			}
			ledger, err := engine.New(opt).Run(context.Background(), job)
			require.NoError(t, err)
			rows := slices.Clone(to.visible)
			slices.SortFunc(rows, slices.Compare[[]string])
			slices.SortFunc(journal.errors, func(a, b flows.RecordError) int { return int(a.Record - b.Record) })
			return ledger, rows, journal.errors
		}
		ledger, rows, errors := run(1<<16, engine.Options{Decoders: 1, Encoders: 1, Uploads: 1})
		require.True(t, ledger.Balanced(), "%+v", ledger)
		require.Len(t, rows, int(ledger.Pushed))
		require.Len(t, errors, int(ledger.Errored), "each bad record has a number of its own")
		for _, e := range errors {
			require.NotContains(t, string(e.Data)+e.Message, "someone")
		}
		again, sameRows, sameErrors := run(rapid.IntRange(200, 4_000).Draw(t, "block"), engine.Options{
			ChunkBytes: rapid.IntRange(200, 5_000).Draw(t, "chunk"), Decoders: rapid.IntRange(1, 4).Draw(t, "decoders"), Encoders: 2, Uploads: 3,
		})
		require.Equal(t, ledger, again)
		require.Equal(t, rows, sameRows)
		require.Equal(t, numbersOf(errors), numbersOf(sameErrors))
	})
}

func numbersOf(errors []flows.RecordError) (out []string) {
	for _, e := range errors {
		out = append(out, fmt.Sprint(e.Record, e.Line, e.Offset, e.Code, string(e.Data)))
	}
	return out
}

// A row that the filter takes out wins over no other of its key.
func TestAFilteredRowDoesNotWin(t *testing.T) {
	t.Parallel()
	to := newTable(false)
	ledger, err := small().Run(t.Context(), engine.Job{
		Source: csvText("KEY,N,OK\na,9,no\na,1,yes\nb,2,yes\n"), Sink: oneAKey{to}, Journal: &memoryJournal{}, Shape: mapping.Shape{Filter: `OK == "yes"`},
		Rules: []flows.Rule{{To: "KEY"}, {To: "N", Type: "integer"}},
	})
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 3, Filtered: 1, Pushed: 2}, ledger)
	require.Equal(t, [][]string{{"a", "1"}, {"b", "2"}}, to.visible)
}

// Without a mapping the filter sees all fields and types come from the sample.
func TestAFilterWithoutAMapping(t *testing.T) {
	t.Parallel()
	to := newTable(false)
	ledger, err := small().Run(t.Context(), engine.Job{
		Source: csvText(text(100)), Sink: to, Journal: &memoryJournal{}, Shape: mapping.Shape{Filter: `int(ID) % 2 == 0`}, Policy: flows.Evolve,
	})
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 100, Filtered: 50, Pushed: 50}, ledger)
	require.Equal(t, []string{"2", "name 2", "2.5"}, to.visible[1])
}

// A table is widened for the rows that the filter lets through, and for no others.
func TestEvolutionOfAShapedFlow(t *testing.T) {
	t.Parallel()
	body := agreeing(func(i int) string { return fmt.Sprint(i) }, "late text", "dropped")
	to := newTable(false)
	ledger, err := small().Run(t.Context(), engine.Job{
		Source: semicolons(body), Sink: to, Journal: &memoryJournal{}, Shape: mapping.Shape{Filter: `V != "dropped"`}, Policy: flows.Evolve,
	})
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 3_002, Filtered: 1, Pushed: 3_001}, ledger)
	require.Equal(t, "late text", to.visible[3_000][1])
}

func BenchmarkRunShaped(b *testing.B) {
	body := text(200_000)
	e := engine.New(engine.Options{})
	for name, c := range map[string]struct {
		shape mapping.Shape
		rules []flows.Rule
	}{
		"plain":  {rules: rules()},
		"filter": {shape: mapping.Shape{Filter: `NAME != ""`}, rules: rules()},
		"expr":   {rules: append(rules()[:2], flows.Rule{To: "AMOUNT", Expr: `float(AMOUNT) * 2`, Type: "float"})},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := e.Run(b.Context(), engine.Job{Source: csvText(body), Sink: discard{}, Journal: &memoryJournal{}, Rules: c.rules, Shape: c.shape})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(200_000*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
