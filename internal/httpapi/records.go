package httpapi

import (
	"net/http"

	"github.com/celonis-connector/connector/flows"
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

// once tells the records of a request with an idempotency key from others.
func (r *call) once() *flows.Once {
	if r.key == nil {
		return nil
	}
	return &flows.Once{Scope: "client " + r.key.Client, Key: r.key.Key, Digest: r.key.BodyHash, Expires: r.key.Expires}
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
	receipt, err := a.Records.PostRecords(r.ctx(), r.who.Workspace, id, flows.Post{NDJSON: ndjson, Records: count, Once: r.once()})
	if err != nil {
		return reply{}, err
	}
	a.notePosted(r, id)
	return reply{
		replayed: receipt.Repeated,
		status:   http.StatusAccepted, body: receiptView{receipt.BatchID, receipt.Records, receipt.RunID},
		location: runPath(receipt.RunID),
	}, nil
}
