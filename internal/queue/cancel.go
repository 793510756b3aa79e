package queue

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// PublishCancel tells all workers that a run's cancel was asked for. It is a
// hint that saves a worker's time until its next look at the row, and may be
// lost. It returns fault QueueUnavailable.
func (q *Queue) PublishCancel(ctx context.Context, runID string) error {
	if err := q.client.Publish(ctx, q.cancels, runID).Err(); err != nil {
		return q.failed(err)
	}
	q.succeeded()
	return nil
}

// Cancels gives the run ids that PublishCancel tells of from now on, and closes
// when ctx ends. It joins again by itself after a broken connection; what is
// told in between is lost.
func (q *Queue) Cancels(ctx context.Context) <-chan string {
	sub := q.client.Subscribe(ctx, q.cancels)
	// Wait for the subscription to stand, so that what is published after this
	// call is heard; without an answer the subscription is tried in the
	// background.
	_, _ = sub.ReceiveTimeout(ctx, callTimeout)
	out := make(chan string)
	go forward(ctx, sub, out)
	return out
}

func forward(ctx context.Context, sub *redis.PubSub, out chan<- string) {
	defer close(out)
	defer sub.Close()
	messages := sub.Channel(redis.WithChannelHealthCheckInterval(3 * time.Second))
	for {
		select {
		case <-ctx.Done():
			return
		case m, open := <-messages:
			if !open {
				return
			}
			select {
			case out <- m.Payload:
			case <-ctx.Done():
				return
			}
		}
	}
}
