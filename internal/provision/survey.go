package provision

import (
	"maps"
	"slices"

	"github.com/celonis-connector/connector/internal/fault"
)

// Survey is what a whole source speaks of: who is in it, which names it has
// twice, and which rows make up a group. It is for one goroutine while rows are
// added, and for any number afterwards.
type Survey struct {
	kind     Kind
	rows     int64
	external map[string]int32
	named    map[string]int32
	groups   map[string]*Gathered
	unread   int64
	inactive []Entry
}

// Gathered is a group as all of its rows tell it.
type Gathered struct {
	// First is the number of the group's first row, from 0, and Rows how many there are.
	First, Rows int64
	// Entry has what the rows say; At is the attribute that they contradict each other in, "" for none.
	Entry Entry
	At    Attribute
	// Members are the values of all rows, each once, in the order of rows; Told says that a row speaks of members.
	Members []string
	Told    bool
	// Unread says that a record which could not be read belongs to the group, so that not every member is known.
	Unread bool
	member map[string]struct{}
}

// NewSurvey makes a survey of nothing.
func NewSurvey(k Kind) *Survey {
	return &Survey{kind: k, external: map[string]int32{}, named: map[string]int32{}, groups: map[string]*Gathered{}}
}

// Rows counts the rows added.
func (s *Survey) Rows() int64 { return s.rows }

// Unread counts the records of which it is not known whom they speak of.
func (s *Survey) Unread() int64 { return s.unread }

// Add takes a row of users, in clean form.
func (s *Survey) Add(e Entry) {
	s.rows++
	s.note(e)
	if e[Active] == False {
		s.inactive = append(s.inactive, e)
	}
}

// Inactive lists the rows of users that shall not be active.
func (s *Survey) Inactive() []Entry { return s.inactive }

// AddGroup takes a row of groups, in clean form, with the members that it tells; told is false when it does not speak of them.
// Rows with the same key are one group.
func (s *Survey) AddGroup(e Entry, members []string, told bool) {
	row := s.rows
	s.rows++
	key := e.Key(s.kind)
	if key == "" {
		return
	}
	g := s.group(e)
	if g.Rows == 0 {
		g.First = row
	}
	g.Rows++
	for a, v := range e {
		switch have, ok := g.Entry[a]; {
		case !ok:
			g.Entry[a] = v
			s.noteValue(a, v)
		case have != v && g.At == "" && (a != DisplayName || Fold(have) != Fold(v)):
			g.At = a
		}
	}
	g.Told = g.Told || told
	for _, m := range members {
		if _, ok := g.member[m]; !ok {
			g.member[m] = struct{}{}
			g.Members = append(g.Members, m)
		}
	}
}

func (s *Survey) group(e Entry) *Gathered {
	key := s.groupKey(e)
	g, ok := s.groups[key]
	if !ok {
		g = &Gathered{Entry: Entry{}, member: map[string]struct{}{}}
		s.groups[key] = g
	}
	return g
}

// groupKey tells groups apart: an external id and a name that look alike are two keys.
func (s *Survey) groupKey(e Entry) string {
	if id := e[ExternalID]; id != "" {
		return "id " + id
	}
	return "name " + Fold(e[s.kind.Naming()])
}

// Group gives what all rows with an entry's key tell; nil when the source had none.
func (s *Survey) Group(e Entry) *Gathered { return s.groups[s.groupKey(e)] }

// Lost takes a record that became no row; e has what could be read of it, in
// clean form. Whom it speaks of is still in the source.
func (s *Survey) Lost(e Entry) {
	if e.Key(s.kind) == "" {
		s.unread++
		return
	}
	if s.kind == Groups {
		g := s.group(e)
		g.Unread = true
		for a, v := range e {
			if _, ok := g.Entry[a]; !ok {
				g.Entry[a] = v
				s.noteValue(a, v)
			}
		}
		return
	}
	s.note(e)
}

func (s *Survey) note(e Entry) {
	s.noteValue(ExternalID, e[ExternalID])
	s.noteValue(s.kind.Naming(), e[s.kind.Naming()])
}

func (s *Survey) noteValue(a Attribute, v string) {
	switch {
	case v == "":
	case a == ExternalID:
		s.external[v]++
	case a == s.kind.Naming():
		s.named[Fold(v)]++
	}
}

// Has reports whether the source speaks of a resource.
func (s *Survey) Has(r *Resource) bool {
	return s.external[r.Entry[ExternalID]] > 0 || s.named[Fold(r.Entry[s.kind.Naming()])] > 0
}

// twice finds a name that the source has for several users or groups: which of them is right is not known. Fault
// ScimDuplicate.
func (s *Survey) twice(e Entry) *Finding {
	naming := s.kind.Naming()
	for _, has := range []struct {
		a Attribute
		n int32
	}{{ExternalID, s.external[e[ExternalID]]}, {naming, s.named[Fold(e[naming])]}} {
		if has.n > 1 {
			return &Finding{has.a, fault.New(fault.ScimDuplicate, "the source has the %s %q for %d %s, so none of them is taken", has.a, e[has.a], has.n, s.kind.Many()).
				WithHint("mend the source, or filter what is not meant")}
		}
	}
	return nil
}

// Values lists the external ids, or the names in folded form, that the source speaks of.
func (s *Survey) Values(a Attribute) []string {
	from := s.named
	if a == ExternalID {
		from = s.external
	}
	return slices.Sorted(maps.Keys(from))
}

// Members lists the values that the members of groups are named by, each once.
func (s *Survey) Members() []string {
	all := map[string]struct{}{}
	for _, g := range s.groups {
		for _, m := range g.Members {
			all[m] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(all))
}
