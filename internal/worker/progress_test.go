package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// told keeps what a worker told of runs.
type told struct {
	mu   sync.Mutex
	list []flows.Progress
	fail error
}

func (p *told) PublishProgress(_ context.Context, _ string, s flows.Progress) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, s)
	return p.fail
}

func TestAWorkerTellsHowFarItsRunsAre(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		commit error
		last   flows.RunStage
	}{
		"succeeded": {nil, flows.StageEnded},
		"failed":    {fault.New(fault.CelonisJobFailed, "no"), flows.StageEnded},
		"waiting":   {fault.New(fault.CelonisServer, "500"), flows.StageWaiting},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.sink.commit = c.commit
			out := &told{fail: errors.New("nobody listens")}
			b.worker.Progress = out
			b.worker.Do(t.Context(), b.run, noLease)
			require.GreaterOrEqual(t, len(out.list), 2)
			require.LessOrEqual(t, len(out.list), 4, "at most once a second, and the end")
			last := out.list[len(out.list)-1]
			require.Equal(t, c.last, last.Stage)
			require.Equal(t, b.run.Fence, last.Fence)
			require.EqualValues(t, 2, last.Read)
		})
	}
}
