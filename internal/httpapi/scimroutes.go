package httpapi

import (
	"net/http"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/scim"
)

// scimRoutes are those of the gateway, for each connection.
func (a *api) scimRoutes() []Route {
	read := func(path string, handle func(*call) (reply, error), query ...string) Route {
		return Route{Method: http.MethodGet, Path: scimBase + path, Scope: access.ScimRead, Query: query, scim: true, handle: handle}
	}
	write := func(method, path string, handle func(*call) (reply, error), query ...string) Route {
		return Route{Method: method, Path: scimBase + path, Scope: access.ScimWrite, Query: query, scim: true, maxBody: MaxSCIMBody, handle: handle}
	}
	routes := []Route{
		read("/ServiceProviderConfig", a.getSCIMConfig),
		read("/Schemas", a.listSCIMSchemas), read("/Schemas/{urn}", a.getSCIMSchema),
		read("/ResourceTypes", a.listSCIMTypes), read("/ResourceTypes/{type}", a.getSCIMType),
	}
	for _, k := range []scim.Kind{scim.KindUser, scim.KindGroup} {
		list, one := k.Path(), k.Path()+"/{id}"
		create := write(http.MethodPost, list, a.createSCIM(k), scimView()...)
		create.Idempotent = true
		search := read(list+"/.search", a.searchSCIM(k))
		search.Method = http.MethodPost
		routes = append(routes, create, search,
			read(list, a.listSCIM(k), scimQuery()...), read(one, a.getSCIM(k), scimView()...),
			write(http.MethodPut, one, a.replaceSCIM(k), scimView()...), write(http.MethodPatch, one, a.patchSCIM(k), scimView()...),
			write(http.MethodDelete, one, a.deleteSCIM(k)))
	}
	return routes
}
