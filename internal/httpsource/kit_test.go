package httpsource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/httpsource"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/stretchr/testify/require"
)

// key is the secret of the tests' connections; it must be in no fault.
const key = "s3cret-key-of-the-source"

// kept takes records.
type kept struct{ records []string }

func (k *kept) Append(record []byte) error {
	k.records = append(k.records, string(record))
	return nil
}

// reader reads one API.
type reader struct {
	t      *testing.T
	config httpsource.Config
	job    httpsource.Job
	mu     sync.Mutex
	waits  []time.Duration
	now    time.Time
}

// against makes a reader of the API that a handler is.
func against(t *testing.T, h http.Handler, e flows.Export) *reader {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	r := &reader{t: t, now: time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)}
	target := connections.OutsideTarget{
		ID: "c", APIType: connections.HTTP, AuthType: connections.Bearer, Secret: crypto.NewSecret(key), Outside: connections.Outside{BaseURL: server.URL},
	}
	r.as(target)
	r.config.Now = func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }
	r.config.Wait = func(_ context.Context, d time.Duration) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.waits, r.now = append(r.waits, d), r.now.Add(d)
		return nil
	}
	r.config.TempDir = t.TempDir()
	e.Type = flows.ExportHTTP
	r.job = httpsource.Job{Export: e, Start: r.now}
	return r
}

// as gives the reader another connection.
func (r *reader) as(target connections.OutsideTarget) {
	client, err := outside.NewLogins(outside.Config{Transport: http.DefaultTransport}).Client(target)
	require.NoError(r.t, err)
	r.config.Target, r.config.HTTP = target, client
}

func (r *reader) read() ([]string, httpsource.Result, error) {
	r.t.Helper()
	client, err := httpsource.New(r.config)
	require.NoError(r.t, err)
	var out kept
	result, err := client.Read(r.t.Context(), r.job, &out)
	if err != nil {
		require.NotContains(r.t, err.Error(), key)
	}
	return out.records, result, err
}

func (r *reader) mustRead() []string {
	r.t.Helper()
	records, _, err := r.read()
	require.NoError(r.t, err)
	return records
}

// api serves n records {"id":0}, ... by every way of paging.
type api struct {
	n, size int
	mu      sync.Mutex
	calls   []string
	// before may answer in the place of the API; it says whether it has.
	before func(call int, w http.ResponseWriter, r *http.Request) bool
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.calls = append(a.calls, r.URL.String())
	call := len(a.calls)
	a.mu.Unlock()
	if a.before != nil && a.before(call, w, r) {
		return
	}
	q := r.URL.Query()
	size := a.size
	if n, err := strconv.Atoi(q.Get("size")); err == nil {
		size = min(n, size)
	}
	at := a.position(r, size)
	items := make([]json.RawMessage, 0, size)
	for i := at; i < min(at+size, a.n); i++ {
		items = append(items, record(i))
	}
	next := at + size
	body := map[string]any{"data": map[string]any{"items": items}, "total": a.n, "more": next < a.n}
	if next < a.n {
		body["next"] = fmt.Sprintf("/list?token=t%d", next)
		body["token"] = fmt.Sprintf("t%d", next)
		w.Header().Set("Link", fmt.Sprintf(`</list?token=t0>; rel="first", </list?token=t%d>; rel="next"`, next))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func (a *api) position(r *http.Request, size int) int {
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		var body struct{ Offset int }
		_ = json.NewDecoder(r.Body).Decode(&body)
		return body.Offset
	}
	if page := q.Get("page"); page != "" {
		n, _ := strconv.Atoi(page)
		return (n - 1) * size
	}
	if offset := q.Get("offset"); offset != "" {
		n, _ := strconv.Atoi(offset)
		return n
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(q.Get("token"), "t"))
	return n
}

func record(i int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"id":%d,"big":12345678901234567890.10,"text":"a\"]}"}`, i))
}

func wanted(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = string(record(i))
	}
	return list
}

// ways are exports for every way of paging of an api.
func ways() map[string]flows.Export {
	get := &flows.HTTPRequest{URL: "list"}
	export := func(r *flows.HTTPRequest, p flows.Paging) flows.Export {
		return flows.Export{Request: r, ItemsPath: "/data/items", Paging: &p}
	}
	return map[string]flows.Export{
		"page":              export(get, flows.Paging{Type: flows.PagingPage, PageParam: "page"}),
		"page with size":    export(get, flows.Paging{Type: flows.PagingPage, PageParam: "page", SizeParam: "size", PageSize: 7}),
		"page placeholder":  export(&flows.HTTPRequest{URL: "list?page={{page}}"}, flows.Paging{Type: flows.PagingPage}),
		"page with total":   export(get, flows.Paging{Type: flows.PagingPage, PageParam: "page", TotalPath: "/total"}),
		"page with more":    export(get, flows.Paging{Type: flows.PagingPage, PageParam: "page", HasMorePath: "/more"}),
		"offset":            export(get, flows.Paging{Type: flows.PagingOffset, OffsetParam: "offset"}),
		"offset, size":      export(get, flows.Paging{Type: flows.PagingOffset, OffsetParam: "offset", SizeParam: "size", PageSize: 5}),
		"offset, asks more": export(get, flows.Paging{Type: flows.PagingOffset, OffsetParam: "offset", SizeParam: "size", PageSize: 1000}),
		"offset with total": export(get, flows.Paging{Type: flows.PagingOffset, OffsetParam: "offset", TotalPath: "/total"}),
		"token":             export(get, flows.Paging{Type: flows.PagingToken, TokenParam: "token", TokenPath: "/token"}),
		"link":              export(get, flows.Paging{Type: flows.PagingLink}),
		"nextUrl":           export(get, flows.Paging{Type: flows.PagingNextURL, NextURLPath: "/next"}),
		"body": export(&flows.HTTPRequest{Method: "POST", URL: "list", Body: `{"offset": {{offset}}}`, RetryPost: true},
			flows.Paging{Type: flows.PagingBody}),
	}
}
