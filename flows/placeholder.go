package flows

import (
	"fmt"
	"slices"
	"strings"
)

// Placeholder is what a request's text may hold between "{{" and "}}".
type Placeholder string

// The placeholders. One that has no value yet (the token of the first page, the
// watermark of the first run) is empty.
const (
	// PlaceWatermark is where the run's window begins, PlaceUntil where it ends; without an end that is the run's start.
	PlaceWatermark Placeholder = "watermark"
	PlaceUntil     Placeholder = "until"
	// PlaceRunStart is when the run was claimed first, in UTC.
	PlaceRunStart Placeholder = "runStart"
	// PlacePage, PlaceOffset and PlaceToken say which page is asked for, PlacePageSize how many records it shall have.
	PlacePage     Placeholder = "page"
	PlaceOffset   Placeholder = "offset"
	PlaceToken    Placeholder = "token"
	PlacePageSize Placeholder = "pageSize"
)

// Placeholders lists them all.
func Placeholders() []Placeholder {
	return []Placeholder{PlaceWatermark, PlaceUntil, PlaceRunStart, PlacePage, PlaceOffset, PlaceToken, PlacePageSize}
}

// Template is a text with placeholders.
type Template struct{ parts []templatePart }

// templatePart is a placeholder, or a text where name is "".
type templatePart struct {
	name Placeholder
	text string
}

// ParseTemplate reads a text; an error says what is wrong and at which byte.
func ParseTemplate(text string) (Template, error) {
	var t Template
	for at := 0; at < len(text); {
		open := strings.Index(text[at:], "{{")
		if open < 0 {
			t.parts = append(t.parts, templatePart{text: text[at:]})
			break
		}
		if open > 0 {
			t.parts = append(t.parts, templatePart{text: text[at : at+open]})
		}
		at += open
		end := strings.Index(text[at:], "}}")
		if end < 0 {
			return Template{}, fmt.Errorf("the placeholder at byte %d has no }}", at)
		}
		name := Placeholder(strings.TrimSpace(text[at+2 : at+end]))
		if !slices.Contains(Placeholders(), name) {
			return Template{}, fmt.Errorf("%q at byte %d is none of the placeholders %s", name, at, placeholderList())
		}
		t.parts = append(t.parts, templatePart{name: name})
		at += end + 2
	}
	return t, nil
}

func placeholderList() string {
	words := make([]string, len(Placeholders()))
	for i, p := range Placeholders() {
		words[i] = string(p)
	}
	return strings.Join(words, ", ")
}

// Uses reports whether the text holds one of the placeholders.
func (t Template) Uses(names ...Placeholder) bool {
	return slices.ContainsFunc(t.parts, func(p templatePart) bool { return p.name != "" && slices.Contains(names, p.name) })
}

// Alone gives the placeholder that is all of the text, "" when there is more or none.
func (t Template) Alone() Placeholder {
	if len(t.parts) == 1 {
		return t.parts[0].name
	}
	return ""
}

// Fill gives the text with the values in the places of the placeholders, each
// escaped for where it stands; before is the text that comes before it.
func (t Template) Fill(values map[Placeholder]string, escape func(before, value string) string) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(escape(b.String(), values[p.name]))
	}
	return b.String()
}
