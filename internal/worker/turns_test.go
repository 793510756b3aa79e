package worker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// waiting is a store with runs of several workspaces, in the order in which they came.
type waiting struct {
	fakeStore
	mu      sync.Mutex
	queued  []*flows.Run
	running map[string]int64
	started []string
	// idle is closed when nothing waits any more.
	idle chan struct{}
	once sync.Once
}

func (s *waiting) add(workspace string, runs int) {
	for i := range runs {
		s.queued = append(s.queued, &flows.Run{ID: fmt.Sprintf("%s%d", workspace, i), Workspace: workspace, FlowID: "flow",
			FlowRevision: 1, State: flows.Queued, LeaseUntil: time.Now().Add(time.Hour)})
	}
}

func (s *waiting) Waiters(context.Context, time.Time) ([]flows.Waiter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []flows.Waiter
	for _, r := range s.queued {
		if !slices.ContainsFunc(list, func(w flows.Waiter) bool { return w.Workspace == r.Workspace }) {
			list = append(list, flows.Waiter{Workspace: r.Workspace, Running: s.running[r.Workspace], RunID: r.ID})
		}
	}
	return list, nil
}

func (s *waiting) ClaimRun(_ context.Context, id string, _ flows.Claim) (*flows.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.queued, func(r *flows.Run) bool { return r.ID == id })
	if i < 0 {
		return nil, fault.New(fault.RunStateConflict, "it has ended")
	}
	r := s.queued[i]
	s.queued = slices.Delete(s.queued, i, i+1)
	s.running[r.Workspace]++
	s.started = append(s.started, r.ID)
	return r, nil
}

func (s *waiting) SettleRun(_ context.Context, t flows.Token, _ flows.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[t.Workspace]--
	if len(s.queued) == 0 {
		s.once.Do(func() { close(s.idle) })
	}
	return nil
}

// A thousand queued runs of a workspace keep no other one waiting, with one slot as with several.
func TestWorkspacesTakeTurns(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 3} {
		t.Run(fmt.Sprint(slots), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := &waiting{running: map[string]int64{}, idle: make(chan struct{})}
			s.add("a", 1000)
			s.add("b", 1)
			s.add("c", 30)
			b.worker.Store, b.worker.Slots = s, slots
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = b.worker.Run(ctx) }()
			b.queue.offer <- "a0"
			<-s.idle
			cancel()
			<-done
			require.Len(t, s.started, 1031)
			require.Less(t, slices.Index(s.started, "b0"), 20)
			require.Less(t, slices.Index(s.started, "c29"), 80, "its share as long as it waits")
		})
	}
}

func TestAnotherRunsLeaseGoesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := &waiting{running: map[string]int64{}, idle: make(chan struct{})}
	s.add("a", 1)
	b.worker.Store = s
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.worker.Run(ctx) }()
	b.queue.offer <- "other"
	require.Equal(t, "return other", <-b.queue.acts)
	<-s.idle
	b.queue.offer <- "other"
	require.Equal(t, "done other", <-b.queue.acts)
	cancel()
	<-done
}
