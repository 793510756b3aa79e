package storetest

import (
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/stretchr/testify/require"
)

// visibleTests hold for runs that end without success although rows of theirs
// are in the table.
var visibleTests = map[string]func(*bundle){
	"CommittedRowsStayInTheLedger": func(b *bundle) {
		for _, end := range []flows.State{flows.Failed, flows.Canceled} {
			r, batch := b.shown(string(end), flows.Checkpoint{Committed: true, Visible: true})
			b.settle(r, flows.Settlement{State: end, CountAttempt: true, Now: b.now.Add(time.Second)})
			require.Equal(b, shownLedger, b.read(r).Ledger)
			_, err := b.s.RecordBatchData(b.ctx, b.workspace, batch)
			require.Error(b, err, "the records were pushed: no other run may push them again")
		}
	},
	"CommittedRowsStayInTheLedgerOfACanceledWait": func(b *bundle) {
		r, batch := b.shown("flow", flows.Checkpoint{Committed: true, Visible: true})
		b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: b.now.Add(time.Hour), Now: b.now})
		got, err := b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now)
		require.NoError(b, err)
		require.Equal(b, flows.Canceled, got.State)
		require.Equal(b, shownLedger, got.Ledger)
		_, err = b.s.RecordBatchData(b.ctx, b.workspace, batch)
		require.Error(b, err)
	},
	"VisibleChunksStayInTheLedgerAndRecordsGoToAnotherRun": func(b *bundle) {
		r, batch := b.shown("flow", flows.Checkpoint{Visible: true})
		b.settle(r, flows.Settlement{State: flows.Failed, CountAttempt: true, Now: b.now.Add(time.Second)})
		require.Equal(b, shownLedger, b.read(r).Ledger)
		_, err := b.s.RecordBatchData(b.ctx, b.workspace, batch)
		require.NoError(b, err)
	},
	"NothingVisibleNothingCounted": func(b *bundle) {
		r, _ := b.shown("flow", flows.Checkpoint{})
		b.settle(r, flows.Settlement{State: flows.Failed, CountAttempt: true, Now: b.now.Add(time.Second)})
		require.Equal(b, flows.Ledger{}, b.read(r).Ledger)
	},
	"WarningsAndStepsComeBack": func(b *bundle) {
		c := flows.Checkpoint{
			Committed: true, Visible: true, Then: &flows.StepState{Next: 1, Begun: b.now, Baseline: "before", Started: true},
			Warnings: []flows.Warning{{Code: "celonis.step_failed", Message: "step 1 failed"}},
		}
		r, _ := b.shown("flow", c)
		got := b.read(r).Checkpoint
		require.Equal(b, c.Then, got.Then)
		require.Equal(b, c.Warnings, got.Warnings)
	},
}

var shownLedger = flows.Ledger{Read: 10, Filtered: 1, Pushed: 9}

// shown is a claimed run with a batch of records and a checkpoint of shownLedger.
func (b *bundle) shown(name string, c flows.Checkpoint) (r *flows.Run, batch string) {
	b.Helper()
	batch = b.id()
	r = b.claim(b.post(b.flow(b.workspace, name), batch))
	_, err := b.s.AssignRecords(b.ctx, r.Token())
	require.NoError(b, err)
	c.Ledger = shownLedger
	require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), c, nil))
	return r, batch
}
