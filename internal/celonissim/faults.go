package celonissim

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"time"
)

// Cut says where a fault cuts the connection.
type Cut string

const (
	// CutBeforeBody closes the connection before the request's body is read.
	CutBeforeBody Cut = "beforeBody"
	// CutMidBody closes it when half of the request's body has been read.
	CutMidBody Cut = "midBody"
	// CutBeforeAnswer does what was asked for and closes without a word.
	CutBeforeAnswer Cut = "beforeAnswer"
	// CutMidAnswer does what was asked for and sends half of the answer's body.
	CutMidAnswer Cut = "midAnswer"
)

// Fault is a rule: the requests it strikes, how often, and what happens to
// them. All conditions must hold; an empty one always does. Where several
// faults strike a request, their delays add up and the first status, cut and
// job outcome count.
type Fault struct {
	// ID names the fault; AddFault makes one when it is empty.
	ID string
	// Method is an HTTP method.
	Method string
	// Path is a part of the path, or a glob over the whole path when it holds
	// * or ?; a * does not match a slash.
	Path string
	// Route is a route's name or a glob, such as "push.*".
	Route string
	// Credential is the name of the key sent.
	Credential string
	// Table is the target of the push job that the path names.
	Table string

	// Probability strikes at random, 0 < p < 1; 0 strikes always.
	Probability float64
	// Skip lets so many matching requests pass first; Times is how many are
	// struck after that, 0 for all. The n-th request only: Skip n-1, Times 1.
	Skip, Times int

	// Delay waits before anything else.
	Delay time.Duration
	// ReadRate reads the request's body at most so fast, in bytes a second.
	ReadRate int64
	// Status answers in place of the route, with a body in the family of Body
	// (empty: the one in which the status usually comes).
	Status int
	Body   BodyFamily
	// Early answers Status before the body is read; else it is read first.
	Early bool
	// Headers is the form of a 429's headers, Wait the time they name (0: one second).
	Headers RateHeaders
	Wait    time.Duration
	// Cut cuts the connection.
	Cut Cut
	// Duplicate does what was asked for twice, as when a proxy sends a request
	// again, and answers what the second time gave.
	Duplicate bool
	// SlowAnswer spreads the answer's body over the time.
	SlowAnswer time.Duration

	// The rest strikes submits of push jobs: the job ends in ERROR with this
	// log line, stays QUEUED for ever, or takes so much longer. It does the same
	// to executions of data jobs and loads of data models; a load with a text
	// that begins with WARNING ends as WARNING.
	JobError string
	JobStuck bool
	JobDelay time.Duration
}

// jobFault is what a fault makes of a submitted job.
type jobFault struct {
	err   string
	stuck bool
	delay time.Duration
}

// FaultState is a fault with what it has done.
type FaultState struct {
	Fault
	// Matched and Struck count requests.
	Matched, Struck int
}

// faultSet is the switched-on faults in the order of their coming.
type faultSet struct {
	mu     sync.Mutex
	rng    *rand.Rand
	faults []*FaultState
	made   int
}

func newFaultSet(seed uint64) *faultSet {
	return &faultSet{rng: rand.New(rand.NewPCG(seed, seed))}
}

// AddFault switches a fault on and gives its id.
func (s *Server) AddFault(f Fault) (id string) {
	set := s.faults
	set.mu.Lock()
	defer set.mu.Unlock()
	if f.ID == "" {
		set.made++
		f.ID = fmt.Sprintf("fault-%d", set.made)
	}
	set.faults = append(set.faults, &FaultState{Fault: f})
	return f.ID
}

// RemoveFault switches a fault off and says whether it was on.
func (s *Server) RemoveFault(id string) bool {
	set := s.faults
	set.mu.Lock()
	defer set.mu.Unlock()
	for i, f := range set.faults {
		if f.ID == id {
			set.faults = append(set.faults[:i], set.faults[i+1:]...)
			return true
		}
	}
	return false
}

// ClearFaults switches all faults off.
func (s *Server) ClearFaults() { s.faults.clear() }

// Faults gives the faults that are on, with their counts.
func (s *Server) Faults() []FaultState {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := make([]FaultState, len(s.faults.faults))
	for i, f := range s.faults.faults {
		out[i] = *f
	}
	return out
}

func (set *faultSet) clear() {
	set.mu.Lock()
	defer set.mu.Unlock()
	set.faults = nil
}

// match gives the faults that strike a request, counted.
func (set *faultSet) match(q Request, credential string) []Fault {
	set.mu.Lock()
	defer set.mu.Unlock()
	var hit []Fault
	for _, f := range set.faults {
		if !f.matches(q, credential) {
			continue
		}
		f.Matched++
		if f.Matched <= f.Skip || f.Times > 0 && f.Struck >= f.Times {
			continue
		}
		if f.Probability > 0 && set.rng.Float64() >= f.Probability {
			continue
		}
		f.Struck++
		hit = append(hit, f.Fault)
	}
	return hit
}

func (f *Fault) matches(q Request, credential string) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, q.Method)) &&
		(f.Path == "" || matchesPath(f.Path, q.Path)) &&
		(f.Route == "" || globs(f.Route, q.Route)) &&
		(f.Credential == "" || f.Credential == credential) &&
		(f.Table == "" || f.Table == q.Table)
}

func matchesPath(pattern, p string) bool {
	if strings.ContainsAny(pattern, "*?") {
		return globs(pattern, p)
	}
	return strings.Contains(p, pattern)
}

func globs(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return err == nil && ok
}
