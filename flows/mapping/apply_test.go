package mapping_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

func TestText(t *testing.T) {
	t.Parallel()
	check(t, flows.Rule{Length: 8}, []conversion{
		{in: null},
		{in: text(""), want: ""},
		{in: text("  "), want: "  "},
		{in: text(" kept "), want: " kept "},
		{in: text("12345678"), want: "12345678"},
		{in: text("123456789"), code: fault.ValueTooLong},
		{in: text("ääää"), want: "ääää"},
		{in: text("äääää"), code: fault.ValueTooLong},
		{in: number("1.50"), want: "1.50"},
		{in: truth("true"), want: "true"},
		{in: nested(`[ 1 ,  2 ]`), want: "[1,2]"},
		{in: nested(`{"a" : 1}`), want: `{"a":1}`},
		{in: nested("[\n\t\" \\\" \"\r\n]"), want: `[" \" "]`},
		{in: nested(`[1,2,3,4]`), code: fault.ValueTooLong},
		{in: nested(`["`), want: `["`},
	})
}

func TestRejectedRecords(t *testing.T) {
	t.Parallel()
	plan := compile(t, mapping.Options{Keys: []string{"ID"}},
		flows.Rule{To: "ID", From: "id", Type: "integer"},
		flows.Rule{To: "NAME", From: "name", Length: 10, Required: true},
		flows.Rule{To: "AT", From: "at", Type: "datetime"},
		flows.Rule{To: "AMOUNT", From: "amount", Type: "float"},
	)
	raw := csv([]string{"amount", "at", "name", "id"},
		[]string{"1.5", "2024-05-01", "ann", "1"},
		[]string{"x", "2024-05-01", "bob", "2"},
		[]string{"x", "never", "", ""},
		[]string{"2.5", "2024-05-01", strings.Repeat("é", 50), "4"},
		[]string{"3.5", "1200-05-01", "cid", "5"},
		[]string{"4.5", "", "dan", "99999999999999999999"},
		[]string{"5.5", "", "", "7"},
		[]string{"1e999", "", "eve", "8"},
		[]string{"6.5", "", "fay", "9"},
	)
	out, errs := apply(plan, raw)
	require.Equal(t, 2, out.Rows)
	require.Equal(t, []any{int64(1), int64(9)}, values(&out.Columns[0]))
	require.Equal(t, []any{"ann", "fay"}, values(&out.Columns[1]))
	require.Equal(t, []any{at("2024-05-01T00:00:00Z"), nil}, values(&out.Columns[2]))
	require.Equal(t, []any{1.5, 6.5}, values(&out.Columns[3]))
	require.Equal(t, "annfay", string(out.Columns[1].Bytes))

	want := []struct {
		row     int
		code    fault.Code
		field   string
		message string
	}{
		{1, fault.ValueType, "amount", `value "x" of field "amount" is not a float`},
		{2, fault.ValueRequired, "id", `field "id" has no value, and column "ID" is a key`},
		{3, fault.ValueTooLong, "name", `value "` + strings.Repeat("é", 40) + `..." of field "name" is 100 bytes long, column "NAME" takes 10`},
		{4, fault.ValueOutOfRange, "at", `value "1200-05-01" of field "at" is outside of the years 1400 to 9999`},
		{5, fault.ValueOutOfRange, "id", `value "99999999999999999999" of field "id" is an integer of more than 64 bits`},
		{6, fault.ValueRequired, "name", `field "name" has no value, and column "NAME" requires one`},
		{7, fault.ValueOutOfRange, "amount", `value "1e999" of field "amount" is not a finite 64-bit number`},
	}
	require.Len(t, errs, len(want))
	for i, w := range want {
		widens := w.code != fault.ValueRequired
		require.Equal(t, columns.RecordError{Widens: widens, Row: w.row, Place: raw.Records[w.row], Line: w.row, Code: w.code, Field: w.field, Message: w.message}, errs[i])
	}
}

func TestPlacesInBlocksWithBadRecords(t *testing.T) {
	t.Parallel()
	plan := compile(t, mapping.Options{}, flows.Rule{To: "N", Type: "integer"})
	raw := csv([]string{"N"}, []string{"x"}, []string{"1"}, []string{"y"})
	raw.Data = []byte("bad\r\nx\n\r1\rbad\ny\n")
	raw.Records = []columns.Span{{Off: 5, Len: 1}, {Off: 8, Len: 1}, {Off: 14, Len: 1}}
	raw.Cells[0] = []columns.Cell{{Off: 5, Len: 1, Kind: columns.Text}, {Off: 8, Len: 1, Kind: columns.Text}, {Off: 14, Len: 1, Kind: columns.Text}}
	raw.Bad = make([]columns.RecordError, 2)
	raw.Index = []int{1, 2, 4}
	out, errs := apply(plan, raw)
	require.Equal(t, []any{int64(1)}, values(&out.Columns[0]))
	require.Len(t, errs, 2)
	require.Equal(t, []int{1, 4}, []int{errs[0].Row, errs[1].Row})
	require.Equal(t, []int{1, 5}, []int{errs[0].Line, errs[1].Line})
	require.Equal(t, uint32(14), errs[1].Place.Off)
}

func TestApplyAppends(t *testing.T) {
	t.Parallel()
	plan := compile(t, mapping.Options{}, flows.Rule{To: "N", Type: "integer"}, flows.Rule{To: "S"}, flows.Rule{To: "F", Type: "float"})
	a, out := plan.NewApplier(), columns.NewBatch(plan.Schema())
	errs := a.Apply(csv([]string{"N", "S", "F"}, []string{"1", "a", "1"}, []string{"x", "b", "2"}, []string{"3", "c", "3"}), out, nil)
	// Another order of names, one that the plan does not know, and one missing.
	errs = a.Apply(csv([]string{"S", "other", "N"}, []string{"d", "?", "4"}, []string{"e", "?", "y"}), out, errs)
	errs = a.Apply(csv([]string{"S", "other", "N"}), out, errs)
	unread := csv([]string{"N", "S", "F"}, []string{"6", "f", "6"})
	unread.Cells[1] = nil
	errs = a.Apply(unread, out, errs)
	require.Equal(t, 4, out.Rows)
	require.Equal(t, []any{int64(1), int64(3), int64(4), int64(6)}, values(&out.Columns[0]))
	require.Equal(t, []any{"a", "c", "d", nil}, values(&out.Columns[1]))
	require.Equal(t, []any{1.0, 3.0, nil, 6.0}, values(&out.Columns[2]))
	require.Len(t, errs, 2)
	require.Equal(t, []int{1, 1}, []int{errs[0].Row, errs[1].Row})
}

func TestBatchesKeepNullsAtZero(t *testing.T) {
	t.Parallel()
	plan := compile(t, mapping.Options{}, flows.Rule{To: "N", Type: "integer"}, flows.Rule{To: "F", Type: "float"})
	a, out := plan.NewApplier(), columns.NewBatch(plan.Schema())
	a.Apply(csv([]string{"N", "F"}, []string{"1", "1"}, []string{"2", "2"}), out, nil)
	out.Reset()
	a.Apply(csv([]string{"N", "F"}, []string{"", ""}, []string{"5", ""}), out, nil)
	require.Equal(t, []int64{0, 5}, out.Columns[0].Ints)
	require.Equal(t, []float64{0, 0}, out.Columns[1].Floats)
	require.Equal(t, []bool{false, true}, out.Columns[0].Valid)
}

func TestLedgerBalances(t *testing.T) {
	t.Parallel()
	rules := []flows.Rule{
		{To: "S", Length: 5},
		{To: "I", Type: "integer", Required: true},
		{To: "F", Type: "float", Default: scalar("0.5")},
		{To: "D", Type: "datetime"},
		{To: "P", From: "/S/a"},
	}
	plan := compile(t, mapping.Options{Keys: []string{"S"}}, rules...)
	single := make([]*mapping.Plan, len(rules))
	for i, rule := range rules {
		single[i] = compile(t, mapping.Options{}, rule)
	}
	contents := rapid.SampledFrom([]string{"", "1", "x", "2.5", "2024-05-01", "toolong", `{"a":1}`, "1400-01-01"})
	kinds := rapid.SampledFrom([]columns.Kind{columns.Null, columns.Text, columns.Text, columns.Text, columns.Number, columns.Bool, columns.JSON})
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"S", "I", "F", "D"}
		records := make([][]cell, rapid.IntRange(0, 12).Draw(t, "rows"))
		for r := range records {
			for c := range names {
				records[r] = append(records[r], cell{kinds.Draw(t, fmt.Sprint("kind", r, c)), contents.Draw(t, fmt.Sprint("value", r, c))})
			}
		}
		out, errs := apply(plan, block(names, records...))
		require.Equal(t, len(records), out.Rows+len(errs))
		last := -1
		for _, e := range errs {
			require.Greater(t, e.Row, last)
			last = e.Row
		}
		requireSameAsOneByOne(t, plan, names, records, out, errs)
	})
}

// requireSameAsOneByOne applies the plan record by record and compares.
func requireSameAsOneByOne(t require.TestingT, plan *mapping.Plan, names []string, records [][]cell, out *columns.Batch, errs []columns.RecordError) {
	together := columns.NewBatch(plan.Schema())
	a := plan.NewApplier()
	var messages, want []string
	for _, record := range records {
		for _, e := range a.Apply(block(names, record), together, nil) {
			want = append(want, e.Message)
		}
	}
	for _, e := range errs {
		messages = append(messages, e.Message)
	}
	require.Equal(t, want, messages)
	require.Equal(t, together.Rows, out.Rows)
	for c := range out.Columns {
		require.Equal(t, values(&together.Columns[c]), values(&out.Columns[c]))
		require.Len(t, out.Columns[c].Valid, out.Rows)
	}
}

func TestAppliersShareAPlan(t *testing.T) {
	t.Parallel()
	plan := compile(t, mapping.Options{}, flows.Rule{To: "N", Type: "integer"}, flows.Rule{To: "D", Type: "datetime", Format: "dd.MM.yyyy"}, flows.Rule{To: "P", From: "/J/a"})
	raw := block([]string{"N", "D", "J"}, []cell{text("1"), text("01.05.2024"), nested(`{"a":"\u0041"}`)}, []cell{text("x"), null, null})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			a, out := plan.NewApplier(), columns.NewBatch(plan.Schema())
			for range 50 {
				out.Reset()
				if errs := a.Apply(raw, out, nil); len(errs) != 1 || out.Rows != 1 || string(out.Columns[2].StringAt(0)) != "A" {
					t.Error("another result under concurrency")
				}
			}
		})
	}
	wg.Wait()
}

func TestMessages(t *testing.T) {
	t.Parallel()
	rows := []struct {
		rule flows.Rule
		in   cell
		want string
	}{
		{flows.Rule{Type: "date"}, text("2024-05-01T12:00"), `value "2024-05-01T12:00" of field "f" has a time of day, and column "F" keeps only the day; its rule may take the type datetime or a format`},
		{flows.Rule{Type: "boolean"}, text("\x00\n"), `value "\x00\n" of field "f" is not a boolean`},
		{flows.Rule{Type: "time"}, nested("[]"), `value "[]" of field "f" is not a time`},
		{flows.Rule{From: "/f/a"}, text("flat"), `value "flat" on the way to field "/f/a" is neither a JSON object nor an array`},
	}
	for _, row := range rows {
		row.rule.To = "F"
		if row.rule.From == "" {
			row.rule.From = "f"
		}
		_, errs := apply(compile(t, mapping.Options{}, row.rule), block([]string{"f"}, []cell{row.in}))
		require.Len(t, errs, 1)
		require.Equal(t, row.want, errs[0].Message)
	}
}

// TestReceiptLog infers a real event log and takes all of it.
func TestReceiptLog(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../../../shared/data/receipt.csv")
	if os.IsNotExist(err) {
		t.Skip("the event log is not here")
	}
	require.NoError(t, err)
	defer file.Close()
	reader, err := columns.Open(file, columns.ReadOptions{Format: columns.FormatCSV})
	require.NoError(t, err)
	defer reader.Close()
	sample, err := reader.Peek(t.Context(), 1)
	require.NoError(t, err)
	var raw columns.Raw
	require.NoError(t, reader.Decode(sample[0], &raw))
	rules, err := mapping.Infer(reader.Names(), []*columns.Raw{&raw}, mapping.InferOptions{})
	require.NoError(t, err)
	plan, err := mapping.Compile(rules, reader.Names(), mapping.Options{NamesComplete: true, Keys: []string{"case:concept:name"}})
	require.NoError(t, err)
	a, out, rows := plan.NewApplier(), columns.NewBatch(plan.Schema()), 0
	for {
		b, err := reader.Next(t.Context())
		if err != nil {
			break
		}
		require.NoError(t, reader.Decode(b, &raw))
		require.Empty(t, raw.Bad)
		out.Reset()
		require.Empty(t, a.Apply(&raw, out, nil))
		rows += out.Rows
	}
	require.Equal(t, 8577, rows)
	require.Equal(t, columns.DateTime, plan.Schema()[plan.Schema().Index("time:timestamp")].Type)
}
