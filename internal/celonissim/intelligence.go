package celonissim

import (
	"net/http"
	"strconv"
)

// defaultPageSize is the Intelligence API's page size where none is asked for.
const defaultPageSize = 50

// routeIntelligence adds the list of knowledge models.
func (s *Server) routeIntelligence(rt *router) {
	rt.handle("intelligence.models", "GET /intelligence/api/knowledge-models",
		needs(APIIntelligence, func(c *Credential) bool { return c.Intelligence }, s.listKnowledgeModels))
}

type modelItem struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Published string `json:"published"`
}

// published is the publishing date of every simulated model.
const published = "2024-01-15 08:00:00"

func (s *Server) listKnowledgeModels(w http.ResponseWriter, r *http.Request, c caller) {
	page, ok := queryInt(r, "page", 0, 0)
	size, sizeOK := queryInt(r, "pageSize", defaultPageSize, 1)
	if !ok || !sizeOK {
		writeProblem(w, problem{
			Title: "Bad Request", Status: http.StatusBadRequest, ErrorCode: "INVALID_PARAMETER",
			Detail: "page and pageSize must be whole numbers, page from 0 and pageSize from 1.",
		})
		return
	}
	items := []modelItem{}
	for _, m := range window(c.team.models, page*size, size) {
		items = append(items, modelItem{m.ID, m.Name, published})
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"page": page, "pageSize": size, "total": len(items), "sort": r.URL.Query().Get("sort"), "content": items,
	})
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
