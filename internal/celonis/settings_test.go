package celonis_test

import (
	"context"
	"io"
	"net/http"
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

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(r *http.Request, status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func targetWith(id string, h *connections.HTTPSettings) connections.Target {
	return connections.Target{
		ID: id, BaseURL: "https://acme.eu-1.celonis.cloud", APIType: connections.Intelligence, AuthType: connections.Token,
		Key: crypto.NewSecret("some-key-000000"), HTTP: h,
	}
}

func ptr[T any](v T) *T { return &v }

func TestHeadersOfAConnection(t *testing.T) {
	t.Parallel()
	var got http.Header
	c, err := celonis.New(celonis.Config{
		Target: targetWith("", &connections.HTTPSettings{Headers: []connections.Header{
			{Name: "x-route", Value: "eu"}, {Name: "User-Agent", Value: "ours"}, {Name: "Authorization", Value: "Bearer evil"}}}),
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.Header
			return respond(r, 200, `[]`)
		}),
	})
	require.NoError(t, err)
	_, err = c.Pools(t.Context())
	require.NoError(t, err)
	require.Equal(t, "eu", got.Get("X-Route"))
	require.Equal(t, "ours", got.Get("User-Agent"))
	require.Equal(t, "Bearer some-key-000000", got.Get("Authorization"), "the key is added after")
	require.Len(t, got.Values("Authorization"), 1)
}

func TestRetriesOfAConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		retries *int
		policy  uint
		tries   int32
	}{
		{"the service's own", nil, 0, 4}, {"none", ptr(0), 0, 1}, {"more", ptr(6), 0, 7},
		{"a test's own is stricter", ptr(6), 2, 2}, {"stricter than a test's own", ptr(0), 2, 1},
	} {
		var tries atomic.Int32
		client, err := celonis.New(celonis.Config{
			Target: targetWith("", &connections.HTTPSettings{Retries: c.retries}),
			Retry:  celonis.RetryPolicy{Tries: c.policy, Base: time.Microsecond, Cap: time.Microsecond},
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				tries.Add(1)
				return respond(r, 503, "")
			}),
		})
		require.NoError(t, err)
		_, err = client.Pools(t.Context())
		require.True(t, fault.Has(err, fault.CelonisServer), c.name)
		require.Equal(t, c.tries, tries.Load(), c.name)
	}
}

func TestTimeoutOfAConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		seconds, policy int
		want            time.Duration
	}{{"set", 7, 0, 7 * time.Second}, {"stricter than a test's own", 7, 10, 7 * time.Second}, {"a test's own is stricter", 100, 10, 10 * time.Second}} {
		var left time.Duration
		client, err := celonis.New(celonis.Config{
			Target: targetWith("", &connections.HTTPSettings{TimeoutSeconds: &c.seconds}),
			Retry:  celonis.RetryPolicy{Timeout: time.Duration(c.policy) * time.Second},
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				deadline, ok := r.Context().Deadline()
				require.True(t, ok)
				left = time.Until(deadline)
				return respond(r, 200, `[]`)
			}),
		})
		require.NoError(t, err)
		_, err = client.Pools(t.Context())
		require.NoError(t, err)
		require.InDelta(t, c.want.Seconds(), left.Seconds(), 2, c.name)
	}
}

// crowd counts the calls under way, each of which waits until free is closed.
type crowd struct {
	now, most atomic.Int32
	came      chan struct{}
	free      chan struct{}
}

func (c *crowd) RoundTrip(r *http.Request) (*http.Response, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for {
		most := c.most.Load()
		if n <= most || c.most.CompareAndSwap(most, n) {
			break
		}
	}
	c.came <- struct{}{}
	select {
	case <-c.free:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return respond(r, 200, `[]`)
}

func TestConcurrencyHoldsForAllClientsOfAConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ids  [2]string
		most int32
	}{"one connection": {[2]string{"a", "a"}, 2}, "two connections": {[2]string{"a", "b"}, 4}, "not stored": {[2]string{"", ""}, 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := &crowd{came: make(chan struct{}, 100), free: make(chan struct{})}
			shared := &celonis.SharedLimits{}
			var wg sync.WaitGroup
			for _, id := range c.ids {
				client, err := celonis.New(celonis.Config{
					Target: targetWith(id, &connections.HTTPSettings{Concurrency: ptr(2)}), Transport: far, Shared: shared,
				})
				require.NoError(t, err)
				for range 5 {
					wg.Go(func() {
						if _, err := client.Pools(context.Background()); err != nil {
							t.Error(err)
						}
					})
				}
			}
			for range c.most {
				<-far.came
			}
			close(far.free)
			wg.Wait()
			require.Equal(t, c.most, far.most.Load())
		})
	}
}

func TestRateOfAConnection(t *testing.T) {
	t.Parallel()
	client, err := celonis.New(celonis.Config{
		Target:    targetWith("a", &connections.HTTPSettings{RequestsPerSecond: ptr(0.1)}),
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return respond(r, 200, `[]`) }),
		Shared:    &celonis.SharedLimits{},
	})
	require.NoError(t, err)
	for range 5 {
		_, err = client.Pools(t.Context())
		require.NoError(t, err, "an idle connection has some calls without a wait")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = client.Pools(ctx)
	require.True(t, fault.Has(err, fault.EgressTimeout), "the next call would be due in 10 s: %v", err)
}

func TestChangedLimitsHoldAtOnce(t *testing.T) {
	t.Parallel()
	shared := &celonis.SharedLimits{}
	for _, most := range []int{1, 3} {
		far := &crowd{came: make(chan struct{}, 100), free: make(chan struct{})}
		client, err := celonis.New(celonis.Config{
			Target: targetWith("a", &connections.HTTPSettings{Concurrency: &most}), Transport: far, Shared: shared,
		})
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { _, _ = client.Pools(context.Background()) })
		}
		for range most {
			<-far.came
		}
		close(far.free)
		wg.Wait()
		require.EqualValues(t, most, far.most.Load())
	}
}
