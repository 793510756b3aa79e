package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gathering is the run that a post to the flow makes: it waits for more.
func (b *bundle) gathering(f *flows.Flow) *flows.Run {
	r := b.queued(f)
	r.Trigger, r.State, r.ResumeAt = flows.Records, flows.Waiting, b.now.Add(time.Minute)
	return r
}

// add posts records that may make a run due.
func (b *bundle) add(f *flows.Flow, records int64, full flows.Full) *flows.Run {
	b.Helper()
	batch := b.batch(f, b.id())
	batch.Records, batch.Full = records, full
	r, err := b.s.AddRecords(b.ctx, batch, b.gathering(f))
	require.NoError(b, err)
	require.Equal(b, r, b.read(r))
	return r
}

var gatherTests = map[string]func(*bundle){
	"UntilTheTimeHasCome": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		first := b.add(f, 1, flows.Full{})
		require.Equal(b, flows.Waiting, first.State)
		require.Equal(b, b.now.Add(time.Minute), first.ResumeAt)
		require.Equal(b, first, b.add(f, 1, flows.Full{Records: 3, Bytes: 1 << 30}), "a later batch does not move the time")
		r, err := b.s.ClaimRun(b.ctx, first.ID, lease(first.ResumeAt))
		require.NoError(b, err)
		ids, err := b.s.AssignRecords(b.ctx, r.Token())
		require.NoError(b, err)
		require.Len(b, ids, 2)
		require.NotEqual(b, first.ID, b.add(f, 1, flows.Full{}).ID)
	},
	"UntilThereAreEnoughRecords": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		full := flows.Full{Records: 10}
		first := b.add(f, 4, full)
		require.Equal(b, flows.Waiting, b.add(f, 5, full).State)
		r := b.add(f, 1, full)
		require.Equal(b, first.ID, r.ID)
		require.Equal(b, flows.Queued, r.State)
		require.Zero(b, r.ResumeAt)
		require.Equal(b, first.ID, b.add(f, 1, full).ID, "until it is claimed it takes more")
		b.claim(r)
		require.Equal(b, flows.Queued, b.add(f, 10, full).State, "one batch may be enough")
	},
	"UntilThereAreEnoughBytes": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		full := flows.Full{Bytes: 2 * int64(len(b.batch(f, b.id()).Data))}
		require.Equal(b, flows.Waiting, b.add(f, 1, full).State)
		require.Equal(b, flows.Queued, b.add(f, 1, full).State)
	},
	"ARunThatWaitsWithoutBatchesTakesMore": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		waiting := b.claimed(f)
		resumeAt := b.now.Add(time.Hour)
		b.settle(waiting, flows.Settlement{State: flows.Waiting, ResumeAt: resumeAt, Now: b.now})
		r := b.add(f, 10, flows.Full{Records: 1})
		require.Equal(b, waiting.ID, r.ID)
		require.Equal(b, flows.Waiting, r.State, "it waits for something else than records")
		require.Equal(b, resumeAt, r.ResumeAt)

		r, err := b.s.ClaimRun(b.ctx, r.ID, lease(resumeAt))
		require.NoError(b, err)
		ids, err := b.s.AssignRecords(b.ctx, r.Token())
		require.NoError(b, err)
		require.Len(b, ids, 1)
		b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: resumeAt, Now: b.now})
		require.NotEqual(b, r.ID, b.add(f, 1, flows.Full{}).ID, "its batches are chosen")
	},
	"AQueuedRunComesFirst": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		b.add(f, 1, flows.Full{})
		manual := b.run(f)
		require.Equal(b, manual.ID, b.add(f, 1, flows.Full{}).ID)
	},
	"ManyPostsFillOneRun": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		var mu sync.Mutex
		var ids []string
		due := 0
		together(many, func(int) {
			batch := b.batch(f, newID(b))
			batch.Full = flows.Full{Records: many * batch.Records}
			r, err := b.s.AddRecords(b.ctx, batch, b.gathering(f))
			if !assert.NoError(b, err) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, r.ID)
			if r.State == flows.Queued {
				due++
			}
		})
		slices.Sort(ids)
		require.Len(b, slices.Compact(ids), 1)
		require.Equal(b, 1, due, "the last of them makes it due")
	},
}
