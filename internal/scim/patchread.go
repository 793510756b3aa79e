package scim

import (
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Mentions reports whether an id stands in what the patch adds, replaces or removes.
func (p PatchRequest) Mentions(id string) bool {
	return slices.ContainsFunc(p.Operations, func(op PatchOperation) bool {
		return strings.Contains(op.Path, id) || holds(op.Value, id)
	})
}

func holds(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return v == text
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return holds(item, text) })
	case map[string]any:
		for key, item := range v {
			if strings.Contains(key, text) || holds(item, text) {
				return true
			}
		}
	}
	return false
}

// Names gives the attributes that the patch speaks of, each once.
func (p PatchRequest) Names() []string {
	var list []string
	add := func(text string) {
		path, err := ParsePath(text)
		if err != nil {
			return
		}
		name := path.Attr.Name
		if name == "" {
			name = path.Attr.URN
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for _, op := range p.Operations {
		if op.Path != "" {
			add(op.Path)
			continue
		}
		object, _ := op.Value.(map[string]any)
		for _, name := range names(object) {
			add(name)
		}
	}
	slices.Sort(list)
	return list
}

// Check looks at a patch of a resource that is not at hand: what it would do
// to any resource must be right. Faults: those of Apply but ScimNoTarget.
func (p PatchRequest) Check(k Kind) error {
	for i, op := range p.Operations {
		blank := Resource{}
		err := applyOne(k, blank, op)
		if err == nil {
			err = checkPart(blank)
		}
		if err != nil && !fault.Has(err, fault.ScimNoTarget) {
			return at(err, i)
		}
	}
	return nil
}

// checkPart looks at the texts of a part of a resource.
func checkPart(r Resource) error {
	var found findings
	checkTexts("", map[string]any(r), &found)
	return found.fault()
}

// Differences names the attributes in which two resources differ, in order;
// those of an extension by their own names.
func Differences(a, b Resource) []string {
	var list []string
	for _, name := range names(mergedNames(a, b)) {
		x, y := a.Get(name), b.Get(name)
		if literal(x) == literal(y) {
			continue
		}
		if strings.HasPrefix(strings.ToLower(name), "urn:") {
			list = append(list, Differences(a.Object(name), b.Object(name))...)
			continue
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func mergedNames(a, b Resource) map[string]any {
	all := map[string]any{}
	for name := range a {
		all[name] = nil
	}
	for name := range b {
		if a.key(name) == "" {
			all[name] = nil
		}
	}
	return all
}
