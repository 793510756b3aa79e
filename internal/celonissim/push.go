package celonissim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// The names of the Data Push routes in journal, counters and faults.
const (
	routeCreate = "push.jobs.create"
	routeList   = "push.jobs.list"
	routeGet    = "push.jobs.get"
	routeSubmit = "push.jobs.submit"
	routeRemove = "push.jobs.delete"
	routeUpsert = "push.chunks.upsert"
	routeDelete = "push.chunks.delete"
	routeChunks = "push.chunks.list"
)

// maxJobBody is the largest JSON body taken.
const maxJobBody = 16 << 20

// routePush adds both generations of the Data Push API.
func (s *Server) routePush(rt *router) {
	prefixes := []struct {
		service string
		off     bool
	}{{"/integration", s.opts.Answers.NoOldPath}, {"/data-ingestion", s.opts.Answers.NoNewPath}}
	for _, p := range prefixes {
		if p.off {
			continue
		}
		jobs := p.service + "/api/v1/data-push/{pool}/jobs"
		one := jobs + "/{job}"
		rt.handle(routeCreate, "POST "+jobs, s.pushPool(s.createJob))
		rt.handle(routeList, "GET "+jobs, s.pushPool(s.listJobs))
		rt.handle(routeGet, "GET "+one, s.pushJob(s.getJob))
		rt.handle(routeSubmit, "POST "+one, s.pushJob(s.submitJob))
		rt.handle(routeRemove, "DELETE "+one, s.pushJob(s.deleteJob))
		rt.handle(routeUpsert, "POST "+one+"/chunks/upserted", s.pushJob(s.addChunk(chunkUpsert)))
		rt.handle(routeDelete, "POST "+one+"/chunks/deleted", s.pushJob(s.addChunk(chunkDelete)))
		rt.handle(routeChunks, "GET "+one+"/chunks", s.pushJob(s.listChunks))
	}
}

// onPool handles a request for a pool that exists and that the caller may push to.
type onPool func(w http.ResponseWriter, r *http.Request, t *team, p *pool)

// onJob handles a request for a job of such a pool.
type onJob func(w http.ResponseWriter, r *http.Request, t *team, p *pool, j *job)

func (s *Server) pushPool(h onPool) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		if !c.has(APIDataPush) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		id := r.PathValue("pool")
		s.mu.Lock()
		p := c.team.pool(id)
		s.mu.Unlock()
		switch {
		case p == nil:
			s.notFound(w, "poolId")
		case !c.mayPush(p.id):
			writeForbidden(w)
		default:
			h(w, r, c.team, p)
		}
	}
}

func (s *Server) pushJob(h onJob) guarded {
	return s.pushPool(func(w http.ResponseWriter, r *http.Request, t *team, p *pool) {
		s.mu.Lock()
		j := p.job(r.PathValue("job"))
		s.mu.Unlock()
		if j == nil {
			s.notFound(w, "id")
			return
		}
		h(w, r, t, p, j)
	})
}

func (s *Server) notFound(w http.ResponseWriter, attribute string) {
	if s.opts.Answers.NotFound == BodyValidation {
		writeJSON(w, http.StatusNotFound, validationErrors{Errors: []validationItem{
			invalid(attribute, attribute+".notFound", "not found"),
		}})
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// readJSON reads a JSON body, or answers 400 and says no.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxJobBody))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		writeInvalid(w, invalid("body", "body.invalid", "not a readable JSON body: "+err.Error()))
		return false
	}
	return true
}

func (s *Server) createJob(w http.ResponseWriter, r *http.Request, _ *team, p *pool) {
	var doc jobDocument
	if !readJSON(w, r, &doc) {
		return
	}
	s.mu.Lock()
	bad := doc.check(p)
	s.mu.Unlock()
	if len(bad) > 0 {
		writeInvalid(w, bad...)
		return
	}
	j := newJob(doc, s.now())
	if j.isCSV() {
		// check has found the options to be readable.
		j.csv, _ = newCSVFormat(doc.CSVParsingOptions)
	}
	s.mu.Lock()
	p.jobs = append(p.jobs, j)
	answer := j.document(p)
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, answer)
	s.tellJob(p, j)
}

func (s *Server) listJobs(w http.ResponseWriter, _ *http.Request, _ *team, p *pool) {
	s.mu.Lock()
	list := make([]jobDocument, 0, len(p.jobs))
	for _, j := range p.jobs {
		list = append(list, j.document(p))
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) getJob(w http.ResponseWriter, _ *http.Request, _ *team, p *pool, j *job) {
	s.mu.Lock()
	answer := j.document(p)
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, answer)
}

// deleteJob forgets a job in any status; one under way is abandoned.
func (s *Server) deleteJob(w http.ResponseWriter, _ *http.Request, _ *team, p *pool, j *job) {
	s.mu.Lock()
	j.gone = true
	for i, other := range p.jobs {
		if other == j {
			p.jobs = append(p.jobs[:i:i], p.jobs[i+1:]...)
			break
		}
	}
	idle := j.status != statusRunning
	s.mu.Unlock()
	if idle {
		j.dropFiles()
	}
	w.WriteHeader(http.StatusOK)
}

// submitJob answers 409 for a job that is not NEW and 429 when the team's
// submits are used up; a refused submit does not count.
func (s *Server) submitJob(w http.ResponseWriter, r *http.Request, t *team, p *pool, j *job) {
	if err := drainSubmit(r); err != nil {
		writeInvalid(w, invalid("body", "body.invalid", err.Error()))
		return
	}
	now := s.now()
	s.mu.Lock()
	status := j.status
	var rate rateState
	if status == statusNew {
		if rate = t.limiter.take(now); rate.ok {
			j.order, j.fault = r.URL.Query().Get("duplicateRemovalColumn"), note(r).job
			s.queue(p, j, now)
		}
	}
	s.mu.Unlock()
	switch {
	case status != statusNew:
		writeProblem(w, problem{
			Title: "Conflict", Status: http.StatusConflict, ErrorCode: "DATA_PUSH_JOB_STATUS_CONFLICT",
			Detail: "The data push job cannot be executed because its status is " + status + ".",
		})
	case !rate.ok:
		writeRateExceeded(w, s.opts.Answers.RateHeaders, rate, now)
	default:
		setRateHeaders(w.Header(), s.opts.Answers.RateHeaders, rate, now)
		w.WriteHeader(http.StatusOK)
	}
}

// drainSubmit reads the body of a submit: nothing, null or any object.
func drainSubmit(r *http.Request) error {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxJobBody))
	if err != nil {
		return err
	}
	var any map[string]json.RawMessage
	if len(data) > 0 && json.Unmarshal(data, &any) != nil {
		return errors.New("the body of a submit must be empty, null or an object")
	}
	return nil
}
