package store

import (
	"context"
	"database/sql"
	"slices"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

var _ flows.NotificationStore = (*Store)(nil)

// receiver is the part of a notification that is stored as a document.
type receiver struct {
	Events  []flows.NotificationEvent `json:"events"`
	FlowIDs []string                  `json:"flowIds,omitempty"`
	URL     string                    `json:"url,omitempty"`
	To      []string                  `json:"to,omitempty"`
}

const selectNotifications = `SELECT n.id, n.workspace, n.revision, n.name, n.type, n.enabled, n.receiver, n.last_delivery, n.created_at, n.updated_at,
	COALESCE(s.envelope, ''), COALESCE(s.updated_at, 0)
	FROM notifications n LEFT JOIN notification_secrets s ON s.workspace = n.workspace AND s.notification_id = n.id`

func scanNotification(r row) (flows.Notification, error) {
	var n flows.Notification
	var secret flows.SealedText
	var to receiver
	err := r.Scan(&n.ID, &n.Workspace, &n.Revision, &n.Name, &n.Type, &n.Enabled, document{&to}, document{&n.LastDelivery},
		moment{&n.CreatedAt}, moment{&n.UpdatedAt}, &secret.Envelope, moment{&secret.UpdatedAt})
	n.Events, n.FlowIDs, n.URL, n.To = to.Events, to.FlowIDs, to.URL, to.To
	if secret.Envelope != "" {
		n.Secret = &secret
	}
	return n, err
}

func receiverText(n *flows.Notification) (string, error) {
	return jsonText(receiver{n.Events, n.FlowIDs, n.URL, n.To})
}

func noNotification(id string) *fault.Error {
	return fault.New(fault.NotificationNotFound, "there is no notification %q", id)
}

func notificationEvent(action audit.Action, n *flows.Notification) audit.Event {
	return audit.Event{Workspace: n.Workspace, Action: action, Kind: audit.Notification, ObjectID: n.ID, Name: n.Name}
}

// NoteNotificationTest implements flows.NotificationStore.
func (s *Store) NoteNotificationTest(ctx context.Context, n *flows.Notification) (err error) {
	defer s.explain(&err, "NoteNotificationTest")
	return s.NoteEvent(ctx, notificationEvent(audit.Tested, n))
}

// noteNotification tells what became of a notification; was or is may be nil.
func (s *Store) noteNotification(ctx context.Context, tx *sql.Tx, e audit.Event, was, is *flows.Notification) error {
	state := func(n *flows.Notification) any {
		if n == nil {
			return nil
		}
		secrets := map[string]string{}
		if n.Secret != nil {
			secrets[flows.NotificationSecret] = s.mark(n.Workspace, flows.SealedNotification, n.ID, flows.NotificationSecret,
				connections.SealedSecret{Envelope: n.Secret.Envelope, UpdatedAt: n.Secret.UpdatedAt})
		}
		return map[string]any{"notification": n.Draft(), "secrets": secrets}
	}
	if err := digests(&e, state(was), state(is)); err != nil {
		return err
	}
	return s.note(ctx, tx, e)
}

func (s *Store) notificationFault(err error, n *flows.Notification) error {
	if s.is(err, duplicate) {
		return fault.Wrap(err, fault.NotificationNameTaken, "the workspace has a notification named %q", n.Name)
	}
	return err
}

// CreateNotification implements flows.NotificationStore.
func (s *Store) CreateNotification(ctx context.Context, n *flows.Notification) (err error) {
	defer s.explain(&err, "CreateNotification")
	to, err := receiverText(n)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		count, _, err := first(ctx, tx, scanCount, q("SELECT COUNT(*) FROM notifications WHERE workspace = $1", n.Workspace))
		if err != nil {
			return err
		}
		if count >= flows.MaxNotifications {
			return fault.New(fault.NotificationsFull, "the workspace has %d notifications already", flows.MaxNotifications)
		}
		_, err = exec(ctx, tx, q(`INSERT INTO notifications (workspace, id, revision, name, name_key, type, enabled, receiver, created_at, updated_at)
			VALUES `+placeholders(1, 10), n.Workspace, n.ID, n.Revision, n.Name, nameKey(n.Name), n.Type, n.Enabled, to,
			micros(n.CreatedAt), micros(n.UpdatedAt)))
		if err != nil {
			return s.notificationFault(err, n)
		}
		if err := insertNotificationSecret(ctx, tx, n); err != nil {
			return err
		}
		return s.noteNotification(ctx, tx, notificationEvent(audit.Created, n), nil, n)
	})
}

func insertNotificationSecret(ctx context.Context, tx *sql.Tx, n *flows.Notification) error {
	if n.Secret == nil {
		return nil
	}
	_, err := exec(ctx, tx, q("INSERT INTO notification_secrets (workspace, notification_id, key_id, envelope, updated_at) VALUES "+
		placeholders(1, 5), n.Workspace, n.ID, keyOf(n.Secret.Envelope), n.Secret.Envelope, micros(n.Secret.UpdatedAt)))
	return err
}

// Notification implements flows.NotificationStore; fault NotificationNotFound.
func (s *Store) Notification(ctx context.Context, workspace, id string) (_ *flows.Notification, err error) {
	defer s.explain(&err, "Notification")
	return one(ctx, s.read, scanNotification, q(selectNotifications+" WHERE n.workspace = $1 AND n.id = $2", workspace, id), noNotification(id))
}

// Notifications implements flows.NotificationStore.
func (s *Store) Notifications(ctx context.Context, workspace string, page flows.Page) (_ []flows.Notification, err error) {
	defer s.explain(&err, "Notifications")
	return all(ctx, s.read, scanNotification,
		q(selectNotifications+" WHERE n.workspace = $1 AND n.id > $2 ORDER BY n.id LIMIT $3", workspace, page.After, limitOf(page.Limit)))
}

// UpdateNotification implements flows.NotificationStore. The envelope of a
// secret that is the same stays as the row has it: it may have been resealed meanwhile.
func (s *Store) UpdateNotification(ctx context.Context, n *flows.Notification) (err error) {
	defer s.explain(&err, "UpdateNotification")
	to, err := receiverText(n)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		was, err := s.currentNotification(ctx, tx, n.Workspace, n.ID)
		if err != nil {
			return err
		}
		changed, err := exec(ctx, tx, q(`UPDATE notifications SET revision = $3, name = $4, name_key = $5, type = $6, enabled = $7, receiver = $8,
			updated_at = $9 WHERE workspace = $1 AND id = $2 AND revision = $10`, n.Workspace, n.ID, n.Revision, n.Name, nameKey(n.Name),
			n.Type, n.Enabled, to, micros(n.UpdatedAt), n.Revision-1))
		if err != nil {
			return s.notificationFault(err, n)
		}
		if changed == 0 {
			return fault.New(fault.RequestStale, "notification %q has changed since it was read", n.ID)
		}
		if !sameSecret(was.Secret, n.Secret) {
			_, err := exec(ctx, tx, q("DELETE FROM notification_secrets WHERE workspace = $1 AND notification_id = $2", n.Workspace, n.ID))
			if err != nil {
				return err
			}
			if err := insertNotificationSecret(ctx, tx, n); err != nil {
				return err
			}
		}
		return s.noteNotificationUpdate(ctx, tx, was, n)
	})
}

func sameSecret(was, is *flows.SealedText) bool {
	if was == nil || is == nil {
		return was == is
	}
	return was.UpdatedAt.Equal(is.UpdatedAt)
}

// noteNotificationUpdate names what an update changes.
func (s *Store) noteNotificationUpdate(ctx context.Context, tx *sql.Tx, was, is *flows.Notification) error {
	fields, err := audit.Changed(was.Draft(), is.Draft())
	if err != nil {
		return err
	}
	if !sameSecret(was.Secret, is.Secret) {
		fields = append(fields, flows.NotificationSecret)
		slices.Sort(fields)
	}
	e := notificationEvent(audit.Updated, is)
	e.Fields = fields
	return s.noteNotification(ctx, tx, e, was, is)
}

// currentNotification reads a notification in a transaction and holds its row.
func (s *Store) currentNotification(ctx context.Context, tx *sql.Tx, workspace, id string) (*flows.Notification, error) {
	_, err := exists(ctx, tx, q("SELECT 1 FROM notifications WHERE workspace = $1 AND id = $2"+s.dialect.lockParent, workspace, id))
	if err != nil {
		return nil, err
	}
	return one(ctx, tx, scanNotification, q(selectNotifications+" WHERE n.workspace = $1 AND n.id = $2", workspace, id), noNotification(id))
}

// DeleteNotification implements flows.NotificationStore.
func (s *Store) DeleteNotification(ctx context.Context, workspace, id string, revision int64) (err error) {
	defer s.explain(&err, "DeleteNotification")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		was, err := s.currentNotification(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		if revision != 0 && revision != was.Revision {
			return fault.New(fault.RequestStale, "notification %q has changed since it was read", id)
		}
		for _, table := range []string{"notification_deliveries", "notification_secrets"} {
			_, err := exec(ctx, tx, q("DELETE FROM "+table+" WHERE workspace = $1 AND notification_id = $2", workspace, id))
			if err != nil {
				return err
			}
		}
		if _, err := exec(ctx, tx, q("DELETE FROM notifications WHERE workspace = $1 AND id = $2", workspace, id)); err != nil {
			return err
		}
		return s.noteNotification(ctx, tx, notificationEvent(audit.Deleted, was), was, nil)
	})
}
