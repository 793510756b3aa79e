package scim

import "strings"

// MaxName bounds a displayName, in characters: Celonis refuses longer ones.
const MaxName = 100

const (
	typeString    = "string"
	typeBoolean   = "boolean"
	typeComplex   = "complex"
	typeReference = "reference"

	readOnly  = "readOnly"
	readWrite = "readWrite"
	immutable = "immutable"

	returnedAlways  = "always"
	returnedDefault = "default"
)

func attribute(name, kind, description string) Attribute {
	return Attribute{Name: name, Type: kind, Description: description, Mutability: readWrite, Returned: returnedDefault, Uniqueness: "none"}
}

// Schemas gives what users and groups of Celonis hold: core schemas and extensions.
func Schemas() []Schema {
	return []Schema{userSchema(), groupSchema(), userExtension(), groupExtension()}
}

func userSchema() Schema {
	name := attribute("name", typeComplex, "The person's name, which Celonis shows where displayName is missing")
	name.SubAttributes = []Attribute{
		attribute("formatted", typeString, "The whole name"), attribute("familyName", typeString, "The family name"),
		attribute("givenName", typeString, "The given name"), attribute("middleName", typeString, "The middle names"),
	}
	userName := attribute("userName", typeString, "The person's e-mail address; Celonis does not let it be changed")
	userName.Required, userName.Mutability, userName.Uniqueness = true, immutable, "server"
	groups := attribute("groups", typeComplex, "The groups that the user is in; membership is changed through groups")
	groups.MultiValued, groups.Mutability, groups.SubAttributes = true, readOnly, elements("The id of the group", "Group", readOnly)
	return Schema{ID: URNUser, Name: "User", Description: "A user of a Celonis team", Attributes: []Attribute{
		userName, name, attribute("displayName", typeString, "The name that Celonis shows, at most 100 characters"),
		attribute("active", typeBoolean, "Whether the user may log in; true when it is left out"), groups,
	}}
}

func groupSchema() Schema {
	displayName := attribute("displayName", typeString, "The group's name, unique in the team, at most 100 characters")
	displayName.Required, displayName.Uniqueness = true, "server"
	members := attribute("members", typeComplex, "The users in the group")
	members.MultiValued, members.SubAttributes = true, elements("The id of the user", "User", immutable)
	return Schema{ID: URNGroup, Name: "Group", Description: "A group of a Celonis team", Attributes: []Attribute{displayName, members}}
}

// elements are the sub-attributes of a list of references to resources.
func elements(value, kind, mutability string) []Attribute {
	id := attribute("value", typeString, value)
	id.Required, id.CaseExact = true, true
	ref := attribute("$ref", typeReference, "The address of the resource")
	ref.ReferenceTypes, ref.CaseExact = []string{kind}, true
	of := attribute("type", typeString, "The kind of the resource")
	of.CanonicalValues = []string{kind}
	list := []Attribute{id, ref, attribute("display", typeString, "The name of the resource"), of}
	for i := range list {
		list[i].Mutability = mutability
	}
	return list
}

func role() Attribute {
	a := attribute(attrRole, typeString, "The role in the team: MEMBER when it is left out")
	a.CanonicalValues = []string{RoleMember, RoleAnalyst, RoleAdmin}
	return a
}

func userExtension() Schema {
	return Schema{ID: URNCelonisUser, Name: "CelonisUser", Description: "What Celonis adds to users", Attributes: []Attribute{
		role(), attribute(attrInvite, typeBoolean, "Whether Celonis sends an invitation"),
	}}
}

func groupExtension() Schema {
	return Schema{ID: URNCelonisGroup, Name: "CelonisGroup", Description: "What Celonis adds to groups", Attributes: []Attribute{role()}}
}

// ResourceTypes gives the kinds of resources.
func ResourceTypes() []ResourceType {
	list := make([]ResourceType, 0, 2)
	for _, k := range []Kind{KindUser, KindGroup} {
		list = append(list, ResourceType{
			Schemas: []string{URNResourceType}, ID: string(k), Name: string(k), Endpoint: k.Path(), Schema: k.URN(),
			Description: "A " + strings.ToLower(string(k)) + " of a Celonis team", SchemaExtensions: []SchemaExtension{{k.Extension(), false}},
		})
	}
	return list
}

// common are the attributes of every resource that stand in no schema.
func common() []Attribute {
	external := attribute("externalId", typeString, "The caller's own id")
	external.CaseExact = true
	id := attribute("id", typeString, "The id that Celonis gave")
	id.CaseExact, id.Mutability, id.Returned = true, readOnly, returnedAlways
	meta := attribute("meta", typeComplex, "What the server tells of the resource")
	meta.Mutability = readOnly
	return []Attribute{external, id, meta}
}

// core gives the attributes of a kind that stand beside each other: those of its core schema, and the common ones.
func (k Kind) core() []Attribute {
	if k == KindGroup {
		return append(groupSchema().Attributes, common()...)
	}
	return append(userSchema().Attributes, common()...)
}

// added gives the attributes that Celonis adds to a kind.
func (k Kind) added() []Attribute {
	if k == KindGroup {
		return groupExtension().Attributes
	}
	return userExtension().Attributes
}

// find gives an attribute by its name, without case; nil when there is none.
func find(list []Attribute, name string) *Attribute {
	for i := range list {
		if strings.EqualFold(list[i].Name, name) {
			return &list[i]
		}
	}
	return nil
}

// find gives the attribute that a path names, and whether it stands in the
// extension; nil for what the kind does not have.
func (k Kind) find(p AttrPath) (a *Attribute, extension bool) {
	inCore := p.URN == "" || strings.EqualFold(p.URN, k.URN())
	if inCore {
		if a = find(k.core(), p.Name); a != nil {
			return a, false
		}
	}
	if p.URN == "" || strings.EqualFold(p.URN, k.Extension()) {
		a = find(k.added(), p.Name)
	}
	return a, a != nil
}
