package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

const (
	// fewRows make about 8 chunks of smallChunk, manyRows about 140.
	fewRows, manyRows = 60_000, 1_000_000
	shortRows         = 200_000
	smallChunk        = "1048576"
)

// stand is a service of several processes with a simulator and a file to push.
type stand struct {
	*program
	sim        *apptest.Sim
	client     *apptest.Client
	api        *child
	worker     *child
	connection string
	tables     int
}

// newStand starts an API process with the scheduler, and a worker process.
func newStand(t *testing.T, environment ...string) *stand {
	t.Helper()
	sim := apptest.NewSim(t, func(o *celonissim.Options) { o.Keep, o.SpoolDir = celonissim.KeepHashes, t.TempDir() })
	s := &stand{sim: sim, program: newProgram(t, sim.URL).with(append(environment, "CONNECTOR_CHUNK_BYTES", smallChunk)...)}
	s.api = s.serve("api,scheduler")
	s.worker = s.serve("worker")
	s.client = s.program.client(s.api.url)
	s.connection = s.client.Connect("pool", sim)
	return s
}

// spread is the environment of processes that share their work the way production does.
func spread(t *testing.T) (environment []string, redis *testservers.RedisServer) {
	t.Helper()
	redis = testservers.NewRedisServer(t)
	return []string{"CONNECTOR_DATABASE_URL", testservers.PostgreSQL(t), "CONNECTOR_REDIS_URL", redis.URL()}, redis
}

// log uploads an event log and gives its id and the hash of the table that an
// undisturbed push of it makes.
func (s *stand) log(rows int) (fileID string, hash uint64) {
	s.t.Helper()
	path := written(s.t, filepath.Join(s.dir, "events.csv"), func(w io.Writer) error { return eventlog.Write(w, eventlog.CSV, rows, 7) })
	f, err := os.Open(path)
	require.NoError(s.t, err)
	defer f.Close()
	fileID = s.client.Upload("events.csv", f)
	require.NoError(s.t, os.Remove(path))

	table := s.newTable()
	r := s.client.Do(s.flow(fileID, table, "replace"))
	apptest.RequireWhole(s.t, r, int64(rows))
	require.Equal(s.t, 1, r.Attempt)
	whole := s.sim.MustTable(table)
	require.Equal(s.t, rows, whole.Rows())
	return fileID, whole.Hash()
}

func (s *stand) newTable() string {
	s.tables++
	return "EVENTS_" + string(rune('A'+s.tables/26)) + string(rune('A'+s.tables%26))
}

// flow makes a flow from the log to the table; case and activity tell its events apart.
func (s *stand) flow(fileID, table, mode string) (flowID string) {
	s.t.Helper()
	spec := apptest.FileFlow(table, fileID, "csv", s.connection, table)
	target := spec["import"].(map[string]any)
	target["mode"] = mode
	if mode == "delta" {
		target["keys"] = []string{"case:concept:name", "concept:name"}
	}
	return s.client.Flow(spec)
}

// requireExact demands that the run brought the table every row once.
func (s *stand) requireExact(runID, table string, rows int, hash uint64) apptest.Run {
	s.t.Helper()
	r := s.client.AwaitEnd(runID)
	apptest.RequireWhole(s.t, r, int64(rows))
	have := s.sim.MustTable(table)
	require.Equal(s.t, rows, have.Rows())
	require.Equal(s.t, hash, have.Hash(), "the table's values are not those of an undisturbed push")
	require.Equal(s.t, 1, have.Jobs(), "more than one push job was executed")
	return r
}

// on gives the stand for a subtest.
func (s *stand) on(t *testing.T) *stand {
	other := *s
	program := *s.program
	program.t = t
	other.program, other.client = &program, s.client.For(t)
	return &other
}

// moment is a request at whose arrival the worker dies.
type moment struct {
	name  string
	route string
	n     int
	// executed says that the push job is, or will be, executed whatever the connector does.
	executed bool
}

// moments are in the order of a push. A request is held, the worker killed,
// and then the request goes on: Celonis does what the dead worker asked for.
var moments = []moment{
	{name: "the push job is made", route: apptest.Create, n: 1},
	{name: "the first chunk goes out", route: apptest.Upload, n: 1},
	{name: "the third chunk goes out", route: apptest.Upload, n: 3},
	{name: "every chunk is in", route: apptest.Get, n: 1},
	{name: "the push job is submitted", route: apptest.Submit, n: 1, executed: true},
	{name: "Celonis loads", route: apptest.Get, n: 2, executed: true},
}

func (s *stand) trap(m moment, table string) *apptest.Trap {
	if m.route == apptest.Create {
		table = "" // the job that will name it does not exist yet
	}
	return s.sim.Trap(m.route, table, m.n)
}

// dieAt kills the worker at a moment and starts another.
func (s *stand) dieAt(m moment, table string, trap *apptest.Trap) {
	s.t.Helper()
	apptest.Receive(s.t, trap.Came(), m.name)
	s.worker.kill()
	if !m.executed {
		s.sim.RequireNoTable(table)
	}
	trap.Release()
	s.worker = s.serve("worker")
}

// Killing the worker at any moment of a push changes its time, not its result.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	environment, redis := spread(t)
	s := newStand(t, environment...)
	fileID, hash := s.log(fewRows)
	for _, mode := range []string{"replace", "delta"} {
		for _, m := range moments {
			t.Run(mode+"/"+m.name, func(t *testing.T) {
				table := s.newTable()
				sub := s.on(t)
				sub.program.t = s.program.t // the worker started here serves the next subtest
				flow := s.flow(fileID, table, mode)
				trap := s.trap(m, table)
				run := sub.client.Start(flow)
				sub.dieAt(m, table, trap)
				s.worker = sub.worker
				r := sub.requireExact(run.ID, table, fewRows, hash)
				require.Equal(t, 2, r.Attempt)
			})
		}
	}
	t.Run("Redis is flushed", func(t *testing.T) {
		table := s.newTable()
		trap := s.sim.Trap(apptest.Upload, table, 3)
		run := s.client.Start(s.flow(fileID, table, "replace"))
		apptest.Receive(t, trap.Came(), "the third chunk goes out")
		redis.Flush()
		trap.Release()
		s.requireExact(run.ID, table, fewRows, hash)
		table = s.newTable()
		s.requireExact(s.client.Start(s.flow(fileID, table, "replace")).ID, table, fewRows, hash)
	})
	t.Run("Redis is flushed and the worker dies", func(t *testing.T) {
		table := s.newTable()
		m := moments[2]
		trap := s.trap(m, table)
		run := s.client.Start(s.flow(fileID, table, "replace"))
		apptest.Receive(t, trap.Came(), m.name)
		redis.Flush()
		s.dieAt(m, table, trap)
		s.requireExact(run.ID, table, fewRows, hash)
	})
	t.Run("Redis dies and comes back empty", func(t *testing.T) {
		table := s.newTable()
		trap := s.sim.Trap(apptest.Upload, table, 3)
		run := s.client.Start(s.flow(fileID, table, "replace"))
		apptest.Receive(t, trap.Came(), "the third chunk goes out")
		redis.Kill()
		trap.Release()
		s.requireExact(run.ID, table, fewRows, hash) // no run in work needs Redis
		table = s.newTable()
		asleep := s.client.Start(s.flow(fileID, table, "replace")) // and none is refused without it
		redis.Restart()
		s.requireExact(asleep.ID, table, fewRows, hash)
	})
}

// A worker that is told to stop gives its run back, and the attempt does not count.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	environment, _ := spread(t)
	s := newStand(t, environment...)
	fileID, hash := s.log(fewRows)
	for _, m := range []moment{moments[2], moments[3], moments[5]} {
		table := s.newTable()
		trap := s.trap(m, table)
		run := s.client.Start(s.flow(fileID, table, "replace"))
		apptest.Receive(t, trap.Came(), m.name)
		s.worker.signal(syscall.SIGTERM)
		ended := s.worker.wait()
		require.Equal(t, exitOK, ended.code, "%s%s", ended.stdout, ended.stderr)
		require.Contains(t, ended.stdout, "go back to the queue")
		require.Equal(t, "queued", s.client.Run(run.ID).State, m.name)
		trap.Release()
		s.worker = s.serve("worker")
		r := s.requireExact(run.ID, table, fewRows, hash)
		require.Equal(t, 1, r.Attempt, "the attempt that was given back counts")
	}
}

// A worker that was thought dead wakes up and finds its run with another: it
// must write nothing more.
func TestSleepingWorker(t *testing.T) {
	t.Parallel()
	environment, _ := spread(t)
	s := newStand(t, environment...)
	fileID, hash := s.log(fewRows)
	for _, mode := range []string{"replace", "delta"} {
		for _, m := range []moment{moments[2], moments[3], moments[4]} {
			table := s.newTable()
			trap := s.trap(m, table)
			run := s.client.Start(s.flow(fileID, table, mode))
			apptest.Receive(t, trap.Came(), m.name)
			sleeper := s.worker
			sleeper.signal(syscall.SIGSTOP)
			s.worker = s.serve("worker")
			if m.executed { // the other can only find out what became of the submit once Celonis has seen it
				trap.Release()
			}
			ended := s.requireExact(run.ID, table, fewRows, hash)
			trap.Release()
			sleeper.signal(syscall.SIGCONT)
			sleeper.stderr.await(t, "another ", sleeper.done) // worker has the run, or attempt will settle it
			require.Equal(t, ended, s.requireExact(run.ID, table, fewRows, hash))
			sleeper.kill()
		}
	}
}

// The whole service dies, with everything embedded.
func TestKilledService(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t, func(o *celonissim.Options) { o.Keep = celonissim.KeepHashes })
	p := newProgram(t, sim.URL).with("CONNECTOR_CHUNK_BYTES", smallChunk)
	s := &stand{program: p, sim: sim}
	s.api = p.serve("all")
	s.client = p.client(s.api.url)
	s.connection = s.client.Connect("pool", sim)
	fileID, hash := s.log(fewRows)
	for _, mode := range []string{"replace", "delta"} {
		for _, m := range []moment{moments[2], moments[3], moments[4]} {
			table := s.newTable()
			trap := s.trap(m, table)
			run := s.client.Start(s.flow(fileID, table, mode))
			apptest.Receive(t, trap.Came(), m.name)
			s.api.kill()
			if !m.executed {
				sim.RequireNoTable(table)
			}
			trap.Release()
			s.api = p.serve("all")
			s.client = s.client.At(s.api.url)
			s.requireExact(run.ID, table, fewRows, hash)
		}
	}
}

// SQLite serves several processes of one machine, too, where a Redis joins them.
func TestKilledWorkerOnSQLite(t *testing.T) {
	t.Parallel()
	redis := testservers.NewRedisServer(t)
	s := newStand(t, "CONNECTOR_REDIS_URL", redis.URL())
	fileID, hash := s.log(fewRows)
	for _, m := range []moment{moments[2], moments[5]} {
		table := s.newTable()
		trap := s.trap(m, table)
		run := s.client.Start(s.flow(fileID, table, "replace"))
		s.dieAt(m, table, trap)
		s.requireExact(run.ID, table, fewRows, hash)
	}
}

// A run whose announcement was lost before any worker heard of it is found by the sweep.
func TestLostAnnouncement(t *testing.T) {
	t.Parallel()
	redis := testservers.NewRedisServer(t)
	s := newStand(t, "CONNECTOR_REDIS_URL", redis.URL())
	fileID, hash := s.log(1000)
	s.worker.kill()
	table := s.newTable()
	run := s.client.Start(s.flow(fileID, table, "replace"))
	redis.Flush()
	s.worker = s.serve("worker")
	r := s.requireExact(run.ID, table, 1000, hash)
	require.Equal(t, 1, r.Attempt)
}

// A big push dies again and again.
func TestKilledInABigPush(t *testing.T) {
	t.Parallel()
	rows := manyRows
	if testing.Short() {
		rows = shortRows
	}
	environment, _ := spread(t)
	s := newStand(t, environment...)
	fileID, hash := s.log(rows)
	table := s.newTable()
	flow := s.flow(fileID, table, "replace")
	deaths := []moment{
		{name: "early", route: apptest.Upload, n: 3},
		{name: "in the middle", route: apptest.Upload, n: rows / 20_000},
		{name: "every chunk is in", route: apptest.Submit, n: 1, executed: true},
	}
	trap := s.trap(deaths[0], table)
	run := s.client.Start(flow)
	for i, m := range deaths {
		var next *apptest.Trap
		if i+1 < len(deaths) {
			next = s.trap(deaths[i+1], table)
		}
		s.dieAt(m, table, trap)
		trap = next
	}
	r := s.requireExact(run.ID, table, rows, hash)
	require.Equal(t, 1+len(deaths), r.Attempt)
}
