package celonissim

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// entitySuffix is what the entity set of a record ends with.
const entitySuffix = "_entries"

// routeOData adds the OData feeds of knowledge models.
func (s *Server) routeOData(rt *router, read func(func(modelRequest)) guarded) {
	const feeds = "/intelligence/api/odata/{service}"
	// A pattern cannot end a wildcard with .svc, so the model is cut out of it.
	model := func(h func(modelRequest)) guarded {
		inner := read(h)
		return func(w http.ResponseWriter, r *http.Request, c caller) {
			id, ok := strings.CutSuffix(r.PathValue("service"), ".svc")
			if !ok {
				writeNotFound(w, "GENERAL_NOTFOUND_PATH", "The path was not found.")
				return
			}
			r.SetPathValue("km", id)
			inner(w, r, c)
		}
	}
	rt.handle("odata.service", "GET "+feeds, model(s.odataService))
	rt.handle("odata.metadata", "GET "+feeds+"/$metadata", model(s.odataMetadata))
	rt.handle("odata.rows", "GET "+feeds+"/{entity}", model(s.odataRows))
}

// odataFormat answers 415 to every format but JSON, the only one that is written.
func odataFormat(r modelRequest) bool {
	if f := r.URL.Query().Get("$format"); f != "" && f != "json" && f != "application/json" {
		writeProblem(r.w, problem{Title: "Unsupported Media Type", Status: http.StatusUnsupportedMediaType, ErrorCode: "GENERAL_FORMAT", Detail: "The format is not supported."})
		return false
	}
	return true
}

func (s *Server) odataService(r modelRequest) {
	type set struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	if !odataFormat(r) {
		return
	}
	sets := []set{}
	for _, m := range r.model.Records {
		sets = append(sets, set{m.ID + entitySuffix, m.ID + entitySuffix})
	}
	writeJSON(r.w, http.StatusOK, map[string]any{"@odata.context": "$metadata", "value": sets})
}

// edmTypes are the types of a metadata document.
func edmTypes() map[string]string {
	return map[string]string{
		"integer": "Edm.Int64", "float": "Edm.Double", "number": "Edm.Double", "boolean": "Edm.Boolean", "date": "Edm.Date",
		"datetime": "Edm.DateTimeOffset", "timestamp": "Edm.DateTimeOffset", "string": "Edm.String",
	}
}

func (s *Server) odataMetadata(r modelRequest) {
	if !odataFormat(r) {
		return
	}
	types := map[string]any{}
	for _, m := range r.model.Records {
		entity := map[string]any{"$Kind": "EntityType"}
		for _, f := range m.Fields {
			entity[f.ID] = map[string]any{"$Type": edmTypes()[f.Type], "$Nullable": true}
		}
		types[m.ID] = entity
	}
	writeJSON(r.w, http.StatusOK, map[string]any{"$Version": "4.01", "celonis": types})
}

func (s *Server) odataRows(r modelRequest) {
	name, ok := strings.CutSuffix(r.PathValue("entity"), entitySuffix)
	i := slices.IndexFunc(r.model.Records, func(m Record) bool { return m.ID == name })
	if !ok || i < 0 {
		writeNotFound(r.w, codeRecordUnknown, "The record was not found.")
		return
	}
	if !odataFormat(r) {
		return
	}
	d, skip, err := odataRequest(r, s.opts.Limits.PageSize)
	var page *dataPage
	if err == nil {
		if len(d.fields) == 0 {
			for _, f := range r.model.Records[i].Fields {
				d.fields = append(d.fields, f.ID)
			}
		}
		page, err = s.odataPage(r.model, r.model.Records[i], d, skip)
	}
	if bad, is := err.(badData); is {
		writeBadParameter(r.w, bad.code, bad.detail)
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"@odata.context":"$metadata#%s"`, name+entitySuffix)
	if r.URL.Query().Get("$count") == "true" {
		fmt.Fprintf(&b, `,"@odata.count":%d`, page.total)
	}
	b.WriteString(`,"value":`)
	page.writeRows(&b)
	b.WriteByte('}')
	r.w.Header().Set("Content-Type", "application/json")
	_, _ = r.w.Write(b.Bytes())
}

// odataPage gives rows from any offset on.
func (s *Server) odataPage(m KnowledgeModel, record Record, d dataRequest, skip int) (*dataPage, error) {
	size := d.size
	d.page, d.size = 0, skip+size
	if wall := s.opts.Limits.KnowledgeRows; wall > 0 && skip >= wall && s.opts.Answers.Knowledge.WallRefused {
		return nil, badData{codeConstraint, fmt.Sprintf("[$skip] only the first %d rows can be read", wall)}
	}
	page, err := s.find(m, record, d, "")
	if err != nil {
		return nil, err
	}
	page.rows = window(page.rows, skip, size)
	return page, nil
}

func odataRequest(r modelRequest, most int) (d dataRequest, skip int, err error) {
	q := r.URL.Query()
	d.fields, d.filters = commaList(q.Get("$select")), commaList(q.Get("filterid"))
	if f := q.Get("$filter"); f != "" {
		d.exprs = []string{f}
	}
	for _, item := range commaList(q.Get("$orderby")) {
		name, direction, _ := strings.Cut(item, " ")
		if direction == "desc" {
			name = "-" + name
		}
		d.sort = append(d.sort, name)
	}
	d.size = most
	for name, to := range map[string]*int{"$top": &d.size, "$skip": &skip} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return d, 0, badData{codeParameterType, name + " must be a whole number."}
			}
			*to = n
		}
	}
	d.size = min(d.size, most)
	return d, skip, nil
}
