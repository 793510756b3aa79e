package flows

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// ErrWatchStopped is what Watch.Next returns once the service stops.
var ErrWatchStopped = errors.New("the watch was stopped")

// RunReader reads runs.
type RunReader interface {
	Run(ctx context.Context, workspace, id string) (*Run, error)
}

// WatchLimits bound what watchers can hold of one process.
type WatchLimits struct {
	// PerClient and Total are how many watches there may be at once, of one caller and of all.
	PerClient, Total int
}

// DefaultWatchLimits are enough for a screen full of runs and many such screens.
func DefaultWatchLimits() WatchLimits { return WatchLimits{PerClient: 20, Total: 1000} }

// WatchPace is how often a watched run is looked at.
type WatchPace struct {
	// Look is the pause between two looks at the progress.
	Look time.Duration
	// First is the pause before the row is read again after it has changed; it grows to Longest while nothing changes.
	First, Longest time.Duration
}

// DefaultWatchPace sees a change of state at the latest after three seconds
// where nothing but the database tells of it.
func DefaultWatchPace() WatchPace {
	return WatchPace{Look: 500 * time.Millisecond, First: 250 * time.Millisecond, Longest: 3 * time.Second}
}

// WatchDeps are what Watches stand on; every member is needed.
type WatchDeps struct {
	Runs     RunReader
	Progress ProgressSource
	Limits   WatchLimits
	Pace     WatchPace
	Log      *slog.Logger
}

// Watches let callers follow runs, whichever process does them. However many
// follow one run, the process looks at it once.
type Watches struct {
	WatchDeps

	mu        sync.Mutex
	topics    map[string]*topic
	perClient map[string]int
	total     int
	stopped   bool
	following sync.WaitGroup
}

// NewWatches makes Watches.
func NewWatches(d WatchDeps) *Watches {
	return &Watches{WatchDeps: d, topics: map[string]*topic{}, perClient: map[string]int{}}
}

// WatchRequest names a run and who wants to follow it.
type WatchRequest struct {
	Workspace, RunID string
	// Client is counted for the limit.
	Client string
}

// Watch begins to follow a run; the caller closes it. Faults: RunNotFound,
// RunWatchers when there are too many, Unavailable when the service stops.
func (w *Watches) Watch(ctx context.Context, ask WatchRequest) (*Watch, error) {
	r, err := w.Runs.Run(ctx, ask.Workspace, ask.RunID)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	client := ask.Workspace + " " + ask.Client
	switch {
	case w.stopped:
		return nil, fault.New(fault.Unavailable, "the service is stopping")
	case w.perClient[client] >= w.Limits.PerClient:
		return nil, tooManyWatchers("the caller follows %d runs at once already", w.Limits.PerClient)
	case w.total >= w.Limits.Total:
		return nil, tooManyWatchers("%d runs are followed at once already", w.Limits.Total)
	}
	t, found := w.topics[r.ID]
	if !found {
		t = w.begin(r)
	}
	t.meet(r)
	t.watchers++
	w.perClient[client]++
	w.total++
	return &Watch{watches: w, topic: t, client: client}, nil
}

func tooManyWatchers(format string, limit int) error {
	return fault.New(fault.RunWatchers, format, limit).WithHint("end another stream first, or read GET /v1/runs/{id} now and then")
}

// begin follows a run that nobody has followed yet; mu is held.
func (w *Watches) begin(r *Run) *topic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &topic{watches: w, id: r.ID, cancel: cancel, changed: make(chan struct{}), run: r, states: 1}
	w.topics[r.ID] = t
	w.following.Go(func() { t.follow(ctx) })
	return t
}

// leave ends one watch.
func (w *Watches) leave(v *Watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total--
	if w.perClient[v.client]--; w.perClient[v.client] == 0 {
		delete(w.perClient, v.client)
	}
	if v.topic.watchers--; v.topic.watchers == 0 {
		v.topic.cancel()
		delete(w.topics, v.topic.id)
	}
}

// Stop ends every watch and lets none begin. It returns when nothing is looked at any more.
func (w *Watches) Stop() {
	w.mu.Lock()
	w.stopped = true
	for _, t := range w.topics {
		t.end(ErrWatchStopped)
	}
	w.mu.Unlock()
	w.following.Wait()
}

// Watching counts the watches and the runs that they follow.
func (w *Watches) Watching() (watches, runs int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total, len(w.topics)
}

// Watch follows one run for one caller; it is for one goroutine.
type Watch struct {
	watches *Watches
	topic   *topic
	client  string
	// states and steps count what the caller has seen.
	states, steps int64
	closed        bool
}

// Sighting is what is new of a run; a member is nil when it is not.
type Sighting struct {
	Run      *Run
	Progress *Progress
}

// Next waits for something new; the first call gives the run as it is. A caller
// that comes late gets the newest only, and holds nobody up. Its error is that
// of ctx, ErrWatchStopped, or the fault of a run that is gone.
func (v *Watch) Next(ctx context.Context) (Sighting, error) {
	for {
		s, changed, err := v.topic.since(v)
		if err != nil || s.Run != nil || s.Progress != nil {
			return s, err
		}
		select {
		case <-ctx.Done():
			return Sighting{}, ctx.Err()
		case <-changed:
		}
	}
}

// Close ends the watch; it may be called again.
func (v *Watch) Close() {
	if !v.closed {
		v.closed = true
		v.watches.leave(v)
	}
}
