package celonis

import (
	"context"
	"net/http"

	"github.com/celonis-connector/connector/internal/fault"
)

// Team is the team that a key belongs to.
type Team struct {
	// Domain is the team's first label, not a host.
	Domain string `json:"domain"`
}

// Team gives the key's team. It is the cheapest proof that a key is accepted.
// Fault CelonisUnauthorized for a key that is not; CelonisAnswer when the host
// answers but is not Celonis.
func (c *Client) Team(ctx context.Context) (Team, error) {
	return c.team(ctx, nil)
}

func (c *Client) team(ctx context.Context, p *progress) (Team, error) {
	var t Team
	k := call{op: operation{areaTeam, "read the team"}, method: http.MethodGet, path: "/api/cloud/team", repeatable: true, out: &t, progress: p}
	if err := c.do(ctx, k); err != nil {
		return Team{}, err
	}
	if t.Domain == "" {
		return Team{}, fault.New(fault.CelonisAnswer, "the answer to the request to read the team names no team").
			WithHint("%s", domainHint)
	}
	return t, nil
}
