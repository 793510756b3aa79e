// Package queue carries run ids from those who have work to those who do it,
// through a Redis stream with a consumer group. A taken id is under a lease
// that its worker extends; when a worker dies, the lease ends and another takes
// the id over.
//
// Redis is a hint and the run row in SQL is the truth (I5): whatever is lost
// here, by a flush for one, is pushed again by the sweep over the rows.
package queue

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// Options say how a queue works. The zero value is good for production.
type Options struct {
	// Prefix starts every Redis key, "connector" when empty. Queues of one
	// Redis with different prefixes do not see each other.
	Prefix string
	// Group is the consumer group's name, "workers" when empty.
	Group string
	// Consumer names this process in the group; it must differ from that of
	// every other process. When empty it is made of host, process id and chance.
	Consumer string
	// Lease is how long a taken id is left alone without Extend, 30 s when zero.
	Lease time.Duration
	// Block is the longest time that Take waits inside Redis, and so the
	// longest time in which it does not see that its context has ended; 250 ms
	// when zero.
	Block time.Duration
	// Retire is after how long a silent process that holds nothing is taken out
	// of the group, an hour when zero.
	Retire time.Duration
	// Now gives the time for Health, time.Now when nil. Leases are measured by
	// the clock of Redis.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "connector"
	}
	if o.Group == "" {
		o.Group = "workers"
	}
	if o.Consumer == "" {
		host, _ := os.Hostname()
		o.Consumer = fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strings.ToLower(rand.Text()[:8]))
	}
	if o.Lease <= 0 {
		o.Lease = 30 * time.Second
	}
	if o.Block <= 0 {
		o.Block = 250 * time.Millisecond
	}
	if o.Retire <= 0 {
		o.Retire = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Queue is a queue of run ids. Any number of goroutines may use it.
type Queue struct {
	client redis.UniversalClient
	opts   Options
	// stream holds the ids, waiting keeps the message that carries each id, so
	// that an id waits once only. They share a hash tag: scripts touch both,
	// and in a cluster that needs one slot.
	stream, waiting, cancels string

	mu sync.Mutex
	// nextReclaim and nextPrune are when Take looks for leases that are over
	// and for consumers that are gone.
	nextReclaim, nextPrune time.Time
	health                 Health
}

var (
	_ flows.Queue    = (*Queue)(nil)
	_ flows.Canceler = (*Queue)(nil)
)

// New makes a queue on a client; the client stays the caller's to close.
func New(client redis.UniversalClient, opts Options) *Queue {
	opts = opts.withDefaults()
	tag := "{" + opts.Prefix + "}"
	return &Queue{
		client: client, opts: opts,
		stream: tag + ":runs", waiting: tag + ":waiting", cancels: tag + ":cancels",
	}
}

// Push makes a run id wait for a worker. An id that waits already is left as it
// is; one that a worker holds waits once more. It returns fault
// QueueUnavailable when Redis does not answer.
func (q *Queue) Push(ctx context.Context, runID string) error {
	return q.PushAll(ctx, []string{runID})
}

// PushAll pushes ids in their order, in as few calls as it takes.
func (q *Queue) PushAll(ctx context.Context, runIDs []string) error {
	const most = 500 // ids a call: a script holds up the whole Redis
	for len(runIDs) > 0 {
		part := runIDs[:min(most, len(runIDs))]
		runIDs = runIDs[len(part):]
		args := make([]any, 0, len(part)+1)
		args = append(args, q.opts.Group)
		for _, id := range part {
			if id == "" {
				return fault.New(fault.Internal, "an empty run id was pushed")
			}
			args = append(args, id)
		}
		if err := pushScript.Run(ctx, q.client, q.keys(), args...).Err(); err != nil {
			return q.failed(err)
		}
	}
	q.succeeded()
	return nil
}

// Depth is how many ids the queue holds.
type Depth struct {
	// Waiting ids are with no worker yet, Leased ones are.
	Waiting, Leased int64
}

// Depth counts the ids. It returns fault QueueUnavailable.
func (q *Queue) Depth(ctx context.Context) (Depth, error) {
	counts, err := depthScript.Run(ctx, q.client, q.keys(), q.opts.Group).Int64Slice()
	if err != nil || len(counts) != 2 {
		return Depth{}, q.failed(err)
	}
	q.succeeded()
	return Depth{Waiting: max(0, counts[0]-counts[1]), Leased: counts[1]}, nil
}

// Ping asks Redis for an answer. It returns fault QueueUnavailable.
func (q *Queue) Ping(ctx context.Context) error {
	if err := q.client.Ping(ctx).Err(); err != nil {
		return q.failed(err)
	}
	q.succeeded()
	return nil
}

// Close takes this process out of the group unless it still holds a lease.
// The client stays open.
func (q *Queue) Close(ctx context.Context) error {
	if err := leaveScript.Run(ctx, q.client, q.keys(), q.opts.Group, q.opts.Consumer).Err(); err != nil {
		return q.failed(err)
	}
	return nil
}

func (q *Queue) keys() []string { return []string{q.stream, q.waiting} }
