package flows_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestTheMeterTellsTheRateOfLate(t *testing.T) {
	t.Parallel()
	var m flows.Meter
	at := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	rates := []float64{}
	for i, read := range []int64{0, 100, 200, 200, 200} {
		rates = append(rates, m.Take(flows.Progress{At: at.Add(time.Duration(i) * time.Second), Read: read}).RowsPerSecond)
	}
	require.InDeltaSlice(t, []float64{0, 100, 100, 60, 36}, rates, 0.01)
}

// board is a run with what is told of it; the hint may be gone.
type board struct {
	mu       sync.Mutex
	run      flows.Run
	err      error
	progress *flows.Progress
	silent   bool
	reads    int
}

func (b *board) Run(context.Context, string, string) (*flows.Run, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads++
	r := b.run
	return &r, b.err
}

func (b *board) LastProgress(context.Context, string) (*flows.Progress, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent {
		return nil, errors.New("Redis is gone")
	}
	return b.progress, nil
}

func (b *board) turn(change func(*board)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

func watch(t *testing.T, b *board, longest time.Duration) *flows.Watch {
	t.Helper()
	all := flows.NewWatches(flows.WatchDeps{Runs: b, Progress: b, Limits: flows.DefaultWatchLimits(), Log: slog.New(slog.DiscardHandler),
		Pace: flows.WatchPace{Look: time.Millisecond, First: time.Millisecond, Longest: longest}})
	t.Cleanup(all.Stop)
	w, err := all.Watch(t.Context(), flows.WatchRequest{RunID: b.run.ID})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

func sight(t *testing.T, w *flows.Watch) flows.Sighting {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := w.Next(ctx)
	require.NoError(t, err)
	return s
}

func TestStatesComeFromTheRowAlthoughTheHintIsGone(t *testing.T) {
	t.Parallel()
	b := &board{run: flows.Run{ID: "r", State: flows.Queued}, silent: true}
	w := watch(t, b, 5*time.Millisecond)
	require.Equal(t, flows.Queued, sight(t, w).Run.State)
	for _, state := range []flows.State{flows.Running, flows.Waiting, flows.Succeeded} {
		b.turn(func(b *board) { b.run.State = state })
		require.Equal(t, state, sight(t, w).Run.State)
	}
}

func TestAHintHasTheRowReadAtOnce(t *testing.T) {
	t.Parallel()
	b := &board{run: flows.Run{ID: "r", State: flows.Queued}}
	w := watch(t, b, time.Hour)
	sight(t, w)
	// Wait until the pause between two looks at the row is longer than this test.
	require.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.reads > 12
	}, 20*time.Second, time.Millisecond)
	b.turn(func(b *board) {
		b.run.State, b.run.Fence = flows.Running, 1
		b.progress = &flows.Progress{Fence: 1, At: time.Now(), Stage: flows.StageReading, Read: 1}
	})
	s := sight(t, w)
	require.Equal(t, flows.Running, s.Run.State)
	if s.Progress == nil {
		s = sight(t, w)
	}
	require.EqualValues(t, 1, s.Progress.Read)
	b.turn(func(b *board) {
		b.run.State = flows.Succeeded
		b.progress = &flows.Progress{Fence: 1, At: time.Now(), Stage: flows.StageEnded, Read: 2}
	})
	s = sight(t, w)
	require.Equal(t, flows.Succeeded, s.Run.State)
	require.Nil(t, s.Progress, "an attempt that is over has none")
}

func TestProgressOfAnOlderAttemptIsNotShown(t *testing.T) {
	t.Parallel()
	b := &board{progress: &flows.Progress{Fence: 1, Stage: flows.StageReading}}
	s := flows.NewService(flows.Deps{Progress: b})
	require.NotNil(t, s.RunProgress(t.Context(), &flows.Run{State: flows.Running, Fence: 1}))
	require.Nil(t, s.RunProgress(t.Context(), &flows.Run{State: flows.Running, Fence: 2}))
	require.Nil(t, s.RunProgress(t.Context(), &flows.Run{State: flows.Waiting, Fence: 1}))
	b.silent = true
	require.Nil(t, s.RunProgress(t.Context(), &flows.Run{State: flows.Running, Fence: 1}))
}

func TestARunThatIsGoneEndsItsWatch(t *testing.T) {
	t.Parallel()
	b := &board{run: flows.Run{ID: "r", State: flows.Running}}
	w := watch(t, b, time.Millisecond)
	sight(t, w)
	b.turn(func(b *board) { b.err = fault.New(fault.StoreUnavailable, "down") })
	b.turn(func(b *board) { b.err = fault.New(fault.RunNotFound, "gone") })
	_, err := w.Next(t.Context())
	require.True(t, fault.Has(err, fault.RunNotFound), "%v", err)
}
