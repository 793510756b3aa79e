package celonissim

import (
	"net/http"
	"slices"
	"strings"
)

// discoverSCIM serves the documents that tell what the API can do; they are there whatever the team's settings.
func (s *Server) discoverSCIM(h func(*scimView, *http.Request) scimReply) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		st := c.team.scim
		st.mu.Lock()
		v := &scimView{scimState: st, opts: st.opts.withDefaults(), base: scimBase(r), now: s.now()}
		reply := h(v, r)
		st.mu.Unlock()
		if v.opts.NoDiscovery {
			reply = refused(refuse(http.StatusNotFound, "", "there is no such endpoint"))
		}
		if v.opts.Off {
			reply = refused(v.opts.closed())
		}
		v.opts.answer(w, reply, "")
	}
}

func (v *scimView) config(*http.Request) scimReply {
	supported := func(yes bool) map[string]any { return map[string]any{"supported": yes} }
	return scimReply{status: http.StatusOK, body: map[string]any{
		"schemas":          []any{scimCore + "ServiceProviderConfig"},
		"documentationUri": "https://developer.celonis.com",
		"patch":            supported(v.opts.Patch && !v.opts.PatchHidden || v.opts.PatchPromised),
		"bulk":             map[string]any{"supported": !v.opts.NoBulk, "maxOperations": v.opts.BulkOperations, "maxPayloadSize": v.opts.BulkBytes},
		"filter":           map[string]any{"supported": v.opts.Filter == SCIMFilters, "maxResults": v.opts.PageSize},
		"changePassword":   supported(false), "sort": supported(true), "etag": supported(v.opts.ETags),
		"authenticationSchemes": []any{map[string]any{
			"type": "oauthbearertoken", "name": "OAuth Bearer Token", "description": "OAuth 2.0 with the scope user-provisioning.scim", "primary": true,
		}},
		"meta": map[string]any{"resourceType": "ServiceProviderConfig", "location": v.base + "/scim/v2/ServiceProviderConfig"},
	}}
}

func listOf(documents []any) scimReply {
	return scimReply{status: http.StatusOK, body: map[string]any{
		"schemas": []any{scimMessages + "ListResponse"}, "totalResults": len(documents), "startIndex": 1, "itemsPerPage": len(documents), "Resources": documents,
	}}
}

// one gives the document of a list whose id is asked for.
func one(documents []any, id string) scimReply {
	i := slices.IndexFunc(documents, func(d any) bool { return strings.EqualFold(d.(map[string]any)["id"].(string), id) })
	if i < 0 {
		return refused(refuse(http.StatusNotFound, "", "there is no %s", id))
	}
	return scimReply{status: http.StatusOK, body: documents[i].(map[string]any)}
}

func (v *scimView) types(*http.Request) scimReply { return listOf(v.typeDocuments()) }

func (v *scimView) resourceType(r *http.Request) scimReply {
	return one(v.typeDocuments(), r.PathValue("type"))
}

func (v *scimView) typeDocuments() []any {
	var out []any
	for _, k := range []*scimKind{userKind(), groupKind()} {
		out = append(out, map[string]any{
			"schemas": []any{scimCore + "ResourceType"}, "id": k.name, "name": k.name, "endpoint": "/" + k.endpoint, "schema": k.urn,
			"schemaExtensions": []any{map[string]any{"schema": k.extension, "required": false}},
			"meta":             map[string]any{"resourceType": "ResourceType", "location": v.base + "/scim/v2/ResourceTypes/" + k.name},
		})
	}
	return out
}

func (v *scimView) schemas(*http.Request) scimReply { return listOf(v.schemaDocuments()) }

func (v *scimView) schema(r *http.Request) scimReply {
	return one(v.schemaDocuments(), r.PathValue("urn"))
}

func (v *scimView) schemaDocuments() []any {
	flag := "boolean"
	if v.opts.FlagText {
		flag = "string"
	}
	role := attribute("role", "string", false)
	role["canonicalValues"] = []any{"MEMBER", "ANALYST", "ADMIN"}
	userName := attribute("userName", "string", true)
	userName["mutability"], userName["uniqueness"] = "immutable", "server"
	groupName := attribute("displayName", "string", true)
	groupName["uniqueness"] = "server"
	name := attribute("name", "complex", false)
	name["subAttributes"] = []any{
		attribute("formatted", "string", false), attribute("familyName", "string", false), attribute("givenName", "string", false),
	}
	members := attribute("members", "complex", false)
	members["multiValued"] = true
	members["subAttributes"] = []any{attribute("value", "string", false), attribute("$ref", "reference", false), attribute("display", "string", false)}
	emails := attribute("emails", "complex", false)
	emails["multiValued"] = true
	emails["subAttributes"] = []any{attribute("value", "string", false), attribute("type", "string", false), attribute("primary", "boolean", false)}
	return []any{
		v.schemaDocument(scimCore+userType, userType, userName, attribute("displayName", "string", false), attribute("externalId", "string", false),
			attribute("active", "boolean", false), name, emails),
		v.schemaDocument(scimExtension+userType, "Celonis user", role, attribute("sendEmailOnInvitation", flag, false)),
		v.schemaDocument(scimCore+groupType, groupType, groupName, attribute("externalId", "string", false), members),
		v.schemaDocument(scimExtension+groupType, "Celonis group", role),
	}
}

func (v *scimView) schemaDocument(urn, name string, attributes ...any) map[string]any {
	return map[string]any{
		"schemas": []any{scimCore + "Schema"}, "id": urn, "name": name, "attributes": attributes,
		"meta": map[string]any{"resourceType": "Schema", "location": v.base + "/scim/v2/Schemas/" + urn},
	}
}

func attribute(name, kind string, required bool) map[string]any {
	return map[string]any{
		"name": name, "type": kind, "multiValued": false, "required": required, "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none",
	}
}
