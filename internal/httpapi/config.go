package httpapi

import (
	"context"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/portable"
)

// MaxConfigBody bounds an imported configuration, in bytes.
const MaxConfigBody = 16 << 20

// Config takes the set-up of a workspace out and in; *portable.Service is one.
type Config interface {
	Export(ctx context.Context, workspace string) (*portable.Document, error)
	Import(ctx context.Context, workspace string, doc *portable.Document, opt portable.Options) ([]portable.Item, error)
}

var _ Config = (*portable.Service)(nil)

// importView tells what an import did, or would do.
type importView struct {
	DryRun    bool            `json:"dryRun"`
	Items     []portable.Item `json:"items"`
	Conflicts int             `json:"conflicts"`
}

func (a *api) exportConfig(r *call) (reply, error) {
	doc, err := a.Config.Export(r.ctx(), r.who.Workspace)
	if err != nil {
		return reply{}, err
	}
	return ok(doc)
}

func (a *api) importConfig(r *call) (reply, error) {
	v := importView{Items: []portable.Item{}}
	switch r.query.Get("dryRun") {
	case "", "false":
	case "true":
		v.DryRun = true
	default:
		return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter \"dryRun\" must be true or false")
	}
	doc, err := readJSON(a, r, func(d portable.Document) []fault.Field { return a.valid.Struct(d) })
	if err != nil {
		return reply{}, err
	}
	v.Items, err = a.Config.Import(r.ctx(), r.who.Workspace, &doc, portable.Options{Apply: !v.DryRun})
	if err != nil {
		return reply{}, err
	}
	for _, item := range v.Items {
		if item.Action == portable.Conflict {
			v.Conflicts++
		}
	}
	return ok(v)
}
