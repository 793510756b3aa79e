package celonissim

import (
	"net/http"
	"slices"
	"strings"
)

// routePools adds the part of the integration service that pickers read.
func (s *Server) routePools(rt *router) {
	const pools = "/integration/api/pools"
	read := func(h guarded) guarded {
		return needs(APIIntegration, func(c *Credential) bool { return c.ListPools }, h)
	}
	manage := func(h guarded) guarded {
		return needs(APIIntegration, func(c *Credential) bool { return c.ManagePools }, h)
	}
	rt.handle("pools.list", "GET "+pools, read(s.listPools))
	rt.handle("pools.paged", "GET "+pools+"/paged", read(s.pagePools))
	rt.handle("pools.create", "POST "+pools, manage(s.createPool))
	rt.handle("pools.get", "GET "+pools+"/{pool}", read(s.readPool(s.getPool)))
	rt.handle("pools.update", "PUT "+pools+"/{pool}", manage(s.updatePool))
	rt.handle("pools.delete", "DELETE "+pools+"/{pool}", manage(s.readPool(s.deletePool)))
	rt.handle("pools.tables", "GET "+pools+"/{pool}/tables", read(s.readPool(s.listTables)))
	rt.handle("pools.columns", "GET "+pools+"/{pool}/columns", read(s.readPool(s.listColumns)))
	rt.handle("pools.sources", "GET "+pools+"/{pool}/data-sources", read(s.readPool(s.listSources)))
	rt.handle("pools.source", "GET "+pools+"/{pool}/data-sources/{id}", read(s.readPool(s.getSource)))
	rt.handle("pools.models", "GET "+pools+"/{pool}/data-models", read(s.readPool(s.listDataModels)))
	rt.handle("pools.model", "GET "+pools+"/{pool}/data-models/{id}", read(s.readPool(s.getDataModel)))
	rt.handle("pools.jobs", "GET "+pools+"/{pool}/jobs", read(s.readPool(s.listDataJobs)))
}

// readPool finds the pool of a request. Its handler runs with the server's
// mutex held, and gives what to answer.
func (s *Server) readPool(h func(r *http.Request, t *team, p *pool) reply) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		s.mu.Lock()
		p := c.team.pool(r.PathValue("pool"))
		answer := reply{status: http.StatusNotFound}
		if p != nil {
			answer = h(r, c.team, p)
		}
		s.mu.Unlock()
		answer.write(w)
	}
}

// reply is an answer: a status, and a body unless it is nil.
type reply struct {
	status int
	body   any
}

func found(body any) reply { return reply{http.StatusOK, body} }

func (a reply) write(w http.ResponseWriter) {
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	writeJSON(w, a.status, a.body)
}

func (s *Server) poolList(t *team, r *http.Request) []poolDocument {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	if raw := r.URL.Query().Get("poolIds"); raw != "" {
		ids = strings.Split(raw, ",")
	}
	list := make([]poolDocument, 0, len(t.pools))
	for _, p := range t.pools {
		if ids == nil || slices.Contains(ids, p.id) {
			list = append(list, p.document())
		}
	}
	return list
}

func (s *Server) listPools(w http.ResponseWriter, r *http.Request, c caller) {
	writeJSON(w, http.StatusOK, s.poolList(c.team, r))
}

func (s *Server) pagePools(w http.ResponseWriter, r *http.Request, c caller) {
	page, ok := queryInt(r, "page", 0, 0)
	limit, limitOK := queryInt(r, "limit", defaultPageSize, 1)
	if !ok || !limitOK {
		writeInvalid(w, invalid("page", "page.invalid", "page and limit must be whole numbers, page from 0 and limit from 1"))
		return
	}
	all := s.poolList(c.team, r)
	writeJSON(w, http.StatusOK, map[string]any{
		"content": window(all, page*limit, limit), "pageSize": limit, "pageNumber": page, "totalCount": len(all),
	})
}

func (s *Server) createPool(w http.ResponseWriter, r *http.Request, c caller) {
	var doc poolRequest
	if !readJSON(w, r, &doc) {
		return
	}
	name := text(doc.Name, "")
	s.mu.Lock()
	bad := checkPoolName(c.team, nil, name)
	var answer poolDocument
	if bad == nil {
		p := newPool(Pool{Name: name}, s.now())
		p.description = doc.Description
		c.team.pools = append(c.team.pools, p)
		answer = p.document()
	}
	s.mu.Unlock()
	if bad != nil {
		writeInvalid(w, *bad)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func checkPoolName(t *team, self *pool, name string) *validationItem {
	var bad validationItem
	switch other := t.named(name); {
	case strings.TrimSpace(name) == "":
		bad = invalid("name", "name.required", "must not be empty")
	case other != nil && other != self:
		bad = invalid("name", "name.unique", "a data pool of this name exists already")
	default:
		return nil
	}
	return &bad
}

func (s *Server) getPool(_ *http.Request, _ *team, p *pool) reply { return found(p.document()) }

func (s *Server) updatePool(w http.ResponseWriter, r *http.Request, c caller) {
	var doc poolRequest
	if !readJSON(w, r, &doc) {
		return
	}
	s.readPool(func(_ *http.Request, t *team, p *pool) reply {
		if doc.Name != nil {
			if bad := checkPoolName(t, p, *doc.Name); bad != nil {
				return reply{http.StatusBadRequest, validationErrors{Errors: []validationItem{*bad}}}
			}
			p.name = *doc.Name
		}
		if doc.Description != nil {
			p.description = doc.Description
		}
		p.timeModified = s.now()
		return found(p.document())
	})(w, r, c)
}

func (s *Server) deletePool(_ *http.Request, t *team, p *pool) reply {
	p.forget()
	t.pools = slices.DeleteFunc(t.pools, func(o *pool) bool { return o == p })
	return reply{status: http.StatusOK}
}

func (s *Server) listTables(_ *http.Request, _ *team, p *pool) reply {
	list := make([]tableDocument, 0, len(p.tables))
	for _, t := range p.sortedTables() {
		list = append(list, p.tableDocument(t))
	}
	return found(list)
}

// listColumns answers the columns of a table, the change date among them. An
// unknown table has none.
func (s *Server) listColumns(r *http.Request, _ *team, p *pool) reply {
	q := r.URL.Query()
	list := []columnDocument{}
	for _, t := range p.sortedTables() {
		schema := q.Get("schemaName")
		if t.key.name != q.Get("tableName") || schema != p.schema(t.key.connection) && (schema != "" || t.key.connection != "") {
			continue
		}
		for _, c := range t.snap.cols {
			list = append(list, columnDocument{Name: c.Name, Length: c.Length, Type: c.Type.poolWord()})
		}
		list = append(list, columnDocument{Name: ChangeDateColumn, Type: DateTime.poolWord()})
	}
	return found(list)
}

func (s *Server) listSources(_ *http.Request, _ *team, p *pool) reply {
	list := make([]sourceDocument, 0, len(p.sources))
	for _, n := range p.sources {
		list = append(list, p.sourceDocument(n))
	}
	return found(list)
}

func (s *Server) getSource(r *http.Request, _ *team, p *pool) reply {
	if n, ok := p.source(r.PathValue("id")); ok {
		return found(p.sourceDocument(n))
	}
	return reply{status: http.StatusNotFound}
}

func (s *Server) listDataModels(_ *http.Request, _ *team, p *pool) reply {
	list := make([]modelDocument, 0, len(p.dataModels))
	for _, n := range p.dataModels {
		list = append(list, p.modelDocument(n))
	}
	return found(list)
}

func (s *Server) getDataModel(r *http.Request, _ *team, p *pool) reply {
	if n, ok := findNamed(p.dataModels, r.PathValue("id")); ok {
		return found(p.modelDocument(n))
	}
	return reply{status: http.StatusNotFound}
}

func (s *Server) listDataJobs(_ *http.Request, _ *team, p *pool) reply {
	list := make([]dataJobDocument, 0, len(p.dataJobs))
	for _, n := range p.dataJobs {
		list = append(list, dataJobDocument{ID: n.ID, Name: n.Name, DataPoolID: p.id, TimeStamp: p.created.UnixMilli()})
	}
	return found(list)
}
