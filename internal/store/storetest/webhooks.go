package storetest

import (
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// hooked stores a flow with a webhook whose token has the hash.
func (b *bundle) hooked(workspace, name, hash string) *flows.Flow {
	b.Helper()
	f := b.sketch(b.connection(workspace, "of "+name), name)
	f.Export = flows.Export{Type: flows.ExportWebhook, Webhook: &flows.WebhookExport{Auth: flows.WebhookAuth{Type: flows.HookToken, Header: "X-T"}}}
	f.Hook = &flows.HookChange{TokenHash: hash, Secret: &connections.SealedSecret{Envelope: "v1.k1.a.b", UpdatedAt: b.now}}
	require.NoError(b, b.s.CreateFlow(b.ctx, f))
	f.Hook = nil
	return f
}

// found is the flow that a token leads to, "" for none.
func (b *bundle) found(hash string, now time.Time) string {
	b.Helper()
	h, err := b.s.WebhookByToken(b.ctx, hash, now)
	if fault.Has(err, fault.WebhookNotFound) {
		return ""
	}
	require.NoError(b, err)
	return h.Flow.ID
}

// changed stores the flow's next revision.
func (b *bundle) changed(f *flows.Flow, apply func()) {
	b.Helper()
	f.Hook = nil
	apply()
	f.Revision++
	require.NoError(b, b.s.UpdateFlow(b.ctx, f))
	f.Hook = nil
}

var webhookTests = map[string]func(*bundle){
	"ATokenLeadsToItsFlow": func(b *bundle) {
		one, two := "h-"+b.id(), "h-"+b.id()
		f, g := b.hooked(b.workspace, "flow", one), b.hooked(b.other, "flow", two)
		h, err := b.s.WebhookByToken(b.ctx, one, b.now)
		require.NoError(b, err)
		require.Equal(b, &flows.Webhook{Flow: f, Envelope: "v1.k1.a.b"}, h)
		require.Equal(b, g.ID, b.found(two, b.now))
		require.Empty(b, b.found("h-"+b.id(), b.now))
		require.Empty(b, b.found("", b.now))
	},
	"StateOfAWebhook": func(b *bundle) {
		f := b.hooked(b.workspace, "flow", "h-"+b.id())
		state, err := b.s.WebhookState(b.ctx, b.workspace, f.ID, b.now)
		require.NoError(b, err)
		require.Equal(b, &flows.WebhookState{SecretAt: b.now, URLs: []flows.WebhookURL{{CreatedAt: f.UpdatedAt}}}, state)
		state, err = b.s.WebhookState(b.ctx, b.other, f.ID, b.now)
		require.NoError(b, err)
		require.Equal(b, &flows.WebhookState{URLs: []flows.WebhookURL{}}, state)
	},
	"RotationLeavesOneOlderToken": func(b *bundle) {
		a, c, d := "a-"+b.id(), "c-"+b.id(), "d-"+b.id()
		f := b.hooked(b.workspace, "flow", a)
		rotate := func(hash string, overlap time.Duration) {
			b.Helper()
			require.NoError(b, b.s.RotateWebhook(b.ctx, b.workspace, f.ID, flows.Rotation{TokenHash: hash, Now: b.now, OldUntil: b.now.Add(overlap)}))
		}
		rotate(c, time.Hour)
		require.Equal(b, []string{f.ID, f.ID}, []string{b.found(a, b.now), b.found(c, b.now)})
		require.Equal(b, []string{f.ID, ""}, []string{b.found(a, b.now.Add(time.Hour-time.Microsecond)), b.found(a, b.now.Add(time.Hour))})
		state, err := b.s.WebhookState(b.ctx, b.workspace, f.ID, b.now)
		require.NoError(b, err)
		require.Equal(b, []flows.WebhookURL{{CreatedAt: b.now}, {CreatedAt: f.UpdatedAt, ExpiresAt: b.now.Add(time.Hour)}}, state.URLs)
		rotate(d, time.Minute)
		require.Equal(b, []string{"", f.ID, f.ID}, []string{b.found(a, b.now), b.found(c, b.now), b.found(d, b.now)})
		last := "e-" + b.id()
		rotate(last, 0)
		require.Equal(b, []string{"", "", f.ID}, []string{b.found(c, b.now), b.found(d, b.now), b.found(last, b.now)})
		events, err := b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.workspace, ObjectID: f.ID, Limit: 1})
		require.NoError(b, err)
		require.Equal(b, []string{"webhookUrl"}, events[0].Fields)

		r := flows.Rotation{TokenHash: "x-" + b.id(), Now: b.now, OldUntil: b.now}
		b.fault(fault.FlowNotFound, b.s.RotateWebhook(b.ctx, b.other, f.ID, r))
		b.fault(fault.FlowWebhookExport, b.s.RotateWebhook(b.ctx, b.workspace, b.flow(b.workspace, "file").ID, r))
	},
	"AnUpdateKeepsWhatItDoesNotBring": func(b *bundle) {
		hash := "h-" + b.id()
		f := b.hooked(b.workspace, "flow", hash)
		b.changed(f, func() { f.Name = "renamed" })
		h, err := b.s.WebhookByToken(b.ctx, hash, b.now)
		require.NoError(b, err)
		require.Equal(b, "v1.k1.a.b", h.Envelope)
		b.changed(f, func() {
			f.Hook = &flows.HookChange{Secret: &connections.SealedSecret{Envelope: "v1.k2.c.d", UpdatedAt: b.now}}
		})
		h, err = b.s.WebhookByToken(b.ctx, hash, b.now)
		require.NoError(b, err)
		require.Equal(b, "v1.k2.c.d", h.Envelope)
		events, err := b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.workspace, ObjectID: f.ID, Limit: 1})
		require.NoError(b, err)
		require.Equal(b, []string{"webhookSecret"}, events[0].Fields)
		b.changed(f, func() { f.Hook = &flows.HookChange{DropSecret: true} })
		h, err = b.s.WebhookByToken(b.ctx, hash, b.now)
		require.NoError(b, err)
		require.Empty(b, h.Envelope)
	},
	"AnotherExportEndsTheWebhook": func(b *bundle) {
		hash := "h-" + b.id()
		f := b.hooked(b.workspace, "flow", hash)
		hooked := f.Export
		b.changed(f, func() { f.Export = flows.Export{Type: flows.ExportRecords} })
		require.Empty(b, b.found(hash, b.now))
		b.changed(f, func() { f.Export = hooked })
		require.Empty(b, b.found(hash, b.now), "an old token came back to life")
		state, err := b.s.WebhookState(b.ctx, b.workspace, f.ID, b.now)
		require.NoError(b, err)
		require.Equal(b, &flows.WebhookState{URLs: []flows.WebhookURL{}}, state)
	},
	"DeletedWithTheFlow": func(b *bundle) {
		hash := "h-" + b.id()
		f := b.hooked(b.workspace, "flow", hash)
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
		require.Empty(b, b.found(hash, b.now))
	},
}

// once is a batch that is told from others by the key.
func (b *bundle) once(f *flows.Flow, key string) *flows.RecordBatch {
	batch := b.batch(f, b.id())
	batch.CreatedAt = b.now
	batch.Once = &flows.Once{Scope: "client 1", Key: key, Digest: "d", Expires: b.now.Add(24 * time.Hour)}
	return batch
}

// batches are the ids of those that the flow's next run takes.
func (b *bundle) batches(f *flows.Flow) []string {
	b.Helper()
	run := b.run(f)
	ids, err := b.s.AssignRecords(b.ctx, b.claim(run).Token())
	require.NoError(b, err)
	return ids
}

var receiptTests = map[string]func(*bundle){
	"ARepeatGetsTheFirstReceipt": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		first := b.once(f, "k")
		receipt, taker, err := b.s.AddPost(b.ctx, first, b.queued(f))
		require.NoError(b, err)
		require.Equal(b, &flows.Receipt{BatchID: first.ID, RunID: taker.ID, Records: first.Records}, receipt)
		again := *receipt
		again.Repeated = true
		for range 2 {
			got, run, err := b.s.AddPost(b.ctx, b.once(f, "k"), b.queued(f))
			require.NoError(b, err)
			require.Nil(b, run)
			require.Equal(b, &again, got)
		}
		claimed := b.claim(taker)
		ids, err := b.s.AssignRecords(b.ctx, claimed.Token())
		require.NoError(b, err)
		require.Equal(b, []string{first.ID}, ids)
		b.settle(claimed, flows.Settlement{State: flows.Succeeded, Ledger: &flows.Ledger{}, Now: b.now})
		got, _, err := b.s.AddPost(b.ctx, b.once(f, "k"), b.queued(f))
		require.NoError(b, err)
		require.Equal(b, &again, got, "after the records were pushed, too")
	},
	"KeysOfOthersDoNotMeet": func(b *bundle) {
		f, g := b.flow(b.workspace, "flow"), b.flow(b.other, "flow")
		for _, batch := range []*flows.RecordBatch{b.once(f, "k"), b.once(g, "k"), b.once(f, "l"), b.batch(f, b.id()), b.batch(f, b.id())} {
			flow := f
			if batch.FlowID == g.ID {
				flow = g
			}
			receipt, _, err := b.s.AddPost(b.ctx, batch, b.queued(flow))
			require.NoError(b, err)
			require.False(b, receipt.Repeated)
		}
		scoped := b.once(f, "k")
		scoped.Once.Scope = "client 2"
		receipt, _, err := b.s.AddPost(b.ctx, scoped, b.queued(f))
		require.NoError(b, err)
		require.False(b, receipt.Repeated)
	},
	"AnotherDigestIsRefused": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		_, _, err := b.s.AddPost(b.ctx, b.once(f, "k"), b.queued(f))
		require.NoError(b, err)
		other := b.once(f, "k")
		other.Once.Digest = "e"
		_, _, err = b.s.AddPost(b.ctx, other, b.queued(f))
		b.fault(fault.RequestIdempotencyReuse, err)
	},
	"AnExpiredKeyIsFree": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		first := b.once(f, "k")
		first.Once.Expires = b.now
		_, _, err := b.s.AddPost(b.ctx, first, b.queued(f))
		require.NoError(b, err)
		second := b.once(f, "k")
		second.Once.Digest = "e"
		receipt, _, err := b.s.AddPost(b.ctx, second, b.queued(f))
		require.NoError(b, err)
		require.Equal(b, second.ID, receipt.BatchID)
	},
	"AFailedPostLeavesTheKeyFree": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		broken := b.once(f, "k")
		broken.ID = b.id()
		_, err := b.s.AddRecords(b.ctx, &flows.RecordBatch{ID: broken.ID, Workspace: b.workspace, FlowID: f.ID, CreatedAt: b.now}, b.queued(f))
		require.NoError(b, err)
		_, _, err = b.s.AddPost(b.ctx, broken, b.queued(f)) // the id is taken, after the key was
		require.Error(b, err)
		receipt, _, err := b.s.AddPost(b.ctx, b.once(f, "k"), b.queued(f))
		require.NoError(b, err)
		require.False(b, receipt.Repeated)
		gone := b.once(f, "m")
		gone.FlowID = b.id()
		_, _, err = b.s.AddPost(b.ctx, gone, b.queued(f))
		b.fault(fault.FlowNotFound, err)
	},
	"ManyAtOnceStoreItOnce": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		const callers = 8
		receipts := make([]*flows.Receipt, callers)
		errs := make([]error, callers)
		batches, runs := make([]*flows.RecordBatch, callers), make([]*flows.Run, callers)
		for n := range callers {
			batches[n], runs[n] = b.once(f, "k"), b.queued(f)
		}
		var all sync.WaitGroup
		for n := range callers {
			all.Go(func() { receipts[n], _, errs[n] = b.s.AddPost(b.ctx, batches[n], runs[n]) })
		}
		all.Wait()
		stored := map[string]bool{}
		firsts := 0
		for n := range callers {
			require.NoError(b, errs[n])
			stored[receipts[n].BatchID] = true
			if !receipts[n].Repeated {
				firsts++
			}
		}
		require.Len(b, stored, 1)
		require.Equal(b, 1, firsts)
		require.Len(b, b.batches(f), 1)
	},
}

// hookKeyringTests see every row of a database.
var hookKeyringTests = map[string]func(*bundle){
	"RotationReachesSecretsOfWebhooks": func(b *bundle) {
		hash := "h-" + b.id()
		f := b.hooked(b.workspace, "flow", hash)
		var mine []crypto.SealedRow
		rows, err := b.s.SealedUnderOthers(b.ctx, "k2", crypto.SealedRow{}, 10)
		require.NoError(b, err)
		for _, r := range rows {
			if r.Kind == flows.SealedWebhook {
				mine = append(mine, r)
			}
		}
		require.Equal(b, []crypto.SealedRow{{
			AAD: crypto.AAD{Workspace: b.workspace, Kind: "webhook", ID: f.ID, Field: "secret"}, Envelope: "v1.k1.a.b",
		}}, mine)
		n, err := b.s.Reseal(b.ctx, []crypto.Resealed{{SealedRow: mine[0], Fresh: "v1.k2.x.y"}})
		require.NoError(b, err)
		require.EqualValues(b, 1, n)
		h, err := b.s.WebhookByToken(b.ctx, hash, b.now)
		require.NoError(b, err)
		require.Equal(b, "v1.k2.x.y", h.Envelope)
	},
	"SweptWithTheirTime": func(b *bundle) {
		f := b.hooked(b.workspace, "flow", "h-"+b.id())
		require.NoError(b, b.s.RotateWebhook(b.ctx, b.workspace, f.ID, flows.Rotation{TokenHash: "i-" + b.id(), Now: b.now, OldUntil: b.now.Add(time.Hour)}))
		_, _, err := b.s.AddPost(b.ctx, b.once(f, "k"), b.queued(f))
		require.NoError(b, err)
		for _, tt := range []struct {
			after time.Duration
			want  int64
		}{{time.Hour - time.Microsecond, 0}, {time.Hour, 1}, {24*time.Hour - time.Microsecond, 0}, {24 * time.Hour, 1}} {
			n, err := b.s.SweepIdempotent(b.ctx, b.now.Add(tt.after))
			require.NoError(b, err)
			require.Equal(b, tt.want, n, tt.after)
		}
	},
}
