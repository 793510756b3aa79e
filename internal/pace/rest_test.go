package pace_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/pace"
)

func TestRestEndsWithTimeOrCause(t *testing.T) {
	t.Parallel()
	require.NoError(t, pace.Rest(t.Context(), time.Millisecond))
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	require.ErrorIs(t, pace.Rest(ctx, time.Hour), gone)
}
