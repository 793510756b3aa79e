package celonissim

import (
	"net/http"
	"slices"
)

// adminAddRecords adds the records of a body, an array of objects, to a list of the admin export APIs.
func (s *Server) adminAddRecords(w http.ResponseWriter, r *http.Request) {
	list := AdminExport(r.PathValue("list"))
	if !slices.Contains([]AdminExport{AuditEvents, LoginEvents, AdoptionEvents, TeamMembers, CelonisMembers, Permissions}, list) {
		writeText(w, http.StatusNotFound, "no such list\n")
		return
	}
	var records []map[string]any
	if readStrict(w, r, &records) {
		s.AddAdmin(list, records...)
		writeJSON(w, http.StatusCreated, map[string]int{"added": len(records)})
	}
}

// adminSetAnswers is SetAdmin.
func (s *Server) adminSetAnswers(w http.ResponseWriter, r *http.Request) {
	var answers AdminAnswers
	if readStrict(w, r, &answers) {
		s.SetAdmin(answers)
		w.WriteHeader(http.StatusNoContent)
	}
}

// adminSetPQL is SetPQL.
func (s *Server) adminSetPQL(w http.ResponseWriter, r *http.Request) {
	var answers PQLAnswers
	if readStrict(w, r, &answers) {
		s.SetPQL(answers)
		w.WriteHeader(http.StatusNoContent)
	}
}
