package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

func limited(l httpapi.Limits) func(*httpapi.Deps) {
	return func(d *httpapi.Deps) { d.Limits = l }
}

// clockwork is a clock that tests turn.
type clockwork struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clockwork) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clockwork) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestEachClientHasABudget(t *testing.T) {
	t.Parallel()
	clock := &clockwork{now: epoch()}
	s := setup(t, limited(httpapi.Limits{PerClient: httpapi.Rate{PerSecond: 1, Burst: 3}, Records: httpapi.Rate{PerSecond: 1, Burst: 1}}),
		func(d *httpapi.Deps) { d.Now = clock.Now })
	for left := 2; left >= 0; left-- {
		res := s.ask("GET /v1/connections/"+connectionID, "")
		require.Equal(t, http.StatusOK, res.status)
		require.Equal(t, []string{"3", fmt.Sprint(left), fmt.Sprint(3 - left)},
			[]string{res.header.Get("RateLimit-Limit"), res.header.Get("RateLimit-Remaining"), res.header.Get("RateLimit-Reset")})
	}
	res := s.ask("GET /v1/connections/"+connectionID, "")
	res.requireProblem(t, http.StatusTooManyRequests, "request.rate_limited")
	require.Equal(t, []string{"1", "0", "3"}, []string{res.header.Get("Retry-After"), res.header.Get("RateLimit-Remaining"), res.header.Get("RateLimit-Reset")})
	res = s.ask("POST /v1/flows/"+flowID+"/records", `[{}]`)
	require.Equal(t, http.StatusAccepted, res.status, "records have a budget of their own: %s", res.body)
	require.Equal(t, "1", res.header.Get("RateLimit-Limit"))
	s.ask("POST /v1/flows/"+flowID+"/records", `[{}]`).requireProblem(t, http.StatusTooManyRequests, "request.rate_limited")
	require.Equal(t, http.StatusOK, s.ask("GET /healthz", "").status)
	clock.pass(time.Second)
	require.Equal(t, http.StatusOK, s.ask("GET /v1/connections/"+connectionID, "").status)
}

func TestWrongSecretsNeverLockOutARightOne(t *testing.T) {
	t.Parallel()
	s := setup(t, limited(httpapi.Limits{WrongSecrets: httpapi.Rate{PerSecond: 0.001, Burst: 3}}))
	token := func(secret string) response {
		return s.ask("POST /oauth/token", "grant_type=client_credentials&client_id=client:1&client_secret="+secret,
			"Content-Type", "application/x-www-form-urlencoded", "Authorization", "")
	}
	for range 3 {
		require.Equal(t, http.StatusUnauthorized, token("wrong").status)
	}
	for range 5 {
		res := token("wrong")
		res.requireProblem(t, http.StatusTooManyRequests, "request.rate_limited")
		require.NotEmpty(t, res.header.Get("Retry-After"))
		require.Equal(t, http.StatusOK, token("s3cret+%25%2B").status)
	}
	for i := range 5 {
		want := http.StatusUnauthorized
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		require.Equal(t, want, s.ask("GET /v1/me", "", "Authorization", "Bearer nonsense").status)
		require.Equal(t, http.StatusOK, s.ask("GET /v1/me", "").status)
	}
}

func TestRoutesWithoutATokenAreBoundedByAddress(t *testing.T) {
	t.Parallel()
	s := setup(t, limited(httpapi.Limits{PerAddress: httpapi.Rate{PerSecond: 0.001, Burst: 2}}))
	live := httptest.NewServer(s.handler)
	t.Cleanup(live.Close)
	for i, want := range []int{200, 200, 429} {
		res, err := live.Client().Get(live.URL + "/openapi.yaml")
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, want, res.StatusCode, i)
	}
	for range 5 {
		res, err := live.Client().Get(live.URL + "/healthz")
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
}

func TestRequestsOutOfProportion(t *testing.T) {
	t.Parallel()
	live := httptest.NewServer(setup(t).handler)
	t.Cleanup(live.Close)
	for name, c := range map[string]struct {
		path   string
		header int
		status int
	}{
		"a long path":     {"/v1/" + strings.Repeat("a", httpapi.MaxPath), 0, http.StatusRequestURITooLong},
		"a long query":    {"/v1/me?limit=" + strings.Repeat("1", httpapi.MaxQuery), 0, http.StatusRequestURITooLong},
		"many parameters": {"/v1/me?" + strings.Repeat("a&", httpapi.MaxParameters), 0, http.StatusRequestURITooLong},
		"many headers":    {"/v1/me", httpapi.MaxHeaders, http.StatusRequestHeaderFieldsTooLarge},
		"none of it":      {"/v1/me", httpapi.MaxHeaders / 2, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, live.URL+c.path, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer all")
			for range c.header {
				r.Header.Add("X-More", "1")
			}
			res, err := live.Client().Do(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, c.status, res.StatusCode)
		})
	}
}

func TestUploadsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	s := setup(t, limited(httpapi.Limits{ClientUploads: 1, AllUploads: 1}))
	begun, end := make(chan struct{}), make(chan struct{})
	s.flows.upload = func(name string, r io.Reader) (*flows.File, error) {
		close(begun)
		<-end
		n, err := io.Copy(io.Discard, r)
		return &flows.File{ID: fileID, Name: name, Bytes: n, SHA256: strings.Repeat("0a", 32), CreatedAt: epoch()}, err
	}
	body, media := form(t, part{"file", "a.csv", "a"})
	first := make(chan int)
	go func() { first <- s.ask("POST /v1/files", body, "Content-Type", media).status }()
	<-begun
	res := s.ask("POST /v1/files", body, "Content-Type", media)
	res.requireProblem(t, http.StatusTooManyRequests, "request.rate_limited")
	require.Equal(t, "5", res.header.Get("Retry-After"))
	close(end)
	require.Equal(t, http.StatusCreated, <-first)
	s.flows.upload = nil
	require.Equal(t, http.StatusCreated, s.ask("POST /v1/files", body, "Content-Type", media).status)
}

// A body that trickles holds a connection for its grace and no longer.
func TestABodyThatTricklesIsEnded(t *testing.T) {
	t.Parallel()
	for name, pace := range map[string]httpapi.Pace{
		"too slow": {PerSecond: 1 << 20, Grace: 50 * time.Millisecond, Idle: time.Minute},
		"silent":   {Idle: 50 * time.Millisecond},
	} {
		for _, path := range []string{"/v1/connections", "/v1/files"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				s := setup(t, limited(httpapi.Limits{Pace: pace}))
				live := httptest.NewServer(s.handler)
				t.Cleanup(live.Close)
				conn, err := net.Dial("tcp", live.Listener.Addr().String())
				require.NoError(t, err)
				t.Cleanup(func() { _ = conn.Close() })
				media := "application/json"
				if path == "/v1/files" {
					media = "multipart/form-data; boundary=x"
				}
				_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer all\r\nContent-Type: %s\r\nContent-Length: 100000\r\n\r\n{", path, media)
				require.NoError(t, err)
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				text, _ := io.ReadAll(res.Body)
				require.Equal(t, http.StatusRequestTimeout, res.StatusCode, string(text))
				require.Contains(t, string(text), fault.RequestTooSlow)
				_, err = conn.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF, "the connection ends")
			})
		}
	}
}
