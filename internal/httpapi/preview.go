package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi/strictjson"
)

// PreviewCaller is who asks for a preview.
type PreviewCaller struct{ Workspace, Client string }

// Previews tries flows on a few records and sends nothing. The answers are JSON without secrets.
type Previews interface {
	PreviewSaved(ctx context.Context, who PreviewCaller, flowID string, ask flows.PreviewRequest) (json.RawMessage, error)
	PreviewDraft(ctx context.Context, who PreviewCaller, spec flows.Spec, ask flows.PreviewRequest) (json.RawMessage, error)
}

// previewBody is a flow that is not stored, with what is asked beside it.
type previewBody struct {
	Flow flows.Spec `json:"flow"`
	flows.PreviewRequest
}

func (r *call) previewer() PreviewCaller {
	return PreviewCaller{Workspace: r.who.Workspace, Client: r.who.ClientID}
}

// checkAsk finds what is wrong with a request for a preview.
func checkAsk(ask flows.PreviewRequest) (fields []fault.Field) {
	for i, record := range ask.Records {
		if text := bytes.TrimSpace(record); len(text) == 0 || text[0] != '{' {
			fields = append(fields, fault.Field{Pointer: strictjson.Index("/records", i), Code: fault.RequestWrongType, Detail: "must be an object"})
		}
	}
	return fields
}

func (a *api) previewFlow(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	if _, err := a.Flows.Get(r.ctx(), r.who.Workspace, id); err != nil {
		return reply{}, err
	}
	ask := flows.PreviewRequest{}
	body, err := r.body()
	if err != nil {
		return reply{}, err
	}
	if len(body) > 0 {
		if ask, err = readJSON(a, r, checkAsk); err != nil {
			return reply{}, err
		}
	}
	if err := invalid(a.valid.Struct(ask)); err != nil {
		return reply{}, err
	}
	return previewed(a.Previews.PreviewSaved(r.ctx(), r.previewer(), id, ask))
}

func (a *api) previewDraft(r *call) (reply, error) {
	body, err := readJSON(a, r, func(b previewBody) []fault.Field {
		return append(checkAsk(b.PreviewRequest), below("/flow", checkPath(flows.Spec{}, b.Flow))...)
	})
	if err != nil {
		return reply{}, err
	}
	if err := invalid(a.valid.Struct(body.PreviewRequest)); err != nil {
		return reply{}, err
	}
	out, err := a.Previews.PreviewDraft(r.ctx(), r.previewer(), body.Flow, body.PreviewRequest)
	if fault.Has(err, fault.RequestInvalid) {
		f := *fault.From(err)
		f.Fields = below("/flow", f.Fields)
		err = &f
	}
	return previewed(out, err)
}

// below puts the member that holds the flow before the pointers; those of the window stay.
func below(member string, fields []fault.Field) []fault.Field {
	out := make([]fault.Field, len(fields))
	for i, f := range fields {
		if !strings.HasPrefix(f.Pointer, "/window") {
			f.Pointer = member + f.Pointer
		}
		out[i] = f
	}
	return out
}

// previewed answers with a preview, which nobody keeps.
func previewed(out json.RawMessage, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: out}, nil
}
