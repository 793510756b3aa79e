package scim

import (
	"strings"
	"unicode/utf8"
)

// AttrPath names an attribute: [URN:]name[.sub].
type AttrPath struct {
	// URN is the schema that was written before the name, "" for none.
	URN string
	// Name is "" where the path names a whole extension.
	Name string
	Sub  string
}

// String gives the path as it is written.
func (p AttrPath) String() string {
	text := p.Name
	if p.URN != "" && p.Name != "" {
		text = p.URN + ":" + p.Name
	} else if p.URN != "" {
		text = p.URN
	}
	if p.Sub != "" {
		text += "." + p.Sub
	}
	return text
}

// knownURNs are the schemas that resources may hold attributes of.
func knownURNs() []string {
	return []string{URNUser, URNGroup, URNEnterpriseUser, URNCelonisUser, URNCelonisGroup}
}

// parseAttrPath reads a path; ok is false when it is none.
func parseAttrPath(text string) (p AttrPath, ok bool) {
	name := text
	if len(text) > 4 && strings.EqualFold(text[:4], "urn:") {
		for _, urn := range knownURNs() {
			if strings.EqualFold(text, urn) {
				return AttrPath{URN: urn}, true
			}
		}
		colon := strings.LastIndexByte(text, ':')
		p.URN, name = text[:colon], text[colon+1:]
		for _, urn := range knownURNs() {
			if strings.EqualFold(p.URN, urn) {
				p.URN = urn
			}
		}
		if len(p.URN) < len("urn:x") || strings.ContainsAny(p.URN, "[]()\"\\ \t") {
			return AttrPath{}, false
		}
	}
	p.Name, p.Sub, ok = strings.Cut(name, ".")
	if !isAttrName(p.Name) || (ok && !isAttrName(p.Sub)) {
		return AttrPath{}, false
	}
	return p, true
}

// isAttrName follows the grammar of RFC 7643 (a letter, then letters, digits,
// "-" and "_"), and takes "$ref".
func isAttrName(name string) bool {
	name = strings.TrimPrefix(name, "$")
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_') {
			return false
		}
	}
	return name != ""
}

// home gives the object in which the path's attribute stands, and the name of
// the extension when it is one; nil when there is no such extension. What
// Celonis adds is found without its URN too.
func (p AttrPath) home(r Resource) (home Resource, extension string) {
	if p.URN == "" || strings.EqualFold(p.URN, URNUser) || strings.EqualFold(p.URN, URNGroup) {
		if p.Name != "" && r.key(p.Name) == "" {
			for _, urn := range []string{URNCelonisUser, URNCelonisGroup} {
				if under := r.Object(urn); under.key(p.Name) != "" {
					return under, r.key(urn)
				}
			}
		}
		return r, ""
	}
	return r.Object(p.URN), r.key(p.URN)
}

// values gives what the path names in a resource: the elements of lists, and
// of each the sub-attribute where the path has one.
func (p AttrPath) values(r Resource) []any {
	home, _ := p.home(r)
	if home == nil {
		return nil
	}
	var found []any
	if p.Name == "" {
		found = []any{map[string]any(home)}
	} else {
		found = flat(home.Get(p.Name))
	}
	if p.Sub == "" {
		return found
	}
	var subs []any
	for _, v := range found {
		if o, ok := v.(map[string]any); ok {
			subs = append(subs, flat(Resource(o).Get(p.Sub))...)
		}
	}
	return subs
}

// flat gives the elements of a list, another value alone, and nothing for null.
func flat(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// caseExact reports whether texts of the attribute are compared with their case.
func (p AttrPath) caseExact() bool {
	switch strings.ToLower(p.Name) {
	case "id", "externalid", "meta":
		return true
	case "members", "groups":
		return p.Sub == "" || strings.EqualFold(p.Sub, "value") || strings.EqualFold(p.Sub, "$ref")
	}
	return false
}

// quote cuts a foreign text for a message.
func quote(text string) string {
	const longest = 100
	if len(text) <= longest {
		return text
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
