package provision

import (
	"strings"
	"time"
	"unicode"

	"github.com/celonis-connector/connector/internal/fault"
)

// Fold gives the form in which names are compared: SCIM takes user names and
// display names whatever their case.
func Fold(name string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, strings.TrimSpace(name))
}

// Directory is the users or the groups that Celonis has. It is for one goroutine.
type Directory struct {
	kind     Kind
	byID     map[string]*Resource
	external map[string][]*Resource
	named    map[string][]*Resource
	order    []*Resource
}

// NewDirectory makes an empty directory.
func NewDirectory(k Kind) *Directory {
	return &Directory{kind: k, byID: map[string]*Resource{}, external: map[string][]*Resource{}, named: map[string][]*Resource{}}
}

// Add takes a resource; one that is there already, which pages of a list may
// repeat while it grows, is left as it is.
func (d *Directory) Add(r Resource) {
	if _, ok := d.byID[r.ID]; ok || r.ID == "" {
		return
	}
	p := &r
	d.byID[r.ID] = p
	d.order = append(d.order, p)
	if id := r.Entry[ExternalID]; id != "" {
		d.external[id] = append(d.external[id], p)
	}
	if name := Fold(r.Entry[d.kind.Naming()]); name != "" {
		d.named[name] = append(d.named[name], p)
	}
}

// Len counts the resources.
func (d *Directory) Len() int { return len(d.order) }

// Newest is when a resource was written last, as far as Celonis tells; zero when it does not.
func (d *Directory) Newest() time.Time {
	var newest time.Time
	for _, r := range d.order {
		for _, t := range []time.Time{r.Created, r.Modified} {
			if t.After(newest) {
				newest = t
			}
		}
	}
	return newest
}

// Resolve gives the Celonis id of a user by an attribute: ExternalID, or
// UserName whatever its case. It is "" when there is none, or no telling which.
func (d *Directory) Resolve(by Attribute, value string) string {
	found := d.external[value]
	if by != ExternalID {
		found = d.named[Fold(value)]
	}
	if len(found) != 1 {
		return ""
	}
	return found[0].ID
}

// match finds the resource that an entry speaks of, by the attributes in their
// order; nil when there is none. Fault ScimAmbiguous when there are several.
func (d *Directory) match(e Entry, by []Attribute) (*Resource, Attribute, *fault.Error) {
	for _, a := range by {
		value := e[a]
		if value == "" {
			continue
		}
		found := d.external[value]
		if a != ExternalID {
			found = d.named[Fold(value)]
		}
		switch len(found) {
		case 0:
			continue
		case 1:
			return found[0], a, nil
		}
		return nil, a, fault.New(fault.ScimAmbiguous, "celonis has %d %s with the %s %q", len(found), d.kind.Many(), a, value).
			WithHint("make the %s unique in Celonis", a)
	}
	return nil, "", nil
}
