package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/celonis-connector/connector/internal/scheduler"
)

const (
	// headerTimeout and idleTimeout bound what a slow client can hold.
	headerTimeout, idleTimeout = 10 * time.Second, 2 * time.Minute
	// requestTimeout bounds a request with its body; uploads move it along.
	requestTimeout = 60 * time.Second
	// maxHeaderBytes bounds the headers of a request.
	maxHeaderBytes = 64 << 10
	// checkEvery is the pause between two looks at the parts of the service.
	checkEvery = 5 * time.Second
	// sickAfter is how old a part's last success may be.
	sickAfter = 15 * time.Second
)

// Start begins the roles: it binds the port for API, and starts the loops of
// Work and Schedule. It returns when everything runs; Stop ends it.
func (a *App) Start(ctx context.Context, roles []Role) (err error) {
	if a.certificates, err = a.openTLS(); err != nil {
		return err
	}
	loops, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.begun.push("loops", func(ctx context.Context) error {
		cancel()
		return waitFor(ctx, a.loops.Wait)
	})
	for _, part := range []string{"database", "redis", "spool"} {
		a.health.Expect(part, sickAfter)
	}
	if a.certificates != nil {
		a.health.Expect(tlsPart, sickAfter)
	}
	if slices.Contains(roles, Work) {
		a.loops.Go(func() { _ = a.Worker.Run(loops) })
	}
	if slices.Contains(roles, Schedule) {
		a.health.Expect("scheduler", max(sickAfter, 5*a.cfg.SweepInterval))
		a.loops.Go(func() { _ = a.scheduler().Run(loops) })
		prober := &scheduler.Prober{Connections: a.Connections, Every: a.cfg.SweepInterval, Log: a.log}
		a.loops.Go(func() { _ = prober.Run(loops) })
		a.loops.Go(func() { _ = a.dispatcher().Run(loops) })
		a.loops.Go(func() { a.SCIM.Run(loops, a.cfg.SweepInterval) })
		a.loops.Go(func() { _ = a.subscriptions().Run(loops) })
	}
	a.loops.Go(func() { a.watch(loops) })
	// Health and metrics are every role's, so the port is too.
	if err := a.serve(ctx); err != nil {
		return errors.Join(err, a.begun.unwind(ctx))
	}
	a.log.InfoContext(ctx, "started", "url", a.URL(), "roles", roles, "database", a.Store.Dialect())
	a.warnIfOpen(ctx)
	return nil
}

func (a *App) scheduler() *scheduler.Scheduler {
	return &scheduler.Scheduler{
		Store: a.Store, Schedules: a.Store, Queue: a.Queue, Cancels: a.Queue, Observer: scheduleMetrics{a.metrics},
		Now: a.now, Every: a.cfg.SweepInterval, Repush: a.repush, Log: a.log,
		Report: func(err error) { a.health.Report("scheduler", err) },
	}
}

// WithListener gives the App a port that is bound already, in the place of its
// configuration's. It is closed with the API that Start serves on it.
func WithListener(l net.Listener) Option { return func(a *App) { a.listener = l } }

// serve binds the port and serves the API on it.
func (a *App) serve(ctx context.Context) error {
	proxies, err := a.cfg.Proxies()
	if err != nil {
		return err
	}
	if a.listener == nil {
		if a.listener, err = net.Listen("tcp", a.cfg.Listen); err != nil {
			return fmt.Errorf("CONNECTOR_LISTEN: %w", err)
		}
	}
	listener := a.listener
	server := &http.Server{
		Handler: a.handler(proxies), ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout,
		WriteTimeout: requestTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: a.redactedErrorLog(),
	}
	a.begun.push("api", func(ctx context.Context) error {
		a.Watches.Stop() // streams of events end by themselves only when their runs do
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		return nil
	})
	serve := func() error { return server.Serve(listener) }
	if a.certificates != nil {
		server.TLSConfig = a.certificates.server()
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	go func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("the API stopped: %w", err)
		}
	}()
	return nil
}

func (a *App) handler(proxies []netip.Prefix) http.Handler {
	return httpapi.New(httpapi.Deps{
		Connections: a.Connections, ConnectionTests: a.Connections, OAuthClients: a.OAuthClients, Authorizations: a.Authorizer, Options: a.pickers(), Chats: a.Chats, Forms: a.forms, ScopeAdvisor: a.Connections, Flows: a.Flows, Runs: a.Flows, Watches: a.Watches, Statistics: a.Flows, Notifications: a.Notifications, Watermarks: a.Flows, Previews: a.previews(), SCIM: a.SCIM, SCIMOperations: a.SCIM, Records: a.Flows, Webhooks: a.Flows, Deliveries: a.Flows, Subscriptions: a.Flows, Errors: a.Flows, Files: a.Flows, FileContents: a.Spool,
		Access: a.Access, TokenServer: a.Access, Clients: a.Access, ClientSecrets: a.Access, PublicURL: a.address(), Audit: a.Store, Config: a.Config, Idempotency: idempotency{a.Store}, Health: readiness{a.health}, Metrics: a.metrics.Handler(),
		Observer: requestMetrics{a.metrics}, Log: a.log, Now: a.now, MaxFileBytes: a.cfg.MaxUpload, Limits: requestLimits(a.cfg), Uses: a.uses, Budgets: a.budgets(),
		CORSOrigins: a.cfg.CORSOrigins, TrustedProxies: proxies,
	})
}

// errorsAtOnce bounds the record errors that one sweep deletes.
const errorsAtOnce = 1000

// watch looks at the parts of the service for /readyz and forgets idempotency keys that have expired.
func (a *App) watch(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	files := &fileSweep{store: a.Store, spool: a.Spool, now: a.now}
	for {
		a.health.Report("database", a.Store.Ping(ctx))
		a.health.Report("redis", a.Queue.Ping(ctx))
		a.health.Report("spool", a.Spool.Check())
		if a.certificates != nil {
			a.certificates.check()
		}
		if depth, err := a.Queue.Depth(ctx); err == nil {
			a.metrics.QueueDepth(depth.Waiting, depth.Leased)
		}
		if _, err := a.Store.SweepIdempotent(ctx, a.now()); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "expired idempotency keys stay for now", "error", err)
		}
		if _, err := a.Store.SweepAuthorizations(ctx, a.now()); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "authorizations that ended stay for now", "error", err)
		}
		if _, err := a.Store.SweepErrors(ctx, a.now(), errorsAtOnce); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "record errors whose time is over stay for now", "error", err)
		}
		if err := files.sweep(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "files whose time is over stay for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// waitFor waits for a function to return, for as long as ctx lasts.
func waitFor(ctx context.Context, wait func()) error {
	done := make(chan struct{})
	go func() { defer close(done); wait() }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
