package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/apptest"
)

// With one slot and many runs of one workspace queued, the one run of another
// workspace, which came last, is among the next to be done.
func TestWorkspacesTakeTurns(t *testing.T) {
	t.Parallel()
	const queued = 30
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.Workers = 1
	s := start(t, cfg)
	pool := s.Connect("pool", sim)
	held := sim.Trap(apptest.Create, "", 1)
	var runs []string
	for i := range queued {
		runs = append(runs, s.Start(s.fileFlow(pool, fmt.Sprintf("MANY_%d", i), "csv", "id\n1\n")).ID)
		if i == 0 {
			<-held.Came()
		}
	}
	other := callerIn(t, s.app, "other", "all")
	file := other.Upload("input.csv", strings.NewReader("id\n1\n"))
	one := other.Start(other.Flow(apptest.FileFlow("one", file, "csv", other.Connect("pool", sim), "ONE")))
	held.Release()

	end := *other.AwaitEnd(one.ID).StartedAt
	before := 0
	for _, id := range runs {
		if s.AwaitEnd(id).StartedAt.Before(end) {
			before++
		}
	}
	require.Less(t, before, 20, "runs of the other workspace that began first")
}
