package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// together runs do n times at once.
func together(n int, do func(i int)) {
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wait.Wait()
}

// outcomes counts the results of calls by their fault, "" for success.
type outcomes struct {
	mu    sync.Mutex
	codes map[fault.Code]int
}

func (o *outcomes) add(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.codes == nil {
		o.codes = map[fault.Code]int{}
	}
	o.codes[fault.CodeOf(err)]++
}

const many = 12

var concurrencyTests = map[string]func(*bundle){
	"OneOfManyClaimsWins": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		queued, dead, waiting := b.run(f), b.claimed(b.sibling(f)), b.waiting(b.sibling(f))
		for _, r := range []*flows.Run{queued, dead, waiting} {
			var o outcomes
			together(many, func(int) {
				_, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(time.Hour)))
				o.add(err)
			})
			require.Equal(b, map[fault.Code]int{"": 1, fault.RunStateConflict: many - 1}, o.codes)
			require.Equal(b, r.Fence+1, b.read(r).Fence)
		}
	},
	"OneOfManyNamesWins": func(b *bundle) {
		var o outcomes
		together(many, func(int) { o.add(b.s.CreateConnection(b.ctx, b.draft(b.workspace, "name"))) })
		require.Equal(b, map[fault.Code]int{"": 1, fault.ConnectionNameTaken: many - 1}, o.codes)
	},
	"OneOfManyUpdatesWins": func(b *bundle) {
		c := b.connection(b.workspace, "name")
		var o outcomes
		together(many, func(int) {
			changed := *c
			changed.Revision = 2
			o.add(b.s.UpdateConnection(b.ctx, &changed))
		})
		require.Equal(b, map[fault.Code]int{"": 1, fault.RequestStale: many - 1}, o.codes)
	},
	"OneOfManyIdempotentRequestsGoesOn": func(b *bundle) {
		var o outcomes
		together(many, func(int) {
			_, err := b.s.BeginIdempotent(b.ctx, b.key())
			o.add(err)
		})
		require.Equal(b, map[fault.Code]int{"": 1, fault.RequestIdempotencyBusy: many - 1}, o.codes)
	},
	"ManyPostsQueueOneRun": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		takers := make([]string, many)
		together(many, func(i int) {
			run, err := b.s.AddRecords(b.ctx, b.batch(f, newID(b)), b.queued(f))
			if assert.NoError(b, err) {
				takers[i] = run.ID
			}
		})
		require.Len(b, slices.Compact(takers), 1)
	},
	"NoBatchIsStrandedByAClaim":        postWhileClaiming,
	"AConnectionIsDeletedOrUsed":       deleteOrUse,
	"AFlowIsDeletedOrRun":              deleteOrRun,
	"ACancelMeetsTheEndOfAnAttempt":    cancelOrRelease,
	"ASettledRunIsNotSettledByTheLate": settleOrTakeOver,
}

// postWhileClaiming posts from several sides while workers claim and finish the
// runs named by the posts: at the end every batch was in exactly one run.
func postWhileClaiming(b *bundle) {
	const posters, posts = 6, 15
	f := b.flow(b.workspace, "flow")
	runs := make(chan string, posters*posts)
	var posted, done sync.WaitGroup
	var mu sync.Mutex
	var want, got []string
	for range posters {
		posted.Go(func() {
			for range posts {
				id := newID(b)
				run, err := b.s.AddRecords(b.ctx, b.batch(f, id), b.queued(f))
				if !assert.NoError(b, err) {
					return
				}
				mu.Lock()
				want = append(want, id)
				mu.Unlock()
				runs <- run.ID
			}
		})
	}
	for range 3 {
		done.Go(func() {
			for id := range runs {
				ids, err := b.pushAll(id)
				assert.NoError(b, err)
				mu.Lock()
				got = append(got, ids...)
				mu.Unlock()
			}
		})
	}
	posted.Wait()
	close(runs)
	done.Wait()
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(b, want, got)
}

// pushAll does a run of posted records, if it may still be claimed.
func (b *bundle) pushAll(runID string) ([]string, error) {
	r, err := b.s.ClaimRun(b.ctx, runID, lease(b.now))
	if fault.Has(err, fault.RunStateConflict) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ids, err := b.s.AssignRecords(b.ctx, r.Token())
	if err != nil {
		return nil, err
	}
	return ids, b.s.SettleRun(b.ctx, r.Token(), flows.Settlement{State: flows.Succeeded, CountAttempt: true, Now: b.now})
}

func deleteOrUse(b *bundle) {
	for i := range many {
		c := b.connection(b.workspace, fmt.Sprint("connection ", i))
		f := b.sketch(c, fmt.Sprint("flow ", i))
		results := make([]error, 2)
		together(2, func(n int) {
			if n == 0 {
				results[n] = b.s.CreateFlow(b.ctx, f)
			} else {
				results[n] = b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0)
			}
		})
		b.either(results, fault.ConnectionNotFound, fault.ConnectionInUse)
	}
}

func deleteOrRun(b *bundle) {
	for i := range many {
		f := b.flow(b.workspace, fmt.Sprint("flow ", i))
		results := make([]error, 2)
		together(2, func(n int) {
			switch {
			case n == 1:
				results[n] = b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0)
			case i%2 == 0:
				results[n] = b.s.InsertRun(b.ctx, b.queued(f))
			default:
				_, results[n] = b.s.AddRecords(b.ctx, b.batch(f, newID(b)), b.queued(f))
			}
		})
		b.either(results, fault.FlowNotFound, fault.FlowInUse)
	}
}

// either checks that one of two went well and the other has its fault.
func (b *bundle) either(results []error, first, second fault.Code) {
	b.Helper()
	if results[0] == nil {
		b.fault(second, results[1])
		return
	}
	require.NoError(b, results[1])
	b.fault(first, results[0])
}

// cancelOrRelease: a cancel that meets a worker giving the run back always ends it.
func cancelOrRelease(b *bundle) {
	f := b.flow(b.workspace, "flow")
	for range many {
		r := b.claimed(f)
		together(2, func(n int) {
			if n == 0 {
				assert.NoError(b, b.s.SettleRun(b.ctx, r.Token(), flows.Settlement{State: flows.Queued, Now: b.now}))
				return
			}
			_, err := b.s.RequestCancel(b.ctx, b.workspace, r.ID, b.now)
			assert.NoError(b, err)
		})
		require.Equal(b, flows.Canceled, b.read(r).State)
	}
}

// settleOrTakeOver: a worker that comes back late and one that takes its run over never both hold it.
func settleOrTakeOver(b *bundle) {
	f := b.flow(b.workspace, "flow")
	for range many {
		r := b.claimed(b.sibling(f))
		results := make([]error, 2)
		together(2, func(n int) {
			if n == 0 {
				results[n] = b.s.SettleRun(b.ctx, r.Token(), flows.Settlement{State: flows.Succeeded, Now: b.now})
			} else {
				_, results[n] = b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(time.Hour)))
			}
		})
		b.either(results, fault.RunLeaseLost, fault.RunStateConflict)
	}
}
