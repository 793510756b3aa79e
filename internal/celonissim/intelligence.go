package celonissim

import (
	"net/http"
	"strconv"
)

// defaultPageSize is the Intelligence API's page size where none is asked for.
const defaultPageSize = 50

// routeIntelligence adds the lists of the Intelligence API: knowledge models,
// what is in them, and their triggers.
func (s *Server) routeIntelligence(rt *router) {
	const models = "/intelligence/api/knowledge-models"
	read := func(h guarded) guarded {
		return needs(APIIntelligence, func(c *Credential) bool { return c.Intelligence }, h)
	}
	rt.handle("intelligence.models", "GET "+models, read(s.listKnowledgeModels))
	rt.handle("intelligence.model", "GET "+models+"/{km}", read(s.readModel(getKnowledgeModel)))
	rt.handle("intelligence.filters", "GET "+models+"/{km}/filters", read(s.readModel(s.listFilters)))
	rt.handle("intelligence.records", "GET "+models+"/{km}/records", read(s.readModel(s.listRecords)))
	rt.handle("intelligence.record", "GET "+models+"/{km}/records/{record}", read(s.readModel(getRecord)))
	rt.handle("intelligence.kpis", "GET "+models+"/{km}/kpis", read(s.readModel(s.listKPIs)))
	rt.handle("intelligence.triggers", "GET "+models+"/{km}/triggers", read(s.readModel(s.listTriggers)))
	s.routeKnowledgeData(rt)
	rt.handle("intelligence.trigger", "GET "+models+"/{km}/triggers/{trigger}", read(s.readModel(getTrigger)))
}

type modelItem struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Published string `json:"published"`
}

// defaultPublished is the publishing date of a model that names none.
const defaultPublished = "2024-01-15 08:00:00"

func (s *Server) listKnowledgeModels(w http.ResponseWriter, r *http.Request, c caller) {
	writeList(s, w, r, c.team.models, func(m KnowledgeModel) modelItem {
		return modelItem{m.ID, m.Name, orText(m.Published, defaultPublished)}
	})
}

// The error codes of the Intelligence API; the misspelling of the first is the platform's.
const (
	codeParameterType    = "GENERAL_PARAMETER_MISSMATCH"
	codeParameterIllegal = "GENERAL_PARAMETER_ILLEGAL"
	codeModelUnknown     = "KM_MODEL_NOTFOUND"
	codeRecordUnknown    = "KM_RECORD_NOTFOUND"
	codeTriggerUnknown   = "SUBSCRIPTION_TRIGGER_NOTFOUND"
)

// listEnvelope is a page of a list.
type listEnvelope[T any] struct {
	Page     int    `json:"page"`
	PageSize int    `json:"pageSize"`
	Total    int    `json:"total"`
	Sort     string `json:"sort"`
	Content  []T    `json:"content"`
}

// writeList answers the page of a list that a request asks for. A page size
// above the license's is capped or refused, as Answers chooses.
func writeList[S, T any](s *Server, w http.ResponseWriter, r *http.Request, all []S, view func(S) T) {
	page, size, ok := s.pageOf(w, r)
	if !ok {
		return
	}
	items := []T{}
	for _, one := range window(all, page*size, size) {
		items = append(items, view(one))
	}
	writeJSON(w, http.StatusOK, listEnvelope[T]{page, size, len(items), r.URL.Query().Get("sort"), items})
}

// pageOf reads page and pageSize, or answers 400 and says no.
func (s *Server) pageOf(w http.ResponseWriter, r *http.Request) (page, size int, ok bool) {
	for _, each := range []struct {
		name      string
		or, least int
		to        *int
	}{{"page", 0, 0, &page}, {"pageSize", min(defaultPageSize, s.opts.Limits.PageSize), 1, &size}} {
		raw := r.URL.Query().Get(each.name)
		if _, err := strconv.Atoi(raw); raw != "" && err != nil {
			writeBadParameter(w, codeParameterType, each.name+" must be a whole number.")
			return 0, 0, false
		}
		if *each.to, ok = queryInt(r, each.name, each.or, each.least); !ok {
			writeBadParameter(w, codeParameterIllegal, each.name+" must be at least "+strconv.Itoa(each.least)+".")
			return 0, 0, false
		}
	}
	if most := s.opts.Limits.PageSize; size > most {
		if s.opts.Answers.LargePages == LargePagesRefused {
			writeBadParameter(w, codeParameterIllegal, "pageSize must be at most "+strconv.Itoa(most)+".")
			return 0, 0, false
		}
		size = most
	}
	return page, size, true
}

func writeBadParameter(w http.ResponseWriter, code, detail string) {
	writeProblem(w, problem{Title: "Bad Request", Status: http.StatusBadRequest, ErrorCode: code, Detail: detail})
}

func writeNotFound(w http.ResponseWriter, code, detail string) {
	writeProblem(w, problem{Title: "Not Found", Status: http.StatusNotFound, ErrorCode: code, Detail: detail})
}

// queryInt reads a whole number of at least least; an absent one is or.
func queryInt(r *http.Request, name string, or, least int) (int, bool) {
	raw := r.URL.Query().Get(name)
	if raw == "" {
		return or, true
	}
	n, err := strconv.Atoi(raw)
	return n, err == nil && n >= least
}

// window is the part of a list from an offset on, at most limit long.
func window[T any](list []T, offset, limit int) []T {
	from := min(max(0, offset), len(list))
	return list[from:min(from+limit, len(list))]
}
