package storetest

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

var recordTests = map[string]func(*bundle){
	"ADryRunGivesItsBatchesBack": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		dry := b.queued(f)
		dry.Options.DryRun = true
		require.NoError(b, b.s.InsertRun(b.ctx, dry))
		batch := b.id()
		waits := b.post(f, batch)
		require.NotEqual(b, dry.ID, waits.ID, "a dry run pushes nothing, so no batch may count on it")
		dry = b.claim(dry)
		ids, err := b.s.AssignRecords(b.ctx, dry.Token())
		require.NoError(b, err)
		require.Equal(b, []string{batch}, ids)
		b.settle(dry, flows.Settlement{State: flows.Succeeded, Now: b.now})
		waits = b.claim(waits)
		ids, err = b.s.AssignRecords(b.ctx, waits.Token())
		require.NoError(b, err)
		require.Equal(b, []string{batch}, ids)
		b.settle(waits, flows.Settlement{State: flows.Succeeded, Now: b.now})
		_, err = b.s.RecordBatchData(b.ctx, b.workspace, batch)
		b.fault(fault.SourceRead, err)
	},
	"FirstBatchQueuesARun": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		run := b.queued(f)
		run.Trigger = flows.Records
		batch := b.batch(f, b.id())
		taker, err := b.s.AddRecords(b.ctx, batch, run)
		require.NoError(b, err)
		require.Equal(b, run, taker)
		require.Equal(b, run, b.read(run))
		data, err := b.s.RecordBatchData(b.ctx, b.workspace, batch.ID)
		require.NoError(b, err)
		require.Equal(b, batch.Data, data)
	},
	"BatchesJoinTheRunThatWaits": func(b *bundle) {
		f, another := b.flow(b.workspace, "flow"), b.flow(b.workspace, "another")
		manual := b.run(f)
		first, second := b.id(), b.id()
		require.Equal(b, manual.ID, b.post(f, first).ID)
		require.Equal(b, manual.ID, b.post(f, second).ID)
		require.NotEqual(b, manual.ID, b.post(another, b.id()).ID)
		ids, err := b.s.AssignRecords(b.ctx, b.claim(manual).Token())
		require.NoError(b, err)
		require.Equal(b, []string{first, second}, ids)
	},
	"ARunThatWasClaimedTakesNoMore": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		released := b.claimed(f)
		next := b.post(f, b.id())
		require.NotEqual(b, released.ID, next.ID)
		b.settle(released, flows.Settlement{State: flows.Queued, Now: b.now})
		require.Equal(b, next.ID, b.post(f, b.id()).ID)
	},
	"TheSameRunGetsTheSameList": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		batches := []string{b.id(), b.id()}
		r := b.claim(b.post(f, batches[0]))
		assigned := func(r *flows.Run, want ...string) {
			b.Helper()
			ids, err := b.s.AssignRecords(b.ctx, r.Token())
			require.NoError(b, err)
			require.Equal(b, append([]string{}, want...), ids)
		}
		assigned(r, batches[0])
		later := b.post(f, batches[1])
		assigned(r, batches[0])
		b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: b.now, Now: b.now})
		r = b.claim(r)
		assigned(r, batches[0])
		b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now})
		later = b.claim(later)
		assigned(later, batches[1])
		b.settle(later, flows.Settlement{State: flows.Succeeded, Now: b.now})

		empty := b.claimed(f)
		assigned(empty)
		b.post(f, b.id())
		assigned(empty)
	},
	"BatchesComeInOrderOfArrival": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		late := b.batch(f, b.id())
		late.CreatedAt = b.now.Add(time.Second)
		_, err := b.s.AddRecords(b.ctx, late, b.queued(f))
		require.NoError(b, err)
		early := b.id()
		r := b.claim(b.post(f, early))
		ids, err := b.s.AssignRecords(b.ctx, r.Token())
		require.NoError(b, err)
		require.Equal(b, []string{early, late.ID}, ids)
	},
	"ABatchNeedsAFlow": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		f.ID = b.id()
		_, err := b.s.AddRecords(b.ctx, b.batch(f, b.id()), b.queued(f))
		b.fault(fault.FlowNotFound, err)
	},
	"LargeBatch": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		batch := b.batch(f, b.id())
		batch.Data = bytes.Repeat([]byte("{\"a\":\"\x00\xff\"}\n"), 1<<20)
		_, err := b.s.AddRecords(b.ctx, batch, b.queued(f))
		require.NoError(b, err)
		data, err := b.s.RecordBatchData(b.ctx, b.workspace, batch.ID)
		require.NoError(b, err)
		require.True(b, bytes.Equal(batch.Data, data))
	},
}

var recordErrorTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.claimed(f)
		found := flows.RecordError{ID: b.id(), Workspace: "ignored", FlowID: "ignored", RunID: "ignored", Record: 3, Line: 4, Offset: 1 << 40,
			Code: fault.ValueType, Field: "größe", Message: "no number", Data: []byte("{\"a\":\x00\xff}"), Truncated: true,
			State: flows.ErrorResolved, CreatedAt: b.now, Signature: "s", TraceKey: "t", Object: []byte(`{"a":null}`), Edited: []byte(`{}`),
			Revision: 3, Attempts: 2, ResolvedBy: flows.ByClient, ResolvedAt: b.now}
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, []flows.RecordError{found}))
		found.Workspace, found.FlowID, found.RunID, found.FlowRevision, found.UpdatedAt = b.workspace, f.ID, r.ID, 1, b.now
		require.Equal(b, []flows.RecordError{found}, b.errors(flows.ErrorQuery{FlowID: f.ID}))
	},
	"WhatIsEmptyIsFilled": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.claimed(f)
		broken := flows.RecordError{Record: 1, Field: "a\x00", Message: "\xff\x00"}
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, []flows.RecordError{broken}))
		got := b.errors(flows.ErrorQuery{FlowID: f.ID})
		require.Len(b, got, 1)
		id, err := uuid.Parse(got[0].ID)
		require.NoError(b, err)
		require.EqualValues(b, 7, id.Version())
		require.Equal(b, flows.ErrorOpen, got[0].State)
		require.False(b, got[0].CreatedAt.IsZero())
		require.Equal(b, []string{"a\uFFFD", "\uFFFD\uFFFD"}, []string{got[0].Field, got[0].Message})
	},
	"AStoredErrorIsLeftAsItIs": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.claimed(f)
		save := func(message string, records ...int64) {
			b.Helper()
			var found []flows.RecordError
			for _, n := range records {
				found = append(found, flows.RecordError{Record: n, Message: message})
			}
			require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, found))
		}
		save("first", 1, 2)
		was := b.errors(flows.ErrorQuery{FlowID: f.ID})
		save("second", 2, 3)
		got := b.errors(flows.ErrorQuery{FlowID: f.ID})
		require.Len(b, got, 3)
		require.Equal(b, was, got[1:])
		again := slices.Clone(was)
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, again), "with the same ids")
		require.Equal(b, got, b.errors(flows.ErrorQuery{FlowID: f.ID}))
	},
	"ManyAtOnce": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.claimed(f)
		const n = 1001
		found := make([]flows.RecordError, n)
		for i := range found {
			found[i] = flows.RecordError{Record: int64(i + 1), Data: []byte(strconv.Itoa(i))}
		}
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, found))
		got := b.errors(flows.ErrorQuery{FlowID: f.ID, Page: flows.Page{Limit: n + 1}})
		require.Len(b, got, n)
		for i, e := range got {
			require.Equal(b, int64(n-i), e.Record)
			require.Equal(b, strconv.Itoa(n-i-1), string(e.Data))
		}
	},
	"LargeData": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.claimed(f)
		found := make([]flows.RecordError, 20)
		for i := range found {
			found[i] = flows.RecordError{Record: int64(i + 1), Data: bytes.Repeat([]byte{byte(i)}, flows.MaxErrorData)}
		}
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, found))
		require.Len(b, b.errors(flows.ErrorQuery{FlowID: f.ID}), len(found))
	},
	"ListNarrowsAndPages": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		first, second := b.claimed(f), b.run(f)
		for i, r := range []*flows.Run{first, second} {
			if r == second {
				b.settle(first, flows.Settlement{State: flows.Failed, Now: b.now})
				r = b.claim(second)
			}
			found := make([]flows.RecordError, 5)
			for n := range found {
				found[n] = flows.RecordError{Record: int64(n + 1), Line: int64(i)}
				if n%2 == 1 {
					found[n].State = flows.ErrorResolved
				}
			}
			require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, found))
		}
		walk := func(runID string, state flows.ErrorState) (records []int64) {
			ids := pages(b, func(after string, limit int) ([]flows.RecordError, error) {
				return b.s.RecordErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID, RunID: runID, State: state,
					Page: flows.Page{Limit: limit, After: after}})
			}, func(e flows.RecordError) string {
				records = append(records, e.Record)
				return e.ID
			})
			require.True(b, slices.IsSortedFunc(ids, func(x, y string) int { return -bytes.Compare([]byte(x), []byte(y)) }))
			return records
		}
		require.Equal(b, []int64{5, 4, 3, 2, 1, 5, 4, 3, 2, 1}, walk("", ""))
		require.Equal(b, []int64{5, 4, 3, 2, 1}, walk(first.ID, ""))
		require.Equal(b, []int64{4, 2, 4, 2}, walk("", flows.ErrorResolved))
		require.Equal(b, []int64{5, 3, 1}, walk(second.ID, flows.ErrorOpen))
	},
}

func (b *bundle) errors(q flows.ErrorQuery) []flows.RecordError {
	b.Helper()
	q.Workspace = b.workspace
	got, err := b.s.RecordErrors(b.ctx, q)
	require.NoError(b, err)
	return got
}
