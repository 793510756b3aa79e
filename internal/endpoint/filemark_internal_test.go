package endpoint

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/outside"
	"github.com/stretchr/testify/require"
)

func TestMarksOfFiles(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC)
	file := func(seconds int, key, etag string) outside.Object {
		return outside.Object{Key: key, ETag: etag, Modified: at.Add(time.Duration(seconds) * time.Second)}
	}
	read := func(from string, files ...outside.Object) string {
		m, err := parseMark(from)
		require.NoError(t, err)
		for _, o := range files {
			require.True(t, m.before(o), "%s after %s", o.Key, m)
			m = m.and(o)
			require.False(t, m.before(o), "%s after %s", o.Key, m)
		}
		return m.String()
	}
	first := read("", file(0, "old", "1"), file(1, "b c", "1"), file(1, "d", "1"))
	second := read(first, file(1, "a", "1"), file(1, "d", "2"), file(1, "seen:x y", "1"))
	third := read(second, file(2, "0", "1"))
	require.Less(t, first, second)
	require.Less(t, second, third)
	for _, text := range []string{first, second, third} {
		m, err := parseMark(text)
		require.NoError(t, err)
		require.Equal(t, text, m.String())
	}
	m, err := parseMark(second)
	require.NoError(t, err)
	require.Equal(t, "seen:x y", m.key)
	require.False(t, m.before(file(0, "z", "1")), "what was written before is not read")

	// Marks of callers, and of times before digests were kept.
	for text, more := range map[string]bool{
		"2026-03-01T08:00:01Z":                     true,
		"2026-03-01T08:00:01.000000000Z a":         true,
		"2026-03-01T08:00:01.000000000Z d":         false,
		"2026-03-01T08:00:01.000000000Z seen:abc":  false,
		"2026-03-01T08:00:01.000000000Z seen:ab c": false,
	} {
		m, err := parseMark(text)
		require.NoError(t, err)
		require.Empty(t, m.seen, text)
		require.Equal(t, more, m.before(file(1, "d", "1")), text)
	}
	require.Contains(t, read("2026-03-01T08:00:01Z", file(1, "d", "1")), seenPrefix)
	_, err = parseMark("d")
	require.Error(t, err)
}

// More files of a moment than a mark holds are told by their keys alone.
func TestMarksOfManyFiles(t *testing.T) {
	t.Parallel()
	m := mark{}
	for i := range maxSeen + 1 {
		require.LessOrEqual(t, len(m.String()), 8192)
		m = m.and(outside.Object{Key: fmt.Sprintf("%06d", i), Modified: time.Unix(1, 0)})
	}
	require.False(t, strings.Contains(m.String(), seenPrefix))
	require.Equal(t, fmt.Sprintf("%06d", maxSeen), m.key)
}
