package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
)

// Errors is what can be done about records that did not become rows; *flows.Service is one.
type Errors interface {
	Errors(ctx context.Context, q flows.ErrorQuery) ([]flows.RecordError, error)
	ErrorGroups(ctx context.Context, q flows.ErrorQuery) ([]flows.ErrorGroup, error)
	RecordError(ctx context.Context, workspace, id string) (*flows.RecordError, error)
	EditError(ctx context.Context, workspace, id string, record json.RawMessage, revision int64) (*flows.RecordError, error)
	ResolveErrors(ctx context.Context, q flows.ErrorQuery) (int64, error)
	RetryErrors(ctx context.Context, q flows.ErrorQuery, version flows.FlowVersion) (*flows.Retried, error)
}

var _ Errors = (*flows.Service)(nil)

type recordErrorView struct {
	ID           string            `json:"id"`
	FlowID       string            `json:"flowId"`
	FlowRevision int64             `json:"flowRevision"`
	RunID        string            `json:"runId"`
	Record       int64             `json:"record"`
	Line         int64             `json:"line"`
	Offset       int64             `json:"offset"`
	Class        flows.ErrorClass  `json:"class"`
	Code         fault.Code        `json:"code"`
	Field        *string           `json:"field"`
	Message      string            `json:"message"`
	Signature    string            `json:"signature"`
	Truncated    bool              `json:"truncated"`
	State        flows.ErrorState  `json:"state"`
	Attempts     int64             `json:"attempts"`
	RetryRunID   *string           `json:"retryRunId"`
	LastRunID    *string           `json:"lastRunId"`
	ResolvedBy   *flows.ResolvedBy `json:"resolvedBy"`
	ResolvedAt   *time.Time        `json:"resolvedAt"`
	Revision     int64             `json:"revision"`
	CreatedAt    time.Time         `json:"createdAt"`
	UpdatedAt    time.Time         `json:"updatedAt"`
	// Only a token that may read records sees the payload.
	*payloadView
}

// payloadView is what the source's records hold.
type payloadView struct {
	Data         string          `json:"data"`
	DataEncoding string          `json:"dataEncoding"`
	Original     json.RawMessage `json:"original"`
	Edited       json.RawMessage `json:"edited"`
	TraceKey     *string         `json:"traceKey"`
}

// viewRecordError gives the view of an error for a caller that may or may not
// see payloads: a message quotes values.
func viewRecordError(payload bool) func(*flows.RecordError) recordErrorView {
	return func(e *flows.RecordError) recordErrorView {
		v := recordErrorView{
			ID: e.ID, FlowID: e.FlowID, FlowRevision: e.FlowRevision, RunID: e.RunID, Record: e.Record, Line: e.Line, Offset: e.Offset,
			Class: e.Class(), Code: e.Code, Field: orNull(e.Field), Message: e.Message, Signature: e.Signature,
			Truncated: e.Truncated, State: e.State, Attempts: e.Attempts, RetryRunID: orNull(e.RetryRunID), LastRunID: orNull(e.LastRunID),
			ResolvedAt: timeOrNull(e.ResolvedAt), Revision: e.Revision, CreatedAt: moment(e.CreatedAt), UpdatedAt: moment(e.UpdatedAt),
		}
		if e.ResolvedBy != "" {
			v.ResolvedBy = &e.ResolvedBy
		}
		if payload {
			v.payloadView = viewPayload(e)
		} else {
			v.Message = flows.WithoutValues(e.Message)
		}
		return v
	}
}

// viewPayload shows the record as it was: in base64 when JSON, which is
// UTF-8, could not carry its bytes.
func viewPayload(e *flows.RecordError) *payloadView {
	p := payloadView{Data: string(e.Data), DataEncoding: "utf-8", Original: e.Original(), Edited: e.Edited, TraceKey: orNull(e.TraceKey)}
	if !utf8.Valid(e.Data) {
		p.Data, p.DataEncoding = base64.StdEncoding.EncodeToString(e.Data), "base64"
	}
	return &p
}

// seesPayload reports whether the caller may read records.
func (r *call) seesPayload() bool { return r.who.Has(access.RecordsRead) }

func (r *call) errorID() (string, error) { return r.id(fault.ErrorNotFound, "record error") }

// errorFilters are the query parameters that narrow errors.
func errorFilters(more ...string) []string {
	return append([]string{"runId", "class", "code", "signature", "field", "traceKey", "from", "to"}, more...)
}

// errorQuery reads the flow in the path and the filters of the query. Faults:
// RequestFieldInvalid, and AccessForbidden for a trace key, which is payload.
func (r *call) errorQuery() (flows.ErrorQuery, error) {
	id, err := r.flowID()
	if err != nil {
		return flows.ErrorQuery{}, err
	}
	q := flows.ErrorQuery{
		Workspace: r.who.Workspace, FlowID: id, RunID: r.query.Get("runId"), State: flows.ErrorState(r.query.Get("state")),
		Class: flows.ErrorClass(r.query.Get("class")), Code: fault.Code(r.query.Get("code")), Signature: r.query.Get("signature"),
		Field: r.query.Get("field"), TraceKey: r.query.Get("traceKey"),
	}
	if r.query.Has("runId") && !plausibleID(q.RunID) {
		return q, fault.New(fault.RequestFieldInvalid, "the query parameter \"runId\" must be the id of a run")
	}
	if r.query.Has("state") && q.State != flows.ErrorOpen && q.State != flows.ErrorResolved {
		return q, fault.New(fault.RequestFieldInvalid, "the query parameter \"state\" must be %q or %q", flows.ErrorOpen, flows.ErrorResolved)
	}
	if r.query.Has("class") && !slices.Contains(flows.ErrorClasses(), q.Class) {
		return q, fault.New(fault.RequestFieldInvalid, "the query parameter \"class\" must be one of %q", flows.ErrorClasses())
	}
	if r.query.Has("traceKey") && !r.seesPayload() {
		return q, scopeError{fault.New(fault.AccessForbidden, "the token does not carry the scope %q, which a filter by \"traceKey\" needs", access.RecordsRead), access.RecordsRead}
	}
	for _, name := range []string{"code", "signature", "field", "traceKey"} {
		if value := r.query.Get(name); r.query.Has(name) && (value == "" || len(value) > flows.MaxTraceKey || !utf8.ValidString(value)) {
			return q, fault.New(fault.RequestFieldInvalid, "the query parameter %q must have 1 to %d bytes", name, flows.MaxTraceKey)
		}
	}
	if q.From, err = r.queryTime("from"); err != nil {
		return q, err
	}
	q.To, err = r.queryTime("to")
	return q, err
}

// queryTime reads a time of the query; the zero time when it is not there.
func (r *call) queryTime(name string) (time.Time, error) {
	if !r.query.Has(name) {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, r.query.Get(name))
	if err != nil {
		return time.Time{}, fault.New(fault.RequestFieldInvalid, "the query parameter %q must be a time such as 2026-03-29T01:00:00Z", name)
	}
	return at, nil
}

func (a *api) listRecordErrors(r *call) (reply, error) {
	q, err := r.errorQuery()
	if err != nil {
		return reply{}, err
	}
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	q.Page = flows.Page{Limit: p.ask(), After: p.after}
	items, err := a.Errors.Errors(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(e *flows.RecordError) string { return e.ID }, viewRecordError(r.seesPayload()))
}

type errorGroupView struct {
	Signature string           `json:"signature"`
	Class     flows.ErrorClass `json:"class"`
	Code      fault.Code       `json:"code"`
	Field     *string          `json:"field"`
	Message   string           `json:"message"`
	Open      int64            `json:"open"`
	Resolved  int64            `json:"resolved"`
	FirstAt   time.Time        `json:"firstAt"`
	LastAt    time.Time        `json:"lastAt"`
	ExampleID string           `json:"exampleId"`
}

func (a *api) listErrorGroups(r *call) (reply, error) {
	q, err := r.errorQuery()
	if err != nil {
		return reply{}, err
	}
	groups, err := a.Errors.ErrorGroups(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	out := listing[errorGroupView]{Items: make([]errorGroupView, len(groups))}
	for i, g := range groups {
		v := errorGroupView{g.Signature, g.Class(), g.Code, orNull(g.Field), g.Message, g.Open, g.Resolved, moment(g.FirstAt), moment(g.LastAt), g.ExampleID}
		if !r.seesPayload() {
			v.Message = flows.WithoutValues(g.Message)
		}
		out.Items[i] = v
	}
	return ok(out)
}

func errorReply(r *call, e *flows.RecordError, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: viewRecordError(r.seesPayload())(e), revision: e.Revision}, nil
}

func (a *api) getRecordError(r *call) (reply, error) {
	id, err := r.errorID()
	if err != nil {
		return reply{}, err
	}
	e, err := a.Errors.RecordError(r.ctx(), r.who.Workspace, id)
	if err == nil && r.notModified(e.Revision) {
		return reply{status: http.StatusNotModified, revision: e.Revision}, nil
	}
	return errorReply(r, e, err)
}
