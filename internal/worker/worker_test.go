package worker_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/worker"
	"github.com/stretchr/testify/require"
)

func TestHowAnAttemptEnds(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	for name, c := range map[string]struct {
		commit   error
		failures int
		state    flows.State
		counted  bool
		failure  bool
		aborted  bool
		resumeAt time.Time
		code     fault.Code
	}{
		"ok":                     {state: flows.Succeeded, counted: true},
		"never":                  {commit: fault.New(fault.CelonisJobFailed, "no"), state: flows.Failed, counted: true, code: fault.CelonisJobFailed},
		"refused by Celonis":     {commit: fault.New(fault.CelonisUnauthorized, "no"), state: flows.Waiting, code: fault.ConnectionOffline},
		"later":                  {commit: fault.New(fault.CelonisServer, "500"), state: flows.Waiting, counted: true, failure: true, code: fault.CelonisServer},
		"a stranger":             {commit: errors.New("odd"), state: flows.Waiting, counted: true, failure: true, code: fault.Internal},
		"later, once too often":  {commit: fault.New(fault.CelonisServer, "500"), failures: flows.MaxFailures - 1, state: flows.Failed, counted: true, failure: true, code: fault.CelonisServer},
		"wait counts no attempt": {commit: fault.New(fault.CelonisRateLimited, "250").WithResumeAt(soon), state: flows.Waiting, resumeAt: soon, code: fault.CelonisRateLimited},
		"wait without a time":    {commit: fault.New(fault.CelonisJobStillBusy, "busy"), failures: flows.MaxFailures - 1, state: flows.Waiting, code: fault.CelonisJobStillBusy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.sink.commit = c.commit
			b.run.Failures = c.failures
			s := b.worker.Do(t.Context(), b.run, noLease)
			require.Equal(t, c.state, s.State)
			require.Equal(t, c.counted, s.CountAttempt)
			require.Equal(t, c.failure, s.CountFailure)
			require.Equal(t, []flows.Settlement{s}, b.store.settled)
			switch {
			case c.code == "":
				require.Nil(t, s.Error)
				require.Equal(t, flows.Ledger{Read: 2, Pushed: 2}, *s.Ledger)
			default:
				require.Equal(t, c.code, s.Error.Code)
			}
			if s.State == flows.Waiting {
				require.True(t, s.ResumeAt.After(b.now()), "%v", s.ResumeAt)
			}
			if !c.resumeAt.IsZero() {
				require.Equal(t, c.resumeAt, s.ResumeAt)
			}
			if s.State != flows.Succeeded {
				require.Nil(t, s.Ledger, "nothing of it is visible")
			}
		})
	}
}

func TestAFailedRunDropsItsUnusedPushJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sink.put = fault.New(fault.CelonisRejected, "no such column")
	s := b.worker.Do(t.Context(), b.run, noLease)
	require.Equal(t, flows.Failed, s.State)
	require.Equal(t, []string{"job"}, b.sink.aborted())
}

func TestARunWaitsForItsConnection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sink.put = fault.New(fault.CelonisUnauthorized, "no")
	s := b.worker.Do(t.Context(), b.run, noLease)
	require.Equal(t, "connection", s.WaitsFor)
	require.False(t, s.CountAttempt)
	require.Empty(t, b.sink.aborted(), "the run goes on with its push job")

	resumeAt := b.now().Add(time.Hour)
	b.gate.heard, b.gate.closed = nil, fault.New(fault.ConnectionOffline, "offline").WithResumeAt(resumeAt)
	s = b.worker.Do(t.Context(), b.run, noLease)
	require.Equal(t, flows.Waiting, s.State)
	require.Equal(t, "connection", s.WaitsFor)
	require.Equal(t, resumeAt, s.ResumeAt)
	require.False(t, s.CountAttempt)
	require.Empty(t, b.gate.heard, "nothing was sent")
}

func TestARunThatWillGoOnKeepsItsPushJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sink.put = fault.New(fault.CelonisServer, "500")
	s := b.worker.Do(t.Context(), b.run, noLease)
	require.Equal(t, flows.Waiting, s.State)
	require.Empty(t, b.sink.aborted())
}

func TestStoppingGivesTheAttemptBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.sink.block = make(chan struct{})
	b.sink.onPut = cancel
	s := b.worker.Do(ctx, b.run, noLease)
	require.Equal(t, flows.Queued, s.State)
	require.False(t, s.CountAttempt)
	require.False(t, s.CountFailure)
	require.Len(t, b.store.settled, 1)
	require.Empty(t, b.sink.aborted(), "the next attempt may go on with the job")
}

func TestACancelReachesTheAttemptThroughTheQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sink.block = make(chan struct{})
	putting := make(chan struct{})
	b.sink.onPut = func() { close(putting) }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.worker.Run(ctx) }()
	b.queue.offer <- b.run.ID
	<-putting
	b.queue.cancels <- b.run.ID
	require.Equal(t, flows.Canceled, (<-b.store.settling).State)
	require.Equal(t, []string{"job"}, b.sink.aborted())
	cancel()
	<-done
}

func TestACancelReachesTheAttemptThroughTheRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sink.block = make(chan struct{})
	b.store.canceled = true
	s := b.worker.Do(t.Context(), b.run, noLease)
	require.Equal(t, flows.Canceled, s.State)
	require.Equal(t, fault.RunCanceled, s.Error.Code)
}

func TestALostLeaseWritesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sink.block = make(chan struct{})
	b.store.extendErr = fault.New(fault.RunLeaseLost, "another worker claimed the run")
	s := b.worker.Do(t.Context(), b.run, noLease)
	require.Empty(t, s.State)
	require.Empty(t, b.store.settled)
	require.Empty(t, b.sink.aborted(), "the job may be the other worker's now")
}

func TestARunThatEndsItsWorkersIsGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run.Failures = flows.MaxFailures
	s := b.worker.Do(t.Context(), b.run, noLease)
	require.Equal(t, flows.Failed, s.State)
	require.Equal(t, fault.RunAttemptsSpent, s.Error.Code)
}

func TestAPanicFailsTheRunAndTheWorkerLives(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sink.panics = true
	s := b.worker.Do(t.Context(), b.run, noLease)
	require.Equal(t, flows.Failed, s.State)
	require.Equal(t, fault.RunPanic, s.Error.Code)
	b.sink.panics = false
	require.Equal(t, flows.Succeeded, b.worker.Do(t.Context(), b.run, noLease).State)
}

func TestAStaleHintIsDropped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.claimErr = fault.New(fault.RunStateConflict, "the run has ended")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.worker.Run(ctx) }()
	b.queue.offer <- "ended"
	require.Equal(t, "done ended", <-b.queue.acts)
	cancel()
	<-done
	require.Empty(t, b.store.settled)
}

func TestARunGivenBackIsAnnouncedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sink.block = make(chan struct{})
	putting := make(chan struct{})
	b.sink.onPut = func() { close(putting) }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.worker.Run(ctx) }()
	b.queue.offer <- b.run.ID
	<-putting
	cancel()
	require.Equal(t, "done run", <-b.queue.acts)
	require.Equal(t, "push run", <-b.queue.acts)
	<-done
}

// ---- the rooms that a worker stands on

type bundle struct {
	worker *worker.Worker
	store  *fakeStore
	queue  *fakeQueue
	sink   *fakeSink
	gate   *fakeGate
	run    *flows.Run
	now    func() time.Time
}

func noLease(context.Context) error { return nil }

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{
		store: &fakeStore{settling: make(chan flows.Settlement, 10)},
		queue: &fakeQueue{offer: make(chan string), cancels: make(chan string), acts: make(chan string, 10)},
		sink:  &fakeSink{},
		gate:  &fakeGate{},
		now:   time.Now,
	}
	b.run = &flows.Run{ID: "run", Workspace: "w", FlowID: "flow", FlowRevision: 1, State: flows.Running, Fence: 1, Attempt: 1, LeaseUntil: b.now().Add(time.Minute)}
	b.store.run = b.run
	b.worker = worker.New(worker.Deps{
		Store: b.store, Queue: b.queue, Endpoints: b, Gate: b.gate, Engine: engine.New(engine.Options{}), Observer: deaf{},
		Log: slog.New(slog.DiscardHandler), Now: b.now, Name: "test", Slots: 1, Lease: 80 * time.Millisecond,
	})
	return b
}

func (b *bundle) Source(*flows.Flow, *flows.Run) (engine.Source, error) {
	return csvText("A\n1\n2\n"), nil
}
func (b *bundle) Sink(context.Context, *flows.Flow) (engine.Sink, error) { return b.sink, nil }

type csvText string

func (s csvText) Open(context.Context, []string) (*engine.Stream, error) {
	r, err := columns.Open(strings.NewReader(string(s)), columns.ReadOptions{Format: columns.FormatCSV})
	if err != nil {
		return nil, err
	}
	return &engine.Stream{Reader: r, NamesComplete: true}, nil
}

type deaf struct{}

func (deaf) RunStarted(*flows.Run)                                  {}
func (deaf) RunSettled(*flows.Run, flows.Settlement, time.Duration) {}

type fakeStore struct {
	mu        sync.Mutex
	run       *flows.Run
	settled   []flows.Settlement
	settling  chan flows.Settlement
	canceled  bool
	extendErr error
	claimErr  error
}

func (s *fakeStore) FlowRevision(context.Context, string, string, int64) (*flows.Flow, error) {
	return &flows.Flow{Spec: flows.Spec{Import: flows.Import{ConnectionID: "connection"}, MaxErrors: &flows.Threshold{}}}, nil
}
func (s *fakeStore) OpenTraces(context.Context, flows.Token) ([]string, error) { return nil, nil }
func (s *fakeStore) SaveTraces(context.Context, flows.Token, []string) error   { return nil }
func (s *fakeStore) ClaimRun(context.Context, string, flows.Claim) (*flows.Run, error) {
	return s.run, s.claimErr
}
func (s *fakeStore) Waiters(context.Context, time.Time) ([]flows.Waiter, error) { return nil, nil }
func (s *fakeStore) ExtendRun(context.Context, flows.Token, time.Time) (bool, error) {
	return s.canceled, s.extendErr
}
func (s *fakeStore) SaveCheckpoint(context.Context, flows.Token, flows.Checkpoint, []flows.RecordError) error {
	return nil
}
func (s *fakeStore) SettleRun(_ context.Context, _ flows.Token, settlement flows.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = append(s.settled, settlement)
	s.settling <- settlement
	return nil
}

type fakeQueue struct {
	offer, cancels, acts chan string
}

func (q *fakeQueue) Take(ctx context.Context) (worker.Lease, error) {
	select {
	case id := <-q.offer:
		return fakeLease{id, q}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
func (q *fakeQueue) Push(_ context.Context, id string) error { q.acts <- "push " + id; return nil }
func (q *fakeQueue) Cancels(ctx context.Context) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for {
			select {
			case id := <-q.cancels:
				out <- id
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

type fakeLease struct {
	id string
	q  *fakeQueue
}

func (l fakeLease) RunID() string                { return l.id }
func (l fakeLease) Extend(context.Context) error { return nil }
func (l fakeLease) Done(context.Context) error   { l.q.acts <- "done " + l.id; return nil }
func (l fakeLease) Return(context.Context) error { l.q.acts <- "return " + l.id; return nil }

// fakeGate closes when a run tells of a refused key.
type fakeGate struct {
	closed error
	heard  []error
}

func (g *fakeGate) Pass(context.Context, string, string) (int64, error) { return 7, g.closed }
func (g *fakeGate) Refused(_ context.Context, _, connection string, revision int64, err error) error {
	g.heard = append(g.heard, err)
	if fault.Has(err, fault.CelonisUnauthorized) && connection == "connection" && revision == 7 {
		return fault.New(fault.ConnectionOffline, "offline")
	}
	return err
}

type fakeSink struct {
	mu          sync.Mutex
	put, commit error
	panics      bool
	onPut       func()
	block       chan struct{}
	abortedJobs []string
}

func (s *fakeSink) aborted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.abortedJobs
}
func (s *fakeSink) Resume(context.Context, flows.Checkpoint) (engine.Decision, error) {
	return engine.StartOver, nil
}
func (s *fakeSink) Begin(context.Context, columns.Schema) (string, error) { return "job", nil }
func (s *fakeSink) Encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	if s.panics {
		panic("unforeseen")
	}
	return columns.NewCSVEncoder(schema, columns.CSVWriteOptions{}), nil
}
func (s *fakeSink) Put(ctx context.Context, _ string, c engine.Chunk) error {
	if s.onPut != nil {
		s.onPut()
	}
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	_, err := io.Discard.Write(c.Body)
	return errors.Join(err, s.put)
}
func (s *fakeSink) Commit(context.Context, string) error { return s.commit }
func (s *fakeSink) Abort(_ context.Context, job string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abortedJobs = append(s.abortedJobs, job)
	return nil
}
