package connections

import "context"

// Page asks for a part of a list: at most Limit items with an id greater than
// After, in order of id (which is the order of creation).
type Page struct {
	Limit int
	After string
}

// Repository keeps connections. Every method looks only into the workspace
// named; an id of another workspace is fault ConnectionNotFound.
type Repository interface {
	// CreateConnection stores c; fault ConnectionNameTaken when its workspace has the name already (case-insensitively).
	CreateConnection(ctx context.Context, c *Connection) error
	Connection(ctx context.Context, workspace, id string) (*Connection, error)
	// ConnectionByName finds a connection by its name, case-insensitively.
	ConnectionByName(ctx context.Context, workspace, name string) (*Connection, error)
	Connections(ctx context.Context, workspace string, page Page) ([]Connection, error)
	// UpdateConnection stores every field of c where the row's revision is c.Revision-1; fault RequestStale when it is not.
	UpdateConnection(ctx context.Context, c *Connection) error
	// DeleteConnection removes the row when no flow uses it; fault ConnectionInUse else, RequestStale when revision (0 = any) does not fit.
	DeleteConnection(ctx context.Context, workspace, id string, revision int64) error
	// SaveConnectionTest stores result and status where the row still has the revision that was tested, and nothing else.
	SaveConnectionTest(ctx context.Context, c *Connection) error
	// ConnectionUsers lists the flows that use the connection.
	ConnectionUsers(ctx context.Context, workspace, id string) ([]Usage, error)
}

// Tester makes a test call to Celonis.
type Tester interface {
	Test(ctx context.Context, t Target) TestResult
}
