package celonis

import (
	"context"
	"net/http"
	"time"
)

// PushLimits are a team's limits of Data Push submissions as Celonis tells
// them; 0 is not told.
type PushLimits struct {
	PerHour, PerSecond int64
	Unlimited          bool
}

// limitsTimeout bounds the question for the limits, which is not worth more: without an answer the documented ones hold.
const limitsTimeout = 5 * time.Second

// PushLimits reads the team's limits from the team's own object (GET
// /api/team), which not every key may read.
func (c *Client) PushLimits(ctx context.Context) (PushLimits, error) {
	var t struct {
		PerHour   *int64 `json:"dataPushJobSubmissionLimitPerHour"`
		PerSecond *int64 `json:"dataPushJobSubmissionLimitPerSec"`
		Unlimited *bool  `json:"unlimitedDataPushJobSubmissions"`
	}
	k := call{op: operation{areaTeam, "read the team's limits"}, method: http.MethodGet, path: "/api/team", timeout: limitsTimeout, out: &t}
	if err := c.do(ctx, k); err != nil {
		return PushLimits{}, err
	}
	return PushLimits{PerHour: positive(t.PerHour), PerSecond: positive(t.PerSecond), Unlimited: t.Unlimited != nil && *t.Unlimited}, nil
}

// positive reads a number that is a limit; everything else is not told.
func positive(n *int64) int64 {
	if n == nil || *n < 0 {
		return 0
	}
	return *n
}
