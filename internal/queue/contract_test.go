package queue_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/queue"
	"github.com/celonis-connector/connector/internal/testservers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	waitFor = 20 * time.Second
	every   = 5 * time.Millisecond
	// soon is a lease that is over quickly, long one that is not over in a test.
	soon, long = 150 * time.Millisecond, time.Minute
)

// backends are the two kinds of Redis that every test of the contract runs on.
func backends(t *testing.T, test func(t *testing.T, open func(t testing.TB) redis.UniversalClient)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, func(t testing.TB) redis.UniversalClient { return open(t, "") })
	})
	t.Run("redis-server", func(t *testing.T) {
		t.Parallel()
		test(t, func(t testing.TB) redis.UniversalClient { return open(t, testservers.Redis(t)) })
	})
}

func open(t testing.TB, address string) redis.UniversalClient {
	t.Helper()
	client, closer, err := queue.Open(address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closer.Close()) })
	return client
}

// process makes a queue as a process of its own would.
func process(client redis.UniversalClient, name string, lease time.Duration) *queue.Queue {
	return queue.New(client, queue.Options{Consumer: name, Lease: lease, Block: 20 * time.Millisecond})
}

func take(t testing.TB, q *queue.Queue) *queue.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	lease, err := q.Take(ctx)
	require.NoError(t, err)
	return lease
}

// requireEmpty waits out the blocks of a Take that finds nothing.
func requireEmpty(t *testing.T, q *queue.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	lease, err := q.Take(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Nil(t, lease)
}

func requireDepth(t *testing.T, q *queue.Queue, waiting, leased int64) {
	t.Helper()
	depth, err := q.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{Waiting: waiting, Leased: leased}, depth)
}

func TestTakeInOrderAndDone(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		q := process(open(t), "a", long)
		requireDepth(t, q, 0, 0)
		require.NoError(t, q.PushAll(t.Context(), []string{"r1", "r2", "r3"}))
		requireDepth(t, q, 3, 0)
		for i := range 3 {
			lease := take(t, q)
			require.Equal(t, fmt.Sprintf("r%d", i+1), lease.RunID)
			require.EqualValues(t, 1, lease.Deliveries)
			requireDepth(t, q, int64(2-i), 1)
			require.NoError(t, lease.Done(t.Context()))
		}
		requireDepth(t, q, 0, 0)
		requireEmpty(t, q)
	})
}

func TestPushedTwiceWaitsOnce(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		q := process(open(t), "a", long)
		for range 20 {
			require.NoError(t, q.Push(t.Context(), "r1"))
		}
		requireDepth(t, q, 1, 0)
		lease := take(t, q)
		for range 20 {
			require.NoError(t, q.Push(t.Context(), "r1"))
		}
		requireDepth(t, q, 1, 1)
		require.NoError(t, lease.Done(t.Context()))
		requireDepth(t, q, 1, 0)
		require.NoError(t, q.Push(t.Context(), "r1"))
		requireDepth(t, q, 1, 0)
		require.NoError(t, take(t, q).Done(t.Context()))
		requireEmpty(t, q)
		require.Error(t, q.Push(t.Context(), ""))
	})
}

func TestWorkersShare(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		const runs, workers = 200, 4
		client := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		got := map[string]int{}
		var group sync.WaitGroup
		for w := range workers {
			q := process(client, fmt.Sprint("p", w/2), long) // two goroutines a process
			group.Go(func() {
				for {
					lease, err := q.Take(ctx)
					if err != nil {
						return
					}
					mu.Lock()
					got[lease.RunID]++
					if len(got) == runs {
						cancel()
					}
					mu.Unlock()
					_ = lease.Done(context.WithoutCancel(ctx))
				}
			})
		}
		var ids []string
		for i := range runs {
			ids = append(ids, fmt.Sprint("r", i))
		}
		require.NoError(t, process(client, "api", long).PushAll(t.Context(), ids))
		group.Wait()
		require.Len(t, got, runs)
		for id, n := range got {
			require.Equal(t, 1, n, id)
		}
		requireDepth(t, process(client, "api", long), 0, 0)
	})
}

func TestLeaseThatIsOverIsTakenOver(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"another process", "the same process"} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
				client := open(t)
				dead := process(client, "the same process", long)
				require.NoError(t, dead.Push(t.Context(), "r1"))
				lost := take(t, dead)

				q := process(client, next, soon)
				lease := take(t, q)
				require.Equal(t, "r1", lease.RunID)
				require.EqualValues(t, 2, lease.Deliveries)

				for name, call := range map[string]func(context.Context) error{
					"extend": lost.Extend, "done": lost.Done, "return": lost.Return,
				} {
					require.True(t, fault.Has(call(t.Context()), fault.RunLeaseLost), name)
				}
				require.NoError(t, lease.Extend(t.Context()))
				require.NoError(t, lease.Done(t.Context()))
				require.ErrorIs(t, lost.Extend(t.Context()), queue.ErrForgotten)
				require.ErrorIs(t, lost.Return(t.Context()), queue.ErrForgotten)
				requireDepth(t, q, 0, 0)
			})
		})
	}
}

func TestManyLeasesThatAreOverComeBack(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		const runs = 40
		client := open(t)
		dead := process(client, "dead", long)
		for i := range runs {
			require.NoError(t, dead.Push(t.Context(), fmt.Sprint("r", i)))
			take(t, dead)
		}
		q := process(client, "alive", soon)
		got := map[string]bool{}
		for range runs {
			lease := take(t, q)
			got[lease.RunID] = true
			require.NoError(t, lease.Done(t.Context()))
		}
		require.Len(t, got, runs)
		requireDepth(t, q, 0, 0)
	})
}

// TestExtendKeepsTheLease extends for several lease times; in all of them
// another worker finds nothing.
func TestExtendKeepsTheLease(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		const lease = 600 * time.Millisecond
		client := open(t)
		owner, other := process(client, "owner", lease), process(client, "other", lease)
		require.NoError(t, owner.Push(t.Context(), "r1"))
		held := take(t, owner)

		ctx, cancel := context.WithTimeout(t.Context(), 4*lease)
		defer cancel()
		beat := time.NewTicker(lease / 12)
		defer beat.Stop()
		taken := make(chan error, 1)
		go func() {
			_, err := other.Take(ctx)
			taken <- err
		}()
		for ctx.Err() == nil {
			<-beat.C
			require.NoError(t, held.Extend(t.Context()))
		}
		require.ErrorIs(t, <-taken, context.DeadlineExceeded)
		require.NoError(t, held.Done(t.Context()))
	})
}

func TestReturnWaitsAgain(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		q := process(open(t), "a", long)
		require.NoError(t, q.Push(t.Context(), "r1"))
		require.NoError(t, take(t, q).Return(t.Context()))
		requireDepth(t, q, 1, 0)
		require.NoError(t, q.Push(t.Context(), "r1"))
		requireDepth(t, q, 1, 0)

		again := take(t, q)
		require.Equal(t, "r1", again.RunID)
		require.NoError(t, q.Push(t.Context(), "r1"))
		require.NoError(t, again.Return(t.Context()))
		requireDepth(t, q, 1, 0)
		require.NoError(t, take(t, q).Done(t.Context()))
		requireDepth(t, q, 0, 0)
	})
}

// TestFlushHeals: after FLUSHALL the waiting worker takes what is pushed next,
// and the lease that was lost says so without an alarm (I5).
func TestFlushHeals(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		client := open(t)
		q := process(client, "a", long)
		require.NoError(t, q.Push(t.Context(), "r1"))
		held := take(t, q)
		require.NoError(t, q.Push(t.Context(), "r2"))

		taken := make(chan *queue.Lease, 2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for lease, err := q.Take(ctx); err == nil; lease, err = q.Take(ctx) {
				taken <- lease
			}
		}()
		require.Equal(t, "r2", (<-taken).RunID)

		require.NoError(t, client.FlushAll(t.Context()).Err())
		err := held.Extend(t.Context())
		require.ErrorIs(t, err, queue.ErrForgotten)
		require.True(t, fault.Has(err, fault.QueueUnavailable))
		require.NoError(t, q.Push(t.Context(), "r3"))
		require.Equal(t, "r3", (<-taken).RunID)
		require.NoError(t, held.Done(t.Context()))
		require.NoError(t, q.Push(t.Context(), "r1"))
		require.Equal(t, "r1", (<-taken).RunID)
		cancel()
		<-done
	})
}

func TestTakeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		q := process(open(t), "a", long)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := q.Take(ctx)
			ended <- err
		}()
		require.Eventually(t, func() bool { return !q.Health().LastSuccess.IsZero() }, waitFor, every)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)

		require.NoError(t, q.Push(t.Context(), "r1"))
		_, err := q.Take(ctx)
		require.ErrorIs(t, err, context.Canceled)
		requireDepth(t, q, 1, 0)
	})
}

func TestCancelsAreTold(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		client := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		first, second := process(client, "a", long).Cancels(ctx), process(client, "b", long).Cancels(ctx)
		api := process(client, "api", long)
		require.NoError(t, api.PublishCancel(t.Context(), "r1"))
		require.NoError(t, api.PublishCancel(t.Context(), "r2"))
		for _, c := range []<-chan string{first, second} {
			require.Equal(t, "r1", <-c)
			require.Equal(t, "r2", <-c)
		}
		cancel()
		for _, c := range []<-chan string{first, second} {
			for range c {
			}
		}
	})
}

func TestPrefixesAreApart(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		client := open(t)
		a := queue.New(client, queue.Options{Prefix: "a", Block: 20 * time.Millisecond})
		b := queue.New(client, queue.Options{Prefix: "b", Block: 20 * time.Millisecond})
		require.NoError(t, a.Push(t.Context(), "r1"))
		requireEmpty(t, b)
		require.Equal(t, "r1", take(t, a).RunID)
	})
}

func TestCloseLeavesTheGroup(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, open func(testing.TB) redis.UniversalClient) {
		client := open(t)
		holder, closed := process(client, "holder", long), process(client, "closed", long)
		require.NoError(t, closed.Close(t.Context()), "before there is a group")
		require.NoError(t, closed.Push(t.Context(), "r1"))
		require.NoError(t, take(t, closed).Done(t.Context()))
		require.NoError(t, holder.Push(t.Context(), "r2"))
		take(t, holder)
		require.ElementsMatch(t, []string{"holder", "closed"}, consumers(t, client))

		require.NoError(t, closed.Close(t.Context()))
		require.NoError(t, holder.Close(t.Context()))
		require.Equal(t, []string{"holder"}, consumers(t, client), "who holds a lease stays")
		requireDepth(t, holder, 0, 1)
	})
}

func consumers(t *testing.T, client redis.UniversalClient) (names []string) {
	t.Helper()
	found, err := client.XInfoConsumers(t.Context(), "{connector}:runs", "workers").Result()
	require.NoError(t, err)
	for _, c := range found {
		names = append(names, c.Name)
	}
	return names
}
