package budget_test

import (
	"testing"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/stretchr/testify/require"
)

func TestASingleRequestTakesOneOfTheTeams(t *testing.T) {
	t.Parallel()
	s := &fakeRequests{grant: 1}
	ticket := requests(s, "10:20:00").Once(domain, "chat-1")
	require.NoError(t, ticket.Take(t.Context()))
	require.Equal(t, budget.RequestTake{Domain: domain, RunID: "chat-1", Want: 1, Limits: budget.RequestLimits{}.WithDefaults(), Now: at("10:20:00")}, s.takes[0])
	require.NoError(t, ticket.End(t.Context()))
	require.Equal(t, []int64{0}, s.unused)
}
