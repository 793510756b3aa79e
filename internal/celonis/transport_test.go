package celonis_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// brokenBody gives half an answer and then an error.
type brokenBody struct{ given bool }

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.given {
		return 0, io.ErrUnexpectedEOF
	}
	b.given = true
	return copy(p, `[{"id":`), nil
}
func (*brokenBody) Close() error { return nil }

// failures are the ways in which a try can fail.
var failures = map[string]func(*http.Request) (*http.Response, error){
	"429":         func(r *http.Request) (*http.Response, error) { return answer(r, 429, "", ""), nil },
	"500":         func(r *http.Request) (*http.Response, error) { return answer(r, 500, "", ""), nil },
	"502":         func(r *http.Request) (*http.Response, error) { return answer(r, 502, "", ""), nil },
	"503":         func(r *http.Request) (*http.Response, error) { return answer(r, 503, "", ""), nil },
	"504":         func(r *http.Request) (*http.Response, error) { return answer(r, 504, "", ""), nil },
	"400":         func(r *http.Request) (*http.Response, error) { return answer(r, 400, "", ""), nil },
	"401":         func(r *http.Request) (*http.Response, error) { return answer(r, 401, "", ""), nil },
	"reset":       func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by peer") },
	"refused":     func(*http.Request) (*http.Response, error) { return nil, fault.New(fault.EgressRefused, "no") },
	"unreachable": func(*http.Request) (*http.Response, error) { return nil, fault.New(fault.EgressUnreachable, "no") },
	"broken read": func(r *http.Request) (*http.Response, error) {
		res := answer(r, 200, "application/json", "")
		res.Body = &brokenBody{}
		return res, nil
	},
}

func TestTriesOfEachCall(t *testing.T) {
	t.Parallel()
	const all = 4
	repeated := map[string]int{"429": all, "502": all, "503": all, "504": all, "reset": all, "broken read": all, "unreachable": all,
		"500": 1, "400": 1, "401": 1, "refused": 1}
	calls := map[string]struct {
		repeatable bool
		method     string
		make       func(context.Context, *celonis.Client) error
	}{
		"list pools": {true, "GET", func(ctx context.Context, c *celonis.Client) error { _, err := c.Pools(ctx); return err }},
		"list jobs": {true, "GET", func(ctx context.Context, c *celonis.Client) error {
			_, err := c.DataPush(poolID).Jobs(ctx)
			return err
		}},
		"delete job": {true, "DELETE", func(ctx context.Context, c *celonis.Client) error { return c.DataPush(poolID).DeleteJob(ctx, "j") }},
		"create job": {false, "POST", func(ctx context.Context, c *celonis.Client) error {
			_, err := c.DataPush(poolID).CreateJob(ctx, csvSpec("T"))
			return err
		}},
		"submit": {false, "POST", func(ctx context.Context, c *celonis.Client) error {
			_, err := c.DataPush(poolID).Submit(ctx, "j")
			return err
		}},
		"upload": {false, "POST", func(ctx context.Context, c *celonis.Client) error {
			return c.DataPush(poolID).UploadChunk(ctx, "j", csvChunk(twoRows))
		}},
	}
	for callName, call := range calls {
		for failure, fail := range failures {
			if failure == "broken read" && call.method == "DELETE" {
				continue
			}
			counts := map[string]int{}
			c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
				counts[r.Method]++
				return fail(r)
			})})
			err := call.make(t.Context(), c)
			if failure == "broken read" && callName == "submit" {
				require.Error(t, err)
			}
			require.Error(t, err, "%s, %s", callName, failure)
			want := 1
			if call.repeatable {
				want = repeated[failure]
			}
			require.Equal(t, want, counts[call.method], "%s, %s: %v", callName, failure, err)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
		}
	}
}

func TestATryThatHelpsIsEnoughAndKeepsTheRequestID(t *testing.T) {
	t.Parallel()
	var ids []string
	var logs logBuffer
	c := newClient(t, celonis.Config{Logger: logs.logger(), UserAgent: "test/1", Transport: trip(func(r *http.Request) (*http.Response, error) {
		ids = append(ids, r.Header.Get("X-Request-Id"))
		require.Equal(t, "test/1", r.Header.Get("User-Agent"))
		require.Equal(t, "AppKey "+appKey, r.Header.Get("Authorization"))
		if len(ids) < 3 {
			return answer(r, 503, "", ""), nil
		}
		return answer(r, 200, "application/json", `[{"id":"p","name":"Pool"}]`), nil
	})})
	pools, err := c.Pools(t.Context())
	require.NoError(t, err)
	require.Equal(t, []celonis.Pool{{ID: "p", Name: "Pool"}}, pools)
	require.Len(t, ids, 3)
	require.NotEmpty(t, ids[0])
	require.Equal(t, ids[0], ids[2])
	require.Equal(t, 2, strings.Count(logs.String(), "tried again"))
}

func TestResetHeadersInAllForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	later := now.Add(10 * time.Minute)
	for _, c := range []struct {
		header, value string
		want          time.Time
	}{
		{"Retry-After", "600", later},
		{"Retry-After", later.Format(http.TimeFormat), later},
		{"x-ratelimit-reset", "600", later},
		{"x-ratelimit-reset", " 600.0 ", later},
		{"x-ratelimit-reset", "1714565400", later},
		{"x-ratelimit-reset", "1714565400000", later},
		{"x-ratelimit-reset", "2024-05-01T12:10:00Z", later},
		{"x-ratelimit-reset", "2024-05-01T14:10:00+02:00", later},
		{"x-ratelimit-reset", "2024-05-01T12:10:00.000Z", later},
		{"x-ratelimit-reset", "2024-05-01T12:10:00", later},
		{"x-ratelimit-reset", "2024-05-01 12:10:00", later},
		{"ratelimit-reset", "600", later},
		{"x-ratelimit-reset", "99999999", now.Add(24 * time.Hour)},
		{"x-ratelimit-reset", "99999999999999999999", now.Add(24 * time.Hour)},
		{"x-ratelimit-reset", "-5", now},
		{"x-ratelimit-reset", "2020-01-01T00:00:00Z", now},
		{"x-ratelimit-reset", "soon", now.Add(time.Minute)},
		{"x-ratelimit-reset", "NaN", now.Add(time.Minute)},
	} {
		cl := newClient(t, celonis.Config{
			Now: func() time.Time { return now }, Retry: celonis.RetryPolicy{Tries: 1},
			Transport: trip(func(r *http.Request) (*http.Response, error) {
				res := answer(r, 429, "", "")
				res.Header.Set(c.header, c.value)
				return res, nil
			}),
		})
		_, err := cl.Pools(t.Context())
		require.True(t, fault.Has(err, fault.CelonisRateLimited))
		require.True(t, c.want.Equal(fault.From(err).ResumeAt), "%s: %s: %s", c.header, c.value, fault.From(err).ResumeAt)
		require.Equal(t, fault.Wait, fault.RetryOf(err))
	}
}

func TestALongWaitIsGivenBackAndNotSatOut(t *testing.T) {
	t.Parallel()
	tries := 0
	c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		tries++
		res := answer(r, 429, "", "")
		res.Header.Set("Retry-After", "3600")
		return res, nil
	})})
	_, err := c.Pools(t.Context())
	require.True(t, fault.Has(err, fault.CelonisRateLimited), err)
	require.Equal(t, 1, tries)
}

func TestCancellationComesBackAsItIs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, celonis.Config{Retry: celonis.RetryPolicy{Base: time.Hour, Cap: time.Hour}, Transport: trip(func(r *http.Request) (*http.Response, error) {
		cancel()
		return answer(r, 503, "", ""), nil
	})})
	_, err := c.Pools(ctx)
	require.ErrorIs(t, err, context.Canceled)

	gone, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	_, err = c.Pools(gone)
	require.True(t, fault.Has(err, fault.EgressTimeout), err)
}

func TestOneTryIsBoundedInTime(t *testing.T) {
	t.Parallel()
	c := newClient(t, celonis.Config{Retry: celonis.RetryPolicy{Tries: 2, Base: 1, Cap: 1, Timeout: time.Millisecond}, Transport: trip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})})
	_, err := c.Pools(t.Context())
	require.True(t, fault.Has(err, fault.EgressTimeout), err)
}

func TestAnswersHaveAnEnd(t *testing.T) {
	t.Parallel()
	tries := 0
	c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		tries++
		res := answer(r, 200, "application/json", "")
		res.Body = io.NopCloser(io.MultiReader(strings.NewReader(`["`), endless{}))
		return res, nil
	})})
	_, err := c.Pools(t.Context())
	require.True(t, fault.Has(err, fault.CelonisAnswer), err)
	require.Contains(t, err.Error(), "longer than")
	require.Equal(t, 1, tries)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer server.Close()
	c := newClient(t, celonis.Config{Target: target(server.URL), Transport: &http.Transport{DisableKeepAlives: true}})
	_, err := c.Pools(t.Context())
	require.True(t, fault.Has(err, fault.CelonisAnswer), err)
	require.Zero(t, elsewhere.Load())
}

func TestCallsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	const limit, calls = 3, 12
	entered, release := make(chan struct{}), make(chan struct{})
	var now, most atomic.Int32
	c := newClient(t, celonis.Config{Limits: celonis.NewLimits(limit, 1e6), Transport: trip(func(r *http.Request) (*http.Response, error) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		entered <- struct{}{}
		<-release
		now.Add(-1)
		return answer(r, 200, "application/json", "[]"), nil
	})})
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			_, err := c.Pools(t.Context())
			require.NoError(t, err)
		})
	}
	for range limit {
		<-entered
	}
	close(release)
	for range calls - limit {
		<-entered
	}
	wg.Wait()
	require.EqualValues(t, limit, most.Load())
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	none := trip(func(*http.Request) (*http.Response, error) { return nil, errors.New("not called") })
	for name, c := range map[string]struct {
		change func(*celonis.Config)
		want   fault.Code
	}{
		"no url":       {func(c *celonis.Config) { c.Target.BaseURL = "acme.eu-1.celonis.cloud" }, fault.ConnectionDomain},
		"ftp":          {func(c *celonis.Config) { c.Target.BaseURL = "ftp://acme.eu-1.celonis.cloud" }, fault.ConnectionDomain},
		"user-info":    {func(c *celonis.Config) { c.Target.BaseURL = "https://u:p@acme.eu-1.celonis.cloud" }, fault.ConnectionDomain},
		"no transport": {func(c *celonis.Config) { c.Transport = nil }, fault.Internal},
		"auth type":    {func(c *celonis.Config) { c.Target.AuthType = "none" }, fault.Internal},
		"no key":       {func(c *celonis.Config) { c.Target.Key = crypto.Secret{} }, fault.ConnectionSecretRequired},
		"line break":   {func(c *celonis.Config) { c.Target.Key = crypto.NewSecret("a\r\nX: y") }, fault.SecretInvalid},
	} {
		cfg := celonis.Config{Target: target("https://acme.eu-1.celonis.cloud"), Transport: none}
		c.change(&cfg)
		_, err := celonis.New(cfg)
		require.True(t, fault.Has(err, c.want), "%s: %v", name, err)
	}
	bearer := target("https://acme.eu-1.celonis.cloud")
	bearer.AuthType = connections.Token
	c := newClient(t, celonis.Config{Target: bearer, Transport: trip(func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "Bearer "+appKey, r.Header.Get("Authorization"))
		return answer(r, 200, "", "[]"), nil
	})})
	_, err := c.Pools(t.Context())
	require.NoError(t, err)
}
