package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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
func (a *App) Start(ctx context.Context, roles []Role) error {
	loops, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.begun.push("loops", func(ctx context.Context) error {
		cancel()
		return waitFor(ctx, a.loops.Wait)
	})
	for _, part := range []string{"database", "redis", "spool"} {
		a.health.Expect(part, sickAfter)
	}
	if slices.Contains(roles, Work) {
		a.loops.Go(func() { _ = a.Worker.Run(loops) })
	}
	if slices.Contains(roles, Schedule) {
		a.health.Expect("scheduler", max(sickAfter, 5*a.cfg.SweepInterval))
		a.loops.Go(func() { _ = a.scheduler().Run(loops) })
		prober := &scheduler.Prober{Connections: a.Connections, Every: a.cfg.SweepInterval, Log: a.log}
		a.loops.Go(func() { _ = prober.Run(loops) })
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
		Store: a.Store, Queue: a.Queue, Now: a.now, Every: a.cfg.SweepInterval, Log: a.log,
		Report: func(err error) { a.health.Report("scheduler", err) },
	}
}

// serve binds the port and serves the API on it.
func (a *App) serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("CONNECTOR_LISTEN: %w", err)
	}
	a.listener = listener
	server := &http.Server{
		Handler: a.handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout,
		WriteTimeout: requestTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: a.redactedErrorLog(),
	}
	a.begun.push("api", func(ctx context.Context) error {
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		return nil
	})
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("the API stopped: %w", err)
		}
	}()
	return nil
}

func (a *App) handler() http.Handler {
	return httpapi.New(httpapi.Deps{
		Connections: a.Connections, ConnectionTests: a.Connections, OAuthClients: a.OAuthClients, Authorizations: a.Authorizer, Options: a.pickers(), Forms: a.forms, ScopeAdvisor: a.Connections, Flows: a.Flows, Runs: a.Flows, Records: a.Flows, Files: a.Flows,
		Access: a.Access, Audit: a.Store, Config: a.Config, Idempotency: idempotency{a.Store}, Health: readiness{a.health}, Metrics: a.metrics.Handler(),
		Observer: requestMetrics{a.metrics}, Log: a.log, Now: a.now, MaxFileBytes: a.cfg.MaxUpload, Budgets: a.budgets(),
	})
}

// watch looks at the parts of the service for /readyz and forgets idempotency keys that have expired.
func (a *App) watch(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		a.health.Report("database", a.Store.Ping(ctx))
		a.health.Report("redis", a.Queue.Ping(ctx))
		a.health.Report("spool", a.Spool.Check())
		if depth, err := a.Queue.Depth(ctx); err == nil {
			a.metrics.QueueDepth(depth.Waiting, depth.Leased)
		}
		if _, err := a.Store.SweepIdempotent(ctx, a.now()); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "expired idempotency keys stay for now", "error", err)
		}
		if _, err := a.Store.SweepAuthorizations(ctx, a.now()); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "authorizations that ended stay for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// warnIfOpen says that keys travel in the clear when the API listens on more than loopback.
func (a *App) warnIfOpen(ctx context.Context) {
	addr, ok := a.listener.Addr().(*net.TCPAddr)
	if ok && !addr.IP.IsLoopback() && a.cfg.PublicURL == "" {
		a.log.WarnContext(ctx, "the API listens on a public address without TLS: put a proxy that ends TLS before it and set CONNECTOR_PUBLIC_URL, or listen on loopback", "address", addr.String())
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
