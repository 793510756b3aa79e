package preview_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/preview"
)

// someValue is a value that fits its column sometimes.
func someValue(r *rand.Rand) string {
	texts := []string{
		`null`, `""`, `"a"`, `"b"`, `"ü"`, `1`, `-7`, `2.5`, `"12"`, `"0012"`, `"1e3"`, `true`, `"yes"`, `"2024-05-01"`, `"2024-05-01T10:00:00Z"`,
		`"1200-01-01T00:00:00Z"`, `{"x":1}`, `[1,2]`, `"` + strings.Repeat("long ", r.IntN(30)) + `"`, `9007199254740993`,
	}
	return texts[r.IntN(len(texts))]
}

func someRecords(r *rand.Rand) string {
	var out strings.Builder
	for range 1 + r.IntN(30) {
		list := `[{"q":` + someValue(r) + `},{"q":2}]`
		if r.IntN(4) == 0 {
			list = someValue(r)
		}
		fmt.Fprintf(&out, `{"id":%d,"a":%s,"b":%s,"list":%s}`+"\n", r.IntN(12), someValue(r), someValue(r), list)
	}
	if r.IntN(8) == 0 {
		out.WriteString("{broken\n")
	}
	return out.String()
}

func someRules(r *rand.Rand) []flows.Rule {
	types := []string{"string", "integer", "float", "boolean", "date", "datetime"}
	rules := []flows.Rule{{To: "ID", From: "id", Type: "integer"}, {To: "A", From: "a", Type: types[r.IntN(len(types))]}, {To: "B", From: "b"}}
	if r.IntN(2) == 0 {
		rules = append(rules, flows.Rule{To: "E", Expr: `upper(string(record["a"])) + "!"`})
	}
	if r.IntN(3) == 0 {
		rules = append(rules, flows.Rule{To: "Q", From: "/list/q"})
	}
	if r.IntN(3) == 0 {
		hidden := flows.Scalar("hidden")
		rules = append(rules, flows.Rule{To: "P", From: "b", Protect: &flows.Protection{Method: flows.ProtectFixed, Value: &hidden}})
	}
	if r.IntN(3) == 0 {
		rules[2].Length = 20
	}
	if r.IntN(3) == 0 {
		standard := flows.Scalar("1")
		rules[1].Default = &standard
		rules[1].Type = "integer"
	}
	return rules
}

func someFlow(k *kit, r *rand.Rand, table string) *flows.Flow {
	f := k.makeFlow(table, k.file(flows.NDJSON, someRecords(r)), nil)
	if r.IntN(5) > 0 {
		f.Mapping = someRules(r)
		if r.IntN(3) == 0 {
			f.Expand = "/list"
			f.ExpandEmpty = flows.ExpandKeep
			if r.IntN(2) == 0 {
				f.ExpandEmpty = flows.ExpandDrop
			}
		}
	}
	if r.IntN(3) == 0 {
		f.Filter = `record["id"] > 3`
	}
	if r.IntN(3) == 0 && f.Mapping != nil {
		f.Import.Mode, f.Import.Keys = flows.Delta, []string{"ID"}
		if r.IntN(2) == 0 {
			f.Import.OrderBy = "B"
		}
	}
	f.SchemaPolicy = []flows.SchemaPolicy{"", flows.DiscardValue, flows.Evolve}[r.IntN(3)]
	return f
}

// shown gives the rows of a preview as texts.
func shown(t *testing.T, p *flows.Preview) (rows []string) {
	for _, row := range p.Mapped.Rows {
		if row.Superseded {
			continue
		}
		var values map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(row.Values, &values))
		var cells []string
		for _, c := range p.Table.Columns {
			text := string(values[c.Name])
			if strings.HasPrefix(text, `"`) {
				require.NoError(t, json.Unmarshal(values[c.Name], &text))
			} else if text == "null" {
				text = "<null>"
			}
			cells = append(cells, canonical(c.CelonisType, text))
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	return rows
}

// canonical gives a text of the preview as the simulator tells it.
func canonical(kind, text string) string {
	if text == "<null>" {
		return text
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && kind == "FLOAT" {
		return strconv.FormatFloat(n, 'g', -1, 64)
	}
	if kind == "DATETIME" || kind == "DATE" {
		return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.Replace(text, " ", "T", 1), "Z"), ".000"), "T00:00:00")
	}
	return text
}

// TestAPreviewIsTheRun: whatever a flow does to records, its preview shows the rows that a run brings into the table.
func TestAPreviewIsTheRun(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	compared := 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		table := fmt.Sprintf("T%d", seed)
		f := someFlow(k, r, table)
		before := len(k.pushed())
		p := k.preview(f, flows.PreviewRequest{Limit: 100})
		require.Len(t, k.pushed(), before, "a preview pushes nothing")
		what := fmt.Sprintf("seed %d: %+v\n%+v", seed, f.Spec, p)
		ledger, err := k.run(f)
		if err != nil {
			require.True(t, len(p.Mapped.Rows) == 0 || !p.OK, "%s\n%v", what, err)
			continue
		}
		want := shown(t, p)
		require.EqualValues(t, len(want), ledger.Pushed, what)
		require.Equal(t, ledger.Errored, int64(recordErrors(p)), what)
		if ledger.Pushed == 0 {
			continue
		}
		<-k.Settled(poolID, "", table)
		got, ok := k.TableOf(poolID, "", table)
		require.True(t, ok, what)
		var have []string
		for row := range got.Rows() {
			var cells []string
			for _, c := range p.Table.Columns {
				text, null := got.Value(c.Name, row)
				if null {
					text = "<null>"
				}
				cells = append(cells, canonical(c.CelonisType, text))
			}
			have = append(have, strings.Join(cells, "|"))
		}
		slices.Sort(want)
		slices.Sort(have)
		require.Equal(t, want, have, what)
		compared++
	}
	require.Greater(t, compared, 60)
}

// recordErrors counts the records that would go to the error store.
func recordErrors(p *flows.Preview) (n int) {
	for _, s := range []flows.Stage{p.Parsed.Stage, p.Filtered.Stage, p.Mapped.Stage} {
		for _, e := range s.Errors {
			if e.Record > 0 {
				n++
			}
		}
	}
	return n
}

func finding(p *flows.Preview, code fault.Code, column string) *flows.Finding {
	for i, f := range p.Preflight.Findings {
		if f.Code == code && f.Column == column {
			return &p.Preflight.Findings[i]
		}
	}
	return nil
}

func TestStagesTellWhatWentWrongAndShowWhatCameBefore(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	content := "id,at,text\n1,2024-05-01,a\n2,never,b\n3,1200-01-01,c\n,2024-05-02,d\nbroken\n1,2024-05-03," + strings.Repeat("x", 95) + "\n"
	f := k.makeFlow("STAGES", k.file(flows.CSV, content), []flows.Rule{
		{To: "ID", From: "id", Type: "integer"}, {To: "AT", From: "at", Type: "datetime"}, {To: "TEXT", From: "text", Length: 100},
	})
	f.Import.Keys = []string{"ID"}
	p := k.preview(f, flows.PreviewRequest{})
	require.False(t, p.OK)
	require.True(t, p.Request.OK && p.Raw.OK && p.Filtered.OK && p.Table.OK)
	require.Equal(t, ",", p.Request.Exchanges[0].Separator)
	require.EqualValues(t, len(content), p.Request.Exchanges[0].Bytes)
	require.Equal(t, content, p.Raw.Text)
	require.Len(t, p.Parsed.Records, 6)
	require.JSONEq(t, `{"id":"2","at":"never","text":"b"}`, string(p.Parsed.Records[1].Data))
	require.Len(t, p.Parsed.Errors, 1)
	require.EqualValues(t, []int64{5, 6}, []int64{p.Parsed.Errors[0].Record, p.Parsed.Errors[0].Line})
	require.Len(t, p.Mapped.Rows, 2)
	require.JSONEq(t, `{"ID":1,"AT":"2024-05-01T00:00:00.000Z","TEXT":"a"}`, string(p.Mapped.Rows[0].Values))
	var codes []fault.Code
	for _, e := range p.Mapped.Errors {
		codes = append(codes, e.Code)
	}
	require.Equal(t, []fault.Code{fault.ValueType, fault.ValueOutOfRange, fault.ValueRequired}, codes)
	require.EqualValues(t, 3, p.Mapped.Errors[0].Line)
	require.False(t, *p.Table.Exists)
	require.Equal(t, flows.DeclaredColumn{Name: "TEXT", Type: "string", CelonisType: "STRING", Length: 100}, p.Table.Columns[2])
	require.Contains(t, finding(p, fault.ValueOutOfRange, "at").Message, "1400 to 9999")
	require.Equal(t, flows.FindingError, finding(p, fault.ValueRequired, "id").Severity)
	require.Equal(t, flows.FindingWarning, finding(p, fault.FlowDuplicateKeys, "").Severity)
	require.NotNil(t, finding(p, fault.ValueTooLong, "TEXT"))
	require.Empty(t, k.pushed())
}

func TestAFaultOfTheSourceStillTellsOfTheTable(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for name, c := range map[string]struct {
		export flows.Export
		stage  func(*flows.Preview) flows.Stage
	}{
		"not there":   {flows.Export{Type: flows.ExportFile, Path: "nowhere.csv", Format: flows.CSV}, func(p *flows.Preview) flows.Stage { return p.Request.Stage }},
		"not Parquet": {k.file(flows.ParquetFile, "a,b\n1,2\n"), func(p *flows.Preview) flows.Stage { return p.Parsed.Stage }},
	} {
		p := k.preview(k.makeFlow("T", c.export, []flows.Rule{{To: "A", From: "a"}}), flows.PreviewRequest{})
		require.False(t, p.OK, name)
		require.Len(t, c.stage(p).Errors, 1, name)
		require.True(t, p.Preflight.OK, name)
	}
}

func TestADraftWithAWrongExpressionShowsItsRecords(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	f := k.makeFlow("T", k.file(flows.CSV, "a\n1\n"), []flows.Rule{{To: "A", Expr: "record["}})
	k.flaws = fault.New(fault.RequestInvalid, "no").WithFields(
		fault.Field{Pointer: "/filter", Code: fault.FilterExpression, Detail: "unexpected end at 1:8"},
		fault.Field{Pointer: "/mapping/0/expr", Code: fault.MappingExpression, Detail: "unexpected end at 1:8"})
	who := preview.Caller{Workspace: "w", Client: "c"}
	text, err := k.service.Draft(t.Context(), who, f.Spec, flows.PreviewRequest{})
	require.NoError(t, err)
	p := k.read(text)
	require.True(t, p.Parsed.OK)
	require.JSONEq(t, `{"a":"1"}`, string(p.Parsed.Records[0].Data))
	require.Equal(t, "/filter", p.Filtered.Errors[0].Pointer)
	require.Equal(t, "/mapping/0/expr", p.Mapped.Errors[0].Pointer)
	require.Contains(t, p.Mapped.Errors[0].Message, "1:8")

	k.flaws = fault.New(fault.RequestInvalid, "no").WithFields(fault.Field{Pointer: "/import/table", Code: fault.RequestFieldMissing, Detail: "must be given"})
	_, err = k.service.Draft(t.Context(), who, f.Spec, flows.PreviewRequest{})
	require.True(t, fault.Has(err, fault.RequestInvalid))
}

func TestPostedRecordsArePreviewedFromTheNewestBatch(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	f := k.makeFlow("T", flows.Export{Type: flows.ExportRecords}, []flows.Rule{{To: "A", From: "a", Type: "integer"}})
	k.flow = f
	_, err := k.service.Saved(t.Context(), preview.Caller{}, f.ID, flows.PreviewRequest{})
	require.True(t, fault.Has(err, fault.FlowPreviewRecords), "%v", err)
	k.latest = []byte("{\"a\":1}\n{\"a\":\"x\"}\n")
	p := k.preview(f, flows.PreviewRequest{})
	require.Len(t, p.Parsed.Records, 2)
	require.Len(t, p.Mapped.Rows, 1)
	p = k.preview(f, flows.PreviewRequest{Records: []json.RawMessage{json.RawMessage(`{"a":12}`)}})
	require.True(t, p.OK, "%+v", p)
	require.JSONEq(t, `{"A":12}`, string(p.Mapped.Rows[0].Values))
}
