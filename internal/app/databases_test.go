package app_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// masterKey makes an entry of a keyring and gives its id too.
func masterKey(t testing.TB) (entry, id string) {
	t.Helper()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	ring, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	return entry, ring.PrimaryID()
}

// onEachDatabase runs a test on SQLite and on PostgreSQL; on gives settings for the database.
func onEachDatabase(t *testing.T, test func(t *testing.T, on func(config.Config) config.Config)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, func(c config.Config) config.Config { return c })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		dsn := crypto.NewSecret(testservers.PostgreSQL(t))
		test(t, func(c config.Config) config.Config { c.DatabaseURL = dsn; return c })
	})
}

// openApp makes an app that is not started; it ends with the test.
func openApp(t testing.TB, cfg config.Config) *app.App {
	t.Helper()
	log, redactor, err := app.NewLog(cfg, io.Discard)
	require.NoError(t, err)
	a, err := app.New(t.Context(), cfg, log, redactor)
	require.NoError(t, err)
	t.Cleanup(func() { stopApp(t, a) })
	return a
}

func stopApp(t testing.TB, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	require.NoError(t, a.Stop(ctx))
}

// refusedApp demands that no app is made of the settings, and gives the reason.
func refusedApp(t testing.TB, cfg config.Config) error {
	t.Helper()
	log, redactor, err := app.NewLog(cfg, io.Discard)
	require.NoError(t, err)
	_, err = app.New(t.Context(), cfg, log, redactor)
	require.Error(t, err)
	return err
}

// callerOf makes an API client with the scopes, or every one, and gives a caller with its token.
func callerOf(t testing.TB, a *app.App, scopes ...string) *apptest.Client {
	t.Helper()
	if len(scopes) == 0 {
		scopes = []string{"all"}
	}
	return callerIn(t, a, app.Workspace, scopes...)
}

func callerIn(t testing.TB, a *app.App, workspace string, scopes ...string) *apptest.Client {
	t.Helper()
	c, secret, err := a.Access.CreateClient(t.Context(), workspace, "caller "+uuid.NewString(), scopes)
	require.NoError(t, err)
	return apptest.NewClient(t, a.URL(), c.ID, secret.Reveal())
}

// draftOf is a dataPush connection to the simulator's pool.
func draftOf(name string, sim *apptest.Sim) connections.Draft {
	return connections.Draft{Name: name, APIType: connections.DataPush, Domain: sim.Host, AuthType: connections.Custom,
		AppKey: crypto.NewSecret(sim.AppKey), PoolID: sim.Pool}
}
