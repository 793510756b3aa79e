package flows_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// TestFileImportFormAgreesWithTheChecks: what a generic validator says of an import, the API says too.
func TestFileImportFormAgreesWithTheChecks(t *testing.T) {
	t.Parallel()
	schema := compiled(t, flows.Form())
	service := flows.NewService(flows.Deps{
		Flows: formStore{}, Files: formStore{}, Connections: formStore{}, CheckMapping: mapping.Check, Now: time.Now, NewID: func() string { return "id" },
	})
	csv := object{"type": "file", "format": "csv"}
	options := func(o object) object { return with(csv, object{"csv": o}) }
	for _, c := range []struct {
		name string
		to   object
		good bool
	}{
		{"csv", csv, true},
		{"without a format", object{"type": "file"}, false},
		{"json", with(csv, object{"format": "json"}), false},
		{"every option", with(csv, object{"fileName": "{flow}-{run}-{date}-{time}-{trigger}", "compression": "zstd", "keepDays": 365,
			"csv": object{"separator": "\t", "header": false, "nullText": "NULL", "quoteAll": true}}), true},
		{"unknown placeholder", with(csv, object{"fileName": "{flow}{x}"}), false},
		{"open brace", with(csv, object{"fileName": "a{flow"}), false},
		{"lone closing brace", with(csv, object{"fileName": "a}b"}), true},
		{"long name", with(csv, object{"fileName": strings.Repeat("n", 201)}), false},
		{"parquet", object{"type": "file", "format": "parquet"}, true},
		{"parquet in gzip", object{"type": "file", "format": "parquet", "compression": "gzip"}, false},
		{"parquet with csv options", object{"type": "file", "format": "parquet", "csv": object{}}, false},
		{"ndjson in gzip", object{"type": "file", "format": "ndjson", "compression": "gzip"}, true},
		{"unknown compression", with(csv, object{"compression": "zip"}), false},
		{"kept for ever", with(csv, object{"keepDays": 366}), false},
		{"with a connection", with(csv, object{"connectionId": "c"}), false},
		{"with a table", with(csv, object{"table": "T"}), false},
		{"with keys", with(csv, object{"keys": []string{"A"}}), false},
		{"with a mode", with(csv, object{"mode": "replace"}), false},
		{"push with a format", object{"type": "dataPush", "connectionId": "c", "table": "T", "format": "csv"}, false},
		{"push with days", object{"type": "dataPush", "connectionId": "c", "table": "T", "keepDays": 3}, false},
		{"letter as a separator", options(object{"separator": "a"}), false},
		{"quote as a separator", options(object{"separator": "\""}), false},
		{"space as a separator", options(object{"separator": " "}), false},
		{"bar as a separator", options(object{"separator": "|"}), true},
		{"apostrophe as a separator", options(object{"separator": "'"}), true},
		{"wide separator", options(object{"separator": "||"}), false},
		{"quote in a null", options(object{"nullText": "\"x"}), false},
		{"space around a null", options(object{"nullText": " x"}), false},
		{"space in a null", options(object{"nullText": "no value"}), true},
		{"long null", options(object{"nullText": strings.Repeat("n", 33)}), false},
	} {
		text, err := json.Marshal(object{"name": "N", "export": object{"type": "file", "fileId": "f", "format": "csv"}, "import": c.to})
		require.NoError(t, err)
		var spec flows.Spec
		require.NoError(t, json.Unmarshal(text, &spec))
		_, err = service.Create(t.Context(), "ws", spec)
		require.Equal(t, c.good, err == nil, "the API on %s: %v", c.name, err)
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		require.NoError(t, err)
		err = schema.Validate(instance)
		require.Equal(t, c.good, err == nil, "the form on %s: %v", c.name, err)
	}
}

func TestOutputName(t *testing.T) {
	t.Parallel()
	f := &flows.Flow{Spec: flows.Spec{Name: "Orders / EU"}}
	r := &flows.Run{ID: "run-1", Trigger: flows.Manual, CreatedAt: time.Date(2026, 3, 1, 23, 4, 5, 0, time.FixedZone("x", -3600))}
	for _, c := range []struct {
		name        string
		format      flows.Format
		compression flows.Compression
		want        string
	}{
		{flows.DefaultFileName, flows.CSV, "", "Orders _ EU-2026-03-02-000405.csv"},
		{"{run}.{trigger}", flows.NDJSON, flows.CompressGzip, "run-1.manual.ndjson.gz"},
		{"orders.CSV", flows.CSV, flows.CompressNone, "orders.csv"},
		{"orders.csv", flows.CSV, flows.CompressZstd, "orders.csv.csv.zst"},
		{"../../etc/passwd", flows.ParquetFile, "", "_.._etc_passwd.parquet"},
		{"con", flows.CSV, "", "_con.csv"},
		{"lpt1.x", flows.CSV, "", "_lpt1.x.csv"},
		{"...", flows.CSV, "", "file.csv"},
		{"a\u202eb\nc\"d", flows.CSV, "", "a_b_c_d.csv"},
		{strings.Repeat("ä", 150), flows.CSV, "", strings.Repeat("ä", 98) + ".csv"},
	} {
		f.Import = flows.Import{Type: flows.ImportFile, FileName: c.name, Format: c.format, Compression: c.compression}
		require.Equal(t, c.want, flows.OutputName(f, r), c.name)
	}
}

// FuzzSafeFileName: whatever a flow is called, its file's name is one that a file system and a header can hold.
func FuzzSafeFileName(f *testing.F) {
	for _, s := range []string{"a", "", "..", "con.csv", "x/y\\z", "\xff\xfe", "ä\u202e", strings.Repeat("x", 400)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := flows.SafeFileName(name, ".csv")
		require.LessOrEqual(t, len(got), 205)
		require.True(t, strings.HasSuffix(got, ".csv"))
		require.False(t, strings.ContainsAny(got, "/\\:*?\"<>|\r\n\x00"))
		require.NotEqual(t, byte('.'), got[0])
		require.True(t, strings.ToValidUTF8(got, "") == got)
		require.Equal(t, got, flows.SafeFileName(got, ".csv"))
	})
}
