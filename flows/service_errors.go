package flows

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/celonis-connector/connector/internal/fault"
)

// MaxErrorIDs bounds the errors that one call names.
const MaxErrorIDs = 1000

// Errors lists the record errors of a flow, the newest first; fault FlowNotFound.
func (s *Service) Errors(ctx context.Context, q ErrorQuery) ([]RecordError, error) {
	if _, err := s.Flows.Flow(ctx, q.Workspace, q.FlowID); err != nil {
		return nil, err
	}
	return s.ErrorStore.RecordErrors(ctx, q)
}

// ErrorGroups counts the record errors of a flow by signature; fault FlowNotFound.
func (s *Service) ErrorGroups(ctx context.Context, q ErrorQuery) ([]ErrorGroup, error) {
	if _, err := s.Flows.Flow(ctx, q.Workspace, q.FlowID); err != nil {
		return nil, err
	}
	return s.ErrorStore.ErrorGroups(ctx, q)
}

// RecordError reads a record error; fault ErrorNotFound.
func (s *Service) RecordError(ctx context.Context, workspace, id string) (*RecordError, error) {
	return s.ErrorStore.RecordError(ctx, workspace, id)
}

// EditError puts a record, a JSON object, in the place of the one that an
// error has; the original is kept. A revision other than 0 must be the current
// one. Faults: ErrorNotFound, ErrorIsResolved, ErrorRetrying, RequestStale.
func (s *Service) EditError(ctx context.Context, workspace, id string, record json.RawMessage, revision int64) (*RecordError, error) {
	e, err := s.ErrorStore.RecordError(ctx, workspace, id)
	if err != nil {
		return nil, err
	}
	if revision != 0 && revision != e.Revision {
		return nil, fault.New(fault.RequestStale, "the error is at revision %d, not %d", e.Revision, revision)
	}
	if f := e.mayChange(); f != nil {
		return nil, f
	}
	return s.ErrorStore.EditError(ctx, ErrorEdit{Workspace: workspace, ID: id, Revision: e.Revision, Record: record, Now: s.Now()})
}

// ResolveErrors says that nothing is left to do about errors of a flow; it
// tells how many were open. Faults: FlowNotFound, and RequestInvalid for ids
// that name none of its errors.
func (s *Service) ResolveErrors(ctx context.Context, q ErrorQuery) (int64, error) {
	if _, err := s.Flows.Flow(ctx, q.Workspace, q.FlowID); err != nil {
		return 0, err
	}
	if err := s.checkIDs(ctx, q, func(e *RecordError) *fault.Error {
		if e.State == ErrorResolved {
			return nil
		}
		return e.mayChange()
	}); err != nil {
		return 0, err
	}
	return s.ErrorStore.ResolveErrors(ctx, q, ByClient, s.Now())
}

// Retried says which runs retry which number of errors.
type Retried struct {
	// Runs has one run for each revision of the flow that was wanted.
	Runs   []Run
	Errors int64
	// Left is how many open errors that were meant must be edited first.
	Left int64
}

// RetryErrors makes runs that take the records of errors, edited ones as they
// were edited. Faults: FlowNotFound, FlowDisabled, FlowRetryKeys, ErrorsNone when
// there is nothing to retry, and RequestInvalid for ids that cannot be retried.
func (s *Service) RetryErrors(ctx context.Context, q ErrorQuery, version FlowVersion) (*Retried, error) {
	f, err := s.startable(ctx, q.Workspace, q.FlowID)
	if err != nil {
		return nil, err
	}
	if err := s.checkIDs(ctx, q, (*RecordError).mayRetry); err != nil {
		return nil, err
	}
	revisions, err := s.retryRevisions(ctx, q, f, version)
	if err != nil {
		return nil, err
	}
	out := &Retried{}
	for _, g := range revisions {
		ask := q
		if version == FlowOriginal {
			ask.FlowRevision = g.Revision
		}
		if err := s.retry(ctx, ask, g, out); err != nil {
			return nil, err
		}
	}
	switch {
	case len(out.Runs) > 0:
		return out, nil
	case out.Left > 0:
		return nil, fault.New(fault.ErrorNeedsEdit, "the %d open errors that were meant have no record that could be retried", out.Left).
			WithHint("give each its record with PATCH /v1/errors/{id}")
	}
	return nil, fault.New(fault.ErrorsNone, "no open error is meant that no run retries already")
}

// retryRevisions gives the flow at every revision that retries the errors.
func (s *Service) retryRevisions(ctx context.Context, q ErrorQuery, f *Flow, version FlowVersion) ([]*Flow, error) {
	list := []*Flow{f}
	if version == FlowOriginal {
		revisions, err := s.ErrorStore.OpenRevisions(ctx, q)
		if err != nil {
			return nil, err
		}
		list = nil
		for _, revision := range revisions {
			g, err := s.Flows.FlowRevision(ctx, q.Workspace, f.ID, revision)
			if err != nil {
				return nil, err
			}
			list = append(list, g)
		}
	}
	for _, g := range list {
		if _, err := g.ForRetry(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// retry makes one run of errors. It waits from its beginning while the connection is offline.
func (s *Service) retry(ctx context.Context, q ErrorQuery, f *Flow, out *Retried) error {
	r := s.newRun(f, Retry)
	err := s.pass(ctx, f)
	switch {
	case fault.Has(err, fault.ConnectionOffline):
		r.State, r.WaitsFor, r.Error, r.ResumeAt = Waiting, f.Import.ConnectionID, RunErrorOf(err), fault.From(err).ResumeAt
	case err != nil:
		return err
	}
	taken, left, err := s.ErrorStore.RetryErrors(ctx, q, r)
	if err != nil {
		return err
	}
	out.Left += left
	if taken == 0 {
		return nil
	}
	out.Runs, out.Errors = append(out.Runs, *r), out.Errors+taken
	if r.State == Queued {
		s.announce(ctx, r.ID)
	}
	return nil
}

// checkIDs tells of every id that names no error of the flow or one that refuse has a fault for.
func (s *Service) checkIDs(ctx context.Context, q ErrorQuery, refuse func(*RecordError) *fault.Error) error {
	if len(q.IDs) == 0 {
		return nil
	}
	list, err := s.ErrorStore.RecordErrors(ctx, ErrorQuery{Workspace: q.Workspace, FlowID: q.FlowID, IDs: q.IDs, Page: Page{Limit: len(q.IDs)}})
	if err != nil {
		return err
	}
	byID := make(map[string]*RecordError, len(list))
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	var fields []fault.Field
	for i, id := range q.IDs {
		f := fault.New(fault.ErrorNotFound, "there is no such error of the flow")
		if e := byID[id]; e != nil {
			f = refuse(e)
		}
		if f == nil {
			continue
		}
		if len(q.IDs) == 1 {
			return f
		}
		fields = append(fields, fault.Field{Pointer: fmt.Sprintf("/ids/%d", i), Code: f.Code, Detail: f.Message})
	}
	if len(fields) > 0 {
		return fault.New(fault.RequestInvalid, "%d of %d errors cannot be taken", len(fields), len(q.IDs)).WithFields(fields...)
	}
	return nil
}
