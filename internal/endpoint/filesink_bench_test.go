package endpoint_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/celonis-connector/connector/internal/spool"
)

// BenchmarkFile reads the same event log into a push of the simulator, which
// keeps nothing, and into files of each format: making a file must not be slower than a push.
func BenchmarkFile(b *testing.B) {
	const rows = 300_000
	path := filepath.Join(b.TempDir(), "events.csv")
	f, err := os.Create(path)
	require.NoError(b, err)
	require.NoError(b, eventlog.Write(f, eventlog.CSV, rows, 7))
	require.NoError(b, f.Close())
	for _, c := range []struct {
		name string
		to   flows.Import
	}{
		{"push", flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: flows.Replace}},
		{"parquet", flows.Import{Type: flows.ImportFile, Format: flows.ParquetFile}},
		{"csv", flows.Import{Type: flows.ImportFile, Format: flows.CSV}},
		{"ndjson", flows.Import{Type: flows.ImportFile, Format: flows.NDJSON}},
		{"csv.gz", flows.Import{Type: flows.ImportFile, Format: flows.CSV, Compression: flows.CompressGzip}},
		{"csv.zst", flows.Import{Type: flows.ImportFile, Format: flows.CSV, Compression: flows.CompressZstd}},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := newKit(b, func(o *celonissim.Options) { o.Keep = celonissim.KeepHashes })
			k.deps.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
			store := &shelf{files: map[string]*flows.File{}}
			k.deps.RunFiles = store
			k.deps.FileSpool, err = spool.Open(b.TempDir())
			require.NoError(b, err)
			flow := &flows.Flow{ID: "flow", Workspace: "w", Spec: flows.Spec{Name: "flow", Import: c.to,
				Export: flows.Export{Type: flows.ExportFile, Path: path, Format: flows.CSV}}}
			for b.Loop() {
				builder := endpoint.NewBuilder(k.deps)
				source, err := builder.Source(flow, new(flows.Run))
				require.NoError(b, err)
				sink, err := builder.RunSink(b.Context(), flow, &flows.Run{Workspace: "w", CreatedAt: time.Now()})
				require.NoError(b, err)
				ledger, err := engine.New(engine.Options{}).Run(b.Context(), engine.Job{Source: source, Sink: sink, Journal: &journal{}, MaxErrors: flows.Threshold{Count: 10}})
				require.NoError(b, err)
				require.EqualValues(b, rows, ledger.Pushed)
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
