package scimgate

import (
	"context"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// ids translates between the ids that callers know and those of Celonis.
type ids struct{ toCelonis, toCaller map[string]string }

// ids reads the aliases of a connection.
func (s *Service) ids(ctx context.Context, at Place) (ids, error) {
	list, err := s.deps.Store.SCIMAliases(ctx, at.Workspace, at.ConnectionID)
	t := ids{make(map[string]string, len(list)), make(map[string]string, len(list))}
	for _, a := range list {
		t.toCelonis[a.ID] = a.CelonisID
		if a.CelonisID != "" {
			t.toCaller[a.CelonisID] = a.ID
		}
	}
	return t, err
}

// celonis gives the id in Celonis; there is false for an alias of what is not there yet.
func (t ids) celonis(id string) (celonisID string, there bool) {
	if known, alias := t.toCelonis[id]; alias {
		return known, known != ""
	}
	return id, true
}

// caller gives the id that the caller knows.
func (t ids) caller(id string) string {
	if alias, ok := t.toCaller[id]; ok {
		return alias
	}
	return id
}

// shown puts the caller's ids into a resource of Celonis.
func (t ids) shown(r scim.Resource) scim.Resource {
	if len(t.toCaller) == 0 {
		return r
	}
	r = r.Clone()
	r.Set("id", t.caller(r.Text("id")))
	for _, list := range []string{"members", "groups"} {
		eachElement(r, list, func(e scim.Resource) { e.Set("value", t.caller(e.Text("value"))) })
	}
	return r
}

// sent puts Celonis's ids into a resource; missing names an alias of what is not there yet.
func (t ids) sent(r scim.Resource) (out scim.Resource, missing string) {
	if len(t.toCelonis) == 0 {
		return r, ""
	}
	r = r.Clone()
	if id := r.Text("id"); id != "" {
		if celonisID, there := t.celonis(id); there {
			r.Set("id", celonisID)
		}
	}
	eachElement(r, "members", func(e scim.Resource) {
		id, there := t.celonis(e.Text("value"))
		if !there {
			missing = e.Text("value")
			return
		}
		e.Set("value", id)
	})
	return r, missing
}

func eachElement(r scim.Resource, list string, do func(scim.Resource)) {
	elements, _ := r.Get(list).([]any)
	for _, e := range elements {
		if o, ok := e.(map[string]any); ok {
			do(o)
		}
	}
}

// view is a resource as it is for its caller: what Celonis has, with all that waits.
type view struct {
	ids ids
	// id is the one that the caller knows, celonisID the one of Celonis, "" while it has none.
	id, celonisID string
	// now is the resource with what waits; nil when it is deleted or not known.
	now scim.Resource
	// waiting are the operations of the resource.
	waiting []Operation
	// unknown is why Celonis could not be asked, where nothing that waits tells the whole resource.
	unknown error
}

// look finds a resource. away is why Celonis need not be asked, nil when it
// must be. Fault ScimNotFound.
func (s *Service) look(ctx context.Context, d Directory, at Place, k scim.Kind, id string, away error) (view, error) {
	v, err := s.lookUp(ctx, at, k, id)
	if err != nil {
		return v, err
	}
	var base scim.Resource
	if v.celonisID != "" {
		if err = away; away == nil {
			base, err = d.Get(ctx, k, v.celonisID)
		}
		switch {
		case down(err):
			v.unknown = err
		case err != nil:
			return v, refusal(err, k, id)
		default:
			base = v.ids.shown(base)
		}
	} else if len(v.waiting) == 0 || v.waiting[0].Verb != Create {
		return v, notFound(k, id) // an alias whose create was refused or discarded
	}
	if v.now, err = s.fold(base, v.waiting); err != nil {
		return v, err
	}
	if v.now != nil {
		v.unknown = nil
	} else if v.unknown == nil || (len(v.waiting) > 0 && v.waiting[len(v.waiting)-1].Verb == Delete) {
		return v, notFound(k, id)
	}
	return v, nil
}

// lookUp finds what is known here of a resource.
func (s *Service) lookUp(ctx context.Context, at Place, k scim.Kind, id string) (view, error) {
	t, err := s.ids(ctx, at)
	if err != nil {
		return view{}, err
	}
	v := view{ids: t, id: t.caller(id)}
	v.celonisID, _ = t.celonis(v.id)
	v.waiting, err = s.deps.Store.SCIMOperations(ctx, OperationQuery{Place: at, Kind: k, ResourceID: v.id, State: Pending})
	return v, err
}

// fold puts what waits over a resource; nil for one that is deleted, or not
// known. What cannot be put over it is left to Celonis to refuse.
func (s *Service) fold(base scim.Resource, waiting []Operation) (scim.Resource, error) {
	r := base
	for i := range waiting {
		o := &waiting[i]
		p, err := s.open(o)
		if err != nil {
			return nil, err
		}
		switch {
		case o.Verb == Delete:
			r = nil
		case o.Verb == Patch && r != nil && p.Patch != nil:
			if changed, err := scim.Apply(o.Kind, r, *p.Patch); err == nil {
				r = changed
			}
		case o.Verb == Create:
			r = p.Resource
		case o.Verb == Replace && r != nil:
			r = replaced(o.Kind, r, p.Resource)
		}
	}
	return r, nil
}

// replaced gives what a replace makes of a resource: what the body tells, what
// is not the caller's to write, and what a body that is silent about it must
// not take away: whether a user is active, the members of a group, the role.
func replaced(k scim.Kind, was, body scim.Resource) scim.Resource {
	out := was.Clone()
	for _, name := range []string{"externalId", "displayName", "name"} {
		if body.Get(name) == nil {
			out.Delete(name)
		}
	}
	for name, v := range body.Clone() {
		switch {
		case name == "schemas" || name == "id" || name == "meta" || name == "groups":
		case name == k.Extension():
			under := scim.Resource(out.Object(name))
			if under == nil {
				under = scim.Resource{}
			}
			for member, value := range body.Object(name).Clone() {
				under.Set(member, value)
			}
			out.Set(name, map[string]any(under))
		default:
			out.Set(name, v)
		}
	}
	return out
}

// conditional holds a resource against If-Match; "" and "*" fit whatever is
// there. Fault RequestStale.
func conditional(r scim.Resource, tags []string) error {
	if len(tags) == 0 || scim.VersionFits(scim.VersionOf(r), tags) {
		return nil
	}
	return fault.New(fault.RequestStale, "the resource is at version %s", scim.VersionOf(r)).
		WithHint("read it again, and send its ETag as If-Match")
}
