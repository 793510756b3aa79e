package storetest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

var runTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.queued(f)
		r.Ledger = flows.Ledger{Read: 4, Filtered: 1, Pushed: 2, Errored: 1}
		r.Bytes, r.Chunks, r.PushJobID, r.Attempt, r.Failures, r.Fence, r.Worker = 1<<40, 3, "job", 2, 1, 5, "w"
		r.Checkpoint = flows.Checkpoint{Source: json.RawMessage(`{"line":7}`), Schema: "s", PushJobID: "job", Chunks: 3,
			Ledger: r.Ledger, Bytes: 1 << 40, Submitted: true}
		r.Error = &flows.RunError{Code: fault.CelonisServer, Message: "m \x00", Hint: "h"}
		r.ResumeAt, r.LeaseUntil = b.now.Add(time.Second), b.now.Add(2*time.Second)
		r.StartedAt, r.FinishedAt = b.now.Add(3*time.Second), b.now.Add(4*time.Second)
		require.NoError(b, b.s.InsertRun(b.ctx, r))
		require.Equal(b, r, b.read(r))
		_, err := b.s.Run(b.ctx, b.workspace, b.id())
		b.fault(fault.RunNotFound, err)
	},
	"AQueuedRunHasNoTimesYet": func(b *bundle) {
		r := b.run(b.flow(b.workspace, "flow"))
		got := b.read(r)
		require.Equal(b, r, got)
		require.True(b, got.StartedAt.IsZero() && got.FinishedAt.IsZero() && got.ResumeAt.IsZero() && got.LeaseUntil.IsZero())
	},
	"NeedsAFlowOfItsWorkspace": func(b *bundle) {
		r := b.queued(b.flow(b.other, "flow"))
		r.Workspace = b.workspace
		b.fault(fault.FlowNotFound, b.s.InsertRun(b.ctx, r))
	},
	"ListsTheNewestFirst": func(b *bundle) {
		f, another := b.flow(b.workspace, "flow"), b.flow(b.workspace, "another")
		var want []string
		for range 5 {
			want = append(want, b.run(f).ID)
		}
		b.run(another)
		slices.Reverse(want)
		require.Equal(b, want, pages(b, func(after string, limit int) ([]flows.Run, error) {
			return b.s.Runs(b.ctx, b.workspace, f.ID, flows.Page{Limit: limit, After: after})
		}, func(r flows.Run) string { return r.ID }))
	},
	"CancelEndsAQueuedRun": func(b *bundle) {
		r := b.run(b.flow(b.workspace, "flow"))
		got, err := b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now.Add(time.Minute))
		require.NoError(b, err)
		require.Equal(b, flows.Canceled, got.State)
		require.Equal(b, b.now.Add(time.Minute), got.FinishedAt)
		require.Equal(b, got, b.read(r))
		_, err = b.s.ClaimRun(b.ctx, r.ID, lease(b.now))
		b.fault(fault.RunStateConflict, err)
		_, err = b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now)
		b.fault(fault.RunStateConflict, err)
		_, err = b.s.RequestCancel(b.ctx, b.workspace, b.id(), b.now)
		b.fault(fault.RunNotFound, err)
	},
	"CancelEndsAWaitingRunAndFreesItsRecords": func(b *bundle) {
		f, batch := b.flow(b.workspace, "flow"), b.id()
		r := b.claim(b.post(f, batch))
		_, err := b.s.AssignRecords(b.ctx, r.Token())
		require.NoError(b, err)
		b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: b.now.Add(time.Hour), Now: b.now})
		got, err := b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now)
		require.NoError(b, err)
		require.Equal(b, flows.Canceled, got.State)
		require.True(b, got.ResumeAt.IsZero())
		next := b.claimed(f)
		ids, err := b.s.AssignRecords(b.ctx, next.Token())
		require.NoError(b, err)
		require.Equal(b, []string{batch}, ids)
	},
	"CancelAsksTheWorkerOfARunningRun": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		asked, err := b.s.ExtendRun(b.ctx, r.Token(), b.now.Add(time.Minute))
		require.NoError(b, err)
		require.False(b, asked)
		got, err := b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now)
		require.NoError(b, err)
		require.Equal(b, flows.Running, got.State)
		require.True(b, got.CancelRequested && got.FinishedAt.IsZero())
		asked, err = b.s.ExtendRun(b.ctx, r.Token(), b.now.Add(time.Minute))
		require.NoError(b, err)
		require.True(b, asked)
		b.settle(r, flows.Settlement{State: flows.Canceled, CountAttempt: true, Now: b.now.Add(time.Second)})
		require.Equal(b, flows.Canceled, b.read(r).State)
	},
	"CancelOutlivesADeadWorker": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		_, err := b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now)
		require.NoError(b, err)
		taken, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err)
		require.True(b, taken.CancelRequested)
	},
	"CancelOfARunThatIsBeingPutBackEndsIt": func(b *bundle) {
		for _, state := range []flows.State{flows.Waiting, flows.Queued} {
			f, batch := b.flow(b.workspace, string(state)), b.id()
			r := b.claim(b.post(f, batch))
			_, err := b.s.AssignRecords(b.ctx, r.Token())
			require.NoError(b, err)
			_, err = b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now)
			require.NoError(b, err)
			b.settle(r, flows.Settlement{State: state, ResumeAt: b.now.Add(time.Hour), Now: b.now.Add(time.Second),
				Error: &flows.RunError{Code: fault.RunReleased, Message: "released"}})
			got := b.read(r)
			require.Equal(b, flows.Canceled, got.State)
			require.Equal(b, b.now.Add(time.Second), got.FinishedAt)
			require.Nil(b, got.Error)
			require.True(b, got.ResumeAt.IsZero())
			ids, err := b.s.AssignRecords(b.ctx, b.claimed(f).Token())
			require.NoError(b, err)
			require.Equal(b, []string{batch}, ids)
		}
	},
}
