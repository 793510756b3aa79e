package celonis

import (
	"context"
	"encoding/json"

	"github.com/celonis-connector/connector/connections"
)

// AuditLog hands over the events of the team's audit log, in no order: objects
// with userId, userRole, event, timestamp, message, ipAddress, port and
// diffPayload, of which any may be missing.
func (c *Client) AuditLog(ctx context.Context, v APIVersion, p Period, each func(json.RawMessage) error) (Told, error) {
	older := adminList{what: "read the audit log", path: "/log/api/external/audit", needs: connections.ReadAuditLog, query: p.query()}
	return c.readEither(ctx, v, older, "/log/api/external/v2/audit", each)
}
