package celonis

import "context"

// DataModel is a data model of a pool.
type DataModel struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// DataJob is a data job of a pool: extractions and transformations that run together.
type DataJob struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Status is QUEUED, RUNNING, SUCCESS, CANCEL, FAIL or SKIPPED; "" before the first execution.
	Status           string `json:"status"`
	DataConnectionID string `json:"dataSourceId"`
}

// DataModels lists the data models of a pool; fault CelonisPoolNotFound.
func (c *Client) DataModels(ctx context.Context, pool string) ([]DataModel, error) {
	var list []DataModel
	err := c.readPool(ctx, pool, "list the pool's data models", "/data-models", nil, &list)
	return list, err
}

// DataJobs lists the data jobs of a pool; fault CelonisPoolNotFound.
func (c *Client) DataJobs(ctx context.Context, pool string) ([]DataJob, error) {
	var list []DataJob
	err := c.readPool(ctx, pool, "list the pool's data jobs", "/jobs", nil, &list)
	return list, err
}
