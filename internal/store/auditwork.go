package store

import (
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
)

// runEvent tells what a caller did with a run.
func runEvent(action audit.Action, r *flows.Run) audit.Event {
	return audit.Event{Workspace: r.Workspace, Action: action, Kind: audit.RunOf, ObjectID: r.ID, Name: r.FlowID, Fields: []string{string(r.Trigger)}}
}

// errorsEvent tells what was done with record errors: one by its id, or those
// of a flow. It holds nothing of the records.
func errorsEvent(action audit.Action, ask flows.ErrorQuery) audit.Event {
	e := audit.Event{Workspace: ask.Workspace, Action: action, Kind: audit.RecordError, Name: ask.FlowID}
	if len(ask.IDs) == 1 {
		e.ObjectID = ask.IDs[0]
	}
	return e
}
