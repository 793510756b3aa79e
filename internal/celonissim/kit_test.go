package celonissim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

const (
	poolID   = "11111111-2222-3333-4444-555555555555"
	otherID  = "99999999-2222-3333-4444-555555555555"
	sourceID = "aaaaaaaa-2222-3333-4444-555555555555"
	appKey   = "app-key"
	apiKey   = "api-key"
	weakKey  = "weak-key"

	newPath = "/data-ingestion/api/v1/data-push/" + poolID
	oldPath = "/integration/api/v1/data-push/" + poolID
)

// sim is a started server and a client that speaks plain HTTP to it.
type sim struct {
	*celonissim.Server
	t    testing.TB
	base string
	auth string
	// events holds the statuses that jobs reach.
	events chan celonissim.JobEvent
}

func options() celonissim.Options {
	return celonissim.Options{Limits: celonissim.Limits{SubmitsOff: true}, Teams: []celonissim.Team{{
		ID: "team", Name: "Team", Domain: "acme",
		Credentials: []celonissim.Credential{
			{Name: "app", Kind: celonissim.AppKey, Key: appKey, PushPools: []string{poolID}, ListPools: true, ManagePools: true, Intelligence: true},
			{Name: "user", Kind: celonissim.APIKey, Key: apiKey, PushPools: []string{"*"}, ListPools: true},
			{Name: "weak", Kind: celonissim.AppKey, Key: weakKey},
		},
		Pools: []celonissim.Pool{
			{ID: poolID, Name: "Pool", DataSources: []celonissim.Named{{ID: sourceID, Name: "ERP"}},
				DataModels: []celonissim.Named{{ID: "dm", Name: "Model"}}, DataJobs: []celonissim.Named{{ID: "dj", Name: "Job"}}},
			{ID: otherID, Name: "Other"},
		},
		KnowledgeModels: []celonissim.KnowledgeModel{{ID: "pkg.km", Name: "KM"}},
	}}}
}

func start(t testing.TB, change ...func(*celonissim.Options)) *sim {
	t.Helper()
	o := options()
	s := &sim{t: t, auth: "AppKey " + appKey, events: make(chan celonissim.JobEvent, 10_000)}
	o.OnJob = func(e celonissim.JobEvent) { s.events <- e }
	for _, c := range change {
		c(&o)
	}
	s.Server = celonissim.New(o)
	base, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	s.base = base
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &m), a.body)
	return m
}

func (s *sim) try(method, path, contentType string, body io.Reader) (answer, error) {
	r, err := http.NewRequest(method, s.base+path, body)
	require.NoError(s.t, err)
	if s.auth != "" {
		r.Header.Set("Authorization", s.auth)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b)}, err
}

func (s *sim) do(method, path string, body string) answer {
	s.t.Helper()
	a, err := s.try(method, path, "application/json", bytes.NewReader([]byte(body)))
	require.NoError(s.t, err)
	return a
}

func (s *sim) get(path string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, "")
}

// create makes a push job of JSON members and gives its path.
func (s *sim) create(format string, args ...any) string {
	s.t.Helper()
	a := s.do(http.MethodPost, newPath+"/jobs/", "{"+fmt.Sprintf(format, args...)+"}")
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	return newPath + "/jobs/" + a.json(s.t)["id"].(string)
}

func form(field string, file []byte) (string, *bytes.Buffer) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, _ := w.CreateFormFile(field, "chunk")
	_, _ = part.Write(file)
	_ = w.Close()
	return w.FormDataContentType(), &b
}

func (s *sim) upload(job, kind string, file []byte) answer {
	s.t.Helper()
	contentType, body := form("file", file)
	a, err := s.try(http.MethodPost, job+"/chunks/"+kind, contentType, body)
	require.NoError(s.t, err)
	return a
}

func (s *sim) upsert(job string, files ...[]byte) {
	s.t.Helper()
	for _, f := range files {
		require.Equal(s.t, http.StatusOK, s.upload(job, "upserted", f).status)
	}
}

// finish waits for the next end of a job and gives it.
func (s *sim) finish() celonissim.JobEvent {
	s.t.Helper()
	for e := range s.events {
		if e.Status == "DONE" || e.Status == "ERROR" {
			return e
		}
	}
	return celonissim.JobEvent{}
}

// submit runs a job to its end.
func (s *sim) submit(job string) celonissim.JobEvent {
	s.t.Helper()
	a := s.do(http.MethodPost, job, "")
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	require.Empty(s.t, a.body)
	return s.finish()
}

// push creates, fills and runs a job that must end well.
func (s *sim) push(members string, files ...[]byte) {
	s.t.Helper()
	job := s.create("%s", members)
	s.upsert(job, files...)
	e := s.submit(job)
	require.Equal(s.t, "DONE", e.Status, e.Logs)
}

// rows gives a table as lines of values, null as "~".
func (s *sim) rows(table string, cols ...string) []string {
	s.t.Helper()
	t, ok := s.Table(poolID, table)
	require.True(s.t, ok, "no table %s", table)
	lines := make([]string, 0, t.Rows())
	for _, row := range t.All() {
		line := ""
		for _, c := range cols {
			v, null := row.Value(c)
			if null {
				v = "~"
			}
			line += v + "|"
		}
		lines = append(lines, line)
	}
	return lines
}

// parquetFile encodes rows of a struct type.
func parquetFile[T any](rows []T, opts ...parquet.WriterOption) []byte {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, opts...)
	if _, err := w.Write(rows); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

type kv struct {
	K string
	V *string `parquet:",optional"`
}

func kvs(pairs ...string) []byte {
	rows := make([]kv, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		row := kv{K: pairs[i]}
		if pairs[i+1] != "~" {
			row.V = &pairs[i+1]
		}
		rows = append(rows, row)
	}
	return parquetFile(rows)
}
