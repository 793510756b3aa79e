package scim

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Projection chooses the attributes of an answer.
type Projection struct{ only, without []AttrPath }

// ParseProjection reads the attributes that are asked for or left out; both at
// once, and what is no attribute, is fault ScimValue.
func ParseProjection(attributes, excluded []string) (Projection, error) {
	if len(attributes) > 0 && len(excluded) > 0 {
		return Projection{}, fault.New(fault.ScimValue, "attributes and excludedAttributes cannot be given together")
	}
	var p Projection
	for _, list := range []struct {
		words []string
		into  *[]AttrPath
	}{{attributes, &p.only}, {excluded, &p.without}} {
		for _, word := range list.words {
			path, ok := parseAttrPath(strings.TrimSpace(word))
			if !ok {
				return Projection{}, fault.New(fault.ScimValue, "%q is no attribute", quote(word))
			}
			*list.into = append(*list.into, path)
		}
	}
	return p, nil
}

// Of gives the part of a resource that is asked for; id and schemas are always in it.
func (p Projection) Of(r Resource) Resource {
	switch {
	case len(p.only) > 0:
		out := Resource{"schemas": r.Get("schemas"), "id": r.Get("id")}
		for _, path := range p.only {
			take(out, r, path)
		}
		return out
	case len(p.without) > 0:
		out := r.Clone()
		for _, path := range p.without {
			drop(out, path)
		}
		return out
	}
	return r
}

// take copies what the path names from a resource.
func take(out, from Resource, path AttrPath) {
	if path.Name == "" {
		if extension := from.Object(path.URN); extension != nil {
			out.Set(path.URN, map[string]any(extension))
		}
		return
	}
	home, extension := path.home(from)
	if home == nil || home.key(path.Name) == "" {
		return
	}
	into := out
	if extension != "" {
		if into = out.Object(extension); into == nil {
			into = Resource{}
			out[extension] = map[string]any(into)
		}
	}
	value := home.Get(path.Name)
	if path.Sub != "" {
		value = pick(value, path.Sub)
		if one, is := value.(map[string]any); is {
			value = merged(into.Get(path.Name), one)
		}
	}
	if value != nil {
		into[home.key(path.Name)] = value
	}
}

// pick gives a value with one sub-attribute alone.
func pick(v any, sub string) any {
	switch v := v.(type) {
	case map[string]any:
		if key := Resource(v).key(sub); key != "" {
			return map[string]any{key: v[key]}
		}
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			if one := pick(item, sub); one != nil {
				out = append(out, one)
			}
		}
		return out
	}
	return nil
}

// drop takes what the path names out of a resource; id and schemas stay.
func drop(r Resource, path AttrPath) {
	home, _ := path.home(r)
	switch {
	case home == nil || strings.EqualFold(path.Name, "id") || strings.EqualFold(path.Name, "schemas"):
	case path.Name == "":
		r.Delete(path.URN)
	case path.Sub == "":
		home.Delete(path.Name)
	default:
		for _, v := range flat(home.Get(path.Name)) {
			if o, ok := v.(map[string]any); ok {
				Resource(o).Delete(path.Sub)
			}
		}
	}
}

// Sort puts resources in the order of an attribute's first value; those without
// one come last, or first when the order is descending. Fault ScimPath for what is no attribute.
func Sort(list []Resource, by string, descending bool) error {
	path, ok := parseAttrPath(by)
	if !ok || path.Name == "" {
		return fault.New(fault.ScimPath, "sortBy: %q is no attribute", quote(by))
	}
	slices.SortStableFunc(list, func(a, b Resource) int {
		order := compareKeys(path.sortKey(a), path.sortKey(b))
		if descending {
			return -order
		}
		return order
	})
	return nil
}

func (p AttrPath) sortKey(r Resource) any {
	values := p.values(r)
	if len(values) == 0 {
		return nil
	}
	v := values[0]
	if o, ok := v.(map[string]any); ok {
		v = Resource(o).Get("value")
	}
	if text, ok := v.(string); ok && !p.caseExact() {
		return strings.ToLower(text)
	}
	return v
}

func compareKeys(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	x, okX := a.(string)
	y, okY := b.(string)
	if okX && okY {
		if s, t := timeOf(x), timeOf(y); !s.IsZero() && !t.IsZero() {
			return s.Compare(t)
		}
		return strings.Compare(x, y)
	}
	m, okM := a.(json.Number)
	n, okN := b.(json.Number)
	if okM && okN {
		f, _ := m.Float64()
		g, _ := n.Float64()
		return cmp.Compare(f, g)
	}
	return strings.Compare(literal(a), literal(b))
}
