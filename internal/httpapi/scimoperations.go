package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
)

// SCIMOperations shows the writes that Celonis has not taken; *scimgate.Service is one.
type SCIMOperations interface {
	Operations(ctx context.Context, q scimgate.OperationQuery) ([]scimgate.Operation, error)
	Operation(ctx context.Context, workspace, id string) (*scimgate.Operation, error)
	Detail(o *scimgate.Operation) (*scimgate.Problem, error)
	Retry(ctx context.Context, workspace, id string) (*scimgate.Operation, error)
	Discard(ctx context.Context, workspace, id string) error
}

var _ SCIMOperations = (*scimgate.Service)(nil)

// scimOperationView is an operation without what it would write, which is about a person.
type scimOperationView struct {
	ID           string            `json:"id"`
	ConnectionID string            `json:"connectionId"`
	Kind         scim.Kind         `json:"kind"`
	ResourceID   string            `json:"resourceId"`
	Operation    scimgate.Verb     `json:"operation"`
	State        scimgate.State    `json:"state"`
	Attempts     int               `json:"attempts"`
	Problem      *scimgate.Problem `json:"problem"`
	NextAt       *time.Time        `json:"nextAt"`
	CreatedAt    time.Time         `json:"createdAt"`
	UpdatedAt    time.Time         `json:"updatedAt"`
}

func (a *api) viewSCIMOperation(o *scimgate.Operation) (scimOperationView, error) {
	problem, err := a.SCIMOperations.Detail(o)
	return scimOperationView{
		ID: o.ID, ConnectionID: o.ConnectionID, Kind: o.Kind, ResourceID: o.ResourceID, Operation: o.Verb, State: o.State, Attempts: o.Attempts,
		Problem: problem, NextAt: timeOrNull(o.NextAt), CreatedAt: moment(o.CreatedAt), UpdatedAt: moment(o.UpdatedAt),
	}, err
}

func (a *api) listSCIMOperations(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	state, err := oneOf(r, "state", []scimgate.State{scimgate.Pending, scimgate.Failed})
	if err != nil {
		return reply{}, err
	}
	if _, err := a.Connections.Get(r.ctx(), r.who.Workspace, id); err != nil {
		return reply{}, err
	}
	items, err := a.SCIMOperations.Operations(r.ctx(), scimgate.OperationQuery{
		Place: scimgate.Place{Workspace: r.who.Workspace, ConnectionID: id}, State: state, After: p.after, Limit: p.ask(),
	})
	if err != nil {
		return reply{}, err
	}
	views := make([]scimOperationView, len(items))
	for i := range items {
		if views[i], err = a.viewSCIMOperation(&items[i]); err != nil {
			return reply{}, err
		}
	}
	return listed(p, views, func(v *scimOperationView) string { return v.ID }, func(v *scimOperationView) scimOperationView { return *v })
}

func (r *call) scimOperationID() (string, error) {
	return r.id(fault.ScimOperationNotFound, "SCIM operation")
}

func (a *api) getSCIMOperation(r *call) (reply, error) {
	id, err := r.scimOperationID()
	if err != nil {
		return reply{}, err
	}
	o, err := a.SCIMOperations.Operation(r.ctx(), r.who.Workspace, id)
	return a.scimOperationReply(o, err)
}

func (a *api) scimOperationReply(o *scimgate.Operation, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	view, err := a.viewSCIMOperation(o)
	if err != nil {
		return reply{}, err
	}
	return ok(view)
}

func (a *api) retrySCIMOperation(r *call) (reply, error) {
	id, err := r.scimOperationID()
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	o, err := a.SCIMOperations.Retry(r.ctx(), r.who.Workspace, id)
	return a.scimOperationReply(o, err)
}

// discardSCIMOperation drops an operation; a caller that waits for the answer of it was told long ago that it is done.
func (a *api) discardSCIMOperation(r *call) (reply, error) {
	id, err := r.scimOperationID()
	if err != nil {
		return reply{}, err
	}
	if err := a.SCIMOperations.Discard(r.ctx(), r.who.Workspace, id); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}
