package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// editableError is what can be written of a record error.
type editableError struct {
	// Record is a JSON object.
	Record json.RawMessage `json:"record"`
}

func checkRecord(_, changed editableError) []fault.Field {
	record := bytes.TrimSpace(changed.Record)
	switch {
	case len(record) == 0:
		return []fault.Field{{Pointer: "/record", Code: fault.RequestFieldMissing, Detail: "must be the record, an object"}}
	case record[0] != '{':
		return []fault.Field{{Pointer: "/record", Code: fault.RequestWrongType, Detail: "must be an object"}}
	case len(record) > flows.MaxErrorData:
		return []fault.Field{{Pointer: "/record", Code: fault.RequestTooLarge, Detail: "is larger than an error's record may be"}}
	}
	return nil
}

// updateRecordError merges the body's record into the one that a retry would take.
func (a *api) updateRecordError(r *call) (reply, error) {
	id, err := r.errorID()
	if err != nil {
		return reply{}, err
	}
	return patch(a, r, patched[editableError]{
		load: func() (editableError, int64, error) {
			e, err := a.Errors.RecordError(r.ctx(), r.who.Workspace, id)
			if err != nil {
				return editableError{}, 0, err
			}
			return editableError{Record: e.Current()}, e.Revision, nil
		},
		check: checkRecord,
		store: func(e editableError, revision int64) (reply, error) {
			var line bytes.Buffer
			if err := json.Compact(&line, e.Record); err != nil {
				return reply{}, fault.Wrap(err, fault.RequestMalformed, "the record is no JSON")
			}
			edited, err := a.Errors.EditError(r.ctx(), r.who.Workspace, id, line.Bytes(), revision)
			return errorReply(r, edited, err)
		},
	})
}

// howToRetry is the body of a retry of one error.
type howToRetry struct {
	Flow flows.FlowVersion `json:"flow,omitempty" validate:"omitempty,oneof=original current"`
}

// whichErrors is the body of what is done to many errors.
type whichErrors struct {
	IDs       []string         `json:"ids,omitempty" validate:"max=1000,unique,dive,required,max=64"`
	Signature string           `json:"signature,omitempty" validate:"max=64"`
	Class     flows.ErrorClass `json:"class,omitempty" validate:"omitempty,oneof=value missing connection rateLimit tooLarge parse duplicate drift"`
	RunID     string           `json:"runId,omitempty" validate:"max=64"`
	// All takes every open error of the flow; it must be said.
	All bool `json:"all,omitempty"`
}

type retryMany struct {
	whichErrors
	howToRetry
}

func (w whichErrors) check() []fault.Field {
	narrowed := len(w.IDs) > 0 || w.Signature != "" || w.Class != "" || w.RunID != ""
	if narrowed == w.All {
		return []fault.Field{{Pointer: "", Code: fault.RequestFieldMissing,
			Detail: "must say which errors: ids, or signature, class and runId, or all true alone"}}
	}
	for _, id := range append(slices.Clone(w.IDs), w.RunID) {
		if id != "" && !plausibleID(id) {
			return []fault.Field{{Pointer: "/ids", Code: fault.RequestFieldInvalid, Detail: "holds what is no id"}}
		}
	}
	return nil
}

func (w whichErrors) query(workspace, flowID string) flows.ErrorQuery {
	return flows.ErrorQuery{Workspace: workspace, FlowID: flowID, IDs: w.IDs, Signature: w.Signature, Class: w.Class, RunID: w.RunID}
}

// readBody reads a body whose rules stand in its tags, and in check; an empty body is empty.
func readBody[T any](a *api, r *call, check func(T) []fault.Field) (T, error) {
	var v T
	body, err := r.body()
	if err != nil {
		return v, err
	}
	if len(body) > 0 {
		if v, err = readJSON(a, r, check); err != nil {
			return v, err
		}
	} else if check != nil {
		if err := invalid(check(v)); err != nil {
			return v, err
		}
	}
	return v, invalid(a.valid.Struct(v))
}

// oneError gives the query for the error in the path. Fault ErrorNotFound.
func (a *api) oneError(r *call) (flows.ErrorQuery, error) {
	id, err := r.errorID()
	if err != nil {
		return flows.ErrorQuery{}, err
	}
	e, err := a.Errors.RecordError(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return flows.ErrorQuery{}, err
	}
	if err := r.ifMatch().allows(e.Revision); err != nil {
		return flows.ErrorQuery{}, err
	}
	return flows.ErrorQuery{Workspace: r.who.Workspace, FlowID: e.FlowID, IDs: []string{id}}, nil
}

func (a *api) retryRecordError(r *call) (reply, error) {
	q, err := a.oneError(r)
	if err != nil {
		return reply{}, err
	}
	how, err := readBody[howToRetry](a, r, nil)
	if err != nil {
		return reply{}, err
	}
	done, err := a.Errors.RetryErrors(r.ctx(), q, how.Flow)
	if err != nil {
		return reply{}, err
	}
	return accepted(&done.Runs[0], nil)
}

type retriedView struct {
	Runs    []runView `json:"runs"`
	Retried int64     `json:"retried"`
	Skipped int64     `json:"skipped"`
}

func (a *api) retryRecordErrors(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	ask, err := readBody(a, r, func(m retryMany) []fault.Field { return m.check() })
	if err != nil {
		return reply{}, err
	}
	done, err := a.Errors.RetryErrors(r.ctx(), ask.query(r.who.Workspace, id), ask.Flow)
	if err != nil {
		return reply{}, err
	}
	out := retriedView{Runs: make([]runView, len(done.Runs)), Retried: done.Errors, Skipped: done.Left}
	for i := range done.Runs {
		out.Runs[i] = viewRun(&done.Runs[i])
	}
	return reply{status: http.StatusAccepted, body: out, location: runPath(done.Runs[0].ID)}, nil
}

func (a *api) resolveRecordError(r *call) (reply, error) {
	q, err := a.oneError(r)
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	if _, err := a.Errors.ResolveErrors(r.ctx(), q); err != nil {
		return reply{}, err
	}
	e, err := a.Errors.RecordError(r.ctx(), r.who.Workspace, q.IDs[0])
	return errorReply(r, e, err)
}

type resolvedView struct {
	Resolved int64 `json:"resolved"`
}

func (a *api) resolveRecordErrors(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	ask, err := readBody(a, r, whichErrors.check)
	if err != nil {
		return reply{}, err
	}
	n, err := a.Errors.ResolveErrors(r.ctx(), ask.query(r.who.Workspace, id))
	if err != nil {
		return reply{}, err
	}
	return ok(resolvedView{n})
}
