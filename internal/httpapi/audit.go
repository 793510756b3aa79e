package httpapi

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// Audit tells who changed what and when; *store.Store is one.
type Audit interface {
	// AuditEvents gives at most the query's limit, the newest first.
	AuditEvents(ctx context.Context, q audit.Query) ([]audit.Event, error)
}

type eventView struct {
	ID        string       `json:"id"`
	At        time.Time    `json:"at"`
	Actor     string       `json:"actor"`
	RequestID *string      `json:"requestId"`
	Action    audit.Action `json:"action"`
	Kind      audit.Kind   `json:"kind"`
	ObjectID  *string      `json:"objectId"`
	Name      string       `json:"name"`
	Fields    []string     `json:"fields"`
}

func viewEvent(e *audit.Event) eventView {
	return eventView{e.ID, moment(e.At), e.Actor, orNull(e.RequestID), e.Action, e.Kind, orNull(e.ObjectID), e.Name, list(e.Fields)}
}

func (a *api) listAuditEvents(r *call) (reply, error) {
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	q := audit.Query{Workspace: r.who.Workspace, After: p.after, Limit: p.ask()}
	kind := audit.Kind(r.query.Get("kind"))
	switch kind {
	case "", audit.Connection, audit.OAuthClient, audit.Flow, audit.APIClient:
		q.Kind = kind
	default:
		return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter \"kind\" must be one of %s, %s, %s, %s",
			audit.Connection, audit.OAuthClient, audit.Flow, audit.APIClient)
	}
	for name, to := range map[string]*string{"id": &q.ObjectID, "actor": &q.Actor} {
		if *to = r.query.Get(name); *to != "" && !plausibleID(*to) {
			return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter %q is no id", name)
		}
	}
	items, err := a.Audit.AuditEvents(r.ctx(), q)
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(e *audit.Event) string { return e.ID }, viewEvent)
}
