// Package form makes form metadata: a JSON Schema (2020-12) of a request body
// with hints for whoever draws the form. Types, limits and choices come from
// the json and validate tags of the struct that the body is read into, so that
// a form cannot drift from what is checked; words and the order come from a
// table beside the struct.
package form

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Schema is a JSON Schema, ready to be written.
type Schema map[string]any

// Dialect is the $schema of every form.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

// View is a face of a form: the same object, other properties.
type View string

const (
	// Simple holds what everybody fills.
	Simple View = "simple"
	// HTTP holds how calls are made.
	HTTP View = "http"
)

// Hint is what a form shows of one property. Its place in its table is the
// property's order.
type Hint struct {
	// Path is the property's JSON Pointer with "*" for any item: "/http/headers/*/name".
	Path  string
	Label string
	// Help says in a sentence or two what the property is for.
	Help string
	// HowTo are the steps to find the value in Celonis.
	HowTo []string
	// Secret values are written and never read back.
	Secret  bool
	Example any
	// Placeholder stands in the empty field.
	Placeholder string
	// Default is what counts when the property is left out.
	Default any
	// Titles are words for the property's choices, by value.
	Titles map[string]string
	// Groups are headings for the choices, by value.
	Groups map[string]string
	// ShowWhen are conditions that must all hold for the property to be shown; one that is not shown is left out.
	ShowWhen []When
	// OptionsFrom says where a list of values is to be had.
	OptionsFrom *Options
	// Upload is the path that takes a file and answers the id that is the value.
	Upload string
	// View is the face that the property belongs to, Simple when "".
	View View
	// Refine adds to what the tags say, or is all there is for a type that reads itself.
	Refine Schema
	// Omit leaves the property out of the form, although the body has it.
	Omit bool
}

// When holds while the field has one of the values.
type When struct {
	// Field is a property of the same object.
	Field string `json:"field"`
	In    []any  `json:"in"`
}

// Is makes a condition on a field.
func Is(field string, in ...any) When { return When{field, in} }

// Options says where a list of values is to be had.
type Options struct {
	// Kind is the kind of picker, "" for a list of another sort.
	Kind string `json:"kind,omitempty"`
	// Path answers {items, next}; {name} in it stands for the value of the property name of the same object, {id} for the
	// id of the thing that the form edits.
	Path string `json:"path"`
	// Params are query parameters, each with the property that gives its value.
	Params map[string]string `json:"params,omitempty"`
	// Value and Label are the members of an item that are stored and shown.
	Value string `json:"value"`
	Label string `json:"label"`
	// Where keeps the items whose members have these values; a list stands for any of its values.
	Where map[string]any `json:"where,omitempty"`
	// Custom allows a value that the list has not.
	Custom bool `json:"custom,omitempty"`
}

// Picker makes the Options of a picker on the connection that the property
// names, "id" for the connection that the form edits.
func Picker(kind, connection string) *Options {
	return &Options{Kind: kind, Path: "/v1/connections/{" + connection + "}/options/" + kind, Value: "value", Label: "label"}
}

// Spec is a form: a struct, the hints of its properties, and the rules between them.
type Spec struct {
	Title string
	Help  string
	// Of is a value of the struct that the body is read into.
	Of    any
	Hints []Hint
	// Rules are schemas that must hold beside the tags, by the JSON Pointer of the object that they are about.
	Rules map[string][]Schema
}

// Under gives hints and rules for where their object is a member of another one.
func (s Spec) Under(pointer string) (hints []Hint, rules map[string][]Schema) {
	hints = slices.Clone(s.Hints)
	for i := range hints {
		hints[i].Path = pointer + hints[i].Path
	}
	rules = map[string][]Schema{}
	for at, list := range s.Rules {
		rules[pointer+at] = list
	}
	return hints, rules
}

// Document makes the form's schema. A property without a hint is shown by its
// name, after the others; Check tells of it.
func (s Spec) Document() Schema {
	doc, _ := s.build()
	return doc
}

// Check tells where the table and the struct do not fit: a property without a
// hint, a hint without a property, a rule without an object, a type or a tag
// that has no form.
func (s Spec) Check() error {
	_, b := s.build()
	for _, h := range s.Hints {
		if !b.used[h.Path] {
			b.fail("the hint %s has no property", h.Path)
		}
		if !h.Omit && (h.Label == "" || h.Help == "") {
			b.fail("the hint %s has no words", h.Path)
		}
	}
	for at := range s.Rules {
		if !b.used[at] && at != "" {
			b.fail("the rules of %s have no object", at)
		}
	}
	if len(b.wrong) > 0 {
		return fmt.Errorf("the form %q: %s", s.Title, strings.Join(b.wrong, "; "))
	}
	return nil
}

func (s Spec) build() (Schema, *builder) {
	b := &builder{spec: s, hints: make(map[string]int, len(s.Hints)), used: map[string]bool{}}
	for i, h := range s.Hints {
		if _, twice := b.hints[h.Path]; twice {
			b.fail("%s has two hints", h.Path)
		}
		b.hints[h.Path] = i
	}
	doc := b.object(reflect.TypeOf(s.Of), "")
	doc["$schema"], doc["title"], doc["description"] = Dialect, s.Title, s.Help
	doc["x-ui"] = Schema{"label": s.Title, "help": s.Help, "views": b.views()}
	return doc, b
}

type builder struct {
	spec  Spec
	hints map[string]int
	used  map[string]bool
	wrong []string
}

func (b *builder) fail(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// views lists the faces that the form's own properties belong to, Simple first.
func (b *builder) views() []View {
	views := []View{Simple}
	for _, h := range b.spec.Hints {
		if h.View != "" && !slices.Contains(views, h.View) {
			views = append(views, h.View)
		}
	}
	return views
}

// object makes the schema of a struct.
func (b *builder) object(t reflect.Type, pointer string) Schema {
	properties, required := Schema{}, []string{}
	b.fields(t, pointer, properties, &required)
	s := Schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	if rules := b.spec.Rules[pointer]; len(rules) > 0 {
		s["allOf"] = rules
	}
	return s
}

func (b *builder) fields(t reflect.Type, pointer string, properties Schema, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			b.fields(f.Type, pointer, properties, required)
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		at := pointer + "/" + name
		h, index := b.hint(at, name)
		if h.Omit {
			continue
		}
		r := readRules(f.Tag.Get("validate"))
		s := b.value(f.Type, at, r, h)
		if r.required {
			*required = append(*required, name)
		}
		b.decorate(s, h, index)
		properties[name] = s
	}
}

// hint finds the hint of a property and its place in the order.
func (b *builder) hint(at, name string) (h Hint, index int) {
	b.used[at] = true
	index, ok := b.hints[at]
	if !ok {
		b.fail("the property %s has no hint", at)
		return Hint{Path: at, Label: name}, len(b.spec.Hints)
	}
	return b.spec.Hints[index], index
}
