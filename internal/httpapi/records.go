package httpapi

import (
	"encoding/base64"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	mediaNDJSON  = "application/x-ndjson"
	mediaNDJSON2 = "application/ndjson"
)

type receiptView struct {
	BatchID string `json:"batchId"`
	Records int64  `json:"records"`
	RunID   string `json:"runId"`
}

func (a *api) postRecords(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	media, err := r.mediaType(mediaJSON, mediaNDJSON, mediaNDJSON2)
	if err != nil {
		return reply{}, err
	}
	body, err := r.body()
	if err != nil {
		return reply{}, err
	}
	read := recordsOfLines
	if media == mediaJSON {
		read = recordsOfArray
	}
	ndjson, count, err := read(body)
	if err != nil {
		return reply{}, err
	}
	receipt, err := a.Records.PostRecords(r.ctx(), r.who.Workspace, id, ndjson, count)
	if err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusAccepted, body: receiptView{receipt.BatchID, receipt.Records, receipt.RunID},
		location: runPath(receipt.RunID),
	}, nil
}

type recordErrorView struct {
	ID           string           `json:"id"`
	FlowID       string           `json:"flowId"`
	RunID        string           `json:"runId"`
	Record       int64            `json:"record"`
	Line         int64            `json:"line"`
	Offset       int64            `json:"offset"`
	Code         fault.Code       `json:"code"`
	Field        *string          `json:"field"`
	Message      string           `json:"message"`
	Data         string           `json:"data"`
	DataEncoding string           `json:"dataEncoding"`
	Truncated    bool             `json:"truncated"`
	State        flows.ErrorState `json:"state"`
	CreatedAt    time.Time        `json:"createdAt"`
}

// viewRecordError shows the record as it was: in base64 when JSON, which is
// UTF-8, could not carry its bytes.
func viewRecordError(e *flows.RecordError) recordErrorView {
	v := recordErrorView{
		ID: e.ID, FlowID: e.FlowID, RunID: e.RunID, Record: e.Record, Line: e.Line, Offset: e.Offset,
		Code: e.Code, Field: orNull(e.Field), Message: e.Message, Data: string(e.Data), DataEncoding: "utf-8",
		Truncated: e.Truncated, State: e.State, CreatedAt: moment(e.CreatedAt),
	}
	if !utf8.Valid(e.Data) {
		v.Data, v.DataEncoding = base64.StdEncoding.EncodeToString(e.Data), "base64"
	}
	return v
}

func (a *api) listRecordErrors(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	q := flows.ErrorQuery{
		Workspace: r.who.Workspace, FlowID: id, RunID: r.query.Get("runId"), State: flows.ErrorState(r.query.Get("state")),
		Page: flows.Page{Limit: p.ask(), After: p.after},
	}
	if r.query.Has("runId") && !plausibleID(q.RunID) {
		return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter \"runId\" must be the id of a run")
	}
	if r.query.Has("state") && q.State != flows.ErrorOpen && q.State != flows.ErrorResolved {
		return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter \"state\" must be %q or %q", flows.ErrorOpen, flows.ErrorResolved)
	}
	items, err := a.Records.Errors(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(e *flows.RecordError) string { return e.ID }, viewRecordError)
}
