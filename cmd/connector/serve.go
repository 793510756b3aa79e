package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/spf13/cobra"
)

func newServe() *cobra.Command {
	var roles string
	cmd := &cobra.Command{
		Use: "serve", Args: cobra.NoArgs,
		Short: "Run the service: API, scheduler and workers",
		Long: `Runs the service until it is told to stop; then it gives the runs in work back
to the queue, uncounted. Settings are CONNECTOR_* variables. Without a database
URL it keeps SQLite in the data folder, without a Redis URL it starts one in
this process; with PostgreSQL and Redis any number of processes share the work.

The environment must hold a master key:
  export CONNECTOR_MASTER_KEYS="$(connector keys generate)"`,
		RunE: func(cmd *cobra.Command, _ []string) error { return failed(serve(cmd, roles)) },
	}
	cmd.Flags().StringVar(&roles, "role", "all", "what this process does: all, or a comma list of api, worker, scheduler")
	return cmd
}

func serve(cmd *cobra.Command, roleList string) error {
	ctx := cmd.Context()
	roles, err := app.ParseRoles(roleList)
	if err != nil {
		return &exitError{code: exitUsage, cause: err}
	}
	cfg, err := config.FromEnvironment()
	if err != nil {
		return err
	}
	if cfg.RedisURL.IsZero() && len(roles) < len(app.AllRoles()) {
		return &exitError{code: exitUsage, cause: fmt.Errorf("--role %s needs CONNECTOR_REDIS_URL: the embedded Redis serves the process that it is in", roleList)}
	}
	a, err := openApp(ctx, cfg, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := a.Start(ctx, roles); err != nil {
		return errors.Join(err, stopApp(ctx, cfg, a))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "connector listens on %s (API description at %s/docs)\n", a.URL(), a.URL())
	if err := greet(ctx, cmd, a); err != nil {
		return errors.Join(err, stopApp(ctx, cfg, a))
	}
	select {
	case <-ctx.Done():
		fmt.Fprintln(cmd.OutOrStdout(), "stopping; runs in work go back to the queue")
		return stopApp(ctx, cfg, a)
	case err := <-a.Failed():
		return errors.Join(err, stopApp(ctx, cfg, a))
	}
}

// greet tells how to make the first API client.
func greet(ctx context.Context, cmd *cobra.Command, a *app.App) error {
	clients, err := a.Access.List(ctx, app.Workspace, access.Page{Limit: 1})
	if err != nil || len(clients) > 0 {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), `No API client exists yet. In another shell, with the same environment:
  connector clients create --name me --scopes all
`)
	return nil
}
