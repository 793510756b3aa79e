package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/spf13/cobra"
)

// quietLog is the level where logs and a person share a screen.
const quietLog = "error"

// openApp makes the app of a configuration, with logs to w.
func openApp(ctx context.Context, cfg config.Config, w io.Writer, options ...app.Option) (*app.App, error) {
	log, redactor, err := app.NewLog(cfg, w)
	if err != nil {
		return nil, err
	}
	return app.New(ctx, cfg, log, redactor, options...)
}

// stopApp ends an app within the configured time, although the command was interrupted.
func stopApp(ctx context.Context, cfg config.Config, a *app.App) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.StopTimeout)
	defer cancel()
	return a.Stop(ctx)
}

// withApp runs a command's work on the app of the environment, without starting it.
func withApp(cmd *cobra.Command, work func(*app.App) error) error {
	cfg, err := config.FromEnvironment()
	if err != nil {
		return failed(err)
	}
	cmd.SetContext(audit.As(cmd.Context(), audit.Actor{ID: audit.Shell}))
	// What a person at a shell needs to know comes back as the command's result.
	a, err := openApp(cmd.Context(), cfg, io.Discard)
	if err != nil {
		return failed(err)
	}
	return failed(errors.Join(work(a), stopApp(cmd.Context(), cfg, a)))
}

// every calls f at each tick until ctx ends, and once more then.
func every(ctx context.Context, d time.Duration, f func()) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f()
		case <-ctx.Done():
			f()
			return
		}
	}
}
