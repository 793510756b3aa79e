package scim

import (
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Path is the target of a PatchOperation: attribute[filter].sub.
type Path struct {
	Attr AttrPath
	// filter selects elements; nil without one.
	filter node
	// Sub is the sub-attribute after a filter; that of a path without one stands in Attr.
	Sub string
}

// ParsePath reads a path. Faults: ScimPath, and ScimFilter for the filter inside.
func ParsePath(text string) (Path, error) {
	p := parser{text: strings.TrimSpace(text), code: fault.ScimPath, what: "path"}
	if len(p.text) > MaxFilter {
		return Path{}, p.fault("is longer than %d bytes", MaxFilter)
	}
	attr, err := p.path()
	if err != nil {
		return Path{}, err
	}
	path := Path{Attr: attr}
	if p.at < len(p.text) && p.text[p.at] == '[' {
		p.at++
		inside := parser{text: p.text, at: p.at, code: fault.ScimFilter, what: "filter of the path"}
		if path.filter, err = inside.closed(0, ']'); err != nil {
			return Path{}, err
		}
		p.at = inside.at
		if attr.Sub != "" || attr.Name == "" {
			return Path{}, p.fault("has a filter where no list can be")
		}
		if p.at < len(p.text) && p.text[p.at] == '.' {
			if path.Sub = p.text[p.at+1:]; !isAttrName(path.Sub) {
				return Path{}, p.wrong("a sub-attribute")
			}
			p.at = len(p.text)
		}
	}
	if p.at < len(p.text) {
		return Path{}, p.wrong("the end")
	}
	return path, nil
}

// String gives the path in its plain form, from which the same is read.
func (p Path) String() string {
	text := p.Attr.String()
	if p.filter != nil {
		text += "[" + p.filter.String() + "]"
	}
	if p.Sub != "" {
		text += "." + p.Sub
	}
	return text
}
