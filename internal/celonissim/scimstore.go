package celonissim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// scimResource is a user or a group. Its attributes are never changed in place.
type scimResource struct {
	kind              *scimKind
	id                string
	attrs             map[string]any
	created, modified time.Time
	version           int
}

// scimStore holds the resources of a kind in the order of their coming.
type scimStore struct {
	kind *scimKind
	all  []*scimResource
	// byID, byKey and byExternal are indexes; keys are in lower case.
	byID       map[string]*scimResource
	byKey      map[string]*scimResource
	byExternal map[string][]*scimResource
}

func newSCIMStore(k *scimKind) *scimStore {
	return &scimStore{kind: k, byID: map[string]*scimResource{}, byKey: map[string]*scimResource{}, byExternal: map[string][]*scimResource{}}
}

func (s *scimStore) keyOf(attrs map[string]any) string {
	text, _ := attrs[s.kind.key].(string)
	return strings.ToLower(text)
}

func externalOf(attrs map[string]any) string {
	text, _ := attrs["externalId"].(string)
	return text
}

func (s *scimStore) add(attrs map[string]any, now time.Time) *scimResource {
	r := &scimResource{kind: s.kind, id: uuid.NewString(), attrs: attrs, created: now, modified: now, version: 1}
	s.all = append(s.all, r)
	s.byID[r.id] = r
	s.index(r)
	return r
}

func (s *scimStore) index(r *scimResource) {
	s.byKey[s.keyOf(r.attrs)] = r
	if external := externalOf(r.attrs); external != "" {
		s.byExternal[external] = append(s.byExternal[external], r)
	}
}

func (s *scimStore) unindex(r *scimResource) {
	delete(s.byKey, s.keyOf(r.attrs))
	if external := externalOf(r.attrs); external != "" {
		s.byExternal[external] = slices.DeleteFunc(s.byExternal[external], func(other *scimResource) bool { return other == r })
	}
}

func (s *scimStore) change(r *scimResource, attrs map[string]any, now time.Time) {
	s.unindex(r)
	r.attrs, r.modified, r.version = attrs, now, r.version+1
	s.index(r)
}

func (s *scimStore) remove(r *scimResource) {
	s.unindex(r)
	delete(s.byID, r.id)
	if i := slices.Index(s.all, r); i >= 0 {
		s.all = slices.Delete(s.all, i, i+1)
	}
}

func (r *scimResource) etag() string { return `W/"` + strconv.Itoa(r.version) + `"` }

func (r *scimResource) active() bool { return r.attrs["active"] == true }

// activeUsers counts the licenses in use.
func (st *scimState) activeUsers() int {
	n := 0
	for _, r := range st.users.all {
		if r.active() {
			n++
		}
	}
	return n
}

// checkMembers refuses members of a group that are no users, and leaves out those that come twice.
func (st *scimState) checkMembers(attrs map[string]any) *scimRefusal {
	list, ok := attrs["members"].([]any)
	if !ok {
		return nil
	}
	seen := make(map[string]bool, len(list))
	kept := make([]any, 0, len(list))
	for _, one := range list {
		member, _ := one.(map[string]any)
		id, _ := member["value"].(string)
		if st.users.byID[id] == nil {
			return refuse(400, "invalidValue", "members: there is no user %s", id)
		}
		if !seen[id] {
			seen[id] = true
			kept = append(kept, map[string]any{"value": id})
		}
	}
	attrs["members"] = kept
	return nil
}

// leaveGroups takes a user that is gone out of all groups.
func (st *scimState) leaveGroups(id string, now time.Time) {
	isHim := func(one any) bool { return one.(map[string]any)["value"] == id }
	for _, g := range st.groups.all {
		list, _ := g.attrs["members"].([]any)
		if !slices.ContainsFunc(list, isHim) {
			continue
		}
		attrs := map[string]any{}
		for name, value := range g.attrs {
			attrs[name] = value
		}
		attrs["members"] = slices.DeleteFunc(slices.Clone(list), isHim)
		st.groups.change(g, attrs, now)
	}
}
