package form

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"strconv"
	"strings"
)

// rules are what a validate tag says of a value.
type rules struct {
	required bool
	unique   bool
	choices  []string
	min, max *float64
	// items is the tag of the items, after "dive".
	items string
	// unknown are the parts of a tag that have no form.
	unknown []string
}

func readRules(tag string) (r rules) {
	tag, r.items, _ = strings.Cut(tag, "dive")
	for part := range strings.SplitSeq(strings.Trim(tag, ","), ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "", "omitempty":
		case "required":
			r.required = true
		case "unique":
			r.unique = true
		case "oneof":
			r.choices = strings.Fields(value)
		case "min", "max":
			n, err := strconv.ParseFloat(value, 64)
			switch {
			case err != nil:
				r.unknown = append(r.unknown, part)
			case name == "min":
				r.min = &n
			default:
				r.max = &n
			}
		default:
			r.unknown = append(r.unknown, part)
		}
	}
	return r
}

// bound writes min and max under the names that fit the type.
func (r rules) bound(s Schema, least, most string) {
	for name, n := range map[string]*float64{least: r.min, most: r.max} {
		if n != nil {
			s[name] = json.Number(strconv.FormatFloat(*n, 'f', -1, 64))
		}
	}
}

var (
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonReader = reflect.TypeFor[json.Unmarshaler]()
)

// value makes the schema of a property or an item.
func (b *builder) value(t reflect.Type, at string, r rules, h Hint) Schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(r.unknown) > 0 {
		b.fail("%s has the rule %q, which has no form", at, r.unknown)
	}
	s := Schema{}
	switch {
	case reflect.PointerTo(t).Implements(jsonReader):
		if h.Refine["type"] == nil {
			b.fail("%s reads itself and its hint does not say what it takes", at)
		}
	case t.Kind() == reflect.String || reflect.PointerTo(t).Implements(textReader):
		text(s, r)
	case t.Kind() == reflect.Struct:
		s = b.object(t, at)
	case t.Kind() == reflect.Slice:
		b.list(s, t, at, r)
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		s["type"] = "integer"
		r.bound(s, "minimum", "maximum")
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		s["type"] = "number"
		r.bound(s, "minimum", "maximum")
	default:
		b.fail("%s is a %s, which has no form", at, t)
	}
	maps.Copy(s, h.Refine)
	return s
}

func text(s Schema, r rules) {
	s["type"] = "string"
	if len(r.choices) > 0 {
		s["enum"] = r.choices
		return
	}
	r.bound(s, "minLength", "maxLength")
	if r.required {
		s["minLength"] = 1
	}
}

func (b *builder) list(s Schema, t reflect.Type, at string, r rules) {
	s["type"] = "array"
	r.bound(s, "minItems", "maxItems")
	if r.unique {
		s["uniqueItems"] = true
	}
	// The items of a struct have hints of their own below the path; those of a plain type may have one.
	b.used[at+"/*"] = true
	i, ok := b.hints[at+"/*"]
	if !ok {
		s["items"] = b.value(t.Elem(), at+"/*", readRules(r.items), Hint{})
		return
	}
	item := b.value(t.Elem(), at+"/*", readRules(r.items), b.spec.Hints[i])
	b.decorate(item, b.spec.Hints[i], i)
	s["items"] = item
}

// decorate adds what a form shows: in JSON Schema's own words where it has
// them, and all of it under x-ui.
func (b *builder) decorate(s Schema, h Hint, order int) {
	view := h.View
	if view == "" {
		view = Simple
	}
	ui := Schema{"order": order + 1, "label": h.Label, "help": h.Help, "view": view}
	s["title"], s["description"] = h.Label, h.Help
	set := func(name string, value any, there bool) {
		if there {
			ui[name] = value
		}
	}
	set("howTo", h.HowTo, len(h.HowTo) > 0)
	set("example", h.Example, h.Example != nil)
	set("placeholder", h.Placeholder, h.Placeholder != "")
	set("titles", h.Titles, len(h.Titles) > 0)
	set("groups", h.Groups, len(h.Groups) > 0)
	set("showWhen", h.ShowWhen, len(h.ShowWhen) > 0)
	set("optionsFrom", h.OptionsFrom, h.OptionsFrom != nil)
	set("upload", h.Upload, h.Upload != "")
	if h.Secret {
		ui["secret"], s["writeOnly"] = true, true
	}
	if h.Example != nil && !h.Secret {
		s["examples"] = []any{h.Example}
	}
	if h.Default != nil {
		s["default"] = h.Default
	}
	s["x-ui"] = ui
}
