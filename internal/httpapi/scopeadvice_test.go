package httpapi_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// ScopeAdvice makes the fake a ScopeAdvisor: the one connection is one of Data Push with a scope that is too broad.
func (f *fakeConnections) ScopeAdvice(_ context.Context, _, id string) (connections.ScopeAdvice, error) {
	c := aConnection()
	c.AuthType, c.Scopes = connections.OAuth2, []string{"integration.data-pools"}
	uses := []connections.OperationUse{{Usage: connections.Usage{FlowID: flowID, Name: "Permits"}, Operations: []connections.Operation{connections.PushRows}}}
	return connections.AdviseScopes(c, uses), none(fault.ConnectionNotFound, id, connectionID)
}

func TestScopeAdvice(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/connections/"+connectionID+"/scope-advice", "")
	require.Equal(t, http.StatusOK, res.status)
	require.JSONEq(t, `{"applies":true,"needed":[
		{"operation":"push rows into a data pool","anyOf":["integration.data-pools:data_push","integration.data-pools"],
		 "flows":[{"flowId":"`+flowID+`","name":"Permits"}],"met":true,"optional":false},
		{"operation":"list data pools, tables and columns","anyOf":["integration.data-pools:read","integration.data-pools"],"flows":[],"met":true,"optional":true}],
		"asked":["integration.data-pools"],"missing":[],
		"broader":[{"scope":"integration.data-pools","instead":["integration.data-pools:data_push","integration.data-pools:read"]}],
		"suggested":["integration.data-pools:data_push"]}`, res.body)
}
