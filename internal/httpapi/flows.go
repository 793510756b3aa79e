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
	Paused    bool      `json:"paused"`
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`

	// Watermark is there for a flow whose runs leave something behind for the next one; a list leaves it out.
	Watermark *watermarkView `json:"watermark,omitempty"`
	// Webhook is there for a flow with an export of type webhook; a list leaves it out.
	Webhook *webhookView `json:"webhook,omitempty"`
	// Delivery is there for a flow with an import of type webhook; a list leaves it out.
	Delivery *deliveryView `json:"delivery,omitempty"`
	// Subscription is there for a flow with an export of type eventSubscription; a list leaves it out.
	Subscription *subscriptionView `json:"subscription,omitempty"`

	// What lies ahead of the flow; a list leaves it out.
	NextFires     []time.Time         `json:"nextFires,omitempty"`
	ScheduleState *scheduleState      `json:"scheduleState,omitempty"`
	Warnings      []flows.FlowWarning `json:"warnings,omitempty"`
}

func viewFlow(f *flows.Flow) flowView {
	return flowView{
		ID: f.ID, Spec: f.Spec, Enabled: f.Enabled, Paused: f.Paused, Revision: f.Revision,
		CreatedAt: moment(f.CreatedAt), UpdatedAt: moment(f.UpdatedAt),
	}
}

// flowReply answers a call with a flow.
func (a *api) flowReply(r *call) func(f *flows.Flow, err error) (reply, error) {
	return func(f *flows.Flow, err error) (reply, error) {
		if err != nil {
			return reply{}, err
		}
		view := a.viewProspect(r, f)
		if view.Watermark, err = a.watermarkOf(r, f); err != nil {
			return reply{}, err
		}
		if view.Webhook, err = a.webhookOf(r, f); err != nil {
			return reply{}, err
		}
		if view.Delivery, err = a.deliveryOf(r, f); err != nil {
			return reply{}, err
		}
		if view.Subscription, err = a.subscriptionOf(r, f); err != nil {
			return reply{}, err
		}
		told, kept := a.withURL(r, f, view)
		return reply{status: http.StatusOK, body: told, kept: kept, revision: f.Revision}, nil
	}
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
	view := a.viewProspect(r, f)
	if view.Webhook, err = a.webhookOf(r, f); err != nil {
		return reply{}, err
	}
	if view.Delivery, err = a.deliveryOf(r, f); err != nil {
		return reply{}, err
	}
	if view.Subscription, err = a.subscriptionOf(r, f); err != nil {
		return reply{}, err
	}
	told, kept := a.withURL(r, f, view)
	return reply{status: http.StatusCreated, body: told, kept: kept, location: "/v1/flows/" + f.ID, revision: f.Revision}, nil
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
	// What lies ahead of a scheduled flow changes without a new revision, and so does a watermark.
	if err == nil && f.Schedule == nil && !hasWatermark(f) && !hasWebhook(f) && !hasSubscription(f) && r.notModified(f.Revision) {
		return reply{status: http.StatusNotModified, revision: f.Revision}, nil
	}
	return a.flowReply(r)(f, err)
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
			return a.flowReply(r)(a.Flows.Update(r.ctx(), r.who.Workspace, id, s, revision))
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
	return a.flowReply(r)(a.Flows.SetEnabled(r.ctx(), r.who.Workspace, id, enabled, revision))
}
