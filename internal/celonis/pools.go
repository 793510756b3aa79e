package celonis

import (
	"context"
	"net/http"
	"net/url"

	"github.com/celonis-connector/connector/internal/fault"
)

// Pool is a data pool.
type Pool struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	// Status is Celonis's configurationStatus, for example CONFIGURED.
	Status string `json:"configurationStatus"`
}

// Table is a table or view of a pool.
type Table struct {
	Name   string `json:"name"`
	Schema string `json:"schemaName"`
	// Type is TABLE or VIEW.
	Type               string `json:"type"`
	Available          bool   `json:"available"`
	DataConnectionID   string `json:"dataSourceId"`
	DataConnectionName string `json:"dataSourceName"`
}

// TableColumn is a column of a pool's table.
type TableColumn struct {
	Name string `json:"name"`
	// Type is STRING, DATE, FLOAT or INTEGER.
	Type   string `json:"type"`
	Length int    `json:"length"`
}

// DataConnection is a data source of a pool; its schema can receive a push.
type DataConnection struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Type         string `json:"type"`
	TargetSchema string `json:"targetSchemaName"`
	Connected    bool   `json:"connected"`
}

const poolsPath = "/integration/api/pools"

// Pools lists the data pools that the key may see.
func (c *Client) Pools(ctx context.Context) ([]Pool, error) {
	var pools []Pool
	err := c.readPools(ctx, "list the data pools", poolsPath, nil, &pools)
	return pools, err
}

// Pool gives a data pool; fault CelonisPoolNotFound.
func (c *Client) Pool(ctx context.Context, id string) (Pool, error) {
	var p Pool
	err := c.readPool(ctx, id, "read the data pool", "", nil, &p)
	return p, err
}

// Tables lists the tables and views of a pool; fault CelonisPoolNotFound.
func (c *Client) Tables(ctx context.Context, pool string) ([]Table, error) {
	var tables []Table
	err := c.readPool(ctx, pool, "list the pool's tables", "/tables", nil, &tables)
	return tables, err
}

// Columns lists the columns of a pool's table. schema narrows when not "";
// fault CelonisPoolNotFound.
func (c *Client) Columns(ctx context.Context, pool, table, schema string) ([]TableColumn, error) {
	query := url.Values{"tableName": {table}}
	if schema != "" {
		query.Set("schemaName", schema)
	}
	var columns []TableColumn
	err := c.readPool(ctx, pool, "list the table's columns", "/columns", query, &columns)
	return columns, err
}

// DataConnections lists the data connections of a pool; fault CelonisPoolNotFound.
func (c *Client) DataConnections(ctx context.Context, pool string) ([]DataConnection, error) {
	var list []DataConnection
	err := c.readPool(ctx, pool, "list the pool's data connections", "/data-sources/", nil, &list)
	return list, err
}

func (c *Client) readPool(ctx context.Context, pool, what, rest string, query url.Values, out any) error {
	id, err := segment(pool)
	if err != nil {
		return err
	}
	err = c.readPools(ctx, what, poolsPath+"/"+id+rest, query, out)
	if statusOf(err) == http.StatusNotFound {
		return poolNotFound(pool, err)
	}
	return err
}

func (c *Client) readPools(ctx context.Context, what, path string, query url.Values, out any) error {
	return c.do(ctx, call{op: operation{areaPools, what}, method: http.MethodGet, path: path, query: query, repeatable: true, out: out})
}

func poolNotFound(pool string, cause error) *fault.Error {
	return fault.Wrap(cause, fault.CelonisPoolNotFound, "celonis knows no data pool %q, or the key may not see it", pool).
		WithHint("in Celonis open Data Integration and the data pool: the id is the UUID in the address, .../integration/ui/pools/<id>")
}

// segment escapes an id for a path. Empty and dotted ids would change the path.
func segment(id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", fault.New(fault.CelonisNotFound, "%q cannot be an id in celonis", id)
	}
	return url.PathEscape(id), nil
}
