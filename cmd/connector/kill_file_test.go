package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// kept is what a run keeps of its file while it makes it: whole pieces, and the file that is put together of them.
func (s *stand) kept() (pieces, assembled int) {
	s.t.Helper()
	making := filepath.Join(s.dir, "data", "files", "making", "*")
	found, err := filepath.Glob(filepath.Join(making, "*.piece"))
	require.NoError(s.t, err)
	temporary, err := filepath.Glob(filepath.Join(making, "*.tmp"))
	require.NoError(s.t, err)
	for _, name := range temporary {
		if info, err := os.Stat(name); err == nil && info.Size() > 2<<20 { // larger than any piece
			assembled++
		}
	}
	return len(found), assembled
}

// made gives the one file of a run and its content.
func (s *stand) made(runID string) []byte {
	s.t.Helper()
	var run struct {
		Files []struct {
			ID   string
			Rows int64
		} `json:"files"`
	}
	s.client.Call(http.StatusOK, "GET", "/v1/runs/"+runID, nil, &run)
	require.Len(s.t, run.Files, 1)
	require.EqualValues(s.t, shortRows, run.Files[0].Rows)
	a := s.client.Send("GET", "/v1/files/"+run.Files[0].ID+"/content", nil)
	require.Equal(s.t, http.StatusOK, a.Status)
	return a.Body
}

// The service dies while a run makes a file, and while it puts it together: the
// file is not there before the run has succeeded, and then it holds every row once.
func TestKilledWhileAFileIsMade(t *testing.T) {
	t.Parallel()
	p := newProgram(t).with("CONNECTOR_CHUNK_BYTES", smallChunk)
	s := &stand{program: p}
	s.api = p.serve("all")
	s.client = p.client(s.api.url)
	path := written(t, filepath.Join(p.dir, "events.csv"), func(w io.Writer) error { return eventlog.Write(w, eventlog.CSV, shortRows, 7) })
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	fileID := s.client.Upload("events.csv", f)
	flow := func(format string) string {
		return s.client.Flow(map[string]any{"name": "to " + format, "export": map[string]any{"type": "file", "fileId": fileID, "format": "csv"},
			"import": map[string]any{"type": "file", "format": format}})
	}
	died := 0
	for format, moments := range map[string][]func() bool{
		"ndjson": {
			func() bool { n, _ := s.kept(); return n >= 3 },
			func() bool { n, _ := s.kept(); return n >= 12 },
			func() bool { _, n := s.kept(); return n > 0 },
		},
		"parquet": {func() bool { n, _ := s.kept(); return n >= 6 }},
	} {
		id := flow(format)
		whole := s.made(s.client.Do(id).ID)
		for _, moment := range moments {
			run := s.client.Start(id)
			apptest.Eventually(t, func() bool { return moment() || s.client.Run(run.ID).Ended() }, func() string { return "the moment does not come" })
			s.api.kill()
			s.api = p.serve("all")
			s.client = s.client.At(s.api.url)
			r := s.client.AwaitEnd(run.ID)
			apptest.RequireWhole(t, r, shortRows)
			if r.Attempt > 1 {
				died++
			}
			made := s.made(run.ID)
			if format == "ndjson" {
				require.True(t, bytes.Equal(whole, made), "the file is not that of an undisturbed run")
				continue
			}
			read, err := parquet.OpenFile(bytes.NewReader(made), int64(len(made)))
			require.NoError(t, err)
			require.EqualValues(t, shortRows, read.NumRows())
		}
	}
	pieces, _ := s.kept()
	require.Zero(t, pieces)
	require.GreaterOrEqual(t, died, 2, "the runs ended before the service died")
}
