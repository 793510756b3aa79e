package app_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

// shapedOrders are two good orders, one that the filter takes out, one whose
// list is empty, and one that has an element that cannot become a row.
const shapedOrders = `{"order":{"id":1},"buyer":{"mail":"canary-ada@example.org"},"country":"DE","at":"01.02.2024 10:00","items":[{"sku":"a","q":2},{"sku":"b","q":3}]}
{"order":{"id":2},"buyer":{"mail":"canary-bob@example.org"},"country":"FR","at":"30.06.2024 23:30","items":[{"sku":"c","q":1}]}
{"order":{"id":3},"buyer":{"mail":"canary-ada@example.org"},"country":"XX","at":"","items":[{"sku":"d","q":1}]}
{"order":{"id":4},"buyer":{"mail":"canary-eve@example.org"},"country":"DE","items":[]}
{"order":{"id":5},"buyer":{"mail":"canary-joe@example.org"},"country":"DE","at":"","items":[{"sku":"e","q":"many"},{"sku":"f","q":5}]}
`

func shapedFlow(names string) func(map[string]any) {
	return set("", map[string]any{
		"expand": "/items", "expandEmpty": "drop", "filter": `country != "XX"`,
		"lookups": []map[string]any{
			{"name": "weight", "values": map[string]any{"a": 1.5, "b": 2}},
			{"name": "country", "fileId": names, "format": "csv", "key": "code", "value": "name"},
		},
		"mapping": []map[string]any{
			{"to": "KEY", "expr": `string(record["/order/id"]) + "-" + record["/items/sku"]`, "required": true},
			rule("QUANTITY", "integer", "from", "/items/q"),
			{"to": "DOUBLE", "type": "integer", "expr": `record["/items/q"] * 2`},
			rule("AT", "datetime", "expr", `date(at, "dd.MM.yyyy HH:mm", "Europe/Berlin")`),
			{"to": "MAIL", "from": "/buyer/mail", "protect": map[string]any{"method": "tokenise"}},
			{"to": "HASH", "expr": `lower(record["/buyer/mail"])`, "protect": map[string]any{"method": "sha256"}},
			{"to": "FIXED", "from": "/buyer/mail", "protect": map[string]any{"method": "fixed", "value": "hidden"}},
			{"to": "COUNTRY", "from": "country", "lookup": map[string]any{"table": "country", "default": "elsewhere"}},
			{"to": "WEIGHT", "type": "float", "expr": `float(lookup("weight", record["/items/sku"], 0)) * record["/items/q"]`},
		},
	})
}

// TestAShapedFlow reads back what a filter, expressions, a list, lookup tables
// and protection make of records, and looks for the protected values
// everywhere else.
func TestAShapedFlow(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	names := s.Upload("names.csv", strings.NewReader("code,name\nDE,Germany\nIT,Italy\n"))
	flow := s.fileFlow(s.Connect("pool", sim), "SHAPED", "ndjson", shapedOrders, shapedFlow(names))
	r := s.Do(flow)
	require.Equal(t, "succeeded", r.State, r.Error)
	require.EqualValues(t, []int64{7, 2, 4, 1}, []int64{r.Ledger.Read, r.Ledger.Filtered, r.Ledger.Pushed, r.Ledger.Errored})
	table := sim.MustTable("SHAPED")
	for column, want := range map[string][]string{
		"KEY": {"1-a", "1-b", "2-c", "5-f"}, "QUANTITY": {"2", "3", "1", "5"}, "DOUBLE": {"4", "6", "2", "10"},
		"AT":    {"2024-02-01T09:00:00.000Z", "2024-02-01T09:00:00.000Z", "2024-06-30T21:30:00.000Z", "<null>"},
		"FIXED": {"hidden", "hidden", "hidden", "hidden"}, "COUNTRY": {"Germany", "Germany", "elsewhere", "Germany"}, "WEIGHT": {"3", "6", "0", "0"},
	} {
		require.Equal(t, want, apptest.Column(table, column), column)
	}
	mails, hashes := apptest.Column(table, "MAIL"), apptest.Column(table, "HASH")
	require.Regexp(t, `^tok_[A-Z2-7]{32}$`, mails[0])
	require.Regexp(t, `^[0-9a-f]{64}$`, hashes[0])
	require.Equal(t, mails[0], mails[1])
	require.NotEqual(t, mails[0], mails[2])

	for _, column := range table.Columns() {
		require.NotContains(t, strings.Join(apptest.Column(table, column.Name), " "), "canary-", column.Name)
	}

	var stored []byte
	errs := s.Errors(flow)
	require.Len(t, errs, 1)
	answer := s.Send(http.MethodGet, "/v1/flows/"+flow+"/errors", nil)
	stored = append(stored, answer.Body...)
	require.Contains(t, string(stored), "[protected]")
	require.NotContains(t, string(stored), "canary-")
	require.NotContains(t, s.log.String(), "canary-")
	s.stop()
	require.NoError(t, filepath.WalkDir(s.cfg.DataDir, func(path string, d fs.DirEntry, err error) error {
		// The upload itself is what the caller gave; nothing else has the values.
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) == "files" {
			return err
		}
		data, err := os.ReadFile(path)
		require.NotContains(t, string(data), "canary-", path)
		return err
	}))
}

func TestTokensStayTheSame(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	protected := mapped(map[string]any{"to": "MAIL", "from": "mail", "protect": map[string]any{"method": "tokenise"}})
	pool := s.Connect("pool", sim)
	apptest.RequireWhole(t, s.Do(s.fileFlow(pool, "FIRST", "csv", "mail\nada\n", protected)), 1)
	s.restart()
	apptest.RequireWhole(t, s.Do(s.fileFlow(pool, "SECOND", "ndjson", `{"mail":"ada"}`+"\n", protected)), 1)
	require.Equal(t, apptest.Column(sim.MustTable("FIRST"), "MAIL"), apptest.Column(sim.MustTable("SECOND"), "MAIL"))
}

func TestWrongExpressionsAreFoundWhenAFlowIsSaved(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	pool := s.Connect("pool", sim)
	spec := apptest.FileFlow("wrong", s.Upload("x.csv", strings.NewReader("a\n1\n")), "csv", pool, "WRONG")
	spec["filter"] = "a >\n  uper(b)"
	spec["lookups"] = []map[string]any{{"name": "t", "fileId": "nowhere", "format": "csv", "key": "k", "value": "v"}}
	spec["mapping"] = []map[string]any{{"to": "A", "expr": "len("}, {"to": "B", "expr": "1", "from": "b"}}
	p := s.Problem(http.StatusUnprocessableEntity, http.MethodPost, "/v1/flows", spec)
	found := map[string]string{}
	for _, f := range p.Errors {
		found[f.Pointer] = f.Code
	}
	require.Equal(t, map[string]string{
		"/filter": "filter.expression_invalid", "/mapping/0/expr": "mapping.expression_invalid", "/mapping/1/from": "mapping.rule_invalid",
		"/lookups/0/fileId": "file.not_found",
	}, found)
	spec["lookups"] = []map[string]any{{"name": "t", "values": map[string]any{"a": []int{1}}}}
	p = s.Problem(http.StatusUnprocessableEntity, http.MethodPost, "/v1/flows", spec)
	require.Equal(t, "/lookups/0/values", p.Errors[0].Pointer)
}

func TestALookupFileThatDoesNotFit(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	names := s.Upload("names.csv", strings.NewReader("other,name\nDE,Germany\n"))
	r := s.Do(s.fileFlow(s.Connect("pool", sim), "LOOKUP", "ndjson", shapedOrders, shapedFlow(names)))
	require.Equal(t, "failed", r.State)
	require.Equal(t, "mapping.lookup_invalid", r.ErrorCode())
	sim.RequireNoTable("LOOKUP")
}
