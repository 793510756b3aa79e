package portable

import (
	"context"
	"fmt"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// Notification is a notification without its secret.
type Notification struct {
	Name   string                    `json:"name" validate:"required"`
	Type   flows.NotificationType    `json:"type"`
	Events []flows.NotificationEvent `json:"events"`
	// Flows are the names of those that it is about; none are all.
	Flows   []string `json:"flows,omitempty"`
	URL     string   `json:"url,omitempty"`
	To      []string `json:"to,omitempty"`
	Enabled *bool    `json:"enabled,omitempty"`
}

// notification gives the form of the document. The id of a flow that is gone stays: without it the notification could be about all flows.
func (n names) notification(of *flows.Notification) Notification {
	d := of.Draft()
	list := make([]string, len(d.FlowIDs))
	for i, id := range d.FlowIDs {
		if list[i] = id; n.of[id] != "" {
			list[i] = n.of[id]
		}
	}
	return Notification{d.Name, d.Type, d.Events, list, d.URL, d.To, d.Enabled}
}

// takeNotification changes a notification, or makes one that is disabled. A new webhook cannot come without its secret.
func (s *Service) takeNotification(ctx context.Context, now *standing, n *Notification, opt Options) (item Item, err error) {
	r := &reading{standing: now}
	d := flows.NotificationDraft{Name: n.Name, Type: n.Type, Events: n.Events, URL: n.URL, To: n.To, Enabled: n.Enabled}
	for i, name := range n.Flows {
		if id := r.flow(fmt.Sprintf("/flows/%d", i), name); id != "" {
			d.FlowIDs = append(d.FlowIDs, id)
		}
	}
	was, found := now.notifications[key(n.Name)]
	var current *flows.Notification
	if found {
		current = &was
	} else {
		no := false
		d.Enabled = &no
		if n.Type == flows.ByWebhook {
			r.add("/secret", fault.RequestFieldMissing, "a new notification by webhook needs its secret, which no document has: make it under this name first")
		}
	}
	if len(r.faults) > 0 {
		item.refuse(fault.New(fault.RequestInvalid, "the item is not valid").WithFields(r.faults...))
		return item, nil
	}
	clean, err := s.Notifications.Check(ctx, now.workspace, current, d)
	if err != nil {
		return refused(item, err)
	}
	if !found {
		item.Action = Create
		if !opt.Apply {
			return item, nil
		}
		_, err := s.Notifications.Create(ctx, now.workspace, d)
		return item.done(err)
	}
	item, err = compared(was.Draft(), clean)
	if err != nil || !opt.Apply || item.Action == Unchanged {
		return item, err
	}
	_, err = s.Notifications.Update(ctx, now.workspace, was.ID, d, was.Revision)
	return item.done(err)
}
