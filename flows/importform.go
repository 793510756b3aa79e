package flows

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/form"
)

// sortedImports lists the types of imports.
func sortedImports() []ImportType { return slices.Sorted(maps.Keys(importKinds())) }

// importsWith lists the types of imports that have a member.
func importsWith(member string) (types []any) {
	for _, t := range sortedImports() {
		if slices.Contains(importKinds()[t].members, member) {
			types = append(types, t)
		}
	}
	return types
}

// writtenTypes lists the types of connections that an import may write through.
func writtenTypes() (types []connections.APIType) {
	for _, kind := range importKinds() {
		types = append(types, kind.writes...)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// importKindRules: an import has no member of another type, and has what all of its type have.
func importKindRules() (rules []form.Schema) {
	for _, t := range sortedImports() {
		kind := importKinds()[t]
		var empty, absent []string
		needed := []string{} // a list even where nothing is needed
		for f := range reflect.TypeFor[Import]().Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case name == "type" || slices.Contains(kind.members, name):
			case f.Type.Kind() == reflect.String || f.Type.Kind() == reflect.Slice:
				empty = append(empty, name)
			default:
				absent = append(absent, name)
			}
		}
		if len(kind.writes) > 0 {
			needed = append(needed, "connectionId")
		}
		if slices.Contains(kind.members, "table") {
			needed = append(needed, "table")
		}
		rules = append(rules, form.If(map[string]any{"type": t}, form.All(form.Without(empty...), form.Absent(absent...), form.Need(needed...))))
	}
	return rules
}
