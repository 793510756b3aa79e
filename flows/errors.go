package flows

import (
	"encoding/json"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// ErrorState says whether a record error still wants attention.
type ErrorState string

// The states of a record error.
const (
	ErrorOpen     ErrorState = "open"
	ErrorResolved ErrorState = "resolved"
)

// ResolvedBy says what resolved a record error.
type ResolvedBy string

const (
	// ByClient: a caller said that nothing is left to do.
	ByClient ResolvedBy = "client"
	// ByAuto: a record with the same trace key became a row in a later run.
	ByAuto ResolvedBy = "auto"
	// ByRetry: the record itself became a row when it was retried.
	ByRetry ResolvedBy = "retry"
)

// RecordError is a record that did not become a row.
type RecordError struct {
	ID        string
	Workspace string
	FlowID    string
	// FlowRevision is the revision of the flow that met the record first.
	FlowRevision int64
	// RunID is the run that met the record first, LastRunID the newest retry of it that has ended, "" before.
	RunID     string
	LastRunID string
	// Revision grows with every change; it is the ETag.
	Revision int64
	// Record is the record's number in the source, from 1.
	Record int64
	// Line is the line that the record starts on, from 1; Offset its byte
	// position in the decompressed source, from 0.
	Line   int64
	Offset int64
	Code   fault.Code
	// Field is the field or column at fault, "" when it is the whole record.
	Field   string
	Message string
	// Signature is the same for errors of one kind; see Signature.
	Signature string
	// TraceKey tells the record from others in every run of the flow, "" when nothing is known of it.
	TraceKey string
	// Data is the record as it was, at most MaxErrorData bytes of it.
	Data      []byte
	Truncated bool
	// Object is the record as a JSON object on one line, where Data is none; nil when the record could not be read.
	// DataIsObject says that Data itself is one.
	Object       []byte
	DataIsObject bool
	// Edited is the record that a caller put in the place of what it was; nil before.
	Edited []byte
	State  ErrorState
	// Attempts is how many runs had the record.
	Attempts int64
	// RetryRunID is the run that has the record now, "" for none.
	RetryRunID string
	ResolvedBy ResolvedBy
	ResolvedAt time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// MaxErrorData bounds what is kept of a bad record, in bytes.
const MaxErrorData = 1 << 20

// Class gives the error's class.
func (e *RecordError) Class() ErrorClass { return ClassOf(e.Code) }

// Original gives the record as a JSON object as it was; nil when it could not be read as one.
func (e *RecordError) Original() json.RawMessage {
	if e.DataIsObject {
		return e.Data
	}
	return e.Object
}

// Current gives the record as a retry takes it; nil when it must be edited first.
func (e *RecordError) Current() json.RawMessage {
	if e.Edited != nil {
		return e.Edited
	}
	return e.Original()
}

// Describe fills what can be told of the error beyond its place: signature and
// trace key.
func (e *RecordError) Describe(trace Trace) {
	e.Signature = Signature(e.Code, e.Field, e.Message)
	e.TraceKey = trace.KeyOf(e.Original())
}

// mayRetry says why the error cannot be retried now; nil when it can.
func (e *RecordError) mayRetry() *fault.Error {
	if f := e.mayChange(); f != nil {
		return f
	}
	if e.Current() != nil {
		return nil
	}
	f := fault.New(fault.ErrorNeedsEdit, "error %q has no record that could be retried: it could not be read, or has protected values that are not kept", e.ID)
	if e.Truncated {
		f = fault.New(fault.ErrorNeedsEdit, "of the record of error %q only the first %d bytes are kept", e.ID, MaxErrorData)
	}
	return f.WithHint("give the whole record with PATCH /v1/errors/%s, then retry", e.ID)
}

// mayChange says why the error cannot be edited or resolved now; nil when it can.
func (e *RecordError) mayChange() *fault.Error {
	switch {
	case e.State == ErrorResolved:
		return fault.New(fault.ErrorIsResolved, "error %q is resolved", e.ID)
	case e.RetryRunID != "":
		return fault.New(fault.ErrorRetrying, "error %q is being retried by run %q", e.ID, e.RetryRunID).
			WithHint("wait for the run's end, or cancel it")
	}
	return nil
}

// ErrorGroup is the errors of a flow that have one signature.
type ErrorGroup struct {
	Signature string
	Code      fault.Code
	Field     string
	// Message and ExampleID are those of the newest of them.
	Message   string
	ExampleID string
	Open      int64
	Resolved  int64
	FirstAt   time.Time
	LastAt    time.Time
}

// Class gives the class of the group's errors.
func (g *ErrorGroup) Class() ErrorClass { return ClassOf(g.Code) }

const (
	// DefaultErrorRetentionDays and MaxErrorRetentionDays bound how long errors are kept.
	DefaultErrorRetentionDays = 30
	MaxErrorRetentionDays     = 365
)

// ErrorRetention is how long an error is kept after its last change.
func (s Spec) ErrorRetention() time.Duration {
	days := DefaultErrorRetentionDays
	if s.ErrorRetentionDays > 0 {
		days = s.ErrorRetentionDays
	}
	return time.Duration(days) * 24 * time.Hour
}
