package main

import (
	"net/http"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
)

// dieAtRequest kills the worker while a request is on its way; then Celonis
// does what the dead worker asked for, or never hears of it.
func dieAtRequest(r *round) func() {
	m := moments[r.rng.IntN(len(moments))]
	if m.route == apptest.Upload {
		m.n = 1 + r.rng.IntN(r.chunks)
	}
	trap := r.trap(m, r.table)
	return func() {
		r.t.Helper()
		apptest.Receive(r.t, trap.Came(), m.name)
		if !m.executed {
			r.sim.RequireNoTable(r.table)
		}
		if r.rng.IntN(2) == 0 {
			trap.Release()
		}
		r.die()
		trap.Release()
		r.revive()
	}
}

func dieAtByte(r *round) func() {
	stop := r.wire.stopAfter(r.somewhere())
	return func() {
		r.t.Helper()
		r.stopAt(stop)
		r.die(stop)
		r.revive()
	}
}

// dieTwice kills the successor as soon as it says anything to Celonis.
func dieTwice(r *round) func() {
	stop := r.wire.stopAfter(r.somewhere())
	return func() {
		r.t.Helper()
		r.stopAt(stop)
		r.die(stop)
		const lessThanAnyRequest = 200
		next := r.wire.stopAfter(r.rng.Int64N(lessThanAnyRequest))
		r.revive()
		r.stopAt(next)
		r.die(next)
		r.revive()
	}
}

func cutAtByte(r *round) func() {
	stop := r.wire.stopAfter(r.somewhere())
	return func() {
		r.t.Helper()
		r.stopAt(stop)
		stop.cut()
	}
}

// onSomeRequest gives a fault the route and the request that it strikes.
func (r *round) onSomeRequest(f celonissim.Fault) celonissim.Fault {
	routes := []string{apptest.Create, apptest.Upload, apptest.Upload, apptest.Submit, apptest.Get}
	f.Route = routes[r.rng.IntN(len(routes))]
	if f.Route == apptest.Upload {
		f.Skip = r.rng.IntN(r.chunks)
	}
	if f.Route != apptest.Create {
		f.Table = r.table
	}
	if f.Times == 0 {
		f.Times = 1
	}
	return f
}

// add switches a fault on; the round's end demands that it struck.
func (r *round) add(f celonissim.Fault) func() {
	r.t.Logf("%+v", f)
	r.sim.AddFault(f)
	return func() {}
}

func cutAnswer(r *round) func() {
	cuts := []celonissim.Cut{celonissim.CutBeforeBody, celonissim.CutMidBody, celonissim.CutBeforeAnswer, celonissim.CutMidAnswer}
	return r.add(r.onSomeRequest(celonissim.Fault{Cut: cuts[r.rng.IntN(len(cuts))]}))
}

func refuse(r *round) func() {
	statuses := []int{
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	return r.add(r.onSomeRequest(celonissim.Fault{
		Status: statuses[r.rng.IntN(len(statuses))], Early: r.rng.IntN(2) == 0, Times: 1 + r.rng.IntN(2),
	}))
}

// tooSlow lets an answer come after the connection's time for it is over. A
// chunk has minutes, which no test waits for.
func tooSlow(r *round) func() {
	f := celonissim.Fault{Delay: faultTimeout + time.Second, Times: 1}
	f.Route = []string{apptest.Create, apptest.Submit, apptest.Get}[r.rng.IntN(3)]
	if f.Route != apptest.Create {
		f.Table = r.table
	}
	return r.add(f)
}

// chunkTwice repeats a chunk on its way, as a proxy may that lost the answer.
func chunkTwice(r *round) func() {
	return r.add(celonissim.Fault{Route: apptest.Upload, Table: r.table, Skip: r.rng.IntN(r.chunks), Times: 1, Duplicate: true})
}

func requestTwice(r *round) func() {
	f := celonissim.Fault{Route: []string{apptest.Create, apptest.Submit, apptest.Get}[r.rng.IntN(3)], Times: 1, Duplicate: true}
	if f.Route != apptest.Create {
		f.Table = r.table
	}
	return r.add(f)
}

// atByte does something to a server at a byte, and lets the push go on.
func (r *round) atByte(hurt func()) func() {
	stop := r.wire.stopAfter(r.somewhere())
	return func() {
		r.t.Helper()
		r.stopAt(stop)
		hurt()
		stop.goOn()
	}
}

func flushRedis(r *round) func() { return r.atByte(r.redis.Flush) }

func loseRedis(r *round) func() {
	strike := r.atByte(r.redis.Kill)
	return func() { strike(); r.outage(); r.redis.Restart() }
}

func losePostgres(r *round) func() {
	strike := r.atByte(r.postgres.Kill)
	return func() { strike(); r.outage(); r.postgres.Restart() }
}

func losePostgresAndWorker(r *round) func() {
	strike := r.atByte(func() { r.postgres.Kill(); r.worker.kill() })
	return func() { strike(); r.wire.hangUp(); r.postgres.Restart(); r.revive() }
}

// outage is how long a server stays away: up to three leases.
func (r *round) outage() { <-time.After(time.Duration(r.rng.Int64N(int64(3 * time.Second)))) }
