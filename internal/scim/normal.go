package scim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// findings are the faults of a resource, each with its place.
type findings []fault.Field

func (f *findings) add(pointer string, code fault.Code, format string, args ...any) {
	const most = 50
	if len(*f) < most {
		*f = append(*f, fault.Field{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
}

// fault is one in the words of the first finding; nil when there is none.
func (f findings) fault() error {
	if len(f) == 0 {
		return nil
	}
	return fault.New(f[0].Code, "%s", strings.TrimPrefix(f[0].Pointer, "/")+": "+f[0].Detail).WithFields(f...)
}

// Normalize reads a whole resource as identity providers write them: names in
// any case, booleans and roles as words, a list of one where one value is
// meant, one value where a list is meant, dotted names, and attributes of
// extensions with their URN before the name. It gives what the kind has, each
// at its place; what it does not have is left out, and so is null. Faults, all
// at once: ScimSyntax, ScimValue, ScimVersion.
func Normalize(k Kind, r Resource) (Resource, error) {
	var found findings
	out := Resource{}
	checkSchemas(k, r.Get("schemas"), &found)
	for _, name := range names(r) {
		if strings.EqualFold(name, "schemas") {
			continue
		}
		k.read(out, name, r[name], &found)
	}
	if err := found.fault(); err != nil {
		return nil, err
	}
	out["schemas"] = schemasFor(out, nil, k.URN(), k.Extension())
	return out, nil
}

// checkSchemas looks at the list of schemas; a resource without one is taken for what it came as.
func checkSchemas(k Kind, v any, found *findings) {
	if v == nil {
		return
	}
	list, ok := v.([]any)
	if !ok {
		found.add("/schemas", fault.ScimSyntax, "must be a list of URNs")
		return
	}
	own := len(list) == 0
	for _, item := range list {
		urn, _ := item.(string)
		if strings.HasPrefix(strings.ToLower(urn), "urn:scim:schemas:") {
			found.add("/schemas", fault.ScimVersion, "the schema %q is of SCIM 1; this is SCIM 2.0", quote(urn))
			return
		}
		own = own || strings.EqualFold(urn, k.URN()) || strings.EqualFold(urn, k.Extension())
	}
	if !own {
		found.add("/schemas", fault.ScimSyntax, "does not name %q", k.URN())
	}
}

// read puts one member of a resource at its place in out.
func (k Kind) read(out Resource, name string, value any, found *findings) {
	p, ok := parseAttrPath(name)
	if !ok || value == nil {
		return
	}
	if p.Name == "" { // a whole extension
		object, is := value.(map[string]any)
		if !is && strings.EqualFold(p.URN, k.Extension()) {
			found.add("/"+escape(name), fault.ScimSyntax, "must be an object")
		}
		for _, member := range names(object) {
			k.read(out, p.URN+":"+member, object[member], found)
		}
		return
	}
	a, extension := k.find(p)
	if a == nil {
		return
	}
	home := out
	pointer := "/" + escape(a.Name)
	if extension {
		pointer = "/" + escape(k.Extension()) + pointer
		if home = out.Object(k.Extension()); home == nil {
			home = Resource{}
			out[k.Extension()] = map[string]any(home)
		}
	}
	if p.Sub != "" {
		value = map[string]any{p.Sub: value}
	}
	clean := a.read(pointer, value, found)
	if clean == nil {
		return
	}
	if p.Sub != "" && !a.MultiValued {
		clean = merged(home.Get(a.Name), clean)
	}
	if before := home.Get(a.Name); extension && before != nil && literal(before) != literal(clean) {
		found.add(pointer, fault.ScimValue, "is given twice with different values")
	}
	home[a.Name] = clean
}

// merged gives an object with the members of another put over its own.
func merged(into, over any) any {
	a, okA := into.(map[string]any)
	b, okB := over.(map[string]any)
	if !okA || !okB {
		return over
	}
	out := Resource(a).Clone()
	for name, v := range b {
		out.Set(name, v)
	}
	return map[string]any(out)
}

// read gives a value as the attribute has it, nil for none.
func (a *Attribute) read(pointer string, v any, found *findings) any {
	if !a.MultiValued {
		if list, is := v.([]any); is && len(list) == 1 {
			v = list[0]
		}
		return a.one(pointer, v, found)
	}
	list, is := v.([]any)
	if !is {
		list = []any{v}
	}
	out := make([]any, 0, len(list))
	for i, item := range list {
		if item = a.one(fmt.Sprintf("%s/%d", pointer, i), item, found); item != nil {
			out = append(out, item)
		}
	}
	return out
}

func (a *Attribute) one(pointer string, v any, found *findings) any {
	switch {
	case v == nil:
		return nil
	case a.Type == typeComplex:
		return a.complex(pointer, v, found)
	case a.Type == typeBoolean:
		b, ok := Bool(v)
		if !ok {
			found.add(pointer, fault.ScimValue, "must be true or false")
			return nil
		}
		return b
	}
	text, ok := v.(string)
	if !ok {
		found.add(pointer, fault.ScimValue, "must be a string")
		return nil
	}
	if a.CanonicalValues != nil {
		i := slices.IndexFunc(a.CanonicalValues, func(c string) bool { return strings.EqualFold(c, text) })
		if i < 0 {
			found.add(pointer, fault.ScimValue, "must be one of %s", strings.Join(a.CanonicalValues, ", "))
			return nil
		}
		return a.CanonicalValues[i]
	}
	return text
}

// complex reads an object; the elements of a list may be bare values. What the
// attribute's definition does not list is kept where it lists nothing.
func (a *Attribute) complex(pointer string, v any, found *findings) any {
	object, ok := v.(map[string]any)
	if text, bare := v.(string); bare && a.MultiValued {
		object, ok = map[string]any{"value": text}, true
	}
	if !ok {
		found.add(pointer, fault.ScimValue, "must be an object")
		return nil
	}
	if len(a.SubAttributes) == 0 {
		return cloneValue(object)
	}
	out := map[string]any{}
	for _, name := range names(object) {
		sub := find(a.SubAttributes, name)
		if sub == nil {
			continue
		}
		if clean := sub.read(pointer+"/"+escape(sub.Name), object[name], found); clean != nil {
			out[sub.Name] = clean
		}
	}
	return out
}

// escape writes a name as a part of a JSON Pointer.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
