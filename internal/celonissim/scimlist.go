package celonissim

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// scimQuery is what a list is asked for, by the query of a GET or the body of a search.
type scimQuery struct {
	filter, sortBy, sortOrder string
	attributes, excluded      []string
	// start is from 1; count is -1 when it was not given.
	start, count int
}

func queryOfURL(q url.Values) (scimQuery, *scimRefusal) {
	out := scimQuery{
		filter: q.Get("filter"), sortBy: q.Get("sortBy"), sortOrder: q.Get("sortOrder"),
		attributes: commaNames(q.Get("attributes")), excluded: commaNames(q.Get("excludedAttributes")), start: 1, count: -1,
	}
	for name, at := range map[string]*int{"startIndex": &out.start, "count": &out.count} {
		if q.Get(name) == "" {
			continue
		}
		n, err := strconv.Atoi(q.Get(name))
		if err != nil {
			return out, refuse(http.StatusBadRequest, "invalidValue", "%s must be a whole number", name)
		}
		*at = n
	}
	return out.bounded()
}

func queryOfBody(body map[string]any) (scimQuery, *scimRefusal) {
	schemas, _ := body["schemas"].([]any)
	if !slices.Contains(schemas, any(scimMessages+"SearchRequest")) {
		return scimQuery{}, refuse(http.StatusBadRequest, "invalidSyntax", "schemas must name %sSearchRequest", scimMessages)
	}
	text := func(name string) string { s, _ := body[name].(string); return s }
	out := scimQuery{
		filter: text("filter"), sortBy: text("sortBy"), sortOrder: text("sortOrder"),
		attributes: textsOf(body["attributes"]), excluded: textsOf(body["excludedAttributes"]), start: 1, count: -1,
	}
	for name, at := range map[string]*int{"startIndex": &out.start, "count": &out.count} {
		switch n := body[name].(type) {
		case nil:
		case float64:
			*at = int(n)
		default:
			return out, refuse(http.StatusBadRequest, "invalidValue", "%s must be a whole number", name)
		}
	}
	return out.bounded()
}

func (q scimQuery) bounded() (scimQuery, *scimRefusal) {
	if len(q.attributes) > 0 && len(q.excluded) > 0 {
		return q, refuse(http.StatusBadRequest, "invalidValue", "attributes and excludedAttributes exclude each other")
	}
	q.start = max(q.start, 1)
	if q.count < -1 {
		q.count = 0
	}
	return q, nil
}

func commaNames(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func textsOf(value any) []string {
	var out []string
	list, _ := value.([]any)
	for _, one := range list {
		if text, ok := one.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// list answers a page.
func (v *scimView) list(k *scimKind, q scimQuery) scimReply {
	found, wrong := v.find(k, q.filter)
	if wrong != nil {
		return refused(wrong)
	}
	if q.sortBy != "" {
		found = v.sorted(k, found, q)
	}
	size := v.opts.Page
	if q.count >= 0 {
		size = q.count
	}
	size = min(size, v.opts.PageSize)
	start := q.start
	if v.opts.StartIgnored {
		start = 1
	}
	first := start - 1
	if first > 0 {
		first = max(first-v.opts.Overlap, 0)
	}
	resources := []any{}
	for _, r := range window(found, first, size) {
		resources = append(resources, q.project(k, v.document(r)))
	}
	body := map[string]any{
		"schemas": []any{scimMessages + "ListResponse"}, "totalResults": len(found) + v.opts.TotalOff,
		"startIndex": start, "itemsPerPage": len(resources),
	}
	if len(resources) > 0 {
		body["Resources"] = resources
	}
	return scimReply{status: http.StatusOK, body: body}
}

// find gives the resources that a filter lets pass.
func (v *scimView) find(k *scimKind, filter string) ([]*scimResource, *scimRefusal) {
	store := v.store(k)
	switch {
	case filter == "" || v.opts.Filter == SCIMFilterIgnored:
		return store.all, nil
	case v.opts.Filter == SCIMFilterRefused:
		return nil, refuse(http.StatusBadRequest, "invalidFilter", "filters are not supported")
	}
	f, err := parseSCIMFilter(filter, k)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalidFilter", "%v", err)
	}
	switch f.exact {
	case "id":
		if r := store.byID[f.text]; r != nil {
			return []*scimResource{r}, nil
		}
		return nil, nil
	case strings.ToLower(k.key):
		if r := store.byKey[strings.ToLower(f.text)]; r != nil {
			return []*scimResource{r}, nil
		}
		return nil, nil
	case "externalid":
		return slices.Clone(store.byExternal[f.text]), nil
	}
	var out []*scimResource
	for _, r := range store.all {
		if f.test(v.seen(r)) {
			out = append(out, r)
		}
	}
	return out, nil
}

// seen is a resource as filters see it: attributes of the extension beside those of the core.
func (v *scimView) seen(r *scimResource) map[string]any {
	out := map[string]any{"id": r.id, "meta": v.meta(r)}
	for name, value := range r.attrs {
		out[name] = value
	}
	return out
}

func (v *scimView) sorted(k *scimKind, found []*scimResource, q scimQuery) []*scimResource {
	steps := k.steps(q.sortBy)
	type keyed struct {
		r    *scimResource
		key  string
		none bool
	}
	list := make([]keyed, len(found))
	for i, r := range found {
		values := valuesOf(v.seen(r), steps)
		list[i] = keyed{r: r, none: len(values) == 0}
		if text, ok := append(values, "")[0].(string); ok {
			list[i].key = strings.ToLower(text)
		}
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		switch {
		case a.none != b.none && a.none:
			return 1
		case a.none != b.none:
			return -1
		case q.sortOrder == "descending":
			return strings.Compare(b.key, a.key)
		}
		return strings.Compare(a.key, b.key)
	})
	out := make([]*scimResource, len(list))
	for i, one := range list {
		out[i] = one.r
	}
	return out
}

// project keeps the attributes that were asked for; schemas and id always stay.
func (q scimQuery) project(k *scimKind, document map[string]any) map[string]any {
	if len(q.attributes) > 0 {
		out := map[string]any{"schemas": document["schemas"], "id": document["id"]}
		for _, path := range q.attributes {
			copyPath(out, document, document, k, path)
		}
		return out
	}
	for _, path := range q.excluded {
		steps := k.steps(path)
		holders := []map[string]any{document}
		if nested, ok := document[k.extension].(map[string]any); ok {
			holders = append(holders, nested)
		}
		for _, holder := range holders {
			without(holder, steps, 0)
		}
	}
	return document
}

// copyPath copies what a path leads to, from the core or the extension.
func copyPath(out, from, document map[string]any, k *scimKind, path string) {
	if strings.EqualFold(path, k.extension) || strings.EqualFold(path, k.urn) {
		if nested, ok := document[k.extension]; ok && strings.EqualFold(path, k.extension) {
			out[k.extension] = nested
		}
		return
	}
	steps := k.steps(path)
	for name, value := range from {
		if !strings.EqualFold(name, steps[0]) {
			continue
		}
		if len(steps) == 1 {
			out[name] = value
			continue
		}
		out[name] = narrowed(out[name], value, steps[1])
	}
	if nested, ok := from[k.extension].(map[string]any); ok {
		kept, _ := out[k.extension].(map[string]any)
		if kept == nil {
			kept = map[string]any{}
		}
		copyPath(kept, nested, map[string]any{}, k, path)
		if len(kept) > 0 {
			out[k.extension] = kept
		}
	}
}

// narrowed keeps one sub-attribute of a value beside what is kept of it already.
func narrowed(kept, value any, sub string) any {
	switch v := value.(type) {
	case map[string]any:
		out, _ := kept.(map[string]any)
		if out == nil {
			out = map[string]any{}
		}
		for name, inner := range v {
			if strings.EqualFold(name, sub) {
				out[name] = inner
			}
		}
		return out
	case []any:
		had, _ := kept.([]any)
		out := make([]any, len(v))
		for i, one := range v {
			var before any
			if i < len(had) {
				before = had[i]
			}
			out[i] = narrowed(before, one, sub)
		}
		return out
	}
	return value
}

// without drops what a path leads to; schemas and id stay. It never changes a value that is shared.
func without(holder map[string]any, steps []string, depth int) {
	for name, value := range holder {
		if !strings.EqualFold(name, steps[depth]) || depth == 0 && (name == "schemas" || name == "id") {
			continue
		}
		if depth == len(steps)-1 {
			delete(holder, name)
			continue
		}
		holder[name] = withoutInner(value, steps, depth+1)
	}
}

func withoutInner(value any, steps []string, depth int) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			out[name] = inner
		}
		without(out, steps, depth)
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = withoutInner(one, steps, depth)
		}
		return out
	}
	return value
}
