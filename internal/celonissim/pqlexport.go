package celonissim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
)

// PQLColumn is a column of what a PQL query gives.
type PQLColumn struct {
	Name string
	// Type is STRING, INTEGER, FLOAT or DATE.
	Type string
}

// PQLResult is what a query of a data model gives.
type PQLResult struct {
	// Model is the data model's id; Query "" stands for every query.
	Model, Query string
	Columns      []PQLColumn
	// Rows hold string, int64, float64, time.Time or nil.
	Rows [][]any
	// ChunkRows is how many rows a chunk has; 0 puts all into one.
	ChunkRows int
}

// PQLAnswers chooses how PQL exports behave.
type PQLAnswers struct {
	// Polls is how often an export is told to be RUNNING after its start.
	Polls int `json:"polls"`
	// Fail, when set, ends every export as FAILED with this message.
	Fail string `json:"fail"`
	// Expire is how many exports, of those started from now on, end as EXPIRED.
	Expire int `json:"expire"`
	// Vanish is how many are not known any more when they are asked for.
	Vanish int `json:"vanish"`
	// NoV1 and NoV2 take a generation away: it answers 404.
	NoV1 bool `json:"noV1"`
	NoV2 bool `json:"noV2"`
	// Garbage makes chunks that are no Parquet files.
	Garbage bool `json:"garbage"`
}

type pqlState struct {
	results []PQLResult
	answers PQLAnswers
	exports map[string]*pqlRun
}

// pqlRun is an export.
type pqlRun struct {
	id, model, status, message string
	created                    time.Time
	polls                      int
	chunks                     [][]byte
}

// AddPQL adds what a query gives to the first team.
func (s *Server) AddPQL(r PQLResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams[0].pql.results = append(s.teams[0].pql.results, r)
}

// SetPQL chooses how PQL exports of the first team behave from now on.
func (s *Server) SetPQL(a PQLAnswers) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams[0].pql.answers = a
}

func (s *Server) routePQL(rt *router) {
	const (
		older = "/integration/api/v1/compute/{dm}/export"
		newer = "/integration/api/external/compute/data-models/{dm}/query-exports"
	)
	in := func(v2 bool, h func(http.ResponseWriter, *http.Request, *team)) guarded {
		return needs(APIIntegration, func(c *Credential) bool { return c.ListPools }, func(w http.ResponseWriter, r *http.Request, c caller) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if a := c.team.pql.answers; v2 && a.NoV2 || !v2 && a.NoV1 {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			h(w, r, c.team)
		})
	}
	rt.handle("pql.v1.start", "POST "+older+"/query", in(false, s.startPQLv1))
	rt.handle("pql.v1.status", "GET "+older+"/{export}", in(false, statusPQLv1))
	chunk := needs(APIIntegration, func(c *Credential) bool { return c.ListPools }, s.chunkPQL)
	rt.handle("pql.v1.result", "GET "+older+"/{export}/result", chunk)
	rt.handle("pql.v1.chunk", "GET "+older+"/{export}/{chunk}/result", chunk)
	rt.handle("pql.v2.start", "POST "+newer, in(true, s.startPQLv2))
	rt.handle("pql.v2.status", "GET "+newer+"/{export}", in(true, statusPQLv2))
	rt.handle("pql.v2.chunk", "GET "+newer+"/{export}/chunks/{chunk}", chunk)
}

// The bodies that start an export in either generation.
type (
	pqlStartV1 struct {
		DataCommand struct {
			CubeID   string `json:"cubeId"`
			Commands []struct {
				Queries []string `json:"queries"`
			} `json:"commands"`
		} `json:"dataCommand"`
		ExportType string `json:"exportType"`
	}
	pqlStartV2 struct {
		Queries    string `json:"queries"`
		ExportType string `json:"exportType"`
	}
)

func (s *Server) startPQLv1(w http.ResponseWriter, r *http.Request, t *team) {
	var body pqlStartV1
	if json.NewDecoder(r.Body).Decode(&body) != nil || len(body.DataCommand.Commands) != 1 || len(body.DataCommand.Commands[0].Queries) != 1 {
		writeInvalid(w, validationItem{Attribute: "dataCommand", Error: "must hold one command with one query", ErrorCode: "invalid"})
		return
	}
	if run, ok := s.startPQL(w, r, t, body.DataCommand.Commands[0].Queries[0], body.ExportType); ok {
		writeJSON(w, http.StatusOK, run.v1())
	}
}

func (s *Server) startPQLv2(w http.ResponseWriter, r *http.Request, t *team) {
	var body pqlStartV2
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		writeInvalid(w, validationItem{Attribute: "queries", Error: "must be text", ErrorCode: "invalid"})
		return
	}
	if run, ok := s.startPQL(w, r, t, body.Queries, body.ExportType); ok {
		writeJSON(w, http.StatusOK, run.v2(r.URL.Path))
	}
}

// startPQL makes an export, or answers what is wrong and says no.
func (s *Server) startPQL(w http.ResponseWriter, r *http.Request, t *team, query, kind string) (*pqlRun, bool) {
	if kind != "PARQUET" || strings.TrimSpace(query) == "" {
		writeInvalid(w, validationItem{Attribute: "exportType", Error: "a query and PARQUET are needed", ErrorCode: "invalid"})
		return nil, false
	}
	model := r.PathValue("dm")
	if !t.hasModel(model) {
		writeJSON(w, http.StatusNotFound, map[string]string{"frontendErrorKey": "data-model.not-found", "errorInformation": "Data model not found"})
		return nil, false
	}
	p := &t.pql
	run := &pqlRun{id: uuid.NewString(), model: model, status: "DONE", created: s.now(), polls: p.answers.Polls}
	switch result, found := p.result(model, query); {
	case p.answers.Fail != "":
		run.status, run.message = "FAILED", p.answers.Fail
	case p.answers.Expire > 0:
		p.answers.Expire--
		run.status = "EXPIRED"
	case !found:
		run.status, run.message = "FAILED", "Query could not be parsed: unknown table"
	case p.answers.Garbage:
		run.chunks = [][]byte{[]byte("<html>no chunk</html>")}
	default:
		run.chunks = result.files()
	}
	if p.exports == nil {
		p.exports = map[string]*pqlRun{}
	}
	if p.answers.Vanish > 0 {
		p.answers.Vanish--
	} else {
		p.exports[run.id] = run
	}
	return run, true
}

func (t *team) hasModel(id string) bool {
	for _, p := range t.pools {
		if _, ok := findNamed(p.dataModels, id); ok {
			return true
		}
	}
	return false
}

func (p *pqlState) result(model, query string) (PQLResult, bool) {
	for _, r := range p.results {
		if r.Model == model && (r.Query == "" || r.Query == query) {
			return r, true
		}
	}
	return PQLResult{}, false
}

// state is what an export tells of itself; it is RUNNING until it was asked often enough.
func (p *pqlRun) state() (status, message string) {
	if p.polls > 0 {
		return "RUNNING", ""
	}
	return p.status, p.message
}

type pqlDocumentV1 struct {
	ID           string    `json:"id"`
	ExportStatus string    `json:"exportStatus"`
	Created      time.Time `json:"created"`
	Message      *string   `json:"message"`
	ExportType   string    `json:"exportType"`
	ExportChunks int       `json:"exportChunks"`
}

func (p *pqlRun) v1() pqlDocumentV1 {
	d := pqlDocumentV1{ID: p.id, Created: p.created, ExportType: "PARQUET"}
	var message string
	if d.ExportStatus, message = p.state(); message != "" {
		d.Message = &message
	}
	if d.ExportStatus == "DONE" {
		d.ExportChunks = len(p.chunks)
	}
	return d
}

type pqlChunkDocument struct {
	ID          int    `json:"id"`
	Href        string `json:"href"`
	URI         string `json:"uri"`
	SizeInBytes int    `json:"sizeInBytes"`
}

type pqlDocumentV2 struct {
	ID             string             `json:"id"`
	Created        time.Time          `json:"created"`
	ExportStatus   string             `json:"exportStatus"`
	ExportType     string             `json:"exportType"`
	ExportedChunks []pqlChunkDocument `json:"exportedChunks"`
	Messages       []string           `json:"messages"`
}

func (p *pqlRun) v2(path string) pqlDocumentV2 {
	d := pqlDocumentV2{ID: p.id, Created: p.created, ExportType: "PARQUET", ExportedChunks: []pqlChunkDocument{}, Messages: []string{}}
	var message string
	if d.ExportStatus, message = p.state(); message != "" {
		d.Messages = append(d.Messages, message)
	}
	if d.ExportStatus == "DONE" {
		for i, c := range p.chunks {
			at := path + "/chunks/" + strconv.Itoa(i)
			d.ExportedChunks = append(d.ExportedChunks, pqlChunkDocument{i, at, at, len(c)})
		}
	}
	return d
}

// asked finds the export of a request, or answers 404.
func asked(w http.ResponseWriter, r *http.Request, t *team) *pqlRun {
	run := t.pql.exports[r.PathValue("export")]
	if run == nil || run.model != r.PathValue("dm") {
		writeJSON(w, http.StatusNotFound, map[string]string{"frontendErrorKey": "export.not-found", "errorInformation": "Export not found"})
		return nil
	}
	run.polls = max(0, run.polls-1)
	return run
}

func statusPQLv1(w http.ResponseWriter, r *http.Request, t *team) {
	if run := asked(w, r, t); run != nil {
		writeJSON(w, http.StatusOK, run.v1())
	}
}

func statusPQLv2(w http.ResponseWriter, r *http.Request, t *team) {
	if run := asked(w, r, t); run != nil {
		writeJSON(w, http.StatusOK, run.v2(r.URL.Path))
	}
}

func (s *Server) chunkPQL(w http.ResponseWriter, r *http.Request, c caller) {
	n := 0
	if text := r.PathValue("chunk"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			n = -1
		}
	}
	var data []byte
	s.mu.Lock()
	run := c.team.pql.exports[r.PathValue("export")]
	if run != nil && run.model == r.PathValue("dm") && n >= 0 && n < len(run.chunks) {
		data = run.chunks[n]
	}
	s.mu.Unlock()
	if data == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(data)
}

// files writes the rows as Parquet; a result without rows is one file without any.
func (r PQLResult) files() (files [][]byte) {
	size := r.ChunkRows
	if size == 0 {
		size = max(len(r.Rows), 1)
	}
	for at := 0; at == 0 || at < len(r.Rows); at += size {
		files = append(files, r.file(window(r.Rows, at, size)))
	}
	return files
}

func (r PQLResult) file(rows [][]any) []byte {
	fields := make([]reflect.StructField, len(r.Columns))
	for i, c := range r.Columns {
		kind, tag := reflect.TypeFor[*string](), ""
		switch c.Type {
		case "INTEGER":
			kind = reflect.TypeFor[*int64]()
		case "FLOAT":
			kind = reflect.TypeFor[*float64]()
		case "DATE":
			kind, tag = reflect.TypeFor[*time.Time](), ",timestamp(millisecond)"
		}
		fields[i] = reflect.StructField{Name: "C" + strconv.Itoa(i), Type: kind, Tag: reflect.StructTag("parquet:" + strconv.Quote(c.Name+",optional"+tag))}
	}
	t := reflect.StructOf(fields)
	var out bytes.Buffer
	w := parquet.NewWriter(&out, parquet.SchemaOf(reflect.New(t).Interface()), parquet.Compression(&parquet.Snappy))
	for _, row := range rows {
		v := reflect.New(t)
		for i, cell := range row {
			if cell == nil {
				continue
			}
			p := reflect.New(fields[i].Type.Elem())
			p.Elem().Set(reflect.ValueOf(cell))
			v.Elem().Field(i).Set(p)
		}
		if err := w.Write(v.Interface()); err != nil {
			panic("celonissim: a row of a PQL result does not fit its columns: " + err.Error())
		}
	}
	if err := w.Close(); err != nil {
		panic("celonissim: a PQL result cannot be written: " + err.Error())
	}
	return out.Bytes()
}
