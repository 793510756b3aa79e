package engine_test

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// keyed is a table that wants each key once.
type keyed struct {
	*table
	keys  []string
	order string
}

// Distinct implements engine.Distincter.
func (k keyed) Distinct() ([]string, string) { return k.keys, k.order }

// winners are the rows that should be left: by key the one with the highest
// order value, and among equal ones the last.
func winners(rows [][]string, keys int, compare func(a, b []string) int) []string {
	best := map[string][]string{}
	for _, row := range rows {
		key := fmt.Sprintf("%q", row[:keys])
		if held, ok := best[key]; !ok || compare(row, held) >= 0 {
			best[key] = row
		}
	}
	var out []string
	for _, row := range best {
		out = append(out, strings.Join(row, "|"))
	}
	slices.Sort(out)
	return out
}

func lines(rows [][]string) []string {
	var out []string
	for _, row := range rows {
		out = append(out, strings.Join(row, "|"))
	}
	slices.Sort(out)
	return out
}

// TestEachKeyOnce compares with a plain map: any keys, any order column, with
// keys in memory and in the file.
func TestEachKeyOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"", "a", "b", "ab", "ba", "aa"})
		n := rapid.IntRange(1, 400).Draw(t, "rows")
		rows := make([][]string, n)
		for i := range rows {
			rows[i] = []string{
				"k" + word.Draw(t, "first"), "k" + word.Draw(t, "second"),
				rapid.SampledFrom([]string{"-3", "0", "1", "20", "3.5", "-0", ""}).Draw(t, "order"), fmt.Sprint(i),
			}
		}
		order := rapid.SampledFrom([]string{"", "N", "TEXT"}).Draw(t, "column")
		compare := func(a, b []string) int { return 0 }
		switch order {
		case "N":
			compare = func(a, b []string) int { return cmp.Compare(number(a[2]), number(b[2])) }
		case "TEXT":
			compare = func(a, b []string) int { return cmp.Compare(a[2], b[2]) }
		}
		var b strings.Builder
		b.WriteString("A,B,N,ROW\n")
		w := csv.NewWriter(&b)
		require.NoError(t, w.WriteAll(rows))
		sink := keyed{newTable(true), []string{"A", "B"}, order}
		e := engine.New(engine.Options{ChunkBytes: 500, Decoders: 3, Uploads: 3, TempDir: dir, KeyBytes: rapid.SampledFrom([]int{1, 4 << 10, 64 << 20}).Draw(t, "memory")})
		ledger, err := e.Run(t.Context(), engine.Job{
			Source: csvText(b.String()), Sink: sink, Journal: &memoryJournal{}, Keys: []string{"A", "B"},
			Rules: []flows.Rule{
				{To: "A", Type: "string", Length: 9}, {To: "B", Type: "string", Length: 9}, {To: "N", Type: "float"},
				{To: "TEXT", From: "N", Type: "string", Length: 9}, {To: "ROW", Type: "string", Length: 9},
			},
		})
		require.NoError(t, err)
		want := winners(rows, 2, compare)
		require.Equal(t, flows.Ledger{Read: int64(n), Pushed: int64(len(want)), Filtered: int64(n - len(want))}, ledger)
		var got [][]string
		for _, job := range sink.jobs {
			for _, put := range job {
				for _, row := range put {
					got = append(got, []string{row[0], row[1], row[3], row[4]})
				}
			}
		}
		require.Equal(t, want, lines(got))
	})
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left, "the files have no names")
}

// number reads an order value; nothing is below everything.
func number(s string) float64 {
	var f float64
	if _, err := fmt.Sscan(s, &f); err != nil {
		return -1e300
	}
	return f
}

func TestKeysThatCannotBeWrittenWait(t *testing.T) {
	t.Parallel()
	sink := keyed{newTable(true), []string{"ID"}, ""}
	e := engine.New(engine.Options{KeyBytes: 1, TempDir: filepath.Join(t.TempDir(), "missing")})
	_, err := e.Run(t.Context(), engine.Job{Source: csvText(text(3000)), Sink: sink, Journal: &memoryJournal{}, Rules: rules()})
	require.Equal(t, fault.SpoolFull, fault.CodeOf(err), "%v", err)
	require.Equal(t, fault.Later, fault.RetryOf(err))
	require.Zero(t, sink.made)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// BenchmarkEachKeyOnce pushes rows of which each has its own key: what the
// look for equal keys costs beside the push itself.
func BenchmarkEachKeyOnce(b *testing.B) {
	const rows = 200_000
	source := csvText(text(rows))
	for name, keys := range map[string][]string{"every row": nil, "each key once": {"ID"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := engine.New(engine.Options{TempDir: b.TempDir()}).Run(b.Context(), engine.Job{
					Source: source, Sink: discardKeyed{keys: keys}, Journal: &memoryJournal{}, Rules: rules(),
				})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// discardKeyed is discard with keys.
type discardKeyed struct {
	discard
	keys []string
}

// Distinct implements engine.Distincter.
func (d discardKeyed) Distinct() ([]string, string) { return d.keys, "" }
