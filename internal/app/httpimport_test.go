package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

// taker is an API that takes orders.
type taker struct {
	mu sync.Mutex
	// calls has every request that was acted on, keys what was answered to idempotency keys.
	calls []takenCall
	keys  map[string]bool
	// before may answer in the place of the API; it is called with the lock held.
	before func(call int, w http.ResponseWriter, r *http.Request, body []byte) bool
	count  int
}

type takenCall struct {
	method, path, key string
	body              string
}

const takerKey = "taker-key-51d0"

func newTaker() *taker { return &taker{keys: map[string]bool{}} }

func (t *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+takerKey {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	t.count++
	if t.before != nil && t.before(t.count, w, r, body) {
		return
	}
	t.take(r, body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"ok":true,"echo":%q}`, r.Header.Get("Authorization"))
}

// take acts on a request, once for each key.
func (t *taker) take(r *http.Request, body []byte) {
	key := r.Header.Get("Idempotency-Key")
	if key != "" && t.keys[key] {
		return
	}
	t.keys[key] = true
	t.calls = append(t.calls, takenCall{r.Method, r.URL.RequestURI(), key, string(body)})
}

// hangUp takes a request and loses the answer.
func hangUp(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = c.Close()
	}
}

func (t *taker) all() []takenCall {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.calls)
}

// records gives the objects of every body, in order.
func (t *taker) records(tb testing.TB) (out []map[string]any) {
	tb.Helper()
	for _, c := range t.all() {
		var list []map[string]any
		if strings.HasPrefix(c.body, "[") {
			require.NoError(tb, json.Unmarshal([]byte(c.body), &list))
		} else {
			list = make([]map[string]any, 1)
			require.NoError(tb, json.Unmarshal([]byte(c.body), &list[0]))
		}
		out = append(out, list...)
	}
	return out
}

// takerConnection connects the API.
func (s *service) takerConnection(api string) (connectionID string) {
	s.t.Helper()
	var made struct{ ID string }
	s.Call(http.StatusCreated, "POST", "/v1/connections?test=skip", map[string]any{
		"name": "Taker", "apiType": "http", "baseUrl": api, "authType": "bearer", "token": takerKey, "http": map[string]any{"retries": 2},
	}, &made)
	return made.ID
}

// toAPI makes a flow from a CSV file to an API.
func (s *service) toAPI(connection, content string, members map[string]any, change ...func(map[string]any)) (flowID string) {
	s.t.Helper()
	target := map[string]any{"type": "http", "connectionId": connection, "request": map[string]any{"url": "v1/orders"}}
	for k, v := range members {
		target[k] = v
	}
	spec := map[string]any{
		"name": "to the API", "import": target,
		"export":  map[string]any{"type": "file", "fileId": s.Upload("in.csv", strings.NewReader(content)), "format": "csv"},
		"mapping": []any{rule("ID", "integer"), rule("NAME", "string"), rule("/detail/amount", "float", "from", "AMOUNT"), rule("/detail/at", "datetime", "from", "AT")},
	}
	for _, c := range change {
		c(spec)
	}
	return s.Flow(spec)
}

func ordersCSV(n int) string {
	var b strings.Builder
	b.WriteString("ID,NAME,AMOUNT,AT\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,\"name \"\"%d\"\"\",%d.25,2026-03-01T10:00:00+02:00\n", i, i, i)
	}
	return b.String()
}

func TestRowsGoToAnAPI(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), newTaker()
	s, url := outsideService(t, sim, api)
	connection := s.takerConnection(url)

	t.Run("one a request", func(t *testing.T) {
		flow := s.toAPI(connection, ordersCSV(3), map[string]any{
			"request": map[string]any{"method": "PUT", "url": "v1/orders/{{NAME}}?id={{ID}}"},
		})
		apptest.RequireWhole(t, s.Do(flow), 3)
		calls := api.all()
		require.Len(t, calls, 3)
		require.Equal(t, "PUT", calls[1].method)
		require.Equal(t, "/v1/orders/name%20%221%22?id=1", calls[1].path)
		require.JSONEq(t, `{"ID":1,"NAME":"name \"1\"","detail":{"amount":1.25,"at":"2026-03-01T08:00:00.000Z"}}`, calls[1].body)
	})
	t.Run("batches with a key, answers kept", func(t *testing.T) {
		api.calls = nil
		flow := s.toAPI(connection, ordersCSV(25), map[string]any{"batch": 10, "idempotencyHeader": "Idempotency-Key", "capture": true, "concurrency": 2},
			func(f map[string]any) { f["name"] = "batches" })
		run := s.Do(flow)
		apptest.RequireWhole(t, run, 25)
		require.Len(t, api.records(t), 25)
		require.Len(t, api.all(), 3)
		files := s.filesOf(run.ID)
		require.Len(t, files, 1)
		a := s.Send("GET", "/v1/files/"+files[0].ID+"/content", nil)
		require.Equal(t, http.StatusOK, a.Status)
		require.NotContains(t, string(a.Body), takerKey)
		lines, rows := 0, 0
		for in := bufio.NewScanner(bytes.NewReader(a.Body)); in.Scan(); lines++ {
			var kept struct {
				Row, Rows, Status int
				Body              string
			}
			require.NoError(t, json.Unmarshal(in.Bytes(), &kept))
			require.Equal(t, rows+1, kept.Row)
			require.Equal(t, http.StatusOK, kept.Status)
			require.Contains(t, kept.Body, `"ok":true`)
			require.Contains(t, kept.Body, `[redacted]`)
			rows += kept.Rows
		}
		require.Equal(t, []int{3, 25}, []int{lines, rows})
	})
}

func TestAnAPIRefusesRows(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), newTaker()
	s, url := outsideService(t, sim, api)
	bad := true
	api.before = func(_ int, w http.ResponseWriter, r *http.Request, body []byte) bool {
		if bad && strings.Contains(string(body), `"ID":3`) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = fmt.Fprintf(w, `{"error":"no such customer","login":%q}`, r.Header.Get("Authorization"))
			return true
		}
		return false
	}
	flow := s.toAPI(s.takerConnection(url), ordersCSV(6), nil)
	run := s.Do(flow)
	require.Equal(t, "succeeded", run.State)
	require.True(t, run.HasErrors)
	require.EqualValues(t, 5, run.Ledger.Pushed)
	require.Len(t, api.records(t), 5)

	var list struct {
		Items []struct {
			ID, Code, Class, Message string
			Record                   int
			Data                     string
		}
	}
	s.Call(http.StatusOK, "GET", "/v1/flows/"+flow+"/errors", nil, &list)
	require.Len(t, list.Items, 1)
	e := list.Items[0]
	require.Equal(t, []any{"destination.refused", "destination", 4}, []any{e.Code, e.Class, e.Record})
	require.Contains(t, e.Message, "422")
	require.Contains(t, e.Message, "no such customer")
	require.NotContains(t, e.Message, takerKey)

	// Once the API takes it, a retry delivers the record and nothing else.
	api.mu.Lock()
	bad = false
	api.mu.Unlock()
	var retried struct{ Run struct{ ID string } }
	a := s.Send("POST", "/v1/errors/"+e.ID+"/retry", nil)
	require.Equal(t, http.StatusAccepted, a.Status, "%s", a.Body)
	require.NoError(t, json.Unmarshal(a.Body, &retried))
	apptest.Eventually(t, func() bool { return len(api.all()) == 6 }, func() string { return string(a.Body) })
	require.Contains(t, api.all()[5].body, `"ID":3`)
}

// A POST that cannot be told from another is never sent twice: where its answer is lost, the row waits for a person.
func TestALostAnswerIsInDoubt(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), newTaker()
	s, url := outsideService(t, sim, api)
	api.before = func(call int, w http.ResponseWriter, r *http.Request, body []byte) bool {
		if call == 3 {
			api.take(r, body)
			hangUp(w)
			return true
		}
		return false
	}
	connection := s.takerConnection(url)
	flow := s.toAPI(connection, ordersCSV(6), nil)
	run := s.Do(flow)
	require.Equal(t, "succeeded", run.State)
	require.EqualValues(t, 5, run.Ledger.Pushed)
	require.EqualValues(t, 1, run.Ledger.Errored)
	require.Len(t, api.records(t), 6, "none was sent twice")
	errors := s.Errors(flow)
	require.Len(t, errors, 1)
	require.Equal(t, "destination.in_doubt", errors[0].Code)

	// With a key the same is sent again, and taken once.
	api.mu.Lock()
	api.count, api.calls = 0, nil
	api.mu.Unlock()
	keyed := s.toAPI(connection, ordersCSV(6), map[string]any{"idempotencyHeader": "Idempotency-Key"}, func(f map[string]any) { f["name"] = "keyed" })
	apptest.RequireWhole(t, s.Do(keyed), 6)
	require.Len(t, api.records(t), 6)
}

func TestAnAPIAsksToWait(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), newTaker()
	s, url := outsideService(t, sim, api)
	api.before = func(call int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		if call == 2 || call == 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader([]int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[call-2])
			return true
		}
		return false
	}
	flow := s.toAPI(s.takerConnection(url), ordersCSV(4), nil)
	apptest.RequireWhole(t, s.Do(flow), 4)
	require.Len(t, api.records(t), 4)
}

func TestAnAPIRefusesTheLogin(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), newTaker()
	s, url := outsideService(t, sim, api)
	api.before = func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	connection := s.takerConnection(url)
	flow := s.toAPI(connection, ordersCSV(4), nil)
	r := s.Start(flow)
	held := s.Await(r.ID, func(r apptest.Run) bool { return r.State == "waiting" })
	require.Equal(t, "connection.offline", held.ErrorCode())
	var c apptest.Connection
	s.Call(http.StatusOK, "GET", "/v1/connections/"+connection, nil, &c)
	require.Equal(t, "offline", c.Status)
}

func TestAKnowledgeModelGoesToAnAPI(t *testing.T) {
	t.Parallel()
	const n = 12_000
	rows, api := &celonissim.Rows{Count: n}, newTaker()
	sim := apptest.NewSim(t, orderModel(rows, 0))
	s, url := outsideService(t, sim, api)
	// A wait that the run must take, in the middle: the model is read again, and the run goes on where it was.
	api.before = func(call int, w http.ResponseWriter, r *http.Request, body []byte) bool {
		if call == 10 {
			api.take(r, body)
			hangUp(w)
			return true
		}
		return false
	}
	spec := map[string]any{
		"name":    "KPIs to an API",
		"export":  map[string]any{"type": "knowledgeModel", "connectionId": s.insight(sim), "knowledgeModelId": "pkg.km", "record": "ORDER", "sliceBy": "CODE"},
		"mapping": []any{rule("ID", "integer"), rule("/order/status", "string", "from", "STATUS"), rule("/order/value", "float", "from", "VALUE"), rule("CHANGED", "datetime")},
		"import": map[string]any{
			"type": "http", "connectionId": s.takerConnection(url), "batch": 500, "itemsPath": "/orders", "idempotencyHeader": "Idempotency-Key",
			"request": map[string]any{"method": "POST", "url": "v1/orders"},
		},
	}
	apptest.RequireWhole(t, s.Do(s.Flow(spec)), n)
	seen := map[int]bool{}
	for _, c := range api.all() {
		var body struct {
			Orders []struct {
				ID    int
				Order struct {
					Status string
					Value  float64
				}
				Changed string
			}
		}
		require.NoError(t, json.Unmarshal([]byte(c.body), &body))
		for _, o := range body.Orders {
			require.False(t, seen[o.ID], "order %d came twice", o.ID)
			require.Equal(t, float64(o.ID)/4, o.Order.Value)
			require.NotEmpty(t, o.Order.Status)
			seen[o.ID] = true
		}
	}
	require.Len(t, seen, n)
}

// A run that fails half-way leaves to the next one what it has not delivered, and nothing else.
func TestPostedRecordsAreDeliveredOnce(t *testing.T) {
	t.Parallel()
	sim, api := apptest.NewSim(t), newTaker()
	s, url := outsideService(t, sim, api)
	closed := true
	api.before = func(call int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		if closed && call >= 3 {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	flow := s.toAPI(s.takerConnection(url), "ID\n1\n", nil, func(f map[string]any) {
		f["export"] = map[string]any{"type": "records", "gather": map[string]any{"seconds": 0}}
		f["mapping"] = []any{rule("ID", "integer")}
	})
	post := func(ids ...int) (runID string) {
		records := []map[string]any{}
		for _, id := range ids {
			records = append(records, map[string]any{"ID": id})
		}
		var receipt struct{ RunID string }
		s.Call(http.StatusAccepted, "POST", "/v1/flows/"+flow+"/records", records, &receipt)
		return receipt.RunID
	}
	r := s.AwaitEnd(post(1, 2, 3, 4, 5, 6))
	require.Equal(t, "failed", r.State)
	require.Equal(t, "destination.forbidden", r.ErrorCode())
	require.EqualValues(t, 2, r.Ledger.Pushed)
	api.mu.Lock()
	closed = false
	api.mu.Unlock()
	apptest.RequireWhole(t, s.AwaitEnd(post(7)), 5)
	var ids []float64
	for _, record := range api.records(t) {
		ids = append(ids, record["ID"].(float64))
	}
	require.Equal(t, []float64{1, 2, 3, 4, 5, 6, 7}, ids)
}
