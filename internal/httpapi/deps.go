// Package httpapi is the HTTP face of the connector: the routes of
// openapi/openapi.yaml, each with the scope it needs, over the services of the
// domain. It holds no rule of the domain; it turns requests into calls and
// answers, and faults into problem documents.
package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/audit"
)

// Connections keeps connections; *connections.Service is one.
type Connections interface {
	Create(ctx context.Context, workspace string, d connections.Draft, opt connections.CreateOptions) (*connections.Connection, error)
	Get(ctx context.Context, workspace, id string) (*connections.Connection, error)
	List(ctx context.Context, workspace string, page connections.Page) ([]connections.Connection, error)
	Update(ctx context.Context, workspace, id string, d connections.Draft, revision int64) (*connections.Connection, error)
	Delete(ctx context.Context, workspace, id string, revision int64) error
	UsedBy(ctx context.Context, workspace, id string) ([]connections.Usage, error)
	Clone(ctx context.Context, workspace, id, name string) (*connections.Connection, error)
}

// ConnectionTests makes test calls; *connections.Service is one.
type ConnectionTests interface {
	Test(ctx context.Context, workspace, id string) (connections.TestResult, error)
	TestDraft(ctx context.Context, workspace string, d connections.Draft) (connections.TestResult, error)
}

// Flows keeps flows; *flows.Service is one.
type Flows interface {
	Create(ctx context.Context, workspace string, s flows.Spec) (*flows.Flow, error)
	Get(ctx context.Context, workspace, id string) (*flows.Flow, error)
	List(ctx context.Context, workspace string, page flows.Page) ([]flows.Flow, error)
	Update(ctx context.Context, workspace, id string, s flows.Spec, revision int64) (*flows.Flow, error)
	Delete(ctx context.Context, workspace, id string, revision int64) error
	SetEnabled(ctx context.Context, workspace, id string, enabled bool, revision int64) (*flows.Flow, error)
	SetPaused(ctx context.Context, workspace, id string, paused bool, revision int64) (*flows.Flow, error)
	Prospect(ctx context.Context, f *flows.Flow) (flows.Prospect, error)
}

// Runs starts, tells and cancels runs; *flows.Service is one.
type Runs interface {
	StartRunWith(ctx context.Context, workspace, flowID string, ask flows.RunRequest) (*flows.Run, error)
	Run(ctx context.Context, workspace, id string) (*flows.Run, error)
	RunHistory(ctx context.Context, q flows.RunQuery) ([]flows.Run, error)
	RunProgress(ctx context.Context, r *flows.Run) *flows.Progress
	CancelRun(ctx context.Context, workspace, id string) (*flows.Run, error)
}

// Records takes records; *flows.Service is one.
type Records interface {
	PostRecords(ctx context.Context, workspace, flowID string, p flows.Post) (*flows.Receipt, error)
}

// Files keeps uploaded files; *flows.Service is one.
type Files interface {
	UploadFile(ctx context.Context, workspace, name string, r io.Reader) (*flows.File, error)
	File(ctx context.Context, workspace, id string) (*flows.File, error)
	ListFiles(ctx context.Context, q flows.FileQuery) ([]flows.File, error)
	FilesOfRuns(ctx context.Context, workspace string, runIDs []string) ([]flows.File, error)
	DeleteFile(ctx context.Context, workspace, id string) error
}

// Budgets tells what is left of teams' push submissions; *budget.Reporter is one.
type Budgets interface {
	Budget(ctx context.Context, workspace, domain string) (*budget.Report, error)
}

// Access says who calls; *access.Service is one.
type Access interface {
	Authenticate(ctx context.Context, clientID string, secret crypto.Secret) (access.Login, error)
	IssueToken(ctx context.Context, l access.Login, requested []string) (access.Token, error)
	VerifyToken(ctx context.Context, raw string) (access.Principal, error)
	// VerifyBearer takes a client's id and secret as one long-lived token.
	VerifyBearer(ctx context.Context, raw string) (access.Principal, error)
}

var (
	_ Connections     = (*connections.Service)(nil)
	_ ConnectionTests = (*connections.Service)(nil)
	_ Flows           = (*flows.Service)(nil)
	_ Runs            = (*flows.Service)(nil)
	_ Records         = (*flows.Service)(nil)
	_ Files           = (*flows.Service)(nil)
	_ Budgets         = (*budget.Reporter)(nil)
	_ Access          = (*access.Service)(nil)
)

// IdempotencyKey is a client's key for a request, with what the request was.
type IdempotencyKey struct {
	Workspace string
	// Client is the id of the API client.
	Client string
	Key    string
	// Route is method and path pattern.
	Route string
	// BodyHash is a digest of everything in the request that must be the same in a repeat.
	BodyHash string
	// Now is when the request came; the methods that end it take the same.
	Now time.Time
	// Expires is when the key is forgotten.
	Expires time.Time
	// Within is how long the request may stay unanswered before its process is taken for dead; 0 is the store's.
	Within time.Duration
}

// IdempotentResponse is the answer that a repeated request gets.
type IdempotentResponse struct {
	Status int
	Header map[string]string
	Body   []byte
}

// Idempotency keeps the answers of requests by the keys that clients gave them.
type Idempotency interface {
	// BeginIdempotent takes the key for a request and gives nil, or the answer of the same request when it has one. Faults
	// RequestIdempotencyReuse and RequestIdempotencyBusy.
	BeginIdempotent(ctx context.Context, k IdempotencyKey) (*IdempotentResponse, error)
	// FinishIdempotent keeps the answer until the key expires.
	FinishIdempotent(ctx context.Context, k IdempotencyKey, answer IdempotentResponse) error
	// ForgetIdempotent frees the key of a request that did nothing.
	ForgetIdempotent(ctx context.Context, k IdempotencyKey) error
}

// Part is a part of the service and how it is.
type Part struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Detail may be read by anybody who reaches the port: it holds no address and no secret.
	Detail string `json:"detail,omitempty"`
}

// Health tells how the parts of the service are.
type Health interface {
	Ready(ctx context.Context) []Part
}

// Observer is told of every answered request.
type Observer interface {
	// ObserveRequest gets the path pattern, "" for a path that is none of ours, and "other" for a method that is none of HTTP's.
	ObserveRequest(method, route string, status int, took time.Duration)
}

// Deps are what the API stands on. Observer, Now, Heartbeat and MaxFileBytes may be left
// out; without Metrics there is no /metrics.
type Deps struct {
	Connections     Connections
	ConnectionTests ConnectionTests
	OAuthClients    OAuthClients
	Authorizations  Authorizations
	Options         Options
	Chats           Chats
	Forms           Forms
	ScopeAdvisor    ScopeAdvisor
	Flows           Flows
	Runs            Runs
	Watches         Watches
	Statistics      Statistics
	Notifications   Notifications
	Watermarks      Watermarks
	Previews        Previews
	Records         Records
	Webhooks        Webhooks
	Deliveries      Deliveries
	Subscriptions   Subscriptions
	SCIM            SCIM
	SCIMOperations  SCIMOperations
	Errors          Errors
	Files           Files
	FileContents    FileContents
	Budgets         Budgets
	Access          Access
	TokenServer     TokenServer
	Clients         Clients
	ClientSecrets   ClientSecrets
	Audit           Audit
	Config          Config
	Idempotency     Idempotency
	Health          Health
	Metrics         http.Handler
	Observer        Observer
	Log             *slog.Logger
	Now             func() time.Time
	// Limits bound what callers can use; the zero value bounds no rate and no number.
	Limits Limits
	// Uses put what happens often on record; nil records nothing.
	Uses *audit.Uses
	// Heartbeat is after how long a silent stream of events shows that it is alive; DefaultHeartbeat when 0.
	Heartbeat time.Duration
	// MaxFileBytes bounds an uploaded file; DefaultMaxFileBytes when 0.
	MaxFileBytes int64
	// PublicURL is where callers reach the service, without a slash at its end; "" is where each request came to.
	PublicURL string
	// CORSOrigins are the origins (scheme://host[:port], as a browser writes them) whose pages may read answers; none when empty.
	CORSOrigins []string
	// TrustedProxies are the networks of the proxies that may tell of the caller's address and scheme; none when empty.
	TrustedProxies []netip.Prefix
}
