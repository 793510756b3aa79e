package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/httpapi"
)

func TestRoutesAndContractAreTheSame(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for path, item := range contract().Paths.Map() {
		for method := range item.Operations() {
			documented[method+" "+path] = true
		}
	}
	for _, route := range httpapi.Routes() {
		name := route.Method + " " + route.Path
		require.True(t, documented[name], "%s is not in openapi.yaml", name)
		delete(documented, name)
	}
	require.Empty(t, documented, "openapi.yaml has operations that are no routes")
}

func TestRoutesNeedTheScopesOfTheContract(t *testing.T) {
	t.Parallel()
	for _, route := range httpapi.Routes() {
		op := contract().Paths.Value(route.Path).GetOperation(route.Method)
		name := route.Method + " " + route.Path
		require.NotNil(t, op.Security, "%s must say what it needs", name)
		if route.Public {
			require.Empty(t, *op.Security, name)
			require.NotContains(t, op.Extensions, "x-required-scope", name)
			continue
		}
		require.Len(t, *op.Security, 1, name)
		scopes := (*op.Security)[0]["oauth2"]
		if route.Scope == "" {
			require.Empty(t, scopes, name)
			require.NotContains(t, op.Extensions, "x-required-scope", name)
			continue
		}
		require.Equal(t, access.JoinScopes(route.Scopes()), strings.Join(scopes, " "), name)
		require.Equal(t, access.JoinScopes(route.Scopes()), op.Extensions["x-required-scope"], name)
	}
}

func TestRoutesTakeTheParametersOfTheContract(t *testing.T) {
	t.Parallel()
	for _, route := range httpapi.Routes() {
		name := route.Method + " " + route.Path
		var query []string
		idempotent := false
		for _, p := range contract().Paths.Value(route.Path).GetOperation(route.Method).Parameters {
			if p.Value.In == "query" {
				query = append(query, p.Value.Name)
			}
			idempotent = idempotent || p.Value.Name == "Idempotency-Key"
		}
		require.ElementsMatch(t, route.Query, query, name)
		require.Equal(t, route.Idempotent, idempotent, name)
	}
}

func TestScopesOfTheContractAreTheCatalogue(t *testing.T) {
	t.Parallel()
	scopes := contract().Components.SecuritySchemes["oauth2"].Value.Flows.ClientCredentials.Scopes
	require.Len(t, scopes, len(access.Catalogue()))
	for _, d := range access.Catalogue() {
		require.Equal(t, d.Description, scopes[string(d.Scope)], d.Scope)
	}
}

func TestEveryScopeOpensARoute(t *testing.T) {
	t.Parallel()
	for _, scope := range access.AllScopes() {
		require.True(t, slices.ContainsFunc(httpapi.Routes(), func(r httpapi.Route) bool { return r.Scope == scope }), scope)
	}
}

// concrete fills the parameters of a path.
func concrete(path, id string) string {
	return strings.NewReplacer("{id}", id, "{secretId}", unknownID, "{threadId}", unknownID, "{connectionId}", connectionID, "{urn}", "urn:ietf:params:scim:schemas:core:2.0:User", "{type}", "User", "{token}", hookToken, "{domain}", "acme.eu-1.celonis.cloud", "{asset}", "swagger-ui.css", "/v1/forms/{kind}", "/v1/forms/connection", "{kind}", "pools").Replace(path)
}

func TestEveryRouteWantsAToken(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, route := range httpapi.Routes() {
		what := route.Method + " " + concrete(route.Path, flowID)
		if route.Public {
			res := s.ask(what, "", "Authorization", "")
			require.NotContains(t, []int{http.StatusForbidden}, res.status, what)
			continue
		}
		for name, header := range map[string]string{"none": "", "another scheme": "Basic YTpi", "empty": "Bearer  ", "no scheme": "all"} {
			res := s.ask(what, "", "Authorization", header)
			res.requireProblem(t, http.StatusUnauthorized, "access.unauthenticated")
			require.Equal(t, `Bearer realm="celonis-connector"`, res.header.Get("WWW-Authenticate"), "%s, token %s", what, name)
		}
		res := s.ask(what, "", "Authorization", "bearer bad")
		res.requireProblem(t, http.StatusUnauthorized, "access.unauthenticated")
		require.Equal(t, `Bearer realm="celonis-connector", error="invalid_token", error_description="the token is not valid"`,
			res.header.Get("WWW-Authenticate"), what)
	}
}

func TestEveryRouteWantsItsScope(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, route := range httpapi.Routes() {
		if route.Public || route.Scope == "" {
			continue
		}
		what := route.Method + " " + concrete(route.Path, unknownID)
		for _, needed := range route.Scopes() {
			var others []string
			for _, scope := range access.AllScopes() {
				if scope != needed {
					others = append(others, string(scope))
				}
			}
			res := s.ask(what, "", "Authorization", "Bearer "+strings.Join(others, ","))
			p := res.requireProblem(t, http.StatusForbidden, "access.insufficient_scope")
			require.Contains(t, p.Detail, string(needed))
			require.Equal(t, `Bearer realm="celonis-connector", error="insufficient_scope", scope="`+string(needed)+`"`,
				res.header.Get("WWW-Authenticate"), what)
		}
		res := s.ask(what, "", "Authorization", "Bearer "+strings.ReplaceAll(access.JoinScopes(route.Scopes()), " ", ","))
		require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, res.status, "%s needs its scopes and no other", what)
	}
}

// TestUnknownIDsAreNotFound asks every route with an id for things that are
// not there, and for ids that no database should be asked for.
func TestUnknownIDsAreNotFound(t *testing.T) {
	t.Parallel()
	s := setup(t)
	bodies := map[string]string{http.MethodPatch: `{}`}
	for _, route := range httpapi.Routes() {
		if !strings.Contains(route.Path, "{id}") {
			continue
		}
		body := bodies[route.Method]
		if strings.HasSuffix(route.Path, "/records") {
			body = `[{}]`
		}
		if speaksSCIM(route) {
			body = map[string]string{http.MethodPut: `{"userName":"a@b.c","displayName":"x"}`, http.MethodPatch: aPatch}[route.Method]
		}
		if strings.HasSuffix(route.Path, "/errors/retry") || strings.HasSuffix(route.Path, "/errors/resolve") {
			body = `{"all":true}`
		}
		if strings.HasSuffix(route.Path, "/subscription/replay") {
			body = `{"fromOffset":0}`
		}
		for _, id := range []string{unknownID, "%00", "%ff", "a%20b", strings.Repeat("a", 200)} {
			res := s.ask(route.Method+" "+concrete(route.Path, id), body)
			require.Equal(t, http.StatusNotFound, res.status, "%s %s: %s", route.Method, route.Path, res.body)
			p := res.problem(t)
			if speaksSCIM(route) {
				continue
			}
			require.Regexp(t, `^(scim\.operation_|connection\.|notification\.|oauth_client\.|flow\.|flow_template\.|run\.|error\.|file\.|access\.client_)not_found$`, p.Code)
			require.Empty(t, p.Errors)
		}
	}
}

func TestUnknownQueryParametersAreRefused(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, route := range httpapi.Routes() {
		if route.Public || speaksSCIM(route) { // identity providers send parameters of their own
			continue
		}
		what := route.Method + " " + concrete(route.Path, flowID)
		s.ask(what+"?nope=1", "").requireProblem(t, http.StatusUnprocessableEntity, "request.unknown_field")
		if len(route.Query) > 0 {
			name := route.Query[0]
			s.ask(what+"?"+name+"=1&"+name+"=2", "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
		}
		s.ask(what+"?a=%zz", "").requireProblem(t, http.StatusUnprocessableEntity, "request.invalid")
	}
}

func TestUnknownRoutesAndMethods(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, path := range []string{"/", "/v1", "/v2/flows", "/v1/flows/", "/v1//flows", "/v1/flows/a/b/c", "/docs/nothing.js", "/docs/..%2fgo.mod"} {
		p := s.ask("GET "+path, "").requireProblem(t, http.StatusNotFound, "request.route_not_found")
		require.NotEmpty(t, p.Detail)
	}
	res := s.ask("PUT /v1/flows", `{}`)
	p := res.requireProblem(t, http.StatusMethodNotAllowed, "request.method_not_allowed")
	require.ElementsMatch(t, []string{"GET", "POST"}, strings.Split(res.header.Get("Allow"), ", "))
	require.Contains(t, p.Hint, "POST")
	s.ask("FROB /v1/flows", "").requireProblem(t, http.StatusMethodNotAllowed, "request.method_not_allowed")
	require.Contains(t, s.observed.seen, "PUT  405")
	require.Contains(t, s.observed.seen, "other  405")
}
