package spool_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/spool"
	"github.com/stretchr/testify/require"
)

func TestWriteAndOpen(t *testing.T) {
	t.Parallel()
	s, err := spool.Open(filepath.Join(t.TempDir(), "files"))
	require.NoError(t, err)
	size, sum, err := s.Write(t.Context(), "one", strings.NewReader("abc"))
	require.NoError(t, err)
	require.EqualValues(t, 3, size)
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sum)

	f, size, err := s.Open("one")
	require.NoError(t, err)
	defer f.Close()
	require.EqualValues(t, 3, size)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, "abc", string(text))

	require.NoError(t, s.Remove("one"))
	require.NoError(t, s.Remove("one"))
	_, _, err = s.Open("one")
	require.True(t, fault.Has(err, fault.FileNotFound), "%v", err)
	require.NoError(t, s.Check())
}

func TestAnUploadThatBreaksLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := spool.Open(dir)
	require.NoError(t, err)
	broken := errors.New("broken pipe")
	_, _, err = s.Write(t.Context(), "one", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	_, _, err = s.Write(ctx, "one", strings.NewReader("abc"))
	require.ErrorIs(t, err, broken)

	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestPartsOfKilledUploadsGoAfterADay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "upload-1.part"), filepath.Join(dir, "upload-2.part")
	for _, path := range []string{old, fresh} {
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	before := time.Now().Add(-25 * time.Hour)
	require.NoError(t, os.Chtimes(old, before, before))
	_, err := spool.Open(dir)
	require.NoError(t, err)
	require.NoFileExists(t, old)
	require.FileExists(t, fresh, "another process may be writing it")
}

func TestIDsCannotLeaveTheFolder(t *testing.T) {
	t.Parallel()
	s, err := spool.Open(t.TempDir())
	require.NoError(t, err)
	for _, id := range []string{"", "..", "../x", "a/b", `a\b`} {
		_, _, err := s.Open(id)
		require.True(t, fault.Has(err, fault.FileNotFound), "%q: %v", id, err)
		_, _, err = s.Write(t.Context(), id, strings.NewReader("x"))
		require.True(t, fault.Has(err, fault.FileNotFound), "%q: %v", id, err)
	}
}

func TestAFolderIsNoFile(t *testing.T) {
	t.Parallel()
	_, _, err := spool.OpenPath(t.TempDir())
	require.True(t, fault.Has(err, fault.SourceFormat), "%v", err)
}
