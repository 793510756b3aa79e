package celonissim

import (
	"net/http"
	"strings"
)

// scimReply is an answer of the SCIM API.
type scimReply struct {
	status int
	body   map[string]any
	// resource is what was read or written; it gives Location and ETag.
	resource *scimResource
	// silent keeps these out of the answer.
	silent  bool
	refusal *scimRefusal
}

func refused(r *scimRefusal) scimReply { return scimReply{status: r.status, refusal: r} }

// scimCall is one thing that is asked of a resource.
type scimCall struct {
	method string
	kind   *scimKind
	id     string
	body   map[string]any
	// match is If-Match, "" without one.
	match string
}

// write does what changes a resource.
func (v *scimView) write(c scimCall) scimReply {
	v.writes[c.method+" "+c.kind.name]++
	if c.method == http.MethodPost {
		return v.create(c)
	}
	r := v.store(c.kind).byID[c.id]
	switch {
	case r == nil:
		return refused(refuse(http.StatusNotFound, "", "there is no %s %s", c.kind.name, c.id))
	case v.opts.ETags && c.match != "" && c.match != "*" && c.match != r.etag():
		return refused(refuse(http.StatusPreconditionFailed, "", "the resource has changed"))
	}
	switch c.method {
	case http.MethodDelete:
		v.store(c.kind).remove(r)
		if c.kind.name == userType {
			v.leaveGroups(r.id, v.now)
		}
		return scimReply{status: http.StatusNoContent}
	case http.MethodPut:
		attrs, wrong := c.kind.read(c.body, v.opts)
		if wrong != nil {
			return refused(wrong)
		}
		return v.replace(r, attrs)
	case http.MethodPatch:
		return v.patch(r, c.body)
	}
	return refused(refuse(http.StatusMethodNotAllowed, "", "the method is not allowed"))
}

func (v *scimView) create(c scimCall) scimReply {
	attrs, wrong := c.kind.read(c.body, v.opts)
	if wrong == nil {
		wrong = v.checkMembers(attrs)
	}
	if wrong != nil {
		return refused(wrong)
	}
	store := v.store(c.kind)
	key, _ := attrs[c.kind.key].(string)
	isUser := c.kind.name == userType
	if isUser {
		v.person(key).Creates++
	}
	if store.byKey[strings.ToLower(key)] != nil {
		return refused(v.taken(c.kind, key))
	}
	if isUser && attrs["active"] == true && v.full() {
		return refused(v.licenses())
	}
	if isUser {
		p := v.person(key)
		p.Invitations++
		if attrs["sendEmailOnInvitation"] != false {
			p.Mails++
		}
	}
	r := store.add(attrs, v.now)
	if v.opts.CreateStatus == http.StatusNoContent {
		return scimReply{status: http.StatusNoContent, resource: r, silent: true}
	}
	return scimReply{status: v.opts.CreateStatus, body: v.document(r), resource: r}
}

func (v *scimView) full() bool { return v.opts.Licenses > 0 && v.activeUsers() >= v.opts.Licenses }

func (v *scimView) licenses() *scimRefusal {
	return refuse(http.StatusBadRequest, "", "The license limit of the team is exceeded: all %d user licenses are in use", v.opts.Licenses)
}

func (v *scimView) taken(k *scimKind, key string) *scimRefusal {
	r := refuse(v.opts.DuplicateStatus, "uniqueness", "a %s with the %s %s exists already", strings.ToLower(k.name), k.key, key)
	r.attribute, r.key = k.key, k.key+".unique"
	return r
}

// replace puts checked attributes in the place of a resource's.
func (v *scimView) replace(r *scimResource, attrs map[string]any) scimReply {
	if wrong := v.checkMembers(attrs); wrong != nil {
		return refused(wrong)
	}
	store := v.store(r.kind)
	was, key := store.keyOf(r.attrs), store.keyOf(attrs)
	switch {
	case r.kind.name == userType && (was != key || primaryMail(attrs) != primaryMail(r.attrs)):
		wrong := refuse(http.StatusBadRequest, "mutability", "The email address of a user cannot be changed")
		wrong.attribute = "userName"
		return refused(wrong)
	case was != key && store.byKey[key] != nil:
		text, _ := attrs[r.kind.key].(string)
		return refused(v.taken(r.kind, text))
	case r.kind.name == userType && attrs["active"] == true && !r.active() && v.full():
		return refused(v.licenses())
	}
	store.change(r, attrs, v.now)
	return scimReply{status: http.StatusOK, body: v.document(r), resource: r}
}

// document is a resource as it is answered.
func (v *scimView) document(r *scimResource) map[string]any {
	out := map[string]any{"schemas": []any{r.kind.urn, r.kind.extension}, "id": r.id}
	extension := map[string]any{}
	for name, value := range r.attrs {
		if flag, ok := value.(bool); ok && v.opts.FlagText && name == "sendEmailOnInvitation" {
			value = map[bool]string{true: "true", false: "false"}[flag]
		}
		switch {
		case name == "members":
			out[name] = v.members(value)
		case v.opts.Nested && r.kind.extended(name):
			extension[name] = value
		default:
			out[name] = value
		}
	}
	if len(extension) > 0 {
		out[r.kind.extension] = extension
	}
	out["meta"] = v.meta(r)
	return out
}

func (v *scimView) meta(r *scimResource) map[string]any {
	const millis = "2006-01-02T15:04:05.000Z"
	meta := map[string]any{
		"resourceType": r.kind.name, "created": r.created.UTC().Format(millis), "lastModified": r.modified.UTC().Format(millis),
		"location": v.location(r),
	}
	if v.opts.ETags {
		meta["version"] = r.etag()
	}
	return meta
}

func (v *scimView) location(r *scimResource) string {
	return v.base + "/scim/v2/" + r.kind.endpoint + "/" + r.id
}

func (v *scimView) members(value any) []any {
	list, _ := value.([]any)
	out := make([]any, 0, len(list))
	for _, one := range list {
		id, _ := one.(map[string]any)["value"].(string)
		member := map[string]any{"value": id, "type": userType, "$ref": v.base + "/scim/v2/Users/" + id}
		if user := v.users.byID[id]; user != nil {
			if name, ok := user.attrs["displayName"].(string); ok {
				member["display"] = name
			}
		}
		out = append(out, member)
	}
	return out
}
