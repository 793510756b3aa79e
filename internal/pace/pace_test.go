package pace_test

import (
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/pace"
	"github.com/stretchr/testify/require"
)

func TestKeysAreBoundedEach(t *testing.T) {
	t.Parallel()
	var k pace.Keys
	now := time.Unix(1_700_000_000, 0)
	for range 3 {
		require.Zero(t, k.Take("a", 3, now))
	}
	require.Equal(t, 20*time.Second, k.Take("a", 3, now))
	require.Equal(t, 20*time.Second, k.Take("a", 3, now), "a refusal takes nothing")
	require.Zero(t, k.Take("b", 3, now), "each key has its own")
	require.Zero(t, k.Take("a", 3, now.Add(20*time.Second)))
	require.Positive(t, k.Take("a", 3, now.Add(20*time.Second)))
	require.Zero(t, k.Take("a", 0, now), "no bound")
}

func TestAnotherBoundHoldsAtOnce(t *testing.T) {
	t.Parallel()
	var k pace.Keys
	now := time.Unix(1_700_000_000, 0)
	require.Zero(t, k.Take("a", 1, now))
	require.Equal(t, time.Minute, k.Take("a", 1, now))
	require.Equal(t, time.Second, k.Take("a", 60, now))
}
