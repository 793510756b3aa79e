package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

var _ flows.DeliveryStore = (*Store)(nil)

// Of a notification and a subject only the oldest notice is due, so that they arrive in order.
const dueDeliveries = `WITH due AS MATERIALIZED (
	SELECT d.id FROM notification_deliveries d WHERE d.next_at <= $1 AND NOT EXISTS (
		SELECT 1 FROM notification_deliveries o WHERE o.workspace = d.workspace AND o.notification_id = d.notification_id
		AND o.subject = d.subject AND o.id < d.id)
	ORDER BY d.next_at LIMIT $3`

const takeDueDeliveries = `) UPDATE notification_deliveries SET next_at = $2, attempts = attempts + 1 WHERE id IN (SELECT id FROM due)
	RETURNING id, workspace, notification_id, notice, attempts, created_at`

// taken is a delivery whose notification is not read yet.
type taken struct {
	flows.NoticeDelivery
	id, workspace, notification string
}

func scanTaken(r row) (t taken, err error) {
	return t, r.Scan(&t.id, &t.workspace, &t.notification, document{&t.Notice}, &t.Attempts, moment{&t.CreatedAt})
}

// TakeDeliveries implements flows.DeliveryStore. Two callers at once get
// different ones. A notice whose notification is gone is dropped.
func (s *Store) TakeDeliveries(ctx context.Context, now, until time.Time, limit int) (_ []flows.NoticeDelivery, err error) {
	defer s.explain(&err, "TakeDeliveries")
	list, err := all(ctx, s.write, scanTaken, q(dueDeliveries+s.dialect.skipLocked+takeDueDeliveries, micros(now), micros(until), limitOf(limit)))
	if err != nil {
		return nil, err
	}
	out := make([]flows.NoticeDelivery, 0, len(list))
	for _, t := range list {
		n, err := s.Notification(ctx, t.workspace, t.notification)
		if fault.Has(err, fault.NotificationNotFound) {
			_, err = exec(ctx, s.write, q("DELETE FROM notification_deliveries WHERE id = $1", t.id))
			if err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		t.Notification = *n
		out = append(out, t.NoticeDelivery)
	}
	return out, nil
}

// EndDelivery implements flows.DeliveryStore.
func (s *Store) EndDelivery(ctx context.Context, d *flows.NoticeDelivery, end flows.DeliveryEnd) (err error) {
	defer s.explain(&err, "EndDelivery")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		change := q("DELETE FROM notification_deliveries WHERE id = $1 AND attempts = $2", d.Notice.ID, d.Attempts)
		if !end.Next.IsZero() {
			change = q("UPDATE notification_deliveries SET next_at = $3 WHERE id = $1 AND attempts = $2", d.Notice.ID, d.Attempts, micros(end.Next))
		}
		changed, err := exec(ctx, tx, change)
		if err != nil || changed == 0 || end.Outcome == nil {
			return err
		}
		outcome := *end.Outcome
		outcome.Error = clean(outcome.Error)
		text, err := jsonText(outcome)
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, q("UPDATE notifications SET last_delivery = $3 WHERE workspace = $1 AND id = $2",
			d.Notification.Workspace, d.Notification.ID, text))
		return err
	})
}
