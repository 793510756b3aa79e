package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

var (
	_ flows.SubscriptionStore = (*Store)(nil)
	_ flows.SubscriptionWork  = (*Store)(nil)
)

// The fields that the record of changes names when a caller asks something of a subscription.
const replayField, latestField = "subscriptionReplay", "subscriptionResumeFromLatest"

const subscriptionColumns = `s.id, s.workspace, s.flow_id, s.plan, s.wish, s.generation, s.applied, s.nudge, s.token_hash, s.auth_hash, s.envelope, s.replay,
	s.remote_id, s.remote_status, s.delivered_as, s.begun, s.checked_at, s.offsets, s.repair, s.received, s.repeated, s.last_delivery_at, s.remade, s.last_error,
	s.failures, s.sample, s.created_at, s.next_at, s.lease_until, s.fence`

const selectSubscription = "SELECT " + subscriptionColumns + `, COALESCE(f.name, '') FROM subscriptions s
	LEFT JOIN flows f ON f.workspace = s.workspace AND f.id = s.flow_id`

func scanSubscription(r row) (v flows.Subscription, err error) {
	return v, r.Scan(&v.ID, &v.Workspace, &v.FlowID, document{&v.Plan}, &v.Wish, &v.Generation, &v.Applied, &v.Nudge, &v.TokenHash, &v.AuthHash,
		&v.Envelope, document{&v.Replay}, &v.RemoteID, &v.RemoteStatus, &v.DeliveredAs, &v.Begun, moment{&v.CheckedAt}, document{&v.Offsets}, document{&v.Repair},
		&v.Received, &v.Repeated, moment{&v.LastDeliveryAt}, &v.Remade, document{&v.LastError}, &v.Failures, &v.Sample, moment{&v.CreatedAt},
		moment{&v.NextAt}, moment{&v.LeaseUntil}, &v.Fence, &v.FlowName)
}

// liveSubscription finds the subscription that a flow has, among those that only wait to be deleted in Celonis.
const liveSubscription = selectSubscription + " WHERE s.workspace = $1 AND s.flow_id = $2 AND s.wish <> 'deleted'"

// saveSubscription stores what a write of a flow wishes of its subscription. The
// flow's row is held, so that a flow never has two.
func saveSubscription(ctx context.Context, tx *sql.Tx, f *flows.Flow) error {
	if f.Export.Type != flows.ExportEventSubscription {
		return dropSubscription(ctx, tx, f.Workspace, f.ID, f.UpdatedAt)
	}
	if f.Listen == nil {
		return nil
	}
	was, found, err := first(ctx, tx, scanSubscription, q(liveSubscription, f.Workspace, f.ID))
	if err != nil {
		return err
	}
	if found && !was.Plan.SamePlace(f.Listen.Plan) {
		if err := dropSubscription(ctx, tx, f.Workspace, f.ID, f.UpdatedAt); err != nil {
			return err
		}
		found = false
	}
	wish := flows.WantPaused
	if f.Enabled {
		wish = flows.WantActive
	}
	if !found {
		return insertSubscription(ctx, tx, f, wish)
	}
	// Where it began is a fact of the subscription that there is.
	plan := f.Listen.Plan
	plan.StartOffset = was.Plan.StartOffset
	changed := int64(0)
	if plan != was.Plan {
		changed = 1
	}
	if changed == 0 && wish == was.Wish {
		return nil
	}
	text, err := jsonText(plan)
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, q(`UPDATE subscriptions SET plan = $2, wish = $3, generation = generation + CAST($4 AS BIGINT), nudge = nudge + 1, next_at = $5 WHERE id = $1`,
		was.ID, text, wish, changed, micros(f.UpdatedAt)))
	return err
}

// dropSubscription wishes the subscription of a flow away. One that Celonis never heard of goes at once.
func dropSubscription(ctx context.Context, tx *sql.Tx, workspace, flowID string, now time.Time) error {
	_, err := exec(ctx, tx, q("DELETE FROM subscriptions WHERE workspace = $1 AND flow_id = $2 AND NOT begun AND remote_id = ''", workspace, flowID))
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, q(`UPDATE subscriptions SET wish = 'deleted', replay = NULL, sample = '', nudge = nudge + 1, next_at = $3
		WHERE workspace = $1 AND flow_id = $2 AND wish <> 'deleted'`, workspace, flowID, micros(now)))
	return err
}

func insertSubscription(ctx context.Context, tx *sql.Tx, f *flows.Flow, wish flows.SubscriptionWish) error {
	fresh := f.Listen.Fresh
	plan, err := jsonText(f.Listen.Plan)
	if err != nil {
		return err
	}
	offsets, err := jsonText(flows.NewOffsets(f.Listen.Plan.StartOffset))
	if err != nil {
		return err
	}
	repair, err := jsonText(flows.Repair{From: flows.UnknownOffset})
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, q(`INSERT INTO subscriptions (id, workspace, flow_id, connection_id, plan, wish, token_hash, auth_hash, key_id, envelope,
		offsets, repair, created_at, next_at) VALUES `+placeholders(1, 14),
		fresh.ID, f.Workspace, f.ID, f.Listen.Plan.ConnectionID, plan, wish, fresh.TokenHash, fresh.AuthHash, keyOf(fresh.Envelope), fresh.Envelope,
		offsets, repair, micros(f.UpdatedAt), micros(f.UpdatedAt)))
	return err
}

// SubscriptionByToken implements flows.SubscriptionStore.
func (s *Store) SubscriptionByToken(ctx context.Context, hash string) (_ *flows.Listening, err error) {
	defer s.explain(&err, "SubscriptionByToken")
	none := fault.New(fault.SubscriptionNotFound, "there is no such subscription")
	v, err := one(ctx, s.read, scanSubscription, q(selectSubscription+" WHERE s.token_hash = $1 AND s.wish <> 'deleted'", hash), none)
	if err != nil {
		return nil, err
	}
	f, err := one(ctx, s.read, scanFlow, q(selectFlow+" WHERE workspace = $1 AND id = $2", v.Workspace, v.FlowID), none)
	if err != nil {
		return nil, err
	}
	return &flows.Listening{Flow: f, Subscription: v}, nil
}

// FlowSubscription implements flows.SubscriptionStore.
func (s *Store) FlowSubscription(ctx context.Context, workspace, flowID string) (_ *flows.Subscription, err error) {
	defer s.explain(&err, "FlowSubscription")
	v, found, err := first(ctx, s.read, scanSubscription, q(liveSubscription, workspace, flowID))
	if err != nil || !found {
		return nil, err
	}
	return &v, nil
}

// NoteDeliveryError implements flows.SubscriptionStore.
func (s *Store) NoteDeliveryError(ctx context.Context, subscriptionID string, e flows.SubscriptionError) (err error) {
	defer s.explain(&err, "NoteDeliveryError")
	e.Message, e.Hint = clean(e.Message), clean(e.Hint)
	text, err := jsonText(e)
	if err != nil {
		return err
	}
	_, err = exec(ctx, s.write, q("UPDATE subscriptions SET last_error = $2 WHERE id = $1", subscriptionID, text))
	return err
}

// AskReplay implements flows.SubscriptionStore. A later wish takes the place of one that was not answered yet.
func (s *Store) AskReplay(ctx context.Context, workspace, flowID string, ask flows.ReplayAsk, now time.Time) (err error) {
	defer s.explain(&err, "AskReplay")
	text, err := jsonText(ask)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		f, err := s.currentFlow(ctx, tx, workspace, flowID)
		if err != nil {
			return err
		}
		n, err := exec(ctx, tx, q(`UPDATE subscriptions SET replay = $3, nudge = nudge + 1, next_at = $4
			WHERE workspace = $1 AND flow_id = $2 AND wish <> 'deleted'`, workspace, flowID, text, micros(now)))
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.FlowSubscriptionExport, "flow %q has the export %q", f.Name, f.Export.Type).
				WithHint("only a flow whose export has the type %q has a subscription", flows.ExportEventSubscription)
		}
		e := flowEvent(audit.Updated, f)
		e.Fields = []string{replayField}
		if ask.FromOffset == flows.UnknownOffset {
			e.Fields = []string{latestField}
		}
		return s.note(ctx, tx, e)
	})
}
