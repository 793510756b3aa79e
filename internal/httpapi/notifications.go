package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// Notifications keeps who is told of what; *flows.NotificationService is one.
type Notifications interface {
	Create(ctx context.Context, workspace string, d flows.NotificationDraft) (*flows.Notification, error)
	Get(ctx context.Context, workspace, id string) (*flows.Notification, error)
	List(ctx context.Context, workspace string, page flows.Page) ([]flows.Notification, error)
	Update(ctx context.Context, workspace, id string, d flows.NotificationDraft, revision int64) (*flows.Notification, error)
	Delete(ctx context.Context, workspace, id string, revision int64) error
	SendSample(ctx context.Context, workspace, id string) (flows.DeliveryOutcome, error)
}

var _ Notifications = (*flows.NotificationService)(nil)

// notificationView is a notification as it is read: of its secret only that it is set.
type notificationView struct {
	ID           string                    `json:"id"`
	Name         string                    `json:"name"`
	Type         flows.NotificationType    `json:"type"`
	Enabled      bool                      `json:"enabled"`
	Events       []flows.NotificationEvent `json:"events"`
	FlowIDs      []string                  `json:"flowIds"`
	URL          *string                   `json:"url"`
	To           []string                  `json:"to"`
	Secrets      notificationSecrets       `json:"secrets"`
	LastDelivery *outcomeView              `json:"lastDelivery"`
	CreatedAt    time.Time                 `json:"createdAt"`
	UpdatedAt    time.Time                 `json:"updatedAt"`
	Revision     int64                     `json:"revision"`
}

type notificationSecrets struct {
	Secret *secretState `json:"secret,omitempty"`
}

type outcomeView struct {
	At      time.Time               `json:"at"`
	Event   flows.NotificationEvent `json:"event"`
	OK      bool                    `json:"ok"`
	Error   *string                 `json:"error"`
	GivenUp bool                    `json:"givenUp"`
}

func viewOutcome(o *flows.DeliveryOutcome) *outcomeView {
	if o == nil {
		return nil
	}
	return &outcomeView{moment(o.At), o.Event, o.OK, orNull(o.Error), o.GivenUp}
}

func viewNotification(n *flows.Notification) notificationView {
	v := notificationView{
		ID: n.ID, Name: n.Name, Type: n.Type, Enabled: n.Enabled, Events: list(n.Events), FlowIDs: list(n.FlowIDs), URL: orNull(n.URL),
		To: list(n.To), LastDelivery: viewOutcome(n.LastDelivery), CreatedAt: moment(n.CreatedAt), UpdatedAt: moment(n.UpdatedAt), Revision: n.Revision,
	}
	if n.Secret != nil {
		v.Secrets.Secret = &secretState{Set: true, UpdatedAt: moment(n.Secret.UpdatedAt)}
	}
	return v
}

func notificationReply(status int) func(*flows.Notification, error) (reply, error) {
	return func(n *flows.Notification, err error) (reply, error) {
		if err != nil {
			return reply{}, err
		}
		return reply{status: status, body: viewNotification(n), revision: n.Revision}, nil
	}
}

func (r *call) notificationID() (string, error) {
	return r.id(fault.NotificationNotFound, "notification")
}

func (a *api) createNotification(r *call) (reply, error) {
	draft, err := readJSON[flows.NotificationDraft](a, r, nil)
	if err != nil {
		return reply{}, err
	}
	n, err := a.Notifications.Create(r.ctx(), r.who.Workspace, draft)
	out, err := notificationReply(http.StatusCreated)(n, err)
	if err == nil {
		out.location = "/v1/notifications/" + n.ID
	}
	return out, err
}

func (a *api) listNotifications(r *call) (reply, error) {
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	items, err := a.Notifications.List(r.ctx(), r.who.Workspace, flows.Page{Limit: p.ask(), After: p.after})
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(n *flows.Notification) string { return n.ID }, viewNotification)
}

func (a *api) getNotification(r *call) (reply, error) {
	id, err := r.notificationID()
	if err != nil {
		return reply{}, err
	}
	return notificationReply(http.StatusOK)(a.Notifications.Get(r.ctx(), r.who.Workspace, id))
}

func (a *api) updateNotification(r *call) (reply, error) {
	id, err := r.notificationID()
	if err != nil {
		return reply{}, err
	}
	return patch(a, r, patched[flows.NotificationDraft]{
		load: func() (flows.NotificationDraft, int64, error) {
			n, err := a.Notifications.Get(r.ctx(), r.who.Workspace, id)
			if err != nil {
				return flows.NotificationDraft{}, 0, err
			}
			return n.Draft(), n.Revision, nil
		},
		store: func(d flows.NotificationDraft, revision int64) (reply, error) {
			return notificationReply(http.StatusOK)(a.Notifications.Update(r.ctx(), r.who.Workspace, id, d, revision))
		},
	})
}

func (a *api) deleteNotification(r *call) (reply, error) {
	id, err := r.notificationID()
	if err != nil {
		return reply{}, err
	}
	revision, err := r.ifMatch().expected(func() (int64, error) {
		n, err := a.Notifications.Get(r.ctx(), r.who.Workspace, id)
		if err != nil {
			return 0, err
		}
		return n.Revision, nil
	})
	if err != nil {
		return reply{}, err
	}
	if err := a.Notifications.Delete(r.ctx(), r.who.Workspace, id, revision); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}

// testNotification sends a sample. One that is not taken is a result, and no failure of ours.
func (a *api) testNotification(r *call) (reply, error) {
	id, err := r.notificationID()
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	outcome, err := a.Notifications.SendSample(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return ok(viewOutcome(&outcome))
}
