package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/httpapi"
)

func testForms(t testing.TB) httpapi.Forms {
	t.Helper()
	domains, err := connections.NewDomainPolicy(nil)
	require.NoError(t, err)
	forms, err := httpapi.NewForms(domains)
	require.NoError(t, err)
	return forms
}

func TestForms(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, kind := range []string{"connection", "oauthClient", "flow", "export", "import"} {
		res := s.ask("GET /v1/forms/"+kind, "")
		require.Equal(t, http.StatusOK, res.status)
		require.Equal(t, "application/json", res.header.Get("Content-Type"))
		require.Equal(t, "urn:celonis-connector:form:"+kind, res.json(t)["$id"])
	}
	p := s.ask("GET /v1/forms/nope", "").requireProblem(t, http.StatusNotFound, "request.route_not_found")
	require.Contains(t, p.Hint, "connection, export, flow, import, notification, oauthClient")
}
