package flows

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/crypto"
)

// NotificationStore keeps notifications. Every method looks only into the
// workspace named.
type NotificationStore interface {
	// CreateNotification stores n; faults NotificationNameTaken, NotificationsFull.
	CreateNotification(ctx context.Context, n *Notification) error
	Notification(ctx context.Context, workspace, id string) (*Notification, error)
	// Notifications lists in order of creation.
	Notifications(ctx context.Context, workspace string, page Page) ([]Notification, error)
	// UpdateNotification stores n where the row's revision is n.Revision-1; fault RequestStale else.
	UpdateNotification(ctx context.Context, n *Notification) error
	// DeleteNotification removes a notification with what is on its way to it; fault RequestStale when revision (0 = any) does not fit.
	DeleteNotification(ctx context.Context, workspace, id string, revision int64) error
	// NoteNotificationTest puts on record that a sample is sent.
	NoteNotificationTest(ctx context.Context, n *Notification) error
}

// DeliveryStore keeps the notices that are on their way. A notice is written in
// the transaction of the change that it tells of, so that there is exactly one.
type DeliveryStore interface {
	// TakeDeliveries gives deliveries that are due and begins an attempt of each; nobody else gets them before until. Of a
	// notification and a subject only the oldest is given, so that they arrive in order.
	TakeDeliveries(ctx context.Context, now, until time.Time, limit int) ([]NoticeDelivery, error)
	// EndDelivery ends the attempt, unless another one has begun since.
	EndDelivery(ctx context.Context, d *NoticeDelivery, end DeliveryEnd) error
}

// NoticeSender delivers a notice. Its error is a fault whose sentence may be
// shown to whoever reads the notification.
type NoticeSender interface {
	SendNotice(ctx context.Context, n *Notification, notice Notice) error
}

// NotificationSealer encrypts the secrets of notifications and opens them, each bound to its place.
type NotificationSealer interface {
	Seal(plain crypto.Secret, aad crypto.AAD) (string, error)
	Open(envelope string, aad crypto.AAD) (crypto.Secret, error)
}

var _ NotificationSealer = (*crypto.Keyring)(nil)
