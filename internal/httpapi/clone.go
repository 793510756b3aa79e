package httpapi

import (
	"net/http"

	"github.com/celonis-connector/connector/internal/fault"
)

// cloneDraft is the body of a clone.
type cloneDraft struct {
	Name string `json:"name" validate:"required,max=100"`
}

func (a *api) cloneConnection(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	if _, err := a.Connections.Get(r.ctx(), r.who.Workspace, id); err != nil {
		return reply{}, err
	}
	draft, err := readJSON(a, r, func(d cloneDraft) []fault.Field { return a.valid.Struct(d) })
	if err != nil {
		return reply{}, err
	}
	c, err := a.Connections.Clone(r.ctx(), r.who.Workspace, id, draft.Name)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, body: viewConnection(c), location: connectionPath(c.ID), revision: c.Revision}, nil
}
