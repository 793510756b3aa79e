package storetest

import (
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// saveTest stores what a test of a connection found, and nothing may wait for it.
func (b *bundle) saveTest(c *connections.Connection) error {
	b.Helper()
	resumed, err := b.s.SaveConnectionTest(b.ctx, c)
	require.Empty(b, resumed)
	return err
}

// offline takes a connection offline until a probe is due.
func (b *bundle) offline(c *connections.Connection, probeAt time.Time) {
	b.Helper()
	c.Status, c.Refusals, c.NextProbeAt = connections.Offline, c.Refusals+1, probeAt
	require.NoError(b, b.saveTest(c))
}

// held is a run whose attempt ended with its connection offline.
func (b *bundle) held(f *flows.Flow) *flows.Run {
	b.Helper()
	r := b.claimed(f)
	b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: b.now.Add(time.Hour), Now: b.now, WaitsFor: f.Import.ConnectionID,
		Error: &flows.RunError{Code: fault.ConnectionOffline, Message: "the connection is offline"}})
	return b.read(r)
}

var standingTests = map[string]func(*bundle){
	"StandingIsStored": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		c.Status, c.Recovery = connections.Offline, connections.Recovery{Refusals: 3, NextProbeAt: b.now.Add(time.Hour), OnlineAt: b.now}
		require.NoError(b, b.saveTest(c))
		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
		c.Revision, c.Status, c.Recovery = 2, connections.Untested, connections.Recovery{}
		require.NoError(b, b.s.UpdateConnection(b.ctx, c))
		got, err = b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
	},
	"OnlineLetsRunsGoOnInOrder": func(b *bundle) {
		f := b.flow(b.workspace, "f")
		c, err := b.s.Connection(b.ctx, b.workspace, f.Import.ConnectionID)
		require.NoError(b, err)
		b.offline(c, b.now.Add(time.Hour))
		first, second, timed := b.held(f), b.held(b.sibling(f)), b.waiting(b.sibling(f))
		require.Equal(b, c.ID, first.WaitsFor)
		_, err = b.s.ClaimRun(b.ctx, first.ID, lease(b.now))
		b.fault(fault.RunStateConflict, err)
		canceled := b.held(b.sibling(f))
		_, err = b.s.RequestCancel(b.ctx, b.workspace, canceled.ID, b.now)
		require.NoError(b, err)

		c.Status, c.NextProbeAt = connections.Online, time.Time{}
		resumed, err := b.s.SaveConnectionTest(b.ctx, c)
		require.NoError(b, err)
		require.Equal(b, []string{first.ID, second.ID}, resumed)
		far := time.Now().Add(time.Hour)
		for _, r := range []*flows.Run{first, second} {
			got, err := b.s.ClaimRun(b.ctx, r.ID, lease(far))
			require.NoError(b, err)
			require.Equal(b, 1, got.Attempt, "the wait counted no attempt")
			require.Empty(b, got.WaitsFor)
			require.Nil(b, got.Error)
		}
		require.Equal(b, timed.ResumeAt, b.read(timed).ResumeAt, "what waits for a time goes on waiting")
	},
	"ARunDoesNotWaitForAConnectionThatCameBack": func(b *bundle) {
		r := b.held(b.flow(b.workspace, "f"))
		require.Equal(b, flows.Waiting, r.State)
		require.Equal(b, b.now, r.ResumeAt)
		require.Empty(b, r.WaitsFor)
		b.claim(r)
	},
	"PostedRecordsJoinTheRunThatIsHeld": func(b *bundle) {
		f := b.flow(b.workspace, "f")
		c, err := b.s.Connection(b.ctx, b.workspace, f.Import.ConnectionID)
		require.NoError(b, err)
		b.offline(c, b.now.Add(time.Hour))
		r := b.held(f)
		for range 2 {
			taker, err := b.s.AddRecords(b.ctx, &flows.RecordBatch{ID: b.id(), Workspace: b.workspace, FlowID: f.ID, CreatedAt: b.now}, b.queued(f))
			require.NoError(b, err)
			require.Equal(b, r.ID, taker.ID)
		}
	},
	"AProbeIsTakenOnce": func(b *bundle) {
		due, later, keyless, online := b.connection(b.workspace, "due"), b.connection(b.other, "later"), b.connection(b.other, "keyless"), b.connection(b.other, "online")
		b.offline(due, b.now)
		b.offline(later, b.now.Add(time.Minute))
		b.offline(keyless, time.Time{})
		online.Status, online.NextProbeAt = connections.Online, b.now
		require.NoError(b, b.saveTest(online))
		until := b.now.Add(time.Hour)
		taken, err := b.s.TakeProbes(b.ctx, b.now, until, 10)
		require.NoError(b, err)
		require.Len(b, taken, 1)
		due.NextProbeAt = until
		require.Equal(b, *due, taken[0])
		for _, want := range []int{1, 0} {
			taken, err = b.s.TakeProbes(b.ctx, b.now.Add(time.Minute), until, 10)
			require.NoError(b, err)
			require.Len(b, taken, want)
		}
	},
}
