package flows_test

import (
	"errors"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestMoves(t *testing.T) {
	t.Parallel()
	states := []flows.State{flows.Queued, flows.Running, flows.Waiting, flows.Succeeded, flows.Failed, flows.Canceled}
	require.Len(t, flows.Moves(), len(states))
	for _, from := range states {
		for _, to := range states {
			if from.Ended() {
				require.False(t, flows.MayMove(from, to), "%s has ended and may not become %s", from, to)
			}
		}
		reachable := from == flows.Queued
		for _, before := range states {
			reachable = reachable || flows.MayMove(before, from)
		}
		require.True(t, reachable, "nothing leads to %s", from)
	}
	require.False(t, flows.MayMove(flows.Queued, flows.Succeeded), "a run that no worker had cannot have succeeded")
	require.True(t, flows.MayMove(flows.Running, flows.Running), "a run whose lease is over is claimed anew")
}

func TestLedgerBalances(t *testing.T) {
	t.Parallel()
	require.True(t, flows.Ledger{}.Balanced())
	require.True(t, flows.Ledger{Read: 10, Filtered: 1, Pushed: 7, Errored: 2}.Balanced())
	require.False(t, flows.Ledger{Read: 10, Pushed: 9}.Balanced())
}

func TestRunErrorTellsNothingOfACause(t *testing.T) {
	t.Parallel()
	e := flows.RunErrorOf(fault.Wrap(errors.New("key=secret"), fault.CelonisServer, "celonis answered 500").WithHint("try later"))
	require.Equal(t, &flows.RunError{Code: fault.CelonisServer, Message: "celonis answered 500", Hint: "try later"}, e)
	e = flows.RunErrorOf(errors.New("key=secret"))
	require.Equal(t, fault.Internal, e.Code)
	require.NotContains(t, e.Message, "secret")
}
