package flows

import (
	"slices"
	"time"

	"github.com/celonis-connector/connector/crypto"
)

// NotificationType is the way in which a notification goes out.
type NotificationType string

// The types of notifications.
const (
	// ByWebhook posts JSON to a URL, signed.
	ByWebhook NotificationType = "webhook"
	// ByEmail sends a plain text by SMTP.
	ByEmail NotificationType = "email"
)

// NotificationEvent is a change of state that somebody wants to hear of.
type NotificationEvent string

// The events of notifications.
const (
	// RunFailed: a run of a flow failed whose runs had not failed before.
	RunFailed NotificationEvent = "runFailed"
	// RunRecovered: the first run that succeeded after a failure.
	RunRecovered NotificationEvent = "runRecovered"
	// ConnectionOffline: a connection cannot be used any more.
	ConnectionOffline NotificationEvent = "connectionOffline"
	// ConnectionOnline: a connection that was offline can be used again.
	ConnectionOnline NotificationEvent = "connectionOnline"
	// BudgetShort: a run waits because its team's push submissions of the hour are spent; once for each team and hour.
	BudgetShort NotificationEvent = "budgetShort"
	// EventsMissed: events of a flow's subscription did not come, though Celonis was asked for them again, or may not have
	// come, as the subscription had gone from Celonis.
	EventsMissed NotificationEvent = "eventsMissed"
	// SubscriptionWasSuspended: Celonis had suspended a flow's subscription, and it was resumed.
	SubscriptionWasSuspended NotificationEvent = "subscriptionSuspended"
	// Sample is what a test of a notification sends.
	Sample NotificationEvent = "test"
)

const (
	// MaxNotifications bounds the notifications of a workspace.
	MaxNotifications = 50
	// minNotificationSecret and maxNotificationSecret bound what signs a webhook, in characters.
	minNotificationSecret, maxNotificationSecret = 16, 256
)

// SealedNotification is the kind of row that a notification's envelope is bound to, NotificationSecret its field.
const (
	SealedNotification = "notification"
	NotificationSecret = "secret"
)

// NotificationDraft is what a caller writes of a notification. A secret that is
// left out of an update is kept.
type NotificationDraft struct {
	Name   string              `json:"name" validate:"required,max=100"`
	Type   NotificationType    `json:"type" validate:"required,oneof=webhook email"`
	Events []NotificationEvent `json:"events" validate:"required,min=1,unique,dive,oneof=runFailed runRecovered connectionOffline connectionOnline budgetShort eventsMissed subscriptionSuspended"`
	// FlowIDs are the flows that it is about, and those whose connections it is about; none are all.
	FlowIDs []string      `json:"flowIds,omitempty" validate:"omitempty,max=100,unique,dive,required,max=64"`
	URL     string        `json:"url,omitempty" validate:"max=2000"`
	Secret  crypto.Secret `json:"secret,omitzero"`
	To      []string      `json:"to,omitempty" validate:"omitempty,max=20,unique,dive,required,max=254"`
	Enabled *bool         `json:"enabled,omitempty"`
}

// SealedText is a secret as it is stored.
type SealedText struct {
	Envelope  string
	UpdatedAt time.Time
}

// DeliveryOutcome is how the last attempt to deliver went.
type DeliveryOutcome struct {
	At    time.Time         `json:"at"`
	Event NotificationEvent `json:"event"`
	OK    bool              `json:"ok"`
	// Error is "" when OK.
	Error string `json:"error,omitempty"`
	// GivenUp says that there will be no further attempt although it failed.
	GivenUp bool `json:"givenUp,omitempty"`
}

// Notification says who is told of what, and how.
type Notification struct {
	ID        string
	Workspace string
	Revision  int64
	Name      string
	Type      NotificationType
	Enabled   bool
	Events    []NotificationEvent
	FlowIDs   []string
	URL       string
	To        []string
	// Secret signs a webhook; nil for an e-mail.
	Secret       *SealedText
	LastDelivery *DeliveryOutcome
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Draft gives what a caller may write of the notification, as it is, without the secret.
func (n *Notification) Draft() NotificationDraft {
	enabled := n.Enabled
	return NotificationDraft{Name: n.Name, Type: n.Type, Events: n.Events, FlowIDs: n.FlowIDs, URL: n.URL, To: n.To, Enabled: &enabled}
}

// Wants reports whether the notification is about an event of one of the flows.
func (n *Notification) Wants(event NotificationEvent, flowIDs []string) bool {
	if !n.Enabled || !slices.Contains(n.Events, event) {
		return false
	}
	return len(n.FlowIDs) == 0 || slices.ContainsFunc(flowIDs, func(id string) bool { return slices.Contains(n.FlowIDs, id) })
}

// place is what the envelope of the secret is bound to.
func (n *Notification) place() crypto.AAD {
	return crypto.AAD{Workspace: n.Workspace, Kind: SealedNotification, ID: n.ID, Field: NotificationSecret}
}
