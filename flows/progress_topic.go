package flows

import (
	"context"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// topic is a run that is followed, for however many watchers.
type topic struct {
	watches *Watches
	// id is the run's.
	id     string
	cancel context.CancelFunc
	// watchers is guarded by the mutex of Watches, what follows by the topic's own.
	watchers int

	mu sync.Mutex
	// changed is closed when something is new, and another takes its place.
	changed  chan struct{}
	run      *Run
	progress *Progress
	// states and steps count the changes of run and progress.
	states, steps int64
	err           error
}

// meet takes the run as somebody has just read it.
func (t *topic) meet(r *Run) {
	t.mu.Lock()
	known := t.run
	t.mu.Unlock()
	if r.UpdatedAt.After(known.UpdatedAt) && faceOf(r) != faceOf(known) {
		t.tell(func() { t.run, t.states, t.steps = r, t.states+1, t.steps+1 })
	}
}

// since gives what v has not seen. What happened comes before the end of the watch.
func (t *topic) since(v *Watch) (Sighting, <-chan struct{}, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var s Sighting
	if v.states < t.states {
		s.Run, v.states = t.run, t.states
	}
	if v.steps < t.steps {
		v.steps = t.steps
		if t.progress != nil && t.progress.of(t.run) {
			s.Progress = t.progress
		}
	}
	if s.Run != nil || s.Progress != nil {
		return s, nil, nil
	}
	return s, t.changed, t.err
}

func (t *topic) tell(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
	close(t.changed)
	t.changed = make(chan struct{})
}

// end lets every watcher know why there is no more.
func (t *topic) end(err error) {
	t.tell(func() {
		if t.err == nil {
			t.err = err
		}
	})
	t.cancel()
}

// follow looks at the progress, which is a hint, and at the row, which is the
// truth (I5): at once when the progress tells of another attempt or of an end,
// and else after a pause that grows, so that a lost hint costs time only.
func (t *topic) follow(ctx context.Context) {
	pace := t.watches.Pace
	pause, since := pace.First, time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !t.ended() {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		hinted := t.look(ctx)
		if hinted || time.Since(since) >= pause {
			since = time.Now()
			if t.read(ctx) {
				pause = pace.First
			} else {
				pause = min(pause*3/2, pace.Longest)
			}
		}
		timer.Reset(min(pace.Look, max(pause-time.Since(since), time.Millisecond)))
	}
}

func (t *topic) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.run.State.Ended() || t.err != nil
}

// look takes what was told of the run's progress and reports whether the row may have changed.
func (t *topic) look(ctx context.Context) (hinted bool) {
	p, err := t.watches.Progress.LastProgress(ctx, t.id)
	if err != nil || p == nil {
		return false
	}
	t.mu.Lock()
	known, last := t.run, t.progress
	t.mu.Unlock()
	if p.Fence > known.Fence || p.Fence == known.Fence && known.State == Running && p.Stage.Over() {
		hinted = true
	}
	if last == nil || last.Fence != p.Fence || p.At.After(last.At) {
		t.tell(func() { t.progress, t.steps = p, t.steps+1 })
	}
	return hinted
}

// read reads the row and reports whether it has changed.
func (t *topic) read(ctx context.Context) (changed bool) {
	t.mu.Lock()
	known := t.run
	t.mu.Unlock()
	r, err := t.watches.Runs.Run(ctx, known.Workspace, known.ID)
	switch {
	case fault.Has(err, fault.RunNotFound):
		t.end(err)
		return true
	case err != nil:
		if ctx.Err() == nil {
			t.watches.Log.DebugContext(ctx, "a watched run could not be read", "run", known.ID, "error", err)
		}
		return false
	case faceOf(r) == faceOf(known):
		return false
	}
	t.tell(func() { t.run, t.states, t.steps = r, t.states+1, t.steps+1 })
	return true
}

// face is what of a run makes a new state for those who watch it; its counters do not.
type face struct {
	state     State
	fence     int64
	job       string
	errored   bool
	canceling bool
	warnings  int
	resumeAt  time.Time
	failure   RunError
}

func faceOf(r *Run) face {
	f := face{r.State, r.Fence, r.PushJobID, r.HasErrors(), r.CancelRequested, len(r.Checkpoint.Warnings), r.ResumeAt, RunError{}}
	if r.Error != nil {
		f.failure = *r.Error
	}
	return f
}
