package celonissim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The types and URNs of SCIM.
const (
	userType  = "User"
	groupType = "Group"

	scimCore      = "urn:ietf:params:scim:schemas:core:2.0:"
	scimExtension = "urn:celonis:params:scim:schemas:extension:2.0:"
	scimMessages  = "urn:ietf:params:scim:api:messages:2.0:"
)

// maxSCIMName is the documented longest name, in characters.
const maxSCIMName = 100

// scimKind is a type of resource.
type scimKind struct {
	name, urn, extension, endpoint string
	// key is the attribute that must be there and be unique, whatever its case.
	key string
	// attributes are those that are kept, by what they hold.
	attributes map[string]scimHolds
}

// scimHolds is what an attribute holds.
type scimHolds int

const (
	holdsText scimHolds = iota
	holdsBool
	holdsFlag
	holdsObject
	holdsList
)

func userKind() *scimKind {
	return &scimKind{
		name: userType, urn: scimCore + userType, extension: scimExtension + userType, endpoint: "Users", key: "userName",
		attributes: map[string]scimHolds{
			"userName": holdsText, "displayName": holdsText, "externalId": holdsText, "active": holdsBool, "name": holdsObject,
			"emails": holdsList, "role": holdsText, "sendEmailOnInvitation": holdsFlag,
		},
	}
}

func groupKind() *scimKind {
	return &scimKind{
		name: groupType, urn: scimCore + groupType, extension: scimExtension + groupType, endpoint: "Groups", key: "displayName",
		attributes: map[string]scimHolds{"displayName": holdsText, "externalId": holdsText, "members": holdsList, "role": holdsText},
	}
}

func kindNamed(name string) *scimKind {
	if name == groupType {
		return groupKind()
	}
	return userKind()
}

// scimRefusal is an error of the API.
type scimRefusal struct {
	status         int
	kind, detail   string
	attribute, key string
}

func refuse(status int, scimType, detail string, args ...any) *scimRefusal {
	return &scimRefusal{status: status, kind: scimType, detail: fmt.Sprintf(detail, args...)}
}

// plainJSON gives a value as a decoder of JSON would, and shares nothing with it.
func plainJSON(value map[string]any) map[string]any {
	text, err := json.Marshal(value)
	if err != nil {
		panic("celonissim: a resource is no JSON: " + err.Error())
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		panic("celonissim: " + err.Error())
	}
	return out
}

// canonical gives the attribute's name as it is written, "" for one that is not kept.
func (k *scimKind) canonical(name string) string {
	for known := range k.attributes {
		if strings.EqualFold(known, name) {
			return known
		}
	}
	return ""
}

func (k *scimKind) extended(name string) bool {
	return name == "role" || name == "sendEmailOnInvitation"
}

// read takes the attributes that are kept out of a body. Unknown ones are left out.
func (k *scimKind) read(body map[string]any, o SCIM) (map[string]any, *scimRefusal) {
	schemas, _ := body["schemas"].([]any)
	if !slices.ContainsFunc(schemas, func(s any) bool { return s == k.urn }) {
		return nil, refuse(400, "invalidSyntax", "schemas must name %s", k.urn)
	}
	attrs := map[string]any{}
	take := func(from map[string]any, top bool) {
		for name, value := range from {
			known := k.canonical(name)
			if known == "" || value == nil || k.extended(known) && (top && o.ReadsNested || !top && o.ReadsTop) {
				continue
			}
			attrs[known] = value
		}
	}
	take(body, true)
	for name, value := range body {
		if nested, ok := value.(map[string]any); ok && strings.EqualFold(name, k.extension) {
			take(nested, false)
		}
	}
	return k.check(attrs)
}

// check finds what is wrong with attributes and fills in defaults.
func (k *scimKind) check(attrs map[string]any) (map[string]any, *scimRefusal) {
	for name, value := range attrs {
		read, ok := k.attributes[name].read(value)
		if !ok {
			return nil, refuse(400, "invalidValue", "%s has a value of a wrong type", name)
		}
		attrs[name] = read
	}
	key, _ := attrs[k.key].(string)
	if strings.TrimSpace(key) == "" {
		return nil, refuse(400, "invalidValue", "%s must not be empty", k.key)
	}
	if k.name == userType && !strings.Contains(key, "@") {
		return nil, refuse(400, "invalidValue", "userName must be a valid e-mail address")
	}
	for name, text := range namesOf(attrs) {
		if utf8.RuneCountInString(text) > maxSCIMName {
			return nil, refuse(400, "invalidValue", "%s must not be longer than %d characters", name, maxSCIMName)
		}
	}
	if _, ok := attrs["role"]; !ok {
		attrs["role"] = "MEMBER"
	}
	if !slices.Contains([]any{"MEMBER", "ANALYST", "ADMIN"}, attrs["role"]) {
		return nil, refuse(400, "invalidValue", "role must be one of MEMBER, ANALYST, ADMIN")
	}
	if k.name == userType && attrs["active"] == nil {
		attrs["active"] = true
	}
	return attrs, nil
}

// namesOf gives the texts that are names.
func namesOf(attrs map[string]any) map[string]string {
	out := map[string]string{}
	if text, ok := attrs["displayName"].(string); ok {
		out["displayName"] = text
	}
	parts, _ := attrs["name"].(map[string]any)
	for name, value := range parts {
		if text, ok := value.(string); ok {
			out["name."+name] = text
		}
	}
	return out
}

func (h scimHolds) read(value any) (any, bool) {
	switch h {
	case holdsText:
		_, ok := value.(string)
		return value, ok
	case holdsBool:
		_, ok := value.(bool)
		return value, ok
	case holdsFlag:
		if text, ok := value.(string); ok {
			return strings.EqualFold(text, "true"), strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
		}
		_, ok := value.(bool)
		return value, ok
	case holdsObject:
		_, ok := value.(map[string]any)
		return value, ok
	}
	list, ok := value.([]any)
	for _, one := range list {
		object, isObject := one.(map[string]any)
		_, hasValue := object["value"].(string)
		ok = ok && isObject && hasValue
	}
	return value, ok
}

// primaryMail is the address of a user: that of emails which is primary, else userName.
func primaryMail(attrs map[string]any) string {
	list, _ := attrs["emails"].([]any)
	for _, one := range list {
		mail, _ := one.(map[string]any)
		if mail["primary"] == true {
			text, _ := mail["value"].(string)
			return strings.ToLower(text)
		}
	}
	text, _ := attrs["userName"].(string)
	return strings.ToLower(text)
}
