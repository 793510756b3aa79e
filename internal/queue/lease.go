package queue

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/celonis-connector/connector/internal/fault"
)

// ErrForgotten is the cause of the fault QueueUnavailable that Extend and
// Return give when Redis has lost the message, by a flush for one. The worker
// may go on as long as its claim on the run row holds (I5).
var ErrForgotten = errors.New("the lease is gone from Redis")

// Lease is the right to work on a run until the lease is over, or until it was
// extended. It guards time, not truth: what a worker writes is guarded by its
// claim on the run row (I2).
type Lease struct {
	RunID string
	// Deliveries is how often the message was handed out, 1 the first time.
	Deliveries int64

	queue   *Queue
	message string
}

// Extend starts the lease anew. It returns fault RunLeaseLost when another
// lease holds the run, and QueueUnavailable when Redis does not answer or,
// with ErrForgotten as cause, has lost the message.
func (l *Lease) Extend(ctx context.Context) error {
	known, err := l.run(ctx, extendScript)
	if err == nil && !known {
		err = l.forgotten()
	}
	return err
}

// Done takes the run out of the queue. It returns fault RunLeaseLost when
// another lease holds the run, and QueueUnavailable; a message that Redis has
// lost is out of the queue, and no error.
func (l *Lease) Done(ctx context.Context) error {
	_, err := l.run(ctx, doneScript)
	return err
}

// Return gives the run back: it waits again at the end of the queue for any
// worker. The errors are those of Extend.
func (l *Lease) Return(ctx context.Context) error {
	known, err := l.run(ctx, returnScript)
	if err == nil && !known {
		err = l.forgotten()
	}
	return err
}

// run runs a lease script; known false means that Redis has lost the message.
func (l *Lease) run(ctx context.Context, script *redis.Script) (known bool, err error) {
	q := l.queue
	answer, err := script.Run(ctx, q.client, q.keys(), q.opts.Group, l.message, l.RunID, q.opts.Consumer, l.Deliveries).Int()
	if err != nil {
		return false, q.failed(err)
	}
	q.succeeded()
	if answer == 0 {
		return true, fault.New(fault.RunLeaseLost, "another worker has taken run %q over", l.RunID)
	}
	return answer > 0, nil
}

func (l *Lease) forgotten() error {
	return fault.Wrap(ErrForgotten, fault.QueueUnavailable, "Redis has lost the lease of run %q", l.RunID)
}
