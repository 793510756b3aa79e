package scim

import (
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// MaxFilter bounds a filter or a path, in bytes.
	MaxFilter = 8 << 10
	// MaxFilterDepth bounds how deep a filter nests.
	MaxFilterDepth = 32
)

// Filter is a filter of RFC 7644, section 3.4.2.2, that was read.
type Filter struct{ root node }

// ParseFilter reads a filter. Operators, attributes and the words and, or and
// not are read without case. Fault ScimFilter says where it goes wrong.
func ParseFilter(text string) (*Filter, error) {
	p := parser{text: text, code: fault.ScimFilter, what: "filter"}
	if len(text) > MaxFilter {
		return nil, p.fault("is longer than %d bytes", MaxFilter)
	}
	root, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.blank(); p.at < len(p.text) {
		return nil, p.wrong("the end")
	}
	return &Filter{root}, nil
}

// Matches reports whether a resource is what the filter asks for.
func (f *Filter) Matches(r Resource) bool { return f.root.matches(r) }

// String gives the filter in its plain form, from which the same is read.
func (f *Filter) String() string { return f.root.String() }

// Lookup gives attribute and text of a filter that is one comparison of an
// attribute with a text, as identity providers look for a resource by its name.
func (f *Filter) Lookup() (attribute, text string, ok bool) {
	c, is := f.root.(comparison)
	if !is || c.op != opEqual || c.path.Sub != "" {
		return "", "", false
	}
	text, ok = c.value.(string)
	return c.path.Name, text, ok
}

// node is a part of a filter.
type node interface {
	matches(r Resource) bool
	String() string
}

type (
	// both is "a and b", either "a or b", inverse "not (a)".
	both    struct{ a, b node }
	either  struct{ a, b node }
	inverse struct{ of node }
	// present is "attribute pr".
	present struct{ path AttrPath }
	// comparison is "attribute op value".
	comparison struct {
		path  AttrPath
		op    operator
		value any
	}
	// element is "attribute[filter]", with what is asked of the elements' sub-attribute where rest is not nil.
	element struct {
		path AttrPath
		of   node
		rest node
	}
)

func (n both) matches(r Resource) bool    { return n.a.matches(r) && n.b.matches(r) }
func (n either) matches(r Resource) bool  { return n.a.matches(r) || n.b.matches(r) }
func (n inverse) matches(r Resource) bool { return !n.of.matches(r) }

func (n present) matches(r Resource) bool {
	for _, v := range n.path.values(r) {
		switch v := v.(type) {
		case string:
			if v != "" {
				return true
			}
		case map[string]any:
			if len(v) > 0 {
				return true
			}
		case nil:
		default:
			return true
		}
	}
	return false
}

func (n element) matches(r Resource) bool {
	for _, v := range n.path.values(r) {
		o := asElement(v)
		if n.of.matches(o) && (n.rest == nil || n.rest.matches(o)) {
			return true
		}
	}
	return false
}

// asElement gives a value of a list as an object; a simple one is its own value.
func asElement(v any) Resource {
	if o, ok := v.(map[string]any); ok {
		return o
	}
	return Resource{"value": v}
}

func (n both) String() string    { return group(n.a, false) + " and " + group(n.b, true) }
func (n either) String() string  { return n.a.String() + " or " + group(n.b, false) }
func (n inverse) String() string { return "not (" + n.of.String() + ")" }
func (n present) String() string { return n.path.String() + " pr" }

func (n comparison) String() string {
	return n.path.String() + " " + string(n.op) + " " + literal(n.value)
}

func (n element) String() string {
	text := n.path.String() + "[" + n.of.String() + "]"
	if n.rest != nil {
		text += "." + n.rest.String()
	}
	return text
}

// group puts parentheses around what binds less.
func group(n node, tight bool) string {
	switch n.(type) {
	case either:
		return "(" + n.String() + ")"
	case both:
		if tight {
			return "(" + n.String() + ")"
		}
	}
	return n.String()
}

// eachEqual gives the texts that a filter demands of attributes when it is
// nothing but equalities joined by and.
func eachEqual(n node, into Resource) bool {
	switch n := n.(type) {
	case both:
		return eachEqual(n.a, into) && eachEqual(n.b, into)
	case comparison:
		if n.op != opEqual || n.path.URN != "" || n.path.Sub != "" || n.value == nil || strings.HasPrefix(n.path.Name, "$") {
			return false
		}
		into[n.path.Name] = n.value
		return true
	}
	return false
}
