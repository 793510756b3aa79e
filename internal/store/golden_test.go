package store_test

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/stretchr/testify/require"
)

const goldenFolder = "testdata/golden"

// The files of goldenFolder are documents as a database may hold them. A change
// of a type must still read every one of them: when what is written changes,
// keep the old file as one that is only read, and add the new form.
func TestPersistedForms(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connector.db")
	s := open(t, store.Config{Path: path})
	raw := rawSQLite(t, path)
	forms := goldenForms(t, s)
	for name, f := range forms {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(goldenFolder, name))
			require.NoError(t, err)
			id := f.write()
			require.JSONEq(t, string(text), f.text(t, raw, id))
			f.setText(t, raw, id, string(text))
			require.Equal(t, f.want, f.read(id))
		})
	}
	files, err := os.ReadDir(goldenFolder)
	require.NoError(t, err)
	require.Len(t, files, len(forms), "every file is read")
}

// form is a document in a column: write stores want in a new row through the
// store, read reads a row's document through the store.
type form struct {
	table, column string
	write         func() (id string)
	read          func(id string) any
	want          any
}

func (f form) text(t *testing.T, raw *sql.DB, id string) (text string) {
	require.NoError(t, raw.QueryRow("SELECT "+f.column+" FROM "+f.table+" WHERE id = $1", id).Scan(&text))
	return text
}

func (f form) setText(t *testing.T, raw *sql.DB, id, text string) {
	_, err := raw.Exec("UPDATE "+f.table+" SET "+f.column+" = $1 WHERE id = $2", text, id)
	require.NoError(t, err)
}

func goldenForms(t *testing.T, s *store.Store) map[string]form {
	header, fallback := false, flows.Scalar("0")
	records := newFlow(t, s)
	c := draftConnection(t)
	c.ID = "c0ffee"
	require.NoError(t, s.CreateConnection(t.Context(), c))
	target := flows.Import{Type: flows.ImportDataPush, ConnectionID: "c0ffee", Table: "T"}
	return map[string]form{
		"checkpoint.json": runForm(t, s, records, "checkpoint", flows.Run{Checkpoint: flows.Checkpoint{
			Source: json.RawMessage(`{"offset":123,"part":"a"}`), Schema: "f00d", PushJobID: "job", Chunks: 3,
			Ledger: flows.Ledger{Read: 10, Filtered: 1, Pushed: 8, Errored: 1}, Bytes: 1 << 40, Submitted: true}}),
		"checkpoint_empty.json": runForm(t, s, records, "checkpoint", flows.Run{}),
		"run_error.json": runForm(t, s, records, "error", flows.Run{
			Error: &flows.RunError{Code: fault.CelonisServer, Message: "no answer", Hint: "try later"}}),
		"spec_records.json": flowForm(t, s, flows.Spec{Name: "Records", Export: flows.Export{Type: flows.ExportRecords},
			Import: target, MaxErrors: &flows.Threshold{Count: 5}}),
		"spec_file.json": flowForm(t, s, flows.Spec{Name: "File",
			Export: flows.Export{Type: flows.ExportFile, FileID: "file", Path: "/data/a.csv", Format: flows.CSV,
				CSV: &flows.CSVOptions{Separator: ";", Quote: "'", Encoding: "latin1", Header: &header}},
			Mapping: []flows.Rule{{To: "A", From: "/a/b", Type: "date", Length: 9, Format: "dd.MM.yyyy", Default: &fallback,
				Required: true}},
			Import: flows.Import{Type: flows.ImportDataPush, ConnectionID: "c0ffee", Table: "T", Mode: flows.Delta,
				Keys: []string{"A"}, DataConnectionID: "dc", FileType: flows.CSVChunks},
			MaxErrors: &flows.Threshold{Percent: 2.5}}),
		"http_settings.json": httpForm(t, s),
		"test_result.json": testForm(t, s, connections.TestResult{LatencyMs: 12, At: now, Steps: []connections.Step{
			{Step: "dns", OK: true}, {Step: "auth", Code: fault.CelonisUnauthorized, Detail: "refused", Hint: "make a new key"}}}),
		"client_scopes.json": scopesForm(t, s, []access.Scope{access.ConnectionsRead, access.FlowsRun}),
	}
}

func runForm(t *testing.T, s *store.Store, f *flows.Flow, column string, of flows.Run) form {
	document := func(r *flows.Run) any {
		if column == "error" {
			return *r.Error
		}
		return r.Checkpoint
	}
	write := func() string {
		r := draftRun(t, f)
		r.Checkpoint, r.Error = of.Checkpoint, of.Error
		require.NoError(t, s.InsertRun(t.Context(), r))
		return r.ID
	}
	read := func(id string) any {
		r, err := s.Run(t.Context(), workspace, id)
		require.NoError(t, err)
		return document(r)
	}
	return form{"runs", column, write, read, document(&of)}
}

func flowForm(t *testing.T, s *store.Store, want flows.Spec) form {
	write := func() string {
		f := &flows.Flow{ID: newID(t), Workspace: workspace, Revision: 1, Spec: want}
		require.NoError(t, s.CreateFlow(t.Context(), f))
		return f.ID
	}
	read := func(id string) any {
		f, err := s.Flow(t.Context(), workspace, id)
		require.NoError(t, err)
		return f.Spec
	}
	return form{"flows", "spec", write, read, want}
}

func testForm(t *testing.T, s *store.Store, want connections.TestResult) form {
	write := func() string {
		c := draftConnection(t)
		c.LastTest = &want
		require.NoError(t, s.CreateConnection(t.Context(), c))
		return c.ID
	}
	read := func(id string) any {
		c, err := s.Connection(t.Context(), workspace, id)
		require.NoError(t, err)
		return *c.LastTest
	}
	return form{"connections", "last_test", write, read, want}
}

func httpForm(t *testing.T, s *store.Store) form {
	seconds, calls, none, rate := 30, 2, 0, 0.5
	want := connections.HTTPSettings{
		Headers:        []connections.Header{{Name: "X-Route", Value: "eu"}},
		TimeoutSeconds: &seconds, Concurrency: &calls, RequestsPerSecond: &rate, Retries: &none,
	}
	write := func() string {
		c := draftConnection(t)
		c.HTTP = &want
		require.NoError(t, s.CreateConnection(t.Context(), c))
		return c.ID
	}
	read := func(id string) any {
		c, err := s.Connection(t.Context(), workspace, id)
		require.NoError(t, err)
		return *c.HTTP
	}
	return form{"connections", "http", write, read, want}
}

func scopesForm(t *testing.T, s *store.Store, want []access.Scope) form {
	write := func() string {
		c := &access.Client{ID: newID(t), Workspace: workspace, Name: "golden", Scopes: want}
		require.NoError(t, s.CreateClient(t.Context(), c))
		return c.ID
	}
	read := func(id string) any {
		c, err := s.Client(t.Context(), id)
		require.NoError(t, err)
		return c.Scopes
	}
	return form{"clients", "scopes", write, read, want}
}
