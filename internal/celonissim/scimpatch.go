package celonissim

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// scimPath is where an operation of a PATCH goes to.
type scimPath struct {
	attribute, sub string
	// which picks values of a list; nil is all of them.
	which scimTest
}

// patch applies the operations of a PATCH, all or none.
func (v *scimView) patch(r *scimResource, body map[string]any) scimReply {
	if !v.opts.Patch {
		return refused(refuse(http.StatusNotImplemented, "", "PATCH is not supported"))
	}
	schemas, _ := body["schemas"].([]any)
	operations, _ := body["Operations"].([]any)
	if !slices.Contains(schemas, any(scimMessages+"PatchOp")) || len(operations) == 0 {
		return refused(refuse(http.StatusBadRequest, "invalidSyntax", "schemas must name %sPatchOp, and Operations must not be empty", scimMessages))
	}
	attrs := plainJSON(r.attrs)
	for _, one := range operations {
		operation, _ := one.(map[string]any)
		if wrong := r.kind.apply(attrs, operation); wrong != nil {
			return refused(wrong)
		}
	}
	attrs, wrong := r.kind.check(attrs)
	if wrong != nil {
		return refused(wrong)
	}
	return v.replace(r, attrs)
}

func (k *scimKind) apply(attrs, operation map[string]any) *scimRefusal {
	op, _ := operation["op"].(string)
	path, _ := operation["path"].(string)
	value, given := operation["value"]
	switch {
	case op != "add" && op != "remove" && op != "replace":
		return refuse(http.StatusBadRequest, "invalidSyntax", "op must be add, remove or replace, not %q", op)
	case op == "remove" && path == "":
		return refuse(http.StatusBadRequest, "noTarget", "remove needs a path")
	case op == "remove" && given:
		return refuse(http.StatusBadRequest, "invalidSyntax", "remove takes no value")
	case op != "remove" && !given:
		return refuse(http.StatusBadRequest, "invalidValue", "%s needs a value", op)
	case path == "" || strings.EqualFold(path, k.extension):
		return k.applyObject(attrs, op, value)
	}
	at, wrong := k.path(path)
	if wrong != nil {
		return wrong
	}
	return k.applyAt(attrs, op, at, value)
}

// applyObject applies the members of a value that stands in the place of paths.
func (k *scimKind) applyObject(attrs map[string]any, op string, value any) *scimRefusal {
	members, ok := value.(map[string]any)
	if op == "remove" || !ok {
		return refuse(http.StatusBadRequest, "invalidSyntax", "without a path the value must be an object")
	}
	for name, inner := range members {
		var wrong *scimRefusal
		switch {
		case strings.EqualFold(name, "schemas"):
		case strings.EqualFold(name, k.extension):
			wrong = k.applyObject(attrs, op, inner)
		default:
			var at scimPath
			if at, wrong = k.path(name); wrong == nil {
				wrong = k.applyAt(attrs, op, at, inner)
			}
		}
		if wrong != nil {
			return wrong
		}
	}
	return nil
}

// path reads attribute, attribute.sub, attribute[filter] and attribute[filter].sub.
func (k *scimKind) path(text string) (scimPath, *scimRefusal) {
	p := &scimParser{rest: text, kind: k}
	steps := k.steps(p.name())
	if slices.Contains([]string{"id", "meta", "schemas", "groups"}, strings.ToLower(steps[0])) {
		return scimPath{}, refuse(http.StatusBadRequest, "mutability", "%s is read only", steps[0])
	}
	at := scimPath{attribute: k.canonical(steps[0])}
	if at.attribute == "" || len(steps) > 2 {
		return at, refuse(http.StatusBadRequest, "invalidPath", "there is no attribute %s", text)
	}
	if len(steps) == 2 {
		at.sub = steps[1]
	}
	if strings.HasPrefix(p.rest, "[") {
		p.rest = p.rest[1:]
		f, err := p.either()
		if err != nil || !p.word("]") {
			return at, refuse(http.StatusBadRequest, "invalidFilter", "the filter of %s cannot be read", text)
		}
		at.which = f.test
		if strings.HasPrefix(p.rest, ".") {
			p.rest = p.rest[1:]
			at.sub = p.name()
		}
	}
	if p.rest != "" {
		return at, refuse(http.StatusBadRequest, "invalidPath", "the path %s cannot be read", text)
	}
	return at, nil
}

func (k *scimKind) applyAt(attrs map[string]any, op string, at scimPath, value any) *scimRefusal {
	holds := k.attributes[at.attribute]
	switch {
	case holds == holdsList:
		return k.applyList(attrs, op, at, value)
	case at.which != nil:
		return refuse(http.StatusBadRequest, "invalidPath", "%s is no list", at.attribute)
	case at.sub != "" && holds != holdsObject:
		return refuse(http.StatusBadRequest, "invalidPath", "%s has no %s", at.attribute, at.sub)
	case at.sub != "":
		inner, _ := attrs[at.attribute].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		setMember(inner, op, at.sub, value)
		attrs[at.attribute] = inner
	case op == "add" && holds == holdsObject:
		inner, _ := attrs[at.attribute].(map[string]any)
		given, ok := value.(map[string]any)
		if !ok {
			return refuse(http.StatusBadRequest, "invalidValue", "%s must be an object", at.attribute)
		}
		if inner == nil {
			inner = map[string]any{}
		}
		for name, one := range given {
			inner[name] = one
		}
		attrs[at.attribute] = inner
	case op == "remove" || value == nil:
		delete(attrs, at.attribute)
	default:
		attrs[at.attribute] = value
	}
	return nil
}

func setMember(object map[string]any, op, name string, value any) {
	for known := range object {
		if strings.EqualFold(known, name) {
			name = known
		}
	}
	if op == "remove" || value == nil {
		delete(object, name)
		return
	}
	object[name] = value
}

func (k *scimKind) applyList(attrs map[string]any, op string, at scimPath, value any) *scimRefusal {
	had, _ := attrs[at.attribute].([]any)
	if at.which == nil && at.sub == "" {
		given, isList := value.([]any)
		if !isList && value != nil {
			given = []any{value}
		}
		switch op {
		case "remove":
			delete(attrs, at.attribute)
		case "replace":
			attrs[at.attribute] = given
		default:
			for _, one := range given {
				if !slices.ContainsFunc(had, func(other any) bool { return reflect.DeepEqual(memberOf(one), memberOf(other)) }) {
					had = append(had, one)
				}
			}
			attrs[at.attribute] = had
		}
		return nil
	}
	hit, kept := 0, []any{}
	for _, one := range had {
		object, _ := one.(map[string]any)
		if at.which != nil && !at.which(object) {
			kept = append(kept, one)
			continue
		}
		hit++
		switch {
		case at.sub != "":
			setMember(object, op, at.sub, value)
			kept = append(kept, object)
		case op != "remove":
			kept = append(kept, value)
		}
	}
	if hit == 0 && op != "remove" {
		return refuse(http.StatusBadRequest, "noTarget", "nothing of %s is meant", at.attribute)
	}
	attrs[at.attribute] = kept
	return nil
}

// memberOf is what tells a value of a list from others.
func memberOf(one any) any {
	if object, ok := one.(map[string]any); ok && object["value"] != nil {
		return object["value"]
	}
	return one
}
