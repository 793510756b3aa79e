package scim

import "encoding/json"

const (
	attrRole   = "role"
	attrInvite = "sendEmailOnInvitation"
)

// Name is the name of a person.
type Name struct {
	Formatted  string
	GivenName  string
	MiddleName string
	FamilyName string
}

// User is a user of a Celonis team. Members that are empty are not written.
type User struct {
	// Schemas are those it was read with; what is written lists at least the core schema and the one of Celonis.
	Schemas []string
	// ID is given by Celonis.
	ID string
	// ExternalID is the caller's own id.
	ExternalID string
	// UserName is the e-mail address, which Celonis never lets change.
	UserName    string
	DisplayName string
	Name        *Name
	// Active is true in Celonis when it is left out (nil).
	Active *bool
	// Role is MEMBER, ANALYST or ADMIN, "" when it is not told.
	Role string
	// SendEmailOnInvitation says whether an invitation is sent; nil leaves it to Celonis.
	SendEmailOnInvitation *bool
	// Groups are read only: membership is changed through groups.
	Groups []Member
	Meta   *Meta
	// Extra are the attributes that are none of the above, kept as they were read.
	Extra Resource
}

// UserFrom reads a user leniently: names without case, booleans as strings,
// what Celonis adds at the top level or under its URN.
func UserFrom(r Resource) User {
	u := User{
		Schemas: texts(r.Get("schemas")), ID: r.Text("id"), ExternalID: r.Text("externalId"), UserName: r.Text("userName"),
		DisplayName: r.Text("displayName"), Active: boolPointer(r.Get("active")), Groups: membersOf(r.Get("groups")), Meta: metaOf(r),
		SendEmailOnInvitation: boolPointer(added(r, URNCelonisUser, attrInvite)),
	}
	u.Role, _ = added(r, URNCelonisUser, attrRole).(string)
	if len(u.Groups) == 0 {
		u.Groups = nil
	}
	known := []string{"schemas", "id", "externalId", "userName", "displayName", "active", "groups", "meta", attrRole, attrInvite}
	if name := r.Object("name"); name != nil {
		u.Name = &Name{name.Text("formatted"), name.Text("givenName"), name.Text("middleName"), name.Text("familyName")}
		known = append(known, "name")
	}
	left := r.Clone()
	restUnder(left, URNCelonisUser, attrRole, attrInvite)
	u.Extra = rest(left, known...)
	return u
}

// Shown gives the user as a server answers it: with its groups, and with what
// Celonis adds under its URN.
func (u User) Shown() Resource {
	r := u.Resource(UnderURN)
	if len(u.Groups) > 0 {
		r["groups"] = memberList(u.Groups)
	}
	return r
}

// Resource gives the user as it is written. The user's groups are the server's
// to tell and are left out, and so is meta where there is none.
func (u User) Resource(p Place) Resource {
	r := u.Extra.Clone()
	if r == nil {
		r = Resource{}
	}
	put(r, "id", u.ID)
	put(r, "externalId", u.ExternalID)
	put(r, "userName", u.UserName)
	put(r, "displayName", u.DisplayName)
	if u.Name != nil {
		r["name"] = u.Name.object()
	}
	if u.Active != nil {
		r["active"] = *u.Active
	}
	if u.Meta != nil {
		r["meta"] = u.Meta.object()
	}
	attributes := map[string]any{}
	put(attributes, attrRole, u.Role)
	if u.SendEmailOnInvitation != nil {
		attributes[attrInvite] = *u.SendEmailOnInvitation
	}
	p.place(r, URNCelonisUser, attributes)
	r["schemas"] = schemasFor(r, u.Schemas, URNUser, URNCelonisUser)
	return r
}

func (n *Name) object() map[string]any {
	o := map[string]any{}
	put(o, "formatted", n.Formatted)
	put(o, "givenName", n.GivenName)
	put(o, "middleName", n.MiddleName)
	put(o, "familyName", n.FamilyName)
	return o
}

// IsActive reports whether the user is active, which is so unless it says otherwise.
func (u User) IsActive() bool { return u.Active == nil || *u.Active }

// UnmarshalJSON reads a user as UserFrom does; fault ScimSyntax.
func (u *User) UnmarshalJSON(data []byte) error {
	r, err := ParseResource(data)
	if err != nil {
		return err
	}
	*u = UserFrom(r)
	return nil
}

// MarshalJSON writes the user with what Celonis adds in both places.
func (u User) MarshalJSON() ([]byte, error) { return json.Marshal(u.Resource(Both)) }
