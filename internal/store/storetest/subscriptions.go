package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// listening stores a flow that listens to a trigger.
func (b *bundle) listening(workspace, name string) *flows.Flow {
	b.Helper()
	f := b.sketch(b.connection(workspace, "of "+name), name)
	f.Export = flows.Export{Type: flows.ExportEventSubscription, ConnectionID: f.Import.ConnectionID, KnowledgeModelID: "p.km", TriggerID: "t"}
	b.listen(f)
	require.NoError(b, b.s.CreateFlow(b.ctx, f))
	return f
}

// listen gives a write of a flow what the service would.
func (b *bundle) listen(f *flows.Flow) {
	f.Listen = &flows.SubscriptionChange{
		Plan: flows.SubscriptionPlan{
			ConnectionID: f.Export.ConnectionID, KnowledgeModelID: f.Export.KnowledgeModelID, TriggerID: f.Export.TriggerID, Name: f.Name,
			StartOffset: flows.UnknownOffset,
		},
		Fresh: flows.FreshSubscription{ID: b.id(), TokenHash: "t-" + b.id(), AuthHash: "a", Envelope: "v1.k1.a.b"},
	}
}

// relisten stores the flow's next revision.
func (b *bundle) relisten(f *flows.Flow, apply func()) {
	b.Helper()
	apply()
	b.listen(f)
	f.Revision++
	require.NoError(b, b.s.UpdateFlow(b.ctx, f))
}

func (b *bundle) subscription(f *flows.Flow) *flows.Subscription {
	b.Helper()
	s, err := b.s.FlowSubscription(b.ctx, f.Workspace, f.ID)
	require.NoError(b, err)
	return s
}

// someEvents are events with the offsets.
func someEvents(offsets ...int64) []flows.EventRecord {
	out := make([]flows.EventRecord, len(offsets))
	for i, o := range offsets {
		out[i] = flows.EventRecord{Offset: o, Line: fmt.Appendf(nil, "{\"offset\":%d}\n", o)}
	}
	return out
}

// eventPost is a delivery of events for the flow.
func (b *bundle) eventPost(f *flows.Flow, remote string, offsets ...int64) flows.EventPost {
	return flows.EventPost{Subscription: b.subscription(f), RemoteID: remote, Events: someEvents(offsets...), BatchID: b.id(), Run: b.queued(f), Now: b.now}
}

func (b *bundle) store(p flows.EventPost) *flows.EventReceipt {
	b.Helper()
	receipt, err := b.s.StoreEvents(b.ctx, p)
	require.NoError(b, err)
	return receipt
}

// lookingAfter takes the subscriptions that are due until it has the flow's.
func (b *bundle) lookingAfter(f *flows.Flow, now time.Time) *flows.Subscription {
	b.Helper()
	for {
		s, err := b.s.TakeSubscription(b.ctx, now, now.Add(time.Minute))
		require.NoError(b, err)
		if s == nil || s.FlowID == f.ID {
			return s
		}
	}
}

// keptEvents gives the records that wait for a run of the flow.
func (b *bundle) keptEvents(f *flows.Flow) string {
	b.Helper()
	run, err := b.s.Runs(b.ctx, f.Workspace, f.ID, flows.Page{})
	require.NoError(b, err)
	require.NotEmpty(b, run)
	claimed, err := b.s.ClaimRun(b.ctx, run[0].ID, flows.Claim{Worker: "w", Now: b.now, Until: b.now.Add(time.Minute)})
	require.NoError(b, err)
	ids, err := b.s.AssignRecords(b.ctx, claimed.Token())
	require.NoError(b, err)
	var all strings.Builder
	for _, id := range ids {
		data, err := b.s.RecordBatchData(b.ctx, f.Workspace, id)
		require.NoError(b, err)
		all.Write(data)
	}
	return all.String()
}

var subscriptionTests = map[string]func(*bundle){
	"AFlowBringsItsSubscription": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		s := b.subscription(f)
		require.Equal(b, f.Listen.Fresh.ID, s.ID)
		require.Equal(b, []any{flows.WantActive, int64(1), int64(0), "flow", "v1.k1.a.b"}, []any{s.Wish, s.Generation, s.Applied, s.FlowName, s.Envelope})
		require.Equal(b, f.Listen.Plan, s.Plan)
		l, err := b.s.SubscriptionByToken(b.ctx, f.Listen.Fresh.TokenHash)
		require.NoError(b, err)
		require.Equal(b, f.ID, l.Flow.ID)
		_, err = b.s.SubscriptionByToken(b.ctx, "t-"+b.id())
		b.fault(fault.SubscriptionNotFound, err)
		none, err := b.s.FlowSubscription(b.ctx, b.other, f.ID)
		require.NoError(b, err)
		require.Nil(b, none)
	},
	"WritesChangeTheWish": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		first := b.subscription(f)
		b.relisten(f, func() { f.Import.Table = "OTHER" })
		require.Equal(b, []any{first.ID, first.Generation, first.Nudge}, []any{b.subscription(f).ID, b.subscription(f).Generation, b.subscription(f).Nudge}, "nothing of it is another")
		b.relisten(f, func() { f.Enabled = false })
		require.Equal(b, []any{flows.WantPaused, first.Generation}, []any{b.subscription(f).Wish, b.subscription(f).Generation})
		b.relisten(f, func() { f.Enabled, f.Name = true, "renamed" })
		second := b.subscription(f)
		require.Equal(b, []any{first.ID, flows.WantActive, first.Generation + 1, "renamed"}, []any{second.ID, second.Wish, second.Generation, second.Plan.Name})
	},
	"AnotherTriggerMakesAnother": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		first := b.subscription(f)
		token := f.Listen.Fresh.TokenHash
		held := b.lookingAfter(f, b.now)
		require.NoError(b, b.s.ChangeSubscription(b.ctx, held, func(now *flows.Subscription) *flows.Notice {
			now.Begun, now.RemoteID, now.LeaseUntil, now.NextAt = true, "r1", time.Time{}, b.now.Add(time.Hour)
			return nil
		}))
		b.relisten(f, func() { f.Export.TriggerID = "u" })
		require.NotEqual(b, first.ID, b.subscription(f).ID)
		_, err := b.s.SubscriptionByToken(b.ctx, token)
		b.fault(fault.SubscriptionNotFound, err)
		wishes := map[string]flows.SubscriptionWish{}
		for s := b.lookingAfter(f, b.now); s != nil; s = b.lookingAfter(f, b.now) {
			wishes[s.ID] = s.Wish
		}
		require.Equal(b, map[string]flows.SubscriptionWish{first.ID: flows.WantDeleted, b.subscription(f).ID: flows.WantActive}, wishes)
	},
	"ADeletedFlowLeavesWhatCelonisHas": func(b *bundle) {
		unheard, known := b.listening(b.workspace, "unheard"), b.listening(b.workspace, "known")
		held := b.lookingAfter(known, b.now)
		require.NoError(b, b.s.ChangeSubscription(b.ctx, held, func(now *flows.Subscription) *flows.Notice {
			now.RemoteID, now.Sample, now.LeaseUntil, now.NextAt = "r1", "x", time.Time{}, b.now.Add(time.Hour)
			return nil
		}))
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, unheard.ID, 0))
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, known.ID, 0))
		later := time.Now().Add(time.Hour)
		s := b.lookingAfter(known, later)
		require.Equal(b, []any{flows.WantDeleted, "r1", "", ""}, []any{s.Wish, s.RemoteID, s.FlowName, s.Sample})
		require.Nil(b, b.lookingAfter(unheard, later))
		require.NoError(b, b.s.EndSubscription(b.ctx, s))
		b.fault(fault.RunLeaseLost, b.s.EndSubscription(b.ctx, s))
	},
	"AnotherExportEndsTheSubscription": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		f.Export = flows.Export{Type: flows.ExportRecords}
		f.Listen = nil
		f.Revision++
		require.NoError(b, b.s.UpdateFlow(b.ctx, f))
		require.Nil(b, b.subscription(f))
	},
	"EachEventIsStoredOnce": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		first := b.store(b.eventPost(f, "r1", 3, 4, 5))
		require.Equal(b, []int64{3, 0}, []int64{first.Received, first.Repeated})
		require.NotNil(b, first.Run)
		require.Equal(b, []int64{0, 3}, counts(b.store(b.eventPost(f, "r1", 3, 4, 5))))
		require.Equal(b, []int64{2, 1}, counts(b.store(b.eventPost(f, "r1", 5, 6, 9))))
		require.Equal(b, []int64{1, 1}, counts(b.store(b.eventPost(f, "r1", 7, 7))), "a repeat within a delivery")
		s := b.subscription(f)
		require.Equal(b, []any{"r1", int64(6), int64(5), int64(3)}, []any{s.DeliveredAs, s.Received, s.Repeated, s.Offsets.Floor})
		require.Equal(b, []flows.OffsetRange{{From: 8, To: 8}}, s.Offsets.Gaps())
		require.Equal(b, b.now, s.LastDeliveryAt)
		require.Equal(b, "{\"offset\":7}\n", s.Sample)
		require.Equal(b, "{\"offset\":3}\n{\"offset\":4}\n{\"offset\":5}\n{\"offset\":6}\n{\"offset\":9}\n{\"offset\":7}\n", b.keptEvents(f))
		sample, err := b.s.LatestRecords(b.ctx, f.Workspace, b.listening(b.workspace, "another").ID)
		require.NoError(b, err)
		require.Empty(b, sample)
	},
	"EventsOfOthersAreNotTaken": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		b.store(b.eventPost(f, "r1", 1))
		_, err := b.s.StoreEvents(b.ctx, b.eventPost(f, "r2", 2))
		b.fault(fault.SubscriptionStray, err)
		b.store(b.eventPost(f, "", 2))
		held := b.lookingAfter(f, b.now)
		require.NoError(b, b.s.ChangeSubscription(b.ctx, held, func(now *flows.Subscription) *flows.Notice { now.RemoteID = "r2"; return nil }))
		require.Equal(b, []int64{1, 0}, counts(b.store(b.eventPost(f, "r2", 1))), "the offsets of the one in celonis are its own")
		p := b.eventPost(f, "r2", 5)
		p.Fence = held.Fence + 1
		_, err = b.s.StoreEvents(b.ctx, p)
		b.fault(fault.RunLeaseLost, err)
		gone := b.eventPost(f, "r2", 6)
		f.Export, f.Listen = flows.Export{Type: flows.ExportRecords}, nil
		f.Revision++
		require.NoError(b, b.s.UpdateFlow(b.ctx, f))
		_, err = b.s.StoreEvents(b.ctx, gone)
		b.fault(fault.SubscriptionNotFound, err)
	},
	"ManyDeliveriesAtOnce": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		const many = 6
		var all sync.WaitGroup
		receipts, errs := make([]*flows.EventReceipt, many), make([]error, many)
		posts := make([]flows.EventPost, many)
		for i := range many {
			posts[i] = b.eventPost(f, "r1", int64(i), int64(i+1), int64(i+2))
		}
		for i := range many {
			all.Go(func() { receipts[i], errs[i] = b.s.StoreEvents(b.ctx, posts[i]) })
		}
		all.Wait()
		received := int64(0)
		for i := range many {
			require.NoError(b, errs[i])
			received += receipts[i].Received
		}
		require.EqualValues(b, many+2, received)
		require.Equal(b, many+2, strings.Count(b.keptEvents(f), "\n"))
	},
	"OneLooksAfterIt": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		held := b.lookingAfter(f, b.now)
		require.EqualValues(b, 1, held.Fence)
		require.Nil(b, b.lookingAfter(f, b.now))
		again := b.lookingAfter(f, b.now.Add(2*time.Minute))
		require.EqualValues(b, 2, again.Fence)
		b.fault(fault.RunLeaseLost, b.s.ChangeSubscription(b.ctx, held, func(*flows.Subscription) *flows.Notice { return nil }))
		at := b.now.Add(time.Hour)
		change := func(now *flows.Subscription) *flows.Notice {
			now.RemoteID, now.RemoteStatus, now.Begun, now.Applied, now.CheckedAt = "r1", "active", true, 1, b.now
			now.Repair, now.Failures, now.Remade = flows.Repair{From: 4, Tries: 2, Next: at}, 3, 1
			now.LastError = &flows.SubscriptionError{Code: "x", Message: "bad\x00", At: b.now}
			now.Replay = &flows.ReplayAsk{FromOffset: 4}
			now.NextAt, now.LeaseUntil = at, time.Time{}
			return nil
		}
		require.NoError(b, b.s.ChangeSubscription(b.ctx, again, change))
		read := b.subscription(f)
		require.Equal(b, again, read)
		require.Equal(b, "bad\uFFFD", read.LastError.Message)
		require.Nil(b, b.lookingAfter(f, at.Add(-time.Microsecond)))
		require.NotNil(b, b.lookingAfter(f, at))
	},
	"AskingForAReplay": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		was := b.subscription(f)
		require.NoError(b, b.s.AskReplay(b.ctx, b.workspace, f.ID, flows.ReplayAsk{FromOffset: 7, Again: true}, b.now))
		s := b.subscription(f)
		require.Equal(b, []any{&flows.ReplayAsk{FromOffset: 7, Again: true}, was.Nudge + 1}, []any{s.Replay, s.Nudge})
		events, err := b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.workspace, ObjectID: f.ID, Limit: 1})
		require.NoError(b, err)
		require.Equal(b, []string{"subscriptionReplay"}, events[0].Fields)
		b.fault(fault.FlowNotFound, b.s.AskReplay(b.ctx, b.other, f.ID, flows.ReplayAsk{}, b.now))
		b.fault(fault.FlowSubscriptionExport, b.s.AskReplay(b.ctx, b.workspace, b.flow(b.workspace, "file").ID, flows.ReplayAsk{}, b.now))
	},
	"ATellingChangeIsTold": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		n := b.notification(b.workspace, "ops", func(n *flows.Notification) { n.Events = []flows.NotificationEvent{flows.EventsMissed} })
		held := b.lookingAfter(f, b.now)
		require.NoError(b, b.s.ChangeSubscription(b.ctx, held, func(*flows.Subscription) *flows.Notice {
			return &flows.Notice{Event: flows.EventsMissed, At: b.now}
		}))
		require.Equal(b, []flows.NotificationEvent{flows.EventsMissed}, b.told(n))
	},
	"SecretsAreResealed": func(b *bundle) {
		f := b.listening(b.workspace, "flow")
		s := b.subscription(f)
		n, err := b.s.Reseal(b.ctx, []crypto.Resealed{{
			SealedRow: crypto.SealedRow{AAD: crypto.AAD{Workspace: b.workspace, Kind: flows.SealedSubscription, ID: s.ID, Field: flows.SubscriptionSecrets}, Envelope: s.Envelope},
			Fresh:     "v1.k2.c.d",
		}})
		require.NoError(b, err)
		require.EqualValues(b, 1, n)
		require.Equal(b, "v1.k2.c.d", b.subscription(f).Envelope)
	},
}

func counts(r *flows.EventReceipt) []int64 { return []int64{r.Received, r.Repeated} }
