package celonissim

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The names of the routes of data jobs and data model loads.
const (
	routeJobExecute = "jobs.execute"
	routeJobStatus  = "jobs.status"
	routeModelLoad  = "models.load"
	routeModelInfo  = "models.loadInfo"
)

// execution is one run of a data job, or one load of a data model. QueueDelay
// and RunDelay, and the JobError, JobStuck and JobDelay of faults, shape it as
// they shape push jobs.
type execution struct {
	id, status, mode, message string
	tables                    []string
	started, ended            time.Time
}

// Execution is a data job's execution, or a data model's load, as the server has it.
type Execution struct {
	// Of is the data job's or data model's id.
	Of, ID, Status, Mode string
	// Tables are the ids of a partial load.
	Tables []string
}

// Executions gives what was started in a pool, oldest first of each data job and model.
func (s *Server) Executions(pool string) []Execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Execution
	if p := s.findPool(pool); p != nil {
		for _, list := range [][]Named{p.dataJobs, p.dataModels} {
			for _, n := range list {
				for _, e := range p.executions[n.ID] {
					out = append(out, Execution{Of: n.ID, ID: e.id, Status: e.status, Mode: e.mode, Tables: e.tables})
				}
			}
		}
	}
	return out
}

func (s *Server) routeDataJobs(rt *router) {
	const (
		public = "/integration/api/v2/data-pools/{pool}/data-jobs/{id}/execute"
		load   = "/integration/api/v1/data-pools/{pool}/data-models/{id}/load"
		pools  = "/integration/api/pools/{pool}"
	)
	read := func(h guarded) guarded {
		return needs(APIIntegration, func(c *Credential) bool { return c.ListPools }, h)
	}
	manage := func(h guarded) guarded {
		return needs(APIIntegration, func(c *Credential) bool { return c.ManagePools }, h)
	}
	rt.handle(routeJobExecute, "POST "+public, manage(s.executeDataJob))
	rt.handle(routeModelLoad, "POST "+load, manage(s.loadModel(false)))
	rt.handle(routeModelLoad, "POST "+load+"/partial-sync", manage(s.loadModel(true)))
	rt.handle(routeJobStatus, "GET "+pools+"/logs/status", read(s.readPool(s.jobStatus)))
	rt.handle(routeModelInfo, "GET "+pools+"/data-models/{id}/load-history/load-info-sync", read(s.readPool(s.loadInfo)))
}

func (s *Server) executeDataJob(w http.ResponseWriter, r *http.Request, c caller) {
	mode := r.URL.Query().Get("mode")
	if mode == "" {
		mode = "DELTA"
	}
	if mode != "FULL" && mode != "DELTA" {
		writeInvalid(w, invalid("mode", "mode.invalid", "must be FULL or DELTA"))
		return
	}
	s.startExecution(w, r, c, &execution{mode: mode}, func(p *pool) []Named { return p.dataJobs })
}

func (s *Server) loadModel(partial bool) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		e := &execution{mode: "COMPLETE"}
		if partial {
			e.mode = "PARTIAL"
			if !readJSON(w, r, &e.tables) {
				return
			}
			if len(e.tables) == 0 {
				writeInvalid(w, invalid("tables", "tables.required", "must name at least one table"))
				return
			}
		}
		s.startExecution(w, r, c, e, func(p *pool) []Named { return p.dataModels })
	}
}

// startExecution starts e for the job or model that the path names, one of those that of lists.
func (s *Server) startExecution(w http.ResponseWriter, r *http.Request, c caller, e *execution, of func(*pool) []Named) {
	id, shape := r.PathValue("id"), note(r).job
	s.mu.Lock()
	p := c.team.pool(r.PathValue("pool"))
	ok := false
	if p != nil {
		_, ok = findNamed(of(p), id)
	}
	if ok {
		e.id, e.status, e.started = uuid.NewString(), "QUEUED", s.now()
		if strings.HasPrefix(r.Pattern, "POST /integration/api/v1/data-pools/") {
			e.status = "RUNNING"
		}
		p.executions[id] = append(p.executions[id], e)
		s.later(p, tableKey{"execution", id}, s.opts.QueueDelay, func() { s.execute(e, shape) })
	}
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

// execute takes an execution to its end.
func (s *Server) execute(e *execution, shape jobFault) {
	s.mu.Lock()
	e.status = "RUNNING"
	s.mu.Unlock()
	if shape.stuck || !s.settle(s.opts.RunDelay+shape.delay) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.ended, e.status, e.message = s.now(), "SUCCESS", shape.err
	isLoad := e.mode == "COMPLETE" || e.mode == "PARTIAL"
	switch {
	case shape.err == "":
	case isLoad && strings.HasPrefix(shape.err, "WARNING"):
		e.status = "WARNING"
	case isLoad:
		e.status = "ERROR"
	default:
		e.status = "FAIL"
	}
}

func (p *pool) latest(id string) *execution {
	list := p.executions[id]
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

func (s *Server) jobStatus(_ *http.Request, _ *team, p *pool) reply {
	type document struct {
		ID                     string `json:"id"`
		Status                 string `json:"status"`
		LastExecutionStartDate int64  `json:"lastExecutionStartDate"`
	}
	list := []document{}
	for _, n := range p.dataJobs {
		if e := p.latest(n.ID); e != nil {
			list = append(list, document{n.ID, e.status, e.started.UnixMilli()})
		}
	}
	return found(list)
}

func (s *Server) loadInfo(r *http.Request, _ *team, p *pool) reply {
	n, ok := findNamed(p.dataModels, r.PathValue("id"))
	if !ok {
		return reply{status: http.StatusNotFound}
	}
	type load struct {
		DataLoadID  string `json:"dataLoadId"`
		DataModelID string `json:"dataModelId"`
		StartDate   int64  `json:"startDate"`
		EndDate     *int64 `json:"endDate"`
		LoadStatus  string `json:"loadStatus"`
		Message     string `json:"message"`
		LoadType    string `json:"loadType"`
	}
	type info struct {
		Current *load `json:"currentComputeLoad"`
	}
	var current *load
	if e := p.latest(n.ID); e != nil {
		current = &load{DataLoadID: e.id, DataModelID: n.ID, StartDate: e.started.UnixMilli(), LoadStatus: e.status, Message: e.message, LoadType: e.mode}
		if !e.ended.IsZero() {
			at := e.ended.UnixMilli()
			current.EndDate = &at
		}
	}
	return found(map[string]any{"loadInfo": info{current}, "loadHistory": map[string]any{"dataLoadHistory": []any{}}})
}
