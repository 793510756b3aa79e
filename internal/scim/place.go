package scim

import (
	"strconv"
	"strings"
)

// Place says where the attributes that Celonis adds (role and
// sendEmailOnInvitation) are written. Its documentation lists the extension's
// URN in schemas, but its samples show the attributes beside the core ones.
type Place uint8

const (
	// Both writes them at the top level and under the extension's URN: whichever a server reads, it finds.
	Both Place = iota
	// TopLevel writes them beside the core attributes.
	TopLevel
	// UnderURN writes them under the extension's URN, as RFC 7643 has it.
	UnderURN
)

// added gives an attribute that Celonis adds, from under the extension's URN
// or else from the top level; nil when it stands nowhere.
func added(r Resource, urn, name string) any {
	if v := r.Object(urn).Get(name); v != nil {
		return v
	}
	if v := r.Get(urn + ":" + name); v != nil {
		return v
	}
	return r.Get(name)
}

// place writes the attributes that Celonis adds.
func (p Place) place(r Resource, urn string, attributes map[string]any) {
	if len(attributes) == 0 {
		return
	}
	if p != UnderURN {
		for name, value := range attributes {
			r.Set(name, value)
		}
	}
	if p == TopLevel {
		return
	}
	under := r.Object(urn)
	if under == nil {
		under = Resource{}
		r.Set(urn, map[string]any(under))
	}
	for name, value := range attributes {
		under.Set(name, value)
	}
}

// Bool reads a boolean that may be written as a string in any case ("True").
func Bool(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v)))
		return b, err == nil && len(strings.TrimSpace(v)) > 1
	default:
		return false, false
	}
}

// boolPointer reads a boolean as Bool does; nil when it is none.
func boolPointer(v any) *bool {
	if b, ok := Bool(v); ok {
		return &b
	}
	return nil
}

// rest gives the attributes of r that are not named in known, nil when there are none.
func rest(r Resource, known ...string) Resource {
	left := r.Clone()
	for _, name := range known {
		left.Delete(name)
	}
	if len(left) == 0 {
		return nil
	}
	return left
}

// restUnder takes the attributes named in known out of the extension that
// stands under urn in r, and the extension when nothing else is in it.
func restUnder(r Resource, urn string, known ...string) {
	for _, name := range known {
		r.Delete(urn + ":" + name)
	}
	under := r.Object(urn)
	if under == nil {
		return
	}
	for _, name := range known {
		under.Delete(name)
	}
	if len(under) == 0 {
		r.Delete(urn)
	}
}

// schemasFor gives the schemas of a resource that is written: the core one,
// the extension, those it had, and every URN that it holds attributes of.
func schemasFor(r Resource, had []string, core, extension string) []any {
	list, seen := []any{}, map[string]bool{}
	add := func(urn string) {
		if fold := strings.ToLower(urn); urn != "" && !seen[fold] {
			seen[fold] = true
			list = append(list, urn)
		}
	}
	add(core)
	add(extension)
	for _, urn := range had {
		add(urn)
	}
	for _, name := range names(r) {
		if strings.HasPrefix(strings.ToLower(name), "urn:") && r.Object(name) != nil {
			add(name)
		}
	}
	return list
}

// texts gives the strings of a list.
func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}
