// Package scim holds the words of SCIM 2.0 (RFC 7643 and RFC 7644): resources
// and messages, the filter language, patches, schemas and what they demand. It
// reads leniently, as identity providers write, and writes strictly. It knows
// no HTTP and no Celonis beyond the attributes that Celonis adds.
package scim

// The URNs of schemas.
const (
	URNUser           = "urn:ietf:params:scim:schemas:core:2.0:User"
	URNGroup          = "urn:ietf:params:scim:schemas:core:2.0:Group"
	URNEnterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	URNCelonisUser    = "urn:celonis:params:scim:schemas:extension:2.0:User"
	URNCelonisGroup   = "urn:celonis:params:scim:schemas:extension:2.0:Group"
	URNConfig         = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	URNResourceType   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	URNSchema         = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// The URNs of messages.
const (
	URNListResponse  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	URNSearchRequest = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	URNPatchOp       = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	URNBulkRequest   = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	URNBulkResponse  = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
	URNError         = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// MediaType is the content type of SCIM bodies.
const MediaType = "application/scim+json"

// The roles that Celonis knows, for users and for groups.
const (
	RoleMember  = "MEMBER"
	RoleAnalyst = "ANALYST"
	RoleAdmin   = "ADMIN"
)

// Kind is a type of resource, by its name in RFC 7643.
type Kind string

// The kinds of resources.
const (
	KindUser  Kind = "User"
	KindGroup Kind = "Group"
)

// Path gives the kind's place under the base address, with a leading slash.
func (k Kind) Path() string {
	if k == KindGroup {
		return "/Groups"
	}
	return "/Users"
}

// URN gives the kind's core schema.
func (k Kind) URN() string {
	if k == KindGroup {
		return URNGroup
	}
	return URNUser
}

// Extension gives the schema of what Celonis adds to the kind.
func (k Kind) Extension() string {
	if k == KindGroup {
		return URNCelonisGroup
	}
	return URNCelonisUser
}

// NameAttribute gives the attribute that a human names the kind's resources by,
// which is unique in a Celonis team: userName or displayName.
func (k Kind) NameAttribute() string {
	if k == KindGroup {
		return "displayName"
	}
	return "userName"
}
