package flows

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// RunQuery selects runs of a workspace; a zero member selects all.
type RunQuery struct {
	Workspace string
	FlowID    string
	State     State
	Trigger   Trigger
	// From and To bound the time of creation: From is in it, To is not.
	From, To time.Time
	// HasErrors selects runs with or without records that went to the error store; nil selects both.
	HasErrors *bool
	// Page.After is the Cursor of a run.
	Page Page
}

// Cursor is the run's place in a list of runs.
func (r *Run) Cursor() string { return strconv.FormatInt(r.CreatedAt.UnixMicro(), 10) + "_" + r.ID }

// After gives the creation and id of the run that the page begins after; ok is
// false for the first page. Fault RequestCursor.
func (q RunQuery) After() (created time.Time, id string, ok bool, err error) {
	if q.Page.After == "" {
		return time.Time{}, "", false, nil
	}
	text, id, cut := strings.Cut(q.Page.After, "_")
	micros, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !cut || id == "" {
		return time.Time{}, "", false, fault.New(fault.RequestCursor, "the cursor is none of a list of runs")
	}
	return time.UnixMicro(micros).UTC(), id, true, nil
}

// HistoryStore lists runs by what they are.
type HistoryStore interface {
	// RunHistory lists runs, the newest first.
	RunHistory(ctx context.Context, q RunQuery) ([]Run, error)
}

// RunHistory lists runs of a flow, or of every flow where the query names
// none; the newest first. Faults: FlowNotFound, RequestCursor.
func (s *Service) RunHistory(ctx context.Context, q RunQuery) ([]Run, error) {
	if q.FlowID != "" {
		if _, err := s.Flows.Flow(ctx, q.Workspace, q.FlowID); err != nil {
			return nil, err
		}
	}
	return s.History.RunHistory(ctx, q)
}

// Triggers lists what may start a run.
func Triggers() []Trigger { return []Trigger{Manual, Records, Retry, Scheduled, Followed} }
