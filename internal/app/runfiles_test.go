package app_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// madeFile is a file as the API shows it.
type madeFile struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Bytes     int64      `json:"bytes"`
	SHA256    string     `json:"sha256"`
	FlowID    *string    `json:"flowId"`
	RunID     *string    `json:"runId"`
	Format    *string    `json:"format"`
	Rows      *int64     `json:"rows"`
	ExpiresAt *time.Time `json:"expiresAt"`
	RemovedAt *time.Time `json:"removedAt"`
}

// toFile makes a flow from content to a file; members are those of its import.
func (s *service) toFile(name, format, content string, members map[string]any, change ...func(map[string]any)) (flowID string) {
	s.t.Helper()
	target := map[string]any{"type": "file"}
	for k, v := range members {
		target[k] = v
	}
	spec := map[string]any{"name": name, "import": target,
		"export": map[string]any{"type": "file", "fileId": s.Upload("in."+format, strings.NewReader(content)), "format": format}}
	for _, c := range change {
		c(spec)
	}
	return s.Flow(spec)
}

// filesOf gives the files of a run.
func (s *service) filesOf(runID string) []madeFile {
	s.t.Helper()
	var r struct {
		Files []madeFile `json:"files"`
	}
	s.Call(http.StatusOK, "GET", "/v1/runs/"+runID, nil, &r)
	return r.Files
}

// download gives what a flow makes: its one file and its bytes, which must be what the API says of them.
func (s *service) download(flowID string, rows int64) (madeFile, []byte) {
	s.t.Helper()
	r := s.Do(flowID)
	apptest.RequireWhole(s.t, r, rows)
	files := s.filesOf(r.ID)
	require.Len(s.t, files, 1)
	f := files[0]
	a := s.Send("GET", "/v1/files/"+f.ID+"/content", nil)
	require.Equal(s.t, http.StatusOK, a.Status, "%s", a.Body)
	require.EqualValues(s.t, f.Bytes, len(a.Body))
	sum := sha256.Sum256(a.Body)
	require.Equal(s.t, f.SHA256, hex.EncodeToString(sum[:]))
	require.Equal(s.t, `"`+f.SHA256+`"`, a.Header.Get("ETag"))
	require.Equal(s.t, fmt.Sprint(f.Bytes), a.Header.Get("Content-Length"))
	require.Equal(s.t, []any{flowID, r.ID, rows}, []any{*f.FlowID, *f.RunID, *f.Rows})
	require.Empty(s.t, s.pieces(), "pieces of a file stay behind")
	return f, a.Body
}

// pieces lists what is kept of files that are being made.
func (s *service) pieces() (names []string) {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.cfg.SpoolDir(), "making"))
	if !os.IsNotExist(err) {
		require.NoError(s.t, err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

const (
	everyKind = `{"s":"a \"b\", c\nd","i":9007199254740993,"f":0.1,"b":true,"d":"2024-02-29","t":"2024-01-02T03:04:05.678+02:00","h":"23:59:58"}` + "\n" +
		`{"s":"","i":null,"f":null,"b":null,"d":null,"t":null,"h":null}` + "\n" +
		`{"s":null,"i":-1,"f":1e300,"b":false,"d":"1400-01-01","t":"9999-12-31T23:59:59.999Z","h":"00:00:00"}` + "\n"
)

func everyKindMapped() func(map[string]any) {
	return mapped(rule("s", "string"), rule("i", "integer"), rule("f", "float"), rule("b", "boolean"), rule("d", "date"), rule("t", "datetime"), rule("h", "time"))
}

func TestFilesOfEveryFormat(t *testing.T) {
	t.Parallel()
	s := begin(t)
	t.Run("NDJSON", func(t *testing.T) {
		s := s.on(t)
		f, body := s.download(s.toFile("lines / of {x}", "ndjson", everyKind, map[string]any{"format": "ndjson", "fileName": "{flow} {trigger}"}, everyKindMapped()), 3)
		require.Equal(t, "lines _ of {x} manual.ndjson", f.Name)
		require.Equal(t, strings.Join([]string{
			`{"s":"a \"b\", c\nd","i":9007199254740993,"f":0.1,"b":true,"d":"2024-02-29","t":"2024-01-02T01:04:05.678Z","h":"23:59:58.000"}`,
			`{"s":"","i":null,"f":null,"b":null,"d":null,"t":null,"h":null}`,
			`{"s":null,"i":-1,"f":1e+300,"b":false,"d":"1400-01-01","t":"9999-12-31T23:59:59.999Z","h":"00:00:00.000"}`, "",
		}, "\n"), string(body))
	})
	t.Run("CSV", func(t *testing.T) {
		s := s.on(t)
		_, body := s.download(s.toFile("csv", "ndjson", everyKind, map[string]any{"format": "csv"}, everyKindMapped()), 3)
		require.Equal(t, "s,i,f,b,d,t,h\r\n"+
			"\"a \"\"b\"\", c\nd\",9007199254740993,0.1,true,2024-02-29,2024-01-02T01:04:05.678Z,23:59:58.000\r\n"+
			"\"\",,,,,,\r\n"+
			",-1,1e+300,false,1400-01-01,9999-12-31T23:59:59.999Z,00:00:00.000\r\n", string(body))
	})
	t.Run("CSV with options", func(t *testing.T) {
		s := s.on(t)
		f, body := s.download(s.toFile("options", "ndjson", everyKind, map[string]any{"format": "csv", "compression": "gzip", "fileName": "out.csv.gz",
			"csv": map[string]any{"separator": "\t", "header": false, "nullText": "NULL", "quoteAll": true}}, mapped(rule("s", "string"), rule("i", "integer"))), 3)
		require.Equal(t, "out.csv.gz", f.Name)
		unpacked, err := gzip.NewReader(bytes.NewReader(body))
		require.NoError(t, err)
		text, err := io.ReadAll(unpacked)
		require.NoError(t, err)
		require.Equal(t, "\"a \"\"b\"\", c\nd\"\t\"9007199254740993\"\r\n\"\"\tNULL\r\nNULL\t\"-1\"\r\n", string(text))
	})
	t.Run("Parquet", func(t *testing.T) {
		s := s.on(t)
		_, body := s.download(s.toFile("parquet", "ndjson", everyKind, map[string]any{"format": "parquet"}, everyKindMapped()), 3)
		type row struct {
			S *string  `parquet:"s,optional"`
			I *int64   `parquet:"i,optional"`
			F *float64 `parquet:"f,optional"`
			B *bool    `parquet:"b,optional"`
			D *int32   `parquet:"d,optional,date"`
			T *int64   `parquet:"t,optional,timestamp(millisecond)"`
			H *int32   `parquet:"h,optional"`
		}
		rows, err := parquet.Read[row](bytes.NewReader(body), int64(len(body)))
		require.NoError(t, err)
		require.Len(t, rows, 3)
		require.Equal(t, "a \"b\", c\nd", *rows[0].S)
		require.Equal(t, []any{int64(9007199254740993), 0.1, true, int32(19782), int32(86398000)}, []any{*rows[0].I, *rows[0].F, *rows[0].B, *rows[0].D, *rows[0].H})
		require.Equal(t, time.Date(2024, 1, 2, 1, 4, 5, 678e6, time.UTC).UnixMilli(), *rows[0].T)
		require.Empty(t, *rows[1].S)
		require.Nil(t, rows[1].I)
		require.Nil(t, rows[2].S)
		require.Equal(t, time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli(), *rows[2].T)
	})
}

// Many chunks, encoded and kept side by side, come to one file in the source's order.
func TestAFileOfManyChunks(t *testing.T) {
	t.Parallel()
	const records = 30_000
	cfg := settings(t)
	cfg.ChunkBytes = 64 << 10
	s := start(t, cfg)
	var in strings.Builder
	in.WriteString("id,text\n")
	for i := range records {
		fmt.Fprintf(&in, "%d,some text number %d\n", i, i)
	}
	ids := func(t *testing.T, text []byte) {
		t.Helper()
		lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		require.NoError(t, err)
		require.Len(t, lines, records+1)
		for i, line := range lines[1:] {
			require.Equal(t, fmt.Sprint(i), line[0])
		}
	}
	_, plain := s.download(s.toFile("plain", "csv", in.String(), map[string]any{"format": "csv"}), records)
	ids(t, plain)
	frames, packed := s.download(s.toFile("packed", "csv", in.String(), map[string]any{"format": "csv", "compression": "zstd"}), records)
	unpack, err := zstd.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	defer unpack.Close()
	text, err := io.ReadAll(unpack)
	require.NoError(t, err)
	require.Equal(t, plain, text)
	unpacked := s.Flow(map[string]any{"name": "unpacked", "export": map[string]any{"type": "file", "fileId": frames.ID, "format": "csv"},
		"import": map[string]any{"type": "file", "format": "csv"}})
	_, back := s.download(unpacked, records)
	require.Equal(t, plain, back, "what is packed in frames is read as one file")

	made, body := s.download(s.toFile("columns", "csv", in.String(), map[string]any{"format": "parquet"}), records)
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.Greater(t, len(f.RowGroups()), 2)
	require.EqualValues(t, records, f.NumRows())

	// What one flow has made another reads: it comes out as it went in.
	again := s.Flow(map[string]any{"name": "again", "export": map[string]any{"type": "file", "fileId": made.ID, "format": "parquet"},
		"import": map[string]any{"type": "file", "format": "csv"}})
	_, back = s.download(again, records)
	require.Equal(t, string(plain), string(back))
	require.Equal(t, "file.in_use", s.Problem(http.StatusConflict, "DELETE", "/v1/files/"+made.ID, nil).Code)
}

func TestAFileWithoutRows(t *testing.T) {
	t.Parallel()
	s := begin(t)
	none := set("", map[string]any{"filter": "false"})
	empty := func(name, format, content, want string, members map[string]any, change ...func(map[string]any)) {
		t.Helper()
		r := s.Do(s.toFile(name, format, content, members, change...))
		require.Equal(t, "succeeded", r.State, "%s: %+v", name, r.Error)
		files := s.filesOf(r.ID)
		require.Len(t, files, 1, name)
		require.Zero(t, *files[0].Rows)
		body := s.Send("GET", "/v1/files/"+files[0].ID+"/content", nil).Body
		if want != "" || members["format"] != "parquet" {
			require.Equal(t, want, string(body), name)
			return
		}
		f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
		require.NoError(t, err)
		require.Zero(t, f.NumRows())
		require.Len(t, f.Root().Columns(), 2)
	}
	content := "a,b\n1,x\n"
	empty("csv", "csv", content, "a,b\r\n", map[string]any{"format": "csv"}, none)
	empty("no header", "csv", content, "", map[string]any{"format": "csv", "csv": map[string]any{"header": false}}, none)
	empty("ndjson", "csv", content, "", map[string]any{"format": "ndjson"}, none)
	empty("parquet", "csv", content, "", map[string]any{"format": "parquet"}, none)
	empty("no records", "csv", "a,b\n", "a,b\r\n", map[string]any{"format": "csv"})

	// Records that were posted to nobody: the mapping alone tells the columns.
	flow := s.Flow(map[string]any{"name": "posted", "export": map[string]any{"type": "records"}, "import": map[string]any{"type": "file", "format": "csv"},
		"mapping": []map[string]any{rule("A", "string"), rule("B", "integer")}})
	r := s.Do(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	files := s.filesOf(r.ID)
	require.Len(t, files, 1)
	require.Equal(t, "A,B\r\n", string(s.Send("GET", "/v1/files/"+files[0].ID+"/content", nil).Body))
}

func TestDownloads(t *testing.T) {
	t.Parallel()
	s := begin(t)
	f, body := s.download(s.toFile("Bestellungen März", "csv", "a\n1\n2\n3\n", map[string]any{"format": "csv", "fileName": "{flow}"}), 3)
	path := "/v1/files/" + f.ID + "/content"
	a := s.Send("GET", path, nil)
	require.Equal(t, `attachment; filename="Bestellungen M_rz.csv"; filename*=UTF-8''Bestellungen%20M%C3%A4rz.csv`, a.Header.Get("Content-Disposition"))
	require.Equal(t, "text/csv; charset=utf-8", a.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))

	part := s.Send("GET", path, nil, "Range", "bytes=3-5")
	require.Equal(t, http.StatusPartialContent, part.Status)
	require.Equal(t, string(body[3:6]), string(part.Body))
	require.Equal(t, fmt.Sprintf("bytes 3-5/%d", len(body)), part.Header.Get("Content-Range"))
	whole := s.Send("GET", path, nil, "Range", "bytes=3-5", "If-Range", `"another"`)
	require.Equal(t, http.StatusOK, whole.Status)
	require.Equal(t, body, whole.Body)
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, s.Send("GET", path, nil, "Range", "bytes=999-").Status)
	require.Equal(t, http.StatusNotModified, s.Send("GET", path, nil, "If-None-Match", a.Header.Get("ETag")).Status)
	head := s.Send("HEAD", path, nil)
	require.Equal(t, http.StatusOK, head.Status)
	require.Empty(t, head.Body)
	require.Equal(t, fmt.Sprint(len(body)), head.Header.Get("Content-Length"))

	uploaded := s.Upload("plain.bin", strings.NewReader("\x00\x01"))
	up := s.Send("GET", "/v1/files/"+uploaded+"/content", nil)
	require.Equal(t, "application/octet-stream", up.Header.Get("Content-Type"))
	require.Equal(t, "\x00\x01", string(up.Body))

	var list struct{ Items []madeFile }
	s.Call(http.StatusOK, "GET", "/v1/files?flowId="+*f.FlowID, nil, &list)
	require.Equal(t, []madeFile{f}, list.Items)
	s.Call(http.StatusOK, "GET", "/v1/files?runId="+*f.RunID+"&limit=1", nil, &list)
	require.Equal(t, []madeFile{f}, list.Items)
	s.Call(http.StatusOK, "GET", "/v1/files", nil, &list)
	require.Len(t, list.Items, 3)

	stranger := callerIn(t, s.app, "elsewhere", "all")
	require.Equal(t, "file.not_found", stranger.Problem(http.StatusNotFound, "GET", path, nil).Code)
	require.Equal(t, "file.not_found", stranger.Problem(http.StatusNotFound, "DELETE", "/v1/files/"+f.ID, nil).Code)
	reader := s.carrying("flows:read", "flows:write")
	require.Equal(t, http.StatusForbidden, reader.Send("GET", path, nil).Status)

	s.Call(http.StatusNoContent, "DELETE", "/v1/files/"+f.ID, nil, nil)
	s.Problem(http.StatusNotFound, "GET", path, nil)
	require.NoFileExists(t, filepath.Join(s.cfg.SpoolDir(), f.ID))
	require.Empty(t, s.filesOf(*f.RunID))
}

// A file whose time is over is gone, and its run still tells of it.
func TestFilesAreKeptForAWhile(t *testing.T) {
	t.Parallel()
	clock := &shifted{}
	s := startWith(t, settings(t), []app.Option{app.WithClock(clock.now)})
	flow := s.toFile("kept", "csv", "a\n1\n", map[string]any{"format": "csv", "keepDays": 2})
	f, _ := s.download(flow, 1)
	read, _ := s.download(flow, 1)
	reader := s.Flow(map[string]any{"name": "reader", "export": map[string]any{"type": "file", "fileId": read.ID, "format": "csv"}, "import": map[string]any{"type": "file", "format": "ndjson"}})
	require.Equal(t, 48*time.Hour, f.ExpiresAt.Sub(clock.now()).Round(time.Hour))
	clock.to(clock.now().Add(49 * time.Hour))
	s.restart() // which sweeps at once
	fresh := apptest.NewClient(t, s.app.URL(), s.id, s.secret)
	apptest.Eventually(t, func() bool {
		return fresh.Send("GET", "/v1/files/"+f.ID+"/content", nil).Status == http.StatusGone
	}, func() string { return "the file stays" })
	require.Equal(t, "file.gone", fresh.Problem(http.StatusGone, "GET", "/v1/files/"+f.ID+"/content", nil).Code)
	apptest.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(s.cfg.SpoolDir(), f.ID))
		return os.IsNotExist(err)
	}, func() string { return "the bytes stay" })
	var shown madeFile
	fresh.Call(http.StatusOK, "GET", "/v1/files/"+f.ID, nil, &shown)
	require.NotNil(t, shown.RemovedAt)
	require.Equal(t, http.StatusOK, fresh.Send("GET", "/v1/files/"+read.ID+"/content", nil).Status, "a flow reads it")
	p := fresh.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", map[string]any{"name": "late", "export": map[string]any{"type": "file", "fileId": f.ID, "format": "csv"},
		"import": map[string]any{"type": "file", "format": "ndjson"}})
	require.Equal(t, "/export/fileId", p.Errors[0].Pointer)

	fresh.Call(http.StatusNoContent, "DELETE", "/v1/flows/"+flow, nil, nil)
	fresh.Problem(http.StatusNotFound, "GET", "/v1/files/"+f.ID, nil)
	require.Equal(t, "succeeded", fresh.Do(reader).State, "another flow's file stays while it is read")
}

// A dry run and a run that is canceled or fails leave no file.
func TestRunsThatMakeNoFile(t *testing.T) {
	t.Parallel()
	s := begin(t)
	flow := s.toFile("dry", "csv", "a\n1\n2\n", map[string]any{"format": "csv"})
	var r apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/runs", map[string]any{"dryRun": true}, &r)
	r = s.AwaitEnd(r.ID)
	apptest.RequireWhole(t, r, 2)
	require.Positive(t, r.Bytes, "a dry run tells the size")
	require.Empty(t, s.filesOf(r.ID))

	bad := s.toFile("bad", "csv", "a\n1\nx\n", map[string]any{"format": "csv"}, mapped(rule("a", "integer")), set("", map[string]any{"maxErrors": 0}))
	r = s.Do(bad)
	require.Equal(t, "failed", r.State)
	require.Empty(t, s.filesOf(r.ID))
	require.Empty(t, s.pieces())
}

func TestFileImportsAreChecked(t *testing.T) {
	t.Parallel()
	s := begin(t)
	id := s.Upload("a.csv", strings.NewReader("a\n1\n"))
	for pointer, members := range map[string]map[string]any{
		"/import/format":        {},
		"/import/csv":           {"format": "ndjson", "csv": map[string]any{}},
		"/import/compression":   {"format": "parquet", "compression": "gzip"},
		"/import/fileName":      {"format": "csv", "fileName": "{nothing}"},
		"/import/csv/separator": {"format": "csv", "csv": map[string]any{"separator": "a"}},
		"/import/csv/nullText":  {"format": "csv", "csv": map[string]any{"nullText": "a,b"}},
		"/import/table":         {"format": "csv", "table": "T"},
		"/import/connectionId":  {"format": "csv", "connectionId": "c"},
		"/import/mode":          {"format": "csv", "mode": "delta"},
		"/import/keepDays":      {"format": "csv", "keepDays": 366},
	} {
		target := map[string]any{"type": "file"}
		for k, v := range members {
			target[k] = v
		}
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", map[string]any{"name": pointer, "import": target,
			"export": map[string]any{"type": "file", "fileId": id, "format": "csv"}})
		require.Equal(t, pointer, p.Errors[0].Pointer, "%+v", p.Errors)
	}
	flow := s.toFile("defaults", "csv", "a\n1\n", map[string]any{"format": "csv"})
	var shown map[string]any
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow, nil, &shown)
	require.Equal(t, map[string]any{"type": "file", "format": "csv", "fileName": "{flow}-{date}-{time}", "compression": "none", "keepDays": 7.0,
		"csv": map[string]any{"separator": ",", "header": true}}, shown["import"])

	// A set-up that is taken out and in keeps the file's members.
	document := s.Send("GET", "/v1/config/export", nil).Body
	require.Contains(t, string(document), `"keepDays":7`)
	var items struct{ Items []struct{ Action string } }
	s.Call(http.StatusOK, "POST", "/v1/config/import?dryRun=true", json.RawMessage(document), &items)
	require.Equal(t, "unchanged", items.Items[len(items.Items)-1].Action)
}

// What a knowledge model has behind its wall becomes a file.
func TestAKnowledgeModelBecomesAFile(t *testing.T) {
	t.Parallel()
	const n = 12_000
	sim := apptest.NewSim(t, orderModel(&celonissim.Rows{Count: n}, 0))
	s := begin(t, sim)
	flow := s.Flow(map[string]any{"name": "orders", "export": map[string]any{"type": "knowledgeModel", "connectionId": s.insight(sim), "knowledgeModelId": "pkg.km",
		"record": "ORDER", "sliceBy": "CODE", "fields": []string{"ID", "CODE", "CHANGED"}}, "import": map[string]any{"type": "file", "format": "ndjson", "compression": "gzip"}})
	_, body := s.download(flow, n)
	unpacked, err := gzip.NewReader(bytes.NewReader(body))
	require.NoError(t, err)
	seen := map[string]bool{}
	for d := json.NewDecoder(unpacked); d.More(); {
		var row struct {
			ID      int
			CODE    string
			CHANGED time.Time
		}
		require.NoError(t, d.Decode(&row))
		require.Equal(t, fmt.Sprintf("%06d", row.ID), row.CODE)
		require.False(t, seen[row.CODE])
		seen[row.CODE] = true
	}
	require.Len(t, seen, n)
}

// Types found from a sample widen, and what was made of narrower ones is not in the file.
func TestAFileWhoseColumnsWiden(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.ChunkBytes = 256 << 10
	s := start(t, cfg)
	var in strings.Builder
	in.WriteString("id,note\n")
	const records = 400_000 // more than the sample of the beginning
	for i := range records {
		fmt.Fprintf(&in, "%d,note\n", i)
	}
	in.WriteString("late," + strings.Repeat("x", 60_000) + "\n")
	_, body := s.download(s.toFile("wide", "csv", in.String(), map[string]any{"format": "parquet"}), records+1)
	type row struct {
		ID   string `parquet:"id,optional"`
		Note string `parquet:"note,optional"`
	}
	rows, err := parquet.Read[row](bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.Len(t, rows, records+1)
	require.Equal(t, "0", rows[0].ID)
	require.Equal(t, "late", rows[records].ID)
	require.Len(t, rows[records].Note, 60_000)
}

// Records that are mended come in a file of their own; a preview makes none.
func TestErrorsAndPreviewsOfFiles(t *testing.T) {
	t.Parallel()
	s := begin(t)
	flow := s.toFile("mended", "csv", "a\n1\nx\n3\n", map[string]any{"format": "ndjson"}, mapped(rule("a", "integer")))
	var preview struct {
		Table     struct{ Error *struct{ Code string } }
		Preflight struct{ Error *struct{ Code string } }
	}
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/preview", map[string]any{}, &preview)
	require.Nil(t, preview.Table.Error)
	require.Nil(t, preview.Preflight.Error)
	var files struct{ Items []madeFile }
	s.Call(http.StatusOK, "GET", "/v1/files?flowId="+flow, nil, &files)
	require.Empty(t, files.Items)
	require.Empty(t, s.pieces())

	r := s.Do(flow)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.EqualValues(t, 2, *s.filesOf(r.ID)[0].Rows)
	var bad struct{ Items []struct{ ID string } }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow+"/errors", nil, &bad)
	require.Len(t, bad.Items, 1)
	s.Call(http.StatusOK, "PATCH", "/v1/errors/"+bad.Items[0].ID, map[string]any{"record": map[string]any{"a": "2"}}, nil)
	var again apptest.Run
	s.Call(http.StatusAccepted, "POST", "/v1/errors/"+bad.Items[0].ID+"/retry", nil, &again)
	apptest.RequireWhole(t, s.AwaitEnd(again.ID), 1)
	made := s.filesOf(again.ID)
	require.Len(t, made, 1)
	require.Equal(t, "{\"a\":2}\n", string(s.Send("GET", "/v1/files/"+made[0].ID+"/content", nil).Body))
}

// A run that is canceled while it makes its file leaves nothing.
func TestACanceledRunLeavesNoFile(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.ChunkBytes = 16 << 10
	s := start(t, cfg)
	var in strings.Builder
	in.WriteString("id,note\n")
	for i := range 300_000 {
		fmt.Fprintf(&in, "%d,note\n", i)
	}
	flow := s.toFile("canceled", "csv", in.String(), map[string]any{"format": "ndjson"})
	run := s.Start(flow)
	apptest.Eventually(t, func() bool { return len(s.pieces()) > 0 }, func() string { return "the run makes nothing" })
	s.Call(http.StatusAccepted, "POST", "/v1/runs/"+run.ID+"/cancel", nil, nil)
	require.Equal(t, "canceled", s.AwaitEnd(run.ID).State)
	require.Empty(t, s.filesOf(run.ID))
	require.Empty(t, s.pieces())
}

// What dead runs left of their files is cleared away, and what live ones have is not.
func TestPiecesOfDeadRunsAreCleared(t *testing.T) {
	t.Parallel()
	s := begin(t)
	s.stop()
	dir := s.cfg.SpoolDir()
	const dead, young = "0199f3a0-dead-7b54-9a3e-2f6c1d0b8e11", "0199f3a0-cafe-7b54-9a3e-2f6c1d0b8e11"
	long := time.Now().Add(-time.Hour)
	for _, id := range []string{dead, young} {
		at := filepath.Join(dir, "making", id)
		require.NoError(t, os.MkdirAll(at, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(at, "0.1.5.piece"), []byte("rows"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, id), []byte("rows"), 0o600)) // a worker that died while it committed
		if id == dead {
			require.NoError(t, os.Chtimes(at, long, long))
		}
	}
	s.open()
	apptest.Eventually(t, func() bool { return len(s.pieces()) == 1 }, func() string { return "the pieces stay" })
	require.Equal(t, []string{young}, s.pieces())
	require.NoFileExists(t, filepath.Join(dir, dead))
	require.FileExists(t, filepath.Join(dir, young))
}
