package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// hourly is a flow with a schedule that fires at each full hour, in UTC, and was made at b.now.
func (b *bundle) hourly(name string, change ...func(*flows.Flow)) *flows.Flow {
	b.Helper()
	f := b.sketch(b.connection(b.workspace, "for "+name), name)
	f.Schedule = &flows.Schedule{Cron: "0 * * * *", TimeZone: "UTC", Overlap: flows.OverlapSkip, Misfire: flows.MisfireOnce}
	for _, c := range change {
		c(f)
	}
	require.NoError(b, b.s.CreateFlow(b.ctx, f))
	return f
}

func overlap(o flows.Overlap) func(*flows.Flow) {
	return func(f *flows.Flow) { f.Schedule.Overlap = o }
}

// fire fires what is due at a time.
func (b *bundle) fire(at time.Time) flows.Fired {
	b.Helper()
	fired, err := b.s.FireDue(b.ctx, at, 100, func(d flows.DueSchedule) flows.Firing {
		times, err := d.Schedule.Times()
		assert.NoError(b, err)
		return d.Fire(times, at)
	})
	require.NoError(b, err)
	return fired
}

func (b *bundle) state(f *flows.Flow) flows.ScheduleState {
	b.Helper()
	state, err := b.s.ScheduleState(b.ctx, f.Workspace, f.ID)
	require.NoError(b, err)
	return state
}

func (b *bundle) runsOf(f *flows.Flow) []flows.Run {
	b.Helper()
	list, err := b.s.Runs(b.ctx, f.Workspace, f.ID, flows.Page{Limit: 200})
	require.NoError(b, err)
	slices.Reverse(list)
	return list
}

// update stores a change of a flow.
func (b *bundle) update(f *flows.Flow, at time.Time, change func(*flows.Flow)) {
	b.Helper()
	f.Revision++
	f.UpdatedAt = at
	change(f)
	require.NoError(b, b.s.UpdateFlow(b.ctx, f))
}

// b.now is 2026-03-29 01:59:59 in UTC, so that schedules of the hour fire a second later.
var scheduleTests = map[string]func(*bundle){
	"FiresOnceAndMovesOn": func(b *bundle) {
		f := b.hourly("flow")
		two := b.now.Truncate(time.Hour).Add(time.Hour)
		require.Equal(b, flows.ScheduleState{NextFireAt: two}, b.state(f))
		require.Zero(b, b.fire(b.now))
		require.Equal(b, flows.Fired{Schedules: 1, Runs: 1}, b.fire(two))
		require.Zero(b, b.fire(two.Add(time.Minute)))
		require.Equal(b, flows.ScheduleState{NextFireAt: two.Add(time.Hour), LastFireAt: two}, b.state(f))
		run := b.runsOf(f)[0]
		require.Equal(b, flows.Scheduled, run.Trigger)
		require.Equal(b, []any{flows.Queued, two, int64(1), two, flows.Ledger{}}, []any{run.State, run.FireAt, run.FlowRevision, run.CreatedAt, run.Ledger})
		ids, err := b.s.DueRuns(b.ctx, two, two.Add(-time.Minute), 10)
		require.NoError(b, err)
		require.Equal(b, []string{run.ID}, ids)
		require.Equal(b, flows.Running, b.claim(&run).State)
	},
	"AFireTimeHasOneRun": func(b *bundle) {
		f := b.hourly("flow", overlap(flows.OverlapQueue))
		at := b.now.Truncate(time.Hour).Add(time.Hour)
		twice := func(flows.DueSchedule) flows.Firing { return flows.Firing{Fires: []time.Time{at}, Next: at} }
		for _, want := range []int64{1, 0, 0} {
			fired, err := b.s.FireDue(b.ctx, at, 10, twice)
			require.NoError(b, err)
			require.Equal(b, want, fired.Runs)
		}
		require.Len(b, b.runsOf(f), 1)
	},
	"ManyAtOnceFireOnce": func(b *bundle) {
		var list []*flows.Flow
		for range 30 {
			list = append(list, b.hourly(b.id()))
		}
		at := b.now.Truncate(time.Hour).Add(time.Hour)
		var done sync.WaitGroup
		for range 4 {
			done.Go(func() {
				for range 10 {
					_, err := b.s.FireDue(b.ctx, at, 7, func(d flows.DueSchedule) flows.Firing {
						return flows.Firing{Fires: []time.Time{d.FireAt}, Next: d.FireAt.Add(time.Hour)}
					})
					assert.NoError(b, err)
				}
			})
		}
		done.Wait()
		for _, f := range list {
			require.Len(b, b.runsOf(f), 1)
		}
	},
	"OverlapSkips": func(b *bundle) {
		f := b.hourly("flow")
		two := b.now.Truncate(time.Hour).Add(time.Hour)
		b.fire(two)
		require.Equal(b, flows.Fired{Schedules: 1, Skipped: 1}, b.fire(two.Add(time.Hour)))
		require.Equal(b, flows.ScheduleState{NextFireAt: two.Add(2 * time.Hour), LastFireAt: two, Skipped: 1, LastSkippedAt: two.Add(time.Hour)}, b.state(f))
		run := b.runsOf(f)[0]
		b.settle(b.claim(&run), flows.Settlement{State: flows.Succeeded, Now: two})
		require.Equal(b, flows.Fired{Schedules: 1, Runs: 1}, b.fire(two.Add(2*time.Hour)))
	},
	"OverlapQueuesAndRunsTakeTurns": func(b *bundle) {
		f := b.hourly("flow", overlap(flows.OverlapQueue))
		two := b.now.Truncate(time.Hour).Add(time.Hour)
		b.fire(two)
		b.fire(two.Add(time.Hour))
		runs := b.runsOf(f)
		require.Len(b, runs, 2)
		held := b.claim(&runs[0])
		_, err := b.s.ClaimRun(b.ctx, runs[1].ID, lease(b.now))
		b.fault(fault.RunStateConflict, err)
		b.settle(held, flows.Settlement{State: flows.Failed, Now: two})
		b.claim(&runs[1])
	},
	"OverlapCancelsThePrevious": func(b *bundle) {
		f := b.hourly("flow", overlap(flows.OverlapCancel))
		two := b.now.Truncate(time.Hour).Add(time.Hour)
		b.fire(two)
		first := b.runsOf(f)[0]
		held := b.claim(&first)
		require.Equal(b, flows.Fired{Schedules: 1, Runs: 1, Canceling: []string{first.ID}}, b.fire(two.Add(time.Hour)))
		require.True(b, b.read(held).CancelRequested)
		require.Equal(b, flows.Fired{Schedules: 1, Runs: 1, Canceling: []string{first.ID}}, b.fire(two.Add(2*time.Hour)))
		runs := b.runsOf(f)
		require.Equal(b, []flows.State{flows.Running, flows.Canceled, flows.Queued}, []flows.State{runs[0].State, runs[1].State, runs[2].State})
		b.settle(held, flows.Settlement{State: flows.Canceled, Now: two})
		b.claim(&runs[2])
	},
	"MisfiresAreCounted": func(b *bundle) {
		f := b.hourly("flow")
		two := b.now.Truncate(time.Hour).Add(time.Hour)
		require.Equal(b, flows.Fired{Schedules: 1, Runs: 1, Missed: 3}, b.fire(two.Add(3*time.Hour+time.Minute)))
		require.Equal(b, flows.ScheduleState{NextFireAt: two.Add(4 * time.Hour), LastFireAt: two.Add(3 * time.Hour), Missed: 3, LastMissedAt: two.Add(2 * time.Hour)}, b.state(f))
		f = b.hourly("all", func(f *flows.Flow) { f.Schedule.Misfire = flows.MisfireAll })
		require.Equal(b, flows.Fired{Schedules: 1, Runs: 3}, b.fire(two.Add(2*time.Hour+time.Minute)))
		require.Len(b, b.runsOf(f), 3)
	},
	"DisablingStopsAndEnablingBeginsAnew": func(b *bundle) {
		f := b.hourly("flow")
		two := b.now.Truncate(time.Hour).Add(time.Hour)
		b.update(f, b.now, func(f *flows.Flow) { f.Enabled = false })
		require.Zero(b, b.state(f).NextFireAt)
		require.Zero(b, b.fire(two.Add(5*time.Hour)))
		b.update(f, two.Add(5*time.Hour+time.Second), func(f *flows.Flow) { f.Enabled = true })
		require.Equal(b, two.Add(6*time.Hour), b.state(f).NextFireAt)
		require.Equal(b, flows.Fired{Schedules: 1, Runs: 1}, b.fire(two.Add(6*time.Hour)), "a time that passed while it was disabled is not missed")
	},
	"AChangeKeepsADueFireUnlessTheTimesChange": func(b *bundle) {
		f := b.hourly("flow")
		two := b.now.Truncate(time.Hour).Add(time.Hour)
		b.update(f, two.Add(time.Second), func(f *flows.Flow) { f.Name, f.Schedule.Overlap = "renamed", flows.OverlapQueue })
		require.Equal(b, two, b.state(f).NextFireAt)
		b.update(f, two.Add(time.Second), func(f *flows.Flow) { f.Schedule = &flows.Schedule{Cron: "30 * * * *"} })
		require.Equal(b, two.Add(30*time.Minute), b.state(f).NextFireAt)
		b.update(f, two, func(f *flows.Flow) { f.Schedule = nil })
		require.Zero(b, b.state(f))
	},
	"DeletedWithTheFlow": func(b *bundle) {
		f := b.hourly("flow")
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
		require.Zero(b, b.state(f))
		require.Zero(b, b.fire(b.now.AddDate(1, 0, 0)))
	},
	"TeamSchedules": func(b *bundle) {
		f := b.hourly("a")
		b.hourly("b")
		b.hourly("c", func(f *flows.Flow) { f.Schedule.Cron = "*/5 * * * *" })
		b.hourly("off", func(f *flows.Flow) { f.Enabled = false })
		b.hourly("no push", func(f *flows.Flow) { f.Import.Type = flows.ImportContinuousPush })
		all, err := b.s.TeamSchedules(b.ctx, "acme.eu-1.celonis.cloud", "")
		require.NoError(b, err)
		require.Equal(b, []flows.TeamSchedule{{Cron: "*/5 * * * *", TimeZone: "UTC", Flows: 1}, {Cron: "0 * * * *", TimeZone: "UTC", Flows: 2}}, all)
		rest, err := b.s.TeamSchedules(b.ctx, "acme.eu-1.celonis.cloud", f.ID)
		require.NoError(b, err)
		require.EqualValues(b, 1, rest[1].Flows)
	},
}

var linkTests = map[string]func(*bundle){
	"RoundTripAndCycles": func(b *bundle) {
		a, second, c := b.flow(b.workspace, "a"), b.flow(b.workspace, "b"), b.flow(b.workspace, "c")
		follow := func(f *flows.Flow, then ...*flows.Flow) error {
			next := *f
			next.Revision, next.Then = f.Revision+1, nil
			for _, t := range then {
				next.Then = append(next.Then, t.ID)
			}
			err := b.s.UpdateFlow(b.ctx, &next)
			if err == nil {
				*f = next
			}
			return err
		}
		require.NoError(b, follow(a, c, second))
		require.NoError(b, follow(second, c))
		links, err := b.s.FlowLinks(b.ctx, b.workspace)
		require.NoError(b, err)
		require.Equal(b, map[string][]string{a.ID: {c.ID, second.ID}, second.ID: {c.ID}}, links)
		b.fault(fault.FlowCycle, follow(c, a))
		b.fault(fault.FlowCycle, follow(c, c))
		b.fault(fault.FlowNotFound, follow(c, b.flow(b.other, "foreign")))
		b.fault(fault.FlowInUse, b.s.DeleteFlow(b.ctx, b.workspace, c.ID, 0))
		require.NoError(b, follow(a))
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, second.ID, 0))
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, c.ID, 0))
	},
	"TwoThatFollowEachOtherAtOnce": func(b *bundle) {
		for range 5 {
			pair := []*flows.Flow{b.flow(b.workspace, b.id()), b.flow(b.workspace, b.id())}
			var faults [2]error
			var done sync.WaitGroup
			for i := range pair {
				next := *pair[i]
				next.Revision, next.Then = 2, []string{pair[1-i].ID}
				done.Go(func() { faults[i] = b.s.UpdateFlow(b.ctx, &next) })
			}
			done.Wait()
			require.True(b, (faults[0] == nil) != (faults[1] == nil), "%v, %v", faults[0], faults[1])
			for _, err := range faults {
				if err != nil {
					b.fault(fault.FlowCycle, err)
				}
			}
		}
	},
	"ASuccessStartsTheFollowersOnce": func(b *bundle) {
		a, second, off := b.flow(b.workspace, "a"), b.flow(b.workspace, "b"), b.flow(b.workspace, "off")
		b.update(off, b.now, func(f *flows.Flow) { f.Enabled = false })
		b.update(a, b.now, func(f *flows.Flow) { f.Then = []string{second.ID, off.ID} })
		failed := b.claimed(a)
		b.settle(failed, flows.Settlement{State: flows.Failed, Now: b.now})
		require.Empty(b, b.runsOf(second))
		r := b.claimed(a)
		b.settle(r, flows.Settlement{State: flows.Succeeded, CountAttempt: true, Now: b.now})
		b.fault(fault.RunLeaseLost, b.s.SettleRun(b.ctx, r.Token(), flows.Settlement{State: flows.Succeeded, Now: b.now}))
		runs := b.runsOf(second)
		require.Len(b, runs, 1)
		require.Equal(b, []any{flows.Followed, r.ID, flows.Queued}, []any{runs[0].Trigger, runs[0].AfterRun, runs[0].State})
		require.Empty(b, b.runsOf(off))
		dry := b.queued(a)
		dry.Options.DryRun = true
		require.NoError(b, b.s.InsertRun(b.ctx, dry))
		b.settle(b.claim(dry), flows.Settlement{State: flows.Succeeded, Now: b.now})
		require.Len(b, b.runsOf(second), 1, "a dry run has no followers")
	},
}

var turnTests = map[string]func(*bundle){
	"OneRunOfAFlowAtATime": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		first, second := b.claimed(f), b.run(f)
		blocked := func() {
			b.Helper()
			_, err := b.s.ClaimRun(b.ctx, second.ID, lease(b.now.Add(2*time.Hour)))
			b.fault(fault.RunStateConflict, err)
		}
		blocked()
		b.settle(first, flows.Settlement{State: flows.Waiting, ResumeAt: b.now.Add(time.Hour), Now: b.now})
		blocked() // its rows come before
		first, err := b.s.ClaimRun(b.ctx, first.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err)
		b.settle(first, flows.Settlement{State: flows.Succeeded, Now: b.now})
		b.claim(second)
		b.claimed(b.flow(b.workspace, "another"))
	},
	"TwoRunsOfAFlowClaimedAtOnce": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		var runs []*flows.Run
		for range 6 {
			runs = append(runs, b.run(f))
		}
		var done sync.WaitGroup
		got := make([]error, len(runs))
		for i, r := range runs {
			done.Go(func() { _, got[i] = b.s.ClaimRun(b.ctx, r.ID, lease(b.now)) })
		}
		done.Wait()
		won := 0
		for _, err := range got {
			if err == nil {
				won++
				continue
			}
			b.fault(fault.RunStateConflict, err)
		}
		require.Equal(b, 1, won)
	},
	"APausedFlowHoldsItsRuns": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		b.update(f, b.now, func(f *flows.Flow) { f.Paused = true })
		read, err := b.s.Flow(b.ctx, b.workspace, f.ID)
		require.NoError(b, err)
		require.True(b, read.Paused)
		r := b.run(f)
		_, err = b.s.ClaimRun(b.ctx, r.ID, lease(b.now))
		b.fault(fault.RunStateConflict, err)
		require.Empty(b, b.due(b.now))
		b.update(f, b.now, func(f *flows.Flow) { f.Paused = false })
		require.Equal(b, []string{r.ID}, b.due(b.now))
		held := b.claim(r)
		b.update(f, b.now, func(f *flows.Flow) { f.Paused = true })
		taken, err := b.s.ClaimRun(b.ctx, held.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err, "a run that has begun goes on")
		b.settle(taken, flows.Settlement{State: flows.Succeeded, Now: b.now})
	},
	"OnlyTheOldestOfAFlowIsPushed": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		first, second := b.run(f), b.run(f)
		require.Equal(b, []string{first.ID}, b.due(b.now))
		held := b.claim(first)
		require.Empty(b, b.due(b.now))
		_, err := b.s.ClaimRun(b.ctx, second.ID, lease(b.now))
		b.fault(fault.RunStateConflict, err)
		b.settle(held, flows.Settlement{State: flows.Canceled, Now: b.now})
		require.Equal(b, []string{second.ID}, b.due(b.now), "at once, although it was pushed before")
	},
	"AConnectionBearsSoManyRuns": func(b *bundle) {
		c := b.draft(b.workspace, "shared")
		c.MaxRuns = 2
		require.NoError(b, b.s.CreateConnection(b.ctx, c))
		read, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, 2, read.MaxRuns)
		var runs []*flows.Run
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			f := b.sketch(c, name)
			require.NoError(b, b.s.CreateFlow(b.ctx, f))
			runs = append(runs, b.run(f))
		}
		var done sync.WaitGroup
		var mu sync.Mutex
		var held []*flows.Run
		for _, r := range runs {
			done.Go(func() {
				got, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					held = append(held, got)
				}
			})
		}
		done.Wait()
		require.Len(b, held, 2)
		require.Empty(b, b.due(b.now))
		b.settle(held[0], flows.Settlement{State: flows.Succeeded, Now: b.now})
		require.Len(b, b.due(b.now), 3)
	},
	"Waiters": func(b *bundle) {
		list, err := b.s.Waiters(b.ctx, b.now)
		require.NoError(b, err)
		require.Empty(b, list)
		mine, other := b.flow(b.workspace, "a"), b.flow(b.other, "b")
		b.claimed(mine)
		b.run(mine)
		oldest := b.run(b.flow(b.workspace, "c"))
		b.run(b.flow(b.workspace, "d"))
		theirs := b.run(other)
		list, err = b.s.Waiters(b.ctx, b.now)
		require.NoError(b, err)
		require.ElementsMatch(b, []flows.Waiter{{Workspace: b.workspace, Running: 1, RunID: oldest.ID}, {Workspace: b.other, RunID: theirs.ID}}, list)
		b.claim(theirs)
		list, err = b.s.Waiters(b.ctx, b.now)
		require.NoError(b, err)
		require.Len(b, list, 1)
	},
}

// due lists the runs that the sweep would push.
func (b *bundle) due(at time.Time) []string {
	b.Helper()
	ids, err := b.s.DueRuns(b.ctx, at, at.Add(-time.Minute), 100)
	require.NoError(b, err)
	return ids
}
