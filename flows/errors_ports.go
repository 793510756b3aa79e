package flows

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// ErrorQuery selects record errors of a flow; an empty member does not narrow.
type ErrorQuery struct {
	Workspace string
	FlowID    string
	// RunID is the run that met the errors or retried them last.
	RunID     string
	State     ErrorState
	Class     ErrorClass
	Code      fault.Code
	Signature string
	Field     string
	TraceKey  string
	// From and To bound when the errors were met: from From on, before To.
	From, To time.Time
	// FlowRevision is the revision that met the errors.
	FlowRevision int64
	// IDs are the errors, each by its id.
	IDs  []string
	Page Page
}

// ErrorEdit puts a record in the place of the one that an error has.
type ErrorEdit struct {
	Workspace string
	ID        string
	// Revision is the one that the error must have.
	Revision int64
	Record   []byte
	Now      time.Time
}

// ErrorStore keeps records that did not become rows.
type ErrorStore interface {
	// RecordErrors lists errors, the newest first.
	RecordErrors(ctx context.Context, q ErrorQuery) ([]RecordError, error)
	// RecordError reads an error; fault ErrorNotFound.
	RecordError(ctx context.Context, workspace, id string) (*RecordError, error)
	// ErrorGroups counts errors by signature, those with the newest error first. q.State and q.Page do not narrow.
	ErrorGroups(ctx context.Context, q ErrorQuery) ([]ErrorGroup, error)
	// EditError stores a record and gives the error as it then is. Fault RequestStale when the error has another revision
	// or may not be edited any more.
	EditError(ctx context.Context, e ErrorEdit) (*RecordError, error)
	// ResolveErrors resolves the open errors that no run retries and tells how many they were.
	ResolveErrors(ctx context.Context, q ErrorQuery, by ResolvedBy, now time.Time) (int64, error)
	// OpenRevisions lists the flow's revisions that met the open errors of a query.
	OpenRevisions(ctx context.Context, q ErrorQuery) ([]int64, error)
	// RetryErrors stores the run and gives it the open errors of q that no run retries and that have a record to retry, in
	// the order in which they were met, in one transaction; without any it stores nothing. left is how many open errors of q
	// must be edited before they can be retried.
	RetryErrors(ctx context.Context, q ErrorQuery, run *Run) (taken, left int64, err error)
}

// RetryStore gives a run the records that it retries.
type RetryStore interface {
	// RetryRecords lists up to limit records, one JSON object each, behind the first skip. The same run gets the same list,
	// whenever it asks. Fault RunLeaseLost.
	RetryRecords(ctx context.Context, t Token, skip int64, limit int) ([][]byte, error)
}

// TraceStore looks out for records that became rows after all.
type TraceStore interface {
	// OpenTraces lists trace keys of the flow's open errors that other runs met, at most MaxTraceKeys.
	OpenTraces(ctx context.Context, t Token) ([]string, error)
	// SaveTraces notes that the run has rows with these trace keys: when it succeeds, the open errors of other runs that
	// have them are resolved. Fault RunLeaseLost.
	SaveTraces(ctx context.Context, t Token, keys []string) error
}

// ErrorSweeper deletes errors whose time is over.
type ErrorSweeper interface {
	// SweepErrors deletes up to limit errors that were not changed for as long as their flows keep them, and tells how many
	// they were. That open ones were among them is noted in the audit log.
	SweepErrors(ctx context.Context, now time.Time, limit int) (int64, error)
}
