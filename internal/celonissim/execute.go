package celonissim

import (
	"errors"
	"fmt"
	"time"
)

var errJobGone = errors.New("the job was deleted")

// queue moves a submitted job to QUEUED and starts its way. Jobs of one table
// run one after the other, in the order of their submits. The server's mutex is held.
func (s *Server) queue(p *pool, j *job, now time.Time) {
	j.status = statusQueued
	j.say(now, "Execution is requested, status changes to QUEUED.")
	if j.fault.stuck || s.ctx.Err() != nil {
		return
	}
	key := j.table()
	before, done := p.tails[key], make(chan struct{})
	p.tails[key] = done
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer close(done)
		s.tellJob(p, j)
		if before != nil {
			select {
			case <-before:
			case <-s.ctx.Done():
				return
			}
		}
		s.run(p, j)
	}()
}

// run takes a job from QUEUED to its end.
func (s *Server) run(p *pool, j *job) {
	if !s.settle(s.opts.QueueDelay) || !s.reach(p, j, statusRunning, "Starting execution, status changes to RUNNING.") {
		return
	}
	if !s.settle(s.opts.RunDelay + j.fault.delay) {
		return
	}
	started := time.Now()
	err := s.load(p, j)
	defer j.dropFiles()
	switch {
	case errors.Is(err, errJobGone) || s.ctx.Err() != nil:
	case err != nil:
		s.log.Debug("push job failed", "job", j.id, "table", j.target, "error", err)
		s.reach(p, j, statusError, "Execution failed: "+err.Error())
	default:
		s.log.Debug("push job done", "job", j.id, "table", j.target, "rows", j.rows, "took", time.Since(started))
		s.reach(p, j, statusDone, fmt.Sprintf("Execution finished, %d rows were processed.", j.rows))
	}
}

// reach sets a status, unless the job is gone.
func (s *Server) reach(p *pool, j *job, status, line string) bool {
	s.mu.Lock()
	gone := j.gone
	if !gone {
		j.status = status
		j.say(s.now(), line)
	}
	s.mu.Unlock()
	if !gone {
		s.tellJob(p, j)
	}
	return !gone
}

func (s *Server) tellJob(p *pool, j *job) {
	if s.opts.OnJob == nil {
		return
	}
	s.mu.Lock()
	e := JobEvent{Pool: p.id, Job: j.id, Table: j.target, Status: j.status, Logs: append([]string(nil), j.logs...)}
	s.mu.Unlock()
	s.opts.OnJob(e)
}

// load reads the chunks into the table. The table changes at the very end,
// all at once, and not at all after an error.
func (s *Server) load(p *pool, j *job) error {
	if j.fault.err != "" {
		return errors.New(j.fault.err)
	}
	s.mu.Lock()
	old := p.tables[j.table()]
	s.mu.Unlock()
	l := &loader{server: s, job: j, old: old}
	if err := l.load(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.gone {
		return errJobGone
	}
	if old == nil {
		old = &table{key: j.table()}
		p.tables[j.table()] = old
	}
	j.rows = l.rows
	old.snap, old.index = l.txn.snap, l.txn.index
	old.bytes += j.bytes()
	old.jobs++
	return nil
}
