package httpapi

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/flows"
)

// Deliveries tells of the secrets that imports sign with.
type Deliveries interface {
	// DeliveryState lists those that are good, the newest first.
	DeliveryState(ctx context.Context, workspace, flowID string) ([]flows.DeliverySecret, error)
}

var _ Deliveries = (*flows.Service)(nil)

// deliveryView is the state of an import's secret: that there is one, and until when the one before goes on.
type deliveryView struct {
	Secret struct {
		Set       bool       `json:"set"`
		UpdatedAt *time.Time `json:"updatedAt"`
	} `json:"secret"`
	PreviousUntil *time.Time `json:"previousUntil"`
}

// deliveryOf gives the state that a flow's reply shows, nil for a flow whose import has no secret.
func (a *api) deliveryOf(r *call, f *flows.Flow) (*deliveryView, error) {
	if f.Import.Type != flows.ImportWebhook {
		return nil, nil
	}
	secrets, err := a.Deliveries.DeliveryState(r.ctx(), r.who.Workspace, f.ID)
	if err != nil {
		return nil, err
	}
	view := &deliveryView{}
	for _, s := range secrets {
		if s.ExpiresAt.IsZero() {
			view.Secret.Set, view.Secret.UpdatedAt = true, momentOrNull(s.CreatedAt)
		} else {
			view.PreviousUntil = momentOrNull(s.ExpiresAt)
		}
	}
	return view, nil
}
