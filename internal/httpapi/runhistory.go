package httpapi

import (
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// historyFilters are the query parameters that narrow lists of runs.
func historyFilters(more ...string) []string {
	return append([]string{"state", "trigger", "from", "to", "hasErrors", "limit", "cursor"}, more...)
}

func runStates() []flows.State {
	return []flows.State{flows.Queued, flows.Running, flows.Waiting, flows.Succeeded, flows.Failed, flows.Canceled}
}

// listRuns lists the runs of a flow.
func (a *api) listRuns(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	return a.listHistory(r, id)
}

// listAllRuns lists the runs of every flow of the workspace, or of one.
func (a *api) listAllRuns(r *call) (reply, error) {
	id := r.query.Get("flowId")
	if r.query.Has("flowId") && !plausibleID(id) {
		return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter \"flowId\" must be the id of a flow")
	}
	return a.listHistory(r, id)
}

func (a *api) listHistory(r *call, flowID string) (reply, error) {
	q, err := r.historyQuery()
	if err != nil {
		return reply{}, err
	}
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	q.FlowID, q.Page = flowID, flows.Page{Limit: p.ask(), After: p.after}
	items, err := a.Runs.RunHistory(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, (*flows.Run).Cursor, viewRun)
}

// historyQuery reads the filters. Fault RequestFieldInvalid.
func (r *call) historyQuery() (q flows.RunQuery, err error) {
	q = flows.RunQuery{Workspace: r.who.Workspace}
	if q.State, err = oneOf(r, "state", runStates()); err != nil {
		return q, err
	}
	if q.Trigger, err = oneOf(r, "trigger", flows.Triggers()); err != nil {
		return q, err
	}
	switch text := r.query.Get("hasErrors"); {
	case text == "true", text == "false":
		has := text == "true"
		q.HasErrors = &has
	case r.query.Has("hasErrors"):
		return q, fault.New(fault.RequestFieldInvalid, "the query parameter \"hasErrors\" must be true or false")
	}
	for name, at := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if !r.query.Has(name) {
			continue
		}
		if *at, err = time.Parse(time.RFC3339, r.query.Get(name)); err != nil {
			return q, fault.New(fault.RequestFieldInvalid, "the query parameter %q must be a time such as 2026-03-01T08:30:00Z", name)
		}
	}
	return q, nil
}
