package endpoint

import (
	"context"
	"strings"

	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"github.com/celonis-connector/connector/internal/scim"
)

// maxDirectory bounds the users or groups of a team that are held in memory to be compared.
const maxDirectory = 1_000_000

// scimTeam is a team's users and groups in the words of package provision.
type scimTeam struct{ api *celonis.SCIM }

// filters reports whether the server says that it looks resources up.
func (t scimTeam) filters(ctx context.Context) (bool, error) {
	config, err := t.api.Config(ctx)
	return config.Filter.Supported, err
}

// list reads all resources of a kind into a directory. Fault ScimDirectory.
func (t scimTeam) list(ctx context.Context, k provision.Kind) (*provision.Directory, error) {
	d := provision.NewDirectory(k)
	take := func(r provision.Resource) error {
		if d.Add(r); d.Len() > maxDirectory {
			return fault.New(fault.ScimDirectory, "the team has more than %d %s", maxDirectory, k.Many()).
				WithHint("set onMissing to leave and deliver fewer rows a run, so that they are looked up one by one")
		}
		return nil
	}
	var err error
	if k == provision.Groups {
		_, err = t.api.Groups.Read(ctx, scim.SearchRequest{}, func(g scim.Group) error { return take(groupResource(g)) })
	} else {
		_, err = t.api.Users.Read(ctx, scim.SearchRequest{}, func(u scim.User) error { return take(userResource(u)) })
	}
	return d, err
}

// find looks resources up by the external id, or by the name.
func (t scimTeam) find(ctx context.Context, k provision.Kind, by provision.Attribute, value string) ([]provision.Resource, error) {
	if k == provision.Groups {
		return found(ctx, t.api.Groups, groupResource, by, value)
	}
	return found(ctx, t.api.Users, userResource, by, value)
}

func found[T scim.User | scim.Group](ctx context.Context, from *celonis.SCIMResources[T], resource func(T) provision.Resource, by provision.Attribute, value string) ([]provision.Resource, error) {
	if by != provision.ExternalID {
		one, there, err := from.ByName(ctx, value)
		if err != nil || !there {
			return nil, err
		}
		return []provision.Resource{resource(one)}, nil
	}
	list, err := from.ByExternalID(ctx, value)
	out := make([]provision.Resource, 0, len(list))
	for _, one := range list {
		out = append(out, resource(one))
	}
	return out, err
}

// create makes what a step says.
func (t scimTeam) create(ctx context.Context, k provision.Kind, s provision.Step) (provision.Resource, error) {
	if k == provision.Groups {
		g := scim.Group{}
		applyGroup(&g, s)
		made, err := t.api.Groups.Create(ctx, g)
		return groupResource(made), err
	}
	u := scim.User{}
	applyUser(&u, s.Entry)
	made, err := t.api.Users.Create(ctx, u)
	return userResource(made), err
}

// change writes what a step says over what Celonis has by now; changed is false when it has it already.
func (t scimTeam) change(ctx context.Context, k provision.Kind, s provision.Step) (now provision.Resource, changed bool, err error) {
	if k == provision.Groups {
		g, changed, err := t.api.Groups.Update(ctx, s.ID(), func(g *scim.Group) error { applyGroup(g, s); return nil })
		return groupResource(g), changed, err
	}
	u, changed, err := t.api.Users.Update(ctx, s.ID(), func(u *scim.User) error { applyUser(u, s.Entry); return nil })
	return userResource(u), changed, err
}

// group reads one group, whose members a list may leave out.
func (t scimTeam) group(ctx context.Context, id string) (provision.Resource, error) {
	g, err := t.api.Groups.Get(ctx, id)
	return groupResource(g), err
}

func (t scimTeam) delete(ctx context.Context, k provision.Kind, id string) error {
	if k == provision.Groups {
		return t.api.Groups.Delete(ctx, id)
	}
	return t.api.Users.Delete(ctx, id)
}

// applyUser sets the attributes that an entry has.
func applyUser(u *scim.User, e provision.Entry) {
	for a, v := range e {
		switch a {
		case provision.UserName:
			u.UserName = v
		case provision.ExternalID:
			u.ExternalID = v
		case provision.DisplayName:
			u.DisplayName = v
		case provision.Active:
			u.Active = truth(v)
		case provision.Role:
			u.Role = v
		case provision.SendInvitation:
			u.SendEmailOnInvitation = truth(v)
		case provision.GivenName, provision.FamilyName, provision.FormattedName:
			applyName(u, a, v)
		}
	}
}

func applyName(u *scim.User, a provision.Attribute, v string) {
	name := scim.Name{}
	if u.Name != nil {
		name = *u.Name
	}
	switch a {
	case provision.GivenName:
		name.GivenName = v
	case provision.FamilyName:
		name.FamilyName = v
	default:
		name.Formatted = v
	}
	u.Name = &name
}

func truth(v string) *bool {
	is := v == provision.True
	return &is
}

// applyGroup sets the attributes of a step, and the members: those that join and
// leave, so that who came into the group meanwhile by another way stays.
func applyGroup(g *scim.Group, s provision.Step) {
	for a, v := range s.Entry {
		switch a {
		case provision.DisplayName:
			g.DisplayName = v
		case provision.ExternalID:
			g.ExternalID = v
		case provision.Role:
			g.Role = v
		}
	}
	if !s.SetsMembers {
		return
	}
	leaving, there := map[string]bool{}, map[string]bool{}
	for _, id := range s.Leaving {
		leaving[id] = true
	}
	members := make([]scim.Member, 0, len(g.Members)+len(s.Joining))
	for _, m := range g.Members {
		if !leaving[m.Value] {
			there[m.Value] = true
			members = append(members, m)
		}
	}
	for _, id := range s.Joining {
		if !there[id] {
			members = append(members, scim.Member{Value: id})
		}
	}
	g.Members = members
}

func userResource(u scim.User) provision.Resource {
	e := provision.Entry{}
	set := func(a provision.Attribute, v string) {
		if v != "" {
			e[a] = v
		}
	}
	set(provision.UserName, u.UserName)
	set(provision.ExternalID, u.ExternalID)
	set(provision.DisplayName, u.DisplayName)
	set(provision.Role, strings.ToUpper(u.Role))
	if u.Name != nil {
		set(provision.GivenName, u.Name.GivenName)
		set(provision.FamilyName, u.Name.FamilyName)
		set(provision.FormattedName, u.Name.Formatted)
	}
	if u.Active != nil {
		e[provision.Active] = map[bool]string{true: provision.True, false: provision.False}[*u.Active]
	}
	return dated(provision.Resource{ID: u.ID, Entry: e}, u.Meta)
}

func groupResource(g scim.Group) provision.Resource {
	r := provision.Resource{ID: g.ID, Entry: provision.Entry{}, Members: make([]string, 0, len(g.Members))}
	for a, v := range map[provision.Attribute]string{provision.DisplayName: g.DisplayName, provision.ExternalID: g.ExternalID, provision.Role: strings.ToUpper(g.Role)} {
		if v != "" {
			r.Entry[a] = v
		}
	}
	for _, m := range g.Members {
		r.Members = append(r.Members, m.Value)
	}
	return dated(r, g.Meta)
}

func dated(r provision.Resource, meta *scim.Meta) provision.Resource {
	if meta != nil {
		r.Created, r.Modified = meta.Created, meta.LastModified
	}
	return r
}
