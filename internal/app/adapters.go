package app

import (
	"context"

	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/celonis-connector/connector/internal/queue"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/worker"
)

// workQueue gives the worker the queue's leases in its own words.
type workQueue struct{ *queue.Queue }

var _ worker.Queue = workQueue{}

// Take implements worker.Queue.
func (q workQueue) Take(ctx context.Context) (worker.Lease, error) {
	l, err := q.Queue.Take(ctx)
	if err != nil {
		return nil, err
	}
	return workLease{l}, nil
}

type workLease struct{ *queue.Lease }

// RunID implements worker.Lease.
func (l workLease) RunID() string { return l.Lease.RunID }

// idempotency gives the API the store's idempotency keys in its own words.
type idempotency struct{ store *store.Store }

var _ httpapi.Idempotency = idempotency{}

// BeginIdempotent implements httpapi.Idempotency.
func (i idempotency) BeginIdempotent(ctx context.Context, k httpapi.IdempotencyKey) (*httpapi.IdempotentResponse, error) {
	answer, err := i.store.BeginIdempotent(ctx, store.IdempotencyKey(k))
	return (*httpapi.IdempotentResponse)(answer), err
}

// FinishIdempotent implements httpapi.Idempotency.
func (i idempotency) FinishIdempotent(ctx context.Context, k httpapi.IdempotencyKey, answer httpapi.IdempotentResponse) error {
	return i.store.FinishIdempotent(ctx, store.IdempotencyKey(k), store.IdempotentResponse(answer))
}

// ForgetIdempotent implements httpapi.Idempotency.
func (i idempotency) ForgetIdempotent(ctx context.Context, k httpapi.IdempotencyKey) error {
	return i.store.ForgetIdempotent(ctx, store.IdempotencyKey(k))
}
