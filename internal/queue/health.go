package queue

import (
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Health is what the queue knows of Redis.
type Health struct {
	// LastSuccess is when Redis last did what was asked; zero when never.
	LastSuccess time.Time
	// Err is the fault of the last call, nil when that succeeded.
	Err error
}

// Health tells how the last calls went. While a worker waits in Take, a healthy
// queue's LastSuccess is never older than a second.
func (q *Queue) Health() Health {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.health
}

func (q *Queue) succeeded() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.health = Health{LastSuccess: q.opts.Now()}
}

// failed notes err and gives it as a fault.
func (q *Queue) failed(err error) error {
	f := fault.Wrap(err, fault.QueueUnavailable, "Redis does not answer").
		WithHint("runs stay in the database and go on when Redis is back")
	q.mu.Lock()
	defer q.mu.Unlock()
	q.health.Err = f
	return f
}
