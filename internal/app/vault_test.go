package app_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func vault(t testing.TB, cfg config.Config) *app.Vault {
	t.Helper()
	v, err := app.OpenVault(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	return v
}

func withKeys(cfg config.Config, keys ...string) config.Config {
	cfg.MasterKeys = crypto.NewSecret(strings.Join(keys, ","))
	return cfg
}

func unheard(crypto.Rotation) {}

func TestKeysChangeAndFitTheDatabase(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		first, firstID := masterKey(t)
		second, secondID := masterKey(t)
		cfg := on(withKeys(settings(t, sim.URL), first))
		a := openApp(t, cfg)
		old, err := a.Connections.Create(t.Context(), app.Workspace, draftOf("old", sim), connections.CreateOptions{SkipTest: true})
		require.NoError(t, err)
		stopApp(t, a)

		// A new primary key before the old one starts; the old one opens what it sealed.
		a = openApp(t, withKeys(cfg, second, first))
		_, err = a.Connections.Create(t.Context(), app.Workspace, draftOf("new", sim), connections.CreateOptions{SkipTest: true})
		require.NoError(t, err)
		_, err = a.Connections.Target(t.Context(), app.Workspace, old.ID)
		require.NoError(t, err)
		stopApp(t, a)

		// The canary opens with the first key, but a row needs the second.
		err = refusedApp(t, cfg)
		require.True(t, fault.Has(err, fault.KeyringUnknown), err)
		require.Contains(t, err.Error(), secondID)
		require.True(t, fault.Has(refusedApp(t, withKeys(cfg, second)), fault.KeyringCanary))

		v := vault(t, withKeys(cfg, second, first))
		keys, err := v.Keys(t.Context())
		require.NoError(t, err)
		require.Equal(t, []app.KeyStatus{
			{ID: secondID, Primary: true, Loaded: true, Sealed: map[string]int64{"connection": 1}, Rows: 1},
			{ID: firstID, Loaded: true, Sealed: map[string]int64{"connection": 1, "canary": 1, "workspaceKey": 1}, Rows: 3},
		}, keys)
		err = v.Retire(t.Context(), firstID)
		require.True(t, fault.Has(err, fault.KeyringInUse), err)
		require.Contains(t, err.Error(), "1 canary, 1 connection")
		require.Contains(t, err.Error(), "connection "+old.ID+" appKey")
		require.True(t, fault.Has(v.Retire(t.Context(), secondID), fault.KeyringInUse), "the primary key seals")
		require.True(t, fault.Has(v.Retire(t.Context(), "nowhere"), fault.KeyringUnknown))

		for _, want := range []int64{2, 0} {
			r, err := v.Rotate(t.Context(), unheard)
			require.NoError(t, err)
			require.Equal(t, want, r.Resealed, "a second rotation finds nothing to do")
		}
		require.NoError(t, v.Retire(t.Context(), firstID))
		a = openApp(t, withKeys(cfg, second))
		target, err := a.Connections.Target(t.Context(), app.Workspace, old.ID)
		require.NoError(t, err)
		require.Equal(t, sim.AppKey, target.Key.Reveal())
	})
}

// A row that does not open stops nothing but the end: the others are sealed anew and it is named.
func TestRotationNamesWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	first, firstID := masterKey(t)
	second, _ := masterKey(t)
	cfg := withKeys(settings(t, sim.URL), first)
	a := openApp(t, cfg)
	good, err := a.Connections.Create(t.Context(), app.Workspace, draftOf("good", sim), connections.CreateOptions{SkipTest: true})
	require.NoError(t, err)
	moved := *good
	moved.ID, moved.Name = uuid.Must(uuid.NewV7()).String(), "moved"
	require.NoError(t, a.Store.CreateConnection(t.Context(), &moved))
	v := vault(t, withKeys(cfg, second, first))
	r, err := v.Rotate(t.Context(), unheard)
	require.True(t, fault.Has(err, fault.SecretUnsealed), err)
	require.Contains(t, err.Error(), moved.ID)
	require.EqualValues(t, 2, r.Resealed, "the good connection's key and that of the audit's digests")
	require.True(t, fault.Has(v.Retire(t.Context(), firstID), fault.KeyringInUse))
	require.NoError(t, a.Store.DeleteConnection(t.Context(), app.Workspace, moved.ID, 0))
	_, err = v.Rotate(t.Context(), unheard)
	require.NoError(t, err)
	require.NoError(t, v.Retire(t.Context(), firstID))
}

// rotated is how many connections are sealed anew while the service works.
const rotated = 10_000

func TestRotationWhileReadsAndRunsGoOn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it stores 10,000 connections twice")
	}
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		first, firstID := masterKey(t)
		second, secondID := masterKey(t)
		cfg := on(withKeys(settings(t, sim.URL), first))
		ids := fill(t, cfg, sim)

		// One process has the new key in front already, another one still has it behind.
		s := start(t, withKeys(cfg, second, first))
		a := s.app
		late := openApp(t, withKeys(cfg, first, second))
		flow := s.fileFlow(s.Connect("used", sim), "T", "csv", "ID\n1\n2\n")

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var readers sync.WaitGroup
		var reads, writes atomic.Int64
		for n, process := range []*app.App{a, late, a} {
			readers.Go(func() { readAll(ctx, t, process, ids, sim.AppKey, n*len(ids)/3, &reads) })
		}
		readers.Go(func() { writeSome(ctx, t, a, ids[:len(ids)/10], sim, &writes) })
		v := vault(t, withKeys(cfg, second, first))
		type outcome struct {
			rotation crypto.Rotation
			err      error
		}
		began, done := time.Now(), make(chan outcome, 1)
		go func() {
			r, err := v.Rotate(ctx, unheard)
			done <- outcome{r, err}
		}()
		runs := 0
		var end outcome
		for running := true; running; runs++ {
			apptest.RequireWhole(t, s.Do(flow), 2)
			select {
			case end = <-done:
				running = false
			default:
			}
		}
		took := time.Since(began)
		cancel()
		readers.Wait()
		require.NoError(t, end.err)
		require.Greater(t, end.rotation.Resealed, int64(rotated*8/10), "%+v", end.rotation)
		require.Positive(t, reads.Load())
		t.Logf("%d secrets sealed anew in %s beside %d reads, %d writes and %d runs; %d rows changed meanwhile",
			end.rotation.Resealed, took, reads.Load(), writes.Load(), runs, end.rotation.Changed)

		require.NoError(t, v.Retire(t.Context(), firstID))
		keys, err := v.Keys(t.Context())
		require.NoError(t, err)
		require.Equal(t, secondID, keys[0].ID)
		require.EqualValues(t, rotated+1, keys[0].Sealed["connection"])
	})
}

// fill stores connections that are sealed under the only key of the settings.
func fill(t *testing.T, cfg config.Config, sim *apptest.Sim) []string {
	t.Helper()
	a := openApp(t, cfg)
	defer stopApp(t, a)
	ids := make([]string, rotated)
	var makers sync.WaitGroup
	for n := range 4 {
		makers.Go(func() {
			for i := n; i < rotated; i += 4 {
				c, err := a.Connections.Create(t.Context(), app.Workspace, draftOf(fmt.Sprint("c", i), sim), connections.CreateOptions{SkipTest: true})
				if !assert.NoError(t, err) {
					return
				}
				ids[i] = c.ID
			}
		})
	}
	makers.Wait()
	return ids
}

// readAll opens one connection after another until ctx ends; none may fail.
func readAll(ctx context.Context, t *testing.T, a *app.App, ids []string, key string, from int, reads *atomic.Int64) {
	for i := from; ctx.Err() == nil; i++ {
		target, err := a.Connections.Target(t.Context(), app.Workspace, ids[i%len(ids)])
		if !assert.NoError(t, err) || !assert.Equal(t, key, target.Key.Reveal()) {
			return
		}
		reads.Add(1)
	}
}

// writeSome gives connections their key anew until ctx ends.
func writeSome(ctx context.Context, t *testing.T, a *app.App, ids []string, sim *apptest.Sim, writes *atomic.Int64) {
	for i := 0; ctx.Err() == nil; i++ {
		id := ids[i%len(ids)]
		c, err := a.Store.Connection(t.Context(), app.Workspace, id)
		if !assert.NoError(t, err) {
			return
		}
		envelope, err := a.Keyring.Seal(crypto.NewSecret(sim.AppKey), crypto.AAD{
			Workspace: app.Workspace, Kind: connections.SealedKind, ID: id, Field: string(connections.AppKey)})
		if !assert.NoError(t, err) {
			return
		}
		c.Revision++
		c.Secrets[connections.AppKey] = connections.SealedSecret{Envelope: envelope, UpdatedAt: time.Now()}
		if !assert.NoError(t, a.Store.UpdateConnection(t.Context(), c)) {
			return
		}
		writes.Add(1)
	}
}
