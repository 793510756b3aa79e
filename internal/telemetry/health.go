package telemetry

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Part is the health of one thing that the service needs.
type Part struct {
	Name string `json:"name"`
	// OK tells whether the last success is young enough.
	OK bool `json:"ok"`
	// Code and Message are those of the fault of the last report, "" after a
	// success. The cause stays in the log.
	Code    fault.Code `json:"code,omitempty"`
	Message string     `json:"message,omitempty"`
	// LastSuccess is nil before the first.
	LastSuccess *time.Time `json:"lastSuccess"`
	// AgeSeconds is how long ago that was, -1 before the first.
	AgeSeconds float64 `json:"ageSeconds"`
}

// Health collects how the parts of the service do. A part is sick when its last
// success is too long ago: one failed call does not make it so, and silence
// does. Any number of goroutines may use it.
type Health struct {
	now   func() time.Time
	mu    sync.Mutex
	parts map[string]*part
}

type part struct {
	maxAge      time.Duration
	lastSuccess time.Time
	err         error
}

// NewHealth makes a Health without parts; now is the clock.
func NewHealth(now func() time.Time) *Health {
	return &Health{now: now, parts: map[string]*part{}}
}

// Expect adds a part that must succeed once in every maxAge.
func (h *Health) Expect(name string, maxAge time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[name] = &part{maxAge: maxAge}
}

// Report notes that a part just did its work, or with an error that it did
// not. A part that nobody expects is ignored.
func (h *Health) Report(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.parts[name]
	if p == nil {
		return
	}
	if p.err = err; err == nil {
		p.lastSuccess = h.now()
	}
}

// ReportAt notes the success that a part had at a time it knows itself, and
// the error of what came after, if any. A zero time is no success.
func (h *Health) ReportAt(name string, lastSuccess time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.parts[name]; p != nil {
		p.lastSuccess, p.err = lastSuccess, err
	}
}

// Ready tells whether all parts do, and how each one does, by name.
func (h *Health) Ready() (ok bool, parts []Part) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ok, parts = true, []Part{}
	for name, p := range h.parts {
		state := p.state(name, h.now())
		parts = append(parts, state)
		ok = ok && state.OK
	}
	slices.SortFunc(parts, func(a, b Part) int { return strings.Compare(a.Name, b.Name) })
	return ok, parts
}

func (p *part) state(name string, now time.Time) Part {
	s := Part{Name: name, AgeSeconds: -1}
	if !p.lastSuccess.IsZero() {
		at, age := p.lastSuccess.UTC(), now.Sub(p.lastSuccess)
		s.LastSuccess, s.AgeSeconds, s.OK = &at, age.Seconds(), age <= p.maxAge
	}
	if p.err != nil {
		f := fault.From(p.err)
		s.Code, s.Message = f.Code, f.Message
	}
	return s
}
