package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// badInput is a file, how a flow reads it, and what must come of it.
type badInput struct {
	name    string
	format  string
	content string
	change  []func(map[string]any)
	// state, code and says are those of the run; says lists words of message and hint.
	state, code string
	says        []string
	// errors are the record errors in order, as record:line code field.
	errors []string
	// rows is how many rows the table has, -1 when the table must not exist.
	rows int
}

func maxErrors(n any) func(map[string]any) { return set("", map[string]any{"maxErrors": n}) }

func rule(to, typ string, more ...any) map[string]any {
	r := map[string]any{"to": to, "type": typ}
	for i := 0; i+1 < len(more); i += 2 {
		r[more[i].(string)] = more[i+1]
	}
	return r
}

func badInputs() []badInput {
	zip := "PK\x03\x04" + strings.Repeat("\x00\x01binary", 30)
	return []badInput{
		// Files that are not what they say.
		{name: "empty file", content: "", state: "failed", code: "source.empty", says: []string{"header"}, rows: -1},
		{name: "header only", content: "id,amount\n", state: "failed", code: "source.empty", says: []string{"table is as it was"}, rows: -1},
		{name: "PDF", content: "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", state: "failed", code: "source.format_invalid", says: []string{"PDF"}, rows: -1},
		{name: "zip", content: zip, state: "failed", code: "source.format_invalid", says: []string{"ZIP"}, rows: -1},
		{name: "binary", content: "id,amount\n1,2\n\x00\x01\x02\x00,3\n", state: "failed", code: "source.format_invalid", says: []string{"byte 14", "NUL"}, rows: -1},
		{name: "JSON read as CSV", content: `[{"id":1}]`, state: "failed", code: "source.format_invalid", says: []string{"JSON"}, rows: -1},
		{name: "array read as NDJSON", format: "ndjson", content: "[{\"id\":1}]\n", state: "failed", code: "source.format_invalid", says: []string{"array"}, rows: -1},
		{name: "objects read as an array", format: "json", content: "{\"id\":1}\n{\"id\":2}\n", state: "failed", code: "source.format_invalid", says: []string{"ndjson"}, rows: -1},
		{name: "empty array", format: "json", content: "[]", state: "failed", code: "source.empty", rows: -1},
		{name: "array cut off", format: "json", content: `[{"id":1},{"id":2}`, state: "failed", code: "source.truncated", says: []string{"line 1"}, rows: -1},
		{name: "record cut off", format: "json", content: `[{"id":1},{"id":`, state: "failed", code: "source.truncated", says: []string{"never closed"}, rows: -1},
		{name: "gzip cut off", content: cut(apptest.Gzip([]byte("id\n" + strings.Repeat("12345\n", 5000)))), state: "failed", code: "source.truncated", says: []string{"gzip", "byte"}, rows: -1},
		{name: "gzip damaged", content: damaged(apptest.Gzip([]byte("id\n" + strings.Repeat("12345\n", 5000)))), state: "failed", code: "source.format_invalid", says: []string{"gzip"}, rows: -1},
		{name: "quote that never ends", content: "id,text\n1,ok\n2,\"open\n3,x\n", state: "failed", code: "source.truncated", says: []string{"line 3", "byte"}, rows: -1},
		{name: "latin1 header without a word", content: "id,stra\xdfe\n1,x\n", state: "failed", code: "source.encoding_invalid", says: []string{"encoding"}, rows: -1},
		{name: "UTF-16 that ends within a character", content: "\xff\xfei\x00d\x00\n\x001", state: "failed", code: "source.truncated", rows: -1},

		// Headers.
		{name: "name twice", content: "id,amount,id\n1,2,3\n", state: "failed", code: "source.header_invalid", says: []string{`"id"`}, rows: -1},
		{name: "names that differ by case", content: "id,Amount,AMOUNT\n1,2,3\n", state: "failed", code: "source.header_invalid", says: []string{`"Amount" (column 2) and "AMOUNT" (column 3)`}, rows: -1},
		{name: "fields that differ by case", format: "ndjson", content: "{\"a\":1,\"A\":2}\n", state: "failed", code: "mapping.columns_collide", says: []string{"case"}, rows: -1},
		{name: "column without a name", content: "id,,amount\n1,2,3\n", state: "failed", code: "source.header_invalid", says: []string{"column 2"}, rows: -1},
		{
			name: "mapped field that is not there", content: "id,amount\n1,2\n", change: []func(map[string]any){mapped(rule("ID", "integer", "from", "id"), rule("SUM", "float", "from", "amuont"))},
			state: "failed", code: "mapping.field_not_found", says: []string{`"amuont"`, `"amount"`}, rows: -1,
		},

		// Records: those that can go through do, within maxErrors.
		{name: "too many cells", content: "id,amount\n1,2\n2,3,4\n3,4\n", state: "succeeded", errors: []string{"2:3 record.wrong_cell_count "}, rows: 2},
		{name: "too few cells", content: "id,amount\n1,2\n2\n3,4\n", state: "succeeded", errors: []string{"2:3 record.wrong_cell_count "}, rows: 2},
		{
			name: "value not of its column's type", content: "id,amount\n1,2\ntwo,3\n3,four\n",
			change: []func(map[string]any){mapped(rule("id", "integer"), rule("amount", "float"))},
			state:  "succeeded", errors: []string{"2:3 value.wrong_type id", "3:4 value.wrong_type amount"}, rows: 1,
		},
		{
			name: "no value where one is required", content: "id,amount\n1,2\n,3\n",
			change: []func(map[string]any){mapped(rule("id", "integer", "required", true), rule("amount", "float"))},
			state:  "succeeded", errors: []string{"2:3 value.required id"}, rows: 1,
		},
		{
			name: "null key", content: "id,amount\n1,2\n,3\n", change: []func(map[string]any){set("import", map[string]any{"mode": "delta", "keys": []string{"id"}})},
			state: "succeeded", errors: []string{"2:3 value.required id"}, rows: 1,
		},
		{
			name: "times that Celonis would null", content: "id,at\n1,2024-01-02 03:04:05\n2,1399-12-31 23:59:59\n3,1400-01-01 00:00:00\n4,9999-12-31 23:59:59\n",
			change: []func(map[string]any){mapped(rule("id", "integer"), rule("at", "datetime"))},
			state:  "succeeded", errors: []string{"2:3 value.out_of_range at"}, rows: 3,
		},
		{
			name: "times that are none", content: "id,at\n1,2024-01-02\n2,2024-02-30\n3,soon\n",
			change: []func(map[string]any){mapped(rule("id", "integer"), rule("at", "date"))},
			state:  "succeeded", errors: []string{"2:3 value.wrong_type at", "3:4 value.wrong_type at"}, rows: 1,
		},
		{
			name: "longer than declared", content: "id,text\n1,short\n2,much too long\n",
			change: []func(map[string]any){mapped(rule("id", "integer"), rule("text", "string", "length", 10))},
			state:  "succeeded", errors: []string{"2:3 value.too_long text"}, rows: 1,
		},
		{
			name: "integer too large", content: "id\n9223372036854775807\n9223372036854775808\n", change: []func(map[string]any){mapped(rule("id", "integer"))},
			state: "succeeded", errors: []string{"2:3 value.out_of_range id"}, rows: 1,
		},
		{name: "latin1 value without a word", content: "id,text\n1,ok\n2,stra\xdfe\n", state: "succeeded", errors: []string{"2:3 value.invalid_utf8 text"}, rows: 1},
		{name: "broken line of NDJSON", format: "ndjson", content: "{\"id\":1}\n{\"id\":}\n{\"id\":3}\n", state: "succeeded", errors: []string{"2:2 record.malformed id"}, rows: 2},
		{name: "line that is no object", format: "ndjson", content: "{\"id\":1}\n17\n{\"id\":3}\n", state: "succeeded", errors: []string{"2:2 record.malformed "}, rows: 2},
		{name: "text after a quote", content: "id,text\n1,ok\n2,\"a\"b\n3,ok\n", state: "succeeded", errors: []string{"2:3 record.malformed text"}, rows: 2},

		// Thresholds.
		{
			name: "no bad record allowed", content: "id,amount\n1,2\n2\n3,4\n", change: []func(map[string]any){maxErrors(0)},
			state: "failed", code: "run.too_many_errors", says: []string{"1 of", "limit of 0"}, errors: []string{"2:3 record.wrong_cell_count "}, rows: -1,
		},
		{
			name: "share of bad records at the end", content: "id,amount\n1,2\n2\n3,4\n4,5\n", change: []func(map[string]any){maxErrors("20%")},
			state: "failed", code: "run.too_many_errors", says: []string{"1 of 4", "20 %"}, errors: []string{"2:3 record.wrong_cell_count "}, rows: -1,
		},
		{
			name: "share of bad records that is borne", content: "id,amount\n1,2\n2\n3,4\n4,5\n", change: []func(map[string]any){maxErrors("25%")},
			state: "succeeded", errors: []string{"2:3 record.wrong_cell_count "}, rows: 3,
		},
		{
			name: "not one good record", content: "id,amount\n1\n2\n", state: "failed", code: "run.too_many_errors", says: []string{"none of the 2 records"},
			errors: []string{"1:2 record.wrong_cell_count ", "2:3 record.wrong_cell_count "}, rows: -1,
		},
	}
}

func cut(b []byte) string { return string(b[:len(b)/2]) }

func damaged(b []byte) string {
	b = bytes.Clone(b)
	for i := len(b) / 2; i < len(b)/2+8; i++ {
		b[i] ^= 0x5a
	}
	return string(b)
}

func TestBadInputs(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	for i, c := range badInputs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, table := s.on(t), fmt.Sprintf("BAD_%d", i)
			format := c.format
			if format == "" {
				format = "csv"
			}
			flow := s.fileFlow(connection, table, format, c.content, c.change...)
			r := s.Do(flow)
			require.Equal(t, c.state, r.State, "%+v", r.Error)
			require.Equal(t, c.code, r.ErrorCode(), "%+v", r.Error)
			for _, words := range c.says {
				require.Contains(t, r.Error.Message+"; "+r.Error.Hint, words)
			}
			if c.code != "" {
				require.NotEmpty(t, r.Error.Hint, r.Error.Message)
			}
			requireErrors(t, s.Errors(flow), c.errors)
			require.Equal(t, r.Ledger.Read, r.Ledger.Filtered+r.Ledger.Pushed+r.Ledger.Errored)
			if c.rows < 0 {
				require.Zero(t, r.Ledger.Pushed)
				sim.RequireNoTable(table)
				return
			}
			require.EqualValues(t, c.rows, r.Ledger.Pushed)
			require.EqualValues(t, len(c.errors), r.Ledger.Errored)
			require.Equal(t, len(c.errors) > 0, r.HasErrors)
			require.Equal(t, c.rows, sim.MustTable(table).Rows())
		})
	}
}

// requireErrors compares record errors, which come the newest first, with the records in order.
func requireErrors(t *testing.T, got []apptest.RecordError, want []string) {
	t.Helper()
	found := map[string]bool{}
	for _, e := range got {
		found[e.String()] = true
		require.NotEmpty(t, e.Message)
		require.NotEmpty(t, e.Data, "the record itself is kept")
	}
	require.Len(t, got, len(want), "%v", got)
	for _, w := range want {
		require.True(t, found[w], "%q is not among %v", w, got)
	}
}

// A failed run leaves the table as it was.
func TestFailedRunKeepsTheOldTable(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	flow := s.fileFlow(connection, "KEPT", "csv", "id\n1\n2\n3\n")
	apptest.RequireWhole(t, s.Do(flow), 3)
	before := sim.MustTable("KEPT").Hash()
	for _, content := range []string{"", "id\n", "id\n4\n5,5\n", "id,text\n1,\"open\n"} {
		fileID := s.Upload("next.csv", strings.NewReader(content))
		s.Call(http.StatusOK, "PATCH", "/v1/flows/"+flow, map[string]any{
			"export": map[string]any{"fileId": fileID}, "maxErrors": 0,
		}, nil)
		require.Equal(t, "failed", s.Do(flow).State, "%q", content)
		require.Equal(t, before, sim.MustTable("KEPT").Hash())
		require.Equal(t, 1, sim.MustTable("KEPT").Jobs())
	}
}

// What is wrong with a flow is told when it is saved, all at once.
func TestFlowsThatAreRefused(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	var intelligence apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections", draft(sim, "models", map[string]any{"apiType": "intelligence", "poolId": nil}), &intelligence)
	fileID := s.Upload("a.csv", strings.NewReader("a\n1\n"))
	type faults = map[string]string
	for _, c := range []struct {
		name   string
		change []func(map[string]any)
		want   faults
	}{
		{"unknown field", []func(map[string]any){set("import", map[string]any{"tabel": "X"})}, faults{"/import/tabel": "request.unknown_field"}},
		{"unknown field of a rule", []func(map[string]any){mapped(rule("A", "string", "form", "a"))}, faults{"/mapping/0/form": "request.unknown_field"}},
		{"unknown export", []func(map[string]any){set("export", map[string]any{"type": "fax"})}, faults{"/export/type": "request.field_invalid"}},
		{"wrong type", []func(map[string]any){set("", map[string]any{"mapping": "all"})}, faults{"/mapping": "request.wrong_type"}},
		{"delta without keys", []func(map[string]any){set("import", map[string]any{"mode": "delta"})}, faults{"/import/keys": "request.field_missing"}},
		{"key that is no column", []func(map[string]any){mapped(rule("A", "string")), set("import", map[string]any{"mode": "delta", "keys": []string{"B"}})},
			faults{"/import/keys/0": "mapping.key_not_found"}},
		{"columns that differ by case", []func(map[string]any){mapped(rule("A", "string"), rule("a", "string"))}, faults{"/mapping/1/to": "mapping.columns_collide"}},
		{"unknown column type", []func(map[string]any){mapped(rule("A", "blob"))}, faults{"/mapping/0/type": "request.field_invalid"}},
		{"no such connection", []func(map[string]any){set("import", map[string]any{"connectionId": "01900000-0000-7000-8000-000000000000"})}, faults{"/import/connectionId": "connection.not_found"}},
		{"connection of another kind", []func(map[string]any){set("import", map[string]any{"connectionId": intelligence.ID})}, faults{"/import/connectionId": "connection.wrong_api_type"}},
		{"no such file", []func(map[string]any){set("export", map[string]any{"fileId": "01900000-0000-7000-8000-000000000000"})}, faults{"/export/fileId": "file.not_found"}},
		{"file of this machine", []func(map[string]any){set("export", map[string]any{"path": "/etc/passwd"})}, faults{"/export/path": "request.field_invalid"}},
		{"several at once", []func(map[string]any){set("", map[string]any{"name": ""}), set("import", map[string]any{"mode": "append", "table": ""})},
			faults{"/name": "request.field_missing", "/import/mode": "request.field_invalid", "/import/table": "request.field_missing"}},
		{"threshold", []func(map[string]any){maxErrors("many")}, faults{"/maxErrors": "request.field_invalid"}},
		{"table with a quote", []func(map[string]any){set("import", map[string]any{"table": `A"; DROP`})}, faults{"/import/table": "request.field_invalid"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			spec := apptest.FileFlow(c.name, fileID, "csv", connection, "T")
			for _, change := range c.change {
				change(spec)
			}
			p := s.on(t).Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", spec)
			got := faults{}
			for _, e := range p.Errors {
				got[e.Pointer] = e.Code
				require.NotEmpty(t, e.Detail)
			}
			require.Equal(t, c.want, got, "%+v", p)
		})
	}
}

// A key that loses its permission between the test and the run.
func TestRevokedKey(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	key := sim.AddCredential(celonissim.Credential{Name: "shortlived", Kind: celonissim.AppKey, PushPools: []string{"*"}})
	s := begin(t, sim)
	var c apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections", draft(sim, "pool", map[string]any{"appKey": key}), &c)
	require.Equal(t, "online", c.Status)
	flow := s.fileFlow(c.ID, "REVOKED", "csv", "id\n1\n")

	require.True(t, sim.RemoveCredential("shortlived"))
	sim.AddCredential(celonissim.Credential{Name: "shortlived", Kind: celonissim.AppKey, Key: key})
	r := s.awaitOffline(s.Start(flow).ID)
	require.Contains(t, r.Error.Hint, "Data Push API")
	require.Equal(t, "celonis.forbidden", s.standing(c.ID).LastTest.Last().Code)

	require.True(t, sim.RemoveCredential("shortlived"))
	var result apptest.TestResult
	s.Call(http.StatusOK, "POST", "/v1/connections/"+c.ID+"/test", nil, &result)
	require.Equal(t, "celonis.unauthorized", result.Last().Code)
	r = s.awaitOffline(r.ID)
	require.Contains(t, s.Start(flow).Error.Hint, "application key")
	s.Call(http.StatusAccepted, "POST", "/v1/runs/"+r.ID+"/cancel", nil, nil)
	sim.RequireNoTable("REVOKED")
}

// A pool that was taken away after the connection was made.
func TestPoolThatIsGone(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	var c apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections?test=skip", draft(sim, "pool", map[string]any{"poolId": "00000000-0000-4000-8000-000000000000"}), &c)
	r := s.Do(s.fileFlow(c.ID, "NOWHERE", "csv", "id\n1\n"))
	require.Equal(t, "failed", r.State)
	require.Equal(t, "celonis.pool_not_found", r.ErrorCode())
	require.NotEmpty(t, r.Error.Hint)
}
