package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

// The suite's size and chance: CONNECTOR_FAULT_ROUNDS is how often each
// misfortune comes over each mode, CONNECTOR_FAULT_ROWS the rows of each push,
// CONNECTOR_FAULT_SEED repeats what another run drew.
func faultNumber(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// site is a service, the wire to its simulator, and what of it can be hurt.
type site struct {
	*stand
	wire             *wire
	rng              *rand.Rand
	clientID, secret string
	// redis and postgres are nil where everything is embedded in one process.
	redis    *testservers.RedisServer
	postgres *testservers.PostgreSQLServer
	rows     int
	fileID   string
	hash     uint64
	// bytes and chunks are those of an undisturbed push.
	bytes  int64
	chunks int
}

// newSite starts the service whole in one process, or spread over several.
func newSite(t *testing.T, spread bool, rng *rand.Rand) *site {
	t.Helper()
	sim := apptest.NewSim(t, func(o *celonissim.Options) {
		o.Keep, o.SpoolDir, o.Seed = celonissim.KeepHashes, t.TempDir(), rng.Uint64()
	})
	w := newWire(t, sim.URL)
	p := newProgram(t, "http://"+w.host).with("CONNECTOR_CHUNK_BYTES", smallChunk)
	s := &site{wire: w, rng: rng}
	s.stand = &stand{program: p, sim: sim}
	if spread {
		s.redis, s.postgres = testservers.NewRedisServer(t), testservers.NewPostgreSQLServer(t)
		s.program = p.with("CONNECTOR_DATABASE_URL", s.postgres.DSN(), "CONNECTOR_REDIS_URL", s.redis.URL())
		s.api, s.worker = s.serve("api,scheduler"), s.serve("worker")
	} else {
		s.api = s.serve("all")
	}
	s.clientID, s.secret = s.newClient("tests")
	s.login()
	var made apptest.Connection
	s.client.Call(http.StatusCreated, "POST", "/v1/connections", map[string]any{
		"name": "pool", "apiType": "dataPush", "domain": w.host, "authType": "custom", "appKey": sim.AppKey, "poolId": sim.Pool,
		"http": map[string]any{"timeoutSeconds": int(faultTimeout / time.Second)},
	}, &made)
	require.Equal(t, "online", made.Status, "%+v", made.LastTest)
	s.connection = made.ID
	return s
}

// faultTimeout is the connection's own; a request that takes longer is given up.
const faultTimeout = 3 * time.Second

// load uploads the log and measures an undisturbed push of it.
func (s *site) load(rows int) {
	s.t.Helper()
	s.rows = rows
	before := s.wire.total()
	s.fileID, s.hash = s.log(rows)
	s.bytes, s.chunks = s.wire.total()-before, int(s.sim.Counts()[apptest.Upload].Requests)
	require.Greater(s.t, s.chunks, 3)
}

// die kills the process that does the runs, at once; what it has on its way is
// lost, from the stops on if there are any.
func (s *site) die(at ...*stop) {
	if s.worker != nil {
		s.worker.kill()
	} else {
		s.api.kill()
	}
	for _, stop := range at {
		stop.cut()
	}
	s.wire.hangUp()
}

// revive starts another in its place.
func (s *site) revive() {
	s.t.Helper()
	if s.worker != nil {
		s.worker = s.serve("worker")
		return
	}
	s.api = s.serve("all")
	s.client = s.client.At(s.api.url)
}

// login gets a new token: one does not live as long as many rounds take.
func (s *site) login() { s.client = apptest.NewClient(s.program.t, s.api.url, s.clientID, s.secret) }

// somewhere is a byte that a push is sure to send.
func (s *site) somewhere() int64 { return s.rng.Int64N(s.bytes * 9 / 10) }

// round is one push and what befalls it.
type round struct {
	*site
	mode, table string
}

// stopAt waits for the wire's stop, which every push reaches.
func (r *round) stopAt(stop *stop) {
	r.t.Helper()
	apptest.Receive(r.t, stop.came, "the push sends the chosen byte")
}

// misfortune is something that may befall a push at a moment drawn by chance.
type misfortune struct {
	name string
	// spread: it takes a PostgreSQL and a Redis of their own.
	spread bool
	// arm lays the trap before the push begins; strike waits for the planned
	// moment and acts, and fails the test when the moment does not come.
	arm func(r *round) (strike func())
}

func misfortunes() []misfortune {
	return []misfortune{
		{name: "the worker dies at a request", arm: dieAtRequest},
		{name: "the worker dies at a byte", arm: dieAtByte},
		{name: "the worker dies, and its successor", arm: dieTwice},
		{name: "a chunk's connection is cut", arm: cutAtByte},
		{name: "an answer is cut", arm: cutAnswer},
		{name: "Celonis refuses", arm: refuse},
		{name: "Celonis is too slow", arm: tooSlow},
		{name: "a chunk arrives twice", arm: chunkTwice},
		{name: "a request arrives twice", arm: requestTwice},
		{name: "Redis is flushed", spread: true, arm: flushRedis},
		{name: "Redis dies and comes back empty", spread: true, arm: loseRedis},
		{name: "PostgreSQL dies and comes back", spread: true, arm: losePostgres},
		{name: "PostgreSQL and the worker die", spread: true, arm: losePostgresAndWorker},
	}
}

// Whatever befalls a push, the table is exact afterwards and the ledger balances.
func TestFaults(t *testing.T) {
	t.Parallel()
	seed := faultNumber(t, "CONNECTOR_FAULT_SEED", int(time.Now().UnixNano()&0xffffffff))
	t.Logf("CONNECTOR_FAULT_SEED=%d repeats this run", seed)
	for i, name := range []string{"everything in one process", "PostgreSQL, Redis and a worker"} {
		spread := i == 1
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, spread, rand.New(rand.NewPCG(uint64(seed), uint64(i))))
			s.load(faultNumber(t, "CONNECTOR_FAULT_ROWS", fewRows))
			planned, reached := 0, 0
			for range faultNumber(t, "CONNECTOR_FAULT_ROUNDS", 1) {
				for _, m := range misfortunes() {
					for _, mode := range []string{"replace", "delta"} {
						if m.spread && !spread {
							continue
						}
						planned++
						if t.Run(m.name+"/"+mode, func(t *testing.T) { s.suffer(t, m, mode) }) {
							reached++
						}
					}
				}
			}
			t.Logf("%d planned misfortunes of pushes of %d rows, %d came and left the table exact", planned, s.rows, reached)
			require.Equal(t, planned, reached)
		})
	}
}

// suffer does one round.
func (s *site) suffer(t *testing.T, m misfortune, mode string) {
	defer s.sim.ClearFaults()
	s.login()
	began := time.Now()
	table := s.newTable()
	here := *s
	here.stand = s.on(t)
	here.program.t = s.t // a process started here serves the next round
	r := &round{site: &here, mode: mode, table: table}
	flow := here.flow(s.fileID, table, mode)
	strike := m.arm(r)
	run := here.client.Start(flow)
	defer func() { s.api, s.worker = here.api, here.worker }() // whatever strike does, and where it ends
	strike()
	ended := here.client.For(t).AwaitEnd(run.ID)
	apptest.RequireWhole(t, ended, int64(s.rows))
	have := s.sim.MustTable(table)
	require.Equal(t, s.rows, have.Rows())
	require.Equal(t, s.hash, have.Hash(), "the table's values are not those of an undisturbed push")
	require.Equal(t, 1, have.Jobs(), "more than one push job was executed")
	for _, f := range s.sim.Faults() {
		require.Equal(t, f.Times, f.Struck, "the planned fault %+v was not reached", f)
	}
	t.Logf("exact after %d attempts and %s", ended.Attempt, time.Since(began).Round(time.Millisecond))
}

// Each of many big pushes loses its worker at a moment of its own:
// CONNECTOR_FAULT_KILLS=100 CONNECTOR_FAULT_ROWS=1000000 is the full proof.
func TestManyKills(t *testing.T) {
	kills := faultNumber(t, "CONNECTOR_FAULT_KILLS", 0)
	if kills == 0 {
		t.Skip("CONNECTOR_FAULT_KILLS is not set")
	}
	seed := faultNumber(t, "CONNECTOR_FAULT_SEED", int(time.Now().UnixNano()&0xffffffff))
	t.Logf("CONNECTOR_FAULT_SEED=%d repeats this run", seed)
	s := newSite(t, true, rand.New(rand.NewPCG(uint64(seed), 2)))
	s.load(faultNumber(t, "CONNECTOR_FAULT_ROWS", manyRows))
	began := time.Now()
	deaths := []misfortune{{name: "at a byte", arm: dieAtByte}, {name: "at a request", arm: dieAtRequest}}
	exact := 0
	for i := range kills {
		m, mode := deaths[i%2], []string{"replace", "delta"}[i/2%2]
		if t.Run(fmt.Sprintf("%d %s/%s", i+1, m.name, mode), func(t *testing.T) { s.suffer(t, m, mode) }) {
			exact++
		}
	}
	t.Logf("%d kills of pushes of %d rows, %d exact, in %s", kills, s.rows, exact, time.Since(began).Round(time.Second))
	require.Equal(t, kills, exact)
}
