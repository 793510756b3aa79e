package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

const faultRows = 15_000

// trouble is what a simulator does to a push of several chunks.
type trouble struct {
	name  string
	fault celonissim.Fault
}

func troubles() []trouble {
	var all []trouble
	for _, status := range []int{500, 502, 503} {
		for _, route := range []string{apptest.Create, apptest.Upload, apptest.Submit, apptest.Get} {
			all = append(all, trouble{fmt.Sprintf("%d to %s", status, route), celonissim.Fault{Route: route, Status: status, Times: 2}})
		}
	}
	for _, cut := range []celonissim.Cut{celonissim.CutBeforeBody, celonissim.CutBeforeAnswer, celonissim.CutMidAnswer} {
		for _, route := range []string{apptest.Create, apptest.Upload, apptest.Submit, apptest.Get} {
			all = append(all, trouble{fmt.Sprintf("%s at %s", cut, route), celonissim.Fault{Route: route, Cut: cut, Times: 1}})
		}
	}
	return append(all,
		trouble{"cut in the middle of a chunk", celonissim.Fault{Route: apptest.Upload, Cut: celonissim.CutMidBody, Skip: 2, Times: 1}},
		trouble{"second chunk's answer lost", celonissim.Fault{Route: apptest.Upload, Cut: celonissim.CutBeforeAnswer, Skip: 1, Times: 1}},
		trouble{"429 to an upload", celonissim.Fault{Route: apptest.Upload, Status: 429, Times: 2}},
		// Celonis takes the chunk, and its answer comes when nobody waits for it any more.
		trouble{"a chunk's answer out of time", celonissim.Fault{Route: apptest.Upload, SlowAnswer: 4 * time.Second, Skip: 1, Times: 1}},
		trouble{"a chunk that is never taken", celonissim.Fault{Route: apptest.Upload, Delay: 4 * time.Second, Skip: 1, Times: 1}},
		trouble{"429 to a create", celonissim.Fault{Route: apptest.Create, Status: 429, Times: 1}},
		trouble{"create done twice", celonissim.Fault{Route: apptest.Create, Duplicate: true}},
		trouble{"chunks done twice", celonissim.Fault{Route: apptest.Upload, Duplicate: true, Times: 4}},
		trouble{"submit done twice", celonissim.Fault{Route: apptest.Submit, Duplicate: true}},
		trouble{"slow answers", celonissim.Fault{Delay: 20 * time.Millisecond, SlowAnswer: 20 * time.Millisecond}},
		trouble{"slow load", celonissim.Fault{Route: apptest.Submit, JobDelay: 500 * time.Millisecond}},
	)
}

// Whatever happens on the way, the table ends with every row once.
func TestTroubleOnTheWay(t *testing.T) {
	t.Parallel()
	log := events(t, faultRows)
	for _, mode := range []string{"replace", "delta"} {
		change := set("import", map[string]any{"mode": mode})
		if mode == "delta" {
			change = set("import", map[string]any{"mode": mode, "keys": []string{"case:concept:name", "concept:name"}})
		}
		hash := calm(t, log, change)
		for _, c := range troubles() {
			t.Run(mode+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				sim := apptest.NewSim(t)
				cfg := smallChunks(settings(t, sim.URL))
				cfg.UploadTimeout = time.Second
				s := start(t, cfg)
				flow := s.fileFlow(s.Connect("pool", sim), "ROUGH", "csv", log, change)
				fault := sim.AddFault(c.fault)
				apptest.RequireWhole(t, s.Do(flow), faultRows)
				require.NotZero(t, struck(sim, fault), "the fault never struck")
				have := sim.MustTable("ROUGH")
				require.Equal(t, faultRows, have.Rows())
				require.Equal(t, hash, have.Hash())
				require.Equal(t, 1, have.Jobs())
			})
		}
	}
}

// calm gives the hash of the table that an undisturbed push makes.
func calm(t *testing.T, log string, change func(map[string]any)) uint64 {
	t.Helper()
	sim := apptest.NewSim(t)
	s := start(t, smallChunks(settings(t, sim.URL)))
	r := s.Do(s.fileFlow(s.Connect("pool", sim), "CALM", "csv", log, change))
	apptest.RequireWhole(t, r, faultRows)
	require.Greater(t, r.Chunks, int64(4))
	return sim.MustTable("CALM").Hash()
}

func struck(sim *apptest.Sim, id string) int {
	for _, f := range sim.Faults() {
		if f.ID == id {
			return f.Struck
		}
	}
	return 0
}

// A spent budget makes the run wait until the time that Celonis names; it
// holds no worker and counts no attempt meanwhile.
func TestSpentBudget(t *testing.T) {
	t.Parallel()
	for _, form := range []celonissim.RateHeaders{celonissim.RateSeconds, celonissim.RateDateTime, celonissim.RateRetryAfter} {
		t.Run(string(form), func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t)
			cfg := settings(t, sim.URL)
			cfg.Workers = 1
			s := start(t, cfg)
			connection := s.Connect("pool", sim)
			sim.AddFault(celonissim.Fault{Route: apptest.Submit, Table: "WAITS", Status: 429, Headers: form, Wait: 3 * time.Second, Times: 1})
			run := s.Start(s.fileFlow(connection, "WAITS", "csv", "id\n1\n"))
			waiting := s.Await(run.ID, func(r apptest.Run) bool { return r.State == "waiting" || r.Ended() })
			require.Equal(t, "waiting", waiting.State)
			require.Equal(t, "celonis.rate_limited", waiting.ErrorCode())
			require.NotNil(t, waiting.ResumeAt)
			require.WithinDuration(t, time.Now().Add(3*time.Second), *waiting.ResumeAt, 3*time.Second)
			sim.RequireNoTable("WAITS")

			apptest.RequireWhole(t, s.Do(s.fileFlow(connection, "PASSES", "csv", "id\n1\n")), 1)
			r := s.AwaitEnd(run.ID)
			apptest.RequireWhole(t, r, 1)
			require.Equal(t, 1, r.Attempt)
			require.Nil(t, r.Error)
			require.Nil(t, r.ResumeAt)
			require.Equal(t, 1, sim.MustTable("WAITS").Jobs())
		})
	}
}

// A push job that fails in Celonis fails the run with the job's own words, and
// the table stays as it was.
func TestFailedPushJob(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.fileFlow(s.Connect("pool", sim), "BROKEN", "csv", "id\n1\n")
	apptest.RequireWhole(t, s.Do(flow), 1)
	before := sim.MustTable("BROKEN").Hash()
	sim.AddFault(celonissim.Fault{Route: apptest.Submit, JobError: "column ID of another type", Times: 1})
	r := s.Do(flow)
	require.Equal(t, "failed", r.State)
	require.Equal(t, "celonis.push_job_failed", r.ErrorCode())
	require.Contains(t, r.Error.Message, "column ID of another type")
	require.Contains(t, r.Error.Hint, "BROKEN")
	require.Equal(t, before, sim.MustTable("BROKEN").Hash())
	require.Zero(t, r.Ledger.Pushed, "rows that never became visible count as pushed")
	apptest.RequireWhole(t, s.Do(flow), 1)
}

// A push job that hangs in Celonis makes the run wait; the worker is free for others.
func TestStuckPushJob(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.Workers, cfg.PushWait = 1, 500*time.Millisecond
	s := start(t, cfg)
	connection := s.Connect("pool", sim)
	sim.AddFault(celonissim.Fault{Route: apptest.Submit, Table: "STUCK", JobStuck: true})
	run := s.Start(s.fileFlow(connection, "STUCK", "csv", "id\n1\n"))
	waiting := s.Await(run.ID, func(r apptest.Run) bool { return r.State == "waiting" || r.Ended() })
	require.Equal(t, "waiting", waiting.State)
	require.Equal(t, "celonis.push_job_running", waiting.ErrorCode())
	require.Zero(t, waiting.Attempt)
	apptest.RequireWhole(t, s.Do(s.fileFlow(connection, "PASSES", "csv", "id\n1\n")), 1)
	s.Call(202, "POST", "/v1/runs/"+run.ID+"/cancel", nil, nil)
	require.Equal(t, "canceled", s.AwaitEnd(run.ID).State)
}

// Celonis serves Data Push under two generations of paths; one may be missing.
func TestGenerationsOfPaths(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]celonissim.Answers{
		"only the old":    {NoNewPath: true},
		"only the new":    {NoOldPath: true},
		"with other 404s": {NoNewPath: true, NotFound: celonissim.BodyValidation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t, func(o *celonissim.Options) { o.Answers = answers })
			s := start(t, smallChunks(settings(t, sim.URL)))
			flow := s.fileFlow(s.Connect("pool", sim), "PATHS", "csv", events(t, 3000))
			apptest.RequireWhole(t, s.Do(flow), 3000)
			require.Equal(t, 3000, sim.MustTable("PATHS").Rows())
		})
	}
}
