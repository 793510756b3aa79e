package flows

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// State is where a run stands.
type State string

// The states of a run.
const (
	Queued    State = "queued"
	Running   State = "running"
	Waiting   State = "waiting"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Canceled  State = "canceled"
)

// Moves lists the states that a run may go to from each state. Running to
// Running is a claim of a run whose lease is over.
//
//	queued ──claim──▶ running ──ok──▶ succeeded
//	  ▲  ▲             │ │ └──fatal, attempts spent──▶ failed
//	  │  └──waiting◀───┘ ├──cancel──▶ canceled
//	  └── release ───────┘
func Moves() map[State][]State {
	return map[State][]State{
		Queued:    {Running, Canceled},
		Running:   {Running, Queued, Waiting, Succeeded, Failed, Canceled},
		Waiting:   {Queued, Running, Canceled},
		Succeeded: nil,
		Failed:    nil,
		Canceled:  nil,
	}
}

// MayMove reports whether a run may go from one state to another.
func MayMove(from, to State) bool { return slices.Contains(Moves()[from], to) }

// Ended reports whether a state is final.
func (s State) Ended() bool { return len(Moves()[s]) == 0 }

// Trigger says what started a run.
type Trigger string

const (
	// Manual: a caller asked for the run.
	Manual Trigger = "manual"
	// Records: records were posted to the flow.
	Records Trigger = "records"
)

// MaxFailures is how many attempts in a row may end without a chunk more than
// any attempt before, until the run fails. With the growing waits between
// them it bears an outage of about an hour.
const MaxFailures = 20

// Ledger counts records. It balances when Read = Filtered + Pushed + Errored.
type Ledger struct {
	Read     int64 `json:"read"`
	Filtered int64 `json:"filtered"`
	Pushed   int64 `json:"pushed"`
	Errored  int64 `json:"errored"`
}

// Balanced reports whether every record read is accounted for.
func (l Ledger) Balanced() bool { return l.Read == l.Filtered+l.Pushed+l.Errored }

// RunError is why a run failed or waits.
type RunError struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// RunErrorOf gives the part of err that a caller may see.
func RunErrorOf(err error) *RunError {
	f := fault.From(err)
	return &RunError{Code: f.Code, Message: f.Message, Hint: f.Hint}
}

// Run is one execution of a flow. The row in SQL is the truth of it (I5).
type Run struct {
	ID           string
	Workspace    string
	FlowID       string
	FlowRevision int64
	Trigger      Trigger
	Options      RunOptions
	State        State
	// Ledger, Bytes and Chunks tell what the destination has accepted so far.
	Ledger Ledger
	Bytes  int64
	Chunks int64
	// PushJobID is the job in Celonis, stored before its first chunk goes out.
	PushJobID string
	// Attempt counts the attempts that were not given back.
	Attempt int
	// Failures counts the attempts in a row that got no further than those before.
	Failures int
	// Fence grows with every claim and never shrinks; every write of a worker
	// carries it and matches no row when another worker has claimed since (I2).
	Fence      int64
	Checkpoint Checkpoint
	// CancelRequested asks the worker that holds the run to stop.
	CancelRequested bool
	Error           *RunError
	// ResumeAt is when a waiting run goes on; zero otherwise.
	ResumeAt time.Time
	// WaitsFor is the connection whose coming online lets a waiting run go on before ResumeAt; "" when it waits for the time only.
	WaitsFor string
	// LeaseUntil is when a running run may be claimed by another worker.
	LeaseUntil time.Time
	Worker     string
	// FireAt is the fire time of the schedule that started the run; zero for other triggers.
	FireAt time.Time
	// AfterRun is the run whose success started this one; "" for other triggers.
	AfterRun   string
	CreatedAt  time.Time
	StartedAt  time.Time
	FinishedAt time.Time
	UpdatedAt  time.Time
}

// HasErrors reports whether records went to the error store.
func (r *Run) HasErrors() bool { return r.Ledger.Errored > 0 }

// Checkpoint is what a run needs to go on after its worker died. Its JSON is
// stored; a change of it must still read what older versions wrote.
type Checkpoint struct {
	// Source is the cursor in the form of the source; absent is the beginning.
	Source json.RawMessage `json:"source,omitempty"`
	// Schema is a fingerprint of the rows' columns; a run goes on after a
	// checkpoint only with the same.
	Schema string `json:"schema,omitempty"`
	// PushJobID is the job that the chunks went to.
	PushJobID string `json:"pushJobId,omitempty"`
	// Chunks is how many chunks were accepted, in order.
	Chunks int64 `json:"chunks,omitempty"`
	// Ledger counts the records before the cursor.
	Ledger Ledger `json:"ledger,omitzero"`
	// Bytes is the size of the accepted chunks.
	Bytes int64 `json:"bytes,omitempty"`
	// Submitted says that all chunks are in and the job was told to execute.
	Submitted bool `json:"submitted,omitempty"`
	// Committed says that the rows are in the table: only the steps after the push are left.
	Committed bool `json:"committed,omitempty"`
	// Visible says that what the ledger counts as pushed is in the table, however the run ends.
	Visible bool `json:"visible,omitempty"`
	// Then is how far the steps after the push are; absent before the first.
	Then *StepState `json:"then,omitempty"`
	// Watermark is how far the source had come when the rows were read; "" for a source without one.
	Watermark string `json:"watermark,omitempty"`
	// Warnings are in the order in which they came.
	Warnings []Warning `json:"warnings,omitempty"`
	// Consumed is how many records of the source, from its beginning, a sink of single rows has settled: none of them may be
	// delivered by another run. It is 0 for other sinks.
	Consumed int64 `json:"consumed,omitempty"`
	// Actions counts what was done in a destination that tells: "created", "updated", "unchanged" and the like.
	Actions map[string]int64 `json:"actions,omitempty"`
	// Forecast is what a dry run has found; nil for any other run.
	Forecast *Forecast `json:"forecast,omitempty"`
}

// Count adds to Actions; the map that was there stays as it is.
func (c *Checkpoint) Count(done map[string]int64) {
	if len(done) == 0 {
		return
	}
	sum := maps.Clone(c.Actions)
	if sum == nil {
		sum = make(map[string]int64, len(done))
	}
	for action, n := range done {
		sum[action] += n
	}
	c.Actions = sum
}
