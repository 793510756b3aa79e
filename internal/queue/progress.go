package queue

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

var (
	_ flows.ProgressSink   = (*Queue)(nil)
	_ flows.ProgressSource = (*Queue)(nil)
)

// progressKey holds what was told last of a run. Every run has a key of its
// own, without the hash tag of the stream, so that a cluster spreads them.
func (q *Queue) progressKey(runID string) string { return q.opts.Prefix + ":progress:" + runID }

// PublishProgress keeps how far a run is for flows.ProgressTrust. Only the
// newest is kept: who comes late needs no other, and a reader that is slow or
// gone costs nothing. It returns fault QueueUnavailable.
func (q *Queue) PublishProgress(ctx context.Context, runID string, p flows.Progress) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the progress of a run has no JSON form")
	}
	if err := q.client.Set(ctx, q.progressKey(runID), text, flows.ProgressTrust).Err(); err != nil {
		return q.failed(err)
	}
	q.succeeded()
	return nil
}

// LastProgress implements flows.ProgressSource. It returns fault QueueUnavailable.
func (q *Queue) LastProgress(ctx context.Context, runID string) (*flows.Progress, error) {
	text, err := q.client.Get(ctx, q.progressKey(runID)).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil && ctx.Err() != nil: // a caller who left says nothing of Redis
		return nil, fault.Wrap(err, fault.Unavailable, "the call was canceled")
	case err != nil:
		return nil, q.failed(err)
	}
	var p flows.Progress
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, nil // of another version: nothing is known
	}
	return &p, nil
}
