package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlowTemplates(t *testing.T) {
	t.Parallel()
	s := setup(t)
	list := s.ask("GET /v1/flow-templates", "").json(t)["items"].([]any)
	require.NotEmpty(t, list)
	for _, item := range list {
		id := item.(map[string]any)["id"].(string)
		res := s.ask("GET /v1/flow-templates/"+id+"?connectionId="+connectionID+"&importConnectionId="+connectionID, "")
		require.Equal(t, http.StatusOK, res.status, res.body)
		require.Contains(t, res.body, connectionID)
	}
	s.ask("GET /v1/flow-templates/none", "").requireProblem(t, http.StatusNotFound, "flow_template.not_found")
}
