package storetest

import (
	"errors"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// made stores a file of a run that a worker holds.
func (b *bundle) made(r *flows.Run, keep time.Duration) *flows.File {
	b.Helper()
	f := &flows.File{ID: b.id(), Name: "orders.csv", Bytes: 10, SHA256: "digest", CreatedAt: b.now, Format: flows.CSV, Rows: 3, ExpiresAt: b.now.Add(keep)}
	published := 0
	require.NoError(b, b.s.AddRunFile(b.ctx, r.Token(), f, func() error { published++; return nil }))
	require.Equal(b, 1, published)
	return f
}

// reading stores a flow that reads a file.
func (b *bundle) reading(f *flows.File) *flows.Flow {
	b.Helper()
	reader := b.sketch(b.connection(f.Workspace, b.id()), b.id())
	reader.Export.FileID = f.ID
	require.NoError(b, b.s.CreateFlow(b.ctx, reader))
	return reader
}

func (b *bundle) succeed(r *flows.Run) {
	b.Helper()
	b.settle(r, flows.Settlement{State: flows.Succeeded, Now: b.now})
}

// removed lists the files whose bytes may go, of those given.
func (b *bundle) removed(files ...*flows.File) (ids []string) {
	b.Helper()
	var after flows.RemovedFile
	for {
		page, err := b.s.RemovedFiles(b.ctx, after, 2)
		require.NoError(b, err)
		for _, gone := range page {
			for _, f := range files {
				if f.ID == gone.ID {
					ids = append(ids, gone.ID)
				}
			}
		}
		if len(page) < 2 {
			return ids
		}
		after = page[len(page)-1]
	}
}

var runFileTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		f := b.made(r, time.Hour)
		got, err := b.s.File(b.ctx, b.workspace, f.ID)
		require.NoError(b, err)
		require.Equal(b, f, got)
		require.Equal(b, []string{r.FlowID, r.ID, r.Workspace}, []string{got.FlowID, got.RunID, got.Workspace})
		list, err := b.s.FilesOfRuns(b.ctx, b.workspace, []string{b.id(), r.ID})
		require.NoError(b, err)
		require.Equal(b, []flows.File{*f}, list)
		for _, none := range [][]string{nil, {b.id()}} {
			list, err = b.s.FilesOfRuns(b.ctx, b.workspace, none)
			require.NoError(b, err)
			require.Empty(b, list)
		}
		require.Contains(b, b.events(audit.Query{Kind: audit.File}), "system created file orders.csv")
	},
	"TheSameFileTwiceIsOne": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		f := b.made(r, time.Hour)
		again := *f
		again.SHA256 = "another"
		require.NoError(b, b.s.AddRunFile(b.ctx, r.Token(), &again, func() error { return errors.New("published twice") }))
		got, err := b.s.File(b.ctx, b.workspace, f.ID)
		require.NoError(b, err)
		require.Equal(b, "digest", got.SHA256)
		require.Len(b, b.events(audit.Query{Kind: audit.File}), 1)
	},
	"AStaleWorkerPublishesNothing": func(b *bundle) {
		stale := b.claimed(b.flow(b.workspace, "flow"))
		r, err := b.s.ClaimRun(b.ctx, stale.ID, lease(b.now.Add(time.Hour)))
		require.NoError(b, err)
		f := &flows.File{ID: b.id(), Name: "f.csv", CreatedAt: b.now}
		never := func() error { b.Error("a stale worker published a file"); return nil }
		b.fault(fault.RunLeaseLost, b.s.AddRunFile(b.ctx, stale.Token(), f, never))
		b.succeed(r)
		b.fault(fault.RunLeaseLost, b.s.AddRunFile(b.ctx, r.Token(), f, never))
		_, err = b.s.File(b.ctx, b.workspace, f.ID)
		b.fault(fault.FileNotFound, err)
	},
	"AFileThatCannotBePublishedIsNotThere": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		f := &flows.File{ID: b.id(), Name: "f.csv", CreatedAt: b.now}
		err := b.s.AddRunFile(b.ctx, r.Token(), f, func() error { return fault.New(fault.SpoolFull, "full") })
		b.fault(fault.SpoolFull, err)
		_, err = b.s.File(b.ctx, b.workspace, f.ID)
		b.fault(fault.FileNotFound, err)
		require.Empty(b, b.events(audit.Query{Kind: audit.File}))
	},
	"Lists": func(b *bundle) {
		uploaded := &flows.File{ID: b.id(), Workspace: b.workspace, Name: "up.csv", CreatedAt: b.now}
		require.NoError(b, b.s.CreateFile(b.ctx, uploaded))
		first, second := b.claimed(b.flow(b.workspace, "one")), b.claimed(b.flow(b.workspace, "two"))
		one, two, three := b.made(first, time.Hour), b.made(first, time.Hour), b.made(second, time.Hour)
		list := func(q flows.FileQuery) (ids []string) {
			q.Workspace = b.workspace
			files, err := b.s.Files(b.ctx, q)
			require.NoError(b, err)
			for _, f := range files {
				ids = append(ids, f.ID)
			}
			return ids
		}
		require.Equal(b, []string{three.ID, two.ID, one.ID, uploaded.ID}, list(flows.FileQuery{}))
		require.Equal(b, []string{two.ID, one.ID}, list(flows.FileQuery{FlowID: first.FlowID}))
		require.Equal(b, []string{three.ID}, list(flows.FileQuery{RunID: second.ID}))
		require.Equal(b, []string{two.ID, one.ID}, list(flows.FileQuery{Page: flows.Page{After: three.ID, Limit: 2}}))
		files, err := b.s.Files(b.ctx, flows.FileQuery{Workspace: b.other})
		require.NoError(b, err)
		require.Empty(b, files)
		files, err = b.s.FilesOfRuns(b.ctx, b.other, []string{first.ID})
		require.NoError(b, err)
		require.Empty(b, files)
	},
	"DeleteRefusesWhatIsUsed": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		f := b.made(r, time.Hour)
		b.fault(fault.FileInUse, b.s.DeleteFile(b.ctx, b.workspace, f.ID)) // its run has not ended
		b.succeed(r)
		reader := b.reading(f)
		b.fault(fault.FileInUse, b.s.DeleteFile(b.ctx, b.workspace, f.ID))
		pinned := b.run(reader)
		reader.Revision, reader.Export.FileID = 2, b.id()
		require.NoError(b, b.s.UpdateFlow(b.ctx, reader))
		b.fault(fault.FileInUse, b.s.DeleteFile(b.ctx, b.workspace, f.ID)) // a run reads it by the older revision
		_, err := b.s.RequestCancel(b.ctx, b.workspace, pinned.ID, b.now)
		require.NoError(b, err)
		b.fault(fault.FileNotFound, b.s.DeleteFile(b.ctx, b.other, f.ID))
		require.NoError(b, b.s.DeleteFile(b.ctx, b.workspace, f.ID))
		b.fault(fault.FileNotFound, b.s.DeleteFile(b.ctx, b.workspace, f.ID))
		require.Equal(b, []string{f.ID}, b.removed(f))
		require.Equal(b, []string{"system created file orders.csv", "system deleted file orders.csv"}, b.events(audit.Query{Kind: audit.File}))
	},
	"DeleteRefusesTheFileOfALookupTable": func(b *bundle) {
		f := &flows.File{ID: b.id(), Workspace: b.workspace, Name: "table.csv", CreatedAt: b.now}
		require.NoError(b, b.s.CreateFile(b.ctx, f))
		reader := b.sketch(b.connection(b.workspace, "c"), "reader")
		reader.Lookups = []flows.LookupTable{{Name: "t", FileID: f.ID, Format: flows.CSV, Key: "k", Value: "v"}}
		require.NoError(b, b.s.CreateFlow(b.ctx, reader))
		b.fault(fault.FileInUse, b.s.DeleteFile(b.ctx, b.workspace, f.ID))
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, reader.ID, 0))
		require.NoError(b, b.s.DeleteFile(b.ctx, b.workspace, f.ID))
	},
	"AFlowTakesItsFilesAlong": func(b *bundle) {
		maker := b.flow(b.workspace, "maker")
		r := b.claimed(maker)
		kept, lost := b.made(r, time.Hour), b.made(r, time.Hour)
		b.succeed(r)
		b.reading(kept)
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, maker.ID, 0))
		_, err := b.s.File(b.ctx, b.workspace, lost.ID)
		b.fault(fault.FileNotFound, err)
		got, err := b.s.File(b.ctx, b.workspace, kept.ID)
		require.NoError(b, err)
		require.Empty(b, got.FlowID+got.RunID)
		require.Equal(b, []string{lost.ID}, b.removed(kept, lost))
	},
}

var fileSweepTests = map[string]func(*bundle){
	"WhatIsOver": func(b *bundle) {
		r := b.claimed(b.flow(b.workspace, "flow"))
		over, read, young := b.made(r, time.Hour), b.made(r, time.Hour), b.made(r, 48*time.Hour)
		forever := &flows.File{ID: b.id(), Workspace: b.workspace, Name: "up.csv", CreatedAt: b.now}
		require.NoError(b, b.s.CreateFile(b.ctx, forever))
		b.succeed(r)
		reader := b.reading(read)
		sweep := func(after time.Duration, want int64) {
			b.Helper()
			n, err := b.s.SweepFiles(b.ctx, b.now.Add(after), 10)
			require.NoError(b, err)
			require.Equal(b, want, n)
		}
		sweep(time.Hour-time.Second, 0)
		sweep(time.Hour, 1)
		sweep(time.Hour, 0)
		got, err := b.s.File(b.ctx, b.workspace, over.ID)
		require.NoError(b, err)
		require.True(b, got.IsGone())
		require.Equal(b, b.now.Add(time.Hour), got.RemovedAt)
		list, err := b.s.Files(b.ctx, flows.FileQuery{Workspace: b.workspace})
		require.NoError(b, err)
		require.Len(b, list, 3, "one that is gone is not listed")
		list, err = b.s.FilesOfRuns(b.ctx, b.workspace, []string{r.ID})
		require.NoError(b, err)
		require.Len(b, list, 3, "a run still tells of it")

		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, reader.ID, 0))
		sweep(2*time.Hour, 0)
		sweep(49*time.Hour, 2) // the one that was read is looked at again after a day
		require.ElementsMatch(b, []string{over.ID, read.ID, young.ID}, b.removed(over, read, young, forever))
		require.Contains(b, b.events(audit.Query{Kind: audit.File}), "system deleted file orders.csv")
	},
	"DeadPushes": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.claimed(f)
		push, orphan := b.id(), b.id()
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{PushJobID: push}, nil))
		whole := b.made(r, time.Hour)
		dead := func(ids ...string) map[string]bool {
			b.Helper()
			got, err := b.s.DeadPushes(b.ctx, ids)
			require.NoError(b, err)
			return got
		}
		require.Empty(b, dead())
		require.Equal(b, map[string]bool{orphan: false, whole.ID: true}, dead(push, orphan, whole.ID))
		b.succeed(r)
		require.Equal(b, map[string]bool{orphan: false, push: false, whole.ID: true}, dead(push, orphan, whole.ID))
	},
}
