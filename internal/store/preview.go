package store

import (
	"context"
)

// LatestRecords gives the newest batch of posted records that a flow has not
// pushed yet, or the latest events of its subscription, NDJSON; nil when there is none. It takes nothing from a run.
func (s *Store) LatestRecords(ctx context.Context, workspace, flowID string) (_ []byte, err error) {
	defer s.explain(&err, "LatestRecords")
	scan := func(r row) (data []byte, err error) { return data, r.Scan(&data) }
	data, found, err := first(ctx, s.read, scan,
		q("SELECT data FROM record_batches WHERE workspace = $1 AND flow_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1", workspace, flowID))
	if err != nil {
		return nil, err
	}
	if !found {
		return s.latestEvents(ctx, workspace, flowID)
	}
	return data, nil
}
