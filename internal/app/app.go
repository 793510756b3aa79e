// Package app is the composition root: it makes every room from a Config and
// starts and stops them. The program is a value: tests start it on port 0.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/egress"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/celonis-connector/connector/internal/listener"
	"github.com/celonis-connector/connector/internal/notify"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/celonis-connector/connector/internal/portable"
	"github.com/celonis-connector/connector/internal/queue"
	"github.com/celonis-connector/connector/internal/scheduler"
	"github.com/celonis-connector/connector/internal/scimgate"
	"github.com/celonis-connector/connector/internal/spool"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/telemetry"
	"github.com/celonis-connector/connector/internal/worker"
	"github.com/google/uuid"
)

// Workspace is the one that API clients belong to unless they are made in another.
const Workspace = "default"

// Role is a part of the work that a process does.
type Role string

const (
	// API serves the routes.
	API Role = "api"
	// Work does runs.
	Work Role = "worker"
	// Schedule finds runs that are due.
	Schedule Role = "scheduler"
)

// AllRoles is what one process does that is alone.
func AllRoles() []Role { return []Role{API, Work, Schedule} }

// ParseRoles reads a comma list of roles; "all" or "" is every role.
func ParseRoles(list string) ([]Role, error) {
	if list == "" || list == "all" {
		return AllRoles(), nil
	}
	var roles []Role
	for word := range strings.SplitSeq(list, ",") {
		switch r := Role(strings.TrimSpace(word)); r {
		case API, Work, Schedule:
			roles = append(roles, r)
		default:
			return nil, fmt.Errorf("unknown role %q: a role is %s, %s or %s", word, API, Work, Schedule)
		}
	}
	return roles, nil
}

// App is the connector in one process.
type App struct {
	Connections *connections.Service
	// OAuthClients are how connections with OAuth log in; Tokens are what they log in with.
	// Config takes the set-up of workspaces out and in.
	Config       *portable.Service
	OAuthClients *connections.OAuthClientService
	Tokens       *celonis.Tokens
	// Logins are how outside connections log in.
	Logins     *outside.Logins
	Authorizer *connections.Authorizer
	// Chats let callers ask agents of Celonis.
	Chats         *connections.ChatService
	Flows         *flows.Service
	Notifications *flows.NotificationService
	// Watches let callers follow runs.
	Watches *flows.Watches
	// SCIM is what identity providers provision through.
	SCIM    *scimgate.Service
	Access  *access.Service
	Worker  *worker.Worker
	Keyring *crypto.Keyring
	Store   *store.Store
	Queue   *queue.Queue
	Spool   *spool.Spool
	Egress  *egress.Egress

	cfg      config.Config
	log      *slog.Logger
	redactor *telemetry.Redactor
	metrics  *telemetry.Metrics
	health   *telemetry.Health
	opened   stack // undone by Stop, after what Start began
	begun    stack
	loops    sync.WaitGroup
	listener net.Listener
	// certificates are nil for an API without TLS.
	certificates *certificates
	failed       chan error
	// forms are what the API tells of forms; limits are those that connections set themselves.
	forms httpapi.Forms
	// uses put the use of secrets on record.
	uses       *audit.Uses
	limits     celonis.SharedLimits
	now        func() time.Time
	repush     time.Duration
	sender     *notify.Sender
	noticePace notify.Pace
	listening  listener.Pace
	// endpoints and engine do runs and previews.
	endpoints *endpoint.Builder
	engine    *engine.Engine
}

// Option changes what an App is made of.
type Option func(*App)

// WithClock gives the App another clock: one that tests turn. It gives UTC in microseconds.
func WithClock(clock func() time.Time) Option { return func(a *App) { a.now = clock } }

// WithRepush gives the App another time for which the push of a queued run is trusted.
func WithRepush(d time.Duration) Option { return func(a *App) { a.repush = d } }

// New opens the database, checks that the keys fit it, opens the queue and
// makes the services. It starts nothing and binds no port; Stop closes what it opened.
func New(ctx context.Context, cfg config.Config, log *slog.Logger, redactor *telemetry.Redactor, options ...Option) (_ *App, err error) {
	a := &App{cfg: cfg, log: log, redactor: redactor, failed: make(chan error, 1), now: now, repush: scheduler.DefaultRepush, noticePace: notify.DefaultPace(), listening: listeningPace(cfg)}
	for _, o := range options {
		o(a)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.opened.unwind(context.WithoutCancel(ctx)))
		}
	}()
	a.metrics, a.health = telemetry.NewMetrics(), telemetry.NewHealth(now)
	if err := a.openStores(ctx); err != nil {
		return nil, err
	}
	if err := a.openQueue(); err != nil {
		return nil, err
	}
	if err := a.makeServices(); err != nil {
		return nil, err
	}
	a.makeWorker()
	return a, nil
}

func (a *App) openStores(ctx context.Context) (err error) {
	if err := os.MkdirAll(a.cfg.DataDir, 0o700); err != nil {
		return fault.Wrap(err, fault.SpoolFull, "the data folder %q cannot be made", a.cfg.DataDir)
	}
	a.Store, err = store.Open(ctx, store.Config{URL: a.cfg.DatabaseURL.Reveal(), Path: a.cfg.SQLitePath(), Now: a.now})
	if err != nil {
		return err
	}
	a.opened.push("database", func(context.Context) error { return a.Store.Close() })
	if a.Keyring, err = openKeyring(ctx, a.cfg, a.Store); err != nil {
		return err
	}
	marks, err := fingerprints(ctx, a.Keyring, a.Store)
	if err != nil {
		return err
	}
	a.Store.Fingerprints(marks)
	a.uses = audit.NewUses(a.Store, a.now)
	a.Spool, err = spool.Open(a.cfg.SpoolDir())
	return err
}

func (a *App) openQueue() error {
	client, closer, err := queue.Open(a.cfg.RedisURL.Reveal())
	if err != nil {
		return err
	}
	a.opened.push("redis", func(context.Context) error { return closer.Close() })
	a.Queue = queue.New(client, queue.Options{Consumer: workerName(), Lease: a.cfg.Lease})
	a.opened.push("queue", a.Queue.Close)
	return nil
}

// workerName tells this process from others: host, process id and a random part.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), uuid.NewString()[:8])
}

// now is the service's clock: UTC in the microseconds that the database keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func (a *App) makeServices() error {
	allowed, err := egress.ParseAllowed(strings.Join(a.cfg.AllowedHosts, ","))
	if err != nil {
		return err
	}
	a.Egress = egress.New(egress.Policy{Allowed: allowed, Public: a.cfg.PublicSources})
	a.opened.push("egress", func(context.Context) error { a.Egress.CloseIdle(); return nil })
	domains, err := connections.NewDomainPolicy(a.cfg.AllowedHosts)
	if err != nil {
		return err
	}
	domains = domains.WithOutside(connections.OutsidePolicy{Public: a.cfg.PublicSources, SQLiteDir: a.cfg.SQLiteDir})
	a.Logins = outside.NewLogins(outside.Config{Transport: a.Egress.OutsideTransport(), Now: a.now, Known: a.redactor.Register})
	if a.forms, err = httpapi.NewForms(domains); err != nil {
		return err
	}
	grants := connections.NewGrants(connections.GrantsDeps{Repository: a.Store, Sealer: a.Keyring, SecretUses: a.uses, Now: a.now, Process: workerName()})
	a.Tokens = celonis.NewTokens(celonis.TokensConfig{
		Transport: a.Egress.Transport(), Logger: a.log, Now: a.now, Grants: grants, Known: a.redactor.Register,
	})
	a.OAuthClients = connections.NewOAuthClientService(connections.OAuthClientDeps{
		Repository: a.Store, Sealer: a.Keyring, Domains: domains, Now: a.now, NewID: newID,
	})
	a.Connections = connections.NewService(connections.Deps{
		Repository: a.Store, OAuthClients: a.Store, Sealer: a.Keyring, Domains: domains, Logger: a.log, Now: a.now, NewID: newID,
		SecretUses: a.uses,
		Uses:       flows.Uses{Users: a.Store, Flows: a.Store},
		SecretRefs: newSecretRefs(a.cfg), TestLimits: connections.TestLimits{Saved: a.cfg.SavedTests, Unsaved: a.cfg.UnsavedTests},
		Runs: a.Queue, Pace: connections.Pace{First: a.cfg.ProbeFirst, Longest: a.cfg.ProbeLongest},
		Tester: knownSecrets{
			tester:   celonis.NewTester(celonis.TesterConfig{Transport: a.Egress.Transport(), Logger: a.log, Now: now, Tokens: a.Tokens, Shared: &a.limits}),
			redactor: a.redactor,
		},
		Outside: knownSecrets{outsideTester: &outside.Tester{Logins: a.Logins, SQL: a.sqlPinger(), Now: now}, redactor: a.redactor},
	})
	a.Authorizer = connections.NewAuthorizer(connections.AuthorizerDeps{
		Connections: a.Connections, Grants: grants, Repository: a.Store, Exchanger: a.Tokens, PublicURL: a.cfg.PublicURL,
	})
	a.Chats = a.chats()
	a.Flows = flows.NewService(flows.Deps{
		Flows: a.Store, Files: a.Store, Runs: a.Store, Records: a.Store, Watermarks: a.Store, ErrorStore: a.Store, Connections: a.Store, Gate: a.Connections,
		Schedules: a.Store, Links: a.Store, History: a.Store, Statistics: a.Store, Progress: a.Queue, Limits: a.teamLimits(), Webhooks: a.Store, DeliverySecrets: a.Store, Subscriptions: a.Store, PublicURL: a.address(), Sealer: a.Keyring,
		Spool: a.Spool, Queue: a.Queue, Canceler: a.Queue, CheckMapping: mapping.Check,
		Now: a.now, NewID: newID, Log: a.log,
	})
	a.makeSCIM()
	if err := a.makeNotices(domains); err != nil {
		return err
	}
	a.Config = &portable.Service{Connections: a.Connections, OAuthClients: a.OAuthClients, Flows: a.Flows, Notifications: a.Notifications, Files: a.Store}
	return a.makeAccess()
}

func (a *App) makeWorker() {
	a.makeEngine()
	a.endpoints = endpoint.NewBuilder(endpoint.Deps{
		Targets: knownSecrets{targets: a.Connections, redactor: a.redactor}, Spool: a.Spool, Records: a.Store, Retries: a.Store,
		Outside: knownSecrets{outside: a.Connections, redactor: a.redactor}, Logins: a.Logins, Databases: a.databases(), MaxSource: a.cfg.MaxSource,
		DeliveryKeys: a.deliveryKeys(),
		FileSpool:    a.Spool, RunFiles: a.Store, MaxFile: a.cfg.MaxUpload,
		TempDir: a.cfg.SpoolDir(), PollFor: a.cfg.PushWait, UploadTimeout: a.cfg.UploadTimeout, Transport: a.Egress.Transport(), Observer: chunkMetrics{a.metrics}, Log: a.log, Now: a.now,
		Limits: &a.limits, Connections: a.Store, Governor: a.governor(), Quota: a.requests(), Answers: a.Store, Tokens: a.Tokens, Protectors: protectors{a.Keyring, a.Store},
	})
	a.Worker = worker.New(worker.Deps{
		Store: a.Store, Queue: workQueue{a.Queue}, Gate: a.Connections,
		Endpoints: a.endpoints, Engine: a.engine,
		Observer: runMetrics{a.metrics}, Progress: a.Queue, Log: a.log, Now: a.now,
		Name: workerName(), Slots: a.cfg.Workers, Lease: a.cfg.Lease,
	})
}

// URL is the address of the API once Start has bound it.
func (a *App) URL() string {
	if a.listener == nil {
		return ""
	}
	host, port, _ := net.SplitHostPort(a.listener.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return a.scheme() + "://" + net.JoinHostPort(host, port)
}

// Failed gives the error that ended a part of the process by itself, if one does.
func (a *App) Failed() <-chan error { return a.failed }

// Stop ends what Start began, in the opposite order: the port closes first,
// open requests end, workers give their runs back; then it closes what New
// opened. ctx bounds it.
func (a *App) Stop(ctx context.Context) error {
	err := a.begun.unwind(ctx)
	return errors.Join(err, a.opened.unwind(ctx))
}
