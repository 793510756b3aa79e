package celonis

import (
	"context"
	"encoding/json"

	"github.com/celonis-connector/connector/connections"
)

// Adoption hands over how Studio's assets were used. What an event holds is not documented.
func (c *Client) Adoption(ctx context.Context, v APIVersion, p Period, each func(json.RawMessage) error) (Told, error) {
	const events = "adoption-tracking-events/STUDIO_ASSET"
	older := adminList{what: "read the adoption tracking events", path: "/platform-adoption/api/external/" + events, needs: connections.ReadAdoption, query: p.query()}
	return c.readEither(ctx, v, older, "/platform-adoption/api/external/v2/"+events, each)
}
