package listener

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// gaps lists what is missing: between the events that came, and after them what Celonis takes for delivered.
func (v *visit) gaps(s *flows.Subscription) []flows.OffsetRange {
	out := flows.UnknownOffset
	if v.remote != nil {
		out = v.remote.LastSuccess
	}
	return s.Offsets.GapsUpTo(out)
}

// repair has events sent again that are missing, and those that Celonis keeps
// failing to deliver. What fills a gap is stored once like everything else. A
// gap that does not fill is given up, which is told; listening goes on.
func (v *visit) repair(ctx context.Context) error {
	if v.remote == nil || v.s.Wish != flows.WantActive {
		return nil
	}
	gaps := v.gaps(v.s)
	if len(gaps) == 0 {
		if v.s.Repair.From == flows.UnknownOffset {
			return nil
		}
		return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice {
			now.Repair = flows.Repair{From: flows.UnknownOffset}
			return nil
		})
	}
	r := v.s.Repair
	if r.From != gaps[0].From {
		// What came since is progress. A new gap may fill by itself first.
		r = flows.Repair{From: gaps[0].From, Next: v.s.LastDeliveryAt.Add(min(flows.GapGrace, v.Pace.Replay))}
	}
	if now := v.Now(); now.Before(r.Next) {
		return v.note(ctx, r)
	}
	if r.Tries >= v.Pace.Tries {
		return v.giveUp(ctx, gaps[0])
	}
	r.Tries++
	r.Next = v.Now().Add(doubled(v.Pace.Replay, r.Tries-1, v.Pace.Longest))
	if err := v.note(ctx, r); err != nil {
		return err
	}
	if v.remote.Status == flows.RemoteFailed {
		if err := v.readAgain(ctx); err != nil {
			return err
		}
	}
	return v.calls.Replay(ctx, v.remote.ID, gaps[0].From)
}

func (v *visit) note(ctx context.Context, r flows.Repair) error {
	if r == v.s.Repair {
		return nil
	}
	return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice { now.Repair = r; return nil })
}

// readAgain takes events that Celonis could not deliver by asking for them.
func (v *visit) readAgain(ctx context.Context) error {
	events, err := v.calls.Undelivered(ctx, v.remote.ID)
	if err != nil || len(events) == 0 {
		return err
	}
	_, err = v.Events.TakeRead(ctx, v.s, events)
	return err
}

// await gives what was just asked for time to come, before it is asked for again.
func (v *visit) await(now *flows.Subscription) {
	if gaps := v.gaps(now); len(gaps) > 0 {
		now.Repair = flows.Repair{From: gaps[0].From, Next: v.Now().Add(v.Pace.Replay)}
	}
}

// catchUp asks for what follows the last event that came without a gap, after
// Celonis had stopped. That there is nothing is no fault.
func (v *visit) catchUp(ctx context.Context) error {
	from := v.s.Offsets.Contiguous() + 1
	if v.s.Offsets.Floor == flows.UnknownOffset && v.s.Offsets.Last() == flows.UnknownOffset {
		return nil
	}
	err := v.calls.Replay(ctx, v.remote.ID, max(from, 0))
	if fault.Has(err, fault.CelonisRejected) {
		v.Log.InfoContext(ctx, "celonis has nothing to send again", "flow", v.s.FlowID, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice { v.await(now); return nil })
}

// giveUp stops expecting what several replays did not bring.
func (v *visit) giveUp(ctx context.Context, gap flows.OffsetRange) error {
	return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice {
		at := v.Now()
		now.Offsets.GiveUp(gap)
		now.Repair = flows.Repair{From: flows.UnknownOffset}
		now.Nudge++ // there may be other gaps
		missed := fault.New(fault.SubscriptionMissed, "celonis did not send the %d events from offset %d to %d, though it was asked %d times", gap.Size(), gap.From, gap.To, v.Pace.Tries).
			WithHint("read what may be missing by an export of the knowledge model; the flow goes on, and takes the events if they come late")
		now.LastError = flows.SubscriptionErrorOf(missed, at)
		return notice(flows.EventsMissed, at, missed)
	})
}

// next is when a subscription that was looked at is due again.
func (v *visit) next(at time.Time, now *flows.Subscription) time.Time {
	next := at.Add(v.Pace.Look)
	if now.Wish != flows.WantActive || v.remote == nil {
		return next
	}
	if now.Repair.From != flows.UnknownOffset {
		next = earliest(next, now.Repair.Next)
	}
	if v.remote.Status == flows.RemoteFailed {
		// Celonis tries again by itself; somebody looks whether it succeeds.
		next = earliest(next, at.Add(v.Pace.Longest))
	}
	return next
}
