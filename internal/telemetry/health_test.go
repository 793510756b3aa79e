package telemetry_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/telemetry"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := telemetry.NewHealth(func() time.Time { return now })
	ok, parts := h.Ready()
	require.True(t, ok)
	require.Empty(t, parts)
	require.NotNil(t, parts)

	h.Expect("store", 10*time.Second)
	h.Expect("queue", 30*time.Second)
	ok, parts = h.Ready()
	require.False(t, ok, "nothing has succeeded yet")
	require.Equal(t, []telemetry.Part{{Name: "queue", AgeSeconds: -1}, {Name: "store", AgeSeconds: -1}}, parts)

	h.Report("store", nil)
	h.Report("queue", nil)
	h.Report("nobody", nil)
	ok, parts = h.Ready()
	require.True(t, ok)
	require.Len(t, parts, 2)

	start := now
	now = now.Add(10 * time.Second)
	h.Report("store", fault.Wrap(errors.New("dial tcp 10.0.0.1: secret detail"), fault.StoreUnavailable, "the database does not answer"))
	ok, parts = h.Ready()
	require.True(t, ok, "one failure does not make a part sick")
	require.Equal(t, telemetry.Part{Name: "store", OK: true, Code: fault.StoreUnavailable, Message: "the database does not answer",
		LastSuccess: &start, AgeSeconds: 10}, parts[1])

	now = now.Add(time.Second)
	ok, parts = h.Ready()
	require.False(t, ok)
	require.True(t, parts[0].OK)
	require.False(t, parts[1].OK)
	text, err := json.Marshal(parts)
	require.NoError(t, err)
	require.NotContains(t, string(text), "10.0.0.1")

	h.Report("store", errors.New("a stranger's words"))
	_, parts = h.Ready()
	require.Equal(t, fault.Internal, parts[1].Code)
	require.NotContains(t, parts[1].Message, "stranger")

	h.Report("store", nil)
	h.ReportAt("queue", now.Add(-31*time.Second), nil)
	ok, parts = h.Ready()
	require.False(t, ok)
	require.False(t, parts[0].OK)
	require.InDelta(t, 31, parts[0].AgeSeconds, 0)
	require.True(t, parts[1].OK)
	require.Empty(t, parts[1].Code)
}
