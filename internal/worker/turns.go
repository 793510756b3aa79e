package worker

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// rota remembers in which order this process served the workspaces.
type rota struct {
	mu     sync.Mutex
	count  int64
	served map[string]int64
}

// choose gives the waiter whose turn it is: of the workspaces with the fewest
// runs in work the one that was served longest ago, else the oldest run's. So
// neither a long run nor a thousand queued ones keep another workspace waiting.
func (r *rota) choose(waiters []flows.Waiter) flows.Waiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.MinFunc(waiters, func(a, b flows.Waiter) int {
		return cmp.Or(cmp.Compare(a.Running, b.Running), cmp.Compare(r.served[a.Workspace], r.served[b.Workspace]), cmp.Compare(a.RunID, b.RunID))
	})
}

// serve notes that a workspace had its turn.
func (r *rota) serve(workspace string) {
	const most = 10_000
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.served == nil || len(r.served) >= most {
		r.served = map[string]int64{}
	}
	r.count++
	r.served[workspace] = r.count
}

// claimNext claims the run whose turn it is by the rows, which are the truth of
// what waits (I5); nil when none could be claimed.
func (w *Worker) claimNext(ctx context.Context) (*flows.Run, error) {
	const tries = 3 // others may be quicker
	for range tries {
		waiters, err := w.Store.Waiters(ctx, w.Now())
		if err != nil || len(waiters) == 0 {
			return nil, err
		}
		r, err := w.Claim(ctx, w.rota.choose(waiters).RunID)
		if fault.Has(err, fault.RunStateConflict) || fault.Has(err, fault.RunNotFound) {
			continue
		}
		if err == nil {
			w.rota.serve(r.Workspace)
		}
		return r, err
	}
	return nil, nil
}

// claimFor claims the run whose turn it is, else the one whose id came from the queue.
func (w *Worker) claimFor(ctx context.Context, runID string) (*flows.Run, error) {
	r, err := w.claimNext(ctx)
	if r != nil || err != nil {
		return r, err
	}
	r, err = w.Claim(ctx, runID)
	if err == nil {
		w.rota.serve(r.Workspace)
	}
	return r, err
}

// goOn does the runs whose turn it is until there are none: what had to wait
// for the run that has just ended need not wait for the sweep, too.
func (w *Worker) goOn(ctx context.Context) {
	for ctx.Err() == nil {
		r, err := w.claimNext(ctx)
		if err != nil && ctx.Err() == nil {
			w.Log.WarnContext(ctx, "the next run could not be claimed; the queue will offer one", "error", err)
		}
		if r == nil {
			return
		}
		w.do(ctx, r, func(context.Context) error { return nil })
	}
}

// do does a run and announces it again when it was given back.
func (w *Worker) do(ctx context.Context, r *flows.Run, extend func(context.Context) error) {
	if s := w.Do(ctx, r, extend); s.State == flows.Queued {
		w.announce(ctx, r.ID)
	}
}
