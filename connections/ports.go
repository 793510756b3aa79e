package connections

import (
	"context"
	"time"
)

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
	// SaveConnectionTest stores result and standing where the row still has the revision that was tested, and nothing else.
	// When c is online, the runs that wait for it are due at once; it gives their ids in order of creation.
	SaveConnectionTest(ctx context.Context, c *Connection) (resumed []string, err error)
	// TakeProbes gives at most limit offline connections, of any workspace, whose next probe is due at now, and moves that to
	// until, so that no other caller is given them meanwhile.
	TakeProbes(ctx context.Context, now, until time.Time, limit int) ([]Connection, error)
	// NoteDraftTest puts on record that a connection that is not stored was tested; name is what its caller calls it.
	NoteDraftTest(ctx context.Context, workspace, name string) error
	// ConnectionUsers lists the flows that use the connection.
	ConnectionUsers(ctx context.Context, workspace, id string) ([]Usage, error)
}

// OAuthClientRepository keeps OAuth clients. Every method looks only into the
// workspace named; an id of another workspace is fault OAuthClientNotFound.
type OAuthClientRepository interface {
	// CreateOAuthClient stores c; fault OAuthClientNameTaken when its workspace has the name already (case-insensitively).
	CreateOAuthClient(ctx context.Context, c *OAuthClient) error
	OAuthClient(ctx context.Context, workspace, id string) (*OAuthClient, error)
	OAuthClients(ctx context.Context, workspace string, page Page) ([]OAuthClient, error)
	// UpdateOAuthClient stores every field of c where the row's revision is c.Revision-1; fault RequestStale when it is not.
	UpdateOAuthClient(ctx context.Context, c *OAuthClient) error
	// DeleteOAuthClient removes the row when no connection uses it; fault OAuthClientInUse else, RequestStale when revision (0 = any) does not fit.
	DeleteOAuthClient(ctx context.Context, workspace, id string, revision int64) error
	// OAuthClientUsers lists the connections that use the client, in order of creation.
	OAuthClientUsers(ctx context.Context, workspace, id string) ([]ConnectionUse, error)
}

// Tester makes a test call to Celonis.
type Tester interface {
	Test(ctx context.Context, t Target) TestResult
}

// OutsideTester makes a test call to what an outside connection leads to.
type OutsideTester interface {
	TestOutside(ctx context.Context, t OutsideTarget) TestResult
}
