package app_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func utf16of(text string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		lo, hi := byte(u), byte(u>>8)
		if big {
			lo, hi = hi, lo
		}
		b.Write([]byte{lo, hi})
	}
	return b.String()
}

func zstdOf(t *testing.T, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer w.Close()
	return string(w.EncodeAll([]byte(text), nil))
}

// The same two records in every form that a file can have come to the same table.
func TestFormsOfAFile(t *testing.T) {
	t.Parallel()
	const (
		text    = "id,name,amount,at,ok\n1,Müller & Söhne,2.5,2024-01-02T03:04:05Z,true\n2,\"a \"\"b\"\", c\",-3,2024-02-29 23:59:59,false\n"
		ndjson  = `{"id":1,"name":"Müller & Söhne","amount":2.5,"at":"2024-01-02T03:04:05Z","ok":true}` + "\n" + `{"id":2,"name":"a \"b\", c","amount":-3,"at":"2024-02-29 23:59:59","ok":false}` + "\n"
		western = "1,M\xfcller & S\xf6hne,2.5,2024-01-02T03:04:05Z,true\n"
	)
	latin1 := strings.Replace(text, "1,Müller & Söhne,2.5,2024-01-02T03:04:05Z,true\n", western, 1)
	array := "[" + strings.Replace(strings.TrimSpace(ndjson), "\n", ",\n ", 1) + "]"
	options := func(o map[string]any) func(map[string]any) { return set("export", map[string]any{"csv": o}) }
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	for i, c := range []struct {
		name, format, content string
		change                func(map[string]any)
	}{
		{name: "CSV", content: text},
		{name: "CSV with CRLF and BOM", content: "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n")},
		{name: "CSV without a last line end", content: strings.TrimSuffix(text, "\n")},
		{name: "semicolons", content: "id;name;amount;at;ok\n1;Müller & Söhne;2.5;2024-01-02T03:04:05Z;true\n2;\"a \"\"b\"\", c\";-3;2024-02-29 23:59:59;false\n"},
		{name: "UTF-16 little", content: utf16of(text, false)},
		{name: "UTF-16 big", content: utf16of(text, true)},
		{name: "latin1", content: latin1, change: options(map[string]any{"encoding": "latin1"})},
		{name: "windows-1252", content: latin1, change: options(map[string]any{"encoding": "windows-1252"})},
		{name: "gzip", content: string(apptest.Gzip([]byte(text)))},
		{name: "zstd", content: zstdOf(t, text)},
		{name: "NDJSON", format: "ndjson", content: ndjson},
		{name: "NDJSON in gzip", format: "ndjson", content: string(apptest.Gzip([]byte(ndjson)))},
		{name: "JSON array", format: "json", content: array},
		{name: "CSV chunks", content: text, change: set("import", map[string]any{"fileType": "csv"})},
		{name: "delta with keys", content: text, change: set("import", map[string]any{"mode": "delta", "keys": []string{"id"}})},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, table, format := s.on(t), fmt.Sprintf("FORM_%d", i), c.format
			if format == "" {
				format = "csv"
			}
			change := c.change
			if change == nil {
				change = func(map[string]any) {}
			}
			apptest.RequireWhole(t, s.Do(s.fileFlow(connection, table, format, c.content, change)), 2)
			have := sim.MustTable(table)
			for column, want := range map[string][]string{
				"id": {"1", "2"}, "name": {"Müller & Söhne", `a "b", c`}, "amount": {"2.5", "-3"}, "ok": {"true", "false"},
				"at": {"2024-01-02T03:04:05.000Z", "2024-02-29T23:59:59.000Z"},
			} {
				require.Equal(t, want, apptest.Column(have, column), column)
			}
			types := map[string]string{}
			for _, column := range have.Columns() {
				types[column.Name] = column.Type.String()
			}
			require.Equal(t, map[string]string{"id": "INTEGER", "name": "STRING", "amount": "FLOAT", "at": "DATETIME", "ok": "BOOLEAN"}, types)
		})
	}
}

func TestMappedFlow(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	content := `{"case:id":"A","sum":"1.234,50","when":"31.12.2023 23:59","deep":{"er":["x","y"]},"gone":null}` + "\n"
	r := s.Do(s.fileFlow(s.Connect("pool", sim), "MAPPED", "ndjson", content, mapped(
		rule("CASE_ID", "string", "from", "case:id", "required", true),
		rule("SUM", "float", "from", "sum", "format", "comma"),
		rule("AT", "datetime", "from", "when", "format", "dd.MM.yyyy HH:mm"),
		rule("SECOND", "string", "from", "/deep/er/1"),
		rule("GONE", "integer", "from", "gone", "default", 7),
		rule("NEVER", "string", "from", "never"),
	)))
	apptest.RequireWhole(t, r, 1)
	have := sim.MustTable("MAPPED")
	for column, want := range map[string]string{
		"CASE_ID": "A", "SUM": "1234.5", "AT": "2023-12-31T23:59:00.000Z", "SECOND": "y", "GONE": "7", "NEVER": "<null>",
	} {
		require.Equal(t, []string{want}, apptest.Column(have, column), column)
	}
}

// Celonis cuts a string whose length nobody declared at 80 bytes, without a word.
func TestLongStringsAreNotCut(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	long, late := strings.Repeat("ä", 150), strings.Repeat("z", 1000)
	content := "id,text,later\n1," + long + ",short\n2,x," + late + "\n"
	for i, change := range []func(map[string]any){
		func(map[string]any) {},
		mapped(rule("id", "integer"), rule("text", "string"), rule("later", "string")),
		set("import", map[string]any{"fileType": "csv"}),
	} {
		table := fmt.Sprintf("LONG_%d", i)
		apptest.RequireWhole(t, s.Do(s.fileFlow(connection, table, "csv", content, change)), 2)
		have := sim.MustTable(table)
		require.Equal(t, []string{long, "x"}, apptest.Column(have, "text"))
		require.Equal(t, []string{"short", late}, apptest.Column(have, "later"))
		require.Zero(t, have.CutValues())
		require.Zero(t, have.NulledInstants())
	}
}

// A value that outgrows what the file's beginning let expect is not cut: the
// table is declared wider, or the record refused where the flow declares a length.
func TestValuesThatOutgrowTheSample(t *testing.T) {
	t.Parallel()
	const records = 700_000 // more than the sample of the beginning
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	var b strings.Builder
	b.WriteString("id,text\n")
	for i := range records {
		fmt.Fprintf(&b, "%d,abc\n", i)
	}
	b.WriteString("700001," + strings.Repeat("x", 3000) + "\n")
	connection := s.Connect("pool", sim)

	apptest.RequireWhole(t, s.Do(s.fileFlow(connection, "OUTGROWN", "csv", b.String())), records+1)
	have := sim.MustTable("OUTGROWN")
	require.Zero(t, have.CutValues())
	text, _ := have.Value("text", have.Sorted("text")[have.Rows()-1])
	require.Len(t, text, 3000)

	flow := s.fileFlow(connection, "DECLARED", "csv", b.String(), mapped(rule("id", "integer"), rule("text", "string", "length", 255)))
	r := s.Do(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.EqualValues(t, records, r.Ledger.Pushed)
	requireErrors(t, s.Errors(flow), []string{fmt.Sprintf("%d:%d value.too_long text", records+1, records+2)})
	require.Zero(t, sim.MustTable("DECLARED").CutValues())
}

func TestDeltaUpdatesByKeys(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	change := set("import", map[string]any{"mode": "delta", "keys": []string{"id"}})
	flow := s.fileFlow(connection, "ORDERS", "csv", "id,status\n1,new\n2,new\n3,new\n", change)
	apptest.RequireWhole(t, s.Do(flow), 3)
	next := s.Upload("next.csv", strings.NewReader("id,status\n2,paid\n4,new\n"))
	s.Call(200, "PATCH", "/v1/flows/"+flow, map[string]any{"export": map[string]any{"fileId": next}}, nil)
	apptest.RequireWhole(t, s.Do(flow), 2)
	have := sim.MustTable("ORDERS")
	status := map[string]string{}
	for i, id := range apptest.Column(have, "id") {
		status[id], _ = have.Value("status", i)
	}
	require.Equal(t, map[string]string{"1": "new", "2": "paid", "3": "new", "4": "new"}, status)
	require.Equal(t, 4, have.Rows())
}

func TestDataConnectionOfThePool(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	r := s.Do(s.fileFlow(s.Connect("pool", sim), "SCOPED", "csv", "id\n1\n", set("import", map[string]any{"dataConnectionId": sim.Source})))
	apptest.RequireWhole(t, r, 1)
	sim.RequireNoTable("SCOPED")
	have, ok := sim.TableOf(sim.Pool, sim.Source, "SCOPED")
	require.True(t, ok)
	require.Equal(t, 1, have.Rows())
}
