package scimgate

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/scim"
)

// Directory is the users and groups of a Celonis team.
type Directory interface {
	// Get reads a resource; fault CelonisNotFound.
	Get(ctx context.Context, k scim.Kind, id string) (scim.Resource, error)
	// Find looks for the user of a userName or the group of a displayName, whatever its case.
	Find(ctx context.Context, k scim.Kind, name string) (scim.Resource, bool, error)
	// Create makes a resource. Fault CelonisInDoubt when it may or may not be there.
	Create(ctx context.Context, k scim.Kind, r scim.Resource) (scim.Resource, error)
	// Update writes what change makes of the current resource, and nothing where that is the same; change may be called again
	// when somebody else wrote in between.
	Update(ctx context.Context, k scim.Kind, id string, change func(scim.Resource) (scim.Resource, error)) (now scim.Resource, changed bool, err error)
	Delete(ctx context.Context, k scim.Kind, id string) error
	Listing
}

// Listing lists the resources of a team.
type Listing interface {
	// Page gives a page as Celonis gives it, and how many there are in all, -1 when it does not tell. A filter may be refused
	// or passed over.
	Page(ctx context.Context, k scim.Kind, q scim.SearchRequest) (total int, page []scim.Resource, err error)
	// Each goes through all that the request means.
	Each(ctx context.Context, k scim.Kind, q scim.SearchRequest, take func(scim.Resource) error) error
}

// Directories opens the team of a connection. It holds a plaintext key: keep it
// inside one call (I4). Faults ConnectionNotFound and ConnectionAPIType.
type Directories interface {
	Directory(ctx context.Context, workspace, connectionID string) (Directory, error)
}

// Sealer seals what waits, since it is about people; *crypto.Keyring is one.
type Sealer interface {
	Seal(plain crypto.Secret, aad crypto.AAD) (string, error)
	Open(envelope string, aad crypto.AAD) (crypto.Secret, error)
}

var _ Sealer = (*crypto.Keyring)(nil)

// Store keeps operations that wait, and the ids that callers know resources by
// which Celonis did not have yet. Every method looks only into the workspace named.
type Store interface {
	// QueueSCIM stores an operation, the alias of what it creates (nil for none) and the event, in one transaction. Faults
	// ConnectionNotFound, ScimQueueFull when limit operations of the connection wait.
	QueueSCIM(ctx context.Context, o *Operation, a *Alias, e audit.Event, limit int) error
	// SCIMOperations lists operations in order.
	SCIMOperations(ctx context.Context, q OperationQuery) ([]Operation, error)
	// SCIMAliases lists the aliases of a connection.
	SCIMAliases(ctx context.Context, workspace, connectionID string) ([]Alias, error)
	NoteEvent(ctx context.Context, e audit.Event) error
	DeliveryStore
	OperationStore
}

// DeliveryStore hands out operations that are due.
type DeliveryStore interface {
	// TakeSCIM gives at most limit operations of any workspace that are due at now, each leased until then: of a resource only
	// the oldest, and none behind a failed create of it. Two callers at once get different ones.
	TakeSCIM(ctx context.Context, now, until time.Time, limit int) ([]Operation, error)
	// EndSCIM writes how an attempt went, where the operation still is in that attempt (I2); an attempt that lost its lease writes nothing.
	EndSCIM(ctx context.Context, o *Operation, end End) error
}

// OperationStore is what people do with operations that failed.
type OperationStore interface {
	// SCIMOperation finds an operation; fault ScimOperationNotFound.
	SCIMOperation(ctx context.Context, workspace, id string) (*Operation, error)
	// RetrySCIM makes a failed operation wait again; fault ScimOperationState for another.
	RetrySCIM(ctx context.Context, workspace, id string, now time.Time) (*Operation, error)
	// DiscardSCIM drops an operation; fault ScimOperationState while it is being sent.
	DiscardSCIM(ctx context.Context, workspace, id string, now time.Time) error
}

// OperationQuery selects operations.
type OperationQuery struct {
	Place
	// Kind, ResourceID and State narrow; "" takes all.
	Kind       scim.Kind
	ResourceID string
	State      State
	// After is the id of the last one seen; Limit bounds how many are given, 0 all that wait.
	After string
	Limit int
}

// End is how an attempt of an operation ended.
type End struct {
	// Done drops the operation.
	Done bool
	// CelonisID is the id of what a create made; "" else.
	CelonisID string
	// Failed keeps the operation until somebody retries or discards it; else it is due again at Next.
	Failed bool
	Next   time.Time
	// Free counts no attempt: what the operation waits for is another operation.
	Free bool
	// Away: Celonis could not be asked, so the others of the connection need not try before Next either.
	Away bool
	// Code and Envelope tell what went wrong; an Envelope of "" leaves what there is.
	Code     string
	Envelope string
	// Event is put on record; nil for an attempt that is repeated.
	Event *audit.Event
	Now   time.Time
}
