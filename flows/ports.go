package flows

import (
	"context"
	"time"
)

// Page asks for a part of a list: at most Limit items after (or, for lists
// that start with the newest, before) the id After.
type Page struct {
	Limit int
	After string
}

// FlowStore keeps flows and their revisions. Every method looks only into the
// workspace named.
type FlowStore interface {
	// CreateFlow stores f as revision 1; fault FlowNameTaken when its workspace has the name (case-insensitively).
	CreateFlow(ctx context.Context, f *Flow) error
	Flow(ctx context.Context, workspace, id string) (*Flow, error)
	FlowByName(ctx context.Context, workspace, name string) (*Flow, error)
	// FlowRevision gives the flow as it was at a revision.
	FlowRevision(ctx context.Context, workspace, id string, revision int64) (*Flow, error)
	// Flows lists in order of creation.
	Flows(ctx context.Context, workspace string, page Page) ([]Flow, error)
	// UpdateFlow stores f where the row's revision is f.Revision-1, and keeps the older revision; fault RequestStale else.
	UpdateFlow(ctx context.Context, f *Flow) error
	// DeleteFlow removes the flow with its ended runs, errors and posted records; fault FlowInUse while a run has not
	// ended, RequestStale when revision (0 = any) does not fit.
	DeleteFlow(ctx context.Context, workspace, id string, revision int64) error
}

// FileStore keeps what is known of files, uploaded or made by runs; their bytes are in the spool.
type FileStore interface {
	CreateFile(ctx context.Context, f *File) error
	// File gives one whose time is over too; see File.IsGone.
	File(ctx context.Context, workspace, id string) (*File, error)
	FileLister
	// DeleteFile forgets a file; faults FileNotFound, and FileInUse while a flow or a run that has not ended reads it.
	DeleteFile(ctx context.Context, workspace, id string) error
}

// RunStore keeps runs: what a caller starts, reads and cancels.
type RunStore interface {
	// InsertRun stores a queued run.
	InsertRun(ctx context.Context, r *Run) error
	Run(ctx context.Context, workspace, id string) (*Run, error)
	// Runs lists the runs of a flow, the newest first.
	Runs(ctx context.Context, workspace, flowID string, page Page) ([]Run, error)
	// RequestCancel ends a queued or waiting run at once and asks the worker of a running one to stop; it gives the run
	// as it then is. Fault RunStateConflict when the run has ended.
	RequestCancel(ctx context.Context, workspace, id string, now time.Time) (*Run, error)
}

// RecordBatch is posted records, kept until a run has pushed them.
type RecordBatch struct {
	ID        string
	Workspace string
	FlowID    string
	// Data is NDJSON, one object a line, each line ended.
	Data      []byte
	Records   int64
	CreatedAt time.Time
	// Full is what the waiting run that takes the batch may have gathered before it is due at once.
	Full Full
	// Once tells the batch from others; nil for one that is stored whatever came before.
	Once *Once
}

// RecordStore keeps posted records.
type RecordStore interface {
	// AddRecords stores b, and in the same transaction a queued or waiting run for the flow unless there is one that has
	// not been claimed yet, or waits and has not chosen its batches; it gives the run that will take the records. run is
	// the row to insert if one is needed. A waiting run that was never claimed becomes queued when b.Full is reached.
	AddRecords(ctx context.Context, b *RecordBatch, run *Run) (*Run, error)
	// AddPost is AddRecords unless a batch with the same scope and key of b.Once came before and has not expired at
	// b.CreatedAt: then nothing is stored, the receipt is that of the first, and the run is nil. The key is kept in the
	// transaction that stores the batch. Fault RequestIdempotencyReuse when the digests differ.
	AddPost(ctx context.Context, b *RecordBatch, run *Run) (*Receipt, *Run, error)
	// AssignRecords gives the run every batch of its flow that no other run holds, and lists the ids of all batches that
	// the run holds, in order of arrival. The same run gets the same list, whenever it asks.
	AssignRecords(ctx context.Context, t Token) ([]string, error)
	// RecordBatchData reads the bytes of a batch.
	RecordBatchData(ctx context.Context, workspace, id string) ([]byte, error)
}

// Token proves that a worker holds a run: every write carries it and fails
// with fault RunLeaseLost when the run was claimed again since (I2).
type Token struct {
	Workspace string
	RunID     string
	Fence     int64
}

// Token gives the proof that belongs to the claim which returned r.
func (r *Run) Token() Token { return Token{Workspace: r.Workspace, RunID: r.ID, Fence: r.Fence} }

// Claim is a worker's wish to hold a run.
type Claim struct {
	Worker string
	Now    time.Time
	Until  time.Time
}

// WorkStore keeps runs: what a worker does to the one it holds.
type WorkStore interface {
	// ClaimRun makes a queued run, a waiting run whose ResumeAt has come, or a running run whose lease is over the
	// claimer's: state running, Fence + 1, Attempt + 1; a run taken over from a dead worker counts one failure. Fault
	// RunStateConflict when the run is in none of these states, or must wait: its flow is paused, another run of its flow
	// is running or has begun before it, or a connection of the flow has as many runs as it bears. RunNotFound when there
	// is none.
	ClaimRun(ctx context.Context, runID string, c Claim) (*Run, error)
	// Waiters lists the workspaces that have a run which could be claimed at now.
	Waiters(ctx context.Context, now time.Time) ([]Waiter, error)
	// ExtendRun moves the lease's end and tells whether a cancel was asked for.
	ExtendRun(ctx context.Context, t Token, until time.Time) (cancelRequested bool, err error)
	// SaveCheckpoint stores the checkpoint, the run's counters from it, and record errors, in one transaction (I1). It sets
	// Failures to 0 when c.Chunks is more than in any checkpoint of the run before, so that an attempt which only repeats
	// what others reached does not count as progress. An error of a record that is stored already is left as it is.
	SaveCheckpoint(ctx context.Context, t Token, c Checkpoint, errors []RecordError) error
	// SettleRun ends the attempt.
	SettleRun(ctx context.Context, t Token, s Settlement) error
}

// Waiter is a workspace with a run that could be claimed.
type Waiter struct {
	Workspace string
	// Running counts the workspace's runs that workers hold, whichever process these are in.
	Running int64
	// RunID is the oldest run that could be claimed.
	RunID string
}

// Settlement is how an attempt ends.
type Settlement struct {
	// State is Succeeded, Failed, Canceled, Waiting or Queued (given back).
	State State
	Error *RunError
	// ResumeAt is when a Waiting run may be claimed again.
	ResumeAt time.Time
	// WaitsFor is the offline connection whose coming online ends the wait earlier; "" for none. A connection that is not
	// offline any more is not waited for.
	WaitsFor string
	// CountAttempt false gives the attempt back: shutdown, or a wait that is no failure.
	CountAttempt bool
	// CountFailure adds one to Failures.
	CountFailure bool
	// Ledger is the final ledger of a run that Succeeded; nil keeps the one of the last checkpoint. Of a run that Failed or
	// was Canceled nothing is visible in Celonis: its ledger counts only the records that went to the error store.
	Ledger *Ledger
	Now    time.Time
}

// SweepStore finds runs that nobody works on.
type SweepStore interface {
	// DueRuns lists runs that could be claimed at now: queued ones not pushed to the queue since before, waiting ones
	// whose ResumeAt has come, running ones whose lease is over; of a flow only the oldest, since one at a time can be
	// claimed. It marks them as pushed at now.
	DueRuns(ctx context.Context, now, before time.Time, limit int) ([]string, error)
}

// Queue carries the ids of runs to workers. It is a hint; the run row is the truth (I5).
type Queue interface {
	Push(ctx context.Context, runID string) error
}

// Canceler tells running workers at once that a run's cancel was asked for. It is a hint too.
type Canceler interface {
	PublishCancel(ctx context.Context, runID string) error
}
