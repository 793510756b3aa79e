package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

var (
	_ flows.ErrorStore = errorStore(nil)
	_ flows.RetryStore = errorStore(nil)
	_ flows.TraceStore = errorStore(nil)
)

// errorStore is what the tests of this file ask of a store.
type errorStore interface {
	flows.ErrorStore
	flows.RetryStore
	flows.TraceStore
	flows.ErrorSweeper
}

// failed stores errors of a new run of the flow that then succeeds; record n of it has the trace key "key n" and the object {"n":n}.
func (b *bundle) failed(f *flows.Flow, n int) (ids []string) {
	b.Helper()
	r := b.claimed(f)
	found := make([]flows.RecordError, n)
	for i := range found {
		id := b.id()
		ids = append(ids, id)
		found[i] = flows.RecordError{
			ID: id, Record: int64(i + 1), Code: fault.ValueType, Field: "A", Message: "m", Signature: fmt.Sprint("sig", i%2),
			TraceKey: fmt.Sprint("key ", i+1), Data: fmt.Appendf(nil, `{"n":%d}`, i+1), DataIsObject: true, CreatedAt: b.now,
		}
	}
	require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, found))
	b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
	return ids
}

func (b *bundle) recordError(id string) *flows.RecordError {
	b.Helper()
	e, err := b.s.RecordError(b.ctx, b.workspace, id)
	require.NoError(b, err)
	return e
}

// retried is a claimed run of the errors of a query.
func (b *bundle) retried(f *flows.Flow, q flows.ErrorQuery) *flows.Run {
	b.Helper()
	return b.claim(b.retrying(f, q))
}

// retrying is a queued run of the errors of a query.
func (b *bundle) retrying(f *flows.Flow, q flows.ErrorQuery) *flows.Run {
	b.Helper()
	q.Workspace, q.FlowID = f.Workspace, f.ID
	run := b.queued(f)
	run.Trigger = flows.Retry
	taken, left, err := b.s.RetryErrors(b.ctx, q, run)
	require.NoError(b, err)
	require.Positive(b, taken)
	require.Zero(b, left)
	return run
}

func (b *bundle) texts(r *flows.Run, skip int64, limit int) (texts []string) {
	b.Helper()
	records, err := b.s.RetryRecords(b.ctx, r.Token(), skip, limit)
	require.NoError(b, err)
	for _, record := range records {
		texts = append(texts, string(record))
	}
	return texts
}

var errorWorkTests = map[string]func(*bundle){
	"FiltersAndGroups": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		ids := b.failed(f, 3)
		late := b.claimed(f)
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, late.Token(), flows.Checkpoint{}, []flows.RecordError{{
			Record: 1, Code: fault.RecordMalformed, Message: "newest", Signature: "sig9", CreatedAt: b.now.Add(time.Hour),
		}}))
		require.Len(b, b.errors(flows.ErrorQuery{FlowID: f.ID}), 4)
		for _, q := range []flows.ErrorQuery{
			{Class: flows.ClassParse}, {Code: fault.RecordMalformed}, {Signature: "sig9"}, {From: b.now.Add(time.Minute)}, {RunID: late.ID},
		} {
			q.FlowID = f.ID
			got := b.errors(q)
			require.Len(b, got, 1, "%+v", q)
			require.Equal(b, "newest", got[0].Message)
		}
		for _, q := range []flows.ErrorQuery{
			{Class: flows.ClassValue}, {Code: fault.ValueType}, {Field: "A"}, {To: b.now.Add(time.Minute)}, {IDs: ids}, {Class: flows.ClassValue, FlowRevision: 1},
		} {
			q.FlowID = f.ID
			require.Len(b, b.errors(q), 3, "%+v", q)
		}
		require.Equal(b, ids[1], b.errors(flows.ErrorQuery{FlowID: f.ID, TraceKey: "key 2"})[0].ID)
		_, err := b.s.ResolveErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID, IDs: ids[:1]}, flows.ByClient, b.now)
		require.NoError(b, err)
		groups, err := b.s.ErrorGroups(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID})
		require.NoError(b, err)
		require.Len(b, groups, 3)
		require.Equal(b, "newest", groups[0].Message)
		require.Equal(b, flows.ErrorGroup{Signature: "sig0", Code: fault.ValueType, Field: "A", Message: "m", ExampleID: ids[2], Open: 1, Resolved: 1,
			FirstAt: b.now, LastAt: b.now}, groups[1])
		groups, err = b.s.ErrorGroups(b.ctx, flows.ErrorQuery{Workspace: b.other, FlowID: f.ID})
		require.NoError(b, err)
		require.Empty(b, groups)
	},
	"EditNeedsTheRevision": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		id := b.failed(f, 1)[0]
		edit := flows.ErrorEdit{Workspace: b.workspace, ID: id, Revision: 1, Record: []byte(`{"n":7}`), Now: b.now.Add(time.Second)}
		e, err := b.s.EditError(b.ctx, edit)
		require.NoError(b, err)
		require.Equal(b, int64(2), e.Revision)
		require.Equal(b, `{"n":7}`, string(e.Current()))
		require.Equal(b, `{"n":1}`, string(e.Original()))
		require.Equal(b, edit.Now, e.UpdatedAt)
		_, err = b.s.EditError(b.ctx, edit)
		b.fault(fault.RequestStale, err)
		edit.Workspace = b.other
		_, err = b.s.EditError(b.ctx, edit)
		b.fault(fault.ErrorNotFound, err)
	},
	"ARetryTakesEachErrorOnce": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		ids := b.failed(f, 5)
		_, err := b.s.EditError(b.ctx, flows.ErrorEdit{Workspace: b.workspace, ID: ids[3], Revision: 1, Record: []byte(`{"n":"edited"}`), Now: b.now})
		require.NoError(b, err)
		r := b.retried(f, flows.ErrorQuery{IDs: ids[1:4]})
		require.Equal(b, []string{`{"n":2}`, `{"n":3}`, `{"n":"edited"}`}, b.texts(r, 0, 10))
		require.Equal(b, []string{`{"n":3}`}, b.texts(r, 1, 1))
		require.Empty(b, b.texts(r, 3, 1))
		require.Equal(b, r.ID, b.recordError(ids[1]).RetryRunID)
		_, err = b.s.RetryRecords(b.ctx, flows.Token{Workspace: b.workspace, RunID: r.ID, Fence: r.Fence + 1}, 0, 1)
		b.fault(fault.RunLeaseLost, err)

		rest := b.retrying(f, flows.ErrorQuery{})
		require.Equal(b, rest.ID, b.recordError(ids[0]).RetryRunID)
		require.Equal(b, rest.ID, b.recordError(ids[4]).RetryRunID)
		taken, left, err := b.s.RetryErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID}, b.queued(f))
		require.NoError(b, err)
		require.Zero(b, taken+left)
		_, err = b.s.EditError(b.ctx, flows.ErrorEdit{Workspace: b.workspace, ID: ids[1], Revision: 2, Record: []byte(`{}`), Now: b.now})
		b.fault(fault.RequestStale, err)
		n, err := b.s.ResolveErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID}, flows.ByClient, b.now)
		require.NoError(b, err)
		require.Zero(b, n, "what is retried cannot be resolved meanwhile")
		b.settle(r, flows.Settlement{State: flows.Failed, Now: b.now, CountAttempt: true})
		require.Equal(b, []string{`{"n":1}`, `{"n":5}`}, b.texts(b.claim(rest), 0, 10))
	},
	"RetriesAtOnceShareTheErrors": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		b.failed(f, 40)
		var wg sync.WaitGroup
		counts := make([]int64, 6)
		errs := make([]error, len(counts))
		for i := range counts {
			run := b.queued(f)
			run.Trigger = flows.Retry
			wg.Go(func() {
				counts[i], _, errs[i] = b.s.RetryErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID}, run)
			})
		}
		wg.Wait()
		sum := int64(0)
		for i := range counts {
			require.NoError(b, errs[i])
			sum += counts[i]
		}
		require.Equal(b, int64(40), sum)
	},
	"WhatCannotBeReadIsLeft": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.claimed(f)
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, []flows.RecordError{
			{Record: 1, Data: []byte("a;b")}, {Record: 2, Data: []byte("a;b"), Object: []byte(`{"x":"a"}`)},
		}))
		b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
		run := b.queued(f)
		run.Trigger = flows.Retry
		taken, left, err := b.s.RetryErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID}, run)
		require.NoError(b, err)
		require.Equal(b, []int64{1, 1}, []int64{taken, left})
		require.Equal(b, []string{`{"x":"a"}`}, b.texts(b.claim(run), 0, 10))
		none := b.queued(f)
		taken, left, err = b.s.RetryErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID}, none)
		require.NoError(b, err)
		require.Equal(b, []int64{0, 1}, []int64{taken, left})
		_, err = b.s.Run(b.ctx, b.workspace, none.ID)
		b.fault(fault.RunNotFound, err)
	},
	"ARetryThatSucceedsResolves": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		ids := b.failed(f, 3)
		r := b.retried(f, flows.ErrorQuery{})
		again := flows.RecordError{Record: 2, Code: fault.ValueRequired, Field: "B", Message: "still bad", Signature: "new"}
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, []flows.RecordError{again}))
		require.Len(b, b.errors(flows.ErrorQuery{FlowID: f.ID}), 3, "a retry makes no second error of a record")
		end := b.now.Add(time.Minute)
		b.settle(r, flows.Settlement{State: flows.Succeeded, Now: end, CountAttempt: true})
		for i, id := range ids {
			e := b.recordError(id)
			require.Empty(b, e.RetryRunID)
			require.Equal(b, r.ID, e.LastRunID)
			require.Equal(b, int64(2), e.Attempts)
			require.Equal(b, int64(3), e.Revision)
			require.Equal(b, end, e.UpdatedAt)
			if i == 1 {
				require.Equal(b, []any{flows.ErrorOpen, fault.ValueRequired, "B", "still bad", "new", flows.ResolvedBy("")},
					[]any{e.State, e.Code, e.Field, e.Message, e.Signature, e.ResolvedBy})
				continue
			}
			require.Equal(b, []any{flows.ErrorResolved, flows.ByRetry, end}, []any{e.State, e.ResolvedBy, e.ResolvedAt})
		}
		require.Len(b, b.errors(flows.ErrorQuery{FlowID: f.ID, RunID: r.ID}), 3)
	},
	"ARetryThatFailsGivesBack": func(b *bundle) {
		for _, state := range []flows.State{flows.Failed, flows.Canceled} {
			f := b.flow(b.workspace, "flow "+string(state))
			ids := b.failed(f, 2)
			r := b.retried(f, flows.ErrorQuery{})
			again := flows.RecordError{Record: 1, Code: fault.ValueRequired, Message: "still bad"}
			require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, []flows.RecordError{again}))
			b.settle(r, flows.Settlement{State: state, Now: b.now, CountAttempt: true})
			require.Equal(b, flows.Ledger{Read: 1, Errored: 1}, b.read(r).Ledger)
			first, second := b.recordError(ids[0]), b.recordError(ids[1])
			require.Equal(b, []any{flows.ErrorOpen, "", int64(2), "still bad"}, []any{first.State, first.RetryRunID, first.Attempts, first.Message})
			require.Equal(b, []any{flows.ErrorOpen, "", int64(1), "m"}, []any{second.State, second.RetryRunID, second.Attempts, second.Message})
			require.Len(b, b.texts(b.retried(f, flows.ErrorQuery{}), 0, 10), 2, "they can be retried again")
		}
	},
	"AFailedStepAfterThePushResolvesAllTheSame": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		id := b.failed(f, 1)[0]
		r := b.retried(f, flows.ErrorQuery{})
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{Committed: true, Visible: true}, nil))
		b.settle(r, flows.Settlement{State: flows.Failed, Now: b.now, CountAttempt: true})
		require.Equal(b, flows.ErrorResolved, b.recordError(id).State)
	},
	"ACancelOfAQueuedRetryGivesBack": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		id := b.failed(f, 1)[0]
		run := b.queued(f)
		run.Trigger = flows.Retry
		_, _, err := b.s.RetryErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID}, run)
		require.NoError(b, err)
		_, err = b.s.RequestCancel(b.ctx, b.workspace, run.ID, b.now)
		require.NoError(b, err)
		require.Empty(b, b.recordError(id).RetryRunID)
	},
	"PostedRecordsJoinNoRetry": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		b.failed(f, 1)
		run := b.queued(f)
		run.Trigger = flows.Retry
		_, _, err := b.s.RetryErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID}, run)
		require.NoError(b, err)
		require.NotEqual(b, run.ID, b.post(f, b.id()).ID)
	},
	"TracesResolveWhenTheRunSucceeds": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		ids := b.failed(f, 4)
		lost := b.claimed(f)
		keys, err := b.s.OpenTraces(b.ctx, lost.Token())
		require.NoError(b, err)
		slices.Sort(keys)
		require.Equal(b, []string{"key 1", "key 2", "key 3", "key 4"}, keys)
		require.NoError(b, b.s.SaveTraces(b.ctx, lost.Token(), []string{"key 1"}))
		b.settle(lost, flows.Settlement{State: flows.Failed, Now: b.now, CountAttempt: true})
		require.Equal(b, flows.ErrorOpen, b.recordError(ids[0]).State)

		r, busy := b.claimed(f), b.retrying(f, flows.ErrorQuery{IDs: ids[2:3]})
		own := flows.RecordError{Record: 1, TraceKey: "key 2", Message: "m"}
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, []flows.RecordError{own}))
		require.NoError(b, b.s.SaveTraces(b.ctx, r.Token(), []string{"key 2", "key 3", "key 9"}))
		b.fault(fault.RunLeaseLost, b.s.SaveTraces(b.ctx, lost.Token(), []string{"key 1"}))
		b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
		second := b.recordError(ids[1])
		require.Equal(b, []any{flows.ErrorResolved, flows.ByAuto, b.now}, []any{second.State, second.ResolvedBy, second.ResolvedAt})
		require.Equal(b, flows.ErrorOpen, b.recordError(ids[0]).State)
		require.Equal(b, busy.ID, b.recordError(ids[2]).RetryRunID, "what is being retried is the retry's")
		require.Len(b, b.errors(flows.ErrorQuery{FlowID: f.ID, RunID: r.ID, State: flows.ErrorOpen}), 1, "the run's own error stays")
	},
	"AFlowGoesWithItsRetries": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		b.failed(f, 2)
		r := b.retried(f, flows.ErrorQuery{})
		b.settle(r, flows.Settlement{State: flows.Failed, Now: b.now, CountAttempt: true})
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
	},
	"OthersSeeNothing": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		id := b.failed(f, 1)[0]
		_, err := b.s.RecordError(b.ctx, b.other, id)
		b.fault(fault.ErrorNotFound, err)
		n, err := b.s.ResolveErrors(b.ctx, flows.ErrorQuery{Workspace: b.other, FlowID: f.ID}, flows.ByClient, b.now)
		require.NoError(b, err)
		require.Zero(b, n)
		revisions, err := b.s.OpenRevisions(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID})
		require.NoError(b, err)
		require.Equal(b, []int64{1}, revisions)
	},
}

var errorSweepTests = map[string]func(*bundle){
	"ErrorsGoWhenTheirTimeIsOver": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		keeps := b.sketch(b.connection(b.workspace, "for another"), "keeps")
		keeps.ErrorRetentionDays = 365
		require.NoError(b, b.s.CreateFlow(b.ctx, keeps))
		ids := b.failed(f, 5)
		b.failed(keeps, 2)
		_, err := b.s.ResolveErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID, IDs: ids[:2]}, flows.ByClient, b.now)
		require.NoError(b, err)
		b.retried(f, flows.ErrorQuery{IDs: ids[4:]})
		sweep := func(after time.Duration, limit int) int64 {
			b.Helper()
			n, err := b.s.SweepErrors(b.ctx, b.now.Add(after), limit)
			require.NoError(b, err)
			return n
		}
		day := 24 * time.Hour
		require.Zero(b, sweep(30*day, 10))
		require.EqualValues(b, 3, sweep(30*day+time.Second, 3))
		require.EqualValues(b, 1, sweep(30*day+time.Second, 3))
		require.Zero(b, sweep(300*day, 10), "one is being retried, another flow keeps its errors longer")
		require.Len(b, b.errors(flows.ErrorQuery{FlowID: f.ID}), 1)
		require.Len(b, b.errors(flows.ErrorQuery{FlowID: keeps.ID}), 2)
		events, err := b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.workspace, Kind: audit.Flow, ObjectID: f.ID, Limit: 10})
		require.NoError(b, err)
		require.True(b, slices.ContainsFunc(events, func(e audit.Event) bool {
			return e.Action == audit.Deleted && slices.Equal(e.Fields, []string{"openErrors"})
		}), "%+v", events)
	},
}
