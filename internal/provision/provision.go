// Package provision plans what becomes of the users and groups of a Celonis
// team when a source says how they shall be: what is created, changed by which
// attributes, left alone, and taken away because the source has it no more. It
// only computes; who reads the team and carries the steps out is a caller's matter.
package provision

import (
	"strings"
	"time"
)

// Kind is what a directory holds.
type Kind uint8

// The kinds.
const (
	Users Kind = iota
	Groups
)

// Naming is the attribute that the kind's resources are known by in Celonis.
func (k Kind) Naming() Attribute {
	if k == Groups {
		return DisplayName
	}
	return UserName
}

// One gives the kind's word for one resource.
func (k Kind) One() string {
	if k == Groups {
		return "group"
	}
	return "user"
}

// Many gives the kind's word for several resources.
func (k Kind) Many() string { return k.One() + "s" }

// Attribute names a SCIM attribute as a mapping does.
type Attribute string

// The attributes. SendInvitation is only read when a user is created; Members belongs to groups.
const (
	UserName       Attribute = "userName"
	ExternalID     Attribute = "externalId"
	DisplayName    Attribute = "displayName"
	Active         Attribute = "active"
	GivenName      Attribute = "name.givenName"
	FamilyName     Attribute = "name.familyName"
	FormattedName  Attribute = "name.formatted"
	Role           Attribute = "role"
	SendInvitation Attribute = "sendEmailOnInvitation"
	Members        Attribute = "members"
)

// Attributes lists the attributes that a row of the kind may have.
func Attributes(k Kind) []Attribute {
	if k == Groups {
		return []Attribute{ExternalID, DisplayName, Role, Members}
	}
	return []Attribute{UserName, ExternalID, DisplayName, Active, GivenName, FamilyName, FormattedName, Role, SendInvitation}
}

// The texts of a boolean in an Entry, and the role that only an option takes away.
const (
	True  = "true"
	False = "false"
	Admin = "ADMIN"
)

// Roles lists the roles of Celonis, the least first.
func Roles() []string { return []string{"MEMBER", "ANALYST", Admin} }

// Entry is a user or a group by its attributes; one that is absent is not
// spoken of. A group's members are apart from it.
type Entry map[Attribute]string

// Key is what the entry is known by to its source: its external id, else its
// name; "" when it has neither.
func (e Entry) Key(k Kind) string {
	if id := e[ExternalID]; id != "" {
		return id
	}
	return e[k.Naming()]
}

// Resource is a user or a group as Celonis has it.
type Resource struct {
	// ID is Celonis's own.
	ID string
	Entry
	// Members are the Celonis ids of a group's users.
	Members []string
	// Created and Modified are zero where Celonis does not tell.
	Created, Modified time.Time
}

// IsActive reports whether a user may log in; what Celonis does not speak of is so.
func (r *Resource) IsActive() bool { return r.Entry[Active] != False }

// IsAdmin reports whether the resource has the role ADMIN.
func (r *Resource) IsAdmin() bool { return strings.EqualFold(r.Entry[Role], Admin) }

// Action is what becomes of a resource; its text counts in a run.
type Action string

// The actions.
const (
	Created     Action = "created"
	Updated     Action = "updated"
	Unchanged   Action = "unchanged"
	Deactivated Action = "deactivated"
	Reactivated Action = "reactivated"
	Emptied     Action = "emptied"
	Deleted     Action = "deleted"
)

// Change is one attribute that a step changes.
type Change struct {
	Attribute Attribute
	// From is "" where Celonis has no value.
	From, To string
}

// Step is what is to be done for one user or group.
type Step struct {
	Action Action
	// Key is what the source, else Celonis, knows the resource by.
	Key string
	// Now is the resource as Celonis has it; nil for one that is created.
	Now *Resource
	// Entry has every attribute of a resource that is created, and of any other those that change.
	Entry Entry
	// Changes are those of Entry, in the order of Attributes; empty for a resource that is created.
	Changes []Change
	// Members are the Celonis ids that a group shall have, when SetsMembers; Joining and Leaving tell the difference.
	Members          []string
	SetsMembers      bool
	Joining, Leaving []string
}

// Writes reports whether the step changes anything in Celonis.
func (s *Step) Writes() bool { return s.Action != Unchanged }

// ID gives the resource's id in Celonis, "" for one that is created.
func (s *Step) ID() string {
	if s.Now == nil {
		return ""
	}
	return s.Now.ID
}

// Fields lists the names of what the step writes, without any value.
func (s *Step) Fields(k Kind) []string {
	var names []string
	for _, a := range Attributes(k) {
		if _, ok := s.Entry[a]; ok {
			names = append(names, string(a))
		}
	}
	if s.SetsMembers {
		names = append(names, string(Members))
	}
	return names
}
