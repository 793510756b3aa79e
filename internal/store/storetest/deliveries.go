package storetest

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
)

// delivering stores a flow whose import is signed with a secret.
func (b *bundle) delivering(workspace, slot string) *flows.Flow {
	b.Helper()
	f := b.sketch(b.connection(workspace, "of "+slot), "flow "+slot)
	f.Import = flows.Import{Type: flows.ImportWebhook, Batch: 1, Webhook: &flows.WebhookImport{URL: "https://hooks.example.com"}}
	f.Delivery = b.slot(slot, time.Hour)
	require.NoError(b, b.s.CreateFlow(b.ctx, f))
	f.Delivery = nil
	return f
}

func (b *bundle) slot(slot string, overlap time.Duration) *flows.DeliveryChange {
	return &flows.DeliveryChange{
		Secret: &flows.DeliverySecret{Slot: slot, Envelope: "v1.k1." + slot, CreatedAt: b.now}, OldUntil: b.now.Add(overlap),
	}
}

// slots gives the secrets of a flow that are good at a time.
func (b *bundle) slots(f *flows.Flow, now time.Time) (slots []string) {
	b.Helper()
	list, err := b.s.DeliverySecrets(b.ctx, f.Workspace, f.ID, now)
	require.NoError(b, err)
	for _, d := range list {
		require.Equal(b, "v1.k1."+d.Slot, d.Envelope)
		slots = append(slots, d.Slot)
	}
	return slots
}

// deliver stores the flow's next revision.
func (b *bundle) deliver(f *flows.Flow, change *flows.DeliveryChange) {
	b.Helper()
	f.Revision++
	f.Delivery = change
	require.NoError(b, b.s.UpdateFlow(b.ctx, f))
	f.Delivery = nil
}

var deliveryTests = map[string]func(*bundle){
	"SecretsOverlap": func(b *bundle) {
		f, other := b.delivering(b.workspace, "one"), b.delivering(b.other, "two")
		require.Equal(b, []string{"one"}, b.slots(f, b.now))
		b.deliver(f, nil)
		require.Equal(b, []string{"one"}, b.slots(f, b.now), "a write without a secret keeps it")
		b.deliver(f, b.slot("next", time.Hour))
		require.Equal(b, []string{"next", "one"}, b.slots(f, b.now))
		require.Equal(b, []string{"next"}, b.slots(f, b.now.Add(time.Hour)))
		b.deliver(f, b.slot("third", time.Hour))
		require.Equal(b, []string{"third", "next"}, b.slots(f, b.now), "one older secret goes on at most")
		b.deliver(f, b.slot("last", 0))
		require.Equal(b, []string{"last"}, b.slots(f, b.now))
		foreign := *f
		foreign.Workspace = b.other
		require.Empty(b, b.slots(&foreign, b.now))
		require.Equal(b, []string{"two"}, b.slots(other, b.now))
	},
	"SecretsGoWithTheirFlow": func(b *bundle) {
		f, g := b.delivering(b.workspace, "one"), b.delivering(b.workspace, "two")
		f.Import = flows.Import{Type: flows.ImportHTTP, ConnectionID: f.Import.ConnectionID}
		b.deliver(f, nil)
		require.Empty(b, b.slots(f, b.now))
		require.NoError(b, b.s.DeleteFlow(b.ctx, g.Workspace, g.ID, 0))
		require.Empty(b, b.slots(g, b.now))
	},
	"WhatWasDeliveredIsNotLeftForAnotherRun": func(b *bundle) {
		f := b.sketch(b.connection(b.workspace, "c"), "records")
		f.Export = flows.Export{Type: flows.ExportRecords}
		require.NoError(b, b.s.CreateFlow(b.ctx, f))
		run := b.queued(f)
		run.Trigger = flows.Records
		for _, data := range []string{"{\"n\":1}\n{\"n\":2}\n", "{\"n\":3}\n\n{\"n\":4}\n{\"n\":5}\n", "{\"n\":6}\n"} {
			_, err := b.s.AddRecords(b.ctx, &flows.RecordBatch{
				ID: b.id(), Workspace: f.Workspace, FlowID: f.ID, Data: []byte(data), Records: int64(strings.Count(data, "n")), CreatedAt: b.now,
			}, run)
			require.NoError(b, err)
		}
		r := b.claim(run)
		_, err := b.s.AssignRecords(b.ctx, r.Token())
		require.NoError(b, err)
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{Visible: true, PushJobID: "p", Consumed: 3, Ledger: flows.Ledger{Read: 3, Pushed: 3}}, nil))
		b.settle(r, flows.Settlement{State: flows.Failed, Now: b.now})

		next := b.queued(f)
		next.Trigger = flows.Records
		taker, err := b.s.AddRecords(b.ctx, b.batch(f, b.id()), next)
		require.NoError(b, err)
		again := b.claim(taker)
		ids, err := b.s.AssignRecords(b.ctx, again.Token())
		require.NoError(b, err)
		var left strings.Builder
		for _, id := range ids[:len(ids)-1] {
			data, err := b.s.RecordBatchData(b.ctx, b.workspace, id)
			require.NoError(b, err)
			left.Write(data)
		}
		require.Equal(b, "{\"n\":4}\n{\"n\":5}\n{\"n\":6}\n", strings.ReplaceAll(left.String(), "\n\n", "\n"))
	},
	"SweptWhenOver": func(b *bundle) {
		f := b.delivering(b.workspace, "one")
		b.deliver(f, b.slot("next", time.Hour))
		_, err := b.s.SweepIdempotent(b.ctx, b.now.Add(2*time.Hour))
		require.NoError(b, err)
		require.Equal(b, []string{"next"}, b.slots(f, b.now))
	},
}
