// Package worker takes runs from the queue, holds them with a lease, lets the
// engine do them and settles their rows.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

// Store is what a worker needs of the database.
type Store interface {
	flows.WorkStore
	flows.TraceStore
	FlowRevision(ctx context.Context, workspace, id string, revision int64) (*flows.Flow, error)
}

// Lease is a run id taken from the queue; it goes to another worker when it is
// neither extended nor done in time.
type Lease interface {
	RunID() string
	Extend(ctx context.Context) error
	Done(ctx context.Context) error
	Return(ctx context.Context) error
}

// Queue hands out run ids.
type Queue interface {
	// Take waits for a run id; it returns only with one or when ctx ends.
	Take(ctx context.Context) (Lease, error)
	flows.Queue
	// Cancels tells the ids of running runs whose cancel was asked for, until ctx ends.
	Cancels(ctx context.Context) <-chan string
}

// Endpoints builds the ends of a run.
type Endpoints interface {
	Source(f *flows.Flow, r *flows.Run) (engine.Source, error)
	Sink(ctx context.Context, f *flows.Flow) (engine.Sink, error)
}

// Shaper gives what flows do to records beside their rules; Endpoints that are one are asked.
type Shaper interface {
	Shape(ctx context.Context, f *flows.Flow, r *flows.Run) (mapping.Shape, error)
}

// Gate lets runs use connections, and hears how Celonis took them.
type Gate interface {
	// Pass gives the revision of a connection that a run may use; fault ConnectionOffline while none may.
	Pass(ctx context.Context, workspace, connectionID string) (revision int64, err error)
	// Refused hears the fault of a run that used the connection at a revision and gives the one that the run ends with:
	// ConnectionOffline when Celonis does not let the connection in any more.
	Refused(ctx context.Context, workspace, connectionID string, revision int64, err error) error
}

// Observer hears of runs; the metrics do. It must not block.
type Observer interface {
	RunStarted(r *flows.Run)
	// RunSettled hears every end of an attempt and how long it took.
	RunSettled(r *flows.Run, s flows.Settlement, took time.Duration)
}

// Deps are what a Worker stands on.
type Deps struct {
	Store     Store
	Queue     Queue
	Endpoints Endpoints
	Gate      Gate
	Engine    *engine.Engine
	Observer  Observer
	// Progress hears how far runs are; it may be left out.
	Progress flows.ProgressSink
	Log      *slog.Logger
	Now      func() time.Time
	// Name tells workers apart in run rows and logs.
	Name string
	// Slots is how many runs are done at once.
	Slots int
	// Lease is how long a run stays with a worker that does not answer any more.
	Lease time.Duration
}

// Worker does runs.
type Worker struct {
	Deps

	mu      sync.Mutex
	running map[string]*held
	rota    rota
}

// held is a run in work.
type held struct {
	cancel   context.CancelCauseFunc
	progress engine.Progress
	// connection is the one that the run uses, once that is known.
	connection string
}

// New makes a Worker; every member of d but Progress is needed.
func New(d Deps) *Worker { return &Worker{Deps: d, running: map[string]*held{}} }

// Run works until ctx ends; then it gives the runs it holds back, uncounted,
// and returns when their rows say so.
func (w *Worker) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { w.listenForCancels(ctx) })
	for range w.Slots {
		wg.Go(func() { w.slot(ctx) })
	}
	wg.Wait()
	return nil
}

func (w *Worker) listenForCancels(ctx context.Context) {
	for id := range w.Queue.Cancels(ctx) {
		if h := w.held(id); h != nil {
			h.cancel(errCanceled())
		}
	}
}

func (w *Worker) held(id string) *held {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running[id]
}

// RunProgress gives the progress of a run that this worker has in work; ok is false for any other.
func (w *Worker) RunProgress(runID string) (p *engine.Progress, ok bool) {
	if h := w.held(runID); h != nil {
		return &h.progress, true
	}
	return nil, false
}

func errCanceled() error { return fault.New(fault.RunCanceled, "the run was canceled") }

func (w *Worker) slot(ctx context.Context) {
	for ctx.Err() == nil {
		lease, err := w.Queue.Take(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.Log.ErrorContext(ctx, "the queue gave no run", "error", err)
				_ = pace.Rest(ctx, time.Second)
			}
			continue
		}
		w.serve(ctx, lease)
	}
}

// serve does the run whose turn it is, which need not be the one of the lease,
// and then those that follow. Where none can be claimed the lease's has ended,
// waits for others or is held by another worker; its id was a stale hint.
func (w *Worker) serve(ctx context.Context, lease Lease) {
	r, err := w.claimFor(ctx, lease.RunID())
	switch {
	case fault.Has(err, fault.RunStateConflict), fault.Has(err, fault.RunNotFound):
		w.settleLease(ctx, lease.Done)
		return
	case err != nil:
		if ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "a run could not be claimed", "run", lease.RunID(), "error", err)
			_ = pace.Rest(ctx, time.Second)
		}
		w.settleLease(ctx, lease.Return)
		return
	}
	if r.ID == lease.RunID() {
		settlement := w.Do(ctx, r, lease.Extend)
		w.settleLease(ctx, lease.Done)
		if settlement.State == flows.Queued {
			w.announce(ctx, r.ID)
		}
	} else {
		w.settleLease(ctx, lease.Return)
		w.do(ctx, r, func(context.Context) error { return nil })
	}
	w.goOn(ctx)
}

// settleLease speaks to the queue although the worker is being stopped.
func (w *Worker) settleLease(ctx context.Context, act func(context.Context) error) {
	ctx, cancel := afterlife(ctx)
	defer cancel()
	if err := act(ctx); err != nil {
		w.Log.WarnContext(ctx, "the queue did not take a message back; it will be offered again", "error", err)
	}
}

func (w *Worker) announce(ctx context.Context, runID string) {
	ctx, cancel := afterlife(ctx)
	defer cancel()
	if err := w.Queue.Push(ctx, runID); err != nil {
		w.Log.WarnContext(ctx, "a run given back could not be announced; the sweep will find it", "run", runID, "error", err)
	}
}

// afterlifeTime bounds what is still said to the store and the queue when the worker stops.
const afterlifeTime = 5 * time.Second

func afterlife(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterlifeTime)
}

// Claim takes hold of a run. Faults: RunStateConflict, RunNotFound.
func (w *Worker) Claim(ctx context.Context, runID string) (*flows.Run, error) {
	now := w.Now()
	return w.Store.ClaimRun(ctx, runID, flows.Claim{Worker: w.Name, Now: now, Until: now.Add(w.Lease)})
}

// isStop reports whether err says that the attempt was ended from outside.
func isStop(err error) bool {
	return fault.Has(err, fault.RunCanceled) || fault.Has(err, fault.RunLeaseLost) || fault.Has(err, fault.RunReleased) ||
		errors.Is(err, context.Canceled)
}
