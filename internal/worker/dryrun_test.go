package worker_test

import (
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestADryRunReachesNoSink(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run.Options.DryRun = true
	refused := fault.New(fault.CelonisRejected, "nothing may be sent")
	b.sink.put, b.sink.commit = refused, refused
	s := b.worker.Do(t.Context(), b.run, noLease)
	require.Equal(t, flows.Succeeded, s.State, "%+v", s.Error)
	require.Equal(t, flows.Ledger{Read: 2, Pushed: 2}, *s.Ledger)
	require.Empty(t, b.sink.aborted())
}
