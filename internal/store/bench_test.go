package store_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/stretchr/testify/require"
)

// onBoth runs a benchmark on both databases. PostgreSQL syncs nothing to disk in tests, SQLite does.
func onBoth(b *testing.B, bench func(b *testing.B, s *store.Store)) {
	b.Run("SQLite", func(b *testing.B) { bench(b, openSQLite(b)) })
	b.Run("PostgreSQL", func(b *testing.B) { bench(b, openPostgres(b)) })
}

func BenchmarkClaimRun(b *testing.B) {
	onBoth(b, func(b *testing.B, s *store.Store) {
		run := newRun(b, s, newFlow(b, s))
		at := now
		for b.Loop() {
			at = at.Add(time.Hour)
			_, err := s.ClaimRun(b.Context(), run.ID, flows.Claim{Worker: "w", Now: at, Until: at.Add(time.Minute)})
			require.NoError(b, err)
		}
	})
}

func BenchmarkSaveCheckpoint(b *testing.B) {
	for _, errors := range []int{0, 1000} {
		b.Run(strconv.Itoa(errors)+"Errors", func(b *testing.B) {
			onBoth(b, func(b *testing.B, s *store.Store) {
				run := newRun(b, s, newFlow(b, s))
				run, err := s.ClaimRun(b.Context(), run.ID, flows.Claim{Now: now, Until: now.Add(time.Hour)})
				require.NoError(b, err)
				found := make([]flows.RecordError, errors)
				record := int64(0)
				for b.Loop() {
					for i := range found {
						record++
						found[i] = flows.RecordError{Record: record, Field: "amount", Message: "not a number", Data: []byte(`{"amount":"x"}`)}
					}
					c := flows.Checkpoint{Source: json.RawMessage(strconv.FormatInt(record, 10)), PushJobID: "job", Chunks: record}
					require.NoError(b, s.SaveCheckpoint(b.Context(), run.Token(), c, found))
				}
			})
		})
	}
}

func BenchmarkConnection(b *testing.B) {
	onBoth(b, func(b *testing.B, s *store.Store) {
		var id string
		for range 1000 {
			id = newConnection(b, s).ID
		}
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := s.Connection(b.Context(), workspace, id); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
