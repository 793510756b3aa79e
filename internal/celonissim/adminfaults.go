package celonissim

import (
	"net/http"
	"time"
)

// faultDocument is a Fault in the admin API: times in milliseconds.
type faultDocument struct {
	ID           string      `json:"id"`
	Method       string      `json:"method,omitempty"`
	Path         string      `json:"path,omitempty"`
	Route        string      `json:"route,omitempty"`
	Credential   string      `json:"credential,omitempty"`
	Table        string      `json:"table,omitempty"`
	Probability  float64     `json:"probability,omitempty"`
	Skip         int         `json:"skip,omitempty"`
	Times        int         `json:"times,omitempty"`
	DelayMs      int64       `json:"delayMs,omitempty"`
	ReadRate     int64       `json:"readRate,omitempty"`
	Status       int         `json:"status,omitempty"`
	Body         BodyFamily  `json:"body,omitempty"`
	Early        bool        `json:"early,omitempty"`
	Headers      RateHeaders `json:"headers,omitempty"`
	WaitMs       int64       `json:"waitMs,omitempty"`
	Cut          Cut         `json:"cut,omitempty"`
	Duplicate    bool        `json:"duplicate,omitempty"`
	SlowAnswerMs int64       `json:"slowAnswerMs,omitempty"`
	JobError     string      `json:"jobError,omitempty"`
	JobStuck     bool        `json:"jobStuck,omitempty"`
	JobDelayMs   int64       `json:"jobDelayMs,omitempty"`
	// Matched and Struck are answered only.
	Matched int `json:"matched"`
	Struck  int `json:"struck"`
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func (d faultDocument) fault() Fault {
	return Fault{
		ID: d.ID, Method: d.Method, Path: d.Path, Route: d.Route, Credential: d.Credential, Table: d.Table,
		Probability: d.Probability, Skip: d.Skip, Times: d.Times, Delay: ms(d.DelayMs), ReadRate: d.ReadRate,
		Status: d.Status, Body: d.Body, Early: d.Early, Headers: d.Headers, Wait: ms(d.WaitMs), Cut: d.Cut,
		Duplicate: d.Duplicate, SlowAnswer: ms(d.SlowAnswerMs),
		JobError: d.JobError, JobStuck: d.JobStuck, JobDelay: ms(d.JobDelayMs),
	}
}

func (f FaultState) document() faultDocument {
	return faultDocument{
		ID: f.ID, Method: f.Method, Path: f.Path, Route: f.Route, Credential: f.Credential, Table: f.Table,
		Probability: f.Probability, Skip: f.Skip, Times: f.Times, DelayMs: f.Delay.Milliseconds(), ReadRate: f.ReadRate,
		Status: f.Status, Body: f.Body, Early: f.Early, Headers: f.Headers, WaitMs: f.Wait.Milliseconds(), Cut: f.Cut,
		Duplicate: f.Duplicate, SlowAnswerMs: f.SlowAnswer.Milliseconds(),
		JobError: f.JobError, JobStuck: f.JobStuck, JobDelayMs: f.JobDelay.Milliseconds(), Matched: f.Matched, Struck: f.Struck,
	}
}

// problemOf says what is wrong with a fault, or "".
func (d faultDocument) problemOf() string {
	f := d.fault()
	acts := f.Delay > 0 || f.ReadRate > 0 || f.Status != 0 || f.Cut != "" || f.Duplicate || f.SlowAnswer > 0 ||
		f.JobError != "" || f.JobStuck || f.JobDelay > 0
	switch {
	case !acts:
		return "a fault must do something"
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return "status must be between 200 and 599"
	case f.Probability < 0 || f.Probability > 1:
		return "probability must be between 0 and 1"
	}
	switch f.Cut {
	case "", CutBeforeBody, CutMidBody, CutBeforeAnswer, CutMidAnswer:
		return ""
	default:
		return "cut must be beforeBody, midBody, beforeAnswer or midAnswer"
	}
}

func (s *Server) adminAddFault(w http.ResponseWriter, r *http.Request) {
	var d faultDocument
	if !readStrict(w, r, &d) {
		return
	}
	if problem := d.problemOf(); problem != "" {
		writeText(w, http.StatusBadRequest, problem+"\n")
		return
	}
	d.ID = s.AddFault(d.fault())
	writeJSON(w, http.StatusCreated, d)
}

func (s *Server) adminListFaults(w http.ResponseWriter, _ *http.Request) {
	list := []faultDocument{}
	for _, f := range s.Faults() {
		list = append(list, f.document())
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) adminClearFaults(w http.ResponseWriter, _ *http.Request) {
	s.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) adminRemoveFault(w http.ResponseWriter, r *http.Request) {
	if !s.RemoveFault(r.PathValue("id")) {
		writeText(w, http.StatusNotFound, "no such fault\n")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
