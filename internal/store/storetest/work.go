package storetest

import (
	"encoding/json"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

var workTests = map[string]func(*bundle){
	"ClaimOfAQueuedRun": func(b *bundle) {
		r := b.run(b.flow(b.workspace, "flow"))
		got, err := b.s.ClaimRun(b.ctx, r.ID, flows.Claim{Worker: "w", Now: b.now.Add(time.Second), Until: b.now.Add(time.Minute)})
		require.NoError(b, err)
		want := *r
		want.State, want.Fence, want.Attempt, want.Worker = flows.Running, 1, 1, "w"
		want.StartedAt, want.UpdatedAt, want.LeaseUntil = b.now.Add(time.Second), b.now.Add(time.Second), b.now.Add(time.Minute)
		require.Equal(b, &want, got)
		require.Equal(b, &want, b.read(r))
		require.Equal(b, flows.Token{Workspace: b.workspace, RunID: r.ID, Fence: 1}, got.Token())
	},
	"ClaimFaults": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		_, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(59*time.Second)))
		b.fault(fault.RunStateConflict, err)
		_, err = b.s.ClaimRun(b.ctx, b.id(), lease(b.now))
		b.fault(fault.RunNotFound, err)
		for _, end := range []flows.State{flows.Succeeded, flows.Failed, flows.Canceled} {
			r := b.claimed(b.flow(b.workspace, string(end)))
			b.settle(r, flows.Settlement{State: end, Now: b.now})
			_, err = b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(24*time.Hour)))
			b.fault(fault.RunStateConflict, err)
		}
	},
	"ClaimFromADeadWorkerCountsAFailure": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		later := b.now.Add(time.Minute)
		got, err := b.s.ClaimRun(b.ctx, r.ID, lease(later))
		require.NoError(b, err)
		require.Equal(b, []int64{2, 2, 1}, []int64{got.Fence, int64(got.Attempt), int64(got.Failures)})
		require.Equal(b, b.now, got.StartedAt, "set by the first claim")
		require.Equal(b, later.Add(time.Minute), got.LeaseUntil)
	},
	"ClaimOfAWaitingRun": func(b *bundle) {
		r := b.waiting(b.flow(b.workspace, "flow"))
		require.Equal(b, fault.ConnectionOffline, r.Error.Code)
		_, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(time.Hour-time.Microsecond)))
		b.fault(fault.RunStateConflict, err)
		got, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err)
		require.Equal(b, []int64{2, 1, 0}, []int64{got.Fence, int64(got.Attempt), int64(got.Failures)})
		require.True(b, got.ResumeAt.IsZero())
		require.Nil(b, got.Error)
	},
	"ExtendMovesTheLease": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		_, err := b.s.ExtendRun(b.ctx, r.Token(), b.now.Add(time.Hour))
		require.NoError(b, err)
		require.Equal(b, b.now.Add(time.Hour), b.read(r).LeaseUntil)
		_, err = b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(time.Minute)))
		b.fault(fault.RunStateConflict, err)
	},
	"CheckpointCarriesTheCounters": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		c := flows.Checkpoint{Source: json.RawMessage(`{"offset":9007199254740993}`), Schema: "a1", PushJobID: "job", Chunks: 2,
			Ledger: flows.Ledger{Read: 10, Filtered: 1, Pushed: 8, Errored: 1}, Bytes: 123, Submitted: true}
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), c, nil))
		got := b.read(r)
		require.Equal(b, c, got.Checkpoint)
		require.Equal(b, c.Ledger, got.Ledger)
		require.Equal(b, []any{c.Bytes, c.Chunks, c.PushJobID}, []any{got.Bytes, got.Chunks, got.PushJobID})
		require.Equal(b, r.LeaseUntil, got.LeaseUntil, "a checkpoint extends nothing")
	},
	"FailuresStartAnewWhenTheRunGotFurtherThanEver": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		r, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err)
		save := func(c flows.Checkpoint, failures int) {
			b.Helper()
			require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), c, nil))
			require.Equal(b, failures, b.read(r).Failures)
		}
		save(flows.Checkpoint{PushJobID: "job"}, 1)
		save(flows.Checkpoint{PushJobID: "job", Source: json.RawMessage(`1`), Chunks: 2}, 0)
		r, err = b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(3*time.Hour)))
		require.NoError(b, err)
		save(flows.Checkpoint{PushJobID: "another", Source: json.RawMessage(`1`), Chunks: 1}, 1)
		save(flows.Checkpoint{PushJobID: "another", Source: json.RawMessage(`2`), Chunks: 2}, 1)
		save(flows.Checkpoint{PushJobID: "another", Source: json.RawMessage(`3`), Chunks: 3}, 0)
	},
	"SettleSucceeded": func(b *bundle) {
		f, batch := b.flow(b.workspace, "flow"), b.id()
		r := b.claim(b.post(f, batch))
		_, err := b.s.AssignRecords(b.ctx, r.Token())
		require.NoError(b, err)
		later := b.post(f, b.id())
		ledger := flows.Ledger{Read: 3, Filtered: 1, Pushed: 1, Errored: 1}
		b.settle(r, flows.Settlement{State: flows.Succeeded, CountAttempt: true, Ledger: &ledger, Now: b.now.Add(time.Second)})
		got := b.read(r)
		require.Equal(b, flows.Succeeded, got.State)
		require.Equal(b, ledger, got.Ledger)
		require.Equal(b, []int{1, 0}, []int{got.Attempt, got.Failures})
		require.Equal(b, b.now.Add(time.Second), got.FinishedAt)
		require.True(b, got.LeaseUntil.IsZero() && got.HasErrors())
		_, err = b.s.RecordBatchData(b.ctx, b.workspace, batch)
		b.fault(fault.SourceRead, err)
		ids, err := b.s.AssignRecords(b.ctx, b.claim(later).Token())
		require.NoError(b, err)
		require.Len(b, ids, 1, "the batch of another run stays")
	},
	"SettleFailed": func(b *bundle) {
		f, batch := b.flow(b.workspace, "flow"), b.id()
		r := b.claim(b.post(f, batch))
		_, err := b.s.AssignRecords(b.ctx, r.Token())
		require.NoError(b, err)
		ledger := flows.Ledger{Read: 7, Pushed: 7}
		bad := []flows.RecordError{{Record: 3, Code: fault.ValueType, Message: "m"}}
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{Ledger: ledger}, bad))
		b.settle(r, flows.Settlement{State: flows.Failed, CountAttempt: true, CountFailure: true, Now: b.now.Add(time.Second),
			ResumeAt: b.now.Add(time.Hour), Error: &flows.RunError{Code: fault.SourceRead, Message: "a\x00b", Hint: "h"}})
		got := b.read(r)
		require.Equal(b, flows.Failed, got.State)
		require.Equal(b, &flows.RunError{Code: fault.SourceRead, Message: "a\uFFFDb", Hint: "h"}, got.Error)
		require.Equal(b, []int{1, 1}, []int{got.Attempt, got.Failures})
		require.Equal(b, flows.Ledger{Read: 1, Errored: 1}, got.Ledger, "nothing of it is visible but its errors")
		require.Equal(b, b.now.Add(time.Second), got.FinishedAt)
		require.True(b, got.ResumeAt.IsZero())
		ids, err := b.s.AssignRecords(b.ctx, b.claimed(f).Token())
		require.NoError(b, err)
		require.Equal(b, []string{batch}, ids)
	},
	"SettleGivenBack": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		b.settle(r, flows.Settlement{State: flows.Queued, Now: b.now.Add(time.Second)})
		got := b.read(r)
		require.Equal(b, flows.Queued, got.State)
		require.Equal(b, []int64{0, 0, 1}, []int64{int64(got.Attempt), int64(got.Failures), got.Fence})
		require.True(b, got.FinishedAt.IsZero() && got.ResumeAt.IsZero() && got.LeaseUntil.IsZero())
		again := b.claim(r)
		require.Equal(b, []int64{1, 2}, []int64{int64(again.Attempt), again.Fence})
	},
	"SettleWaiting": func(b *bundle) {
		got := b.waiting(b.flow(b.workspace, "flow"))
		require.Equal(b, flows.Waiting, got.State)
		require.Equal(b, b.now.Add(time.Hour), got.ResumeAt)
		require.Equal(b, &flows.RunError{Code: fault.ConnectionOffline, Message: "the connection is offline", Hint: "test it"}, got.Error)
		require.Zero(b, got.Attempt)
		require.True(b, got.FinishedAt.IsZero() && got.LeaseUntil.IsZero())
	},
	"SettleRefusesIllegalMoves": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		for _, state := range []flows.State{flows.Running, "", "unknown"} {
			b.fault(fault.RunStateConflict, b.s.SettleRun(b.ctx, r.Token(), flows.Settlement{State: state, Now: b.now}))
		}
		require.Equal(b, flows.Running, b.read(r).State)
	},
	"AWorkerWithoutTheLeaseWritesNothing": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		stale := b.claimed(f)
		current, err := b.s.ClaimRun(b.ctx, stale.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err)
		b.refusesWrites(stale.Token())
		require.Equal(b, current, b.read(stale))
		errors, err := b.s.RecordErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID})
		require.NoError(b, err)
		require.Empty(b, errors)

		b.settle(current, flows.Settlement{State: flows.Queued, Now: b.now})
		b.refusesWrites(current.Token())
		b.refusesWrites(flows.Token{Workspace: b.workspace, RunID: b.id(), Fence: 1})
	},
}

// refusesWrites tries every write of a worker with a token that does not hold (I2).
func (b *bundle) refusesWrites(t flows.Token) {
	b.Helper()
	_, err := b.s.ExtendRun(b.ctx, t, b.now.Add(24*time.Hour))
	b.fault(fault.RunLeaseLost, err)
	checkpoint := flows.Checkpoint{Source: json.RawMessage(`1`), Chunks: 9}
	b.fault(fault.RunLeaseLost, b.s.SaveCheckpoint(b.ctx, t, checkpoint, nil))
	b.fault(fault.RunLeaseLost, b.s.SaveCheckpoint(b.ctx, t, checkpoint, []flows.RecordError{{Record: 1}}))
	for state := range flows.Moves() {
		if state != flows.Running {
			b.fault(fault.RunLeaseLost, b.s.SettleRun(b.ctx, t, flows.Settlement{State: state, Now: b.now}))
		}
	}
	_, err = b.s.AssignRecords(b.ctx, t)
	b.fault(fault.RunLeaseLost, err)
}

var sweepTests = map[string]func(*bundle){
	"DueRuns": func(b *bundle) {
		queued, held, waiting := b.run(b.flow(b.workspace, "queued")), b.claimed(b.flow(b.workspace, "held")), b.waiting(b.flow(b.workspace, "waiting"))
		ended := b.claimed(b.flow(b.workspace, "ended"))
		b.settle(ended, flows.Settlement{State: flows.Succeeded, Now: b.now})
		due := func(at time.Time, want ...*flows.Run) {
			b.Helper()
			ids, err := b.s.DueRuns(b.ctx, at, at.Add(-time.Minute), 10)
			require.NoError(b, err)
			wanted := []string{}
			for _, r := range want {
				wanted = append(wanted, r.ID)
			}
			require.Equal(b, wanted, ids)
		}
		due(b.now, queued)
		due(b.now.Add(59 * time.Second))
		due(b.now.Add(time.Minute), queued, held)
		due(b.now.Add(time.Minute))
		due(b.now.Add(time.Hour), queued, held, waiting)

		taken, err := b.s.ClaimRun(b.ctx, held.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err)
		b.settle(taken, flows.Settlement{State: flows.Waiting, ResumeAt: b.now.Add(time.Hour), Now: b.now.Add(time.Hour)})
		due(b.now.Add(time.Hour), held)
	},
	"Limit": func(b *bundle) {
		var want []string
		for range 5 {
			want = append(want, b.run(b.flow(b.workspace, b.id())).ID)
		}
		for _, part := range [][]string{want[:2], want[2:4], want[4:], {}} {
			ids, err := b.s.DueRuns(b.ctx, b.now, b.now.Add(-time.Minute), 2)
			require.NoError(b, err)
			require.Equal(b, part, ids)
		}
	},
}
