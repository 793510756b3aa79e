package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// jsonLines is a source over NDJSON, cut into small blocks, whose sample of names is small, too.
type jsonLines string

func (s jsonLines) Open(_ context.Context, want []string) (*engine.Stream, error) {
	r, err := columns.Open(bytes.NewReader([]byte(s)), columns.ReadOptions{Format: columns.FormatNDJSON, BlockSize: 700, MaxRecord: 4096, Want: want, Strict: want == nil})
	if err != nil {
		return nil, err
	}
	return &engine.Stream{Reader: r, Typed: true, MustHaveRows: true, InputSize: int64(len(s))}, nil
}

// ran is what a run left.
type ran struct {
	ledger  flows.Ledger
	err     error
	table   *table
	journal *memoryJournal
}

func runPolicy(source engine.Source, policy flows.SchemaPolicy, rules ...flows.Rule) ran {
	r := ran{table: newTable(false), journal: &memoryJournal{}}
	r.ledger, r.err = small().Run(context.Background(), engine.Job{
		Source: source, Sink: r.table, Journal: r.journal, Rules: rules, Policy: policy, MaxErrors: flows.Threshold{Count: 1_000_000},
	})
	return r
}

// agreeing is a sample longer than what is looked at, in which the column V
// holds one value of every record.
func agreeing(value func(i int) string, late ...string) string {
	var b strings.Builder
	b.WriteString("ID;V\n")
	const rows = 3_000
	for i := range rows {
		fmt.Fprintf(&b, "%d;%s\n", i, value(i))
	}
	for i, v := range late {
		fmt.Fprintf(&b, "%d;%s\n", rows+i, v)
	}
	return b.String()
}

// semicolons is csvText that is not separated by commas.
type semicolons string

func (s semicolons) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	stream, err := csvText(s).Open(ctx, want)
	if err == nil {
		stream.DecimalComma = true
	}
	return stream, err
}

func TestEvolveWidensAsIfTheSampleHadBeenTheSource(t *testing.T) {
	t.Parallel()
	number := func(i int) string { return strconv.Itoa(i) }
	day := func(i int) string { return fmt.Sprintf("2024-01-%02d", i%28+1) }
	for name, c := range map[string]struct {
		sample func(int) string
		late   []string
		want   columns.Type
		last   string // the last value as the table has it
	}{
		"fits":                   {number, []string{"7"}, columns.Integer, "7"},
		"integer, float":         {number, []string{"1.5", "2.25"}, columns.Float, "2.25"},
		"integer, decimal comma": {number, []string{"1,5", "2,25"}, columns.Float, "2.25"},
		"integer, text":          {number, []string{"1.5", "none"}, columns.String, "none"},
		"leading zeros":          {number, []string{"0042"}, columns.String, "0042"},
		"more than 64 bits":      {number, []string{"123456789012345678901"}, columns.String, "123456789012345678901"},
		"not exact as a float":   {number, []string{"1.5", "9007199254740993"}, columns.String, "9007199254740993"},
		"not a number":           {number, []string{"NaN"}, columns.String, "NaN"},
		"date, datetime":         {day, []string{"2024-02-01T10:30:00.123456Z"}, columns.DateTime, "2024-02-01T10:30:00.123Z"},
		"date, text":             {day, []string{"2024-02-01 10:30", "soon"}, columns.String, "soon"},
		"out of range":           {day, []string{"0001-01-01"}, columns.String, "0001-01-01"},
		"boolean, text":          {func(i int) string { return strconv.FormatBool(i%2 == 0) }, []string{"maybe"}, columns.String, "maybe"},
		"longer text":            {func(i int) string { return "x" }, []string{strings.Repeat("é", 300)}, columns.String, strings.Repeat("é", 300)},
		"SAP date":               {func(i int) string { return fmt.Sprintf("202401%02d", i%28+1) }, []string{"00000000", "20240201"}, columns.Date, "2024-02-01"},
		"SAP date and time":      {func(i int) string { return fmt.Sprintf("202401%02d", i%28+1) }, []string{"20240201123456"}, columns.DateTime, "2024-02-01T12:34:56.000Z"},
		"German date and time":   {func(i int) string { return fmt.Sprintf("%d.1.2024", i%28+1) }, []string{"01.02.2024 12:34"}, columns.DateTime, "2024-02-01T12:34:00.000Z"},
		"US date and time":       {func(i int) string { return fmt.Sprintf("1/%d/2024", i%28+1) }, []string{"2/1/2024 1:34 PM"}, columns.DateTime, "2024-02-01T13:34:00.000Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := agreeing(c.sample, c.late...)
			r := runPolicy(semicolons(body), flows.Evolve)
			require.NoError(t, r.err)
			rows := int64(3_000 + len(c.late))
			require.Equal(t, flows.Ledger{Read: rows, Pushed: rows}, r.ledger)
			require.Equal(t, c.want, r.table.schema[1].Type)
			require.Len(t, r.table.visible, int(rows))
			require.Equal(t, c.last, r.table.visible[rows-1][1])
			require.Len(t, r.table.aborted, r.table.made-1)
			require.Empty(t, r.journal.errors)
		})
	}
}

func TestEvolveAddsAColumn(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 3_000 {
		fmt.Fprintf(&b, `{"ID":%d}`+"\n", i)
	}
	body := b.String() + `{"ID":3000,"new":"2024-05-01","other":null}` + "\n" + `{"ID":3001,"new":"2024-05-02T01:02:03Z","price":1}` + "\n"

	r := runPolicy(jsonLines(body), flows.Evolve)
	require.NoError(t, r.err)
	require.Equal(t, []string{"ID", "new", "other", "price"}, r.table.schema.Names())
	require.Equal(t, []columns.Type{columns.Integer, columns.DateTime, columns.String, columns.Integer},
		[]columns.Type{r.table.schema[0].Type, r.table.schema[1].Type, r.table.schema[2].Type, r.table.schema[3].Type})
	require.Equal(t, []string{"3001", "2024-05-02T01:02:03.000Z", "", "1"}, r.table.visible[3001])
	require.Equal(t, flows.Ledger{Read: 3_002, Pushed: 3_002}, r.ledger)

	r = runPolicy(jsonLines(body), flows.Freeze)
	require.True(t, fault.Has(r.err, fault.MappingSchema), "%v", r.err)
	require.Contains(t, r.err.Error(), "line 3001")
	require.Contains(t, r.err.Error(), `"new"`)
	require.Empty(t, r.table.visible)

	r = runPolicy(jsonLines(body), flows.DiscardRow)
	require.NoError(t, r.err)
	require.Equal(t, flows.Ledger{Read: 3_002, Pushed: 3_000, Errored: 2}, r.ledger)

	r = runPolicy(jsonLines(body), flows.DiscardValue)
	require.NoError(t, r.err)
	require.Equal(t, flows.Ledger{Read: 3_002, Pushed: 3_002}, r.ledger)
	require.Equal(t, []string{"ID"}, r.table.schema.Names())
	require.Equal(t, []flows.Warning{
		{Code: fault.ValueDiscarded, Message: `2 values of field "new", which has no column, were left out`},
		{Code: fault.ValueDiscarded, Message: `1 values of field "price", which has no column, were left out`},
	}, r.journal.last().Warnings)
}

func TestDiscardValueSetsNullAndCounts(t *testing.T) {
	t.Parallel()
	body := "ID,NAME,AMOUNT\n1,a,1\n2,b,x\ny,c,3\n4," + strings.Repeat("n", 41) + ",z\n"
	r := runPolicy(csvText(body), flows.DiscardValue, rules()...)
	require.NoError(t, r.err)
	require.Equal(t, flows.Ledger{Read: 4, Pushed: 3, Errored: 1}, r.ledger, "a required column needs its value")
	require.Equal(t, [][]string{{"1", "a", "1"}, {"2", "b", ""}, {"4", "", ""}}, r.table.visible)
	require.Equal(t, []flows.Warning{
		{Code: fault.ValueDiscarded, Message: `2 values of field "AMOUNT" did not fit their column and were set to null`},
		{Code: fault.ValueDiscarded, Message: `1 values of field "NAME" did not fit their column and were set to null`},
	}, r.journal.last().Warnings)
}

func TestFreezeNamesTheFirstContradiction(t *testing.T) {
	t.Parallel()
	r := runPolicy(csvText("ID,NAME,AMOUNT\n1,a,1\n2,b,x\ny,c,3\n"), flows.Freeze, rules()...)
	require.True(t, fault.Has(r.err, fault.MappingSchema), "%v", r.err)
	require.Contains(t, r.err.Error(), `record 2 on line 3 does not fit the frozen schema: value "x" of field "AMOUNT" is not a float`)
	require.Empty(t, r.table.visible)
	require.Len(t, r.journal.errors, 1)
}

func TestAnAttemptAfterEvolvingGoesOnWithTheWiderTable(t *testing.T) {
	t.Parallel()
	body := agreeing(strconv.Itoa, "1.5", "2.5")
	sink, journal := newTable(true), &memoryJournal{}
	broken := false
	sink.onPut = func(jobID string, c engine.Chunk) error {
		if jobID == "job-2" && c.Seq == 8 && !broken {
			broken = true
			return fault.New(fault.CelonisServer, "broken")
		}
		return nil
	}
	job := engine.Job{Source: csvText(body), Sink: sink, Journal: journal, Policy: flows.Evolve}
	_, err := small().Run(t.Context(), job)
	require.True(t, broken)
	require.True(t, fault.Has(err, fault.CelonisServer))
	job.Checkpoint = journal.last()
	require.Positive(t, job.Checkpoint.Chunks)
	_, err = small().Run(t.Context(), job)
	require.NoError(t, err)
	require.Len(t, sink.visible, 3_002)
	require.Equal(t, 2, sink.made, "the job of the wider table goes on")
}

// TestAnyContradictionsAnyPolicy: whatever contradicts the sample, the ledger
// balances, nothing is lost without a word, and evolve loses nothing at all.
func TestAnyContradictionsAnyPolicy(t *testing.T) {
	t.Parallel()
	values := []string{`1`, `-7`, `2.5`, `9007199254740993`, `123456789012345678901`, `1e5`, `true`, `false`, `"text"`, `"0012"`, `"2024-01-01"`,
		`"2024-01-01T10:00:00Z"`, `"10:30"`, `"20240115"`, `null`, `{"a":[1,2]}`, `"` + strings.Repeat("long ", 80) + `"`}
	policies := []flows.SchemaPolicy{flows.Evolve, flows.Freeze, flows.DiscardRow, flows.DiscardValue}
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SliceOfN(rapid.SampledFrom(values), 3, 3).Draw(t, "values of the sample")
		late := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) map[string]string {
			return rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), rapid.SampledFrom(values)).Draw(t, "late")
		}), 0, 12).Draw(t, "late records")
		policy := rapid.SampledFrom(policies).Draw(t, "policy")
		var lines []string
		for i := range 1_200 {
			lines = append(lines, fmt.Sprintf(`{"ID":%d,"a":%s,"b":%s,"c":%s}`, i, base[0], base[1], base[2]))
		}
		for _, record := range late {
			line := fmt.Sprintf(`{"ID":%d`, len(lines))
			for _, key := range slices.Sorted(keysOf(record)) {
				line += fmt.Sprintf(`,%q:%s`, key, record[key])
			}
			lines = append(lines, line+"}")
		}
		r := runPolicy(jsonLines(strings.Join(lines, "\n")), policy)
		total := int64(len(lines))
		switch policy {
		case flows.Freeze:
			if r.err != nil {
				require.True(t, fault.Has(r.err, fault.MappingSchema), "%v", r.err)
				require.Empty(t, r.table.visible)
				return
			}
			require.Equal(t, total, r.ledger.Pushed)
		case flows.Evolve:
			require.NoError(t, r.err)
			require.Equal(t, flows.Ledger{Read: total, Pushed: total}, r.ledger)
			require.LessOrEqual(t, r.table.made, 6)
			requireKept(t, lines, r.table)
		case flows.DiscardValue:
			require.NoError(t, r.err)
			require.Equal(t, flows.Ledger{Read: total, Pushed: total}, r.ledger)
		default:
			require.NoError(t, r.err)
			require.Equal(t, total, r.ledger.Read)
			require.Len(t, r.journal.errors, int(r.ledger.Errored))
		}
		require.True(t, r.ledger.Balanced())
		require.Len(t, r.table.visible, int(r.ledger.Pushed))
	})
}

// requireKept compares every value of the source with what the table has.
func requireKept(t require.TestingT, lines []string, got *table) {
	for i, line := range lines {
		var record map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		require.NoError(t, d.Decode(&record))
		for name, want := range record {
			at := got.schema.Index(name)
			require.GreaterOrEqual(t, at, 0, name)
			if have := got.visible[i][at]; !sameValue(want, have) {
				require.Equal(t, want, have, "record %d field %s as %s", i, name, got.schema[at].Type)
			}
		}
	}
}

// sameValue compares a JSON value with a table's text.
func sameValue(want any, have string) bool {
	switch v := want.(type) {
	case nil:
		return have == ""
	case bool:
		return have == strconv.FormatBool(v)
	case json.Number:
		a, errA := strconv.ParseFloat(string(v), 64)
		b, errB := strconv.ParseFloat(have, 64)
		exact := strings.ContainsAny(string(v), ".e") || string(v) == have
		return errA == nil && errB == nil && a == b && exact
	case string:
		return have == v || len(v) >= 8 && strings.HasPrefix(strings.ReplaceAll(have, "-", ""), strings.ReplaceAll(v[:8], "-", "")) ||
			strings.HasPrefix(have, v)
	default:
		text, err := json.Marshal(v)
		return err == nil && have == string(text)
	}
}

func keysOf(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
