package store

import (
	"bytes"
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

const dueSubscription = `WITH due AS MATERIALIZED (
	SELECT d.id FROM subscriptions d WHERE d.next_at <= $1 AND d.lease_until <= $1 ORDER BY d.next_at, d.id LIMIT 1`

const takeDueSubscription = `) UPDATE subscriptions SET lease_until = $2, fence = fence + 1 WHERE id IN (SELECT id FROM due) RETURNING id`

// TakeSubscription implements flows.SubscriptionWork.
func (s *Store) TakeSubscription(ctx context.Context, now, until time.Time) (_ *flows.Subscription, err error) {
	defer s.explain(&err, "TakeSubscription")
	id, found, err := first(ctx, s.write, scanText, q(dueSubscription+s.dialect.skipLocked+takeDueSubscription, micros(now), micros(until)))
	if err != nil || !found {
		return nil, err
	}
	return one(ctx, s.write, scanSubscription, q(selectSubscription+" WHERE s.id = $1", id), lostSubscription(id))
}

func lostSubscription(id string) error {
	return fault.New(fault.RunLeaseLost, "the subscription %q is looked after by somebody else, or gone", id)
}

// holdSubscription reads a subscription and holds its row.
func (s *Store) holdSubscription(ctx context.Context, tx *sql.Tx, id string, missing error) (*flows.Subscription, error) {
	if _, err := exists(ctx, tx, q("SELECT 1 FROM subscriptions WHERE id = $1"+s.dialect.lockRow, id)); err != nil {
		return nil, err
	}
	return one(ctx, tx, scanSubscription, q(selectSubscription+" WHERE s.id = $1", id), missing)
}

// ChangeSubscription implements flows.SubscriptionWork.
func (s *Store) ChangeSubscription(ctx context.Context, v *flows.Subscription, change func(*flows.Subscription) *flows.Notice) (err error) {
	defer s.explain(&err, "ChangeSubscription")
	var is flows.Subscription
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		now, err := s.holdSubscription(ctx, tx, v.ID, lostSubscription(v.ID))
		if err != nil {
			return err
		}
		if now.Fence != v.Fence {
			return lostSubscription(v.ID)
		}
		notice := change(now)
		if err := writeSubscription(ctx, tx, now); err != nil {
			return err
		}
		if is = *now; notice == nil {
			return nil
		}
		notice.Workspace = now.Workspace
		return s.tellOfFlow(ctx, tx, now.FlowID, *notice)
	})
	if err != nil {
		return err
	}
	*v = is
	return nil
}

// writeSubscription writes everything of a held row that deliveries and maintainers change.
func writeSubscription(ctx context.Context, tx *sql.Tx, v *flows.Subscription) error {
	offsets, err := jsonText(v.Offsets)
	if err != nil {
		return err
	}
	repair, err := jsonText(v.Repair)
	if err != nil {
		return err
	}
	replay, err := optionalText(v.Replay)
	if err != nil {
		return err
	}
	if v.LastError != nil {
		e := *v.LastError
		e.Message, e.Hint = clean(e.Message), clean(e.Hint)
		v.LastError = &e
	}
	lastError, err := optionalText(v.LastError)
	if err != nil {
		return err
	}
	v.RemoteID, v.RemoteStatus, v.DeliveredAs = clean(v.RemoteID), clean(v.RemoteStatus), clean(v.DeliveredAs)
	_, err = exec(ctx, tx, q(`UPDATE subscriptions SET applied = $2, nudge = $3, replay = $4, remote_id = $5, remote_status = $6, begun = $7,
		checked_at = $8, offsets = $9, repair = $10, received = $11, repeated = $12, last_delivery_at = $13, remade = $14, last_error = $15,
		failures = $16, sample = $17, next_at = $18, lease_until = $19,
		delivered_as = $20 WHERE id = $1`,
		v.ID, v.Applied, v.Nudge, replay, v.RemoteID, v.RemoteStatus, v.Begun, micros(v.CheckedAt), offsets, repair, v.Received, v.Repeated,
		micros(v.LastDeliveryAt), v.Remade, lastError, v.Failures, clean(v.Sample), micros(v.NextAt), micros(v.LeaseUntil), v.DeliveredAs))
	return err
}

// EndSubscription implements flows.SubscriptionWork.
func (s *Store) EndSubscription(ctx context.Context, v *flows.Subscription) (err error) {
	defer s.explain(&err, "EndSubscription")
	n, err := exec(ctx, s.write, q("DELETE FROM subscriptions WHERE id = $1 AND fence = $2 AND wish = 'deleted'", v.ID, v.Fence))
	if err == nil && n == 0 {
		return lostSubscription(v.ID)
	}
	return err
}

// StoreEvents implements flows.SubscriptionStore. The flow's row is held before
// the subscription's, as writes of flows do.
func (s *Store) StoreEvents(ctx context.Context, p flows.EventPost) (_ *flows.EventReceipt, err error) {
	defer s.explain(&err, "StoreEvents")
	var receipt *flows.EventReceipt
	gone := fault.New(fault.SubscriptionNotFound, "there is no such subscription")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		batch := &flows.RecordBatch{ID: p.BatchID, Workspace: p.Subscription.Workspace, FlowID: p.Subscription.FlowID, CreatedAt: p.Now, Full: p.Full}
		if err := s.holdFlow(ctx, tx, batch); err != nil {
			if fault.Has(err, fault.FlowNotFound) {
				return gone
			}
			return err
		}
		v, err := s.holdSubscription(ctx, tx, p.Subscription.ID, gone)
		if err != nil {
			return err
		}
		switch {
		case v.Wish == flows.WantDeleted:
			return gone
		case p.Fence != 0 && p.Fence != v.Fence:
			return lostSubscription(v.ID)
		}
		taken, err := v.Take(p)
		if err != nil {
			return err
		}
		receipt = &flows.EventReceipt{Received: int64(len(taken)), Repeated: int64(len(p.Events) - len(taken))}
		if len(taken) > 0 {
			lines := make([][]byte, len(taken))
			for i, e := range taken {
				lines[i] = e.Line
			}
			batch.Data, batch.Records = bytes.Join(lines, nil), receipt.Received
			if receipt.Run, err = s.addBatch(ctx, tx, batch, p.Run); err != nil {
				return err
			}
		}
		return writeSubscription(ctx, tx, v)
	})
	if err != nil {
		return nil, err
	}
	return receipt, nil
}

// latestEvents gives the sample that a flow's subscription keeps, nil without one.
func (s *Store) latestEvents(ctx context.Context, workspace, flowID string) ([]byte, error) {
	sample, found, err := first(ctx, s.read, scanText, q("SELECT sample FROM subscriptions WHERE workspace = $1 AND flow_id = $2 AND wish <> 'deleted'", workspace, flowID))
	if err != nil || !found || strings.TrimSpace(sample) == "" {
		return nil, err
	}
	return []byte(sample), nil
}
