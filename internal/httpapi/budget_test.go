package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/fault"
)

// fakeBudgets knows one team with limits and one without.
type fakeBudgets struct{}

func (fakeBudgets) Budget(_ context.Context, _, domain string) (*budget.Report, error) {
	r := &budget.Report{Domain: domain, Used: 241, ResetsAt: budget.Turn(epoch())}
	switch domain {
	case "acme.eu-1.celonis.cloud":
		r.Limits, r.Left, r.WaitingRuns = budget.Limits{PerHour: 250, PerSecond: 10}, 9, 3
		r.Next = []budget.Outlook{{Hour: budget.Turn(epoch()), Expected: 251}}
	case "127.0.0.1:8080":
	default:
		return nil, fault.New(fault.TeamNotFound, "no connection leads to the team %q", domain)
	}
	return r, nil
}

func TestBudget(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.JSONEq(t, `{"domain":"acme.eu-1.celonis.cloud","perHour":250,"perSecond":10,"used":241,"left":9,"resetsAt":"2026-03-01T09:00:00Z",
		"waitingRuns":3,"forecast":{"nextHours":[{"hour":"2026-03-01T09:00:00Z","expected":251,"fits":false}]}}`,
		s.ask("GET /v1/teams/ACME.eu-1.celonis.cloud/budget", "").body)
	require.JSONEq(t, `{"domain":"127.0.0.1:8080","perHour":null,"perSecond":null,"used":241,"left":null,"resetsAt":"2026-03-01T09:00:00Z",
		"waitingRuns":0,"forecast":{"nextHours":[]}}`, s.ask("GET /v1/teams/127.0.0.1:8080/budget", "").body)
	for _, domain := range []string{"other.eu-1.celonis.cloud", "a%00b", "a%20b", "%C3%A4", strings.Repeat("a", 301)} {
		s.ask("GET /v1/teams/"+domain+"/budget", "").requireProblem(t, http.StatusNotFound, "team.not_found")
	}
}
