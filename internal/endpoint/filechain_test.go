package endpoint_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
)

// oneBucket opens the same bucket for every connection.
type oneBucket connections.OutsideTarget

// OutsideTarget implements endpoint.OutsideTargets.
func (b oneBucket) OutsideTarget(context.Context, string, string) (connections.OutsideTarget, error) {
	return connections.OutsideTarget(b), nil
}

// openFiles opens the files of a bucket as the source of a run.
func openFiles(t *testing.T, format flows.Format, want []string, files map[string]string) (*engine.Stream, error) {
	t.Helper()
	backend := s3mem.New()
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	require.NoError(t, backend.CreateBucket("files"))
	for key, body := range files {
		_, err := backend.PutObject("files", key, map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, strings.NewReader(body), int64(len(body)), nil)
		require.NoError(t, err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	b := endpoint.NewBuilder(endpoint.Deps{
		Outside: oneBucket{APIType: connections.S3, Outside: connections.Outside{Endpoint: server.URL, Region: "us-east-1", Bucket: "files"}},
		Logins:  outside.NewLogins(outside.Config{Transport: transport}), TempDir: t.TempDir(), Now: time.Now,
	})
	source, err := b.Source(&flows.Flow{Spec: flows.Spec{Export: flows.Export{Type: flows.ExportFile, ConnectionID: "c", Format: format}}}, &flows.Run{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.(interface{ Close() error }).Close()) })
	return source.Open(t.Context(), want)
}

// cells reads a stream to its end: the texts of each record in the order of its names, sorted.
func cells(t *testing.T, s *engine.Stream) (records []string) {
	t.Helper()
	defer func() { require.NoError(t, s.Close()) }()
	sample, err := s.Peek(t.Context(), 2)
	require.NoError(t, err)
	require.NotEmpty(t, sample)
	var raw columns.Raw
	for seq := 0; ; seq++ {
		b, err := s.Next(t.Context())
		if err != nil {
			require.Equal(t, "EOF", err.Error())
			break
		}
		require.Equal(t, seq, b.Seq)
		require.NoError(t, s.Decode(b, &raw))
		for r := range raw.Rows {
			var record []string
			for c := range raw.Names {
				text := "-"
				if cell := raw.Cells[c][r]; cell.Kind != columns.Null {
					text = string(raw.Value(cell))
				}
				record = append(record, text)
			}
			records = append(records, strings.Join(record, " "))
		}
		s.Release(b)
	}
	slices.Sort(records)
	return records
}

func TestChainedFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format  flows.Format
		files   map[string]string
		records []string
	}{
		"csv in other orders": {flows.CSV, map[string]string{"a": "X,Y\n1,2\n", "b": "Y,X\n4,3\n", "c": "X,Y\n"}, []string{"1 2", "3 4"}},
		"json arrays":         {flows.JSON, map[string]string{"a": `[{"X":1,"Y":2}]`, "b": `[{"X":3},{"X":5}]`}, []string{"1 2", "3 -", "5 -"}},
		"ndjson":              {flows.NDJSON, map[string]string{"a": "{\"X\":1,\"Y\":2}", "b": "{\"Y\":4,\"X\":3}\n", "c": ""}, []string{"1 2", "3 4"}},
	} {
		s, err := openFiles(t, c.format, nil, c.files)
		require.NoError(t, err, name)
		require.NotEmpty(t, s.Identity)
		names := s.Names()
		slices.Sort(names)
		require.Equal(t, []string{"X", "Y"}, names, name)
		if s.Names()[0] == "X" {
			require.Equal(t, c.records, cells(t, s), name)
			continue
		}
		require.Len(t, cells(t, s), len(c.records), name)
	}
}

// TestFilesThatDoNotFit: a file that is not like the others is named before anything is read.
func TestFilesThatDoNotFit(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.csv": "X,Y\n1,2\n", "b.csv": "X,Z\n1,2\n"}
	_, err := openFiles(t, flows.CSV, nil, files)
	require.Equal(t, fault.SourceHeader, fault.CodeOf(err))
	require.Contains(t, err.Error(), "b.csv")
	s, err := openFiles(t, flows.CSV, []string{"X"}, files)
	require.NoError(t, err, "a mapping that takes only what both have")
	require.NoError(t, s.Close())
	_, err = openFiles(t, flows.CSV, nil, map[string]string{"a.csv": "X;Y\n1;2\n", "b.csv": "X,Y\n1,2\n"})
	require.Equal(t, fault.SourceHeader, fault.CodeOf(err))
	_, err = openFiles(t, flows.ParquetFile, nil, map[string]string{"a": "no parquet at all", "b": "nor this"})
	require.Error(t, err)
	require.Contains(t, err.Error(), "file \"")
	_, err = openFiles(t, flows.CSV, nil, nil)
	var empty *engine.Empty
	require.ErrorAs(t, err, &empty)
	require.NotNil(t, empty.Warning)
}
