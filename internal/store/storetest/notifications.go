package storetest

import (
	"sync"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/stretchr/testify/require"
)

// notification stores one that is about everything.
func (b *bundle) notification(workspace, name string, change ...func(*flows.Notification)) *flows.Notification {
	b.Helper()
	n := &flows.Notification{
		ID: b.id(), Workspace: workspace, Revision: 1, Name: name, Type: flows.ByWebhook, Enabled: true, URL: "https://ops.example.com/hook?x=1",
		Events:    []flows.NotificationEvent{flows.RunFailed, flows.RunRecovered, flows.ConnectionOffline, flows.ConnectionOnline, flows.BudgetShort},
		Secret:    &flows.SealedText{Envelope: "v1.k1.a.b", UpdatedAt: b.now},
		CreatedAt: b.now, UpdatedAt: b.now,
	}
	for _, c := range change {
		c(n)
	}
	require.NoError(b, b.s.CreateNotification(b.ctx, n))
	return n
}

// ended is a run of the flow whose attempt ended so.
func (b *bundle) ended(f *flows.Flow, state flows.State, change ...func(*flows.Run)) *flows.Run {
	b.Helper()
	r := b.queued(f)
	for _, c := range change {
		c(r)
	}
	require.NoError(b, b.s.InsertRun(b.ctx, r))
	r = b.claim(r)
	e := flows.Settlement{State: state, Now: b.now, CountAttempt: true}
	if state == flows.Failed {
		e.Error = &flows.RunError{Code: fault.CelonisRejected, Message: "the value \"Mustermann\" is refused", Hint: "look"}
	}
	b.settle(r, e)
	return r
}

// told takes every notice that is due and gives their events in order of arrival.
func (b *bundle) told(n *flows.Notification) []flows.NotificationEvent {
	b.Helper()
	events := []flows.NotificationEvent{}
	for {
		due, err := b.s.TakeDeliveries(b.ctx, b.now.Add(100*365*24*time.Hour), b.now.Add(200*365*24*time.Hour), 10)
		require.NoError(b, err)
		if len(due) == 0 {
			return events
		}
		for i := range due {
			if due[i].Notification.ID == n.ID {
				events = append(events, due[i].Notice.Event)
			}
			require.NoError(b, b.s.EndDelivery(b.ctx, &due[i], flows.DeliveryEnd{}))
		}
	}
}

var notificationTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		n := b.notification(b.workspace, "On call", func(n *flows.Notification) { n.FlowIDs = []string{b.id()} })
		got, err := b.s.Notification(b.ctx, b.workspace, n.ID)
		require.NoError(b, err)
		require.Equal(b, n, got)
		_, err = b.s.Notification(b.ctx, b.other, n.ID)
		b.fault(fault.NotificationNotFound, err)
		taken := *n
		taken.ID, taken.Name = b.id(), "ON CALL"
		b.fault(fault.NotificationNameTaken, b.s.CreateNotification(b.ctx, &taken))
		mail := b.notification(b.workspace, "mail", func(n *flows.Notification) {
			n.Type, n.URL, n.Secret, n.To = flows.ByEmail, "", nil, []string{"a@example.com"}
		})
		list, err := b.s.Notifications(b.ctx, b.workspace, flows.Page{Limit: 10})
		require.NoError(b, err)
		require.Equal(b, []flows.Notification{*n, *mail}, list)
		list, err = b.s.Notifications(b.ctx, b.workspace, flows.Page{Limit: 10, After: n.ID})
		require.NoError(b, err)
		require.Equal(b, []flows.Notification{*mail}, list)
	},
	"UpdateKeepsASecretThatIsTheSame": func(b *bundle) {
		n := b.notification(b.workspace, "n")
		b.fault(fault.RequestStale, b.s.UpdateNotification(b.ctx, &flows.Notification{ID: n.ID, Workspace: b.workspace, Revision: 5}))
		_, err := b.s.Reseal(b.ctx, []crypto.Resealed{{SealedRow: crypto.SealedRow{
			AAD:      crypto.AAD{Workspace: b.workspace, Kind: flows.SealedNotification, ID: n.ID, Field: flows.NotificationSecret},
			Envelope: "v1.k1.a.b",
		}, Fresh: "v1.k2.c.d"}})
		require.NoError(b, err)
		n.Revision, n.Name, n.Enabled = 2, "other", false
		require.NoError(b, b.s.UpdateNotification(b.ctx, n))
		got, err := b.s.Notification(b.ctx, b.workspace, n.ID)
		require.NoError(b, err)
		require.Equal(b, "v1.k2.c.d", got.Secret.Envelope)
		require.Equal(b, "other", got.Name)
		n.Revision, n.Secret = 3, &flows.SealedText{Envelope: "v1.k3.e.f", UpdatedAt: b.now.Add(time.Hour)}
		require.NoError(b, b.s.UpdateNotification(b.ctx, n))
		got, err = b.s.Notification(b.ctx, b.workspace, n.ID)
		require.NoError(b, err)
		require.Equal(b, n, got)
	},
	"ThereAreOnlySoMany": func(b *bundle) {
		for range flows.MaxNotifications {
			b.notification(b.workspace, "n "+b.id())
		}
		n := *b.notification(b.other, "n")
		n.ID, n.Workspace = b.id(), b.workspace
		b.fault(fault.NotificationsFull, b.s.CreateNotification(b.ctx, &n))
	},
	"OneNoticeForEachChangeOfAFlow": func(b *bundle) {
		n := b.notification(b.workspace, "n")
		b.notification(b.other, "stranger")
		f := b.flow(b.workspace, "flow")
		for _, state := range []flows.State{flows.Succeeded, flows.Failed, flows.Failed, flows.Succeeded, flows.Succeeded, flows.Failed} {
			b.ended(f, state)
		}
		require.Equal(b, []flows.NotificationEvent{flows.RunFailed, flows.RunRecovered, flows.RunFailed}, b.told(n))
		b.ended(f, flows.Succeeded, func(r *flows.Run) { r.Options.DryRun = true })
		b.ended(f, flows.Succeeded, func(r *flows.Run) { r.Trigger = flows.Retry })
		b.ended(f, flows.Canceled)
		require.Empty(b, b.told(n), "these say nothing of the flow")
		b.ended(f, flows.Succeeded)
		require.Equal(b, []flows.NotificationEvent{flows.RunRecovered}, b.told(n))
	},
	"ANoticeHoldsNoValue": func(b *bundle) {
		n := b.notification(b.workspace, "n")
		f := b.flow(b.workspace, "flow")
		r := b.ended(f, flows.Failed)
		due, err := b.s.TakeDeliveries(b.ctx, b.now, b.now.Add(time.Minute), 10)
		require.NoError(b, err)
		require.Len(b, due, 1)
		d := due[0]
		require.Equal(b, *n, d.Notification)
		require.Equal(b, 1, d.Attempts)
		require.Equal(b, flows.Notice{
			ID: d.Notice.ID, Event: flows.RunFailed, At: b.now, Workspace: b.workspace, Flow: &flows.NamedThing{ID: f.ID, Name: f.Name},
			Run:   &flows.NoticeRun{ID: r.ID, Trigger: flows.Manual, State: flows.Failed, Attempt: 1},
			Error: flows.NoticeErrorOf(fault.CelonisRejected, "look"),
		}, d.Notice)
	},
	"OnlyThoseWhoWantIt": func(b *bundle) {
		f, another := b.flow(b.workspace, "flow"), b.flow(b.workspace, "another")
		mine := b.notification(b.workspace, "mine", func(n *flows.Notification) { n.FlowIDs = []string{f.ID} })
		b.notification(b.workspace, "off", func(n *flows.Notification) { n.Enabled = false })
		b.notification(b.workspace, "not this", func(n *flows.Notification) { n.Events = []flows.NotificationEvent{flows.BudgetShort} })
		b.ended(another, flows.Failed)
		require.Empty(b, b.told(mine))
		b.ended(f, flows.Failed)
		due, err := b.s.TakeDeliveries(b.ctx, b.now, b.now.Add(time.Minute), 10)
		require.NoError(b, err)
		require.Len(b, due, 1)
		require.Equal(b, mine.ID, due[0].Notification.ID)
	},
	"OneNoticeForEachChangeOfAConnection": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		n := b.notification(b.workspace, "n", func(n *flows.Notification) { n.FlowIDs = []string{f.ID} })
		c, err := b.s.Connection(b.ctx, b.workspace, f.Import.ConnectionID)
		require.NoError(b, err)
		for _, status := range []connections.Status{connections.Online, connections.Offline, connections.Offline, connections.Online, connections.Online} {
			c.Status = status
			require.NoError(b, b.saveTest(c))
		}
		c.Revision, c.Status = c.Revision+1, connections.Offline
		require.NoError(b, b.s.UpdateConnection(b.ctx, c))
		require.Equal(b, []flows.NotificationEvent{flows.ConnectionOffline, flows.ConnectionOnline, flows.ConnectionOffline}, b.told(n))
	},
	"ABudgetIsShortOnceAnHour": func(b *bundle) {
		n := b.notification(b.workspace, "n")
		f := b.flow(b.workspace, "flow")
		short := func(now time.Time) {
			r := b.queued(b.sibling(f))
			require.NoError(b, b.s.InsertRun(b.ctx, r))
			r = b.claim(r)
			b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: now.Add(time.Hour), Now: now,
				Error: &flows.RunError{Code: fault.CelonisBudgetSpent, Message: "m"}})
		}
		short(b.now)
		short(b.now)
		short(b.now.Add(time.Hour))
		short(b.now)
		require.Equal(b, []flows.NotificationEvent{flows.BudgetShort, flows.BudgetShort}, b.told(n))
	},
	"ManyWhoSeeOneChangeTellItOnce": func(b *bundle) {
		n := b.notification(b.workspace, "n")
		c := b.connection(b.workspace, "c")
		c.Status = connections.Offline
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				mine := *c
				_, err := b.s.SaveConnectionTest(b.ctx, &mine)
				require.NoError(b, err)
			})
		}
		all.Wait()
		require.Equal(b, []flows.NotificationEvent{flows.ConnectionOffline}, b.told(n))
	},
	"ANoticeIsWithOneAtATimeAndInOrder": func(b *bundle) {
		n := b.notification(b.workspace, "n")
		f := b.flow(b.workspace, "flow")
		b.ended(f, flows.Failed)
		b.ended(f, flows.Succeeded)
		b.ended(b.flow(b.workspace, "another"), flows.Failed)
		until := b.now.Add(time.Minute)
		take := func(now, until time.Time) []flows.NoticeDelivery {
			due, err := b.s.TakeDeliveries(b.ctx, now, until, 10)
			require.NoError(b, err)
			return due
		}
		first := take(b.now, until)
		require.Len(b, first, 2, "the recovery waits for the failure")
		require.Empty(b, take(b.now, until))
		again := take(until, until.Add(time.Minute))
		require.Len(b, again, 2, "whoever had them is dead")
		require.Equal(b, 2, again[0].Attempts)

		late := flows.DeliveryOutcome{At: b.now, Event: flows.RunFailed, Error: "too late"}
		require.NoError(b, b.s.EndDelivery(b.ctx, &first[0], flows.DeliveryEnd{Outcome: &late}))
		got, err := b.s.Notification(b.ctx, b.workspace, n.ID)
		require.NoError(b, err)
		require.Nil(b, got.LastDelivery, "another attempt has begun since")

		failed := flows.DeliveryOutcome{At: until, Event: flows.RunFailed, Error: "no \x00"}
		next := until.Add(10 * time.Minute)
		for i := range again {
			require.NoError(b, b.s.EndDelivery(b.ctx, &again[i], flows.DeliveryEnd{Outcome: &failed, Next: next}))
		}
		got, err = b.s.Notification(b.ctx, b.workspace, n.ID)
		require.NoError(b, err)
		require.Equal(b, "no \uFFFD", got.LastDelivery.Error)
		require.EqualValues(b, 1, got.Revision, "a delivery is no change of the notification")
		require.Empty(b, take(next.Add(-time.Second), next))
		taken := take(next, next.Add(time.Minute))
		require.Len(b, taken, 2)
		ok := flows.DeliveryOutcome{At: next, Event: flows.RunFailed, OK: true}
		for i := range taken {
			require.NoError(b, b.s.EndDelivery(b.ctx, &taken[i], flows.DeliveryEnd{Outcome: &ok}))
		}
		rest := take(next, next.Add(time.Minute))
		require.Len(b, rest, 1)
		require.Equal(b, flows.RunRecovered, rest[0].Notice.Event)
	},
	"DeletingDropsWhatIsOnItsWay": func(b *bundle) {
		n := b.notification(b.workspace, "n")
		f := b.flow(b.workspace, "flow")
		b.ended(f, flows.Failed)
		b.fault(fault.RequestStale, b.s.DeleteNotification(b.ctx, b.workspace, n.ID, 7))
		b.fault(fault.NotificationNotFound, b.s.DeleteNotification(b.ctx, b.other, n.ID, 0))
		require.NoError(b, b.s.DeleteNotification(b.ctx, b.workspace, n.ID, 1))
		require.Empty(b, b.told(n))
		b.usage(store.KeyUse{KeyID: "k1", Kind: connections.SealedKind, Rows: 1})
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
	},
	"ARotationReachesTheSecret": func(b *bundle) {
		b.notification(b.workspace, "n")
		b.usage(store.KeyUse{KeyID: "k1", Kind: flows.SealedNotification, Rows: 1})
	},
}
