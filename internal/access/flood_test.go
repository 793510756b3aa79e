package access_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// guesses is how many wrong secrets come at once.
const guesses = 10_000

func wrong(i int) crypto.Secret { return crypto.NewSecret(fmt.Sprintf("ccs_wrong-%d", i)) }

// TestAFloodOfWrongSecretsIsOneRead holds the database while ten thousand
// guesses wait for it: the right secret comes in meanwhile without a read, and
// all the guesses together cost two.
func TestAFloodOfWrongSecretsIsOneRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		c, secret := b.client(t, "all")
		b.issue(t, b.Service, c, secret)
		_, err := b.Authenticate(t.Context(), c.ID, secret)
		require.NoError(t, err)

		b.repo.mu.Lock()
		before := b.repo.reads
		b.repo.gate = make(chan struct{})
		b.repo.mu.Unlock()
		var wg sync.WaitGroup
		for i := range guesses {
			wg.Go(func() {
				_, err := b.Authenticate(t.Context(), c.ID, wrong(i))
				if fault.CodeOf(err) != fault.AccessUnauthenticated {
					t.Errorf("guess %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		_, err = b.Authenticate(t.Context(), c.ID, secret)
		require.NoError(t, err, "the right secret waits for nobody")
		close(b.repo.gate)
		wg.Wait()
		require.LessOrEqual(t, b.repo.reads-before, 2)
	})
}

// TestIDsThatAreNoneCostNothing asks for clients that cannot be.
func TestIDsThatAreNoneCostNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, id := range []string{"", "a", "' OR 1=1 --", "{0199f3a0-0001-7b54-9a3e-2f6c1d0b8e11}", "urn:uuid:0199f3a0-0001-7b54-9a3e-2f6c1d0b8e11", "0199f3a000017b549a3e2f6c1d0b8e11"} {
		_, err := b.Authenticate(t.Context(), id, wrong(0))
		require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))
	}
	require.Zero(t, b.repo.reads)
}

// BenchmarkRightSecret takes the time of a right secret alone and among ten
// thousand wrong ones; ratio is the second to the first.
func BenchmarkRightSecret(b *testing.B) {
	const rights = 20_000
	box := setup(b)
	c, secret := box.client(b, "all")
	run := func() time.Duration {
		began := time.Now()
		for range rights {
			if _, err := box.Authenticate(b.Context(), c.ID, secret); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(began) / rights
	}
	var alone, among time.Duration
	for b.Loop() {
		alone += run()
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range guesses {
				_, _ = box.Authenticate(b.Context(), c.ID, wrong(i))
			}
		})
		among += run()
		wg.Wait()
	}
	b.ReportMetric(float64(among)/float64(alone), "ratio")
	b.ReportMetric(float64(alone.Nanoseconds())/float64(b.N), "alone-ns")
}
