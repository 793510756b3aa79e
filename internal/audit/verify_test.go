package audit_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/audit"
)

// The form that is hashed is a promise: who keeps an export can check it with
// nothing but SHA-256. A change of it breaks every chain there is.
func TestDigestIsAPromise(t *testing.T) {
	t.Parallel()
	e := audit.Event{Seq: 1, ID: "0199f3a0-0000-7b54-9a3e-2f6c1d0b8e11", Workspace: "default", At: time.UnixMicro(1_700_000_000_123_456), Actor: "anna",
		From: "192.0.2.1", RequestID: "r-1", Action: audit.Updated, Kind: audit.Connection, ObjectID: "c", Name: "Prod <pool>", Fields: []string{"name"}, Before: "aa", After: "bb"}
	genesis := audit.NewGenesis("default").Hash()
	require.Equal(t, "6ce6176f0bebe9cddf043614d12a53dbbd8939cbc3d121c7c8ed2f87dcd54cd3", genesis)
	digest, err := e.Digest(genesis)
	require.NoError(t, err)
	require.Equal(t, "fd7f1a65404f61437a51dfda5205ef6dd596dd5bb7597dd02edccdc36a0ba84c", digest)
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	text := "12:" + strings.Repeat("0a", 32)
	a, err := audit.ParseAnchor(text + "\n")
	require.NoError(t, err)
	require.Equal(t, text, a.String())
	for _, bad := range []string{"", "12", "12:", "x:" + strings.Repeat("0a", 32), "-1:" + strings.Repeat("0a", 32), "012:" + strings.Repeat("0a", 32), "1:" + strings.Repeat("0a", 31)} {
		_, err := audit.ParseAnchor(bad)
		require.Error(t, err, bad)
	}
}

func TestHashGoesByContent(t *testing.T) {
	t.Parallel()
	first, err := audit.Hash(map[string]any{"a": 1, "b": []string{"x"}})
	require.NoError(t, err)
	second, err := audit.Hash(struct {
		B []string `json:"b"`
		A int      `json:"a"`
	}{[]string{"x"}, 1})
	require.NoError(t, err)
	require.Equal(t, first, second)
	other, err := audit.Hash(map[string]any{"a": 2, "b": []string{"x"}})
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}

// sink keeps events, and refuses them while err is set.
type sink struct {
	mu     sync.Mutex
	events []audit.Event
	err    error
}

func (s *sink) NoteEvent(_ context.Context, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.events = append(s.events, e)
	}
	return s.err
}

func TestUsesOfABurstAreOneEvent(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	to := &sink{}
	uses := audit.NewUses(to, func() time.Time { return now })
	anna := audit.As(t.Context(), audit.Actor{ID: "anna", From: "192.0.2.1"})
	run := func(attempt int) context.Context {
		return audit.As(t.Context(), audit.Actor{ID: audit.Run, RunID: "r", Attempt: attempt, Worker: "w"})
	}
	use := func(ctx context.Context, want int) {
		t.Helper()
		require.NoError(t, uses.Used(ctx, audit.Event{Workspace: "w", Kind: audit.Connection, ObjectID: "c"}))
		require.Len(t, to.events, want)
	}
	use(audit.For(anna, audit.ForPicker), 1)
	use(audit.For(anna, audit.ForPicker), 1)
	use(audit.For(anna, audit.ForTest), 2)
	use(run(1), 3)
	now = now.Add(10 * time.Minute)
	use(run(1), 3)
	use(run(2), 4)
	use(audit.For(anna, audit.ForPicker), 5)
	require.Equal(t, []audit.Purpose{audit.ForPicker, audit.ForTest, audit.ForRun, audit.ForRun, audit.ForPicker},
		[]audit.Purpose{to.events[0].Purpose, to.events[1].Purpose, to.events[2].Purpose, to.events[3].Purpose, to.events[4].Purpose})

	to.err = context.DeadlineExceeded
	now = now.Add(time.Hour)
	require.Error(t, uses.Used(anna, audit.Event{ObjectID: "d"}), "what cannot be recorded is not done")
	to.err = nil
	use(anna, 6)
	require.NoError(t, (*audit.Uses)(nil).Used(anna, audit.Event{}))
}

func TestUsesAreSafeForMany(t *testing.T) {
	t.Parallel()
	to := &sink{}
	uses := audit.NewUses(to, time.Now)
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 100 {
				assert.NoError(t, uses.Used(t.Context(), audit.Event{ObjectID: "c"}))
			}
		})
	}
	done.Wait()
	require.Len(t, to.events, 1)
}
