package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/portable"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
)

// fetchFlow is a flow whose export is fetched.
func fetchFlow(name, connection, table string, export map[string]any) map[string]any {
	from := map[string]any{"type": "file", "format": "csv"}
	for k, v := range export {
		from[k] = v
	}
	return map[string]any{
		"name": name, "export": from,
		"import": map[string]any{"type": "dataPush", "connectionId": connection, "table": table, "mode": "replace"},
	}
}

// connectOutside makes a connection and gives it as it is read.
func (s *service) connectOutside(body map[string]any) (c apptest.Connection) {
	s.t.Helper()
	s.Call(http.StatusCreated, "POST", "/v1/connections", body, &c)
	return c
}

// TestFilesByURL: a file is fetched by each run, over cuts and passing faults;
// what is no file of records fails the run with its reason.
func TestFilesByURL(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	body.WriteString("ID,NAME\n")
	for i := range 20_000 {
		fmt.Fprintf(&body, "%d,name %d\n", i, i)
	}
	content := body.String()
	var cuts, busy atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut.csv":
			w.Header().Set("ETag", `"one"`)
			if cuts.Add(1) == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(content)))
				_, _ = io.WriteString(w, content[:100_000])
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
			http.ServeContent(w, r, "cut.csv", time.Time{}, strings.NewReader(content))
		case "/busy.csv":
			if busy.Add(1) == 1 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, content)
		case "/away.csv":
			http.Redirect(w, r, "http://127.0.0.1:1/x.csv", http.StatusFound)
		case "/page.csv":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html><body>Sign in</body></html>")
		case "/api/private.csv":
			if _, password, _ := r.BasicAuth(); password != markedPassword {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, content)
		case "/api":
			_, _ = io.WriteString(w, "{}")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(web.Close)
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL, web.URL))
	pool := s.Connect("pool", sim)
	for i, file := range []string{"cut.csv", "busy.csv"} {
		table := fmt.Sprintf("FETCHED%d", i)
		apptest.RequireWhole(t, s.Do(s.Flow(fetchFlow(file, pool, table, map[string]any{"url": web.URL + "/" + file}))), 20_000)
		require.Equal(t, 20_000, int(sim.MustTable(table).Rows()))
	}
	require.Equal(t, int64(2), cuts.Load(), "the rest was asked for")
	for file, code := range map[string]string{
		"away.csv": "egress.refused", "page.csv": "source.html", "nothing.csv": "source.not_found", "api/private.csv": "source.unauthorized",
	} {
		r := s.Do(s.Flow(fetchFlow(file, pool, "NOTHING", map[string]any{"url": web.URL + "/" + file})))
		require.Equal(t, "failed", r.State, file)
		require.Equal(t, code, r.ErrorCode(), file)
	}
	sim.RequireNoTable("NOTHING")

	made := s.connectOutside(map[string]any{
		"name": "web", "apiType": "http", "baseUrl": web.URL + "/api", "authType": "basic", "username": "reader", "password": markedPassword,
	})
	require.Equal(t, "online", made.Status)
	apptest.RequireWhole(t, s.Do(s.Flow(fetchFlow("private", pool, "PRIVATE", map[string]any{"url": web.URL + "/api/private.csv", "connectionId": made.ID}))), 20_000)
	p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", fetchFlow("above", pool, "X", map[string]any{"url": web.URL + "/cut.csv", "connectionId": made.ID}))
	require.Equal(t, "/export/url", p.Errors[0].Pointer)
	p = s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", fetchFlow("bucket", pool, "X", map[string]any{"connectionId": made.ID}))
	require.Equal(t, "connection.wrong_api_type", p.Errors[0].Code)
	p = s.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/connections/"+made.ID, map[string]any{"baseUrl": web.URL})
	require.Equal(t, "connection.secret_required", p.Errors[0].Code)
	require.NotContains(t, s.log.telling(), markedPassword)
	answer := s.Send("GET", "/v1/connections/"+made.ID, nil)
	require.NotContains(t, string(answer.Body), markedPassword)
}

// markedPassword cannot be mistaken for anything else.
const markedPassword = "canary pass+word/=<mark> \u00e9"

// TestNewFilesOfABucket: a run reads what was written since the one before, in
// order, files of other column orders too, and one that does not fit fails it by name.
func TestNewFilesOfABucket(t *testing.T) {
	t.Parallel()
	clock := gofakes3.FixedTimeSource(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	backend := s3mem.New(s3mem.WithTimeSource(clock))
	store := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(store.Close)
	require.NoError(t, backend.CreateBucket("exports"))
	put := func(key, body string) {
		_, err := backend.PutObject("exports", key, map[string]string{"Last-Modified": clock.Now().Format(http.TimeFormat)}, strings.NewReader(body), int64(len(body)), nil)
		require.NoError(t, err)
	}
	put("in/b.csv", "ID,NAME\n2,two\n")
	put("in/a.csv", "NAME,ID\none,1\n")
	put("in/empty.csv", "")
	put("other/x.csv", "ID,NAME\n9,nine\n")
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL, store.URL))
	pool := s.Connect("pool", sim)
	files := s.connectOutside(map[string]any{
		"name": "store", "apiType": "s3", "endpoint": store.URL, "bucket": "exports", "accessKeyId": "AKCANARY", "secretAccessKey": "canary-secret-key",
	})
	require.Equal(t, "online", files.Status)
	spec := fetchFlow("new files", pool, "FILES", map[string]any{"connectionId": files.ID, "prefix": "in/", "delta": map[string]any{"mode": "delta"}})
	part(spec, "import")["mode"], part(spec, "import")["keys"] = "delta", []string{"ID"}
	flow := s.Flow(spec)
	apptest.RequireWhole(t, s.Do(flow), 2)
	apptest.RequireWhole(t, s.Do(flow), 0)
	clock.Advance(time.Minute)
	put("in/0.csv", "ID,NAME\n3,three\n")
	put("in/c.csv", "NAME,ID\nfour,4\n")
	apptest.RequireWhole(t, s.Do(flow), 2)
	names := apptest.Column(sim.MustTable("FILES"), "NAME")
	slices.Sort(names)
	require.Equal(t, []string{"four", "one", "three", "two"}, names)

	clock.Advance(time.Minute)
	put("in/d.csv", "ID,NAME\n5,five\n")
	put("in/e.csv", "ID,AMOUNT\n6,1\n")
	r := s.Do(flow)
	require.Equal(t, "failed", r.State)
	require.Equal(t, "source.header_invalid", r.ErrorCode())
	require.Contains(t, r.Error.Message, "in/e.csv")
	put("in/e.csv", "ID,NAME\n6,six\n")
	apptest.RequireWhole(t, s.Do(flow), 2)

	// Of the same moment: a file that comes before those that were read, and one that was written again.
	put("in/0-late.csv", "ID,NAME\n7,seven\n")
	put("in/d.csv", "ID,NAME\n5,five anew\n")
	apptest.RequireWhole(t, s.Do(flow), 2)
	apptest.RequireWhole(t, s.Do(flow), 0)
	put("in/00-later.csv", "ID,NAME\n8,eight\n")
	apptest.RequireWhole(t, s.Do(flow), 1)
	apptest.RequireWhole(t, s.Do(flow), 0)
	names = apptest.Column(sim.MustTable("FILES"), "NAME")
	slices.Sort(names)
	require.Equal(t, []string{"eight", "five anew", "four", "one", "seven", "six", "three", "two"}, names)
}

// TestOutsideConnectionOffline: a source that refuses the login takes its own
// connection offline, not Celonis's; the run goes on with the right password.
func TestOutsideConnectionOffline(t *testing.T) {
	t.Parallel()
	var password atomic.Value
	password.Store("first")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "ID,NAME\n1,one\n")
	}))
	t.Cleanup(web.Close)
	sim := apptest.NewSim(t)
	s := start(t, settings(t, sim.URL, web.URL))
	pool := s.Connect("pool", sim)
	made := s.connectOutside(map[string]any{"name": "web", "apiType": "http", "baseUrl": web.URL, "authType": "basic", "username": "u", "password": "first"})
	require.Equal(t, "online", made.Status)
	flow := s.Flow(fetchFlow("private", pool, "PRIVATE", map[string]any{"url": web.URL + "/x.csv", "connectionId": made.ID}))
	password.Store("second")
	r := s.Await(s.Start(flow).ID, func(r apptest.Run) bool { return r.State == "waiting" || r.Ended() })
	require.Equal(t, "waiting", r.State)
	require.Equal(t, "connection.offline", r.ErrorCode())
	var c apptest.Connection
	s.Call(http.StatusOK, "GET", "/v1/connections/"+pool, nil, &c)
	require.Equal(t, "online", c.Status)
	s.Call(http.StatusOK, "GET", "/v1/connections/"+made.ID, nil, &c)
	require.Equal(t, "offline", c.Status)
	s.Call(http.StatusOK, "PATCH", "/v1/connections/"+made.ID, map[string]any{"password": "second"}, &c)
	require.Equal(t, "online", c.Status)
	apptest.RequireWhole(t, s.AwaitEnd(r.ID), 1)

	doc, err := s.app.Config.Export(t.Context(), app.Workspace)
	require.NoError(t, err)
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NotContains(t, string(text), "second")
	require.Contains(t, string(text), `"baseUrl"`)
	items, err := s.app.Config.Import(t.Context(), "elsewhere", doc, portable.Options{})
	require.NoError(t, err)
	for _, item := range items {
		require.Equal(t, portable.Create, item.Action, "%+v", item)
	}
	items, err = s.app.Config.Import(t.Context(), "elsewhere", doc, portable.Options{Apply: true})
	require.NoError(t, err)
	for _, item := range items {
		require.True(t, item.Applied, "%+v", item)
	}
	items, err = s.app.Config.Import(t.Context(), app.Workspace, doc, portable.Options{})
	require.NoError(t, err)
	for _, item := range items {
		require.Equal(t, portable.Unchanged, item.Action, "%+v", item)
	}
	s.Problem(http.StatusConflict, "DELETE", "/v1/connections/"+made.ID, nil)
}
