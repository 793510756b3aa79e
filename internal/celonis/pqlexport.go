package celonis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// PQLState is where a PQL export stands.
type PQLState string

// The states of a PQL export.
const (
	PQLRunning PQLState = "RUNNING"
	PQLDone    PQLState = "DONE"
	PQLFailed  PQLState = "FAILED"
	PQLExpired PQLState = "EXPIRED"
)

// PQLExport is a PQL query that Celonis runs on a data model and writes the
// rows of into Parquet chunks.
type PQLExport struct {
	// Version is the generation of the API that the export lives in.
	Version APIVersion
	Model   string
	ID      string
	State   PQLState
	// Message is what Celonis says to the state, "" when nothing.
	Message string
	// Chunks are what can be fetched of an export that is done.
	Chunks []PQLChunk
}

// PQLChunk is one Parquet file of an export.
type PQLChunk struct {
	// ID names the chunk; "" is the only one of an export that is in no chunks.
	ID string
	// Bytes is its size, 0 when Celonis does not tell.
	Bytes int64
}

// maxPQLChunk bounds one chunk, in bytes.
const maxPQLChunk = 4 << 30

// parquetExport is the exportType of both generations.
const parquetExport = "PARQUET"

// pqlStatus is the status of an export in either generation.
type pqlStatus struct {
	ID             text            `json:"id"`
	ExportStatus   PQLState        `json:"exportStatus"`
	Message        text            `json:"message"`
	Messages       []text          `json:"messages"`
	ExportChunks   number          `json:"exportChunks"`
	ExportedChunks []pqlChunkTold  `json:"exportedChunks"`
	Created        json.RawMessage `json:"created"`
}

type pqlChunkTold struct {
	ID          text   `json:"id"`
	SizeInBytes number `json:"sizeInBytes"`
}

// pqlRequestV1 is what the older generation is asked for.
type pqlRequestV1 struct {
	DataCommand pqlCommand `json:"dataCommand"`
	ExportType  string     `json:"exportType"`
}

type pqlCommand struct {
	CubeID   string     `json:"cubeId"`
	Commands []pqlQuery `json:"commands"`
}

type pqlQuery struct {
	ComputationID int      `json:"computationId"`
	Queries       []string `json:"queries"`
	IsTransient   bool     `json:"isTransient"`
}

// pqlRequestV2 is what the newer generation is asked for.
type pqlRequestV2 struct {
	Queries    string `json:"queries"`
	ExportType string `json:"exportType"`
}

// StartPQL starts an export of a query's rows. An answer that was lost is asked
// for again, which leaves an export behind that expires by itself. Faults:
// CelonisNotFound for a data model that Celonis does not know or show,
// CelonisRejected for a query that it refuses at once.
func (c *Client) StartPQL(ctx context.Context, v APIVersion, model, query string) (PQLExport, error) {
	id, err := segment(model)
	if err != nil {
		return PQLExport{}, err
	}
	start := func(v APIVersion, path string, body any) (PQLExport, error) {
		return c.pql(ctx, PQLExport{Version: v, Model: model}, call{
			op: operation{areaPools, "start a PQL export of the data model"}, method: http.MethodPost, path: path, json: body, repeatable: true,
		})
	}
	older := func() (PQLExport, error) {
		command := pqlCommand{CubeID: model, Commands: []pqlQuery{{Queries: []string{query}}}}
		return start(Version1, "/integration/api/v1/compute/"+id+"/export/query", pqlRequestV1{command, parquetExport})
	}
	if v == Version1 {
		return older()
	}
	e, err := start(Version2, pqlPath(Version2, id), pqlRequestV2{query, parquetExport})
	if v != Version2 && isUnknownRoute(err) {
		return older()
	}
	return e, err
}

// PQLStatus asks how an export stands. Fault CelonisNotFound for one that is gone.
func (c *Client) PQLStatus(ctx context.Context, e PQLExport) (PQLExport, error) {
	path, err := e.path()
	if err != nil {
		return e, err
	}
	return c.pql(ctx, e, call{op: operation{areaPools, "read the PQL export"}, method: http.MethodGet, path: path, repeatable: true})
}

// PQLChunk writes a chunk, a Parquet file, into a writer and gives its size.
// Fault CelonisAnswer for what is none or not as long as Celonis says.
func (c *Client) PQLChunk(ctx context.Context, e PQLExport, chunk PQLChunk, out io.Writer) (int64, error) {
	path, err := e.path()
	if err != nil {
		return 0, err
	}
	switch {
	case e.Version == Version2:
		path += "/chunks/" + chunk.ID
	case chunk.ID == "":
		path += "/result"
	default:
		path += "/" + chunk.ID + "/result"
	}
	var n int64
	frame := &parquetFrame{}
	k := call{op: operation{areaPools, "fetch a chunk of the PQL export"}, method: http.MethodGet, path: path, repeatable: true}
	err = c.stream(ctx, k, maxPQLChunk, func(body io.Reader) (err error) {
		n, err = io.Copy(io.MultiWriter(out, frame), body)
		return err
	})
	switch {
	case err != nil:
		return n, err
	case !frame.whole():
		return n, fault.New(fault.CelonisAnswer, "chunk %q of the PQL export is no Parquet file", chunk.ID)
	case chunk.Bytes > 0 && chunk.Bytes != n:
		return n, fault.New(fault.CelonisAnswer, "chunk %q of the PQL export has %d bytes, where celonis says %d", chunk.ID, n, chunk.Bytes)
	}
	return n, nil
}

func pqlPath(v APIVersion, model string) string {
	if v == Version2 {
		return "/integration/api/external/compute/data-models/" + model + "/query-exports"
	}
	return "/integration/api/v1/compute/" + model + "/export"
}

func (e PQLExport) path() (string, error) {
	model, err := segment(e.Model)
	if err != nil {
		return "", err
	}
	id, err := segment(e.ID)
	return pqlPath(e.Version, model) + "/" + id, err
}

func (c *Client) pql(ctx context.Context, e PQLExport, k call) (PQLExport, error) {
	var s pqlStatus
	k.out = &s
	r, err := c.patiently(ctx, k)
	if err == nil {
		err = c.decode(k, r)
	}
	if err != nil {
		return e, c.scoped(modelUnknown(err, e), connections.QueryDataModels)
	}
	if e.ID == "" {
		e.ID = string(s.ID)
	}
	e.State, e.Message, e.Chunks = s.ExportStatus, c.redact.words(s.words()), nil
	if e.ID == "" || e.State == "" {
		return e, fault.New(fault.CelonisAnswer, "the answer to the request to %s names no export and no state", k.op.what)
	}
	if e.State == PQLDone {
		e.Chunks = s.chunks(e.Version)
	}
	return e, nil
}

// modelUnknown names the data model that was not found.
func modelUnknown(err error, e PQLExport) error {
	if e.ID != "" || !fault.Has(err, fault.CelonisNotFound) {
		return err
	}
	return fault.Wrap(err, fault.CelonisNotFound, "celonis knows no data model %q, or the key may not query it", e.Model).
		WithHint("pick the data model anew: in Celonis, Data Integration, the data pool, Data Models; it must be loaded")
}

func (s *pqlStatus) words() string {
	parts := []string{string(s.Message)}
	for _, m := range s.Messages {
		parts = append(parts, string(m))
	}
	return join("; ", parts...)
}

func (s *pqlStatus) chunks(v APIVersion) (list []PQLChunk) {
	if v == Version2 {
		for i, told := range s.ExportedChunks {
			id := string(told.ID)
			if id == "" {
				id = strconv.Itoa(i)
			}
			list = append(list, PQLChunk{ID: strings.TrimSpace(id), Bytes: int64(told.SizeInBytes)})
		}
		return list
	}
	if s.ExportChunks == 0 {
		return []PQLChunk{{}}
	}
	for i := range s.ExportChunks {
		list = append(list, PQLChunk{ID: fmt.Sprint(i)})
	}
	return list
}

// parquetFrame looks at how a file begins and ends.
type parquetFrame struct {
	head, tail []byte
}

// parquetMagic is how every Parquet file begins and ends.
const parquetMagic = "PAR1"

// Write implements io.Writer.
func (f *parquetFrame) Write(p []byte) (int, error) {
	if missing := len(parquetMagic) - len(f.head); missing > 0 {
		f.head = append(f.head, p[:min(missing, len(p))]...)
	}
	if len(p) >= len(parquetMagic) {
		f.tail = append(f.tail[:0], p[len(p)-len(parquetMagic):]...)
		return len(p), nil
	}
	f.tail = append(f.tail, p...)
	f.tail = f.tail[max(0, len(f.tail)-len(parquetMagic)):]
	return len(p), nil
}

func (f *parquetFrame) whole() bool {
	magic := []byte(parquetMagic)
	return bytes.Equal(f.head, magic) && bytes.Equal(f.tail, magic)
}
