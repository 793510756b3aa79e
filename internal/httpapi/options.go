package httpapi

import (
	"context"
	"net/http"

	"github.com/celonis-connector/connector/connections/picker"
	"github.com/celonis-connector/connector/internal/fault"
)

// Options lists what a connection can name in Celonis; *picker.Service is one.
type Options interface {
	Options(ctx context.Context, a picker.Ask) (picker.Page, error)
}

var _ Options = (*picker.Service)(nil)

type optionView struct {
	Value            string `json:"value"`
	Label            string `json:"label"`
	Description      string `json:"description,omitempty"`
	Type             string `json:"type,omitempty"`
	Schema           string `json:"schema,omitempty"`
	DataConnectionID string `json:"dataConnectionId,omitempty"`
	Length           int    `json:"length,omitempty"`
	Format           string `json:"format,omitempty"`
	Unit             string `json:"unit,omitempty"`
	Record           string `json:"record,omitempty"`
}

func viewOption(o *picker.Option) optionView {
	return optionView{o.Value, o.Label, o.Description, o.Type, o.Schema, o.DataConnection, o.Length, o.Format, o.Unit, o.Record}
}

// optionListing is a list that may say why it is empty.
type optionListing struct {
	listing[optionView]
	Error *inlineFault `json:"error,omitempty"`
}

// inlineFault is a fault of Celonis inside an answer that is none of ours.
type inlineFault struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// optionQuery names the query parameters of pickers.
func optionQuery() []string {
	return []string{"q", "limit", "cursor", "fresh", "pool", "table", "schema", "knowledgeModel", "record", "asset"}
}

func (a *api) listOptions(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	limit, err := r.limit()
	if err != nil {
		return reply{}, err
	}
	fresh, err := r.flag("fresh")
	if err != nil {
		return reply{}, err
	}
	page, err := a.Options.Options(r.ctx(), picker.Ask{
		Workspace: r.who.Workspace, Connection: id,
		Query: picker.Query{
			Kind: picker.Kind(r.Param("kind")), Pool: r.query.Get("pool"), Table: r.query.Get("table"), Schema: r.query.Get("schema"),
			KnowledgeModel: r.query.Get("knowledgeModel"), Record: r.query.Get("record"), Asset: r.query.Get("asset"),
		},
		Search: r.query.Get("q"), Limit: limit, Cursor: r.query.Get("cursor"), Fresh: fresh,
	})
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: viewOptions(page)}, nil
}

func viewOptions(p picker.Page) optionListing {
	out := optionListing{listing: listing[optionView]{Items: make([]optionView, len(p.Items))}}
	for i := range p.Items {
		out.Items[i] = viewOption(&p.Items[i])
	}
	if p.Next != "" {
		out.Next = &p.Next
	}
	if p.Error != nil {
		out.Error = &inlineFault{p.Error.Code, p.Error.Message, p.Error.Hint}
	}
	return out
}

// flag reads a query parameter that is true, false or left out. Fault RequestFieldInvalid.
func (r *call) flag(name string) (bool, error) {
	switch text := r.query.Get(name); {
	case text == "true":
		return true, nil
	case text == "false" || !r.query.Has(name):
		return false, nil
	}
	return false, fault.New(fault.RequestFieldInvalid, "the query parameter %q must be true or false", name)
}
