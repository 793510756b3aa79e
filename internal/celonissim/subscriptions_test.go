package celonissim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

// callbackOf is what a subscription delivers to; it answers with statuses in turn, then with 200.
type callbackOf struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	offsets  []int64
	bodies   []string
	auth     string
	came     chan struct{}
}

func newCallback(t *testing.T, statuses ...int) *callbackOf {
	c := &callbackOf{statuses: statuses, came: make(chan struct{}, 1000)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		status := http.StatusOK
		if len(c.statuses) > 0 {
			status, c.statuses = c.statuses[0], c.statuses[1:]
		}
		c.auth = r.Header.Get("Authorization")
		c.bodies = append(c.bodies, r.Method+" "+string(body))
		if status == http.StatusOK {
			var items []struct{ Offset int64 }
			_ = json.Unmarshal(body, &items)
			for _, i := range items {
				c.offsets = append(c.offsets, i.Offset)
			}
		}
		w.WriteHeader(status)
		c.came <- struct{}{}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *callbackOf) got() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int64{}, c.offsets...)
}

const triggers = "/intelligence/api/knowledge-models/pkg.km/triggers/LATE/subscriptions"

func listens(how celonissim.Events) func(*celonissim.Options) {
	return func(o *celonissim.Options) {
		withKnowledge(o)
		how.InsecureCallbacks = true
		o.Events = how
	}
}

// subscribe makes a subscription to a callback and gives its path.
func (s *sim) subscribe(to string) (path, id string) {
	s.t.Helper()
	a := s.do("POST", triggers, fmt.Sprintf(`{"name":"n","callbackInfo":{"uri":%q,"protocol":"HTTPS","headers":{"Authorization":"Bearer x"}},"configurations":[]}`, to))
	require.Equal(s.t, http.StatusCreated, a.status, a.body)
	id = a.json(s.t)["id"].(string)
	return "/intelligence/api/subscriptions/" + id, id
}

func TestSubscriptionsAreChecked(t *testing.T) {
	t.Parallel()
	s := start(t, listens(celonissim.Events{}))
	good, bad := newCallback(t), newCallback(t, 500)
	body := func(name, uri, protocol, headers, configurations string) string {
		return fmt.Sprintf(`{"name":%q,"callbackInfo":{"uri":%q,"protocol":%q,"headers":%s},"configurations":[%s]}`, name, uri, protocol, headers, configurations)
	}
	for what, tt := range map[string]struct {
		path, body string
		status     int
		code       string
	}{
		"good":                  {triggers, body("n", good.URL, "HTTPS", `{"Accept":"a"}`, `"SKIP_ERRORS"`), 201, ""},
		"no trigger":            {strings.Replace(triggers, "LATE", "X", 1), body("n", good.URL, "HTTPS", "{}", ""), 404, "SUBSCRIPTION_TRIGGER_NOTFOUND"},
		"no model":              {strings.Replace(triggers, "pkg.km", "x", 1), body("n", good.URL, "HTTPS", "{}", ""), 404, "KM_MODEL_NOTFOUND"},
		"no name":               {triggers, body("", good.URL, "HTTPS", "{}", ""), 400, "GENERAL_PARAMETER_MISSING"},
		"a long name":           {triggers, body(strings.Repeat("n", 1025), good.URL, "HTTPS", "{}", ""), 400, "GENERAL_CONSTRAINT_VIOLATION"},
		"another protocol":      {triggers, body("n", good.URL, "HTTP", "{}", ""), 400, "GENERAL_PARAMETER_ILLEGAL"},
		"no address":            {triggers, body("n", "nowhere", "HTTPS", "{}", ""), 400, "SUBSCRIPTION_URI_ILLEGAL"},
		"another header":        {triggers, body("n", good.URL, "HTTPS", `{"X-Token":"x"}`, ""), 400, "GENERAL_PARAMETER_ILLEGAL"},
		"an empty header":       {triggers, body("n", good.URL, "HTTPS", `{"Accept":""}`, ""), 400, "SUBSCRIPTION_EMPTY_HEADER"},
		"long headers":          {triggers, body("n", good.URL, "HTTPS", `{"Accept":"`+strings.Repeat("a", 8192)+`"}`, ""), 400, "GENERAL_CONSTRAINT_VIOLATION"},
		"a configuration":       {triggers, body("n", good.URL, "HTTPS", "{}", `"OTHER"`), 400, "GENERAL_PARAMETER_ILLEGAL"},
		"a callback that fails": {triggers, body("n", bad.URL, "HTTPS", "{}", ""), 400, "SUBSCRIPTION_CALLBACK_FAILED"},
		"no body":               {triggers, "", 400, "GENERAL_PARAMETER_ILLEGAL"},
	} {
		a := s.do("POST", tt.path, tt.body)
		require.Equal(t, tt.status, a.status, "%s: %s", what, a.body)
		if tt.code != "" {
			require.Equal(t, tt.code, a.json(t)["errorCode"], what)
		}
	}
	secure := start(t, withKnowledge)
	a := secure.do("POST", triggers, body("n", good.URL, "HTTPS", "{}", ""))
	require.Equal(t, "SUBSCRIPTION_URI_ILLEGAL", a.json(t)["errorCode"], "callbacks are HTTPS")
	require.Equal(t, 404, s.do("PATCH", "/intelligence/api/subscriptions/none/pause", "").status)
}

func TestEventsAreDelivered(t *testing.T) {
	t.Parallel()
	s := start(t, listens(celonissim.Events{BatchSize: 2, RetryEvery: time.Millisecond, SuspendAfter: 3}))
	c := newCallback(t)
	path, id := s.subscribe(c.URL)
	require.Equal(t, "Bearer x", c.auth)
	require.Equal(t, []string{"POST []"}, c.bodies)
	status := func() string { return s.Subscriptions()[0].Status }
	comes := func(want ...int64) {
		t.Helper()
		require.Eventually(t, func() bool { return len(c.got()) >= len(want) }, 10*time.Second, time.Millisecond)
		require.Equal(t, want, c.got())
	}
	s.Emit("LATE", celonissim.Event{ID: "a"}, celonissim.Event{ID: "b"}, celonissim.Event{ID: "c"})
	comes(0, 1, 2)
	require.Contains(t, c.bodies[1], `"event-id":"a"`)
	s.EmitDropping("LATE", []int64{3}, celonissim.Event{}, celonissim.Event{})
	comes(0, 1, 2, 4)
	require.Equal(t, 204, s.do("PATCH", path+"/replay?fromOffset=3", "").status)
	comes(0, 1, 2, 4, 3, 4)
	require.Equal(t, 400, s.do("PATCH", path+"/replay?fromOffset=x", "").status)

	require.Equal(t, 204, s.do("PATCH", path+"/pause", "").status)
	s.Emit("LATE", celonissim.Event{})
	require.Contains(t, s.do("PATCH", path+"/events", "").body, `"offset":5`)
	s.FailDeliveries(-1)
	require.Equal(t, 204, s.do("PATCH", path+"/resume", "").status)
	require.Eventually(t, func() bool { return status() == "suspended" }, 10*time.Second, time.Millisecond)
	s.FailDeliveries(0)
	require.Equal(t, 204, s.do("PATCH", path+"/resume", "").status)
	comes(0, 1, 2, 4, 3, 4, 5)
	require.Eventually(t, func() bool { return status() == "active" }, 10*time.Second, time.Millisecond)
	require.Contains(t, s.get("/intelligence/api/subscriptions").body, `"lastSuccessEventOffset":5`)

	require.True(t, s.SetSubscription(id, "paused"))
	s.Emit("LATE", celonissim.Event{})
	require.Equal(t, 204, s.do("PATCH", path+"/resume-from-latest", "").status)
	s.Emit("LATE", celonissim.Event{})
	comes(0, 1, 2, 4, 3, 4, 5, 7)
	require.Equal(t, 204, s.do("DELETE", path, "").status)
	require.Zero(t, s.Emit("LATE", celonissim.Event{}))
}

func TestEventsByTheAdminAPI(t *testing.T) {
	t.Parallel()
	s := start(t, listens(celonissim.Events{}))
	c := newCallback(t)
	_, id := s.subscribe(c.URL)
	require.Equal(t, 202, s.do("POST", "/_sim/triggers/LATE/events", `[{"identifier":"1","fields":[{"id":"A","value":1,"type":"INT"}]}]`).status)
	require.Eventually(t, func() bool { return len(c.got()) == 1 }, 10*time.Second, time.Millisecond)
	require.Contains(t, s.get("/_sim/subscriptions").body, id)
	require.Equal(t, 204, s.do("PUT", "/_sim/subscriptions/"+id, `{"status":"suspended"}`).status)
	require.Equal(t, 400, s.do("PUT", "/_sim/subscriptions/"+id, `{"status":"odd"}`).status)
	require.Equal(t, 204, s.do("PUT", "/_sim/events", `{"CamelCase":true}`).status)
	require.Equal(t, 204, s.do("POST", "/_sim/reset", "").status)
	require.JSONEq(t, "[]", s.get("/_sim/subscriptions").body)
}
