package celonissim

import "net/http"

// adminSetSCIM replaces the switches of the first team's SCIM API.
func (s *Server) adminSetSCIM(w http.ResponseWriter, r *http.Request) {
	var o SCIM
	if readStrict(w, r, &o) {
		s.SetSCIM(func(now *SCIM) { *now = o })
		w.WriteHeader(http.StatusNoContent)
	}
}

// adminSCIM answers all users, groups, what persons were sent, and the writes by kind.
func (s *Server) adminSCIM(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"users": s.SCIMUsers(), "groups": s.SCIMGroups(), "persons": s.SCIMPersons(), "writes": s.SCIMWrites(),
	})
}

// adminAddSCIM adds users or groups of an array of objects.
func (s *Server) adminAddSCIM(w http.ResponseWriter, r *http.Request) {
	var list []map[string]any
	kind := map[string]string{"users": userType, "groups": groupType}[r.PathValue("list")]
	if kind == "" {
		writeText(w, http.StatusNotFound, "no such list\n")
		return
	}
	if !readStrict(w, r, &list) {
		return
	}
	ids := []string{}
	for _, attributes := range list {
		id, wrong := s.tryAddSCIM(kind, attributes)
		if wrong != nil {
			writeText(w, http.StatusBadRequest, wrong.detail+"\n")
			return
		}
		ids = append(ids, id)
	}
	writeJSON(w, http.StatusCreated, map[string]any{"ids": ids})
}
