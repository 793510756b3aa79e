package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

// Do makes one attempt of a claimed run and settles its row. extend keeps
// alive whatever else holds the run. When another worker has taken the run
// meanwhile nothing is written (I2) and the settlement is empty.
func (w *Worker) Do(ctx context.Context, r *flows.Run, extend func(context.Context) error) flows.Settlement {
	started := w.Now()
	w.Observer.RunStarted(r)
	log := w.Log.With("run", r.ID, "flow", r.FlowID, "attempt", r.Attempt)
	log.InfoContext(ctx, "run started")

	ctx = audit.As(ctx, audit.Actor{ID: audit.Run, RunID: r.ID, Attempt: int(r.Attempt), Worker: w.Name})
	actx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { cancel(fault.New(fault.RunReleased, "the worker is stopping")) })
	defer stop()
	h := &held{cancel: cancel}
	w.hold(r.ID, h)
	defer w.release(r.ID)
	beating := make(chan struct{})
	go func() { defer close(beating); w.heartbeat(actx, r, cancel, extend) }()
	telling := make(chan struct{})
	go func() { defer close(telling); w.tell(actx, r, &h.progress) }()

	ledger, err := w.attempt(actx, r, h)
	if cause := context.Cause(actx); cause != nil && isStop(cause) && err != nil {
		err = cause
	}
	cancel(nil)
	<-beating
	<-telling

	s := w.settlement(r, ledger, err)
	if fault.Has(err, fault.ConnectionOffline) {
		s.WaitsFor = h.connection
	}
	if s.State == "" {
		log.WarnContext(ctx, "run was taken over by another worker")
		return s
	}
	if !w.settle(ctx, r, s) {
		return flows.Settlement{}
	}
	w.tellEnd(ctx, r, &h.progress, s.State)
	took := w.Now().Sub(started)
	w.Observer.RunSettled(r, s, took)
	if s.State == flows.Failed {
		log.ErrorContext(ctx, "run failed", "error", err, "took", took)
	} else {
		log.InfoContext(ctx, "run settled", "state", s.State, "reason", err, "took", took)
	}
	return s
}

func (w *Worker) hold(id string, h *held) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[id] = h
}

func (w *Worker) release(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, id)
}

// attempt does a run whose connection may be used; a panic becomes a fault.
func (w *Worker) attempt(ctx context.Context, r *flows.Run, h *held) (ledger flows.Ledger, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(fmt.Errorf("%v\n%s", p, debug.Stack()), fault.RunPanic, "the run broke on an unforeseen record or answer")
		}
	}()
	if r.CancelRequested {
		w.abort(ctx, r)
		return flows.Ledger{}, errCanceled()
	}
	if r.Failures >= flows.MaxFailures {
		w.abort(ctx, r)
		return flows.Ledger{}, fault.New(fault.RunAttemptsSpent, "%d attempts in a row got no further, the last ones without a word", r.Failures).
			WithHint("the workers that had the run ended without settling it; look at their logs and at the memory they may use")
	}
	f, err := w.Store.FlowRevision(ctx, r.Workspace, r.FlowID, r.FlowRevision)
	if err != nil {
		return flows.Ledger{}, err
	}
	if f, err = asRun(f, r); err != nil {
		return flows.Ledger{}, err
	}
	doors, err := w.pass(ctx, f, h)
	if err != nil {
		return flows.Ledger{}, err
	}
	return w.deliver(ctx, attempted{r, f, &h.progress}, doors)
}

// doors hear how connections were taken.
type doors struct {
	source, sink func(error) error
	// lookups are the doors of lookups that ask agents, by name.
	lookups map[string]func(error) error
}

// pass asks the gate for every connection of the flow.
func (w *Worker) pass(ctx context.Context, f *flows.Flow, h *held) (doors, error) {
	door := func(id string) (func(error) error, error) {
		if id == "" {
			return func(err error) error { return err }, nil
		}
		h.connection = id
		revision, err := w.Gate.Pass(ctx, f.Workspace, id)
		return func(err error) error {
			h.connection = id
			return w.Gate.Refused(ctx, f.Workspace, id, revision, err)
		}, err
	}
	source, err := door(f.Export.ConnectionID)
	if err != nil {
		return doors{}, err
	}
	sink, err := door(f.Import.ConnectionID)
	if err != nil {
		return doors{}, err
	}
	d := doors{source: source, sink: sink, lookups: map[string]func(error) error{}}
	for _, t := range f.Lookups {
		if t.Agent == nil {
			continue
		}
		if d.lookups[t.Name], err = door(t.Agent.ConnectionID); err != nil {
			return doors{}, err
		}
	}
	return d, nil
}

// guarded is a source whose connection's gate hears why it could not be read.
type guarded struct {
	engine.Source
	heard func(error) error
}

// Open implements engine.Source; its faults are a sourceFault.
func (g guarded) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	stream, err := g.Source.Open(ctx, want)
	if err == nil || errors.Is(err, engine.ErrNoRecords) {
		return stream, err
	}
	return nil, &sourceFault{g.heard(err)}
}

// sourceFault is a fault that says nothing of the sink's connection.
type sourceFault struct{ error }

// Unwrap gives the fault.
func (s *sourceFault) Unwrap() error { return s.error }

// attempted is what an attempt is made of.
type attempted struct {
	run      *flows.Run
	flow     *flows.Flow
	progress *engine.Progress
}

// deliver lets the engine do the run. The doors hear how it ended.
func (w *Worker) deliver(ctx context.Context, a attempted, doors doors) (flows.Ledger, error) {
	r, f := a.run, a.flow
	source, err := w.Endpoints.Source(f, r)
	if err != nil {
		return flows.Ledger{}, err
	}
	if c, ok := source.(io.Closer); ok {
		defer func() {
			if err := c.Close(); err != nil {
				w.Log.WarnContext(ctx, "a source could not be closed", "run", r.ID, "error", err)
			}
		}()
	}
	sink, err := w.sink(ctx, f, r)
	if err != nil {
		return flows.Ledger{}, doors.sink(err)
	}
	sink = sinkOf(r, sink)
	j := &tokenJournal{
		store: w.Store, token: r.Token(), jobID: r.Checkpoint.PushJobID, submitted: r.Checkpoint.Submitted, trace: f.Trace(), dry: r.Options.DryRun,
	}
	if r.Checkpoint.Forecast != nil {
		j.forecast = r.Checkpoint.Forecast.Errors
	}
	tracing, err := w.tracing(ctx, f, r)
	if err != nil {
		return flows.Ledger{}, err
	}
	shape, err := w.shape(ctx, f, r)
	if err != nil {
		return flows.Ledger{}, err
	}
	defer func() {
		if err := shape.Close(); err != nil {
			w.Log.WarnContext(ctx, "the requests that lookups did not use could not be given back", "run", r.ID, "error", err)
		}
	}()
	ledger, err := w.Engine.Run(ctx, engine.Job{
		Source: guarded{source, doors.source}, Sink: sink, Journal: j, Rules: f.Mapping, Shape: guardAskers(shape, doors), Policy: f.Policy(), Keys: f.Import.Keys,
		MaxErrors: *f.MaxErrors, Checkpoint: r.Checkpoint, Progress: a.progress, Tracing: tracing,
	})
	var fromSource *sourceFault
	if !errors.As(err, &fromSource) {
		err = doors.sink(err)
	}
	if err != nil && j.jobID != "" && !j.submitted && w.isOver(ctx, r, err) {
		w.drop(ctx, r, sink, j.jobID)
	}
	return ledger, err
}

// shape gives what the flow does to records; now() is the run's creation, whatever the attempt.
func (w *Worker) shape(ctx context.Context, f *flows.Flow, r *flows.Run) (mapping.Shape, error) {
	if s, ok := w.Endpoints.(Shaper); ok {
		return s.Shape(ctx, f, r)
	}
	s := mapping.ShapeOf(f.Spec)
	s.Now = r.CreatedAt
	return s, nil
}

// isOver reports whether no later attempt will use the push job of this one.
func (w *Worker) isOver(ctx context.Context, r *flows.Run, err error) bool {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	s := w.settlement(r, flows.Ledger{}, err)
	return s.State == flows.Failed || s.State == flows.Canceled
}

// abort drops the push job of a run that nobody will finish.
func (w *Worker) abort(ctx context.Context, r *flows.Run) {
	if r.Checkpoint.PushJobID == "" || r.Checkpoint.Submitted {
		return
	}
	f, err := w.Store.FlowRevision(ctx, r.Workspace, r.FlowID, r.FlowRevision)
	if err != nil {
		return
	}
	if f, err = asRun(f, r); err != nil {
		return
	}
	if sink, err := w.sink(ctx, f, r); err == nil {
		w.drop(ctx, r, sinkOf(r, sink), r.Checkpoint.PushJobID)
	}
}

// drop deletes a push job that was never executed. It is a courtesy: nothing
// of such a job is visible (I3).
func (w *Worker) drop(ctx context.Context, r *flows.Run, sink engine.Sink, jobID string) {
	ctx, cancel := afterlife(ctx)
	defer cancel()
	if err := sink.Abort(ctx, jobID); err != nil {
		w.Log.WarnContext(ctx, "an unused push job stays behind in Celonis", "run", r.ID, "pushJob", jobID, "error", err)
	}
}

// heartbeat extends the lease while the attempt lasts, and ends the attempt
// when the run is another worker's or was canceled. While the database does
// not answer, the attempt goes on for as long as its lease holds.
func (w *Worker) heartbeat(ctx context.Context, r *flows.Run, cancel context.CancelCauseFunc, extend func(context.Context) error) {
	until := r.LeaseUntil
	ticker := time.NewTicker(w.Lease / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		next := w.Now().Add(w.Lease)
		canceled, err := w.Store.ExtendRun(ctx, r.Token(), next)
		switch {
		case err == nil && canceled:
			cancel(errCanceled())
			return
		case err == nil:
			until = next
			if err := extend(ctx); err != nil && ctx.Err() == nil {
				w.Log.DebugContext(ctx, "the queue's lease could not be extended", "run", r.ID, "error", err)
			}
		case fault.Has(err, fault.RunLeaseLost), w.Now().After(until):
			cancel(fault.Wrap(err, fault.RunLeaseLost, "the lease is over"))
			return
		}
	}
}

// settlement turns an attempt's end into the row's.
func (w *Worker) settlement(r *flows.Run, ledger flows.Ledger, err error) flows.Settlement {
	s := flows.Settlement{Now: w.Now(), CountAttempt: true}
	if err == nil {
		s.State, s.Ledger = flows.Succeeded, &ledger
		return s
	}
	switch fault.CodeOf(err) {
	case fault.RunLeaseLost:
		return flows.Settlement{}
	case fault.RunReleased:
		return flows.Settlement{State: flows.Queued, Now: s.Now}
	}
	s.Error = flows.RunErrorOf(err)
	if fault.Has(err, fault.RunCanceled) {
		s.State = flows.Canceled
		return s
	}
	switch fault.RetryOf(err) {
	case fault.Wait:
		at := fault.From(err).ResumeAt
		if !at.After(s.Now) {
			at = s.Now.Add(firstRetry)
		}
		return flows.Settlement{State: flows.Waiting, Error: s.Error, ResumeAt: at, Now: s.Now}
	case fault.Later:
		if r.Failures+1 < flows.MaxFailures {
			return flows.Settlement{
				State: flows.Waiting, Error: s.Error, ResumeAt: s.Now.Add(retryPause(r.Failures)),
				CountAttempt: true, CountFailure: true, Now: s.Now,
			}
		}
		s.CountFailure = true
		s.Error.Hint = fmt.Sprintf("%d attempts in a row got no further; start the flow again once the cause is gone. %s", flows.MaxFailures, s.Error.Hint)
	}
	s.State = flows.Failed
	return s
}

const (
	// firstRetry and maxRetry bound the growing wait between two attempts.
	firstRetry, maxRetry = time.Second, 5 * time.Minute
)

// retryPause grows with the failures in a row, with full jitter above half.
func retryPause(failures int) time.Duration {
	d := min(firstRetry<<min(failures, 16), maxRetry)
	return d/2 + rand.N(d/2+1)
}

// settle writes the settlement, and tries again for as long as the lease lasts
// while the database does not answer. It reports whether the row has it.
func (w *Worker) settle(ctx context.Context, r *flows.Run, s flows.Settlement) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.Lease)
	defer cancel()
	for try := 0; ; try++ {
		err := w.Store.SettleRun(ctx, r.Token(), s)
		if err == nil {
			return true
		}
		if fault.Has(err, fault.RunLeaseLost) || ctx.Err() != nil {
			w.Log.WarnContext(ctx, "a run could not be settled; another attempt will", "run", r.ID, "error", err)
			return false
		}
		_ = pace.Rest(ctx, retryPause(try)/4)
	}
}

// tokenJournal saves checkpoints under the worker's token (I2).
type tokenJournal struct {
	store     Store
	token     flows.Token
	jobID     string
	submitted bool
	// trace tells the records of errors from others.
	trace flows.Trace
	// dry says that the run sends nothing; forecast are the first record errors of it.
	dry      bool
	forecast []flows.ForecastError
}

// Save implements engine.Journal; the engine calls it one at a time.
func (j *tokenJournal) Save(ctx context.Context, c flows.Checkpoint, errors []flows.RecordError) error {
	if j.dry {
		j.foreseen(&c, errors)
		errors = nil
	}
	for i := range errors {
		errors[i].Describe(j.trace)
	}
	if err := j.store.SaveCheckpoint(ctx, j.token, c, errors); err != nil {
		return err
	}
	j.jobID, j.submitted = c.PushJobID, c.Submitted
	return nil
}
