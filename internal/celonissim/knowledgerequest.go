package celonissim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// dataRequest is a request for rows.
type dataRequest struct {
	fields, kpis, filters, exprs []string
	sort                         order
	distinct                     bool
	page, size                   int
}

// badData is a request that is refused.
type badData struct{ code, detail string }

func (b badData) Error() string { return b.detail }

func commaList(text string) (list []string) {
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

func (s *Server) dataRequest(r modelRequest) (d dataRequest, err error) {
	if r.Method == http.MethodPost {
		return s.postedData(r)
	}
	if len(r.RequestURI) > maxURL {
		return d, badData{codeConstraint, "The URL is too long."}
	}
	q := r.URL.Query()
	page, size, ok := s.pageOf(r.w, r.Request)
	if !ok {
		return d, nil
	}
	d = dataRequest{
		fields: commaList(q.Get("fields")), kpis: commaList(q.Get("kpis")), filters: commaList(q.Get("filters")), exprs: q["filterExpr"],
		distinct: q.Get("options") == "distinct", page: page, size: size,
	}
	d.sort, err = parseSort(q.Get("sort"), q.Has("sort"))
	return d, err
}

func (s *Server) postedData(r modelRequest) (d dataRequest, err error) {
	var body struct {
		Projection *struct {
			Fields  string `json:"fields"`
			Filters struct {
				Names []string `json:"kmFilterNames"`
				Exprs []string `json:"filterExpr"`
			} `json:"filters"`
			Pagination struct {
				Number int  `json:"pageNumber"`
				Size   *int `json:"pageSize"`
			} `json:"pagination"`
			Sort    *string         `json:"sort"`
			Options []string        `json:"options"`
			KPIs    []string        `json:"kpis"`
			Search  json.RawMessage `json:"search"`
		} `json:"projection"`
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if decoder.Decode(&body) != nil || body.Projection == nil {
		return d, badData{codeParameterIllegal, "The body needs a projection and nothing else."}
	}
	p := body.Projection
	size := min(defaultPageSize, s.opts.Limits.PageSize)
	if p.Pagination.Size != nil {
		size = *p.Pagination.Size
	}
	switch {
	case len(p.Fields) > maxProjection:
		return d, badData{codeConstraint, "[projection.fields] size must be between 1 and 2048"}
	case p.Pagination.Number < 0 || size < 1:
		return d, badData{codeParameterIllegal, "pageNumber must be at least 0, pageSize at least 1."}
	case len(p.Options) > 1:
		return d, badData{codeConstraint, "[projection.options] size must be at most 1"}
	}
	if most := s.opts.Limits.PageSize; size > most {
		if s.opts.Answers.LargePages == LargePagesRefused {
			return d, badData{codeParameterIllegal, "pageSize must be at most " + strconv.Itoa(most) + "."}
		}
		size = most
	}
	d = dataRequest{
		fields: commaList(p.Fields), kpis: p.KPIs, filters: p.Filters.Names, exprs: p.Filters.Exprs,
		distinct: slices.Contains(p.Options, "distinct"), page: p.Pagination.Number, size: size,
	}
	if p.Sort != nil {
		if len(*p.Sort) < 2 || len(*p.Sort) > maxProjection {
			return d, badData{codeConstraint, "[projection.sort] size must be between 2 and 2048"}
		}
		d.sort, err = parseSort(*p.Sort, true)
	}
	return d, err
}

func parseSort(text string, given bool) (o order, err error) {
	if !given || text == "" {
		return nil, nil
	}
	seen := map[string]string{}
	for _, item := range strings.Split(text, ",") {
		item = strings.TrimPrefix(strings.TrimSpace(item), "+")
		name := strings.TrimPrefix(item, "-")
		if name == "" {
			return nil, badData{codeSortEmpty, "The sort has an empty field."}
		}
		if had, ok := seen[name]; ok && had != item {
			return nil, badData{codeSortOpposite, fmt.Sprintf("The sort has the field %s in both directions.", name)}
		}
		seen[name] = item
		o = append(o, item)
	}
	return o, nil
}
