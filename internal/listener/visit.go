package listener

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// errEnded says that nothing is left of a subscription that is to be deleted.
var errEnded = errors.New("the subscription is gone from celonis")

// visit is one look at a subscription.
type visit struct {
	*Listener
	s     *flows.Subscription
	calls Calls
	// list is what Celonis has of everybody; remote is the one that is ours, nil while there is none.
	list   []flows.RemoteSubscription
	remote *flows.RemoteSubscription
}

// make brings what Celonis has to what is wished: it finds the subscription,
// makes or deletes it, and then sees to its state, what was asked of it and its gaps.
func (v *visit) make(ctx context.Context) (err error) {
	if v.s.Wish == flows.WantPaused && v.s.RemoteID == "" && !v.s.Begun {
		return nil
	}
	v.calls, err = v.Celonis.Open(ctx, v.s.Workspace, v.s.Plan.ConnectionID)
	if fault.Has(err, fault.ConnectionNotFound) && v.s.Wish == flows.WantDeleted {
		v.Log.WarnContext(ctx, "a subscription stays in celonis, for its connection is gone; celonis suspends it by itself", "subscription", v.s.RemoteID)
		return errEnded
	}
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := v.calls.Close(context.WithoutCancel(ctx)); closeErr != nil && err == nil {
			err = closeErr
		}
	}()
	if v.list, err = v.calls.List(ctx); err != nil {
		return err
	}
	if err := v.find(ctx); err != nil {
		return err
	}
	if v.s.Wish == flows.WantDeleted {
		return v.remove(ctx)
	}
	for _, step := range []func(context.Context) error{v.ensure, v.configure, v.switchState, v.answer, v.repair} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ours reports whether a subscription in Celonis is this one: by its id, by the
// address that nobody else knows, or, where Celonis tells no address, by the mark in its name.
func (v *visit) ours(r flows.RemoteSubscription) bool {
	if v.s.RemoteID != "" && r.ID == v.s.RemoteID {
		return true
	}
	if r.CallbackURI == "" {
		return strings.HasSuffix(r.Name, "["+v.s.ID+"]")
	}
	token := r.CallbackURI[strings.LastIndexByte(r.CallbackURI, '/')+1:]
	return flows.HashCallbackToken(token) == v.s.TokenHash
}

// find looks for the subscription in Celonis's list. One that was made and whose
// id was never stored is adopted; of several, all but one are deleted (a create
// whose answer was lost may have been done after the list was read).
func (v *visit) find(ctx context.Context) error {
	var mine []flows.RemoteSubscription
	for _, r := range v.list {
		if v.ours(r) {
			mine = append(mine, r)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	if v.s.Wish != flows.WantDeleted {
		if err := v.bind(ctx, mine); err != nil {
			return err
		}
	}
	at := slices.IndexFunc(mine, func(r flows.RemoteSubscription) bool { return r.ID == v.s.RemoteID })
	for i, r := range mine {
		if i == at || at < 0 && v.s.Wish != flows.WantDeleted {
			continue
		}
		if err := v.calls.Delete(ctx, r.ID); err != nil {
			return err
		}
	}
	if at >= 0 {
		v.remote = &mine[at]
	}
	return nil
}

// bind notes which subscription in Celonis is ours: the one that is known, else
// the one that delivered already, else the first.
func (v *visit) bind(ctx context.Context, mine []flows.RemoteSubscription) error {
	among := func(id string) bool {
		return id != "" && slices.ContainsFunc(mine, func(r flows.RemoteSubscription) bool { return r.ID == id })
	}
	if among(v.s.DeliveredAs) && v.s.DeliveredAs == v.s.RemoteID || v.s.RemoteID != "" && !among(v.s.DeliveredAs) {
		return nil
	}
	return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice {
		if now.RemoteID == "" {
			fromStart(now)
		}
		if now.Begun, now.RemoteID = true, mine[0].ID; among(now.DeliveredAs) {
			now.RemoteID = now.DeliveredAs
		}
		return nil
	})
}

// fromStart asks a subscription that is new for what was before its making, where that is wished.
func fromStart(now *flows.Subscription) {
	if from := now.Plan.StartOffset; from != flows.UnknownOffset && now.Replay == nil {
		now.Replay = &flows.ReplayAsk{FromOffset: from}
	}
}

func (v *visit) remove(ctx context.Context) error {
	if v.remote != nil || v.s.RemoteID != "" {
		if err := v.calls.Delete(ctx, v.s.RemoteID); err != nil {
			return err
		}
	}
	return errEnded
}

// ensure makes the subscription where Celonis has none.
func (v *visit) ensure(ctx context.Context) error {
	if v.remote != nil {
		return nil
	}
	draft, err := v.draft(ctx)
	if err != nil {
		return err
	}
	if v.s.RemoteID != "" {
		// A list may be wrong; that it is gone is believed when Celonis says so by name.
		err := v.calls.Change(ctx, v.s.RemoteID, draft)
		if err == nil {
			v.remote = &flows.RemoteSubscription{ID: v.s.RemoteID, Status: v.s.RemoteStatus, LastSuccess: flows.UnknownOffset}
			return nil
		}
		if !fault.Has(err, fault.SubscriptionNotFound) {
			return err
		}
		if err := v.lose(ctx); err != nil {
			return err
		}
		if err := v.find(ctx); err != nil || v.remote != nil {
			return err
		}
	}
	if v.s.Wish != flows.WantActive {
		return nil
	}
	return v.subscribe(ctx, draft)
}

func (v *visit) subscribe(ctx context.Context, draft Draft) error {
	generation := v.s.Generation
	if err := v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice { now.Begun = true; return nil }); err != nil {
		return err
	}
	id, err := v.calls.Make(ctx, v.s.Plan, draft)
	if err != nil {
		return err
	}
	err = v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice {
		if now.RemoteID == "" {
			now.RemoteID = id
		}
		now.RemoteStatus, now.Applied, now.CheckedAt = flows.RemoteActive, generation, v.Now()
		fromStart(now)
		return nil
	})
	v.remote = &flows.RemoteSubscription{ID: v.s.RemoteID, Status: flows.RemoteActive, LastSuccess: flows.UnknownOffset}
	v.Log.InfoContext(ctx, "subscribed to a trigger in celonis", "flow", v.s.FlowID, "trigger", v.s.Plan.TriggerID)
	return err
}

// draft is what the subscription is made of; it holds its secrets, which live until the visit ends (I4).
func (v *visit) draft(ctx context.Context) (Draft, error) {
	base, err := flows.Callback(v.PublicURL)
	if err != nil {
		return Draft{}, err
	}
	object := audit.Event{Workspace: v.s.Workspace, Kind: audit.Flow, ObjectID: v.s.FlowID, Name: v.s.FlowName}
	if err := v.Uses.Used(ctx, object); err != nil {
		return Draft{}, err
	}
	secrets, err := flows.OpenCallback(v.Sealer, v.s)
	if err != nil {
		return Draft{}, err
	}
	return Draft{
		Name: v.s.RemoteName(), URI: secrets.Address(base), Authorization: secrets.Authorization, SkipErrors: v.s.Plan.SkipErrors,
	}, nil
}

// lose notes that the subscription is gone from Celonis. Another one counts its
// events anew; what the old one had not delivered is lost, which is told.
func (v *visit) lose(ctx context.Context) error {
	return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice {
		at := v.Now()
		gone := fault.New(fault.SubscriptionRemade, "the subscription had been deleted in celonis and is made anew: what happened in between was not delivered").
			WithHint("read what may be missing by an export of the knowledge model")
		now.Remade++
		forget(now)
		now.LastError = flows.SubscriptionErrorOf(gone, at)
		return notice(flows.EventsMissed, at, gone)
	})
}

// forget leaves nothing of what was known of the one in Celonis.
func forget(now *flows.Subscription) {
	now.RemoteID, now.RemoteStatus, now.DeliveredAs, now.Applied = "", "", "", 0
	now.Offsets, now.Repair = flows.NewOffsets(now.Plan.StartOffset), flows.Repair{From: flows.UnknownOffset}
}

// dropRejected deletes what Celonis rejected once the flow is disabled, so that enabling it makes another.
func (v *visit) dropRejected(ctx context.Context) error {
	if err := v.calls.Delete(ctx, v.remote.ID); err != nil {
		return err
	}
	v.remote = nil
	return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice { forget(now); return nil })
}

func notice(event flows.NotificationEvent, at time.Time, err error) *flows.Notice {
	e := fault.From(err)
	return &flows.Notice{Event: event, At: at, Error: flows.NoticeErrorOf(e.Code, e.Hint)}
}

// moved reports whether the service has another public address than the one that Celonis delivers to.
func (v *visit) moved() bool {
	base, err := flows.Callback(v.PublicURL)
	if v.s.Wish != flows.WantActive || v.remote.CallbackURI == "" {
		return false
	}
	return err != nil || !strings.HasPrefix(v.remote.CallbackURI, base)
}

// configure gives Celonis a change of the plan, or of the address to deliver to.
func (v *visit) configure(ctx context.Context) error {
	if v.remote == nil || v.s.Applied == v.s.Generation && !v.moved() {
		return nil
	}
	draft, err := v.draft(ctx)
	if err != nil {
		return err
	}
	generation := v.s.Generation
	if err := v.calls.Change(ctx, v.remote.ID, draft); err != nil {
		return err
	}
	return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice { now.Applied = generation; return nil })
}

// switchState pauses or resumes, and notes what Celonis says of the subscription.
func (v *visit) switchState(ctx context.Context) (err error) {
	if v.remote == nil {
		return nil
	}
	was, status := v.remote.Status, v.remote.Status
	switch {
	case status == flows.RemoteRejected && v.s.Wish == flows.WantPaused:
		return v.dropRejected(ctx)
	case status == flows.RemoteRejected:
	case v.s.Wish == flows.WantPaused && status != flows.RemotePaused:
		err, status = v.calls.Pause(ctx, v.remote.ID), flows.RemotePaused
	case v.s.Wish == flows.WantActive && (status == flows.RemotePaused || status == flows.RemoteSuspended):
		err, status = v.calls.Resume(ctx, v.remote.ID), flows.RemoteActive
	}
	if err != nil {
		return err
	}
	err = v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice {
		at := v.Now()
		now.RemoteStatus, now.CheckedAt = status, at
		if now.Offsets.Floor == flows.UnknownOffset && now.Offsets.Last() == flows.UnknownOffset && v.remote.LastSuccess >= 0 && now.Received == 0 {
			now.Offsets.Floor = v.remote.LastSuccess + 1
		}
		if was != flows.RemoteSuspended || status != flows.RemoteActive {
			return nil
		}
		suspended := fault.New(fault.SubscriptionSuspended, "celonis had suspended the subscription, as it could not deliver for hours; it was resumed").
			WithHint("look whether CONNECTOR_PUBLIC_URL leads to this service from the internet")
		now.LastError = flows.SubscriptionErrorOf(suspended, at)
		return notice(flows.SubscriptionWasSuspended, at, suspended)
	})
	if err == nil && was == flows.RemoteSuspended && status == flows.RemoteActive {
		return v.catchUp(ctx)
	}
	if err == nil && status == flows.RemoteRejected {
		return fault.New(fault.SubscriptionRejected, "celonis rejected the subscription").
			WithHint("look at the trigger in Celonis Studio; disable the flow, put it right and enable the flow again")
	}
	return err
}

// answer does what a caller asked for.
func (v *visit) answer(ctx context.Context) error {
	ask := v.s.Replay
	if ask == nil || v.remote == nil || v.s.Wish != flows.WantActive {
		return nil
	}
	// What is expected changes first: a crash after the call would take what comes for repeats, one before it asks again.
	err := v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice { now.Expect(*ask); return nil })
	if err != nil {
		return err
	}
	if ask.FromOffset == flows.UnknownOffset {
		err = v.calls.ResumeFromLatest(ctx, v.remote.ID)
	} else {
		err = v.calls.Replay(ctx, v.remote.ID, ask.FromOffset)
	}
	if err != nil {
		return err
	}
	return v.Store.ChangeSubscription(ctx, v.s, func(now *flows.Subscription) *flows.Notice {
		// One that takes events again was turned into one that does not; another such came since.
		if now.Replay != nil && now.Replay.FromOffset == ask.FromOffset && !now.Replay.Again {
			now.Replay = nil
		}
		v.await(now)
		return nil
	})
}
