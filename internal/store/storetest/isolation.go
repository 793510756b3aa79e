package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// isolationTests ask for everything of one workspace under the name of another.
var isolationTests = map[string]func(*bundle){
	"Connections": func(b *bundle) {
		c := b.connection(b.workspace, "mine")
		foreign := *c
		foreign.Workspace, foreign.Revision = b.other, 2
		_, err := b.s.Connection(b.ctx, b.other, c.ID)
		b.fault(fault.ConnectionNotFound, err)
		_, err = b.s.ConnectionByName(b.ctx, b.other, c.Name)
		b.fault(fault.ConnectionNotFound, err)
		b.fault(fault.ConnectionNotFound, b.s.UpdateConnection(b.ctx, &foreign))
		b.fault(fault.ConnectionNotFound, b.s.DeleteConnection(b.ctx, b.other, c.ID, 0))
		foreign.Revision = 1
		b.fault(fault.ConnectionNotFound, b.saveTest(&foreign))
		list, err := b.s.Connections(b.ctx, b.other, connections.Page{})
		require.NoError(b, err)
		require.Empty(b, list)

		require.NoError(b, b.s.CreateFlow(b.ctx, b.sketch(c, "flow")))
		users, err := b.s.ConnectionUsers(b.ctx, b.other, c.ID)
		require.NoError(b, err)
		require.Empty(b, users)
		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
	},
	"Flows": func(b *bundle) {
		f := b.flow(b.workspace, "mine")
		_, err := b.s.Flow(b.ctx, b.other, f.ID)
		b.fault(fault.FlowNotFound, err)
		_, err = b.s.FlowByName(b.ctx, b.other, f.Name)
		b.fault(fault.FlowNotFound, err)
		_, err = b.s.FlowRevision(b.ctx, b.other, f.ID, 1)
		b.fault(fault.FlowNotFound, err)
		foreign := *f
		foreign.Workspace, foreign.Revision = b.other, 2
		b.fault(fault.FlowNotFound, b.s.UpdateFlow(b.ctx, &foreign))
		b.fault(fault.FlowNotFound, b.s.DeleteFlow(b.ctx, b.other, f.ID, 0))
		list, err := b.s.Flows(b.ctx, b.other, flows.Page{})
		require.NoError(b, err)
		require.Empty(b, list)
		batch := b.batch(f, b.id())
		batch.Workspace = b.other
		_, err = b.s.AddRecords(b.ctx, batch, b.queued(f))
		b.fault(fault.FlowNotFound, err)
		got, err := b.s.Flow(b.ctx, b.workspace, f.ID)
		require.NoError(b, err)
		require.Equal(b, f, got)
	},
	"Runs": func(b *bundle) {
		f := b.flow(b.workspace, "mine")
		batch := b.id()
		r := b.claim(b.post(f, batch))
		require.NoError(b, b.s.SaveCheckpoint(b.ctx, r.Token(), flows.Checkpoint{}, []flows.RecordError{{Record: 1}}))
		r = b.read(r)
		_, err := b.s.Run(b.ctx, b.other, r.ID)
		b.fault(fault.RunNotFound, err)
		_, err = b.s.RequestCancel(b.ctx, b.other, r.ID, b.now)
		b.fault(fault.RunNotFound, err)
		_, err = b.s.RecordBatchData(b.ctx, b.other, batch)
		b.fault(fault.SourceRead, err)
		list, err := b.s.Runs(b.ctx, b.other, f.ID, flows.Page{})
		require.NoError(b, err)
		require.Empty(b, list)
		found, err := b.s.RecordErrors(b.ctx, flows.ErrorQuery{Workspace: b.other, FlowID: f.ID})
		require.NoError(b, err)
		require.Empty(b, found)
		token := r.Token()
		token.Workspace = b.other
		b.refusesWrites(token)
		require.Equal(b, r, b.read(r))
	},
	"FilesAndClients": func(b *bundle) {
		f := &flows.File{ID: b.id(), Workspace: b.workspace, CreatedAt: b.now}
		require.NoError(b, b.s.CreateFile(b.ctx, f))
		_, err := b.s.File(b.ctx, b.other, f.ID)
		b.fault(fault.FileNotFound, err)
		c := b.client(b.workspace, "mine")
		require.NoError(b, b.s.CreateClient(b.ctx, c))
		foreign := *c
		foreign.Workspace, foreign.Revision = b.other, 2
		b.fault(fault.AccessClientNotFound, b.s.UpdateClient(b.ctx, &foreign))
		b.fault(fault.AccessClientNotFound, b.s.DeleteClient(b.ctx, b.other, c.ID, 0))
		b.fault(fault.AccessClientNotFound, b.s.AddClientSecret(b.ctx, b.other, c.ID, b.secret()))
		b.fault(fault.AccessClientNotFound, b.s.DeleteClientSecret(b.ctx, b.other, c.ID, c.Secrets[0].ID))
		list, err := b.s.Clients(b.ctx, b.other, access.Page{})
		require.NoError(b, err)
		require.Empty(b, list)
	},
}

var faultTests = map[string]func(*bundle){
	"Ping": func(b *bundle) {
		require.NoError(b, b.s.Ping(b.ctx))
	},
	"ACanceledCall": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.run(f)
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		_, read := b.s.Run(ctx, b.workspace, r.ID)
		_, claim := b.s.ClaimRun(ctx, r.ID, lease(b.now))
		_, post := b.s.AddRecords(ctx, b.batch(f, b.id()), b.queued(f))
		for _, err := range []error{read, claim, post, b.s.Ping(ctx)} {
			b.fault(fault.Unavailable, err)
			require.True(b, errors.Is(err, context.Canceled))
		}
		require.Equal(b, flows.Queued, b.read(r).State)
	},
	"ACallThatIsOutOfTime": func(b *bundle) {
		ctx, cancel := context.WithDeadline(b.ctx, time.Now().Add(-time.Second))
		defer cancel()
		_, err := b.s.Flow(ctx, b.workspace, "flow")
		b.fault(fault.StoreUnavailable, err)
		require.Equal(b, fault.Later, fault.RetryOf(err))
	},
	"AnIDIsUsedTwice": func(b *bundle) {
		f := b.flow(b.workspace, "flow")
		r := b.run(f)
		b.fault(fault.Internal, b.s.InsertRun(b.ctx, r))
		c := b.draft(b.workspace, "another name")
		c.ID = f.Import.ConnectionID
		b.fault(fault.Internal, b.s.CreateConnection(b.ctx, c))
	},
}
