package storetest

import (
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// deltaFlow stores a flow whose runs read what is new.
func (b *bundle) deltaFlow(name string, d flows.DeltaSpec) *flows.Flow {
	b.Helper()
	f := b.sketch(b.connection(b.workspace, "for "+name), name)
	f.Export.Delta = &d
	require.NoError(b, b.s.CreateFlow(b.ctx, f))
	return f
}

// deltaRun queues a run of such a flow.
func (b *bundle) deltaRun(f *flows.Flow, change ...func(*flows.RunOptions)) *flows.Run {
	b.Helper()
	r := b.queued(f)
	r.Options.Delta = &flows.DeltaRun{Mode: f.Export.Delta.Mode, Type: f.Export.Delta.Kind()}
	for _, c := range change {
		c(&r.Options)
	}
	require.NoError(b, b.s.InsertRun(b.ctx, r))
	return r
}

// reach makes a claimed run come to a mark.
func (b *bundle) reach(r *flows.Run, mark string) {
	b.Helper()
	require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{Watermark: mark, PushJobID: "job", Submitted: true}, nil))
}

// follow does a run of the flow to its end.
func (b *bundle) follow(f *flows.Flow, mark string, end flows.State) *flows.Run {
	b.Helper()
	r := b.claim(b.deltaRun(f))
	b.reach(r, mark)
	b.settle(r, flows.Settlement{State: end, Now: b.now, CountAttempt: true})
	return r
}

func (b *bundle) mark(f *flows.Flow) flows.Watermark {
	b.Helper()
	w, err := b.s.Watermark(b.ctx, f.Workspace, f.ID)
	require.NoError(b, err)
	return *w
}

var integers = flows.DeltaSpec{Mode: flows.ReadDelta, Field: "id", Type: flows.MarkInteger, Start: "10", Lag: "3"}

var watermarkTests = map[string]func(*bundle){
	"NoneAtFirst": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		require.Equal(b, flows.Watermark{Workspace: b.workspace, FlowID: f.ID}, b.mark(f))
	},
	"MovesWithTheRunThatSucceeds": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		r := b.claim(b.deltaRun(f))
		require.Equal(b, &flows.Window{From: "7"}, r.Options.Window, "the start, less the lag")
		require.Equal(b, r.Options, b.read(r).Options, "kept for later attempts")
		b.reach(r, "100")
		require.Empty(b, b.mark(f).Mark, "not before the run is settled")
		b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
		require.Equal(b, flows.Watermark{Workspace: b.workspace, FlowID: f.ID, Mark: "100", RunID: r.ID, UpdatedAt: b.now}, b.mark(f))
		require.Equal(b, &flows.Window{From: "97"}, b.claim(b.deltaRun(f)).Options.Window)
	},
	"StaysWithARunThatDoesNot": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		b.follow(f, "50", flows.Succeeded)
		for _, end := range []flows.State{flows.Failed, flows.Canceled} {
			b.follow(f, "90", end)
			require.Equal(b, "50", b.mark(f).Mark, end)
		}
	},
	"MovesOnceWhereAWorkerDies": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		r := b.claim(b.deltaRun(f))
		b.reach(r, "100")
		again, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err)
		require.Equal(b, r.Options, again.Options, "the second attempt reads the same window")
		end := flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true}
		b.fault(fault.RunLeaseLost, b.s.SettleRun(b.ctx, r.Token(), end))
		require.Empty(b, b.mark(f).Mark, "the worker that lost the run moves nothing (I2)")
		b.settle(again, end)
		require.Equal(b, "100", b.mark(f).Mark)
		b.fault(fault.RunLeaseLost, b.s.SettleRun(b.ctx, again.Token(), end))
		require.Equal(b, "100", b.mark(f).Mark)
	},
	"NeverGoesBack": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		late := b.follow(f, "100", flows.Succeeded)
		b.follow(f, "9", flows.Succeeded)
		require.Equal(b, "100", b.mark(f).Mark, "compared as integers, not as texts")
		require.Equal(b, late.ID, b.mark(f).RunID)
	},
	"RunsThatQueueUpFollowEachOther": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		first, second := b.deltaRun(f), b.deltaRun(f)
		r := b.claim(first)
		b.reach(r, "20")
		b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
		require.Equal(b, &flows.Window{From: "17"}, b.claim(second).Options.Window)
	},
	"BackfillAndDryRunLeaveIt": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		window := &flows.Window{From: "1", To: "5000"}
		for _, change := range []func(*flows.RunOptions){
			func(o *flows.RunOptions) { *o = flows.RunOptions{Window: window, Backfill: true} },
			func(o *flows.RunOptions) { o.DryRun = true },
		} {
			r := b.claim(b.deltaRun(f, change))
			if r.Options.Backfill {
				require.Equal(b, window, r.Options.Window)
			}
			b.reach(r, "5000")
			b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
			require.Empty(b, b.mark(f).Mark)
		}
	},
	"ACallerSetsIt": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		b.follow(f, "50", flows.Succeeded)
		r := b.claim(b.deltaRun(f))
		b.reach(r, "80")
		got, err := b.s.SetWatermark(b.ctx, b.workspace, f.ID, "20", b.now.Add(time.Hour))
		require.NoError(b, err)
		require.Equal(b, b.mark(f), *got)
		b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
		require.Equal(b, "20", b.mark(f).Mark, "a run that began before moves it no more")
		b.follow(f, "30", flows.Succeeded)
		require.Equal(b, "30", b.mark(f).Mark)
		_, err = b.s.SetWatermark(b.ctx, b.workspace, f.ID, "", b.now)
		require.NoError(b, err)
		require.Equal(b, &flows.Window{From: "7"}, b.claim(b.deltaRun(f)).Options.Window)
		_, err = b.s.SetWatermark(b.ctx, b.other, f.ID, "1", b.now)
		b.fault(fault.FlowNotFound, err)
		require.Empty(b, must(b.s.Watermark(b.ctx, b.other, f.ID)).Mark)
	},
	"KeepsBehindAnother": func(b *bundle) {
		ahead := b.deltaFlow("ahead", integers)
		behind := b.deltaFlow("behind", flows.DeltaSpec{Mode: flows.ReadDelta, Field: "id", Type: flows.MarkInteger, Behind: ahead.ID})
		require.Equal(b, flows.IdleBehind, b.follow(behind, "", flows.Succeeded).Options.Delta.Idle)
		b.follow(ahead, "100", flows.Succeeded)
		r := b.follow(behind, "100", flows.Succeeded)
		require.Equal(b, &flows.Window{To: "100"}, r.Options.Window)
		require.Empty(b, r.Options.Delta.Idle)
		require.Equal(b, flows.IdleUpToDate, b.follow(behind, "", flows.Succeeded).Options.Delta.Idle)
	},
	"ReadsOnce": func(b *bundle) {
		f := b.deltaFlow("flow", flows.DeltaSpec{Mode: flows.ReadOnce})
		b.follow(f, "", flows.Failed)
		first, second := b.deltaRun(f), b.deltaRun(f)
		r := b.claim(first)
		require.Empty(b, r.Options.Delta.Idle)
		b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
		require.Equal(b, r.ID, b.mark(f).RunID)
		idle := b.claim(second)
		require.Equal(b, flows.IdleRanOnce, idle.Options.Delta.Idle)
		b.settle(idle, flows.Settlement{State: flows.Succeeded, Now: b.now, CountAttempt: true})
		require.Equal(b, r.ID, b.mark(f).RunID, "a run that read nothing does not count")
		_, err := b.s.SetWatermark(b.ctx, b.workspace, f.ID, "", b.now)
		require.NoError(b, err)
		require.Empty(b, b.claim(b.deltaRun(f)).Options.Delta.Idle)
	},
	"GoesWithItsFlow": func(b *bundle) {
		f := b.deltaFlow("flow", integers)
		b.follow(f, "50", flows.Succeeded)
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
		require.Empty(b, b.mark(f).Mark)
	},
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
