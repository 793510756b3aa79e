package scim

import "encoding/json"

// Group is a group of a Celonis team. Members that are empty are not written.
type Group struct {
	// Schemas are those it was read with; what is written lists at least the core schema and the one of Celonis.
	Schemas []string
	// ID is given by Celonis.
	ID string
	// ExternalID is the caller's own id.
	ExternalID string
	// DisplayName is unique in the team.
	DisplayName string
	// Members name users by the ids of Celonis. A nil list was not told, or is not to be changed; an empty one is nobody.
	Members []Member
	// Role is MEMBER, ANALYST or ADMIN, "" when it is not told.
	Role string
	Meta *Meta
	// Extra are the attributes that are none of the above, kept as they were read.
	Extra Resource
}

// GroupFrom reads a group leniently: names without case, members as objects or
// bare ids, the role at the top level or under its URN.
func GroupFrom(r Resource) Group {
	g := Group{
		Schemas: texts(r.Get("schemas")), ID: r.Text("id"), ExternalID: r.Text("externalId"),
		DisplayName: r.Text("displayName"), Meta: metaOf(r),
	}
	if members := r.Get("members"); members != nil {
		g.Members = membersOf(members)
	}
	g.Role, _ = added(r, URNCelonisGroup, attrRole).(string)
	left := r.Clone()
	restUnder(left, URNCelonisGroup, attrRole)
	g.Extra = rest(left, "schemas", "id", "externalId", "displayName", "members", "meta", attrRole)
	return g
}

// Shown gives the group as a server answers it: with what Celonis adds under its URN.
func (g Group) Shown() Resource { return g.Resource(UnderURN) }

// Resource gives the group as it is written.
func (g Group) Resource(p Place) Resource {
	r := g.Extra.Clone()
	if r == nil {
		r = Resource{}
	}
	put(r, "id", g.ID)
	put(r, "externalId", g.ExternalID)
	put(r, "displayName", g.DisplayName)
	if g.Members != nil {
		r["members"] = memberList(g.Members)
	}
	if g.Meta != nil {
		r["meta"] = g.Meta.object()
	}
	attributes := map[string]any{}
	put(attributes, attrRole, g.Role)
	p.place(r, URNCelonisGroup, attributes)
	r["schemas"] = schemasFor(r, g.Schemas, URNGroup, URNCelonisGroup)
	return r
}

// UnmarshalJSON reads a group as GroupFrom does; fault ScimSyntax.
func (g *Group) UnmarshalJSON(data []byte) error {
	r, err := ParseResource(data)
	if err != nil {
		return err
	}
	*g = GroupFrom(r)
	return nil
}

// MarshalJSON writes the group with its role in both places.
func (g Group) MarshalJSON() ([]byte, error) { return json.Marshal(g.Resource(Both)) }
