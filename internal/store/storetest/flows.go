package storetest

import (
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

var flowTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		f := b.flow(b.workspace, "Permits")
		got, err := b.s.Flow(b.ctx, b.workspace, f.ID)
		require.NoError(b, err)
		require.Equal(b, f, got)
		got, err = b.s.FlowByName(b.ctx, b.workspace, "PERMITS")
		require.NoError(b, err)
		require.Equal(b, f, got)
		_, err = b.s.FlowByName(b.ctx, b.workspace, "Permit")
		b.fault(fault.FlowNotFound, err)
	},
	"NameIsUniqueCaseInsensitively": func(b *bundle) {
		f := b.flow(b.workspace, "Ärger")
		c, err := b.s.Connection(b.ctx, b.workspace, f.Import.ConnectionID)
		require.NoError(b, err)
		b.fault(fault.FlowNameTaken, b.s.CreateFlow(b.ctx, b.sketch(c, "ÄRGER")))
		other := b.sketch(c, "Freude")
		require.NoError(b, b.s.CreateFlow(b.ctx, other))
		other.Revision, other.Name = 2, "ärger"
		b.fault(fault.FlowNameTaken, b.s.UpdateFlow(b.ctx, other))
		b.flow(b.other, "Ärger")
	},
	"NeedsAConnectionOfItsWorkspace": func(b *bundle) {
		foreign := b.connection(b.other, "foreign")
		f := b.sketch(foreign, "flow")
		f.Workspace = b.workspace
		b.fault(fault.ConnectionNotFound, b.s.CreateFlow(b.ctx, f))
		mine := b.flow(b.workspace, "mine")
		mine.Revision, mine.Import.ConnectionID = 2, foreign.ID
		b.fault(fault.ConnectionNotFound, b.s.UpdateFlow(b.ctx, mine))
	},
	"RevisionsAreKept": func(b *bundle) {
		f := b.flow(b.workspace, "v1")
		first := *f
		f.Revision, f.Name, f.Enabled, f.UpdatedAt = 2, "v2", false, b.now.Add(time.Second)
		f.Mapping = nil
		require.NoError(b, b.s.UpdateFlow(b.ctx, f))
		for revision, want := range map[int64]*flows.Flow{1: &first, 2: f} {
			got, err := b.s.FlowRevision(b.ctx, b.workspace, f.ID, revision)
			require.NoError(b, err)
			require.Equal(b, want, got)
		}
		got, err := b.s.Flow(b.ctx, b.workspace, f.ID)
		require.NoError(b, err)
		require.Equal(b, f, got)
		_, err = b.s.FlowRevision(b.ctx, b.workspace, f.ID, 3)
		b.fault(fault.FlowNotFound, err)
	},
	"UpdateFaults": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		for _, revision := range []int64{1, 3} {
			f.Revision = revision
			b.fault(fault.RequestStale, b.s.UpdateFlow(b.ctx, f))
		}
		f.ID = b.id()
		b.fault(fault.FlowNotFound, b.s.UpdateFlow(b.ctx, f))
	},
	"ListsByPages": func(b *bundle) {
		var want []string
		for _, name := range []string{"c", "b", "a", "d"} {
			want = append(want, b.flow(b.workspace, name).ID)
		}
		b.flow(b.other, "a")
		require.Equal(b, want, pages(b, func(after string, limit int) ([]flows.Flow, error) {
			return b.s.Flows(b.ctx, b.workspace, flows.Page{Limit: limit, After: after})
		}, func(f flows.Flow) string { return f.ID }))
	},
	"DeleteTakesAllThatIsTheFlows": func(b *bundle) {
		f, kept := b.flow(b.workspace, "gone"), b.flow(b.workspace, "kept")
		failed, batch := b.posted(f), b.id()
		b.settle(failed, flows.Settlement{State: flows.Failed, Now: b.now})
		canceled := b.post(f, batch)
		_, err := b.s.RequestCancel(b.ctx, b.workspace, canceled.ID, b.now)
		require.NoError(b, err)
		keptRun := b.run(kept)

		b.fault(fault.RequestStale, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 2))
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 1))
		b.fault(fault.FlowNotFound, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
		_, err = b.s.FlowRevision(b.ctx, b.workspace, f.ID, 1)
		b.fault(fault.FlowNotFound, err)
		_, err = b.s.Run(b.ctx, b.workspace, failed.ID)
		b.fault(fault.RunNotFound, err)
		_, err = b.s.RecordBatchData(b.ctx, b.workspace, batch)
		b.fault(fault.SourceRead, err)
		errors, err := b.s.RecordErrors(b.ctx, flows.ErrorQuery{Workspace: b.workspace, FlowID: f.ID})
		require.NoError(b, err)
		require.Empty(b, errors)
		require.Equal(b, keptRun.ID, b.read(keptRun).ID)
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, f.Import.ConnectionID, 0))
	},
	"DeleteRefusesWhileARunIsLive": func(b *bundle) {
		for _, make := range []func(*flows.Flow) *flows.Run{b.run, b.claimed, b.waiting} {
			f := b.flow(b.workspace, b.id())
			r := make(f)
			b.fault(fault.FlowInUse, b.s.DeleteFlow(b.ctx, b.workspace, f.ID, 0))
			require.Equal(b, r.State, b.read(r).State)
		}
	},
}

// post adds a batch of records and gives the run that will take it.
func (b *bundle) post(f *flows.Flow, batch string) *flows.Run {
	b.Helper()
	run := b.queued(f)
	run.Trigger = flows.Records
	taker, err := b.s.AddRecords(b.ctx, b.batch(f, batch), run)
	require.NoError(b, err)
	return taker
}

func (b *bundle) batch(f *flows.Flow, id string) *flows.RecordBatch {
	return &flows.RecordBatch{ID: id, Workspace: f.Workspace, FlowID: f.ID, Data: []byte(`{"id":"` + id + `"}` + "\n"),
		Records: 1, CreatedAt: b.now}
}

// posted is a held run with a batch assigned and an error found.
func (b *bundle) posted(f *flows.Flow) *flows.Run {
	b.Helper()
	r := b.claim(b.post(f, b.id()))
	_, err := b.s.AssignRecords(b.ctx, r.Token())
	require.NoError(b, err)
	require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, []flows.RecordError{{Record: 1}}))
	return r
}

var fileTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		f := &flows.File{ID: b.id(), Workspace: b.workspace, Name: "Bestellungen März.csv", Bytes: 1 << 40,
			SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", CreatedAt: b.now}
		require.NoError(b, b.s.CreateFile(b.ctx, f))
		got, err := b.s.File(b.ctx, b.workspace, f.ID)
		require.NoError(b, err)
		require.Equal(b, f, got)
		_, err = b.s.File(b.ctx, b.workspace, b.id())
		b.fault(fault.FileNotFound, err)
	},
	"NameIsMadeStorable": func(b *bundle) {
		f := &flows.File{ID: b.id(), Workspace: b.workspace, Name: "a\x00b\xff.csv", CreatedAt: b.now}
		require.NoError(b, b.s.CreateFile(b.ctx, f))
		got, err := b.s.File(b.ctx, b.workspace, f.ID)
		require.NoError(b, err)
		require.Equal(b, "a\uFFFDb\uFFFD.csv", got.Name)
	},
}
