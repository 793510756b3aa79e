package celonis

import (
	"context"
	"encoding/json"

	"github.com/celonis-connector/connector/connections"
)

// LoginHistory hands over who logged in to the team, or tried to: objects with
// authenticationEventType, email, success and timestamp.
func (c *Client) LoginHistory(ctx context.Context, p Period, each func(json.RawMessage) error) (Told, error) {
	return c.readAdmin(ctx, adminList{what: "read the login history", path: "/api/external/authentication-events", needs: connections.ReadLoginHistory, query: p.query()}, each)
}
