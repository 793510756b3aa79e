package form

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// If makes the rule: where all properties have the given constants, then must hold too.
func If(constants map[string]any, then Schema) Schema {
	properties := Schema{}
	for name, value := range constants {
		properties[name] = Schema{"const": value}
	}
	return Schema{"if": Schema{"properties": properties, "required": slices.Sorted(maps.Keys(constants))}, "then": then}
}

// Need makes the schema of an object that must have the properties, none of them empty.
func Need(names ...string) Schema {
	properties := Schema{}
	for _, name := range names {
		properties[name] = Schema{"minLength": 1, "minItems": 1}
	}
	return Schema{"required": names, "properties": properties}
}

// Without makes the schema of an object that may have the properties only
// where they are empty, which is the same as leaving them out.
func Without(names ...string) Schema {
	properties := Schema{}
	for _, name := range names {
		properties[name] = Schema{"type": []string{"string", "array"}, "maxLength": 0, "maxItems": 0}
	}
	return Schema{"properties": properties}
}

// Absent makes the schema of an object without the properties.
func Absent(names ...string) Schema {
	properties := Schema{}
	for _, name := range names {
		properties[name] = false
	}
	return Schema{"properties": properties}
}

// All makes the schema that holds where all others do.
func All(schemas ...Schema) Schema { return Schema{"allOf": schemas} }

// AnyCase makes a pattern that fits a text whatever its case. Patterns here are
// in the part of the language that ECMAScript and RE2 have in common.
func AnyCase(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch lower, upper := unicode.ToLower(r), unicode.ToUpper(r); {
		case lower != upper:
			b.WriteString("[" + string(upper) + string(lower) + "]")
		case strings.ContainsRune(`\.+*?()|[]{}^$/`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// AnyOf makes a pattern, in any case, of which one text must fit.
func AnyOf(texts []string) string {
	patterns := make([]string, len(texts))
	for i, t := range texts {
		patterns[i] = AnyCase(t)
	}
	return "(?:" + strings.Join(patterns, "|") + ")"
}
