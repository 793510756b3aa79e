package engine

import (
	"context"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// Deliverer is a Sink that takes rows, not files of rows, and answers for each:
// an API, a webhook, a SCIM service. Encoder and Put are not called; a row that
// is refused becomes a record error. The id that Begin gives is made by the
// sink and is the same for every attempt that goes on with the same push.
type Deliverer interface {
	Sink
	// Group is how many rows Deliver takes at most; a checkpoint is saved after each group (I1).
	Group() int
	// Repeatable reports whether delivering a row twice does what once does. Where it is not, the engine puts on record that
	// a group is about to go out, and a later attempt gives the group that it finds so as doubtful.
	Repeatable() bool
	// Deliver hands the rows over and gives an outcome for each in their order. With an error the outcomes may be undecided;
	// those of the unbroken beginning that are not count all the same. A fault of class Wait says when to go on.
	Deliver(ctx context.Context, jobID string, d Delivery) ([]Outcome, error)
}

// Surveyor is a Deliverer that must know every row before the first is
// delivered. The engine reads the source once more for it.
type Surveyor interface {
	// Surveys reports whether the run needs it.
	Surveys() bool
	// Survey takes rows, in order; they are valid until it returns.
	Survey(ctx context.Context, rows *columns.Batch) error
	// Surveyed comes after the last row; its fault ends the run before anything is delivered.
	Surveyed(ctx context.Context) error
}

// Delivery is rows on their way.
type Delivery struct {
	// Rows holds the rows From to To, To not among them.
	Rows     *columns.Batch
	From, To int
	// First counts the delivered push's rows before From: with the job's id it names a row, the same in every attempt.
	First int64
	// Doubtful says that an attempt before may have delivered these rows.
	Doubtful bool
	// Dry asks for the outcomes that a delivery would have; nothing may be sent that changes anything.
	Dry bool
}

// Outcome is what became of one row.
type Outcome struct {
	// Done says that it is decided: taken, or with a Fault refused.
	Done bool
	// Action is what was done for it, counted in the run: "created", "updated", "unchanged"; "" counts nothing.
	Action string
	// Fault is why the row was refused.
	Fault *fault.Error
}

// Actor is a Deliverer whose Commit does more than the rows asked for, like
// deactivating what no row names.
type Actor interface {
	// Acted gives how often each action was done beside those of rows, once Commit has returned; in a dry run, how often it would be.
	Acted() map[string]int64
}
