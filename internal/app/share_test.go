package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

// Two processes' worth of the service share the work: each run is done once,
// whichever of them it was asked of.
func TestTwoServicesShareTheWork(t *testing.T) {
	t.Parallel()
	const flows, runs = 10, 4
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.DatabaseURL = crypto.NewSecret(testservers.PostgreSQL(t))
	cfg.RedisURL = crypto.NewSecret(testservers.Redis(t))
	one := start(t, cfg)
	connection := one.Connect("pool", sim)

	two := &service{t: t, cfg: cfg, log: &logBuffer{}}
	two.open()
	t.Cleanup(two.stop)
	two.Client = one.At(two.app.URL())

	var started []string
	for f := range flows {
		flow := one.fileFlow(connection, fmt.Sprintf("SHARED_%d", f), "csv", "id\n1\n2\n3\n")
		for r := range runs {
			asked := one
			if r%2 == 1 {
				asked = two
			}
			started = append(started, asked.Start(flow).ID)
		}
	}
	for i, id := range started {
		asked := two
		if i%2 == 1 {
			asked = one
		}
		r := asked.AwaitEnd(id)
		apptest.RequireWhole(t, r, 3)
		require.Equal(t, 1, r.Attempt)
	}
	for f := range flows {
		have := sim.MustTable(fmt.Sprintf("SHARED_%d", f))
		require.Equal(t, 3, have.Rows())
		require.Equal(t, runs, have.Jobs())
	}
	require.EqualValues(t, flows*runs, sim.Counts()[apptest.Create].Requests)
	did := func(s *service) int { return strings.Count(s.log.String(), `msg="run started"`) }
	require.Equal(t, flows*runs, did(one)+did(two))
	require.NotZero(t, did(one))
	require.NotZero(t, did(two))
}
