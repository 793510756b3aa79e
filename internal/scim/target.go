package scim

import (
	"slices"

	"github.com/celonis-connector/connector/internal/fault"
)

// target is what one operation of a patch changes.
type target struct {
	attr *Attribute
	// home is the object in which the attribute stands, under key.
	home Resource
	key  string
	path Path
	op   string
}

// sub is the sub-attribute that is meant, "" for none.
func (t target) sub() string { return t.path.Attr.Sub + t.path.Sub }

func (t target) apply(value any) error {
	sub := t.attr
	if name := t.sub(); name != "" {
		if t.attr.Type != typeComplex {
			return fault.New(fault.ScimPath, "%s: has no sub-attributes", t.attr.Name)
		}
		if sub = find(t.attr.SubAttributes, name); sub == nil {
			return nil // a sub-attribute that Celonis does not have
		}
	}
	if t.path.filter != nil && !t.attr.MultiValued {
		return fault.New(fault.ScimPath, "%s: is no list that a filter could select from", t.attr.Name)
	}
	clean, err := t.clean(sub, value)
	if err != nil {
		return err
	}
	switch {
	case !t.attr.MultiValued:
		return t.single(clean)
	case t.path.filter != nil:
		return t.selected(clean)
	case t.sub() != "":
		return t.every(sub, clean)
	}
	return t.list(clean)
}

// clean gives the value as the attribute, or its sub-attribute, has it.
func (t target) clean(sub *Attribute, value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	var found findings
	of := *sub
	if t.path.filter != nil && t.sub() == "" {
		of.MultiValued = false // a filter selects elements, and the value is one
	}
	if t.attr.MultiValued && t.sub() != "" && t.op == opRemove {
		return nil, nil
	}
	clean := of.read("/value", value, &found)
	return clean, found.fault()
}

// single changes an attribute with one value.
func (t target) single(value any) error {
	name := t.sub()
	if name == "" {
		switch {
		case t.op == opRemove:
			t.home.Delete(t.key)
		case t.attr.Type == typeComplex:
			t.home.Set(t.key, merged(t.home.Get(t.key), value))
		default:
			t.home.Set(t.key, value)
		}
		return nil
	}
	object := t.home.Object(t.key)
	if t.op == opRemove {
		object.Delete(name)
		if len(object) == 0 {
			t.home.Delete(t.key)
		}
		return nil
	}
	t.home.Set(t.key, merged(map[string]any(orEmpty(object)), map[string]any{find(t.attr.SubAttributes, name).Name: value}))
	return nil
}

func orEmpty(r Resource) Resource {
	if r == nil {
		return Resource{}
	}
	return r
}

// list changes a whole list. Removing with a value takes those elements out:
// so identity providers take members out of groups.
func (t target) list(value any) error {
	have := flat(t.home.Get(t.key))
	given, _ := value.([]any)
	switch {
	case t.op == opRemove && value == nil:
		have = []any{} // a list that is not there would say nothing of its elements
	case t.op == opRemove:
		gone := keysOf(given)
		have = slices.DeleteFunc(slices.Clone(have), func(v any) bool { return gone[elementKey(v)] })
	case t.op == opAdd:
		have = union(have, given)
	default:
		have = union(nil, given)
	}
	t.home.Set(t.key, have)
	return nil
}

// union gives a list with the elements of more that it does not have.
func union(list, more []any) []any {
	out := make([]any, 0, len(list)+len(more))
	seen := map[string]bool{}
	for _, v := range slices.Concat(list, more) {
		if key := elementKey(v); !seen[key] {
			seen[key] = true
			out = append(out, v)
		}
	}
	return out
}

func keysOf(list []any) map[string]bool {
	keys := make(map[string]bool, len(list))
	for _, v := range list {
		keys[elementKey(v)] = true
	}
	return keys
}

// elementKey tells elements of a list apart: by their value, else by all that they hold.
func elementKey(v any) string {
	if o, ok := v.(map[string]any); ok {
		switch value := Resource(o).Get("value").(type) {
		case nil:
		case string:
			return "text " + value
		default:
			return "value " + literal(value)
		}
	}
	return literal(v)
}

// every changes a sub-attribute of every element.
func (t target) every(sub *Attribute, value any) error {
	var out []any
	for _, v := range flat(t.home.Get(t.key)) {
		out = append(out, t.changed(sub, asElement(v), value))
	}
	if out != nil {
		t.home.Set(t.key, out)
	}
	return nil
}

func (t target) changed(sub *Attribute, element Resource, value any) any {
	element = element.Clone()
	if t.op == opRemove {
		element.Delete(sub.Name)
	} else {
		element.Set(sub.Name, value)
	}
	return map[string]any(element)
}

// selected changes the elements that the filter selects. Fault ScimNoTarget
// when a value is to be replaced that is not there.
func (t target) selected(value any) error {
	name, hits := t.sub(), 0
	out := []any{}
	for _, v := range flat(t.home.Get(t.key)) {
		element := asElement(v)
		if !t.path.filter.matches(element) {
			out = append(out, v)
			continue
		}
		hits++
		switch {
		case t.op == opRemove && name == "":
		case name != "":
			out = append(out, t.changed(find(t.attr.SubAttributes, name), element, value))
		default:
			out = append(out, merged(map[string]any(element), value))
		}
	}
	if hits == 0 && t.op == opReplace {
		return fault.New(fault.ScimNoTarget, "path: no element of %s is as the filter says", t.attr.Name)
	}
	if hits == 0 && t.op == opAdd {
		fresh := Resource{}
		if !eachEqual(t.path.filter, fresh) {
			return fault.New(fault.ScimNoTarget, "path: no element of %s is as the filter says, and the filter says too little to make one", t.attr.Name)
		}
		if name != "" {
			fresh.Set(name, value)
		} else {
			fresh, _ = merged(map[string]any(fresh), value).(map[string]any)
		}
		out = append(out, map[string]any(fresh))
	}
	if hits > 0 || t.op == opAdd {
		t.home.Set(t.key, union(nil, out))
	}
	return nil
}
