package app_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/celonis-connector/connector/openapi"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// routes notes the requests that a simulator gets.
type routes struct {
	mu   sync.Mutex
	seen []string
}

func (r *routes) note(o *celonissim.Options) {
	pass := o.OnRequest
	o.OnRequest = func(req celonissim.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, req.Route)
		r.mu.Unlock()
		pass(req)
	}
}

// connect connects to the simulator, whose test call looks at push jobs, and begins to note.
func (r *routes) connect(s *service, sim *apptest.Sim) (connection string) {
	s.t.Helper()
	connection = s.Connect("pool", sim)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = nil
	return connection
}

// requireNothingPushed demands that no request had to do with a push.
func (r *routes) requireNothingPushed(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, route := range r.seen {
		require.False(t, strings.HasPrefix(route, "push.") || strings.Contains(route, "continuous") || strings.Contains(route, "ingestion"), route)
	}
}

type stage struct {
	OK     bool
	Errors []struct{ Code, Message, Pointer string }
}

// shownPreview is a preview as a caller reads it.
type shownPreview struct {
	OK      bool
	Window  *struct{ From, To string }
	Request struct {
		stage
		Exchanges []struct {
			Kind, Method, URL, Body, SQL, Name, Format, Separator, ContentType string
			Binds                                                              []string
			Headers                                                            []struct{ Name, Value string }
			Status, Records                                                    int
			Bytes                                                              int64
		}
	}
	Raw struct {
		stage
		Text string
	}
	Parsed struct {
		stage
		Records []struct {
			Record int64
			Data   map[string]any
		}
	}
	Filtered struct {
		stage
		Records, Dropped int64
	}
	Mapped struct {
		stage
		Rows []struct {
			Record     int64
			Superseded bool
			Values     map[string]any
		}
	}
	Table struct {
		stage
		Columns []struct {
			Name, CelonisType string
			Length            int
		}
		Exists      *bool
		Differences []string
	}
	Preflight struct {
		stage
		Findings []struct{ Severity, Code, Message, Column string }
	}
}

// preview asks for a preview, holds the answer against the contract and gives it.
func (s *service) preview(path string, body any) (p shownPreview, text []byte) {
	s.t.Helper()
	a := s.Send("POST", path, body)
	require.Equal(s.t, http.StatusOK, a.Status, "%s", a.Body)
	doc, err := openapi3.NewLoader().LoadFromData(openapi.YAML)
	require.NoError(s.t, err)
	var plain any
	require.NoError(s.t, json.Unmarshal(a.Body, &plain))
	require.NoError(s.t, doc.Components.Schemas["Preview"].Value.VisitJSON(plain, openapi3.EnableJSONSchema2020()), "%s", a.Body)
	require.NoError(s.t, json.Unmarshal(a.Body, &p))
	return p, a.Body
}

func (s *service) runsOf(flow string) int {
	s.t.Helper()
	var list struct{ Items []json.RawMessage }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow+"/runs", nil, &list)
	return len(list.Items)
}

func (s *service) errorsOf(flow string) int {
	s.t.Helper()
	var list struct{ Items []json.RawMessage }
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow+"/errors", nil, &list)
	return len(list.Items)
}

func TestPreviewOfAFile(t *testing.T) {
	t.Parallel()
	var asked routes
	sim := apptest.NewSim(t, asked.note)
	s := begin(t, sim)
	pool := asked.connect(s, sim)
	flow := s.fileFlow(pool, "FILE", "csv", "id;who\n1;anna\nx;bert\n3;cleo\n",
		mapped(rule("ID", "integer", "from", "id"), rule("WHO", "string", "from", "who", "protect", map[string]any{"method": "sha256"})),
		set("", map[string]any{"filter": `record["who"] != "cleo"`}))
	p, _ := s.preview("/v1/flows/"+flow+"/preview", nil)
	require.False(t, p.OK)
	require.Equal(t, []string{"file", "input.csv", "csv", ";"}, []string{p.Request.Exchanges[0].Kind, p.Request.Exchanges[0].Name, p.Request.Exchanges[0].Format, p.Request.Exchanges[0].Separator})
	require.Len(t, p.Parsed.Records, 3)
	require.EqualValues(t, 1, p.Filtered.Dropped)
	require.Len(t, p.Mapped.Rows, 1)
	require.Equal(t, "value.wrong_type", p.Mapped.Errors[0].Code)
	require.Len(t, p.Mapped.Rows[0].Values["WHO"], 64)
	require.Equal(t, "STRING", p.Table.Columns[1].CelonisType)
	require.False(t, *p.Table.Exists)
	require.Zero(t, s.runsOf(flow)+s.errorsOf(flow))
	asked.requireNothingPushed(t)

	// Unsaved, with an expression that is no expression: the records are shown all the same.
	var stored map[string]any
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow, nil, &stored)
	draft := map[string]any{"name": "draft", "export": stored["export"], "import": stored["import"], "filter": `record["who" ==`, "mapping": []any{rule("ID", "integer", "from", "id")}}
	p, _ = s.preview("/v1/flows/preview", map[string]any{"flow": draft, "limit": 2})
	require.Len(t, p.Parsed.Records, 2)
	require.Equal(t, "/filter", p.Filtered.Errors[0].Pointer)
	require.Contains(t, p.Filtered.Errors[0].Message, "at 1:")
	draft["filter"], draft["import"] = "", map[string]any{"type": "dataPush", "connectionId": nowhere, "table": "T"}
	problem := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows/preview", map[string]any{"flow": draft})
	require.Equal(t, "/flow/import/connectionId", problem.Errors[0].Pointer)

	// Drift against the table that stands.
	require.Equal(t, "succeeded", s.Do(s.fileFlow(pool, "DRIFT", "csv", "ID,N\n1,a\n", mapped(rule("ID", "integer"), rule("N", "string", "length", 10)))).State)
	drift := s.fileFlow(pool, "DRIFT", "csv", "ID,N\n1,2\n", mapped(rule("ID", "integer"), rule("N", "integer")), set("", map[string]any{"name": "drift"}),
		set("import", map[string]any{"mode": "delta", "keys": []string{"ID"}}))
	p, _ = s.preview("/v1/flows/"+drift+"/preview", map[string]any{})
	require.False(t, p.OK)
	require.True(t, *p.Table.Exists)
	require.Contains(t, p.Table.Differences[0], `column "N" is of type string`)

	// The contents need the scope that shows contents.
	require.Equal(t, http.StatusForbidden, callerIn(t, s.app, app.Workspace, "flows:run", "flows:write").Send("POST", "/v1/flows/"+flow+"/preview", nil).Status)
	require.Equal(t, http.StatusNotFound, callerIn(t, s.app, "elsewhere", "all").Send("POST", "/v1/flows/"+flow+"/preview", nil).Status)
	var events struct {
		Items []struct{ Action, Kind, ObjectID string }
	}
	s.Call(http.StatusOK, "GET", "/v1/audit?kind=flow&id="+flow, nil, &events)
	require.Len(t, events.Items, 1, "only the creation")
}

// shouting is an API that tells everything that it was asked.
func shouting(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"items": []any{
		map[string]any{"id": 1, "key": key, "all": fmt.Sprintf("%v %s %s", r.Header, r.URL, body), "coded": base64.StdEncoding.EncodeToString([]byte(key)), "query": url.QueryEscape(key)},
		map[string]any{"id": 2}, map[string]any{"id": 3},
	}})
}

func TestPreviewOfAnAPIHoldsNoSecret(t *testing.T) {
	t.Parallel()
	var asked routes
	sim := apptest.NewSim(t, asked.note)
	s, api := outsideService(t, sim, http.HandlerFunc(shouting))
	pool := asked.connect(s, sim)
	var made struct{ ID string }
	s.Call(http.StatusCreated, "POST", "/v1/connections?test=skip", map[string]any{
		"name": "API", "apiType": "http", "baseUrl": api, "authType": "bearer", "token": markedAPIKey,
	}, &made)
	spec := map[string]any{
		"name": "api", "export": map[string]any{"type": "http", "connectionId": made.ID, "itemsPath": "/items",
			"request": map[string]any{"method": "POST", "url": "v1/items", "body": `{"since":"{{watermark}}"}`, "headers": []any{map[string]any{"name": "X-Trace", "value": "plain"}}}},
		"mapping": []any{rule("ID", "integer", "from", "id"), rule("KEY", "string", "from", "key")},
		"import":  map[string]any{"type": "dataPush", "connectionId": pool, "table": "API"},
	}
	for _, path := range []string{"/v1/flows/preview", "/v1/flows/" + s.Flow(spec) + "/preview"} {
		body := map[string]any{"limit": 2}
		if strings.HasSuffix(path, "flows/preview") {
			body["flow"] = spec
		}
		p, text := s.preview(path, body)
		require.True(t, p.OK, "%s", text)
		e := p.Request.Exchanges[0]
		require.Equal(t, []any{"http", "POST", api + "/v1/items", `{"since":""}`, 200, "application/json"}, []any{e.Kind, e.Method, e.URL, e.Body, e.Status, e.ContentType})
		require.Len(t, p.Parsed.Records, 2)
		require.Len(t, p.Mapped.Rows, 2)
		require.Contains(t, p.Raw.Text, "X-Trace")
		require.Contains(t, string(text), "[redacted]")
		require.Empty(t, haystack{"preview": text}.find(markedAPIKey))
		require.NotContains(t, string(text), sim.AppKey)
	}
	asked.requireNothingPushed(t)
}

func TestPreviewOfADeltaLeavesTheWatermark(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), &orders{}
	s, address := outsideService(t, sim, api)
	flow := s.ordersFlow(s.Connect("pool", sim), address)
	api.add(12)
	p, _ := s.preview("/v1/flows/"+flow+"/preview", map[string]any{"limit": 7})
	require.Len(t, p.Parsed.Records, 7)
	require.Len(t, p.Request.Exchanges, 2, "two pages of five were enough")
	require.Empty(t, s.watermark(flow))
	apptest.RequireWhole(t, s.Do(flow), 12)
	before := s.watermark(flow)
	api.add(3)
	p, _ = s.preview("/v1/flows/"+flow+"/preview", nil)
	require.Equal(t, "2026-03-01T10:00:00Z", p.Window.From)
	require.Len(t, p.Parsed.Records, 5)
	require.Equal(t, before, s.watermark(flow))
	p, _ = s.preview("/v1/flows/"+flow+"/preview", map[string]any{"window": map[string]any{"from": "2026-03-01T01:00:00Z", "to": "2026-03-01T02:00:00Z"}})
	require.Len(t, p.Parsed.Records, 2)

	api.mu.Lock()
	api.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>Sign in</title>")
		return true
	}
	api.mu.Unlock()
	p, _ = s.preview("/v1/flows/"+flow+"/preview", nil)
	require.Equal(t, "source.html", p.Parsed.Errors[0].Code)
	require.Contains(t, p.Raw.Text, "Sign in", "what came is shown although it is no page")
}

func TestPreviewOfADatabase(t *testing.T) {
	t.Parallel()
	var asked routes
	sim := apptest.NewSim(t, asked.note)
	cfg := settings(t, sim.URL)
	cfg.SQLiteDir = t.TempDir()
	exec(t, "sqlite", filepath.Join(cfg.SQLiteDir, "shop.db"), "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, changed TEXT)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO orders SELECT i, 'customer ' || i, '2024-01-01T00:00:00Z' FROM n")
	s := start(t, cfg)
	pool := asked.connect(s, sim)
	var made struct{ ID string }
	s.Call(http.StatusCreated, "POST", "/v1/connections?test=skip", map[string]any{"apiType": "sql", "name": "shop", "dialect": "sqlite", "database": "shop.db"}, &made)
	spec := sqlFlow("ORDERS", made.ID, pool, "SELECT id, customer, changed FROM orders WHERE changed > {{watermark}}",
		map[string]any{"delta": map[string]any{"mode": "delta", "field": "changed", "start": "2023-01-01T00:00:00Z"}}, map[string]any{"mode": "delta", "keys": []string{"id"}})
	p, text := s.preview("/v1/flows/preview", map[string]any{"flow": spec, "limit": 3})
	require.Len(t, p.Mapped.Rows, 3, "%s", text)
	e := p.Request.Exchanges[0]
	require.Contains(t, e.SQL, "SELECT id, customer, changed FROM orders WHERE changed > ?")
	require.Equal(t, []string{"2023-01-01T00:00:00Z"}, e.Binds)
	require.EqualValues(t, 3, e.Records)
	part(spec, "export")["query"] = "SELECT id, colour FROM orders WHERE changed > {{watermark}}"
	p, _ = s.preview("/v1/flows/preview", map[string]any{"flow": spec})
	require.Equal(t, "source.query", p.Request.Errors[0].Code)
	asked.requireNothingPushed(t)
}

func TestPreviewOfPostedRecords(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.Flow(map[string]any{
		"name": "posted", "export": map[string]any{"type": "records", "gather": map[string]any{"seconds": 3600}},
		"import":  map[string]any{"type": "dataPush", "connectionId": s.Connect("pool", sim), "table": "POSTED", "mode": "delta", "keys": []string{"id"}},
		"mapping": []any{rule("id", "integer"), rule("text", "string")},
	})
	path := "/v1/flows/" + flow + "/preview"
	require.Equal(t, "flow.preview_needs_records", s.Problem(http.StatusUnprocessableEntity, "POST", path, nil).Code)
	p, _ := s.preview(path, map[string]any{"records": []any{map[string]any{"id": 1, "text": "given"}, map[string]any{"id": 1, "text": "again"}}})
	require.True(t, p.Mapped.Rows[0].Superseded)
	require.False(t, p.Mapped.Rows[1].Superseded)
	posted, _ := s.post(flow, []byte(`[{"id":7,"text":"stored"}]`))
	p, _ = s.preview(path, nil)
	require.Equal(t, "stored", p.Mapped.Rows[0].Values["text"])

	// A dry run reads the batch too, and leaves it to the run that is to push it.
	dry := s.dryRun(flow)
	require.Equal(t, "succeeded", dry.State, "%+v", dry)
	require.EqualValues(t, 1, dry.Ledger.Pushed)
	sim.RequireNoTable("POSTED")
	require.Equal(t, "waiting", s.Run(posted.RunID).State)
	another, _ := s.post(flow, []byte(`[{"id":8,"text":"later"}]`))
	require.Equal(t, posted.RunID, another.RunID)
	apptest.RequireWhole(t, s.Do(flow), 2)
	require.Equal(t, 2, sim.MustTable("POSTED").Rows())
}

func TestPreviewOfALargeFileFetchesItsBeginning(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	const size = 12 << 20
	s, address := outsideService(t, sim, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		_, _ = io.WriteString(w, "id,text\n")
		line := "1," + strings.Repeat("x", 97) + "\n"
		for written := 0; written < size; written += len(line) {
			if _, err := io.WriteString(w, line); err != nil {
				return
			}
		}
	}))
	spec := map[string]any{
		"name": "large", "export": map[string]any{"type": "file", "url": address + "/large.csv?signature=in-the-address", "format": "csv"},
		"import": map[string]any{"type": "dataPush", "connectionId": s.Connect("pool", sim), "table": "LARGE"},
	}
	p, text := s.preview("/v1/flows/preview", map[string]any{"flow": spec, "limit": 100})
	require.Len(t, p.Mapped.Rows, 100, "%.500s", text)
	require.EqualValues(t, 8<<20, p.Request.Exchanges[0].Bytes)
	require.Equal(t, strings.TrimPrefix(address, "http://")+"/large.csv", p.Request.Exchanges[0].Name)
	require.NotContains(t, string(text), "in-the-address")
	require.Len(t, p.Raw.Text, 4<<10)
	require.True(t, slices.ContainsFunc(p.Preflight.Findings, func(f struct{ Severity, Code, Message, Column string }) bool {
		return f.Column == "text" && strings.Contains(f.Message, "97 bytes, more than the 80")
	}), "%+v", p.Preflight.Findings)
}

func TestPreviewOfPostgreSQL(t *testing.T) {
	t.Parallel()
	dsn := testservers.PostgreSQL(t)
	exec(t, "pgx", dsn, "CREATE TABLE orders (id bigint PRIMARY KEY, said text)",
		"INSERT INTO orders SELECT i, 'password-of-the-database ' || i FROM generate_series(1, 100000) i")
	address, err := url.Parse(dsn)
	require.NoError(t, err)
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL, "tcp://"+address.Host))
	database := s.sqlConnection(map[string]any{
		"dialect": "postgres", "host": address.Host, "database": address.Path[1:], "username": address.User.Username(), "password": "password-of-the-database",
	})
	spec := sqlFlow("ORDERS", database, s.Connect("pool", sim), "SELECT id, said FROM orders", map[string]any{"partitionBy": "id", "partitions": 4}, nil)
	p, text := s.preview("/v1/flows/preview", map[string]any{"flow": spec, "limit": 5})
	require.Len(t, p.Mapped.Rows, 5, "%s", text)
	require.Len(t, p.Request.Exchanges, 1, "one stream, whatever the flow's partitions")
	require.Equal(t, "[redacted] 1", p.Parsed.Records[0].Data["said"])
	require.NotContains(t, string(text), "password-of-the-database")
}
