package httpapi

import (
	"slices"
	"sync"
	"time"

	"github.com/celonis-connector/connector/connections"
)

// renderedViews bounds what is remembered, in answers. A full memory is emptied.
const renderedViews = 4096

// rendered remembers the JSON of connections by all that it is made of, so that
// a connection which is read again and again is written once. What is stored is
// still read for each request: only its form is remembered.
type rendered struct {
	mu   sync.RWMutex
	byID map[connectionPlace]renderedView
}

type connectionPlace struct{ workspace, id string }

type renderedView struct {
	made  connectionState
	steps []connections.Step
	text  []byte
}

// connectionState is what of a connection can change: its fields and secrets
// with the revision, the rest without.
type connectionState struct {
	revision                                             int64
	created, updated, authorized, probe, tested, latency int64
	status                                               connections.Status
	ok                                                   bool
}

func stateOfConnection(c *connections.Connection) (connectionState, []connections.Step) {
	s := connectionState{
		revision: c.Revision, created: stamp(c.CreatedAt), updated: stamp(c.UpdatedAt), authorized: stamp(c.AuthorizedAt), probe: stamp(c.NextProbeAt),
		status: c.Status,
	}
	if c.LastTest == nil {
		return s, nil
	}
	s.tested, s.latency, s.ok = stamp(c.LastTest.At), c.LastTest.LatencyMs, c.LastTest.OK
	return s, c.LastTest.Steps
}

// stamp tells times apart in the microseconds that are shown.
func stamp(t time.Time) int64 { return t.UnixMicro() }

// connection gives the JSON of a connection; it must not be changed.
func (r *rendered) connection(c *connections.Connection) ([]byte, error) {
	state, steps := stateOfConnection(c)
	place := connectionPlace{c.Workspace, c.ID}
	r.mu.RLock()
	known, ok := r.byID[place]
	r.mu.RUnlock()
	if ok && known.made == state && slices.Equal(known.steps, steps) {
		return known.text, nil
	}
	text, err := encode(viewConnection(c))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil || len(r.byID) >= renderedViews {
		r.byID = map[connectionPlace]renderedView{}
	}
	r.byID[place] = renderedView{made: state, steps: slices.Clone(steps), text: text}
	return text, nil
}
