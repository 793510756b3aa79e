package queue_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/queue"
)

func TestOnlyTheNewestProgressIsKeptAndNotForLong(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer client.Close()
	q := queue.New(client, queue.Options{})
	ctx := t.Context()

	p, err := q.LastProgress(ctx, "run")
	require.NoError(t, err)
	require.Nil(t, p)
	at := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	for n := range int64(3) {
		require.NoError(t, q.PublishProgress(ctx, "run", flows.Progress{Fence: 2, At: at, Stage: flows.StageReading, Read: n, RowsPerSecond: 1.5}))
	}
	p, err = q.LastProgress(ctx, "run")
	require.NoError(t, err)
	require.Equal(t, &flows.Progress{Fence: 2, At: at, Stage: flows.StageReading, Read: 2, RowsPerSecond: 1.5}, p)
	other, err := q.LastProgress(ctx, "another")
	require.NoError(t, err)
	require.Nil(t, other)
	require.Len(t, server.Keys(), 1)

	server.FastForward(flows.ProgressTrust)
	p, err = q.LastProgress(ctx, "run")
	require.NoError(t, err)
	require.Nil(t, p, "what nobody renews is not believed")

	server.Close()
	_, err = q.LastProgress(ctx, "run")
	require.True(t, fault.Has(err, fault.QueueUnavailable), "%v", err)
	require.True(t, fault.Has(q.PublishProgress(ctx, "run", flows.Progress{}), fault.QueueUnavailable))
}
