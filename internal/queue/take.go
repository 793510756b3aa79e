package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/celonis-connector/connector/internal/pace"
)

const (
	// firstPause and longestPause bound the waits of Take while Redis does not
	// answer.
	firstPause   = 50 * time.Millisecond
	longestPause = 3 * time.Second
	// callTimeout bounds the calls that Take makes beside its waiting read.
	callTimeout = 3 * time.Second
)

// Take waits for a run id and takes it under a lease: an id whose lease is over
// first, then the one that waits longest. It goes on trying while Redis does
// not answer, with growing pauses, and Health tells of that; so the only error
// it returns is that of ctx: at most Options.Block after ctx has ended, or a
// few seconds when Redis hangs.
func (q *Queue) Take(ctx context.Context) (*Lease, error) {
	pause := firstPause
	for ctx.Err() == nil {
		lease, err := q.takeOnce(ctx)
		if err != nil && noGroup(err) {
			err = q.makeGroup(ctx)
		}
		switch {
		case ctx.Err() != nil:
			q.giveBack(ctx, lease)
		case err != nil:
			_ = q.failed(err)
			_ = pace.Rest(ctx, pause/2+rand.N(pause/2))
			pause = min(2*pause, longestPause)
		case lease != nil:
			q.succeeded()
			return lease, nil
		default:
			q.succeeded()
			pause = firstPause
		}
	}
	return nil, ctx.Err()
}

// takeOnce looks once, waiting up to Options.Block. Both results nil means that
// nothing came.
func (q *Queue) takeOnce(ctx context.Context) (*Lease, error) {
	if q.reclaimIsDue() {
		if lease, err := q.reclaim(ctx); lease != nil || err != nil {
			return lease, err
		}
	}
	// A deadline of ctx must not cut the read: Redis might have handed out a
	// message that then nobody works on until its lease is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.opts.Block+callTimeout)
	defer cancel()
	streams, err := q.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: q.opts.Group, Consumer: q.opts.Consumer, Streams: []string{q.stream, ">"}, Count: 1, Block: q.opts.Block,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, s := range streams {
		for _, m := range s.Messages {
			runID, _ := m.Values["run"].(string)
			return &Lease{RunID: runID, Deliveries: 1, queue: q, message: m.ID}, nil
		}
	}
	return nil, nil
}

// reclaim takes over an id whose lease is over.
func (q *Queue) reclaim(ctx context.Context) (*Lease, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	found, err := reclaimScript.Run(ctx, q.client, q.keys(), q.opts.Group, q.opts.Consumer, q.opts.Lease.Milliseconds()).Slice()
	if err != nil {
		return nil, err
	}
	if len(found) != 3 {
		return nil, q.prune(ctx)
	}
	q.mu.Lock()
	q.nextReclaim = time.Time{} // where one lease is over there may be more
	q.mu.Unlock()
	message, _ := found[0].(string)
	runID, _ := found[1].(string)
	deliveries, _ := found[2].(int64)
	return &Lease{RunID: runID, Deliveries: deliveries, queue: q, message: message}, nil
}

// reclaimIsDue answers yes to one caller in each fourth of a lease, so that
// many waiting workers do not all ask.
func (q *Queue) reclaimIsDue() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if now.Before(q.nextReclaim) {
		return false
	}
	q.nextReclaim = now.Add(q.opts.Lease / 4)
	return true
}

// makeGroup makes stream and group where they are missing: at first, and after
// a flush. The group starts at the stream's beginning, for ids may have been
// pushed before.
func (q *Queue) makeGroup(ctx context.Context) error {
	err := q.client.XGroupCreateMkStream(ctx, q.stream, q.opts.Group, "0").Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return err
}

// prune removes processes that died long ago from the group, once in the time
// that makes one count as dead.
func (q *Queue) prune(ctx context.Context) error {
	q.mu.Lock()
	now := time.Now()
	due := now.After(q.nextPrune)
	if due {
		q.nextPrune = now.Add(q.opts.Retire)
	}
	q.mu.Unlock()
	if !due {
		return nil
	}
	return pruneScript.Run(ctx, q.client, q.keys(), q.opts.Group, q.opts.Retire.Milliseconds()).Err()
}

// giveBack returns an id that came when nobody wanted it any more. When that
// fails, the end of the lease brings it back.
func (q *Queue) giveBack(ctx context.Context, lease *Lease) {
	if lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	_ = lease.Return(ctx)
}

// noGroup reports whether err says that stream or group are not there: of a
// call, or of one that waited when the stream was removed.
func noGroup(err error) bool {
	return strings.Contains(err.Error(), "NOGROUP") || strings.HasPrefix(err.Error(), "UNBLOCKED")
}
