package store_test

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Several stores on one database are what several processes are to it.
func TestPermitsAreCountedForAllProcesses(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(*testing.T) store.Config{
		"SQLite":     func(t *testing.T) store.Config { return store.Config{Path: filepath.Join(t.TempDir(), "connector.db")} },
		"PostgreSQL": func(t *testing.T) store.Config { return store.Config{URL: testservers.PostgreSQL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const processes, workers, asks = 3, 4, 10
			c := where(t)
			limits := budget.Limits{PerHour: 50}
			var granted atomic.Int64
			var wait sync.WaitGroup
			start := make(chan struct{})
			for range processes {
				s := open(t, c)
				for range workers {
					wait.Go(func() {
						<-start
						for range asks {
							p, err := s.TakePermit(t.Context(), budget.Take{Domain: "team", JobID: "job", Limits: limits, Now: now, Latest: now})
							if assert.NoError(t, err) && p.Granted {
								granted.Add(1)
							}
						}
					})
				}
			}
			close(start)
			wait.Wait()
			require.Equal(t, limits.FirstPerHour(), granted.Load(), "never more, and none lost")
		})
	}
}
