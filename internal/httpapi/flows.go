package httpapi

import (
	"net/http"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

type flowView struct {
	ID string `json:"id"`
	flows.Spec
	Enabled   bool      `json:"enabled"`
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func viewFlow(f *flows.Flow) flowView {
	return flowView{f.ID, f.Spec, f.Enabled, f.Revision, moment(f.CreatedAt), moment(f.UpdatedAt)}
}

func flowReply(f *flows.Flow, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: viewFlow(f), revision: f.Revision}, nil
}

func (r *call) flowID() (string, error) { return r.id(fault.FlowNotFound, "flow") }

// checkPath keeps callers of the API away from the service's own files: only
// the shell may name a path. One that a shell has set may stay.
func checkPath(current, changed flows.Spec) []fault.Field {
	if changed.Export.Path == "" || changed.Export.Path == current.Export.Path {
		return nil
	}
	return []fault.Field{{Pointer: "/export/path", Code: fault.RequestFieldInvalid,
		Detail: "only the shell may set it; upload the file with POST /v1/files and give its fileId"}}
}

func (a *api) createFlow(r *call) (reply, error) {
	spec, err := readJSON(a, r, func(s flows.Spec) []fault.Field { return checkPath(flows.Spec{}, s) })
	if err != nil {
		return reply{}, err
	}
	f, err := a.Flows.Create(r.ctx(), r.who.Workspace, spec)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, body: viewFlow(f), location: "/v1/flows/" + f.ID, revision: f.Revision}, nil
}

func (a *api) listFlows(r *call) (reply, error) {
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	items, err := a.Flows.List(r.ctx(), r.who.Workspace, flows.Page{Limit: p.ask(), After: p.after})
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(f *flows.Flow) string { return f.ID }, viewFlow)
}

func (a *api) getFlow(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	f, err := a.Flows.Get(r.ctx(), r.who.Workspace, id)
	if err == nil && r.notModified(f.Revision) {
		return reply{status: http.StatusNotModified, revision: f.Revision}, nil
	}
	return flowReply(f, err)
}

func (a *api) updateFlow(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	return patch(a, r, patched[flows.Spec]{
		load: func() (flows.Spec, int64, error) {
			f, err := a.Flows.Get(r.ctx(), r.who.Workspace, id)
			if err != nil {
				return flows.Spec{}, 0, err
			}
			return f.Spec, f.Revision, nil
		},
		check: checkPath,
		store: func(s flows.Spec, revision int64) (reply, error) {
			return flowReply(a.Flows.Update(r.ctx(), r.who.Workspace, id, s, revision))
		},
	})
}

// expectedFlow gives the id in the path and the revision that If-Match demands, 0 when any will do.
func (a *api) expectedFlow(r *call) (id string, revision int64, err error) {
	if id, err = r.flowID(); err != nil {
		return "", 0, err
	}
	revision, err = r.ifMatch().expected(func() (int64, error) {
		f, err := a.Flows.Get(r.ctx(), r.who.Workspace, id)
		if err != nil {
			return 0, err
		}
		return f.Revision, nil
	})
	return id, revision, err
}

func (a *api) deleteFlow(r *call) (reply, error) {
	id, revision, err := a.expectedFlow(r)
	if err != nil {
		return reply{}, err
	}
	if err := a.Flows.Delete(r.ctx(), r.who.Workspace, id, revision); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}

func (a *api) enableFlow(r *call) (reply, error)  { return a.switchFlow(r, true) }
func (a *api) disableFlow(r *call) (reply, error) { return a.switchFlow(r, false) }

func (a *api) switchFlow(r *call, enabled bool) (reply, error) {
	id, revision, err := a.expectedFlow(r)
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	return flowReply(a.Flows.SetEnabled(r.ctx(), r.who.Workspace, id, enabled, revision))
}
