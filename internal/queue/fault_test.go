package queue_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/queue"
	"github.com/celonis-connector/connector/internal/testservers"
)

// TestTakeOutlivesRedis kills the server under a waiting worker.
func TestTakeOutlivesRedis(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedisServer(t)
	q := process(open(t, server.URL()), "a", long)
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	type result struct {
		lease *queue.Lease
		err   error
	}
	taken := make(chan result, 1)
	go func() {
		lease, err := q.Take(ctx)
		taken <- result{lease, err}
	}()
	require.Eventually(t, func() bool { return !q.Health().LastSuccess.IsZero() }, waitFor, every)
	require.NoError(t, q.Health().Err)

	server.Kill()
	require.Eventually(t, func() bool { return q.Health().Err != nil }, waitFor, every)
	require.True(t, fault.Has(q.Health().Err, fault.QueueUnavailable))
	for _, err := range []error{q.Ping(ctx), q.Push(ctx, "r1"), q.PublishCancel(ctx, "r1")} {
		require.True(t, fault.Has(err, fault.QueueUnavailable))
		require.Equal(t, fault.Later, fault.RetryOf(err))
	}
	_, err := q.Depth(ctx)
	require.True(t, fault.Has(err, fault.QueueUnavailable))

	server.Restart()
	require.Eventually(t, func() bool { return q.Push(ctx, "r1") == nil }, waitFor, every)
	got := <-taken
	require.NoError(t, got.err)
	require.Equal(t, "r1", got.lease.RunID)
	require.NoError(t, q.Health().Err)
}

func TestTakeEndsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedisServer(t)
	q := process(open(t, server.URL()), "a", long)
	server.Kill()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := q.Take(ctx)
		ended <- err
	}()
	require.Eventually(t, func() bool { return q.Health().Err != nil }, waitFor, every)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// TestSilentProcessesAreForgotten needs a real server: the embedded one does not
// measure silence, and has but one process.
func TestSilentProcessesAreForgotten(t *testing.T) {
	t.Parallel()
	client := open(t, testservers.Redis(t))
	idle, holder := process(client, "idle", long), process(client, "holder", long)
	require.NoError(t, idle.Push(t.Context(), "r1"))
	require.NoError(t, take(t, idle).Done(t.Context()))
	require.NoError(t, holder.Push(t.Context(), "r2"))
	take(t, holder)
	require.ElementsMatch(t, []string{"idle", "holder"}, consumers(t, client))

	opts := queue.Options{Consumer: "new", Block: time.Millisecond, Retire: 50 * time.Millisecond}
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, _ = queue.New(client, opts).Take(ctx)
		return !slices.Contains(consumers(t, client), "idle")
	}, waitFor, every)
	require.Contains(t, consumers(t, client), "holder")
	requireDepth(t, holder, 0, 1)
}

func TestOpenReadsAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"redis://localhost:6379", "redis://user:pass@localhost:6379/3", "rediss://localhost", "redis://127.0.0.1:6379/0?pool_size=5",
		"redis-sentinel://s1:26379,s2:26379,s3:26379/0?master_name=main", "rediss-sentinel://u:p@s1:26379/1?master_name=main&password=x",
		"redis-cluster://n1:6379,n2:6379", "rediss-cluster://u:p%40ss@n1:6379,n2:6379", "redis-cluster://[::1]:6379,[::1]:6380",
	} {
		client, closer, err := queue.Open(address)
		require.NoError(t, err, address)
		switch c := client.(type) {
		case *redis.ClusterClient:
			require.Len(t, c.Options().Addrs, 2, address)
			require.Contains(t, address, "-cluster")
		case *redis.Client:
			require.NotContains(t, address, "-cluster")
			require.True(t, c.Options().ContextTimeoutEnabled)
		}
		require.NoError(t, closer.Close())
	}
}

func TestOpenRefusesAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"localhost:6379", "http://u:PASSWORD@localhost", "redis://u:PASSWORD@local host", "redis://u:PASSWORD@localhost/x",
		"redis-sentinel://u:PASSWORD@s1:26379", "redis://u:PASSWORD@localhost:6379/0?nonsense=1", "redis-cluster://u:PASSWORD@n1:port",
		"redis://u:PASSWORD%zz@localhost", "memory://",
	} {
		_, _, err := queue.Open(address)
		require.True(t, fault.Has(err, fault.QueueURL), address)
		require.NotContains(t, err.Error(), "PASSWORD")
		require.NotEmpty(t, fault.From(err).Hint)
	}
}

// TestNothingButRunIDsInRedis: keys and values are ids, and all keys share a
// hash tag, as a cluster needs it.
func TestNothingButRunIDsInRedis(t *testing.T) {
	t.Parallel()
	client := open(t, "")
	q := process(client, "a", long)
	require.NoError(t, q.PushAll(t.Context(), []string{"r1", "r2"}))
	take(t, q)
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 2)
	for _, key := range keys {
		require.True(t, strings.HasPrefix(key, "{connector}:"), key)
	}
}

// BenchmarkPickup measures from the start of Push to the return of Take in a
// worker that waits.
func BenchmarkPickup(b *testing.B) {
	for name, address := range map[string]func() string{
		"embedded":     func() string { return "" },
		"redis-server": func() string { return testservers.Redis(b) },
	} {
		b.Run(name, func(b *testing.B) {
			client := open(b, address())
			worker := queue.New(client, queue.Options{Consumer: "worker"})
			api := queue.New(client, queue.Options{Consumer: "api"})
			ctx, cancel := context.WithCancel(b.Context())
			taken := make(chan time.Time)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for lease, err := worker.Take(ctx); err == nil; lease, err = worker.Take(ctx) {
					at := time.Now()
					_ = lease.Done(ctx)
					taken <- at
				}
			}()
			var waits []time.Duration
			for b.Loop() {
				start := time.Now()
				if err := api.Push(ctx, "run"); err != nil {
					b.Fatal(err)
				}
				waits = append(waits, (<-taken).Sub(start))
			}
			cancel()
			<-ended
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-µs")
		})
	}
}
